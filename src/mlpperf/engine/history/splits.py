"""The best places to split a list of numbers, and the rank-sum test of two parts."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..statistics.quantiles import normal_probability

EXACT = 2500  # pairs of values up to which probabilities are exact, else by normal approximation

Floats = NDArray[np.float64]


def best_splits(values: Floats, most: int, fewest: int) -> list[list[int]]:
    """The best place to split `values`, the best two, … up to `most` places.

    A place is the index at which the next part begins. Of all ways to split into parts of at least
    `fewest` values, the best has the least squares around the means of its parts. Optimal
    partitioning extends the best split of the values up to an earlier place by one more part
    (Jackson et al. 2005, doi:10.1109/LSP.2001.838216).

    `values` must be at least (`most` + 1) · `fewest`.
    """
    n = len(values)
    # Without the mean, so that no digits cancel.
    sums = np.concatenate([[0.0], np.cumsum(values - values.mean())])
    # Least squares around the means are the largest Σ (sum of a part)² ÷ its length.
    places = np.arange(n + 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        gained = np.where(places >= fewest, sums**2 / places, -np.inf)
    came_from = np.zeros((most + 1, n + 1), dtype=np.intp)
    best_of_each = []
    for splits in range(1, most + 1):
        further = np.full(n + 1, -np.inf)
        # The last split is only needed for all values.
        for stop in range(n if splits == most else (splits + 1) * fewest, n + 1):
            starts = places[splits * fewest : stop - fewest + 1]
            total = gained[starts] + (sums[stop] - sums[starts]) ** 2 / (stop - starts)
            best = int(np.argmax(total))
            further[stop], came_from[splits, stop] = total[best], starts[best]
        gained = further
        at, chain = n, []
        for earlier in range(splits, 0, -1):
            at = int(came_from[earlier, at])
            chain.append(at)
        best_of_each.append(chain[::-1])
    return best_of_each


def rank_sum_probability(a: Floats, b: Floats, few: int) -> float:
    """Two-sided probability of Wilcoxon's rank sum; no two values may be equal.

    Exact for up to `EXACT` pairs, and if one side has at most `few` values. The normal
    approximation overestimates the probability of extreme sums, so it errs on the safe side.
    """
    m, n = len(a), len(b)
    rank = np.argsort(np.argsort(np.concatenate([a, b])))
    above = int(rank[:m].sum()) - m * (m - 1) // 2  # pairs in which that of `a` is larger
    fewer = min(above, m * n - above)
    if m * n <= EXACT or min(m, n) <= few:
        ways = _ways(min(m, n), max(m, n))
        return min(1.0, 2 * (sum(ways[: fewer + 1]) / math.comb(m + n, m)))
    away = m * n / 2 - fewer - 0.5
    return 2 * normal_probability(-away / math.sqrt(m * n * (m + n + 1) / 12))


@lru_cache(maxsize=256)
def _ways(m: int, n: int) -> list[int]:
    """The number of orders of m and n values in which a side wins 0, 1, … up to half of the pairs.

    They are the coefficients of the Gaussian binomial Π (1 − x^(n+i)) ÷ (1 − x^i) for i from 1 to m
    (Mann and Whitney 1947), in whole numbers, so nothing is rounded.
    """
    ways = [1] + [0] * (m * n // 2)
    for i in range(1, m + 1):
        for pairs in range(len(ways) - 1, n + i - 1, -1):
            ways[pairs] -= ways[pairs - n - i]
        for pairs in range(i, len(ways)):
            ways[pairs] += ways[pairs - i]
    return ways
