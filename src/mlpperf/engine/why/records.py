"""What a search for causes begins with: the recorded changes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from ...errors import MlpperfError
from ..compare import Comparison, ComparisonRecord, comparisons
from ..statistics.verdicts import Verdict, verdict_in
from ..suites.series import Series, fits


def latest(folder: Path, pattern: str | None) -> tuple[ComparisonRecord, list[Series]]:
    """The latest comparison recorded in `folder` that found a change, and what changed.

    Slower series come first, the largest change first; faster ones only if none is slower.
    `pattern` fits their names. Raises `MlpperfError` if there is none.
    """
    for record in reversed(comparisons(folder)[0]):
        if changed := _changed(record, pattern):
            return record, changed
    fitting = f" of {pattern!r}" if pattern else ""
    raise MlpperfError(
        f"No recorded comparison shows a change{fitting}: run `mlpperf compare BASE`, or name the "
        "commit before the change with --base."
    )


def changed_series(result: Comparison) -> list[Series]:
    """The series of a comparison that are slower; if none is, those that are faster."""
    changed = (f for f in result.findings.values() if f.processes and (f.slower or f.faster))
    return _largest_first({f.series: math.log(f.change.median) for f in changed})


def _changed(record: ComparisonRecord, pattern: str | None) -> list[Series]:
    timed = (one for one in record.outcomes if one.timed)
    changes = {
        one.series: one.log_ratio
        for one in timed
        if verdict_in(one.verdict) in (Verdict.SLOWER, Verdict.FASTER)
        and (pattern is None or fits(pattern, one.series))
    }
    return _largest_first(changes)


def _largest_first(changes: Mapping[Series, float]) -> list[Series]:
    """The slower ones of the series, by the logarithms of their ratios; all if none is slower."""
    slower = [one for one, log in changes.items() if log > 0]
    return sorted(slower or changes, key=lambda one: -abs(changes[one]))
