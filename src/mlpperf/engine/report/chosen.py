"""Which comparisons have a page of their own: those that changed something, and the newest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..compare import ComparisonRecord
from ..levels.gathering import Levels
from ..statistics.verdicts import Verdict, verdict_in

CHANGED_MOST = 100  # comparisons that changed something
NEWEST_MOST = 20  # others that timed anything
CHANGES = (Verdict.SLOWER, Verdict.FASTER, Verdict.WRONG, Verdict.FIXED)


def changed_something(record: ComparisonRecord) -> bool:
    """Whether any benchmark became slower, faster, wrong or right, or takes more memory."""
    outcomes = record.outcomes
    verdicts = np.unique(outcomes.columns.verdict[outcomes.first : outcomes.last])
    words = (outcomes.columns.verdicts[number] for number in verdicts)
    return bool(
        record.exit_code == 1
        or outcomes.wrong
        or outcomes.grown
        or any(verdict_in(word) in CHANGES for word in words)
    )


def chosen(records: Sequence[ComparisonRecord], levels: Levels | None) -> list[ComparisonRecord]:
    """The comparisons that have a page, in the order of `records`.

    The newest that changed something, the newest of the others, and those that show the steps of
    the levels. Where no benchmark runs changed code, there is nothing to show.
    """
    changed, others = [], []
    for record in records:
        if changed_something(record):
            changed.append(id(record))
        elif not (record.same or (len(record.outcomes) and record.outcomes.untouched.all())):
            others.append(id(record))
    fits = levels.fits.values() if levels else ()
    steps = {step.where.first for fit in fits for step in fit.steps}
    behind = {id(link.record) for at in steps if levels and (link := levels.across(at))}
    kept = {*changed[-CHANGED_MOST:], *others[-NEWEST_MOST:], *behind}
    return [record for record in records if id(record) in kept]
