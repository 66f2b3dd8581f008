"""Memory is judged by processes that did not suspect it; what varies by chance raises no alarm."""

import itertools
import sys
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpperf.engine.compare.alarms import MEMORY_ALARM
from mlpperf.engine.compare.context import Context
from mlpperf.engine.compare.finding import Finding
from mlpperf.engine.compare.memory import (
    CALLS,
    _judged,
    first_memory,
    judge_memory,
    judges_of_memory,
)
from mlpperf.engine.compare.result import Comparison
from mlpperf.engine.compare.sentences import notes, remark
from mlpperf.engine.statistics.intervals import Interval
from mlpperf.engine.suites.series import Selection, Series
from mlpperf.engine.versions.pair import Pair
from mlpperf.engine.versions.version import Version
from mlpperf.engine.worker.allocations import MARK, NOT_KNOWN, _counted, garbage_of, least_memory
from mlpperf.engine.worker.calls import CallTime
from mlpperf.engine.worker.protocol import DryRun, MemoryCounts
from mlpperf.engine.worker.runner import PreparedRunner, Runner

Peak = Callable[[], float]


class Counting:
    """A pool whose processes count these peaks."""

    def __init__(self, base: Peak, head: Peak, silent: Sequence[int] = ()) -> None:
        self.peaks, self.silent, self.asked = {"base": base, "head": head}, silent, 0

    def shuffled(self, sides: Sequence[str]) -> list[str]:
        return [*sides]

    def run(
        self, kind: str, sides: Sequence[str], suite: str, series: Any, calls: int
    ) -> tuple[list[MemoryCounts], None]:
        assert (kind, calls) == ("memory", CALLS)
        self.asked += 1
        counts = {side: [[self.peaks[side](), 7] for _ in range(calls)] for side in sides}
        every: Any = [MemoryCounts(names, counts) for names in series]
        return [] if self.asked in self.silent else every, None


def judged(
    pool: Any,
    series: int = 1,
    isolated: str = "",
    shards: int = 1,
    warn: Callable[[str], None] = [].append,
    alone: bool = False,
) -> Comparison:
    seen = {
        "base": {"peak": 383_000, "allocations": 7},
        "head": {"peak": 419_000, "allocations": 7},
    }
    names = [Series("p", "c", f"v{i}") for i in range(series)]
    findings = {name: Finding(name, memory=seen) for name in names}
    pair = Pair(*(Version(side, None, Path()) for side in ("a", "b")), isolated=isolated)
    context = Context(pool, pair, Selection(), warn, shards=shards)
    memory = judge_memory(context, findings, (), [*findings] if alone else ())
    return Comparison("a", "b", {}, 0.005, 60.0, findings=memory)


def test_a_rise_that_every_process_confirms_is_reported() -> None:
    pool = Counting(lambda: 1e6, lambda: 1.2e6)
    result = judged(pool)
    assert pool.asked == judges_of_memory(1)
    assert [f.grown for f in result.regressions] == [["peak memory 1 → 1.2 MB"]]


def test_every_shard_of_a_comparison_needs_more_processes() -> None:
    """Each has its share of the false-alarm rate."""
    pool = Counting(lambda: 1e6, lambda: 1.2e6)
    assert judged(pool, shards=8).exit_code == 1
    assert pool.asked == judges_of_memory(8) > judges_of_memory(1)


def test_a_rise_is_reported_if_each_version_has_processes_of_its_own() -> None:
    pool = Counting(lambda: 1e6, lambda: 1.2e6)
    assert judged(pool, isolated="as asked").exit_code == 1
    assert pool.asked == 2 * judges_of_memory(1)


def test_versions_that_would_meet_are_judged_in_processes_of_their_own() -> None:
    together, apart = (Counting(lambda: 1e6, lambda: 1.2e6) for _ in range(2))
    assert judged(together).exit_code == judged(apart, alone=True).exit_code == 1
    assert apart.asked == 2 * together.asked


@pytest.mark.parametrize("spread", [0.1, 0.3])
def test_memory_that_varies_by_chance_raises_no_alarm(spread: float) -> None:
    rng = np.random.default_rng(1)

    def peak() -> float:
        return 4e5 * rng.uniform(1 - spread, 1 + spread)

    alarms = sum(bool(judged(Counting(peak, peak), 10).regressions) for _ in range(60))
    assert alarms <= 1  # of 60 × MEMORY_ALARM = 0.06 that are expected at most


