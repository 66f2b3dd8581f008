"""Confirms by pairs of processes what two versions in one process cannot prove by themselves.

In one process, two compiled versions, or two that register something with the same package, may
meet where no check finds it. So a change that was found there counts only if processes that hold
one version each show it too, as to its sign and size. Otherwise the series is undecided.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

import numpy as np

from ..statistics.quantiles import student_quantile
from ..statistics.verdicts import Judgement, Reason, Verdict
from ..suites.series import Series
from ..words import count
from .budget import JUDGING, Sampling, shares
from .context import Context
from .finding import Finding
from .screening import Timing, time_once

PAIRS = range(3, 9)  # of processes: an answer is possible from the first number on
PAIR_SECONDS = 2.0  # for the rounds of all series in a pair, or this share of the budget if more
PAIR_SHARE = 0.03
ONE_SIDED = 0.95  # confidence that the sign is as it was in one process
SIZE_MOST = 0.5  # difference to the change in one process, as a share of that


def confirm_changes(
    context: Context, timing: Timing, doubtful: Collection[str]
) -> Iterator[Timing]:
    """Time the changed series of the suites `doubtful` by pairs of processes.

    Yields what is known afterwards, with the changes that were not confirmed as undecided.
    """
    changed = [
        series
        for series, finding in timing.findings.items()
        if series.suite in doubtful and series not in timing.apart and finding.significant
        if finding.slower or finding.faster
    ]
    if not changed or context.pair.isolated:
        return
    estimates = {series: timing.samplings[series].estimate for series in changed}
    pairs = replace(
        timing,
        findings={series: timing.findings[series] for series in changed},
        apart=timing.apart.union(changed),
        samplings={series: Sampling.unknown(timing.runs[series]) for series in changed},
    )
    seconds = max(PAIR_SECONDS, PAIR_SHARE * timing.budget)
    answers: dict[Series, bool | None] = dict.fromkeys(changed)
    for number in range(1, PAIRS.stop):
        left = [s for s in changed if answers[s] is None and s in pairs.samplings]
        if not left:
            break
        context.progress(
            f"confirming {count(len(left), 'change')} in two processes, pair {number} of at most "
            f"{PAIRS.stop - 1}"
        )
        given = shares({s: pairs.samplings[s] for s in left}, seconds, JUDGING.seconds_least)
        pairs = time_once(context, pairs, given)
        for series in left if number >= PAIRS.start else ():
            if series in pairs.samplings:
                logs = pairs.samplings[series].estimate.log_ratios
                answers[series] = agrees(estimates[series].log_ratio, estimates[series].error, logs)
    open_ = [series for series in changed if not answers[series]]
    yield timing.updated({s: _unconfirmed(timing.findings[s]) for s in open_})


def agrees(change: float, error: float, logs: Sequence[float]) -> bool | None:
    """Whether pairs of processes with these log ratios show the same `change` as one process did.

    All are logarithms of ratios. None as long as they leave it open. `error`: the standard error
    of the change.
    """
    if len(logs) < 2:
        return None
    sign, mean = math.copysign(1.0, change), float(np.mean(logs))
    own = float(np.std(logs, ddof=1)) / math.sqrt(len(logs))
    certainty = student_quantile(len(logs) - 1, ONE_SIDED)
    # How much less it is than a similar size; a slowdown that is even larger is one.
    less = sign * (change - mean)
    other = (less if sign > 0 else abs(less)) - SIZE_MOST * abs(change)
    beyond = certainty * math.hypot(own, error)
    if sign * mean + certainty * own < 0 or other > beyond:
        return False
    return True if sign * mean > certainty * own and other <= 0 else None


def _unconfirmed(finding: Finding) -> Finding:
    judgement = Judgement(
        Verdict.UNDECIDED, processes=finding.processes, reason=Reason.NOT_CONFIRMED
    )
    return replace(finding, significant=False, untimed=judgement)
