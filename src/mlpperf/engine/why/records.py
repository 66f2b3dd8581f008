"""What a search for causes begins with: the recorded changes."""

from __future__ import annotations

import math
from pathlib import Path

from ...errors import MlpperfError
from ..compare import Comparison, ComparisonRecord, comparisons
from ..statistics.verdicts import Verdict
from ..suites.series import Series, fits


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
