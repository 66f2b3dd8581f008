"""How much is known of each benchmark, and which command would add to it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..statistics.intervals import WITHIN
from ..suites.series import Series
from ..words import count
from .gathering import Levels
from .steps import Fit

WELL = 0.05  # the largest half of an interval of a benchmark that is known well
BUDGET = 300  # seconds of timing that are proposed


@dataclass(frozen=True)
class Known:
    """How well the level of a series is known.

    Attributes
    ----------
    within : half of the 95 % interval of a typical comparison, as a share; 0 if none was needed.
    first, last : the commits between which the series was measured.
    gaps : places between these that no comparison links to the one before.
    """

    within: float
    first: int
    last: int
    gaps: Sequence[int]

    @classmethod
    def of(cls, fit: Fit) -> Known:
        """What is known of a series by its fit."""
        network = fit.network
        measured = network.error[network.measured]
        within = WITHIN * fit.factor * float(np.median(measured)) if len(measured) else 0.0
        first, last = int(network.base.min()), int(network.head.max())
        return cls(within, first, last, [place for place in fit.gaps if first < place <= last])


@dataclass(frozen=True)
class Lack:
    """What is not known of a series, as a reason, and the command that would change that."""

    series: Series
    why: str
    command: str
    size: float  # for sorting


def lacks(levels: Levels) -> list[Lack]:
    """What is not known well, the worst first."""
    newest = levels.newest
    ends = levels.lineage[newest - 1].short, levels.lineage[newest].short
    every = []
    for series in never_timed(levels):
        every.append(Lack(series, "never timed", _compare(*ends, series), np.inf))
    for series, fit in levels.fits.items():
        known = Known.of(fit)
        if known.last < newest:
            since = levels.lineage[known.last].short
            command = _compare(since, ends[1], series)
            every.append(Lack(series, f"not measured since {since}", command, 1e3))
        elif known.gaps:
            at = known.gaps[-1]
            before, after = levels.lineage[at - 1].short, levels.lineage[at].short
            commits = count(len(known.gaps), "commit")
            why = f"{commits} not linked to the one before, such as {after}"
            every.append(Lack(series, why, _compare(before, after, series), 1e2))
        elif known.within > WELL:
            first = levels.lineage[known.first].short
            why = f"a comparison is exact to ±{100 * known.within:,.0f} % only"
            every.append(Lack(series, why, _compare(first, ends[1], series), known.within))
    return sorted(every, key=lambda lack: -lack.size)


def _compare(base: str, head: str, series: Series) -> str:
    name = shlex.quote(series.name)
    return f"mlpperf compare {base} {head} --exact --series {name} --budget {BUDGET}"


def never_timed(levels: Levels) -> list[Series]:
    """Series that were in comparisons, but never with a result."""
    columns = levels.links[0].record.outcomes.columns  # which all share
    seen = np.zeros(len(columns.series), dtype=bool)
    for link in levels.links:
        seen[link.record.outcomes.series] = True
    known = (columns.series[i] for i in np.flatnonzero(seen).tolist())
    return [series for series in known if series not in levels.fits]


def newest_seconds(levels: Levels) -> dict[Series, float]:
    """Seconds of a call at the newest commit at which each series was timed."""
    columns = levels.links[0].record.outcomes.columns  # which all share
    known = np.full(len(columns.series), np.nan)
    newest_first = sorted(levels.links, key=lambda link: -link.head)
    for link in reversed(newest_first):
        outcomes = link.record.outcomes
        side = columns.base if link.reversed else columns.head
        values = side[outcomes.first : outcomes.last]
        timed = np.isfinite(values)
        known[outcomes.series[timed]] = values[timed]
    numbers = np.flatnonzero(np.isfinite(known)).tolist()
    return {columns.series[number]: float(known[number]) for number in numbers}
