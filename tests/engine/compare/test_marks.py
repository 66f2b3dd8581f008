"""What follows from the times of changed functions, and what must not follow from them."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mlpperf.engine.compare.finding import Finding
from mlpperf.engine.compare.marks import (
    COST_MOST,
    MARK_SECONDS,
    MARKS_ALARM,
    REST_WITHIN,
    ChangedFunctions,
    MarkedTimes,
    plan_marks,
)
from mlpperf.engine.compare.render import record
from mlpperf.engine.compare.result import Comparison
from mlpperf.engine.compare.sentences import changed_functions, interval, notes
from mlpperf.engine.compare.whole import decoded
from mlpperf.engine.history.fields import Bounds
from mlpperf.engine.history.records import CodeVersion, as_line, as_records
from mlpperf.engine.statistics.intervals import Interval
from mlpperf.engine.statistics.verdicts import Verdict
from mlpperf.engine.suites.series import Series
from mlpperf.engine.versions.layout import PACKAGES
from mlpperf.engine.worker.calls import CallTime, Counts, Executed, Extent
from mlpperf.engine.worker.protocol import Counted, DryRun, Extents

ONE = Series("path", "case", "variant", "pytest")
NAME = "a.py:3:changed"
PLACE = "changed (a.py:3)"
UNDECIDED = Interval(1.01, 0.92, 1.11)


def finding(whole: Interval = UNDECIDED, **functions: Any) -> Finding:
    """A series whose call is undecided by itself, and whose changed functions hardly changed."""
    usual: dict[str, Any] = {
        "functions": [PLACE],
        "share": {"base": 0.1, "head": 0.1},
        "ratio": Bounds(1.0001, 0.9998, 1.0004),
    }
    known = ChangedFunctions(**{**usual, **functions})
    return Finding(ONE, ratio=whole, processes=3, changed_functions=known)


def test_changed_functions_decide_what_whole_calls_do_not() -> None:
    assert replace(finding(), changed_functions=None).judgement.undecided
    assert str(finding().judgement) == "unchanged within ±0.04 % by its changed functions"
    assert not finding().regression


@pytest.mark.parametrize(
    "known",
    [
        finding(not_timed="generates, which changed, is a generator"),
        finding(rest="the rest of the call runs other functions"),
        finding(ratio=Bounds(None, None, None)),
        finding(ratio=Bounds(1.02, 0.95, 1.09)),  # as unclear as the whole
        finding(ratio=Bounds(1.01, 1.009, 1.011)),  # slower, but not significant yet
        finding(Interval(1.1, 0.9, 1.01 + REST_WITHIN)),  # the rest may have changed
        finding(Interval(1.1, 0.74, 1.1)),
        finding(Interval(1.06, 1.01, 1.11)),  # the whole call contradicts them
        finding(Interval(0.9, 0.85, 0.95)),
    ],
)
def test_what_may_have_changed_otherwise_stays_undecided(known: Finding) -> None:
    assert known.judgement.undecided
    assert not known.regression
    assert known.change == known.ratio


@pytest.mark.parametrize(
    ("ratio", "verdict"),
    [(Bounds(1.02, 1.019, 1.021), Verdict.SLOWER), (Bounds(0.98, 0.97, 0.99), Verdict.FASTER)],
)
def test_significant_changes_of_functions_are_those_of_the_call(
    ratio: Bounds, verdict: Verdict
) -> None:
    known = finding(ratio=ratio, significant=True)
    assert known.judgement.verdict is verdict
    assert known.regression == (verdict is Verdict.SLOWER)
    assert known.size == ratio.median
    moved = finding(ratio=ratio, significant=True, rest="the rest of the call runs other functions")
    assert moved.judgement.undecided


def test_a_significant_change_below_the_threshold_is_none() -> None:
    known = finding(ratio=Bounds(1.004, 1.003, 1.005), significant=True)
    assert known.judgement.verdict is Verdict.UNCHANGED


def test_whole_calls_come_first() -> None:
    """Whatever the changed functions show: something else may have changed."""
    slower = replace(finding(Interval(1.2, 1.1, 1.3)), judged=True, significant=True)
    assert slower.judgement.verdict is Verdict.SLOWER
    assert not slower.judgement.by_functions
    assert slower.size == 1.2
    unchanged = finding(Interval(1.0, 0.99, 1.01))
    assert str(unchanged.judgement) == "unchanged within ±1 %"


def test_a_change_that_only_functions_suggest_is_followed_up() -> None:
    """Of a call that is unchanged within a few percent, which hide it."""
    whole = Interval(1.0, 0.97, 1.03)
    suggested = finding(whole, ratio=Bounds(1.02, 1.019, 1.021))
    assert suggested.judgement.verdict is Verdict.UNCHANGED
    assert suggested.unclear
    assert finding(whole, ratio=Bounds(1.02, 1.019, 1.021), significant=True).slower
    for ratio in (Bounds(1.001, 1.0009, 1.0011), Bounds(1.02, 0.99, 1.05)):
        assert not finding(whole, ratio=ratio).unclear
    assert finding(ratio=Bounds(1.02, 0.95, 1.09)).unclear


def test_a_share_below_the_threshold_needs_no_interval() -> None:
    """Of the head it is measured directly, so a function that became slower has a larger one."""
    small = finding(share={"base": 0.001, "head": 0.0008}, ratio=Bounds(1.0002, 0.9, 1.1))
    assert str(small.judgement) == "unchanged: changed code takes at most 0.1 % of it"
    assert small.judgement.within == pytest.approx(0.001, rel=0.01)
    for side in ("base", "head"):
        shares = {**small.changed_functions.share, side: 0.003}  # type: ignore[union-attr]
        assert finding(share=shares, ratio=Bounds(1.0002, 0.9, 1.1)).judgement.undecided


# --- how they are timed ---------------------------------------------------------------------------


def times(head: float, processes: int, bias: float = 0.0, noise: float = 1e-3) -> MarkedTimes:
    """Of a call of a second, of which the function takes a tenth in the base."""
    rng, known = np.random.default_rng(3), MarkedTimes({}, bias)
    for _ in range(processes):
        scatter = 1 + noise * rng.standard_normal((2, 8))
        marked = {"base": list(0.1 * scatter[0]), "head": list(head * scatter[1])}
        known = known.with_process(marked, {"base": 1.0, "head": 0.9 + head})
    return known


def test_their_ratio_is_that_of_a_call_whose_rest_is_the_same() -> None:
    known = times(0.12, 3).conclude(ChangedFunctions(), 20)
    assert known.interval.median == pytest.approx(1.02, abs=3e-4)
    assert 1.019 < known.interval.low < known.interval.high < 1.021
    assert known.share["head"] == pytest.approx(0.12 / 1.02, rel=0.01)
    assert not known.significant  # three processes are too few


def test_a_change_is_significant_by_all_processes_together() -> None:
    enough = math.ceil(math.log2(20 / MARKS_ALARM))
    assert times(0.12, enough).conclude(ChangedFunctions(), 20).significant
    assert not times(0.12, enough - 1).conclude(ChangedFunctions(), 20).significant
    assert not times(0.1, enough).conclude(ChangedFunctions(), 20).significant


def test_what_marks_may_cost_more_in_one_version_widens_the_interval() -> None:
    enough = math.ceil(math.log2(20 / MARKS_ALARM))
    narrow, wide = (
        times(0.12, enough, bias).conclude(ChangedFunctions(), 20) for bias in (0.0, 0.05)
    )
    assert wide.interval.low == pytest.approx(narrow.interval.low / 1.05)
    assert wide.interval.high == pytest.approx(narrow.interval.high * 1.05)
    assert not wide.significant


def test_one_process_shows_a_share_only_later_an_interval() -> None:
    two_rounds = MarkedTimes({}).with_process(
        {"base": [0.1, 0.1], "head": [0.1, 0.1]}, {"base": 1.0, "head": 1.0}
    )
    assert two_rounds.conclude(ChangedFunctions(), 20).interval.low != 1.0


# --- which are timed ------------------------------------------------------------------------------

SAME = Extent({NAME: 2}, {NAME: 1}, ["a.py:changed"], rest="r", flow="f")


def planned(
    base: Extent = SAME,
    head: Extent = SAME,
    elsewhere: str = "",
    counted: dict[str, Counts] | None = None,
    sources: dict[str, str] | None = None,
) -> tuple[ChangedFunctions, MarkedTimes | None]:
    run = DryRun(ONE.names, took={side: CallTime(0.01, 0.01) for side in ("base", "head")})
    extents = {ONE: Extents(ONE.names, {"base": base, "head": head}, elsewhere)}
    of_calls = {ONE: Counted(ONE.names, counted)} if counted else {}
    of_sides = dict.fromkeys(("base", "head"), sources or {})
    known, marked = plan_marks({ONE: run}, extents, of_calls, of_sides)
    return known[ONE], marked.get(ONE)


def test_the_changed_functions_of_equal_calls_are_marked() -> None:
    known, marked = planned()
    assert known == ChangedFunctions(functions=[PLACE])
    assert marked == MarkedTimes({"base": SAME.entries, "head": SAME.entries})
    _, more = planned(head=replace(SAME, entries={NAME: 3}))
    assert more
    assert more.bias == pytest.approx(MARK_SECONDS / 0.01)


@pytest.mark.parametrize(
    ("head", "why"),
    [
        (replace(SAME, not_marked="it runs threads"), "it runs threads"),
        (replace(SAME, entries={}), "only one version runs changed functions"),
        (
            replace(SAME, entries={NAME: round(COST_MOST * 0.011 / MARK_SECONDS)}),
            "a call runs its changed functions too often",
        ),
    ],
)
def test_what_cannot_be_marked_has_a_reason(head: Extent, why: str) -> None:
    known, marked = planned(head=head)
    assert known == ChangedFunctions(not_timed=why)
    assert marked is None


def test_nothing_follows_where_more_than_functions_changed() -> None:
    assert planned(elsewhere="a.csv")[0].not_timed == "a.csv changed"
    assert planned(elsewhere="mlpperf-packages/b/a.csv")[0].not_timed == "b/a.csv changed"
    known, marked = planned(elsewhere="a.py")
    assert known.not_timed == "a.py changed in more than its functions"
    assert marked is None


def test_what_could_not_be_followed_is_not_marked() -> None:
    run = DryRun(ONE.names, took={side: CallTime(0.01, 0.01) for side in ("base", "head")})
    known, marked = plan_marks({ONE: run}, {}, {}, {})
    assert "could not be followed" in known[ONE].not_timed
    assert not marked


@pytest.mark.parametrize(
    ("head", "why"),
    [
        (replace(SAME, rest="other"), "the rest of the call runs other functions"),
        (replace(SAME, flow="other"), "the changed functions get or give something else"),
        (replace(SAME, flow=""), "what the changed functions get and give cannot be compared"),
    ],
)
def test_they_are_timed_but_decide_nothing_if_the_rest_may_differ(head: Extent, why: str) -> None:
    known, marked = planned(head=head)
    assert known.rest == why
    assert marked


def counts(changed: int, other: int) -> Counts:
    """Bytecodes of the changed function, and of another one."""
    functions = {NAME: Executed(changed, 2), "a.py:9:other": Executed(other, 1)}
    return Counts(changed + other, 3, functions)


def test_counted_bytecodes_of_the_rest_have_to_be_the_same() -> None:
    assert not planned(counted={"base": counts(10, 5), "head": counts(20, 5)})[0].rest
    other, _ = planned(counted={"base": counts(10, 5), "head": counts(10, 6)})
    assert other.rest == "the rest of the call executes other bytecodes"
    unknown = {"base": counts(10, 5), "head": Counts(not_counted="it runs threads")}
    assert planned(counted=unknown)[0].rest == "its bytecodes were not counted: it runs threads"


@pytest.mark.parametrize(
    ("file", "sources"), [(f"{PACKAGES}/a.py", {}), ("b/a.py", {"b/a.py": "a.py"})]
)
def test_counts_name_the_files_of_the_repository_and_so_do_marks(
    file: str, sources: dict[str, str]
) -> None:
    """Where an installed package changed, or a project that is built, whose files are others."""
    there = Extent({f"{file}:3:changed": 2}, {}, [f"{file}:changed"], rest="r", flow="f")
    counted = {"base": counts(10, 5), "head": counts(20, 5)}
    known, marked = planned(there, there, counted=counted, sources=sources)
    assert known == ChangedFunctions(functions=[PLACE])
    assert marked
    assert marked.marks == {"base": there.entries, "head": there.entries}


# --- how they are shown and recorded --------------------------------------------------------------


def test_a_series_shows_what_its_changed_functions_do() -> None:
    whole = "the whole call: -8.0 to +11.0 %"
    slower = finding(ratio=Bounds(1.02, 1.019, 1.021), significant=True)
    assert changed_functions(slower) == f"timed: {PLACE}; {whole}"
    assert interval(slower) == "+2.0 % (+1.9 to +2.1)"
    change = "its changed functions: +2.0 % (+1.9 to +2.1) of the call"
    open_ = finding(ratio=Bounds(1.02, 1.019, 1.021))
    assert changed_functions(open_) == change
    excluded = finding(Interval(0.9, 0.85, 0.95), ratio=Bounds(1.02, 1.019, 1.021))
    assert changed_functions(excluded) == f"{change}, which the whole call excludes"
    moved = finding(ratio=Bounds(1.02, 1.019, 1.021), rest="the rest differs")
    assert changed_functions(moved) == f"{change}; the rest differs"
    why = finding(not_timed="it runs threads")
    assert changed_functions(why) == "changed functions not timed: it runs threads"


def test_nothing_is_shown_that_adds_nothing() -> None:
    coarser = finding(Interval(1.0, 0.9999, 1.0001))
    unchanged = finding(Interval(1.0, 0.99, 1.01), not_timed="it runs threads")
    for known in (coarser, unchanged, Finding(ONE, ratio=UNDECIDED, processes=3)):
        assert changed_functions(known) == ""


def test_they_are_recorded_and_read_back() -> None:
    findings = [
        finding(),
        finding(ratio=Bounds(1.02, 1.019, 1.021), significant=True),
        finding(not_timed="it runs threads"),
        finding(share={"base": 0.001, "head": 0.001}),
    ]
    series = [ONE._replace(variant=name) for name in "abcd"]
    every = {s: replace(f, series=s) for s, f in zip(series, findings, strict=True)}
    result = Comparison("old", "new", {"base": "1", "head": "2"}, 0.005, findings=every)
    (made,) = as_records("comparison", CodeVersion(None, False), [record(result)])
    again, whole = decoded(as_line(made).encode(), "here")
    assert [f.changed_functions for f in again.findings.values()] == [
        f.changed_functions for f in findings
    ]
    assert again.exit_code == result.exit_code == 1
    assert "is slower by 2.0 % (1.9 to 2.1)" in whole.verdict
    assert any("they decided 3 that whole calls left undecided" in one for one in notes(again))
