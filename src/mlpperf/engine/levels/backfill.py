"""Comparing pair after pair of a branch until its levels are known.

Each commit with the one before, newest first; then with anchors further back, wherever that says
more than is known; then what lies around each step, until its size is known well. It may be stopped
at any moment: what was compared is recorded, and the next run goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from ...errors import MlpperfError
from ..compare.records import ComparisonRecord
from .gathering import Link
from .planning import Pair, Plan

IN_A_ROW = 3  # comparisons that fail one after the other, when it is not the commits' fault


class Workers(Protocol):
    """Who compares pairs of commits: this machine, or several."""

    @property
    def free(self) -> bool:
        """Whether another pair can be given."""

    def start(self, pair: Pair, series: Sequence[str] = ()) -> None:
        """Compare that pair, by the series of these names only, if any are given."""

    def done(self) -> tuple[Pair, ComparisonRecord | MlpperfError]:
        """A pair that was given, and what came of it: a record, or why there is none."""


@dataclass(frozen=True)
class Compared:
    """A pair, and what came of it: what it says about the branch, or why it says nothing."""

    pair: Pair
    link: Link | None = None
    failed: str = ""


def backfill(
    plan: Plan, workers: Workers, enough: Callable[[], bool] = lambda: False
) -> Iterator[Compared]:
    """Compare what the plan says, until there is nothing left, or it is `enough`.

    Raises
    ------
    MlpperfError
        If several comparisons in a row cannot be made, with the reason of the last one.
    """
    return giving_up(_backfill(plan, workers, enough))


def _backfill(plan: Plan, workers: Workers, enough: Callable[[], bool]) -> Iterator[Compared]:
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


def giving_up(every: Iterable[Compared]) -> Iterator[Compared]:
    """The same comparisons, as long as not several in a row cannot be made.

    Raises
    ------
    MlpperfError
        Then, with the reason of the last one.
    """
    failures = 0
    for compared in every:
        failures = failures + 1 if compared.failed else 0
        yield compared
        if failures == IN_A_ROW:
            raise MlpperfError(
                f"{IN_A_ROW} comparisons in a row could not be made. The last one: "
                f"{compared.failed}"
            )


def take(plan: Plan, workers: Workers) -> Compared:
    """Wait for a pair, and note what came of it."""
    pair, found = workers.done()
    plan.pending.discard(pair)
    if isinstance(found, MlpperfError):
        plan.blame(pair, str(found))
        return Compared(pair, failed=str(found))
    link = plan.levels.add(found)
    assert link is not None  # both commits are of the lineage, because its plan named them
    plan.note(link)
    return Compared(pair, link)
