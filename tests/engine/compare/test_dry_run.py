"""What dry runs show: what fails in which version, and in which processes."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from mlpperf.engine.compare import dry_run as module
from mlpperf.engine.compare import render
from mlpperf.engine.compare.dry_run import ran_in_both, with_dry_run
from mlpperf.engine.compare.finding import Finding
from mlpperf.engine.compare.result import Comparison
from mlpperf.engine.statistics.verdicts import Judgement, Verdict
from mlpperf.engine.suites.series import Series
from mlpperf.engine.worker.calls import CallTime
from mlpperf.engine.worker.protocol import DryRun, Inventory, Value

Faked = Callable[..., Any]
A, B = (Series("tests/a.py", "", name, "pytest") for name in "ab")
HOT = Series("path", "case", "variant")
SIDES = ("base", "head")


def run(
    series: Series = A, seconds: float = 1e-3, sides: Sequence[str] = SIDES, **about: Any
) -> DryRun:
    """A dry run in which a call takes these seconds in the versions in which it does not fail."""
    kinds = ("failed", "untimed", "skipped", "aborted")
    not_run = {side for kind in kinds for side in about.get(kind, ())}
    took = {side: CallTime(seconds, seconds, 1e-3) for side in sides if side not in not_run}
    return DryRun(series.names, took=took, **about)


def concluded(about: DryRun, series: Series = A, **planned: Any) -> Finding:
    return with_dry_run(Finding(series, **planned), about)


def result(finding: Finding) -> Comparison:
    return Comparison("old", "new", {}, 0.005, 60.0, findings={finding.series: finding})


@pytest.mark.parametrize(
    ("about", "verdict", "code"),
    [
        ({"failed": {"head": "no"}}, Verdict.WRONG, 1),
        ({"untimed": {"head": "no"}}, Verdict.WRONG, 1),
        ({"skipped": {"head": "no"}}, Verdict.WRONG, 1),
        ({"failed": {"base": "no"}}, Verdict.FIXED, 0),
        ({"untimed": {"base": "no"}}, Verdict.NEW, 2),
        ({"failed": {"base": "no"}, "aborted": {"head": 9.0}}, Verdict.UNDECIDED, 2),
        ({"skipped": {"base": "no"}, "aborted": {"head": 9.0}}, Verdict.UNDECIDED, 2),
        ({"failed": {"head": "no"}, "aborted": {"base": 9.0}}, Verdict.WRONG, 1),
    ],
)
def test_a_series_that_fails_in_one_version_only_is_a_regression_or_fixed(
    about: Any, verdict: Verdict, code: int
) -> None:
    finding = concluded(run(**about))
    assert finding.judgement.verdict is verdict
    assert result(finding).exit_code == code


def test_a_failure_names_the_series() -> None:
    finding = concluded(run(failed={"head": "no"}))
    assert finding.wrong == {"head": "tests/a.py::a fails: no"}


@pytest.mark.parametrize(
    ("about", "words"),
    [
        (
            {"failed": {"base": "old", "head": "No module named 'x'"}},
            "not timed, because it fails in both versions (No module named 'x')",
        ),
        (
            {"untimed": dict.fromkeys(SIDES, "an event loop is running")},
            "not timed, because it cannot be timed (an event loop is running)",
        ),
        ({"skipped": dict.fromkeys(SIDES, "needs a GPU")}, "skipped, because needs a GPU"),
    ],
)
def test_a_series_that_fails_in_both_versions_is_not_timed_and_nothing_follows(
    about: Any, words: str
) -> None:
    finding = concluded(run(**about))
    assert str(finding.judgement) == words
    assert result(finding).exit_code == 2


def test_a_new_series_that_fails_is_wrong() -> None:
    new = Judgement(Verdict.NEW)
    finding = concluded(run(failed={"base": "no", "head": "no"}), untimed=new)
    assert finding.wrong == {"head": "tests/a.py::a fails: no"}
    assert concluded(run(failed={"base": "no"}), untimed=new).untimed == new


def test_the_result_of_a_hot_path_is_wrong_whatever_the_base_gives() -> None:
    series = Series("path", "case", "variant")
    wrong = {"base": "path is wrong", "head": "path is wrong too"}
    about = run(series, failed=wrong, error=0.1, tolerance=0.01)
    finding = concluded(about, series)
    assert finding.wrong == wrong
    assert (finding.error, finding.tolerance) == (0.1, 0.01)
    memory = {side: {"peak": 1, "allocations": 2} for side in SIDES}
    assert concluded(run(series, memory=memory), series).memory == memory
    other = Judgement(Verdict.NOT_COMPARABLE)
    finding = concluded(run(series, memory=memory, failed={"base": "x"}), series, untimed=other)
    assert (finding.memory, finding.wrong) == ({"head": memory["head"]}, {})


def test_a_call_that_does_not_end_in_the_head_is_slower_by_a_bound() -> None:
    finding = concluded(run(aborted={"head": 5.0}))
    assert finding.bound == pytest.approx(5000)
    assert str(finding.judgement) == "slower: a call takes at least 5000 times as long"
    assert result(finding).exit_code == 1
    assert "is slower by at least 499,900.0 %" in render.verdict(result(finding))


def test_a_hot_path_that_does_not_end_in_the_head_is_slower_too() -> None:
    series = Series("path", "case", "variant")
    assert concluded(run(series, aborted={"head": 5.0}), series).slower


def test_a_call_that_does_not_end_in_the_base_is_faster() -> None:
    finding = concluded(run(aborted={"base": 5.0}))
    assert finding.judgement.verdict is Verdict.FASTER
    assert finding.regression is False


def test_a_call_that_is_aborted_after_hardly_more_than_the_other_takes_is_undecided() -> None:
    finding = concluded(run(seconds=3.0, aborted={"head": 5.0}))
    assert finding.judgement.verdict is Verdict.UNDECIDED
    assert result(finding).exit_code == 2


# --- in which processes ---------------------------------------------------------------------------


def test_both_versions_share_a_process_unless_they_are_isolated(faked: Faked) -> None:
    context = faked([run(A), run(B)])
    assert module.dry_run(context, [A, B], 1.0) == {A: run(A), B: run(B)}
    assert context.pool.asked == [("dry_run", ["base", "head"], 2)]

    head = [run(A, 0.1, ["head"]), run(B, sides=(), failed={"head": "no"})]
    base = [run(A, 0.2, ["base"]), run(B, sides=(), failed={"base": "no"})]
    context = faked(head, base)
    context = replace(context, pair=replace(context.pair, isolated="as asked"))
    runs = module.dry_run(context, [A, B], 1.0)
    assert [asked[1] for asked in context.pool.asked] == [["head"], ["base"]]
    assert runs[A].call_seconds == 0.2
    assert "fails in both" in str(concluded(runs[B], B).judgement)


def test_a_series_that_ends_the_process_is_called_again_by_each_version_alone(
    faked: Faked,
) -> None:
    """It is the first of those without an answer."""
    context = faked([run(A), "killed"], ["killed again"], [run(B, sides=["base"])])
    runs = module.dry_run(context, [A, B], 1.0)
    asked = [(["base", "head"], 2), (["head"], 1), (["base"], 1)]
    assert [one[1:] for one in context.pool.asked] == asked
    assert concluded(runs[B], B).wrong == {"head": "tests/a.py::b fails: killed again"}
    assert ran_in_both(runs[A])


def test_what_is_called_like_a_series_that_ends_the_process_comes_last(faked: Faked) -> None:
    """It may do so, too, and others have not been called yet."""
    one, two = (A._replace(case=case) for case in ("[1]", "[2]"))
    context = faked(["killed"], ["killed"], [run(one, sides=["base"])], [run(two), run(B)])
    module.dry_run(context, [one, two, B], 1.0)
    assert context.pool.series[-1] == [B.names, two.names]


FAILED = run(failed={"head": "registered twice"})
ALONE = [[run(sides=["base"])], [run(sides=["head"])]]


def confirmed(faked: Faked, *alone: Any) -> tuple[dict[Series, DryRun], frozenset[Series]]:
    """The dry runs of a series that failed beside the other version, and which are kept apart."""
    context = faked(*alone)
    findings, runs = {A: Finding(A), B: Finding(B)}, {A: FAILED, B: run(B)}
    again = module.dry_run_alone(context, findings, runs, 1.0)
    return again, module.needing_own_processes(context, findings, runs, again, {})


def test_a_series_that_fails_only_beside_the_other_version_is_kept_apart(faked: Faked) -> None:
    again, apart = confirmed(faked, *ALONE)
    assert again.keys() == {A}
    assert ran_in_both(again[A])
    assert not concluded(again[A]).failed
    assert apart == {A}


def test_a_series_that_fails_alone_too_is_wrong(faked: Faked) -> None:
    again, apart = confirmed(faked, ALONE[0], [run(failed={"head": "no"}, sides=())])
    assert concluded(again[A]).judgement.verdict is Verdict.WRONG
    assert apart == set()


def test_series_that_run_code_of_the_other_version_are_kept_apart(
    faked: Faked, warnings: list[str]
) -> None:
    took = {
        side: CallTime(1.0, 1.0, 0.0, apart="would run code of the other version") for side in SIDES
    }
    runs, findings = {A: DryRun(A.names, took=took), B: run(B)}, {A: Finding(A), B: Finding(B)}
    assert module.needing_own_processes(faked(), findings, runs, {}, {}) == {A}
    assert "1 benchmark such as tests/a.py::a would run code of the other version" in warnings[0]


@pytest.mark.parametrize(("again", "apart"), [("7", {A}), ("8", set())])
def test_what_loading_sets_counts_if_it_is_the_same_in_two_processes(
    again: str, apart: set[Series], faked: Faked, warnings: list[str]
) -> None:
    """The time at which a module was imported differs between any two processes."""
    runs, shared = {A: run(A), HOT: run(HOT)}, {"pytest": {"values of roads": "7"}}
    context = faked([Inventory("base", shared={"values of roads": again})])
    assert module.loaded_differently(context, runs, shared) == apart
    assert ["(values of roads)" in one for one in warnings] == [True] * len(apart)


@pytest.mark.parametrize(("again", "bound"), [(9.0, 4.5), (2.5, None)])
def test_a_long_call_is_slower_if_each_of_several_processes_confirms_it(
    again: float, bound: float | None, faked: Faked
) -> None:
    took = {"base": CallTime(2.0, 2.0), "head": CallTime(9.0, 9.0)}
    alone = [[run(seconds=2.0, sides=["base"])], [run(seconds=again, sides=["head"])]]
    context = faked(*alone, *alone)
    runs = {A: DryRun(A.names, took=took), B: run(B)}
    bounds = module.bounds_of_long_calls(context, runs, [A, B], 1.0)
    assert bounds == ({A: bound} if bound else {})


def test_a_long_call_that_fails_once_has_no_bound(faked: Faked) -> None:
    took = {"base": CallTime(2.0, 2.0), "head": CallTime(9.0, 9.0)}
    alone = [[run(seconds=2.0, sides=["base"])], [run(seconds=9.0, sides=["head"])]]
    context = faked(*alone, alone[0], [run(sides=(), failed={"head": "no"})])
    runs = {A: DryRun(A.names, took=took)}
    assert module.bounds_of_long_calls(context, runs, [A], 1.0) == {}


@pytest.mark.parametrize(
    ("about", "verdict"),
    [
        ({"failed": {"head": "51st"}}, Verdict.WRONG),
        ({"failed": {"base": "51st"}}, Verdict.FIXED),
        ({"failed": {"base": "x", "head": "y"}}, Verdict.NOT_TIMED),
        ({"aborted": dict.fromkeys(SIDES, 1.0)}, Verdict.NOT_TIMED),
        ({}, Verdict.NOT_TIMED),  # in neither, though each version had a process of its own
    ],
)
def test_a_failure_during_timing_is_the_fault_of_the_version_that_fails_alone(
    about: Any, verdict: Verdict
) -> None:
    finding = with_dry_run(Finding(A), run(**about), failed_when_timed="it raised")
    assert finding.judgement.verdict is verdict


# --- what series give that measure no time --------------------------------------------------------


def gives(value: float, series: Series = A, **about: Any) -> Value:
    return Value(series.names, value, "bytes", **about)


def measured(faked: Faked, base: Sequence[Value], head: Sequence[Value]) -> Finding:
    """The finding on a series that gives these values, in a process each."""
    context = faked(*([answer] for answer in (*base, *head)))
    runs = {A: DryRun(A.names, "track")}
    return module.measure_values(context, {A: Finding(A)}, runs)[A]


def test_values_for_which_there_is_no_time_are_undecided_and_reported(
    faked: Faked, warnings: list[str]
) -> None:
    runs = {A: replace(run(A), quantity="peakmemory"), B: replace(run(B), quantity="track")}
    findings = {A: Finding(A), B: Finding(B)}
    measured = module.measure_values(faked(), findings, runs, until=0.0)  # no process is asked
    assert [str(measured[one].judgement) for one in (A, B)] == ["undecided: not timed"] * 2
    assert len(warnings) == 1
    assert "no time to measure 2 benchmarks of something else than time" in warnings[0]


def test_a_process_that_gives_no_value_is_not_said_to_have_had_no_time(
    faked: Faked, warnings: list[str]
) -> None:
    runs = {A: replace(run(A), quantity="track")}
    context = faked(*[["killed"]] * 2 * module.VALUES)
    measured = module.measure_values(context, {A: Finding(A)}, runs)
    assert str(measured[A].judgement) == "undecided: not timed"
    assert warnings == []


@pytest.mark.parametrize(
    ("base", "head", "risen"),
    [
        ([0, 0, 0], [0, 0, 0], ""),
        ([-5, -5, -5], [-9, -9, -9], ""),
        ([3, 3, 3], [3, 3, 3], ""),
        ([3, 3, 3], [5, 5, 5], "3 → 5 bytes"),
        ([5, 5, 5], [3, 3, 3], ""),
        ([3, 3, 3], [3.001, 3.001, 3.001], ""),  # less than the threshold
        ([100, 101, 102], [102.5, 103, 104], ""),  # beyond, but not by what may be chance
        ([100, 101, 102], [105, 106, 107], "102 → 105 bytes"),
        ([100, 101, 110], [104, 105, 102], ""),  # they overlap
        ([0, 0, 0], [1, 1, 1], "0 → 1 bytes"),
    ],
)
def test_a_value_that_rises_in_all_processes_is_a_regression(
    base: list[float], head: list[float], risen: str, faked: Faked
) -> None:
    finding = measured(faked, [*map(gives, base)], [*map(gives, head)])
    assert finding.risen == risen
    assert finding.judgement.verdict is Verdict.MEASURED
    assert result(finding).exit_code == bool(risen)
    if risen:
        assert risen in render.markdown(result(finding))
        assert risen in render.github_lines(result(finding))[0]


@pytest.mark.parametrize(
    ("base", "head"),
    [
        ([100, 4000, 130], [220, 500, 90]),
        ([100, 101, 110], [105, 106, 107]),
        ([5, 5, 5], [3, 3, 9]),
        ([0, 0, 0], [0, 0, 1]),
        ([-5, -5, -5], [-5, -5, -4]),
    ],
)
def test_values_that_scatter_are_undecided(
    base: list[float], head: list[float], faked: Faked
) -> None:
    finding = measured(faked, [*map(gives, base)], [*map(gives, head)])
    assert str(finding.judgement).startswith("undecided: its values scatter")
    assert finding.values == {"base": base, "head": head}
    assert result(finding).exit_code == 2
    assert not result(finding).missing  # it was measured


FAILS = gives(math.nan, failed="no")


@pytest.mark.parametrize(
    ("base", "head", "verdict"),
    [
        ([gives(math.nan)] * 3, [gives(math.nan)] * 3, Verdict.NOT_TIMED),  # no number
        ([gives(1.0)] * 3, [FAILS] * 3, Verdict.WRONG),
        ([FAILS] * 3, [gives(1.0)] * 3, Verdict.FIXED),
        ([gives(1.0)] * 3, [FAILS, *[gives(1.0)] * 2], Verdict.UNDECIDED),
    ],
)
def test_a_value_that_a_version_fails_to_give_is_no_value(
    base: Any, head: Any, verdict: Verdict, faked: Faked
) -> None:
    finding = measured(faked, base, head)
    assert finding.judgement.verdict is verdict
    assert finding.values == {}
    codes = {Verdict.WRONG: 1, Verdict.FIXED: 0, Verdict.NOT_TIMED: 2, Verdict.UNDECIDED: 2}
    assert result(finding).exit_code == codes[verdict]
    # It passes with no number of others that are judged.
    assert bool(result(finding).missing) == (verdict is Verdict.UNDECIDED)


@pytest.mark.parametrize("head", [0.002, 2.0])
def test_values_in_different_units_are_not_compared(head: float, faked: Faked) -> None:
    in_seconds = replace(gives(head), unit="s")
    finding = measured(faked, [replace(gives(1.0), unit="ms")] * 3, [in_seconds] * 3)
    why = "its unit is 'ms' at the base, 's' at the head"
    assert str(finding.judgement) == f"not timed, because {why}"
    assert not finding.risen
    assert result(finding).exit_code == 2


def test_a_hot_path_that_ends_the_process_of_both_versions_is_unknown(faked: Faked) -> None:
    """Each version alone is proven by its own reference: these were not compared."""
    alone = [run(HOT, sides=["head"])], [run(HOT, sides=["base"])]
    runs = module.dry_run(faked(["killed"], *alone), [HOT], 1.0)
    assert not module.ran_in_both(runs[HOT])
    assert result(with_dry_run(Finding(HOT), runs[HOT])).exit_code == 2


def test_each_peak_of_memory_has_processes_of_its_own(faked: Faked) -> None:
    context = faked(*[[gives(1.0, B)]] * 6, *[[gives(1.0, A)]] * 6)
    runs = {A: DryRun(A.names, "peakmemory"), B: DryRun(B.names, "track")}
    findings = module.measure_values(context, {A: Finding(A), B: Finding(B)}, runs)
    assert [asked[2] for asked in context.pool.asked] == [1] * 12
    assert [len(finding.values["head"]) for finding in findings.values()] == [3, 3]
