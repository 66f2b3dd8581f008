"""The best places to split a list of numbers, and the rank-sum test of two parts."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..statistics.quantiles import normal_probability

EXACT = 2500  # pairs of values up to which probabilities are exact, else by normal approximation

Floats = NDArray[np.float64]


def best_split(values: Floats, fewest: int) -> int:
    """The best place to split `values` in two: the index at which the second part begins.

    Of all ways to split into parts of at least `fewest` values, the best has the least squares
    around the means of both.
    """
    n = len(values)
    places = np.arange(fewest, n - fewest + 1)
    sums = np.cumsum(values - values.mean())  # without the mean, so that no digits cancel
    return int(places[np.argmax(sums[places - 1] ** 2 / (places * (n - places)))])


def best_part(values: Floats, fewest: int) -> tuple[int, int]:
    """The best part to cut out of `values`: where it begins, and where it has ended.

    At least `fewest` values are in it, before it and after it; the squares are least around its
    mean and that of all others together.
    """
    n = len(values)
    sums = np.concatenate([[0.0], np.cumsum(values - values.mean())])
    most, best = -1.0, (0, 0)
    for length in range(fewest, n - 2 * fewest + 1):
        of_parts = sums[fewest + length : n - fewest + 1] - sums[fewest : n - fewest - length + 1]
        place = int(np.argmax(np.abs(of_parts)))
        gained = of_parts[place] ** 2 / (length * (n - length))
        if gained > most:
            most, best = gained, (fewest + place, fewest + place + length)
    return best


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
