"""Reasons why the verdict of a race may be wrong."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ..machine.machine import BUSY, clock_resolution
from ..statistics.intervals import Interval, ratio_interval
from ..statistics.verdicts import Verdict
from ..words import rounded
from ..worker.rounds import FUNCTIONS
from .looks import certain
from .result import NO_DIFFERENCE_WITHIN, SCATTER, verdict_of

ROUNDS_LEAST = 20  # values needed to distinguish drift and two speeds from chance


def warnings(
    ratios: NDArray[np.float64], speedup: Interval, processes: int = 1, busy: float = 0.0
) -> Iterator[str]:
    """Each warning has its kind before a colon. An undecided verdict claims nothing, so has none.

    What would not change the verdict is no reason for a warning: the interval shows it.

    Parameters
    ----------
    ratios : reference ÷ variant, in the order of measurement.
    speedup : their interval.
    processes : how many have timed it; with 1, the rounds are the sample.
    busy : share of the machine that other processes took.
    """
    verdict = verdict_of(speedup)
    if verdict is Verdict.UNDECIDED:
        return
    if processes > 1 and not certain(speedup, processes):
        yield f"few processes: {processes} may all have the same one of two speeds"
    if SCATTER * FUNCTIONS.block_seconds < clock_resolution():
        yield "coarse clock: its steps are longer than 1 % of a block"
    if busy > BUSY and contradicted(verdict, speedup.low, speedup.high, by=1.05):
        share = f"{100 * busy:.0f} %"
        yield f"busy machine: others took {share}, which may cause differences of ±5 %"
    if (modes := two_modes(np.log(ratios))) and contradicted(verdict, *map(math.exp, modes)):
        low, high = map(math.exp, modes)
        yield f"two speeds: {rounded(low)}× and {rounded(high)}×"
    half = len(ratios) // 2
    if half >= ROUNDS_LEAST:
        first, second = ratio_interval(ratios[:half]), ratio_interval(ratios[half:])
        apart = max(first.low / second.high, second.low / first.high) > 1 + SCATTER
        if apart and contradicted(verdict, first.median, second.median):
            yield f"drift: from {rounded(first.median)}× to {rounded(second.median)}×"


def contradicted(verdict: Verdict, *speedups: float, by: float = 1.0) -> bool:
    """Whether one of `speedups` contradicts the verdict, or does so if changed by this factor."""
    if verdict is Verdict.FASTER:
        return min(speedups) <= by * (1 + SCATTER)
    if verdict is Verdict.SLOWER:
        return max(speedups) >= 1 / (by * (1 + SCATTER))
    most = (1 + NO_DIFFERENCE_WITHIN) / by
    return max(speedups) > most or min(speedups) < 1 / most


def two_modes(values: NDArray[np.float64]) -> tuple[float, float] | None:
    """Centres of the two clusters of `values`; None if there is only one.

    The best split in two (least squares) is accepted if each side holds at least a fifth of the
    values, and Ashman's D > 5 + 60/n. The halves of a normal distribution have D = 2.7, those of a
    uniform one 3.5, and with few values D may be larger by chance. Clusters closer than `SCATTER`
    do not matter.
    """
    ordered = np.sort(values)
    n = len(ordered)
    if n < ROUNDS_LEAST:
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
