"""The curves of a history: one number for each commit of whatever was measured in one place."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .table import Table, time

MEMORY = ("bytes", "peak bytes")

Floats = NDArray[np.float64]


class Curve(NamedTuple):
    """The name of a curve: numbers that differ in one of these are never compared."""

    source: str
    machine: str
    device: str
    threads: int | None
    software: str
    path: str
    version: str
    variant: str
    case: str
    quantity: str


@dataclass(frozen=True)
class Points:
    """A curve in the order of its commits, one point for each.

    Attributes
    ----------
    curve : its name.
    commits, dates : of each point.
    places : index of each point's commit among all commits of the history.
    value : median of the measurements of each commit.
    low, high : the widest of their intervals; NaN where there is none.
    measurements : their number.
    """

    curve: Curve
    commits: list[str]
    dates: list[datetime]
    places: NDArray[np.intp]
    value: Floats
    low: Floats
    high: Floats
    measurements: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.commits)


def points(table: Table) -> list[Points]:
    """The curves in `table`, in the order of their first rows.

    Rows that were measured with changed files, outside a repository, or without passing their proof
    belong to no commit and are left out.
    """
    place_of_commit = {commit: place for place, commit in enumerate(table.commits)}
    places = np.array(
        [-1 if run.dirty else place_of_commit.get(run.commit or "", -1) for run in table.runs],
        dtype=np.intp,
    )
    # A call may allocate 0 bytes, but takes more than 0 s.
    memory = np.array([metric.quantity in MEMORY for metric in table.metrics], dtype=bool)
    positive = (table.value > 0) | ((table.value == 0) & memory[table.of])
    rows = np.flatnonzero((places[table.run] >= 0) & positive & (table.proven != 0))
    if not len(rows):
        return []
    names: dict[tuple[object, ...], int] = {}
    where = np.array([names.setdefault(run[:5], len(names)) for run in table.runs], dtype=np.intp)
    curve = where[table.run[rows]] * len(table.metrics) + table.of[rows]
    _, first, number = np.unique(curve, return_index=True, return_inverse=True)
    number = first[number]  # in the order of the rows
    order = np.lexsort((places[table.run[rows]], number))
    rows, number = rows[order], number[order]
    starts = np.flatnonzero(np.diff(number, prepend=-1))
    return [_points(table, places, rows[a:b]) for a, b in pairwise([*starts, len(rows)])]


def _points(table: Table, places: NDArray[np.intp], rows: NDArray[np.intp]) -> Points:
    """The curve that has these `rows`, which are in the order of its commits."""
    at = places[table.run[rows]]
    starts = np.flatnonzero(np.diff(at, prepend=-1))
    value = table.value[rows]
    if len(starts) < len(rows):
        value = np.array([np.median(several) for several in np.split(value, starts[1:])])
    runs = [table.runs[run] for run in table.run[rows[starts]]]
    return Points(
        curve=Curve(*runs[0][:5], *table.metrics[table.of[rows[0]]]),
        commits=[table.commits[place] for place in at[starts]],
        dates=[time(int(date)) for date in table.dates[table.run[rows[starts]]]],
        places=at[starts],
        value=value,
        low=np.fmin.reduceat(table.low[rows], starts),
        high=np.fmax.reduceat(table.high[rows], starts),
        measurements=np.diff(starts, append=len(rows)),
    )
