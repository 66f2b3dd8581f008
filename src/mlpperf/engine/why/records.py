"""Records of causes, as `mlpperf why` appends them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal

import msgspec

from ...errors import MlpperfError
from ..compare import Comparison, ComparisonRecord, comparisons
from ..history.fields import Amount, Bounds, Count, Name
from ..history.records import Origin
from ..statistics.verdicts import Verdict
from ..suites.series import Series, fits


class RecordedEffect(msgspec.Struct, gc=False):
    """What some parts of a difference do to a series; `causes.Effect` explains the fields."""

    parts: list[str]
    change: Bounds
    alone: Bounds
    last: Bounds
    cause: bool
    hunks: list[str]


class RecordedExplanation(msgspec.Struct, gc=False):
    """Why a series changed; `causes.Explanation` explains the fields."""

    path: Name
    case: str
    variant: str
    whole: Bounds
    effects: list[RecordedEffect]
    rest: Bounds
    together: float
    processes: Count
    suite: str = ""

    @property
    def named(self) -> Series:
        """Which series it is."""
        return Series(self.path, self.case, self.variant, self.suite)


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
    verdict : the causes in a sentence for each series.
    exit_code : 0 all changes are explained, 2 not all are.
    """

    FILE = "causes"

    kind: Literal["causes"]
    base: str
    head: str
    commits: dict[str, Name | None]
    explanations: list[RecordedExplanation]
    parts: Count
    run: Count
    unknown: str
    left_out: Count
    budget: Amount
    total: Amount
    warnings: list[str]
    verdict: list[str]
    exit_code: Count


def latest(folder: Path, pattern: str | None) -> tuple[ComparisonRecord, list[Series]]:
    """The latest comparison recorded in `folder` that found a change, and what changed.

    Slower series come first, the largest change first; faster ones only if none is slower.
    `pattern` fits their names.

    Raises
    ------
    MlpperfError
        If there is none.
    """
    for record in reversed(comparisons(folder)[0]):
        if changed := _changed(record, pattern):
            return record, changed
    fitting = f" of {pattern!r}" if pattern else ""
    raise MlpperfError(
        f"No recorded comparison shows a change{fitting}: run `mlpperf compare`, or name the "
        "commit before the change with --base."
    )


def changed_series(result: Comparison) -> list[Series]:
    """The series of a comparison that are slower; if none is, those that are faster."""
    timed = [one for one in result.findings.values() if one.processes]
    changed = [one for one in timed if one.slower] or [one for one in timed if one.faster]
    ordered = sorted(changed, key=lambda one: -abs(math.log(one.ratio.median)))
    return [one.series for one in ordered]


def _changed(record: ComparisonRecord, pattern: str | None) -> list[Series]:
    outcomes = [one for one in record.outcomes if pattern is None or fits(pattern, one.series)]
    for verdict in (Verdict.SLOWER, Verdict.FASTER):
        of_kind = [one for one in outcomes if one.verdict.startswith(verdict.value) and one.timed]
        if of_kind:
            ordered = sorted(of_kind, key=lambda one: -abs(one.log_ratio))
            return [one.series for one in ordered]
    return []
