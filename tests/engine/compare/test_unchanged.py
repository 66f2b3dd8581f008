"""Which series run changed code, as far as a process that traces them gets."""

from collections.abc import Iterator
from typing import Any

import pytest

from mlpperf.engine.compare.unchanged import Watched
from mlpperf.engine.pool.process import WorkerError
from mlpperf.engine.suites.series import Series
from mlpperf.engine.worker.protocol import Touch

A, B = (Series("", "", name, "pytest") for name in "ab")


class Worker(Iterator[Touch]):
    """A process that gives these reasons, and dies."""

    def __init__(self, **reasons: str) -> None:
        self.answers = iter([Touch(("", "", name), why) for name, why in reasons.items()])

    def __next__(self) -> Touch:
        for answer in self.answers:
            return answer
        raise WorkerError("it has ended")


def watched(**reasons: str) -> Watched:
    workers: Any = {"pytest": Worker(**reasons)}
    found = Watched(workers)
    found.wait()
    return found


def test_only_series_that_certainly_run_no_changed_code_are_unchanged() -> None:
    one = watched(a="", b="starts a process")
    assert one.reasons == {A: "", B: "starts a process"}
    assert one.unchanged == {A}
    assert one.everywhere == ""


@pytest.mark.parametrize(
    ("reasons", "everywhere"),
    [
        ({"a": "loading it runs x", "b": "loading it runs x"}, "loading it runs x"),
        ({"a": "loading it runs x", "b": ""}, ""),
        ({"a": "runs x", "b": "runs x"}, ""),
        ({}, ""),
    ],
)
def test_loading_that_runs_changed_code_is_a_reason_to_time_all(
    reasons: dict[str, str], everywhere: str
) -> None:
    assert watched(**reasons).everywhere == everywhere
