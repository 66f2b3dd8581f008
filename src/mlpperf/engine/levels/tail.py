"""Probabilities of sums over edges whose errors are estimates, and of the places of a step."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ..statistics.quantiles import normal_quantile, student_quantile
from .edges import Floats

LARGEST_WIDENING = 70.0  # of an error with two degrees of freedom, at the usual tails
# Share of the degrees of freedom gained by combining edges that is trusted: weights are estimates,
# and the least exact edge dominates the tail of a sum.
TRUSTED = 0.2
FREEDOMS = np.geomspace(1.0, 1e4, 60)  # degrees of freedom between which limits are interpolated


def rarity(tail: float, known: Floats, less: Floats, least: Floats) -> Floats:
    """The factor by which χ² is multiplied, so that its limit is that of a normal value.

    The limit is the one that only a share `tail` of all values exceeds. For the edges that support
    a candidate, `known` is the sum of their weights, `less` that of weights ÷ freedom, and `least`
    that of squared weights ÷ freedom. Together they have more degrees of freedom than one edge
    (Welch, Satterthwaite). Weights are estimates, so their mean is less exact than it seems (Meier:
    Variance of a weighted mean, Biometrics 9, 1953; for few degrees of freedom his correction, an
    approximation for many, is too small).
    """
    known = np.where(known > 0, known, 1.0)
    of_one = known / np.maximum(less, known / FREEDOMS[-1])
    of_all = known**2 / np.maximum(least, known**2 / FREEDOMS[-1])
    freedom = of_one + TRUSTED * (of_all - of_one)
    blur = 1 + 4 / np.maximum(of_one - 2, 1) * (1 - of_one / of_all)
    limits = np.interp(freedom, FREEDOMS, _limits(float(f"{tail:.1e}")))
    factor: Floats = (normal_quantile(1 - tail) / limits) ** 2 / blur
    return np.clip(factor, LARGEST_WIDENING**-2.0, 1.0)


@lru_cache(maxsize=64)
def _limits(tail: float) -> Floats:
    """The quantiles of Student's t that are exceeded with probability `tail`, for `FREEDOMS`."""
    return np.array([student_quantile(float(freedom), 1 - tail) for freedom in FREEDOMS])


def likelihoods(explained: Floats) -> Floats:
    """The probability of each place, from how much of χ² a step there explains."""
    share = np.exp((explained - explained.max()) / 2)
    probability: Floats = share / share.sum()
    return probability


def likely(shares: Floats, place: int, confidence: float) -> tuple[int, int]:
    """The first and the last of the likeliest places of a step at `place`."""
    order = np.argsort(-shares, kind="stable")
    needed = int(np.searchsorted(np.cumsum(shares[order]), confidence)) + 1
    kept = [*order[:needed].tolist(), place]
    return min(kept), max(kept)
