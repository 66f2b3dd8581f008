"""Processes that answer in lines of JSON: what they say counts, however they end."""

import os
import signal

import psutil
import pytest

from mlpperf.engine.timing import workers
from mlpperf.engine.timing.workers import Worker, WorkerError

LONG = "import time; time.sleep(600)"


def worker(*lines: str, patience: float | None = None) -> Worker:
    return Worker(["-c", "\n".join(("import json, os, sys, time", *lines))], patience=patience)


def heard(of: Worker) -> tuple[list[object], str]:
    """What it answers, and why it does not go on."""
    answers: list[object] = []
    try:
        answers += (answer["n"] for answer in of)
    except WorkerError as reason:
        return answers, str(reason)
    return answers, ""


def test_answers_come_one_by_one_as_they_are_asked_for() -> None:
    with worker(
        "for line in sys.stdin: print(json.dumps({'n': 2 * int(line)}), flush=True)"
    ) as doubling:
        for n in (3, 21):
            doubling.tell(str(n))
            assert next(doubling) == {"n": 2 * n}
        doubling.process.stdin.close()
        assert next(doubling, None) is None
        assert doubling.process.returncode == 0


def test_a_line_that_was_cut_off_is_no_answer() -> None:
    # In pieces, which are not lines.
    say = "for part in ('{', '\"n\": 1}\\n{\"n\"', ': 2}\\n{\"n\": 3'):"
    with worker(say, "    os.write(1, part.encode()); time.sleep(0.05)") as cut:
        assert heard(cut) == ([1, 2], "")


def test_one_that_fails_says_why_also_after_it_has_closed_its_output() -> None:
    lines = ("print('{\"n\": 1}', flush=True); os.close(1); time.sleep(0.5)",)
    with worker(*lines, "sys.exit('mlpperf: the reason')") as failing:
        said = "A process ended early; the last it said: the reason"
        assert heard(failing) == ([1], said)
        assert heard(failing) == ([], "")  # once is enough


def test_one_that_says_nothing_at_all_fails_too() -> None:
    with worker("os._exit(7)") as failing:
        failing.process.wait()
        failing.tell("nobody reads this")
        assert heard(failing) == ([], "A process ended early and said nothing")


def test_one_that_is_killed_has_said_what_it_said() -> None:
    with worker("print('{\"n\": 1}', flush=True)", LONG) as killed:
        assert next(killed) == {"n": 1}
        os.kill(killed.process.pid, signal.SIGKILL)
        assert heard(killed) == ([], "A process was killed by signal 9 and said nothing")


@pytest.mark.parametrize("closed", ["", "os.close(1)"])
def test_one_that_hangs_is_given_up_and_killed(closed: str) -> None:
    """Silent, or, because a thread waits for something, without an end."""
    with worker("print('{\"n\": 1}', flush=True)", closed, LONG) as hanging:
        assert next(hanging) == {"n": 1}
        hanging.patience = 0.2
        assert heard(hanging) == ([], "A process did not go on within 0.2 s and said nothing")
        assert hanging.process.poll() is None
    assert hanging.process.returncode == -signal.SIGKILL
    assert not psutil.pid_exists(hanging.process.pid)


def test_patience_is_that_of_all_processes_unless_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "PATIENCE", 123.0)
    for given, used in ((None, 123.0), (4.0, 4.0)):
        with worker(LONG, patience=given) as waiting:
            assert waiting.patience == used
