"""A comparison that is interrupted leaves nothing behind, and loses nothing."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from mlpperf.engine.files import own_folder

pytestmark = pytest.mark.usefixtures("temporary")


PATIENCE = 600  # seconds after which a process counts as hanging; nothing is meant to take long


FATAL = """

def scaled(x, _original=scaled):
    '''2·x, or the end.'''
    {what}
    return _original(x)
"""


@pytest.mark.parametrize("group", [False, True], ids=["itself", "and its processes"])
def test_interrupted_midway_nothing_is_left(group: bool, project: Any, temporary: Path) -> None:
    """By Ctrl-C, which a terminal sends to all of them, or by a message to the one."""
    touch = f"pathlib.Path({str(temporary / 'waiting')!r}).touch()"
    project.write("src/pkg/__init__.py", f"import pathlib, time\n{touch}\ntime.sleep(600)\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "mlpperf", "compare", "HEAD"],
        cwd=project.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and not (temporary / "waiting").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    children = psutil.Process(process.pid).children(recursive=True)
    assert children
    if group:
        os.killpg(process.pid, signal.SIGINT)
    else:
        process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert errors == "mlpperf: Interrupted; what was finished is kept.\n"
    assert out == ""
    assert not [child for child in children if child.is_running()]
    assert {file.name for file in temporary.iterdir()} <= {own_folder().name, "waiting"}
    assert {file.name for file in own_folder().iterdir()} <= {
        ".gitignore",
        "compare.lock",
        "scratch.lock",
    }
    assert project.git("worktree", "list").count("\n") == 1


@pytest.mark.parametrize(("number", "times"), [(signal.SIGINT, 1), (signal.SIGTERM, 5)])
def test_interrupted_while_timing_what_is_known_is_recorded_and_shown(
    number: int, times: int, project: Any, temporary: Path
) -> None:
    touch = f"import gc; gc.isenabled() or open({str(temporary / 'timing')!r}, 'w').close()"
    project.replace(
        "src/pkg/hotpaths.py", "\n\ndef page", FATAL.format(what=touch) + "\n\ndef page"
    )
    given = ("HEAD", "--budget", "600", "--series", "*/batch-128/*")
    with subprocess.Popen(
        [sys.executable, "-m", "mlpperf", "compare", *given],
        cwd=project.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        deadline = time.monotonic() + PATIENCE
        while process.poll() is None and not (temporary / "timing").exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        children = psutil.Process(process.pid).children(recursive=True)
        for _ in range(times):
            process.send_signal(number)
            time.sleep(0.005)
        out, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert errors.splitlines()[-1] == "mlpperf: Interrupted; what was finished is kept."
    assert "Traceback" not in errors
    (line,) = (project.folder / ".mlpperf/comparisons.jsonl").read_text("utf-8").splitlines()
    assert json.loads(line)["interrupted"]
    if times == 1:
        assert "doubling" in out
        assert "Interrupted: benchmarks that were not judged by then are undecided." in out
    assert not [child for child in children if child.is_running()]