def test_a_rise_within_the_variation_is_detected_by_the_median_of_many_calls() -> None:
    rng = np.random.default_rng(2)

    def peak(factor: float) -> Peak:
        return lambda: 4e5 * factor * rng.uniform(0.9, 1.1)

    codes = [judged(Counting(peak(1.0), peak(1.3))).exit_code for _ in range(20)]
    assert codes == [1] * 20


@pytest.mark.parametrize("silent", [[3], range(99)])
def test_without_an_answer_of_every_process_a_rise_is_unknown(silent: Sequence[int]) -> None:
    warnings: list[str] = []
    result = judged(Counting(lambda: 1e6, lambda: 1.2e6, silent=silent), warn=warnings.append)
    (finding,) = result.findings.values()
    assert finding.grown == []
    assert not finding.seems_grown
    assert finding.memory == {"head": {"peak": 419_000, "allocations": 7}}
    unchanged = replace(finding, ratio=Interval(1.0, 0.99, 1.01), processes=3)
    assert not unchanged.decided
    assert "memory not measured in both versions" in remark(unchanged)
    assert replace(unchanged, memory={}).decided
    assert warnings == [
        "Whether p/c/v0 takes more memory was not measured, because a process that measures it "
        "gave no answer; compare again"
    ]


def test_a_rise_that_one_process_denies_is_none_although_another_gave_no_answer() -> None:
    peaks = itertools.cycle([1.2e6] * 2 * CALLS + [0.9e6] * CALLS)
    result = judged(Counting(lambda: 1e6, lambda: next(peaks), silent=[1]))
    (finding,) = result.findings.values()
    assert finding.grown == []
    assert finding.memory.keys() == {"base", "head"}


def measured(faked: Any, seconds: float, isolated: str = "", alone: bool = False) -> Any:
    """The memory that is known of a benchmark whose call takes so long, and who was asked."""
    one = Series("tests/a.py", "", "a", "pytest")
    runs = {one: DryRun(one.names, took={s: CallTime(seconds, seconds) for s in ("base", "head")})}
    every = {"base": [[1000]], "head": [[2000]]}
    answers = [MemoryCounts(one.names, every)]
    if isolated or alone:
        answers = [MemoryCounts(one.names, {side: of}) for side, of in sorted(every.items())]
    context = faked(*([answer] for answer in answers))
    context = replace(context, pair=replace(context.pair, isolated=isolated))
    findings = {one: Finding(one)}
    known = first_memory(context, findings, runs, [one] if alone else [], budget=60.0)
    return [finding.memory for finding in known.values()], context.pool.asked


def test_the_memory_of_calls_that_are_not_counted_is_measured_if_there_is_time(faked: Any) -> None:
    memory = [{"base": {"peak": 1000}, "head": {"peak": 2000}}]
    assert measured(faked, 0.2) == (memory, [("memory", ["base", "head"], 1)])
    assert measured(faked, 2.0) == ([], [])
    own = [("memory", ["base"], 1), ("memory", ["head"], 1)]
    assert measured(faked, 0.2, alone=True) == (memory, own)
    assert sorted(measured(faked, 0.2, isolated="as asked")[1]) == own


def test_it_is_said_where_the_memory_of_a_call_is_unknown() -> None:
    known = {side: {"peak": 1} for side in ("base", "head")}
    series = [Series("tests/a.py", "", name, "pytest") for name in "abc"]
    findings = {one: Finding(one, processes=3, memory=known) for one in series}
    result = Comparison("a", "b", {}, 0.005, 60.0, findings=findings)
    assert not [one for one in notes(result) if "memory" in one]
    findings[series[1]] = Finding(series[1], processes=3)
    (said,) = [one for one in notes(result) if "memory" in one]
    assert "unknown in 1 of 3 benchmarks, such as tests/a.py::b" in said


def test_the_more_are_suspected_the_more_processes_judge() -> None:
    numbers = [judges_of_memory(suspects) for suspects in (1, 10, 100)]
    assert numbers == sorted(numbers)
    for suspects, number in zip((1, 10, 100), numbers, strict=True):
        assert 2 * suspects * 0.5**number <= MEMORY_ALARM < 4 * suspects * 0.5**number


