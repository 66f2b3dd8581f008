"""The results of each series in all comparisons, without a pass over all of them for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..compare import ComparisonRecord, Outcome
from ..statistics.verdicts import Verdict
from ..suites.series import Series
from ..table import grouped


class SeriesResult(NamedTuple):
    """What a comparison measured of a series."""

    record: ComparisonRecord
    outcome: Outcome


class Results:
    """The results of comparisons, which share their columns, by series.

    Attributes
    ----------
    series : every series of any comparison.
    """

    def __init__(self, records: Sequence[ComparisonRecord]) -> None:
        self.series: Sequence[Series] = ()
        self._functions: dict[str, list[Series]] = {}
        self._ends: dict[Series, tuple[int, int]] = {}
        self._records = [record for record in records if len(record.outcomes)]
        if not self._records:
            return
        self._firsts = np.array([record.outcomes.first for record in self._records], dtype=np.intp)
        columns = self._records[0].outcomes.columns
        self.series = columns.series
        self._functions = grouped(self.series, lambda one: one.function)
        rows = np.argsort(columns.of_series, kind="stable")
        skipped = [word == Verdict.UNCHANGED_CODE.value for word in columns.verdicts]
        self._rows = rows[~np.array(skipped)[columns.verdict[rows]]]
        known = np.bincount(columns.of_series[self._rows], minlength=len(self.series))
        ends = np.cumsum(known).tolist()
        self._ends = dict(zip(self.series, zip([0, *ends[:-1]], ends, strict=True), strict=True))

    def newest(self, series: Series, most: int) -> list[SeriesResult]:
        """The newest `most` results of a series, newest first, without those that skipped it."""
        first, last = self._ends.get(series, (0, 0))
        if first == last:
            return []
        rows = self._rows[first:last][: -most - 1 : -1]
        places = np.searchsorted(self._firsts, rows, side="right") - 1
        results = []
        for row, place in zip(rows.tolist(), places.tolist(), strict=True):
            record = self._records[place]
            (outcome,) = record.outcomes.at([row - record.outcomes.first])
            results.append(SeriesResult(record, outcome))
        return results

    def number(self, series: Series) -> int:
        """In how many comparisons a series was not skipped."""
        first, last = self._ends.get(series, (0, 0))
        return last - first

    def of_function(self, function: str) -> Sequence[Series]:
        """The series of a function or hot path."""
        return self._functions.get(function, ())
