"""What a backfill compares: everything once, what is least certain next, and nothing in vain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from mlpperf.engine.levels.backfill import backfill
from mlpperf.engine.levels.planning import Plan
from mlpperf.engine.suites.series import Series
from mlpperf.errors import MlpperfError

Branch = Callable[..., tuple[Plan, Any]]  # who compares it is `Simulated`
HOT = Series("hot", "case", "variant")


def test_every_commit_is_tied_to_the_one_before_and_where_it_pays_to_an_anchor(
    branch: Branch,
) -> None:
    plan, here = branch(41, {})
    list(backfill(plan, here))
    pairs = set(here.compared)
    assert len(pairs) == len(here.compared)
    assert pairs >= set(pairwise(range(41)))
    assert here.compared[:40] == [(place - 1, place) for place in range(40, 0, -1)]
    longer = pairs - set(pairwise(range(41)))
    assert longer >= {(0, 10), (10, 20), (20, 30), (30, 40)}
    assert all(base % 10 == 0 and head - base <= 10 for base, head in longer)
    assert len(longer) <= 16  # of 36 that there are


def test_steps_are_told_and_nothing_else(branch: Branch) -> None:
    plan, here = branch(41, {7: 0.015, 23: 0.03, 31: -0.02}, error=0.002)
    list(backfill(plan, here))
    assert [step.where.first for step in plan.levels.fits[HOT].steps] == [7, 23, 31]


def test_tags_are_anchors(branch: Branch) -> None:
    plan, here = branch(31, {}, tags={3: "v1", 14: "v2", 27: "v3"})
    list(backfill(plan, here))
    assert {(3, 14), (14, 27)} & {*here.compared} or {(3, 13)} & {*here.compared}
    assert {base for base, head in here.compared if head - base > 1} <= {0, 3, 13, 14, 24, 27}


def test_what_changes_nothing_that_runs_needs_no_anchors(branch: Branch) -> None:
    plan, here = branch(31, {15: 0.02}, untouched=set(range(31)) - {15})
    list(backfill(plan, here))
    assert set(here.compared[:30]) == set(pairwise(range(31)))
    assert all(base < 15 <= head for base, head in here.compared[30:])  # to know its size
    assert len(here.compared) <= 40
    (step,) = plan.levels.fits[HOT].steps
    assert (step.earliest, step.latest) == (15, 15)


def test_commits_that_do_not_run_are_passed_over(branch: Branch) -> None:
    plan, here = branch(12, {6: 0.02}, broken={4, 5}, missing={9})
    list(backfill(plan, here))
    assert set(plan.unusable) == {4, 5, 9}
    assert {(3, 6), (8, 10)} <= set(here.compared)
    (step,) = plan.levels.fits[HOT].steps
    assert (step.earliest, step.latest) == (4, 6)


def test_what_could_not_be_compared_is_tried_again_if_asked(branch: Branch) -> None:
    plan, here = branch(6, {}, broken={3})
    list(backfill(plan, here))
    assert 3 in plan.unusable
    assert 3 in Plan(plan.levels).unusable
    again = Plan(plan.levels, again=True)
    assert not again.unusable
    mended = replace(here, plan=again, broken=(), compared=[])
    list(backfill(again, mended))
    assert mended.compared[:2] == [(3, 4), (2, 3)]


def test_a_backfill_goes_on_where_it_was_ended(branch: Branch) -> None:
    whole, here = branch(25, {})
    list(backfill(whole, here))
    plan, first = branch(25, {})
    for number, _ in enumerate(backfill(plan, first), 1):
        if number == 9:
            break
    again = Plan(plan.levels)  # as if read from the records
    second = replace(first, plan=again, compared=[])
    list(backfill(again, second))
    assert sorted(first.compared + second.compared) == sorted(here.compared)


def test_no_more_is_started_when_it_is_enough(branch: Branch) -> None:
    plan, here = branch(25, {})
    list(backfill(plan, here, lambda: len(here.compared) >= 5))
    assert len(here.compared) == 5


def test_when_nothing_works_it_ends(branch: Branch) -> None:
    plan, here = branch(25, {}, missing=set(range(25)))
    with pytest.raises(MlpperfError, match="3 comparisons in a row could not be made"):
        list(backfill(plan, here))
    assert len(here.compared) == 3


def test_comparisons_of_some_series_do_not_stand_for_all(branch: Branch) -> None:
    plan, here = branch(3, {})
    narrow = here.record(0, 1)
    narrow.selected = ("*parse*",)
    plan.levels.add(narrow)
    assert Plan(plan.levels).parents_left() == [(1, 2), (0, 1)]
    assert Plan(plan.levels, ["*parse*"]).parents_left() == [(1, 2)]
