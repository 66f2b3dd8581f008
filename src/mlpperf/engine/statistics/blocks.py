"""The quickest of a few consecutive blocks, and blocks that take much longer than usual ones.

The quickest of a few blocks says nothing about a cache that is written to disk at every tenth call.
Disturbances of the machine are slow blocks, too, but they hit both versions alike: if the code is
the same, the slower block of a round is as likely to be of either version, by as much.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .intervals import critical_rank

Times = Sequence[float] | NDArray[np.float64]  # seconds

# A disturbance only makes a block slower, so the quickest of four consecutive blocks is used. This
# reduces the error of a disturbed process by a third; with longer rows the error grows again.
ROW = 4
SLOW = 1.2  # times the usual block; a block that takes longer is slow
EXCESS_LEAST = 0.05  # smallest difference between averages that matters, as a share


def quickest(times: Times) -> NDArray[np.float64]:
    """The minimum of every `ROW` times; a remainder joins the last row."""
    starts = np.arange(0, max(len(times) - ROW, 0) + 1, ROW)
    return np.minimum.reduceat(np.asarray(times), starts)


@dataclass(frozen=True)
class SlowBlocks:
    """The slow blocks of one process, in the denominator (below) and numerator (above) of a ratio.

    Attributes
    ----------
    logs : logarithms of above ÷ below, of the rounds in which one block is slow beside the other.
    excess_below, excess_above : how much longer an average block takes than a usual one, as a
        share, because some are slow.
    """

    logs: NDArray[np.float64]
    excess_below: float
    excess_above: float

    @classmethod
    def of(cls, below: Times, above: Times) -> SlowBlocks:
        """Those of a process, by the seconds of its blocks, round by round."""
        one, other = _in_medians(below), _in_medians(above)
        logs = np.log(other / one)
        return cls(
            logs[np.abs(logs) > math.log(SLOW)],
            *(float(np.mean(np.where(each > SLOW, each - 1, 0.0))) for each in (one, other)),
        )

    @property
    def log_ratio(self) -> float:
        """By how much the ratio of averages exceeds that of usual blocks, as a logarithm."""
        return math.log1p(self.excess_above) - math.log1p(self.excess_below)


def _in_medians(times: Times) -> NDArray[np.float64]:
    values = np.asarray(times, dtype=np.float64)
    return values / np.median(values)


def differ(processes: Sequence[SlowBlocks], false_alarm: float) -> bool:
    """Whether one side has more or slower slow blocks, and a larger average because of them.

    For the same code, with probability `false_alarm` at most, by Wilcoxon's signed-rank test.
    """
    if not processes:
        return False
    middle = float(np.median([one.log_ratio for one in processes]))
    if abs(middle) < math.log1p(EXCESS_LEAST):
        return False
    logs = np.concatenate([one.logs for one in processes]) * math.copysign(1, middle)
    ranks = np.argsort(np.argsort(np.abs(logs))) + 1
    return int(ranks[logs < 0].sum()) <= critical_rank(len(logs), false_alarm)
