"""Probabilities and quantiles that intervals need: normal, Student's t, beta.

SciPy has all of them, and would more than double what has to be installed in order to measure.
The normal distribution is the standard library's. Student's t and the beta distribution are both
told by the regularised incomplete beta function, which is a continued fraction (Abramowitz and
Stegun: Handbook of Mathematical Functions, 26.5.8 and 26.5.27). The tests hold all of it against
SciPy.
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
    """The standard normal value that is not passed with a probability from 0 to 1."""
    if probability in (0.0, 1.0):
        return math.inf if probability else -math.inf
    return _STANDARD.inv_cdf(probability)


@lru_cache(maxsize=4096)
def student_quantile(freedom: float, probability: float) -> float:
    """The value of Student's t that is not passed with a `probability` between 0 and 1.

    `freedom` is the number of degrees of freedom, more than 0.
    """
    tail = min(probability, 1 - probability)
    # t² / (t² + freedom) is beta distributed. Of it and its complement, whichever is small is
    # looked for, as it is known to more digits.
    if tail > 0.25:
        share = beta_quantile(0.5, freedom / 2, 1 - 2 * tail) if tail < 0.5 else 0.0
        size = math.sqrt(freedom * share / (1 - share))
    else:
        share = beta_quantile(freedom / 2, 0.5, 2 * tail)
        size = math.sqrt(freedom * (1 - share) / share)
    return math.copysign(size, probability - 0.5)


@lru_cache(maxsize=4096)
def beta_quantile(a: float, b: float, probability: float) -> float:
    """The value of a beta distribution that is not passed with a `probability` between 0 and 1.

    `a` and `b` are its parameters, more than 0. By halving, until no number lies between the
    bounds: the probability rises everywhere, so that cannot fail.
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

    It goes on from the outermost term to the next inner one, and keeps the ratios of successive
    numerators and of successive denominators, until their product changes nothing any more.
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
