"""One finding on a series that several runs of the same shard have timed, on any machines.

Ratios of different machines can be averaged, times cannot. The scatter between machines adds to the
error. Equal versions have the ratio 1 on every machine, so this scatter only makes a false alarm
rarer. A change that one machine shows and another excludes is no average: it is reported as such.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from ..statistics.intervals import student_interval
from ..statistics.quantiles import student_quantile
from ..statistics.verdicts import Judgement, Reason, Verdict
from ..words import by_percent
from .alarms import FALSE_ALARM
from .finding import Finding
from .work import Work

# The false-alarm rate of a series is shared by its average, and by the test of a difference.
SHARE = 0.5


def pooled(findings: Sequence[Finding], tests: int) -> Finding:
    """The finding that follows from those of several runs, at least one.

    `tests`: series that share the false-alarm rate, as `decision.with_verdict` has it.
    """
    if len(findings) == 1:
        return findings[0]
    if wrong := next((f for f in findings if "head" in f.wrong), None):
        return wrong
    if bounds := [f for f in findings if f.bound > 1]:  # as a change that another run excludes
        return max(bounds, key=lambda f: f.bound)
    unconfirmed = (f for f in findings if f.judgement.reason is Reason.NOT_CONFIRMED)
    slower = [f for f in findings if f.slower]
    if doubtful := next(unconfirmed, None):
        return max(slower, key=lambda f: f.size, default=doubtful)
    timed = [f for f in findings if f.processes and not f.failed and math.isfinite(f.ratio_error)]
    if len(timed) > 1:
        return _averaged(timed, tests)
    # What one run has judged is known, unless two contradict each other.
    judged = [f for f in findings if f.decided] or findings
    worst = [f for f in judged if f.regression]
    scattered = [f for f in findings if f.judgement.reason is Reason.VALUES_SCATTER]
    return [*worst, *scattered, *timed, *judged][0]


def differing(findings: Sequence[Finding], tests: int) -> bool:
    """Whether two runs exclude each other's ratio, which chance hardly explains."""
    pairs = list(combinations(findings, 2))
    level = SHARE * FALSE_ALARM / (tests * len(pairs))
    return any(
        abs(math.log(a.ratio.median / b.ratio.median))
        > student_quantile(min(a.ratio_freedom, b.ratio_freedom), 1 - level)
        * math.hypot(a.ratio_error, b.ratio_error)
        for a, b in pairs
    )


def difference(findings: Sequence[Finding], places: Sequence[str]) -> str:
    """The sentence about a series whose ratio differs between runs at these places."""
    each = (
        f"{by_percent(finding.ratio.median)} on {place}"
        for finding, place in zip(findings, places, strict=True)
    )
    return f"{findings[0].series.name} differs between machines: {', '.join(each)}"


def _averaged(timed: Sequence[Finding], tests: int) -> Finding:
    """The average of log ratios, weighted by their errors and by the scatter between machines.

    Counts are exact, so the run with the largest rise decides.
    """
    memory = [f for f in timed if f.memory]
    risen = [set(f.grown_in) for f in memory]
    sides = dict.fromkeys(side for f in timed for side in f.values)
    common = replace(
        timed[0],
        processes=sum(f.processes for f in timed),
        memory=memory[0].memory if memory else {},
        grown_in=sorted(set.intersection(*risen)) if risen else [],
        values={side: [v for f in timed for v in f.values.get(side, ())] for side in sides},
        garbage=max((f.garbage for f in timed), key=_more_garbage),
        work=max((f.work for f in timed if f.work), key=_more_work, default=None),
        average=any(f.average for f in timed),
        coarse=any(f.coarse for f in timed),
        changed_functions=None,  # of one run only
        detectable=min(f.detectable for f in timed),
    )
    slower = [f for f in timed if f.slower]
    undecided = Judgement(Verdict.UNDECIDED, reason=Reason.DIFFERS)
    differ = replace(common, untimed=undecided, significant=False)
    if differing(timed, tests):
        return max(slower, key=lambda f: f.size, default=differ)
    averaged = _average(common, timed, tests)
    # Changed functions, which have no average, may show what whole calls do not.
    if averaged.slower or not any(f.judgement.by_functions for f in slower):
        return averaged
    return max(slower, key=lambda f: f.size) if slower == timed else differ


def _average(common: Finding, timed: Sequence[Finding], tests: int) -> Finding:
    """What all runs have in `common`, with the average of their ratios."""
    logs = np.array([math.log(f.ratio.median) for f in timed])
    variances = np.array([max(f.ratio_error, 1e-9) for f in timed]) ** 2
    weights = 1 / (variances + _between(logs, variances))
    mean, error = float(np.average(logs, weights=weights)), 1 / math.sqrt(weights.sum())
    freedoms = np.array([f.ratio_freedom for f in timed])
    # By Satterthwaite, for a weighted mean of values whose variances are estimated.
    freedom = float(weights.sum() ** 2 / (weights**2 / freedoms).sum())
    # The interval by ranks of a single run has to agree, because it needs no normal noise.
    agrees = any(f.significant and (f.ratio.median > 1) == (mean > 0) for f in timed)
    strict = student_interval(mean, error, freedom, 1 - 2 * SHARE * FALSE_ALARM / tests)
    return replace(
        common,
        ratio=student_interval(mean, error, freedom),
        ratio_error=error,
        ratio_freedom=freedom,
        judged=any(f.judged for f in timed),
        significant=agrees and strict.excludes_one,
    )


def _more_garbage(garbage: Mapping[str, int]) -> int:
    return garbage.get("head", 0) - garbage.get("base", 0)


def _more_work(work: Work) -> float:
    return work.ratio if math.isfinite(work.ratio) else 0.0


def _between(
    logs: np.typing.NDArray[np.float64], variances: np.typing.NDArray[np.float64]
) -> float:
    """The variance between machines by the method of moments (DerSimonian and Laird, 1986)."""
    weights = 1 / variances
    excess = (weights * (logs - np.average(logs, weights=weights)) ** 2).sum() - (len(logs) - 1)
    scale = weights.sum() - (weights**2).sum() / weights.sum()
    return max(float(excess / scale), 0.0)
