"""Where a series may change: at a commit, or bit by bit over many."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from .edges import EVERY, Floats, shares

SHORTEST_CLIMB, MOST_CLIMBS = 4, 256  # commits; and how many stretches are tried for each series


class Where(NamedTuple):
    """A step at the place `first`, which is `last`, too; or a climb; on a machine, or on all."""

    first: int
    last: int
    machine: int = EVERY

    def behind(self, commits: int, machine: int) -> Floats:
        """How much of it each of so many places has behind it, on a machine."""
        if self.machine not in (EVERY, machine):
            return np.zeros(commits)
        length = self.last - self.first + 1
        share: Floats = np.clip(np.arange(commits) - (self.first - 1), 0, length) / length
        return share


def stretches(commits: int) -> tuple[Where, ...]:
    """Where a climb may be: stretches of 4, 8, 16 … commits, half over each other."""
    found: list[Where] = []
    length = commits - 1
    while length >= SHORTEST_CLIMB and len(found) < MOST_CLIMBS:
        starts = range(1, commits - length + 1, max(length // 2, 1))
        found += [Where(first, first + length - 1) for first in starts]
        length //= 2
    return tuple(found[:MOST_CLIMBS])


@lru_cache(maxsize=2)
def squares(commits: int, base: bytes, head: bytes) -> Floats:
    """The squared share that each edge has of every climb: the same for series timed together."""
    bases, heads = (np.frombuffer(ends, dtype=np.intp) for ends in (base, head))
    climbs = stretches(commits)
    return np.array([shares(bases, heads, climb.first, climb.last) ** 2 for climb in climbs])
