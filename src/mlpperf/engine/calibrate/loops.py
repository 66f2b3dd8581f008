"""How long an empty loop takes: what slows a function down by a known size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class LoopTimes:
    """Seconds of an empty loop by its rounds, as measured for some numbers of rounds.

    It is no straight line. A loop of some hundred rounds takes a fifth more for each than one of
    thousands, as the processor does not foresee its end.

    Attributes
    ----------
    measured : pairs of rounds, ascending from 0, and seconds.
    """

    measured: Sequence[tuple[int, float]]

    @property
    def least(self) -> float:
        """Seconds of a loop without a round."""
        return self.measured[0][1]

    def seconds(self, rounds: int) -> float:
        """Of a loop of these rounds; beyond what was measured, as of the last ones."""
        (fewer, less), (most, longest) = self.measured[-2:]
        if rounds > most:
            return longest + (rounds - most) * (longest - less) / (most - fewer)
        return float(np.interp(rounds, *self._columns))

    def rounds(self, seconds: float) -> int:
        """Of a loop that takes so long; none if nothing is as short."""
        (fewer, less), (most, longest) = self.measured[-2:]
        if seconds > longest:
            return round(most + (seconds - longest) * (most - fewer) / (longest - less))
        rounds, times = self._columns
        return round(float(np.interp(seconds, times, rounds)))

    @property
    def _columns(self) -> tuple[Sequence[float], Sequence[float]]:
        rounds, times = zip(*self.measured, strict=True)
        return rounds, np.maximum.accumulate(times).tolist()