def test_nothing_is_judged_if_nothing_is_suspected() -> None:
    pool = Counting(lambda: 1e6, lambda: 1e6)
    assert judged(pool, series=0).findings == {}
    assert pool.asked == 0


@pytest.mark.parametrize("installed", [True, False])
def test_the_peak_of_a_call_is_counted_with_memray_and_without(
    installed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What prepares a call, and what finishes it, is not the call's."""
    if installed:
        pytest.importorskip("memray")
    else:
        monkeypatch.setitem(sys.modules, "memray", None)

    def prepared(size: int) -> PreparedRunner:
        larger: Any = partial(bytearray, 9_000_000)
        return PreparedRunner(lambda: larger() and partial(bytearray, size), larger)

    memory = least_memory({"base": prepared(1_000_000), "head": prepared(2_000_000)})
    for side, size in (("base", 1_000_000), ("head", 2_000_000)):
        assert size <= memory[side]["peak"] < size + 100_000
        assert ("allocations" in memory[side]) == installed
    assert not tracemalloc.is_tracing()


class Knot:
    """An object that only the garbage collector frees."""

    def __init__(self) -> None:
        self.itself = self


def test_what_only_the_collector_frees_is_counted() -> None:
    kept: list[Knot] = []

    def call(number: int) -> None:
        kept[:] = [Knot()]
        kept[0].itself = None  # type: ignore[assignment]
        for _ in range(number):
            Knot()

    def prepared() -> Any:
        Knot()
        return partial(call, 30)

    none, some = garbage_of(Runner(partial(call, 0))), garbage_of(PreparedRunner(prepared))
    assert none == 0
    assert some in (30, 60)  # with a dictionary each, or without
    numbers = count()
    assert garbage_of(Runner(lambda: call(next(numbers)))) == NOT_KNOWN, (
        "it is not the same each time"
    )


@pytest.mark.parametrize(
    ("base", "head", "seconds", "grown"),
    [
        (0, 10_001, 1e-3, True),
        (0, 10_001, 1.0, False),  # of so long a call that is nothing
        (10_000, 10_001, 1e-3, False),
        (10_001, 0, 1e-3, False),
        (None, None, 1e-3, False),
        (None, 10_001, 1e-3, False),
    ],
)
def test_more_garbage_is_a_regression_if_freeing_it_takes_long(
    base: int | None, head: int | None, seconds: float, grown: bool
) -> None:
    garbage = {side: of for side, of in (("base", base), ("head", head)) if of is not None}
    finding = Finding(Series("a.py", "", "test_a", "pytest"), garbage=garbage)
    assert not finding.grown  # it is not known how long a call takes
    finding = replace(finding, seconds={"base": seconds, "head": seconds})
    words = ["objects that only the garbage collector frees 0 → 10,001"]
    assert finding.grown == (words if grown else [])
    assert finding.regression is grown


def test_a_peak_alone_is_judged() -> None:
    finding = Finding(Series("p", "c", "v"))
    processes = np.full((2, 4), np.nan)
    base, head = processes.copy(), processes.copy()
    base[0], head[0] = 1e6, 2e6
    judged = _judged(finding, base, head)
    assert judged.grown == ["peak memory 1 → 2 MB"]
    head[0, 1] = np.nan  # a process that gave no answer
    assert _judged(finding, base, head).grown == []
    assert _judged(finding, processes, processes) == finding


def test_of_each_call_the_peak_is_counted_and_what_it_allocates() -> None:
    """What is freed is no longer held; what an earlier call has left does not count."""
    mark = [(1, MARK), (1, 0)]
    counted = _counted(
        [
            (7, 999),  # before the first call
            *mark,
            *[(2, 100), (3, 50), (2, 0), (4, 20), (3, 0)],  # 4 is kept
            *mark,
            *[(5, 10_000), (5, 0)],  # to finish the call, and to prepare the next one
            *mark,
            *[(2, 30), (2, 0), (4, 0), (7, 0), (2, 40), (2, 60)],  # the last one in its place
            *mark,
            *mark,
            *mark,
        ]
    )
    assert counted == [[150, 3], [60, 3], [0, 0]]
