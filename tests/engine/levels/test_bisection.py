"""Which commit it was: found by few comparisons, one step, several, or none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from mlpperf.engine.compare.records import RULES, Asked
from mlpperf.engine.levels import show
from mlpperf.engine.levels.backfill import backfill
from mlpperf.engine.levels.bisection import Hunt, first_pair, hunt, targets
from mlpperf.engine.levels.gathering import levels_of
from mlpperf.engine.levels.planning import Plan
from mlpperf.engine.suites.series import Series
from mlpperf.errors import MlpperfError

Branch = Callable[..., tuple[Plan, Any]]  # who compares it is `Simulated`
HOT = Series("hot", "case", "variant")


def hunted(plan: Plan, here: Any) -> Hunt:
    """A bisection of the one series there is."""
    first_pair(plan, here, HOT.name)
    target = Hunt(plan, [HOT])
    list(hunt(target, here))
    return target


@pytest.mark.parametrize("place", [1, 2, 31, 50, 63])
def test_one_step_is_found(branch: Branch, place: int) -> None:
    plan, here = branch(64, {place: 0.02}, error=0.002)
    target = hunted(plan, here)
    (step,) = target.steps(HOT)
    assert (step.earliest, step.latest) == (place, place)
    assert step.log_ratio == pytest.approx(0.02, abs=0.004)
    assert len(here.compared) <= target.comparisons + 3


def test_of_many_histories_most_are_right(branch: Branch) -> None:
    """What is told with 99 % confidence is nearly always right, and errors are random."""
    right = comparisons = 0
    for number in range(30):
        place = 1 + 2 * number
        plan, here = branch(64, {place: 0.02}, error=0.003)
        steps = hunted(plan, here).steps(HOT)
        right += len(steps) == 1 and steps[0].earliest <= place <= steps[0].latest
        comparisons += len(here.compared)
    assert right >= 28  # of 30 at 99 %: fewer with a probability of 0.3 %
    assert comparisons < 30 * 12


def test_several_steps_are_told(branch: Branch) -> None:
    plan, here = branch(64, {9: 0.03, 40: 0.02}, error=0.002)
    target = hunted(plan, here)
    assert [step.where.first for step in target.steps(HOT)] == [9, 40]
    (sentence,) = show.outcome(target, plan.levels.links[0])
    assert "commit 9" in sentence
    assert "commit 40" in sentence


def test_nothing_is_told_where_nothing_changed(branch: Branch) -> None:
    plan, here = branch(64, {})
    target = hunted(plan, here)
    assert not target.steps(HOT)
    assert len(here.compared) <= 3
    (sentence,) = show.outcome(target, plan.levels.links[0])
    assert "no detectable change" in sentence


def test_what_creeps_is_no_single_commit(branch: Branch) -> None:
    plan, here = branch(65, dict.fromkeys(range(1, 65), 0.001), error=0.002)
    target = hunted(plan, here)
    assert any(step.is_drift for step in target.steps(HOT))
    assert "as a drift" in " ".join(show.outcome(target, plan.levels.links[0]))


def test_commits_that_do_not_run_are_passed_over(branch: Branch) -> None:
    plan, here = branch(32, {17: 0.03}, broken={16, 17}, missing={15})
    (step,) = hunted(plan, here).steps(HOT)
    assert (step.earliest, step.latest) == (15, 18)


def test_what_changes_nothing_that_runs_is_not_suspected(branch: Branch) -> None:
    plan, here = branch(64, {20: 0.03}, untouched=set(range(64)) - {20, 40})
    (step,) = hunted(plan, here).steps(HOT)
    assert (step.earliest, step.latest) == (20, 20)


def test_what_was_compared_before_counts(branch: Branch) -> None:
    plan, here = branch(33, {17: 0.03})
    list(backfill(plan, here))
    before = len(here.compared)
    (step,) = hunted(Plan(plan.levels), here).steps(HOT)
    assert step.where.first == 17
    assert len(here.compared) <= before + 1


def test_what_older_rules_skipped_is_looked_at_again(branch: Branch) -> None:
    """They said that nothing which runs had changed, and missed a slowdown."""
    plan, here = branch(33, {17: 0.03})
    wrong = replace(here, untouched=range(33), rules=RULES - 1)
    old = [wrong.record(0, 32), *(wrong.record(base, base + 1) for base in range(32))]
    believed = Plan(levels_of(old, [], plan.levels.lineage))
    assert first_pair(believed, here, None).untouched
    assert not here.compared
    here.plan = Plan(levels_of(old, [], plan.levels.lineage, strict=True))
    target = Hunt(here.plan, targets(first_pair(here.plan, here, None), None))
    list(hunt(target, here))
    assert [step.where.first for step in target.steps(HOT)] == [17]


def test_two_commits_that_cannot_be_compared(branch: Branch) -> None:
    plan, here = branch(5, {}, missing={0})
    with pytest.raises(MlpperfError, match="no commit 0"):
        first_pair(plan, here, HOT.name)
    plan, here = branch(5, {}, broken={4})
    with pytest.raises(MlpperfError, match="as found"):
        first_pair(plan, here, HOT.name)


def test_without_a_name_all_that_is_slower_is_looked_for(branch: Branch) -> None:
    plan, here = branch(17, {5: 0.05})
    other = HOT._replace(variant="other")
    here.steps = {**here.steps, other: {}}
    link = first_pair(plan, here, None)
    assert targets(link, None) == [HOT]
    assert targets(link, other.name) == [other]
    assert targets(link, "*hot*") == [HOT]


UNTIMED = {"ratio": {"median": None}, "ratio_error": None}
OTHER = HOT._replace(variant="other")


def ended(plan: Plan, here: Any, pattern: str | None = None) -> tuple[list[str], str]:
    """What a bisection says in the end, and what it leaves open."""
    whole = first_pair(plan, here, pattern)
    target = Hunt(plan, targets(whole, pattern))
    list(hunt(target, here))
    return show.outcome(target, whole, pattern), show.unjudged(target, whole, pattern)


@pytest.mark.parametrize("is_reversed", [True, False])
def test_a_recorded_comparison_that_answers_another_question_is_made_again(
    branch: Branch, is_reversed: bool
) -> None:
    plan, here = branch(2, {1: 0.5})
    if is_reversed:
        old = replace(here, steps={HOT: {1: -0.5}}).record(0, 1)
        old.commits = {"base": old.commits["head"], "head": old.commits["base"]}
    else:
        old = replace(here, threshold=0.99, about={HOT: {"verdict": "unchanged"}}).record(0, 1)
    plan.levels.add(old)
    (sentence,), unknown = ended(plan, here)
    assert "commit 1" in sentence
    assert not unknown
    assert here.compared


@pytest.mark.parametrize(
    "asked", [{"python": "3.13"}, {"packages": ["numpy==1.26"]}, {"benchmarks": "f" * 40}]
)
def test_a_recorded_comparison_with_other_options_is_made_again(
    branch: Branch, asked: dict[str, Any]
) -> None:
    plan, here = branch(2, {1: 0.5})
    old = replace(here, steps={HOT: {}}, asked=asked).record(0, 1)
    here.plan = Plan(levels_of([old], [], plan.levels.lineage, asked=Asked()))
    assert "commit 1" in ended(here.plan, here)[0][0]
    assert (here.compared, here.plan.levels.others) == ([(0, 1)], 1)
    left_out = "1 comparison of other branches, with other options or of changed files is left out"
    assert left_out in " ".join(show.notes(here.plan.levels))


def test_a_recorded_comparison_by_the_suites_of_the_branch_is_used(branch: Branch) -> None:
    plan, here = branch(2, {1: 0.5})
    own, later = plan.levels.lineage[1].hash, "e" * 40
    for suites, compared in ((own, 0), (later, 1)):
        old = replace(here, asked={"benchmarks": suites, "everything": True}).record(0, 1)
        of_branch = levels_of([old], [], plan.levels.lineage, asked=Asked(), suites=[later])
        here.plan, here.compared = Plan(of_branch), []
        assert "commit 1" in ended(here.plan, here)[0][0]
        assert (len(here.compared), of_branch.others) == (compared, 0)


def test_a_recorded_comparison_that_answers_the_question_is_used(branch: Branch) -> None:
    plan, here = branch(2, {1: 0.5})
    plan.levels.add(replace(here, threshold=0.001).record(0, 1))
    assert "commit 1" in ended(plan, here)[0][0]
    assert not here.compared


@pytest.mark.parametrize("untouched", [(), (OTHER,)], ids=["timed", "skipped"])
@pytest.mark.parametrize("ratio", [{}, UNTIMED], ids=["imprecise", "untimed"])
def test_what_was_not_judged_is_not_called_unchanged(
    branch: Branch, untouched: tuple[Series, ...], ratio: dict[str, Any]
) -> None:
    plan, here = branch(2, {})
    here.steps = {HOT: {}, OTHER: {}}
    skipped = {"verdict": "skipped: runs no changed code", **UNTIMED}
    here.about = {
        HOT: {"verdict": "undecided: a call takes too long for this budget", **ratio},
        **dict.fromkeys(untouched, skipped),
    }
    here.exit_code = 2
    (sentence,), unknown = ended(plan, here)
    assert sentence.startswith("Nothing that was judged is slower at")
    assert unknown.startswith(f"Not judged: {HOT.name}. Run `mlpperf bisect NAME --good 0000000000")
    assert ended(plan, here, OTHER.name)[1] == ""


def test_a_comparison_without_a_verdict_is_not_called_unchanged(branch: Branch) -> None:
    plan, here = branch(2, {})
    here.exit_code = 2
    assert ended(plan, here)[1] == "as found"
    here.exit_code = 0
    assert ended(Plan(levels_of([], [], plan.levels.lineage)), here) == (
        ["Nothing is slower at 0000000000 than at 0000000000."],
        "",
    )


@pytest.mark.parametrize(
    ("about", "words"),
    [
        ({"bound": 40.0}, "is slower at 0000000000 than at 0000000000, a call takes at least 40"),
        ({"risen": "3 → 6"}, "has a larger value at 0000000000 than at 0000000000, 3 → 6"),
        ({"work_rose": True}, "executes more bytecodes at 0000000000"),
        ({"grown": ["peak 1 MB → 2 MB"]}, "takes more memory at 0000000000"),
        ({"wrong": {"head": "differs by 0.1"}}, "is wrong at 0000000000: differs by 0.1"),
    ],
)
def test_what_became_worse_without_a_ratio_of_times_is_named(
    branch: Branch, about: dict[str, Any], words: str
) -> None:
    plan, here = branch(2, {})
    here.steps = {HOT: {}, OTHER: {}}
    here.about = {HOT: {"verdict": "measured", **UNTIMED, **about}}
    (sentence, remedy), _ = ended(plan, here)
    assert words in sentence
    assert "after `mlpperf backfill 0000000000..0000000000`" in remedy


def test_a_slowdown_whose_commit_is_not_certain_is_not_called_undetectable(branch: Branch) -> None:
    plan, here = branch(2, {})
    here.about = {HOT: {"verdict": "slower"}}
    (sentence,), _ = ended(plan, here)
    assert "slower in a comparison of 0000000000 with 0000000000, but no commit" in sentence
