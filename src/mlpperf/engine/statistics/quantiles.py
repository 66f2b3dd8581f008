"""Probabilities and quantiles that intervals need: normal, Student's t, beta.

SciPy has all of them, and would more than double the size of the installation. The normal
distribution is the standard library's. Student's t and the beta distribution both follow from the
regularised incomplete beta function, which is a continued fraction (Abramowitz and Stegun: Handbook
of Mathematical Functions, 26.5.8 and 26.5.27). The tests compare all of them with SciPy.
"""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

_STANDARD = NormalDist()
_EPSILON = 2.0**-53
_TINY = 1e-300  # instead of 0 where the continued fraction divides


def normal_probability(z: float) -> float:
    """Probability of a standard normal value up to `z`, to full precision in both tails."""
    return 0.5 * math.erfc(-z / math.sqrt(2))


def normal_quantile(probability: float) -> float:
    """The quantile of the standard normal distribution for a `probability` from 0 to 1."""
    if probability in (0.0, 1.0):
        return math.inf if probability else -math.inf
    return _STANDARD.inv_cdf(probability)


@lru_cache(maxsize=4096)
def student_quantile(freedom: float, probability: float) -> float:
    """The quantile of Student's t for a `probability` between 0 and 1.

    `freedom` is the number of degrees of freedom, more than 0.
    """
    tail = min(probability, 1 - probability)
    # t² / (t² + freedom) is beta distributed. Whichever is smaller, it or its complement, is
    # computed, because that has more digits.
    if tail > 0.25:
        share = beta_quantile(0.5, freedom / 2, 1 - 2 * tail) if tail < 0.5 else 0.0
        size = math.sqrt(freedom * share / (1 - share))
    else:
        share = beta_quantile(freedom / 2, 0.5, 2 * tail)
        size = math.sqrt(freedom * (1 - share) / share)
    return math.copysign(size, probability - 0.5)


@lru_cache(maxsize=4096)
def beta_quantile(a: float, b: float, probability: float) -> float:
    """The quantile of a beta distribution for a `probability` between 0 and 1.

    `a` and `b` are its parameters, more than 0. Bisection until no number lies between the bounds;
    this cannot fail, because the probability increases everywhere.
    """
    low, high = 0.0, 1.0
    while low < (middle := (low + high) / 2) < high:
        if _beta_probability(a, b, middle) < probability:
            low = middle
        else:
            high = middle
    return high


def _beta_probability(a: float, b: float, x: float) -> float:
    """Probability of a beta distributed value up to `x` between 0 and 1."""
    if x > (a + 1) / (a + b + 2):  # where the fraction of the complement converges faster
        return 1 - _beta_probability(b, a, 1 - x)
    log_beta = math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
    front = math.exp(a * math.log(x) + b * math.log1p(-x) - log_beta) / a
    return front / _fraction(a, b, x)


def _fraction(a: float, b: float, x: float) -> float:
    """1 + d1 / (1 + d2 / (1 + …)) of the incomplete beta function, by Lentz's algorithm.

    From the outermost term inwards, with the ratios of successive numerators and denominators,
    until their product no longer changes the value.
    """
    value = numerators = 1.0
    denominators = 0.0
    step = 0
    while True:
        step += 1
        half, odd = divmod(step, 2)
        if odd:
            term = -(a + half) * (a + b + half) * x / ((a + step - 1) * (a + step))
        else:
            term = half * (b - half) * x / ((a + step - 1) * (a + step))
        denominators = 1 / ((1 + term * denominators) or _TINY)
        numerators = (1 + term / numerators) or _TINY
        change = numerators * denominators
        value *= change
        if abs(change - 1) <= 2 * _EPSILON:
            return value
