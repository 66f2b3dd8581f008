"""Warnings about the result of a race."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..machine.machine import BUSY, clock_resolution
from ..statistics.intervals import FEWEST, Interval, ratio_interval
from ..words import rounded
from ..worker.rounds import FUNCTIONS
from .result import SCATTER, WIDE

TELLING_ROUNDS = 20  # values needed to distinguish drift and two speeds from chance


@dataclass(frozen=True)
class Measured:
    """What the warnings depend on.

    Attributes
    ----------
    ratios : reference ÷ variant, in the order of measurement.
    speedup : their interval.
    rounds, processes : number of rounds, and of processes.
    busy : share of the machine that other processes took.
    beyond_ceiling : the variant is faster than its cost allows.
    """

    ratios: NDArray[np.float64]
    speedup: Interval
    rounds: int
    processes: int
    busy: float
    beyond_ceiling: bool = False


def doubts(measured: Measured) -> Iterator[str]:
    """The warnings, a clause each."""
    ratios, speedup = measured.ratios, measured.speedup
    if measured.processes > 1:
        sample, what = measured.processes, "processes"
    else:
        sample, what = measured.rounds, "rounds"
    if sample < FEWEST:
        yield f"only {sample} {what}: too few for an interval"
    elif sample == FEWEST:
        yield f"only {sample} {what}: the interval is their whole range"
    elif speedup.half_width > WIDE:
        yield f"interval wider than ±{100 * WIDE:.2g} %: raise the budget"
    if FUNCTIONS.block_seconds < 1000 * clock_resolution():
        yield "the clock is too coarse for so short a block"
    if measured.beyond_ceiling:
        yield "faster than the ceiling: its cost is wrong"
    if measured.busy > BUSY:
        yield f"other processes took {100 * measured.busy:.0f} % of the machine"
    if modes := two_modes(np.log(ratios)):
        yield f"two speeds: {rounded(math.exp(modes[0]))}× and {rounded(math.exp(modes[1]))}×"
    half = len(ratios) // 2
    if half >= TELLING_ROUNDS:
        first, second = ratio_interval(ratios[:half]), ratio_interval(ratios[half:])
        apart = max(first.low / second.high, second.low / first.high)
        if apart > 1 + WIDE / 2:
            yield f"drifted from {rounded(first.median)}× to {rounded(second.median)}×"


def two_modes(values: NDArray[np.float64]) -> tuple[float, float] | None:
    """Centres of the two clusters of `values`; None if there is only one.

    The best split in two (least squares) is accepted if each side holds at least a fifth of the
    values, and Ashman's D > 5 + 60/n. The halves of a normal distribution have D = 2.7, those of a
    uniform one 3.5, and with few values D may be larger by chance. Clusters closer than `SCATTER`
    do not matter.
    """
    ordered = np.sort(values)
    n = len(ordered)
    if n < TELLING_ROUNDS:
        return None
    fewest = n // 5
    sizes = np.arange(1, n)
    sums = np.cumsum(ordered)[:-1]
    between = (sums - sizes * ordered.mean()) ** 2 / (sizes * (n - sizes))
    split = fewest + int(np.argmax(between[fewest - 1 : n - fewest]))
    low, high = ordered[:split], ordered[split:]
    apart = high.mean() - low.mean()
    spread = math.sqrt((low.var() + high.var()) / 2)
    if apart > SCATTER and apart > (5 + 60 / n) * spread:
        return float(low.mean()), float(high.mean())
    return None
