"""Which series are left out: those of which it is known that they run nothing that changed."""

from collections.abc import Iterator
from typing import Any

from mlpperf.engine.compare.result import Comparison, Finding
from mlpperf.engine.compare.unchanged import Watched, leave_out_untouched
from mlpperf.engine.pool.process import WorkerError
from mlpperf.engine.statistics.verdicts import Verdict
from mlpperf.engine.suites.series import Series

NAMES = ["a", "b", "c"]


class Dying:
    """A process that answers about two series, and ends."""

    patience = 0.0

    def __init__(self) -> None:
        self._answers: Iterator[Any] = iter(
            [
                {"series": ("", "", "a"), "touched": False, "why": ""},
                {"series": ("", "", "b"), "touched": True, "why": "starts a process"},
            ]
        )

    def __next__(self) -> Any:
        answer = next(self._answers, None)
        if answer is None:
            raise WorkerError("it has ended")
        return answer


def test_what_nobody_has_answered_is_timed() -> None:
    workers: Any = {"pytest": Dying()}
    watched = Watched(workers)
    watched.wait()
    series = [Series("", "", name, "pytest") for name in NAMES]
    assert watched.touched == {series[0]: "", series[1]: "starts a process"}
    result = Comparison("base", "head", {}, 0.005, 1.0)
    result.findings = {one: Finding(one) for one in series}
    crew: Any = type("Crew", (), {"calls": dict.fromkeys(series, 1.0)})()
    leave_out_untouched(crew, result, watched.untouched)
    assert list(crew.calls) == series[1:]
    assert result.findings[series[0]].judgement.verdict is Verdict.UNTOUCHED
    assert not result.findings[series[2]].untimed
