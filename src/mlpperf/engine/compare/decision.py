"""What the processes of a comparison say about a series: its interval, and whether it changed."""

from __future__ import annotations

import math

import numpy as np

from ..statistics.estimates import RatioEstimate
from ..statistics.intervals import CONFIDENCE, Interval, ratio_interval
from ..statistics.quantiles import normal_quantile, student_quantile
from .budget import FALSE_ALARM, SCREENING, judges
from .result import THRESHOLD, Finding

LARGEST_LOG = 700.0  # beyond it, the exponential is infinite
POWER = 0.95  # the probability with which a slowdown as large as the sight is told


def conclude(finding: Finding, estimate: RatioEstimate, series: int) -> None:
    """Take over what was found about one of so many series that were screened.

    Of all of them together one side each may fail with `FALSE_ALARM`. After the screening there
    are too few values for that, and Student's t has to do.
    """
    finding.processes = len(estimate.log_ratios)
    if not finding.processes:
        return
    finding.ratio_error, finding.ratio_freedom = estimate.error, estimate.freedom
    strict = estimate.interval(_confidence(series))
    finding.judged = strict.low > 0
    finding.sure = finding.judged and not strict.low <= 1 <= strict.high
    if finding.judged:
        finding.ratio = estimate.interval(CONFIDENCE)
        return
    half = student_quantile(estimate.freedom, (1 + CONFIDENCE) / 2) * estimate.error
    middle, half = estimate.log_ratio, min(half, LARGEST_LOG)
    finding.ratio = Interval(*(math.exp(middle + side * half) for side in (0, -1, 1)))


def settled(estimate: RatioEstimate, series: int, processes: int) -> bool:
    """Whether a change could not be sure any more, whatever so many other processes say.

    If they all spoke for it more plainly than any so far, and for the side that looks likelier.
    """
    most = 1 + max(map(abs, estimate.log_ratios))
    utmost = math.copysign(most, estimate.log_ratio)
    errors = np.append(estimate.errors, np.full(processes, np.median(estimate.errors)))
    logs = [*estimate.log_ratios, *[utmost] * processes]
    best = ratio_interval(np.exp(logs), _confidence(series), errors)
    return best.low <= 1 <= best.high


def sight(
    estimate: RatioEstimate, series: int, seconds: float, threshold: float = THRESHOLD
) -> float:
    """The smallest slowdown that would be told with the probability `POWER`, as a share.

    By how this series scattered, and so many processes as would judge it in so many `seconds`. It
    has to be sure, and to seem larger than the `threshold`.
    """
    values = len(estimate.log_ratios)
    if not values:
        return math.nan
    processes = max(values, SCREENING.processes + judges(series, seconds))
    error = estimate.error * math.sqrt(values / processes)
    sure = student_quantile(processes - 1, 1 - FALSE_ALARM / series) * error
    least = max(sure, math.log1p(threshold)) + normal_quantile(POWER) * error
    return math.expm1(min(least, LARGEST_LOG))


def _confidence(series: int) -> float:
    return 1 - 2 * FALSE_ALARM / series
