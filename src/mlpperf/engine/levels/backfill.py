"""Compares pairs of commits of a branch until its levels are known.

Each commit is compared with its predecessor, newest first; then with anchors further back, wherever
that adds enough information; then the commits around each step, until its size is known well. A
backfill may be stopped at any moment: comparisons are recorded, and the next run continues.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from ...errors import MlpperfError
from ..compare import ComparisonRecord
from .gathering import Link
from .planning import Pair, Plan

IN_A_ROW = 3  # consecutive failures that end a backfill: then it is not the commits' fault


class Workers(Protocol):
    """Compares pairs of commits, on this machine or on several."""

    @property
    def free(self) -> bool:
        """Whether it accepts another pair."""

    def start(self, pair: Pair, series: Sequence[str] = ()) -> None:
        """Start to compare a pair, by the series of these names only, if any are given."""

    def done(self) -> tuple[Pair, ComparisonRecord | MlpperfError]:
        """Wait for a started pair; its record, or why there is none."""


@dataclass(frozen=True)
class Compared:
    """A compared pair: its link, or why there is none."""

    pair: Pair
    link: Link | None = None
    failed: str = ""


def backfill(
    plan: Plan, workers: Workers, enough: Callable[[], bool] = lambda: False
) -> Iterator[Compared]:
    """Compare the pairs of a plan until none is left, or `enough` returns True."""
    while True:
        while workers.free and not enough():
            question = plan.next_question()
            if question is None:
                break
            plan.pending.add(question.pair)
            workers.start(*question)
        if not plan.pending:
            return
        yield take(plan, workers)


def take(plan: Plan, workers: Workers) -> Compared:
    """Wait for a pair, and add its result to the plan.

    Raises `MlpperfError` once several comparisons in a row have failed, with the last reason.
    """
    pair, outcome = workers.done()
    plan.pending.discard(pair)
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
