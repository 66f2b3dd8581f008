"""Edges: the ratio of one series between two commits that were timed side by side; and drifts.

Machines drift and are replaced; a ratio that was measured in one process does not depend on that. A
few edges for each commit form a network, as in surveyors' levelling, from which the level of every
commit follows. A series changes in a step, at one commit, or in a drift, gradually over many.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Places = NDArray[np.intp]

EXACT = 1e-4  # error of an edge whose head runs no changed code: practically none
EVERY = -1  # instead of the number of a machine: all of them
SHORTEST_DRIFT = 4  # commits
MOST_DRIFTS = 256  # stretches that are tried for each series


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
        return self.error > EXACT

    def crossing(self, values: Floats) -> Floats:
        """For each place, the sum of `values` over the edges that a step there would affect."""
        sums = np.bincount(self.base + 1, values, self.commits + 1)
        sums -= np.bincount(self.head + 1, values, self.commits + 1)
        return np.cumsum(sums, dtype=np.float64)[: self.commits]

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


class Where(NamedTuple):
    """A step (`first` is `last`) or a drift between two places, on one machine or on all."""

    first: int
    last: int
    machine: int = EVERY

    def behind(self, commits: int, machine: int) -> Floats:
        """Which share of it lies behind each place of the history, on a machine."""
        if self.machine not in (EVERY, machine):
            return np.zeros(commits)
        length = self.last - self.first + 1
        return np.clip(np.arange(commits) - (self.first - 1), 0, length) / length


def stretches(commits: int) -> tuple[Where, ...]:
    """Where a drift may be: stretches of 4, 8, 16 … commits that overlap by half."""
    places: list[Where] = []
    length = commits - 1
    while length >= SHORTEST_DRIFT and len(places) < MOST_DRIFTS:
        starts = range(1, commits - length + 1, max(length // 2, 1))
        places += [Where(first, first + length - 1) for first in starts]
        length //= 2
    return tuple(places[:MOST_DRIFTS])


@lru_cache(maxsize=2)
def squares(commits: int, base: bytes, head: bytes) -> Floats:
    """Squared shares of the edges in every drift; cached for series that were timed together."""
    bases, heads = (np.frombuffer(ends, dtype=np.intp) for ends in (base, head))
    drifts = stretches(commits)
    return np.array([shares(bases, heads, drift.first, drift.last) ** 2 for drift in drifts])
