"""Compares pairs of commits of a branch until its levels are known.

Each commit is compared with its predecessor, newest first; then with anchors further back, wherever
that adds enough information; then the commits around each step, until its size is known well. A
backfill may be stopped at any moment: comparisons are recorded, and the next run continues.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ...errors import MlpperfError
from ..compare import ComparisonRecord
from .gathering import Link
from .planning import Pair, Plan

IN_A_ROW = 3  # consecutive failures that end a backfill: then it is not the commits' fault


# Compares a pair, by the series of these names only, if any are given: its record, or why there is
# none.
Compare = Callable[[Pair, Sequence[str]], ComparisonRecord | MlpperfError]


@dataclass(frozen=True)
class Compared:
    """A compared pair: its link, or why there is none."""

    pair: Pair
    link: Link | None = None
    failed: str = ""


def backfill(
    plan: Plan, compare: Compare, enough: Callable[[], bool] = lambda: False
) -> Iterator[Compared]:
    """Compare the pairs of a plan until none is left, or `enough` returns True."""
    while not enough() and (question := plan.next_question()):
        yield compared(plan, compare, *question)


def compared(plan: Plan, compare: Compare, pair: Pair, series: Sequence[str] = ()) -> Compared:
    """Compare a pair, and add its result to the plan.

    Raises `MlpperfError` once several comparisons in a row have failed, with the last reason.
    """
    outcome = compare(pair, series)
    if isinstance(outcome, MlpperfError):
        plan.blame(pair, str(outcome))
        plan.failures += 1
        if plan.failures == IN_A_ROW:
            raise MlpperfError(
                f"{IN_A_ROW} comparisons in a row could not be made. The last one: {outcome}"
            )
        return Compared(pair, failed=str(outcome))
    plan.failures = 0
    link = plan.levels.add(outcome)
    assert link is not None  # the plan takes both commits from its lineage
    plan.note(link)
    return Compared(pair, link)
