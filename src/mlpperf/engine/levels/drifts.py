"""Where a series may change: at one commit, or gradually over many."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from .edges import EVERY, Floats, shares

SHORTEST_DRIFT = 4  # commits
MOST_DRIFTS = 256  # stretches that are tried for each series


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
        share: Floats = np.clip(np.arange(commits) - (self.first - 1), 0, length) / length
        return share


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
