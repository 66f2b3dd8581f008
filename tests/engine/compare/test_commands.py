"""Whole comparisons of commands, as the command line makes them."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from unittest import mock

import psutil
import pytest
from typer.testing import CliRunner

from mlpperf.cli.app import app
from mlpperf.engine.files import own_folder

pytestmark = pytest.mark.usefixtures("temporary", "few_processes", "in_forks")
PYPROJECT = """[project]
name = "town"
version = "1"

[project.scripts]
town = "town.tool:main"
"""
SLOW = "import time\n\ntime.sleep(0.2)\n"  # which takes no processor from other tests
TOOL = """import sys
import town

def main():
    for _ in range({effort}):
        pass
    {does}
"""


class Town:
    """A project with a script, whose commit does something and whose working tree does more."""

    def __init__(self, project: Any) -> None:
        self.project = project
        project.git("rm", "-r", "--quiet", "src")
        project.write("pyproject.toml", PYPROJECT)
        project.write("src/town/__init__.py", "")
        self.tool("print('hello')")
        project.commit("a town")

    def tool(self, does: str, effort: int = 1) -> None:
        self.project.write("src/town/tool.py", TOOL.format(does=does, effort=effort))

    def table(self, *lines: str) -> None:
        """Name commands of the project."""
        table = "\n".join(["[tool.mlpperf.commands]", *lines, ""])
        self.project.write("pyproject.toml", PYPROJECT + table)

    def compared(self, *words: str) -> tuple[int, Any]:
        """The exit code and the record of a comparison with the commit."""
        with contextlib.chdir(self.project.folder), mock.patch.dict("os.environ"):
            given = ["compare", "HEAD", "--budget", "600", "--threshold", "50%", "--no-why"]
            given += ["--format", "json", "--records", str(self.project.folder.parent / "records")]
            done = CliRunner().invoke(app, [*given, *words], catch_exceptions=False)
        return done.exit_code, json.loads(done.stdout)


@pytest.fixture
def town(project: Any) -> Town:
    return Town(project)


@pytest.mark.usefixtures("counting")
def test_a_script_that_is_slower_and_takes_more_memory_is_reported(town: Town) -> None:
    town.tool("held = bytearray(100 << 20); print('hello')", effort=4_000_000)
    code, record = town.compared("--", "town", "--help")
    (series,) = record["series"]
    assert (code, series["variant"], series["suite"]) == (1, "town --help", "commands")
    assert record["selected"] == ["town --help"]
    assert series["verdict"].startswith("slower")
    assert series["grown"][0].startswith("peak memory ")
    assert series["memory"]["base"]["peak"] > 1 << 20
    assert series["memory"]["head"]["peak"] - series["memory"]["base"]["peak"] > 50 << 20
    assert series["cpu_seconds"]["head"] > series["cpu_seconds"]["base"] > 0


def test_an_import_and_the_commands_of_the_project_are_compared(town: Town) -> None:
    town.project.write("src/town/__init__.py", SLOW)
    town.project.write("note.txt", "")
    town.table("start = 'import:town'", "note = 'cat note.txt'")
    code, record = town.compared()
    assert code == 1
    start, note = sorted(record["series"], key=lambda one: one["variant"], reverse=True)
    assert start["verdict"].startswith("slower")
    assert record["suites"] == {"commands": "[tool.mlpperf.commands]: start, note"}
    assert "it runs no file of the project" in note["verdict"]
    assert "start is slower" in record["verdict"]


def test_what_a_table_says_of_a_command_holds(town: Town) -> None:
    town.tool("import os; print(input(), os.environ['MODE']); sys.exit(3)")
    town.project.commit("with an exit code")
    town.tool(
        "import os; mode = os.environ['MODE']; more = ['more'] * (mode == 'loud'); "
        "print(*more, input(), mode); sys.exit(4 if mode == 'fails' else 3)"
    )
    given = "{command = 'town', input = 'a', exit-code = 3, environment = {MODE = '%s'}%s}"
    town.table(
        *(f"{mode} = {given % (mode, '')}" for mode in ("same", "fails", "loud")),
        f"any = {given % ('loud', ', compare-output = false')}",
    )
    code, record = town.compared()
    wrong = {one["variant"]: " ".join(one["wrong"].values()) for one in record["series"]}
    assert code == 1
    assert wrong["fails"] == "fails fails: exit code 4"
    assert "its output differs" in wrong["loud"]
    assert (wrong["same"], wrong["any"]) == ("", "")


def test_versions_with_processes_of_their_own_are_compared(town: Town) -> None:
    town.tool("print('bye' if len(sys.argv) > 1 else 'hello')")
    town.table("same = 'town'", "other = 'town bye'")
    _, record = town.compared("--isolate")
    wrong = {one["variant"]: " ".join(one["wrong"].values()) for one in record["series"]}
    assert "its output differs" in wrong["other"]
    assert not wrong["same"]


@pytest.mark.usefixtures("by_hand")
def test_commands_of_releases_are_compared(market: Any) -> None:
    market.wheel("town", "3.0", {"town/__init__.py": SLOW})
    with contextlib.chdir(market.folder), mock.patch.dict("os.environ"):
        given = ["compare", "town==1.0", "town==3.0", "--budget", "600", "--threshold", "50%"]
        given += ["--no-why", "--format", "json", "--", "import:town"]
        done = CliRunner().invoke(app, given, catch_exceptions=False)
    (series,) = json.loads(done.stdout)["series"]
    assert (done.exit_code, series["verdict"].split()[0]) == (1, "slower")


def test_a_command_that_the_project_names_no_more_is_gone(town: Town) -> None:
    town.table("start = 'import:town'", "more = 'import:town.tool'")
    town.project.commit("commands")
    town.table("start = 'import:town'")
    code, record = town.compared()
    assert code == 2
    assert {one["variant"]: one["verdict"].split()[0] for one in record["series"]}["more"] == "gone"


WRONG = {
    "town bye": "its output differs from that of the base: line 1 is 'bye'",
    "town exit": "town exit fails: exit code 1: no",
    "town abort": "town abort fails: signal 6 ended it",
    "town input": "EOFError",
}
NOT_TIMED = {
    "nowhere": "it fails in both versions (there is no command 'nowhere')",
    "'town bye'": "there is no command 'town bye'; leave out the quotes around all its words",
    "sh -c 'town; exit 4'": "it fails in both versions (exit code 4)",
    "true": "it is not known which version it runs",
    "python -I -c pass": "it is not known which version it runs",
    "sh -c 'town; sleep 300 &'": "it leaves processes behind",
    "sh -c 'town; cat /dev/zero'": "it prints more than 16 MB",
}


@pytest.mark.parametrize(
    ("sentences", "code", "verdict"), [(WRONG, 1, "wrong"), (NOT_TIMED, 2, "not timed")]
)
def test_what_goes_wrong_is_one_sentence(
    sentences: dict[str, str], code: int, verdict: str, town: Town
) -> None:
    if verdict == "wrong":
        does = "import os; print('hello' if len(sys.argv) < 2 else {'bye': lambda: 'bye', "
        town.tool(
            f"{does}'exit': lambda: sys.exit('no'), 'abort': os.abort, 'input': input}}"
            "[sys.argv[1]]())"
        )
    else:
        town.tool("pass")
    town.table(*(f"{json.dumps(name)} = {json.dumps(name)}" for name in sentences))
    given, record = town.compared()
    assert given == code
    for one in record["series"]:
        assert one["verdict"].startswith(verdict)
        assert sentences.pop(one["variant"]) in f"{one['verdict']} {one['wrong'].get('head')}"
    assert not sentences


def test_a_command_that_hangs_is_broken_off(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlpperf.engine.compare import pipeline

    monkeypatch.setattr(pipeline, "longest_proof", lambda budget, series: 1.0)
    town.tool("pass")
    code, record = town.compared("--", "sh", "-c", "town; sleep 300")
    (series,) = record["series"]
    assert code == 2
    assert series["verdict"].startswith("undecided: ")


def test_output_that_varies_by_itself_is_no_difference(town: Town) -> None:
    """From run to run, by the copy's name; nor is what ends soon afterwards left behind."""
    does = (
        "import time; print({{'time': ({}time.time_ns(),), 'where': __file__}}.get(sys.argv[-1]))"
    )
    town.tool(does.format(""))
    town.project.commit("the time")
    town.tool(does.format("'now', "))
    town.table(
        "time = 'town time'", "where = 'town where'", "soon = \"sh -c 'town; sleep 0.05 & exit 0'\""
    )
    _, record = town.compared()
    assert len(record["series"]) == 3
    for series in record["series"]:
        assert series["processes"]
        assert not series["wrong"]
    (warning,) = (one for one in record["trouble"] if "run to run" in one)
    assert warning.startswith("time: its output differs from run to run")


