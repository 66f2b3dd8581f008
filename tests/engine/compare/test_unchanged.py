"""Which series run changed code, as far as a process that traces them gets."""

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from mlpperf.engine.compare.unchanged import Touched, not_to_be_timed, reason_for_all, watching
from mlpperf.engine.pool.process import WorkerError
from mlpperf.engine.suites.series import Series
from mlpperf.engine.versions.diff import Changes
from mlpperf.engine.worker.protocol import Extents, Touch

A, B = (Series("", "", name, "pytest") for name in "ab")


class Worker(Iterator[Touch | Extents]):
    """A process that gives these reasons, what lies within changed functions, and dies."""

    def __init__(self, **reasons: str) -> None:
        self.until = 0.0
        touches = [Touch(("", "", name), why) for name, why in reasons.items()]
        followed = [Extents(one.series, {}) for one in touches if one.why]
        self.answers = iter([*touches, *followed])

    def __next__(self) -> Touch | Extents:
        for answer in self.answers:
            return answer
        raise WorkerError("it has ended")


def touched(faked: Any, **of_series: str) -> Touched:
    context = faked()
    context.pool.start = lambda *_, **task: contextlib.nullcontext(Worker(**of_series))
    with watching(context, [A, B], Changes(), 1.0) as answers:
        return answers()


def test_a_series_without_an_answer_has_none(faked: Any) -> None:
    known = touched(faked, a="", b="starts a process")
    assert known.reasons == {A: "", B: "starts a process"}
    assert known.extents.keys() == {B}
    assert touched(faked, a="").reasons == {A: ""}


LOADED = "runs what changed in a.py (when the suite is loaded)"


@pytest.mark.parametrize(
    ("guilty", "asked"),
    [
        ({"a"}, ["abcdefg", *"abcdefg"]),
        (set(), ["abcdefg"]),
        ({*"abcdefg"}, ["abcdefg", *"abc"]),  # what they import does it
    ],
)
def test_of_asv_only_the_module_that_runs_changed_code_is_touched(
    guilty: set[str], asked: list[str], faked: Any
) -> None:
    series = [Series(f"{name}.Class", "", name, "asv") for name in "abcdefg"]
    context, loaded = faked(), []

    def start(*_: object, **task: Any) -> Any:
        names = [name for _, _, name in task["series"]]
        loaded.append("".join(names))
        worker = Worker()
        why = LOADED if guilty & {*names} else ""
        worker.answers = iter([Touch(one, why) for one in task["series"]])
        return contextlib.nullcontext(worker)

    context.pool.start = start
    with watching(context, series, Changes(), 1.0) as answers:
        reasons = answers().reasons
    assert loaded == asked
    assert {one.variant for one, why in reasons.items() if why} == guilty


def test_without_known_changes_nothing_is_asked(faked: Any) -> None:
    for changes in (None, Changes("other packages")):
        with watching(faked(), [A, B], changes, 1.0) as answers:
            assert answers() == Touched()


@pytest.mark.parametrize(
    ("why", "verdict"),
    [
        ("", "skipped: runs no changed code"),
        (
            "runs what changed in a.py when garbage is collected",
            "not timed, because it runs what changed in a.py when garbage is collected, which is "
            "not timed",
        ),
        ("runs what changed in a.py", "None"),
        (None, "None"),
    ],
)
def test_only_what_its_calls_run_is_timed(why: str | None, verdict: str) -> None:
    assert str(not_to_be_timed(why)) == verdict


@pytest.mark.parametrize(
    ("why", "for_all"),
    [
        (
            ["runs x (when the suite is loaded)", "runs x (when the suite is loaded)"],
            "loading the suite runs x",
        ),
        (["x hides it (when the suite is loaded)"], "x hides it (when the suite is loaded)"),
        (["runs x (when the suite is loaded)", ""], ""),
        (["runs x", "runs x"], ""),
        ([], ""),
    ],
)
def test_loading_that_runs_changed_code_is_a_reason_to_time_all(
    why: list[str], for_all: str
) -> None:
    assert reason_for_all(dict(zip((A, B), why, strict=False))) == for_all
