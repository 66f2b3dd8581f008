"""How far processes are apart, by what all series of a comparison say together.

Three processes say little about the scatter of one series. But hundreds of series say how large it
usually is, and how much it differs from series to series; so every series' own scatter is drawn
towards the usual one, by as much as it is not known itself (empirical Bayes, as in Smyth: Linear
models and empirical Bayes methods for assessing differential expression in microarray experiments,
2004). Intervals become narrower without becoming wrong more often.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product

import numpy as np

from .estimates import Pool, RatioEstimate

# What is tried, and the likeliest of it taken: standard deviations that a process adds to what the
# scatter within it explains, as logarithms of ratios; factors by which the variance is usually more
# than both explain; and how alike the series are, in degrees of freedom.
BETWEEN = (0.0, 5e-4, 1e-3, 2e-3, 3e-3, 5e-3, 7e-3, 0.01, 0.015, 0.02, 0.03, 0.05)
SCALES = tuple(2.0 ** (step / 2) for step in range(-24, 9))
DEGREES = (1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 20.0, 40.0)
DOUBT = 1.92  # less of likelihood, as a logarithm, that a 95 % interval may have
FEWEST = 20  # degrees of freedom of all series together, below which none are alike


def pool(estimates: Sequence[RatioEstimate]) -> None:
    """Let the estimates of a comparison learn from each other how far their processes scatter."""
    known = [estimate for estimate in estimates if len(estimate.log_ratios) > 1]
    if sum(len(estimate.log_ratios) - 1 for estimate in known) < FEWEST:
        return
    for estimate in known:
        estimate.pool = Pool()
    likelihoods: dict[float, tuple[float, Pool]] = {}
    free = np.array([len(estimate.log_ratios) - 1.0 for estimate in known])
    gammas = {
        degrees: sum(math.lgamma((degrees + one) / 2) - math.lgamma(degrees / 2) for one in free)
        for degrees in DEGREES
    }
    for between in BETWEEN:
        mean_squares, constants = np.array([_row(estimate, between) for estimate in known]).T
        for scale, degrees in product(SCALES, DEGREES):
            # Of all series, if their variances are scaled inverse χ² distributed.
            whole = degrees * scale
            rest = math.log(whole) * free.sum() / 2
            rest += (degrees + free) / 2 @ np.log1p(free * mean_squares / whole)
            likelihood = gammas[degrees] - rest + constants.sum()
            best = likelihoods.get(degrees, (-math.inf, Pool()))[0]
            if likelihood > best:
                likelihoods[degrees] = likelihood, Pool(between, scale, degrees)
    likeliest = max(best for best, _ in likelihoods.values())
    # The least alike that they may well be: too much trust would make intervals too narrow.
    cautious = next(one for best, one in likelihoods.values() if best >= likeliest - DOUBT)
    for estimate in estimates:
        estimate.pool = cautious


def _row(estimate: RatioEstimate, between: float) -> tuple[float, float]:
    """The mean square in units of what is expected, and what the weights add to the likelihood."""
    weights = 1 / (estimate.errors**2 + between**2)
    values = np.array(estimate.log_ratios)
    squares = weights @ (values - np.average(values, weights=weights)) ** 2
    part = (np.log(weights).sum() - math.log(weights.sum())) / 2
    return float(squares) / (len(values) - 1), float(part)
