"""The scatter between processes, estimated from all series of a comparison.

Three processes hardly determine the scatter of one series. But hundreds of series show how large it
usually is, and how much it differs between series. So the scatter of each series is shrunk towards
the usual one, the more the less is known about it (empirical Bayes, as in Smyth: Linear models and
empirical Bayes methods for assessing differential expression in microarray experiments, 2004).
Intervals become narrower without becoming wrong more often.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .estimates import Pool, RatioEstimate

# Grid for the largest likelihood: standard deviation between processes, of logarithms of ratios;
# usual variance, in units of the explained one; similarity of the series, in degrees of freedom.
BETWEEN = (0.0, 5e-4, 1e-3, 2e-3, 3e-3, 5e-3, 7e-3, 0.01, 0.015, 0.02, 0.03, 0.05)
SCALES = tuple(2.0 ** (step / 2) for step in range(-24, 9))
DEGREES = (1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 20.0, 40.0)
TINY = 1e-18  # smallest variance, where nothing scatters at all
MARGIN = 1.92  # log-likelihood by which a 95 % interval lies below the maximum
FEWEST = 20  # degrees of freedom of all series together that pooling requires


def pool(estimates: Sequence[RatioEstimate]) -> None:
    """Set the `pool` of each estimate of a comparison whose processes have errors of their own."""
    alike = [estimate for estimate in estimates if estimate.deviations]
    known = [estimate for estimate in alike if len(estimate.log_ratios) > 1]
    if sum(len(estimate.log_ratios) - 1 for estimate in known) < FEWEST:
        return
    for estimate in known:
        estimate.pool = Pool()
    most = max(len(estimate.log_ratios) for estimate in known)
    there, values, errors = np.zeros((3, len(known), most))
    for row, estimate in enumerate(known):
        number = len(estimate.log_ratios)
        there[row, :number], errors[row, :number] = 1.0, estimate.errors
        values[row, :number] = estimate.log_ratios
    free = there.sum(axis=1) - 1
    scales = np.array(SCALES)[:, None]
    likelihoods: dict[float, tuple[float, Pool]] = {}
    gammas = {
        degrees: sum(math.lgamma((degrees + n) / 2) - math.lgamma(degrees / 2) for n in free)
        for degrees in DEGREES
    }
    for between in BETWEEN:
        weights = np.where(there, 1 / np.maximum(errors**2 + between**2, TINY), 0.0)
        sums = weights.sum(axis=1)
        middles = (weights * values).sum(axis=1) / sums
        squares = (weights * (values - middles[:, None]) ** 2).sum(axis=1)
        of_weights = np.log(np.where(there, weights, 1.0)).sum() - np.log(sums).sum()
        for degrees in DEGREES:
            # The likelihood of all series if their variances are scaled inverse χ² distributed.
            whole = degrees * scales
            rest = np.log(whole[:, 0]) * free.sum() / 2
            rest += np.log1p(squares / whole) @ ((degrees + free) / 2)
            every = gammas[degrees] - rest + of_weights / 2
            best = int(np.argmax(every))
            if degrees not in likelihoods or every[best] > likelihoods[degrees][0]:
                likelihoods[degrees] = float(every[best]), Pool(between, SCALES[best], degrees)
    likeliest = max(best for best, _ in likelihoods.values())
    # The smallest similarity that the data support: a larger one makes intervals too narrow.
    cautious = next(one for best, one in likelihoods.values() if best >= likeliest - MARGIN)
    for estimate in alike:
        estimate.pool = cautious