def test_another_version_that_runs_is_refused(town: Town) -> None:
    town.tool("print('bye')")
    script = town.project.folder / "src/town/tool.py"
    with contextlib.chdir(town.project.folder):
        given = ["compare", "HEAD", "--", "python", str(script)]
        done = CliRunner().invoke(app, given, catch_exceptions=False)
    assert done.exit_code == 2, done.output
    print(done.output)
    assert "which is none of its own files" in " ".join(done.stderr.split())


def test_interrupted_nothing_is_left(town: Town, temporary: Path) -> None:
    touch = f"import pathlib, time; pathlib.Path({str(temporary / 'waiting')!r}).touch()"
    town.tool(f"{touch}; time.sleep(300)")
    town.project.commit("waits")
    town.tool(f"{touch}; time.sleep(299)")
    words = [sys.executable, "-m", "mlpperf", "compare", "HEAD", "--", "town"]
    process = subprocess.Popen(
        words, cwd=town.project.folder, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    end = time.monotonic() + 600
    while process.poll() is None and not (temporary / "waiting").exists():
        assert time.monotonic() < end
        time.sleep(0.05)
    children = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=600)
    assert (process.returncode, errors) == (2, "mlpperf: Interrupted; what was finished is kept.\n")
    assert children
    assert not [child for child in children if child.is_running()]
    assert {file.name for file in temporary.iterdir()} <= {own_folder().name, "waiting"}
