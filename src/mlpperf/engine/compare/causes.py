"""Records of causes: why series changed between two versions."""

from __future__ import annotations

from collections.abc import Container
from typing import Literal

import msgspec

from ..history.fields import Amount, Bounds, Count, Name
from ..history.records import Origin
from ..suites.series import Series
from .flame import Flame
from .records import ComparisonRecord, NamedSeries


class Effect(msgspec.Struct, frozen=True, gc=False):
    """What some parts of a difference do to a series.

    Attributes
    ----------
    parts : one, or several that cannot be applied one by one or were not separated. Each is
        `walk (src/streets.py:12)` for a function, `code outside of functions in src/streets.py`,
        the path of another file, or `new definitions and imports`.
    change : head ÷ base by these parts.
    alone : the same where they are added to the base.
    last : the same where they are taken out of the head.
    cause : the interval of the change, corrected for the number of effects, excludes 1.
    hunks : of a cause, the lines that its first parts change.
    """

    parts: list[str]
    change: Bounds
    alone: Bounds
    last: Bounds
    cause: bool
    hunks: list[str]


class Explanation(NamedSeries, kw_only=True, gc=False):
    """Why a series changed.

    Attributes
    ----------
    whole : head ÷ base, as the experiment measured it.
    effects : of each part that was measured, the causes first, the largest first.
    rest : head ÷ base by all that is no cause.
    together : by how much parts do more, as a logarithm, together than one by one; 0 if nothing is
        known of it.
    processes : that measured it.
    """

    whole: Bounds
    effects: list[Effect]
    rest: Bounds
    together: float
    processes: Count

    @property
    def causes(self) -> list[Effect]:
        """The effects that are causes."""
        return [effect for effect in self.effects if effect.cause]


class CausesRecord(Origin, kw_only=True):
    """The causes of the changes between two versions.

    Attributes
    ----------
    base, head : what the versions were called.
    commits : the hash of each version; None for a working tree.
    explanations : of each series that was examined.
    parts, run : the number of parts of the difference, and of those that the series may run.
    unknown : why nothing was measured; empty if it was.
    left_out : the number of changed series that were not examined.
    budget, total : seconds for timing; that it took.
    warnings : what went wrong on the way, a sentence each.
    verdict : the causes, in a sentence for the series with the same ones.
    exit_code : 0 all changes are explained, 2 not all are.
    flames : where the calls of each series spend their time, if that could be sampled.
    """

    FILE = "causes"

    kind: Literal["causes"]
    base: str
    head: str
    commits: dict[str, Name | None]
    explanations: list[Explanation]
    parts: Count
    run: Count
    unknown: str
    left_out: Count
    budget: Amount
    total: Amount
    warnings: list[str]
    verdict: list[str]
    exit_code: Count
    flames: list[Flame] = msgspec.field(default_factory=list)

    def about_only(self, series: Container[Series]) -> bool:
        """Whether each series that was examined is one of these."""
        return all(one.named in series for one in self.explanations)


def code_of(record: ComparisonRecord | CausesRecord) -> tuple[str | None, ...]:
    """What is known of the code of both versions.

    Causes belong to comparisons of the same code that have the same series.
    """
    hashes = (record.commits.get("base"), record.commits.get("head"))
    if None not in hashes:
        return hashes
    here = (record.commit.hash, str(record.commit.dirty))
    return (hashes[0] or record.base, hashes[1] or record.head, *here)
