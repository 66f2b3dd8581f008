"""A few calls of a series: how long one takes."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mlpperf.engine.pool.process import TaskWorker
from mlpperf.engine.worker import dry_run
from mlpperf.engine.worker.clocks import waited
from mlpperf.engine.worker.dry_run import call_time, noting
from mlpperf.engine.worker.protocol import DryRun, Side, Task
from mlpperf.engine.worker.runner import Runner
from mlpperf.engine.worker.timeout import TooLongError


class Timed(Runner):
    """A contestant whose blocks take what is given."""

    def __init__(self, seconds: Callable[[], float], *, once: bool = False) -> None:
        super().__init__(seconds, once=once)

    def block(self, args: object = (), clock: object = None) -> float:
        return float(self.call())


def test_what_other_processes_took_meanwhile_is_not_the_calls(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = SimpleNamespace(now=0.0, waited=0.0)

    def block() -> float:
        clock.now += 3.5
        clock.waited += 2.0
        return 3.0

    monkeypatch.setattr(dry_run, "time", SimpleNamespace(perf_counter=lambda: clock.now))
    monkeypatch.setattr(dry_run, "waited", lambda: clock.waited)
    copy: Any = SimpleNamespace(
        collects=False,
        timeout=lambda names: 60.0,
        begin=lambda names, following: Timed(block),
        end=lambda: None,
    )
    took = call_time(copy, ("a", "", "b"), None, 60.0, 0, [])
    assert (took.call, took.total) == (1.0, 1.5)


@pytest.mark.parametrize(
    ("first", "following", "once", "cold"),
    [
        (9.0, 1.0, True, True),
        (9.0, 1.0, False, False),
        (1.5, 1.0, True, False),
        (9e-5, 1e-5, True, False),
        (9e-5, 1e-5, False, False),
    ],
)
def test_a_call_that_a_suite_makes_once_takes_what_the_first_one_does(
    first: float, following: float, once: bool, cold: bool
) -> None:
    calls = iter((first, following))
    runner = Timed(lambda: next(calls), once=once)
    copy: Any = SimpleNamespace(
        collects=False,
        timeout=lambda names: 60.0,
        begin=lambda names, following: runner,
        end=lambda: None,
    )
    took = call_time(copy, ("a", "", "b"), None, 60.0, 1, [])
    assert took.cold is cold
    assert took.perhaps_cold is (once and first == 9e-5)
    assert took.call == pytest.approx(first if cold else following, rel=0.1)


def test_nor_is_it_of_a_call_that_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    waits = iter((1.0, 4.0))
    monkeypatch.setattr(dry_run, "waited", lambda: next(waits))
    answer = DryRun(("a", "", "b"))
    with noting(answer, "head", 5.0):
        raise TooLongError
    assert answer.aborted == {"head": 2.0}


def test_the_time_that_others_have_taken_only_grows() -> None:
    assert 0.0 <= waited() <= waited()


@pytest.mark.usefixtures("in_forks")
def test_what_is_called_like_a_series_that_takes_too_long_comes_last(tmp_path: Path) -> None:
    """But for the one that comes next, which is being prepared by then."""
    (tmp_path / "speed").mkdir()
    (tmp_path / "speed/nights.py").write_text(
        "import time\n\ndef time_sleep(n):\n    time.sleep(n)\n\n"
        "time_sleep.params = [9, 8, 7, 6]\n\ndef time_wake():\n    pass\n"
    )
    cases = ["(9)", "(8)", "(7)", "(6)"]
    series = [*(("nights", case, "time_sleep") for case in cases), ("nights", "", "time_wake")]
    sides = {"head": Side(str(tmp_path), ["town"], [str(tmp_path)])}
    task = Task("dry_run", "asv", ["speed"], sides, series=series, longest=0.05)
    with TaskWorker(task, patience=60.0) as worker:
        answers: list[Any] = list(worker)
    assert [bool(one.took) for one in answers] == [False, False, True, False, False]
    assert [one.series for one in answers] == [series[at] for at in (0, 1, 4, 2, 3)]
