"""How rarely edges, whose errors are known only roughly, say as much by chance."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ..statistics.quantiles import normal_quantile, student_quantile
from .edges import Floats

LARGEST_WIDENING = 70.0  # of errors of next to no degrees of freedom: two, at the usual tails
# Of the degrees of freedom that several edges have more than one, so many are believed: weights are
# estimated, and the tail of what they say together is that of the least exact among them.
BELIEVED = 0.2
FREEDOMS = np.geomspace(1.0, 1e4, 60)  # degrees of freedom between which limits are interpolated


def rarity(tail: float, known: Floats, less: Floats, least: Floats) -> Floats:
    """What χ² is to be taken times, so that it is as rare as a normal value that far out.

    As far out as only `tail` of all values are. Of the edges that speak for something, `known` is
    the sum of their weights, `less` that of weights ÷ freedom, and `least` that of squared weights
    ÷ freedom. Together they have more degrees of freedom than each (Welch, Satterthwaite); and as
    weights are estimated, their mean is less exact than it seems (Meier: Variance of a weighted
    mean, Biometrics 9, 1953; what he gives for many degrees of freedom is too little for few).
    """
    known = np.where(known > 0, known, 1.0)
    of_one = known / np.maximum(less, known / FREEDOMS[-1])
    of_all = known**2 / np.maximum(least, known**2 / FREEDOMS[-1])
    freedom = of_one + BELIEVED * (of_all - of_one)
    blur = 1 + 4 / np.maximum(of_one - 2, 1) * (1 - of_one / of_all)
    limits = np.interp(freedom, FREEDOMS, _limits(float(f"{tail:.1e}")))
    found: Floats = (normal_quantile(1 - tail) / limits) ** 2 / blur
    return np.clip(found, LARGEST_WIDENING**-2.0, 1.0)


@lru_cache(maxsize=64)
def _limits(tail: float) -> Floats:
    """The quantiles of Student's t that are exceeded with that probability, for `FREEDOMS`."""
    return np.array([student_quantile(float(freedom), 1 - tail) for freedom in FREEDOMS])
