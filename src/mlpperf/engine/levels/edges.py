"""Edges: the ratio of one series between two commits that were timed side by side.

Machines drift and are replaced; a ratio that was measured in one process does not depend on that. A
few edges for each commit form a network, as in surveyors' levelling, from which the level of every
commit follows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Places = NDArray[np.intp]

EXACT = 1e-4  # error of an edge whose head runs no changed code: practically none
EVERY = -1  # instead of the number of a machine: all of them


@dataclass(frozen=True)
class Network:
    """The edges of one series, in columns.

    Attributes
    ----------
    base, head : places of the two commits in the history, the earlier one first.
    log_ratio : of the times, head ÷ base.
    error : its standard error; at least `EXACT`, and that if the head runs no changed code.
    freedom : degrees of freedom of the error.
    machine : the number of the machine, or `EVERY`.
    commits : number of places in the history.
    """

    base: Places
    head: Places
    log_ratio: Floats
    error: Floats
    freedom: Floats
    machine: Places
    commits: int

    def __len__(self) -> int:
        return len(self.base)

    @property
    def machines(self) -> list[int]:
        """The machines that measured anything."""
        return [int(machine) for machine in np.unique(self.machine) if machine != EVERY]

    @property
    def measured(self) -> NDArray[np.bool_]:
        """Which edges were measured, as opposed to known."""
        measured: NDArray[np.bool_] = self.error > EXACT
        return measured

    def crossing(self, values: Floats) -> Floats:
        """For each place, the sum of `values` over the edges that a step there would affect."""
        sums = np.bincount(self.base + 1, values, self.commits + 1)
        sums -= np.bincount(self.head + 1, values, self.commits + 1)
        crossing: Floats = np.cumsum(sums, dtype=np.float64)[: self.commits]
        return crossing

    def within(self, first: int, last: int, machine: int = EVERY) -> Floats:
        """Which share of a drift from the place `first` to `last` each edge covers.

        For a step, where both places are the same, the share is 0 or 1. It is 0 for edges of other
        machines than `machine`.
        """
        share = shares(self.base, self.head, first, last)
        return share if machine == EVERY else share * self.on(machine)

    def on(self, machine: int) -> Floats:
        """1 for edges that hold on a machine, 0 for the others."""
        if machine == EVERY:
            return np.ones(len(self))
        holds: Floats = ((self.machine == machine) | (self.machine == EVERY)).astype(np.float64)
        return holds


def shares(base: Places, head: Places, first: int, last: int) -> Floats:
    """Which share of a drift from the place `first` to `last` each edge covers."""
    low, high = (np.clip(ends, first - 1, last) for ends in (base, head))
    share: Floats = (high - low) / (last - first + 1)
    return share
