"""Edges: two commits that were timed side by side, and what one series did from one to the other.

Machines drift, and are replaced; a ratio that was measured inside one process does neither. A few
such edges for each commit make a network, like a surveyor's levelling, and the level of every
commit follows from it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Places = NDArray[np.intp]

EXACT = 1e-4  # the error of an edge whose head runs nothing that changed: as good as none
EVERY = -1  # instead of a machine: what holds on all of them


@dataclass(frozen=True)
class Network:
    """The edges of one series, in columns.

    Attributes
    ----------
    base, head : places of the two commits in the history, the earlier one first.
    log_ratio : of the times, head ÷ base.
    error : its standard error; `EXACT` at least, which it is if the head runs nothing that changed.
    freedom : degrees of freedom of that.
    machine : the number of the machine, or `EVERY`.
    commits : how many places there are.
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
        """Those that measured anything."""
        return [int(machine) for machine in np.unique(self.machine) if machine != EVERY]

    @property
    def measured(self) -> NDArray[np.bool_]:
        """Which edges were measured, as opposed to known."""
        found: NDArray[np.bool_] = self.error > EXACT
        return found

    def crossing(self, values: Floats) -> Floats:
        """For each place the sum of `values` of the edges from before it to it or beyond.

        It is what a step there would lift.
        """
        sums = np.bincount(self.base + 1, values, self.commits + 1)
        sums -= np.bincount(self.head + 1, values, self.commits + 1)
        found: Floats = np.cumsum(sums, dtype=np.float64)[: self.commits]
        return found

    def within(self, first: int, last: int, machine: int = EVERY) -> Floats:
        """Which share each edge has of what happens evenly from the place `first` to `last`.

        Of a step, whose first and last place are the same, all or nothing. Other machines than the
        one that it happens on have none.
        """
        share = shares(self.base, self.head, first, last)
        return share if machine == EVERY else share * self.on(machine)

    def on(self, machine: int) -> Floats:
        """1 for edges that say something about a machine, 0 for the others."""
        if machine == EVERY:
            return np.ones(len(self))
        found: Floats = ((self.machine == machine) | (self.machine == EVERY)).astype(np.float64)
        return found


def shares(base: Places, head: Places, first: int, last: int) -> Floats:
    """Which share edges have of what happens evenly from the place `first` to `last`."""
    low, high = (np.clip(ends, first - 1, last) for ends in (base, head))
    found: Floats = (high - low) / (last - first + 1)
    return found
