"""What is shown of a build that fails, and how one is ended."""

import contextlib
import os
import sys
import time
from pathlib import Path

import psutil
import pytest

from mlpperf.engine.versions.build_process import LINES, Commands, error_lines, run_all
from mlpperf.errors import MlpperfError

PIP = """  error: subprocess-exited-with-error
  error: command '/usr/bin/gcc' failed with exit code 1
ERROR: Failed building wheel for quick
subprocess.CalledProcessError: Command '['cc']' returned non-zero exit status 1.
ninja: build stopped: subcommand failed.
"""


@pytest.mark.parametrize(
    ("output", "first"),
    [
        ("x.c:1:5: error: unknown type name 'in'\n 1 | in\n   | ^~\n", "x.c:1:5: error: unknown"),
        ("x.c:2:10: fatal error: no.h: No such file\n", "x.c:2:10: fatal error: no.h"),
        ("x.c(3): error C2065: 'a': undeclared\n", "x.c(3): error C2065"),
        (
            "   Compiling quick\nerror[E0425]: cannot find value\n --> src/lib.rs:1\n",
            "error[E0425]",
        ),
        ("../meson.build:5:0: ERROR: Dependency 'zlib' not found\n", "../meson.build:5:0: ERROR"),
        ("-- checking\nCMake Error at CMakeLists.txt:3:\n  no zlib\n", "CMake Error at"),
        ("q/x.pyx:3:4: undeclared name not builtin: foo\n", "q/x.pyx:3:4: undeclared"),
        ("x.o: in function f:\nx.c:1: undefined reference to 'g'\n", "x.c:1: undefined reference"),
        ("/usr/bin/ld: cannot find -lz: No such file\n", "/usr/bin/ld: cannot find -lz"),
        ("Traceback\n  File 'setup.py'\nModuleNotFoundError: No module named 'x'\n", "ModuleNot"),
        ("nothing is\n\nknown here\n", "nothing is"),
    ],
)
def test_the_lines_of_a_compiler_come_before_those_that_repeat_them(
    output: str, first: str
) -> None:
    only_last = output.startswith("nothing")
    lines = error_lines(output if only_last else f"gcc -c x.c\n{output}{PIP}")
    assert lines[0].startswith(first)


def test_many_errors_are_cut() -> None:
    lines = error_lines("".join(f"x.c:{i}: error: wrong\n" for i in range(100)))
    assert len(lines) == LINES
    assert lines[-1] == "x.c:99: error: wrong"


def commands(folder: Path, *codes: str) -> Commands:
    each = [[sys.executable, "-c", code] for code in codes]
    return Commands("head", each, folder, dict(os.environ), folder / "log")


def test_commands_run_one_after_the_other_until_one_fails(tmp_path: Path) -> None:
    wanted = [f"open({name!r}, 'x')" for name in "abc"]
    run_all([commands(tmp_path, *wanted[:2])], 60, lambda text: None, "building")
    assert (tmp_path / "b").exists()
    with pytest.raises(MlpperfError, match="failed with exit code 3"):
        run_all([commands(tmp_path, "exit(3)", wanted[2])], 60, lambda text: None, "building")
    assert not (tmp_path / "c").exists()


def test_an_interruption_ends_all_processes_of_all_builds(tmp_path: Path) -> None:
    child = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; "
    child += "time.sleep(1000)'])"
    builds = [commands(tmp_path, child) for _ in range(2)]
    seen: list[psutil.Process] = []

    def interrupt(text: str) -> None:
        seen[:] = psutil.Process().children(recursive=True)
        if len(seen) == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_all(builds, 60, interrupt, "building")
    until = time.monotonic() + 30  # a process that is killed may need a moment to end
    while any(map(is_alive, seen)) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(map(is_alive, seen))


def is_alive(process: psutil.Process) -> bool:
    """Whether a process has not ended."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False
