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


def _skipped_all(record: ComparisonRecord) -> bool:
    """Whether no benchmark runs changed code."""
    return record.same or bool(len(record.outcomes) and record.outcomes.untouched.all())


def chosen(records: Sequence[ComparisonRecord], levels: Levels | None) -> list[ComparisonRecord]:
    """The comparisons that have a page, in the order of `records`.

    The newest that changed something, the newest of the others, and those that show the steps of
    the levels.
    """
    places: set[int] = set()
    changed = others = 0
    for place in range(len(records) - 1, -1, -1):
        if changed_something(records[place]):
            changed += 1
            if changed <= CHANGED_MOST:
                places.add(place)
        elif others < NEWEST_MOST and not _skipped_all(records[place]):
            others += 1
            places.add(place)
    steps = (
        [step.where.first for fit in levels.fits.values() for step in fit.steps] if levels else []
    )
    behind = {id(link.record) for at in set(steps) if levels and (link := levels.across(at))}
    places |= {place for place, record in enumerate(records) if id(record) in behind}
    return [records[place] for place in sorted(places)]
