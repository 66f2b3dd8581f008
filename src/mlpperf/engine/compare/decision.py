"""The decision about a timed series: its interval, and whether it changed."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from ..statistics.estimates import RatioEstimate
from ..statistics.intervals import CONFIDENCE, LARGEST_LOG, ratio_interval
from ..statistics.quantiles import normal_quantile, student_quantile
from ..suites.series import THRESHOLD
from .alarms import FALSE_ALARM, UNEVEN_ALARM
from .budget import BUDGET, SCREENING, SEEMS_UNEVEN, judges
from .finding import Finding

POWER = 0.95  # probability that a slowdown of the detectable size is reported


def with_verdict(
    finding: Finding, estimate: RatioEstimate, series: int, budget: float = BUDGET
) -> Finding:
    """A finding with the verdict on its estimate, one of `series` that were screened.

    Over all of them, each side of the interval fails with probability `FALSE_ALARM`. After the
    screening there are too few values for that, and Student's t has to do.
    """
    if not estimate.log_ratios:
        return finding
    usual, estimate = estimate, estimate.of_averages(UNEVEN_ALARM / series)
    strict = estimate.interval(_confidence(series))
    judged = strict.low > 0
    return replace(
        finding,
        average=estimate is not usual,
        processes=len(estimate.log_ratios),
        ratio=estimate.interval(CONFIDENCE) if judged else estimate.by_student(),
        ratio_error=estimate.error,
        ratio_freedom=estimate.freedom,
        judged=judged,
        significant=judged and strict.excludes_one,
        detectable=detectable_slowdown(estimate, series, budget, finding.threshold),
    )


def settled(estimate: RatioEstimate, series: int, processes: int) -> bool:
    """Whether the series can no longer become significant.

    Even if each of the remaining `processes` reports a larger change than any so far, on the
    likelier side.
    """
    estimate = estimate.of_averages(SEEMS_UNEVEN)
    most = 1 + max(map(abs, estimate.log_ratios))
    utmost = math.copysign(most, estimate.log_ratio)
    errors = np.append(estimate.errors, np.full(processes, np.median(estimate.errors)))
    logs = [*estimate.log_ratios, *[utmost] * processes]
    best = ratio_interval(np.exp(logs), _confidence(series), errors)
    return not best.excludes_one


def detectable_slowdown(
    estimate: RatioEstimate, series: int, seconds: float, threshold: float = THRESHOLD
) -> float:
    """The smallest slowdown that is reported with probability `POWER`, as a share.

    By the scatter of this series, one of `series`, and the processes of a budget of `seconds`. It
    has to be significant, and to appear larger than `threshold`.
    """
    values = len(estimate.log_ratios)
    if not values:
        return math.nan
    processes = max(values, SCREENING.processes + judges(series, seconds))
    error = estimate.error * math.sqrt(values / processes)
    significant = student_quantile(processes - 1, 1 - FALSE_ALARM / series) * error
    least = max(significant, math.log1p(threshold)) + normal_quantile(POWER) * error
    return math.expm1(min(least, LARGEST_LOG))


def _confidence(series: int) -> float:
    return 1 - 2 * FALSE_ALARM / series
