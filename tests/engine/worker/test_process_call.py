"""Processes that are run to their end, whatever they do."""

import os
import signal
import sys
import time
from pathlib import Path

import psutil
import pytest

from mlpperf.engine.worker import process_call
from mlpperf.engine.worker.process_call import called, peak_of
from mlpperf.engine.worker.suite import FailedError, NotTimedError
from mlpperf.engine.worker.timeout import TooLongError, at_most

ENVIRONMENT = {"PATH": "/usr/bin:/bin"}


def shell(text: str, folder: Path, given: bytes = b"") -> process_call.Ended:
    return called(["/bin/sh", "-c", text], ENVIRONMENT, str(folder), given)


def test_its_output_code_and_time_are_known(tmp_path: Path) -> None:
    ended = shell("pwd; echo bad >&2; sleep 0.05; exit 3", tmp_path)
    assert (ended.code, ended.output, ended.errors) == (3, f"{tmp_path}\n".encode(), b"bad\n")
    assert ended.seconds >= 0.05
    assert 0 < ended.cpu_seconds < ended.seconds
    assert shell("kill -9 $$", tmp_path).code == -signal.SIGKILL


def test_it_reads_what_it_is_given_and_else_the_end(tmp_path: Path) -> None:
    much = b"x" * (1 << 20)
    assert shell("cat", tmp_path, much).output == much
    assert shell("read line; echo $?", tmp_path).output == b"1\n"


def test_more_output_than_is_kept_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_call, "OUTPUT_MOST", 1 << 20)
    with pytest.raises(NotTimedError, match="prints more than 1 MB"):
        shell("cat /dev/zero", tmp_path)
    assert len(shell("cat /dev/zero | head -c 9999 >&2", tmp_path).errors) == 4096
    assert children() == []


@pytest.mark.parametrize("session", ["", "setsid "])
@pytest.mark.parametrize("output", ["", ">/dev/null 2>&1"])
def test_what_it_leaves_behind_is_ended_and_reported(
    output: str, session: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_call, "LINGERING", 0.3)
    left = f"sleep 300.{os.getpid()}"  # of no other test on this machine
    with pytest.raises(NotTimedError, match="leaves processes behind"):
        shell(f"{session}{left} {output} &", tmp_path)
    end = time.monotonic() + 60
    while left in running() and time.monotonic() < end:
        time.sleep(0.05)
    assert left not in running()


def test_a_detached_process_that_ends_soon_after_is_no_reason(tmp_path: Path) -> None:
    assert shell("setsid sleep 0.2 >/dev/null 2>&1 &", tmp_path).code == 0
    assert children() == []


def test_what_takes_too_long_is_ended(tmp_path: Path) -> None:
    with pytest.raises(TooLongError), at_most(0.2):
        shell("sleep 300", tmp_path)
    assert children() == []


def test_what_cannot_be_run_fails(tmp_path: Path) -> None:
    with pytest.raises(FailedError, match="/nowhere cannot be run: No such file"):
        called(["/nowhere"], {}, str(tmp_path))


def test_its_peak_memory_is_its_own(tmp_path: Path) -> None:
    held = bytearray(200 << 20)
    sizes = {}
    for mb in (0, 50):
        code = f"held = bytearray({mb} << 20); print(1)"
        sizes[mb], ended = peak_of([sys.executable, "-c", code], ENVIRONMENT, str(tmp_path), b"")
        assert (ended.code, ended.output) == (0, b"1\n")
    assert sizes[0] < len(held)
    assert 40 << 20 < sizes[50] - sizes[0] < 60 << 20


def test_its_peak_memory_is_unknown_if_the_process_that_measures_it_dies(tmp_path: Path) -> None:
    words = ["/bin/sh", "-c", "kill -9 $PPID"]
    assert peak_of(words, ENVIRONMENT, str(tmp_path), b"")[0] is None
    failing = ["/bin/sh", "-c", "exit 3"]
    peak, ended = peak_of(failing, ENVIRONMENT, str(tmp_path), b"")
    assert (ended.code, bool(peak)) == (3, True)


def children() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


def running() -> list[str]:
    return [
        " ".join(one.info["cmdline"] or ())
        for one in psutil.process_iter(["cmdline", "status"])
        if one.info["status"] != psutil.STATUS_ZOMBIE
    ]
