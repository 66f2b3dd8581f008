"""When the race of a variant ends: what follows from its processes so far, and whether more help.

The processes are the sample. After 3, 6, 9 and 12 of them there is a look at the interval, which is
Student's t with the scatter pooled over all variants of the race. A race that ends as soon as it
likes what it sees is wrong more often than one interval is. Therefore each look has a probability
of its own with which its interval may be wrong; together they are 5 % (Bonferroni), whatever ends
the race.

Three processes may all have the same one of two speeds, by chance. Six have it in one race of 32.
So a verdict after fewer than six processes is certain only if the other speed would not change it.
"""

from __future__ import annotations

import math

from ..statistics.estimates import RatioEstimate
from ..statistics.intervals import Interval
from ..statistics.quantiles import student_quantile
from ..statistics.verdicts import Verdict
from .result import verdict_of

# After this number of processes there is a look, and its interval may be wrong this often.
LOOKS = {3: 0.02, 6: 0.01, 9: 0.01, 12: 0.01}
FIRST, LAST = min(LOOKS), max(LOOKS)
FEW = 6  # fewer processes may all have the same one of two speeds
# Where code and arrays lie in memory changes the speed of a kernel by a third at most.
TWO_SPEEDS = 4 / 3
PRECISION = 0.05  # half-width of an interval, as a share, at which a race ends


def interval(estimate: RatioEstimate) -> Interval:
    """The interval after the processes so far; without bounds if there are fewer than three."""
    processes = len(estimate.log_ratios)
    if processes < FIRST:
        return Interval(math.exp(estimate.log_ratio), 0.0, math.inf)
    wrong = LOOKS[max(look for look in LOOKS if look <= processes)]
    return estimate.by_student(1 - wrong)


def certain(speedup: Interval, processes: int) -> bool:
    """Whether the verdict on that interval can be relied on."""
    if verdict_of(speedup) is Verdict.UNDECIDED:
        return False
    return processes >= FEW or speedup.low > TWO_SPEEDS or speedup.high < 1 / TWO_SPEEDS


def needs_more(estimate: RatioEstimate, precision: float) -> bool:
    """Whether a variant needs more processes, and these can help.

    Its verdict is not certain; or its interval is too wide, and would not be after the last look.
    """
    processes, speedup = len(estimate.log_ratios), interval(estimate)
    if processes >= LAST:
        return False
    if not certain(speedup, processes):
        return True
    wanted = math.log1p(precision)
    error = estimate.error * math.sqrt(processes / LAST)
    freedom = estimate.freedom + LAST - processes
    at_last = student_quantile(freedom, 1 - LOOKS[LAST] / 2) * error
    return at_last <= wanted < speedup.half_width
