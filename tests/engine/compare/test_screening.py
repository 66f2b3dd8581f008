"""Processes that time: their samples, and what becomes of series that fail meanwhile."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mlpperf.engine.compare.budget import Sampling
from mlpperf.engine.compare.finding import Finding
from mlpperf.engine.compare.marks import ChangedFunctions, MarkedTimes
from mlpperf.engine.compare.screening import Timing, follow_up, time_once
from mlpperf.engine.pool.process import WorkerError
from mlpperf.engine.statistics.estimates import RatioEstimate
from mlpperf.engine.statistics.verdicts import Verdict
from mlpperf.engine.suites.series import Series
from mlpperf.engine.worker.calls import CallTime
from mlpperf.engine.worker.protocol import DryRun, Samples

Faked = Callable[..., Any]
A, B = (Series("tests/a.py", "", name, "pytest") for name in "ab")
HOT = Series("path", "case", "variant")
CALL = CallTime(1e-3, 1e-3, 0.0)


def run(series: Series, *sides: str, **about: Any) -> DryRun:
    return DryRun(series.names, took=dict.fromkeys(sides, CALL), **about)


def samples(series: Series, **about: Any) -> Samples:
    seconds = {"base": [1.0] * 8, "head": [1.1] * 8}
    return Samples(series.names, **(about or {"seconds": seconds, "timed_seconds": 16.0}))


def timing(*series: Series, apart: bool = False) -> Timing:
    return Timing(
        {one: Finding(one) for one in series},
        {one: run(one, "base", "head") for one in series},
        60.0,
        time.perf_counter() + 60.0,
        frozenset(series if apart else ()),
        {one: Sampling.unknown(run(one, "base", "head")) for one in series},
    )


def once(context: Any, before: Timing) -> Timing:
    return time_once(context, before, dict.fromkeys(before.samplings, 0.1))


FAILED = samples(A, failed="it raised")


def test_nothing_is_followed_up_if_all_series_failed(faked: Faked) -> None:
    assert list(follow_up(faked(), replace(timing(A), samplings={}))) == []


RUNS = [run(A, "base")], [run(A, "head")]


def test_the_samples_of_a_process_are_one_value_of_a_series(faked: Faked) -> None:
    before = timing(A)
    after = once(faked([samples(A)]), before)
    assert len(after.samplings[A].estimate.log_ratios) == 1
    assert after.findings[A].seconds == {"base": 1.0, "head": pytest.approx(1.1)}
    assert before.samplings[A].estimate.log_ratios == []
    assert before.findings[A].seconds == {}


def test_a_series_that_fails_and_runs_alone_is_timed_in_two_processes(faked: Faked) -> None:
    context = faked([FAILED], *RUNS, [samples(A)])
    after = once(context, timing(A))
    assert after.apart == {A}
    assert once(context, after).findings[A].seconds
    kinds = [kind for kind, _, _ in context.pool.asked]
    assert kinds == ["time", "dry_run", "dry_run", "time apart"]


def test_a_series_that_fails_again_in_its_own_processes_is_not_timed(faked: Faked) -> None:
    after = once(faked([FAILED], *RUNS), timing(A, apart=True))
    assert after.samplings == {}
    verdict = "not timed, because it failed when it was timed: it raised"
    assert str(after.findings[A].judgement) == verdict


def test_a_series_that_fails_alone_in_the_head_is_wrong(faked: Faked) -> None:
    context = faked([FAILED], RUNS[0], [run(A, failed={"head": "51st"})])
    after = once(context, timing(A))
    assert after.samplings == {}
    assert after.findings[A].judgement.verdict is Verdict.WRONG


def test_a_process_that_dies_keeps_the_samples_of_the_other_series(faked: Faked) -> None:
    death = WorkerError("killed", A.names, "head")
    after = once(faked([samples(B), death], *RUNS), timing(A, B))
    assert after.findings[B].seconds
    assert after.apart == {A}


def test_a_hot_path_that_fails_is_missing(faked: Faked, warnings: list[str]) -> None:
    after = once(faked([samples(HOT, failed="it raised")]), timing(HOT))
    assert warnings == ["path/case/variant failed when it was timed: it raised"]
    assert str(after.findings[HOT].judgement) == "undecided: not timed"


def of_functions(series: Series, head: float = 1.0, **about: Any) -> Samples:
    """A session whose calls take a second, and the changed functions in them a tenth of it."""
    seconds = {"base": [1.0] * 8, "head": [head] * 8}
    marked = {"base": [0.1, 0.1001] * 4, "head": [0.1, 0.0999] * 4}
    usual: dict[str, Any] = {"seconds": seconds, "timed_seconds": 20.0, "marked": marked}
    return Samples(series.names, **{**usual, **about})


def marking(*series: Series, rest: str = "") -> Timing:
    """Series whose changed functions are marked."""
    before = timing(*series)
    known = ChangedFunctions(rest=rest, functions=["f (a.py:1)"])
    findings = {s: Finding(s, changed_functions=known) for s in series}
    marks = {side: {"a.py:1:f": 1} for side in ("base", "head")}
    return replace(before, findings=findings, marked={s: MarkedTimes(marks) for s in series})


def timed_twice(faked: Faked, timing: Timing, **of_all: Any) -> Timing:
    """By two processes whose whole calls differ by 2 %, so that ±13 % is possible."""
    for head in (0.99, 1.01):
        answers = [of_functions(s, head, **(of_all if s == B else {})) for s in timing.findings]
        timing = once(faked(answers), timing)
    return timing.concluded(timing.samplings)


def test_what_changed_functions_decide_needs_no_follow_up(faked: Faked) -> None:
    """Its seconds go to the others."""
    known = timed_twice(faked, marking(A, B), marked={})
    assert known.findings[A].judgement.by_functions
    assert known.findings[A].decided
    assert known.findings[B].judgement.undecided
    assert known.findings[B].changed_functions == ChangedFunctions(functions=["f (a.py:1)"])
    context = faked(*[[samples(B)]] * 40)
    list(follow_up(context, known))
    assert context.pool.asked
    assert {number for _, _, number in context.pool.asked} <= {1, 2, 3}
    assert {s.series for s in context.pool.sessions} == {B.names}


def test_changed_functions_decide_nothing_if_the_rest_may_have_changed(faked: Faked) -> None:
    moved = marking(A, rest="the rest of the call runs other functions")
    known = timed_twice(faked, moved)
    assert known.findings[A].judgement.undecided
    assert known.findings[A].changed_functions
    assert known.findings[A].changed_functions.share["head"] == pytest.approx(0.1, rel=0.1)


def test_functions_that_cannot_be_marked_are_not_tried_again(faked: Faked) -> None:
    failing = of_functions(A, marked={}, not_marked="with marks, KeyError: 'f'")
    context = faked([failing], [of_functions(A)])
    after = once(context, once(context, marking(A)))
    assert after.findings[A].changed_functions == ChangedFunctions(not_timed=failing.not_marked)
    assert not after.marked
    assert [bool(one.marks) for one in context.pool.sessions] == [True, False]


def test_a_shard_decides_by_the_number_of_series_in_all_shards() -> None:
    """Of 2 series, 9 processes with the same sign are enough; of 16 they are not."""
    logs = [0.02] * 9
    estimate = RatioEstimate(logs, [1] * 9, [1e-3] * 9, [np.zeros(2)], scatter=0.0)
    alone = replace(timing(A, B), samplings={A: Sampling(estimate)})
    part = replace(alone, shards=8)
    assert (alone.tests, part.tests) == (2, 16)
    assert alone.concluded([A]).findings[A].significant
    assert not part.concluded([A]).findings[A].significant
