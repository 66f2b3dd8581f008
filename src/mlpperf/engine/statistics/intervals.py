"""Medians of ratios, and intervals that assume only that the noise is symmetric."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ...errors import MlpperfError
from ..words import by_percent
from .quantiles import normal_quantile, student_quantile

CONFIDENCE = 0.95
WITHIN = normal_quantile((1 + CONFIDENCE) / 2)  # standard errors of a normal value
LARGEST_LOG = 700.0  # beyond it, the exponential is infinite
FEWEST = 6  # values; fewer do not give an interval with 95 % confidence


@dataclass(frozen=True)
class Interval:
    """A Hodges-Lehmann median, and an interval that contains the true one (`CONFIDENCE`)."""

    median: float
    low: float
    high: float

    @property
    def half_width(self) -> float:
        """Relative uncertainty: half the width in logarithms; infinite without bounds."""
        if not self.low > 0:
            return math.inf
        return 0.5 * math.log(self.high / self.low)

    @property
    def bounded(self) -> bool:
        """Whether both ends are known."""
        return self.low > 0 and math.isfinite(self.high)

    @property
    def excludes_one(self) -> bool:
        """Whether it excludes "no change"."""
        return self.low > 1 or self.high < 1

    @property
    def extent(self) -> float:
        """The largest change within it, as a share, up or down; infinite without a lower end."""
        return max(self.high - 1, 1 / self.low - 1) if self.low > 0 else math.inf

    @property
    def between(self) -> str:
        """Its ends as changes in percent, such as `+1.8 to +2.4`; empty if one is not known."""
        ends = (f"{100 * (end - 1):+,.1f}" for end in (self.low, self.high))
        return " to ".join(ends) if self.bounded else ""

    def __str__(self) -> str:
        """As a change, such as `+2.1 % (+1.8 to +2.4)`; without ends that are not known."""
        change = by_percent(self.median)
        return f"{change} ({self.between})" if self.bounded else change


UNKNOWN = Interval(math.nan, math.nan, math.nan)


def student_interval(
    log: float, error: float, freedom: float, confidence: float = CONFIDENCE
) -> Interval:
    """Student's t interval of a ratio, by its logarithm and the standard error of that.

    It is never infinite, however large the error is.
    """
    half = student_quantile(freedom, (1 + confidence) / 2) * error
    half = min(half, LARGEST_LOG - abs(log))
    return Interval(*(math.exp(log + side * half) for side in (0, -1, 1)))


@lru_cache(maxsize=4096)
def critical_rank(n: int, level: float) -> int:
    """Largest value of the signed-rank statistic of n that is rejected two-sided; −1 for none.

    Exact up to n = 100 (by counting the sums of ranks), then the normal approximation.
    """
    if n > 100:
        deviation = math.sqrt(n * (n + 1) * (2 * n + 1) / 24)
        return math.floor(n * (n + 1) / 4 - 0.5 + normal_quantile(level / 2) * deviation)
    ways = np.zeros(n * (n + 1) // 2 + 1)
    ways[0] = 1
    for rank in range(1, n + 1):
        ways[rank:] += ways[:-rank].copy()
    return int(np.searchsorted(2 * np.cumsum(ways / 2.0**n), level, side="right")) - 1


def walsh_averages(
    values: NDArray[np.float64], errors: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Averages of all pairs of n values, each paired with itself, too; shape (n·(n + 1)/2,).

    Weighted by 1 ÷ error if `errors`, which must be positive, are given.
    """
    weights = np.ones(len(values)) if errors is None else 1 / errors
    weighted = weights * values
    both = np.triu_indices(len(values))
    averages: NDArray[np.float64] = np.add.outer(weighted, weighted)[both]
    averages /= np.add.outer(weights, weights)[both]
    return averages


def ratio_interval(
    ratios: Iterable[float],
    confidence: float = CONFIDENCE,
    errors: NDArray[np.float64] | None = None,
) -> Interval:
    """Hodges-Lehmann median of positive ratios, in logarithms, with its signed-rank interval.

    The estimate is the median of all pairwise (Walsh) averages; the interval inverts Wilcoxon's
    signed-rank test (Hollander, Wolfe and Chicken: Nonparametric Statistical Methods, 3.2 and 3.3).
    It assumes only that the distribution is symmetric in logarithms, which holds for the ratio of
    identical code. Compared with the plain median it is a third narrower on normal noise; if a
    kernel has two speeds, it lies between them instead of jumping from one to the other. With too
    few ratios for the confidence, the interval is (0, ∞).

    `errors` are the standard errors of the ratios in logarithms, up to a common factor. The test
    then ranks each ratio divided by its error, so the averages are weighted by 1 ÷ error. Errors
    have no sign, so the test remains exact even if they are inaccurate. Raises `MlpperfError` if
    there is no ratio, or one is not positive and finite.
    """
    values = np.fromiter(ratios, dtype=np.float64)
    if not values.size or not np.isfinite(values).all() or values.min() <= 0:
        raise MlpperfError("A ratio interval needs positive, finite ratios.")
    logs, n = np.log(values), values.size
    walsh = np.sort(walsh_averages(logs, errors))
    median = math.exp(float(np.median(walsh)))
    rank = critical_rank(n, 1 - confidence)
    if rank < 0:
        return Interval(median, 0.0, math.inf)
    return Interval(median, math.exp(walsh[rank]), math.exp(walsh[-1 - rank]))
