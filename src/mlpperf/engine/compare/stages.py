"""Is this commit slower? Two versions of the code, timed side by side, and what may be concluded.

Both versions are loaded into one process and take turns on the same arrays, because two processes
differ by ten times more than two versions inside one. What one process says is one value; the
processes are the sample.

1. *Proof.* Every contestant of both versions is proven equal to its reference; what is wrong is not
   timed. The memory that a call takes is counted.
2. *Screening.* A few processes time every series (a contestant of a path at a case): the first a
   little, to see how it scatters, and the others all of them equally long, or until it is fine
   enough.
3. *Judgement.* What looks slower, or faster, by the threshold, or is not clear, is timed again by
   fresh processes, and those alone decide: the screening chose, so it may not judge. The interval
   is the signed-rank interval over the processes, so confident that all judgements of a comparison
   together raise a false alarm with probability `FALSE_ALARM` at most.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator

import numpy as np

from ...errors import MlpperfError
from ..timing.blocks import ROW, Times, quickest
from ..timing.estimates import RatioEstimate
from ..timing.intervals import CONFIDENCE, Interval
from ..timing.machine import Bystanders
from ..timing.quantiles import normal_quantile, student_quantile
from ..timing.race import check_budget
from ..timing.verdicts import Judgement, Reason, Verdict
from .budget import (
    BUDGET,
    FALSE_ALARM,
    JUDGING,
    SCREENING,
    Task,
    Tasks,
    judges,
    judging_seconds_least,
    shares,
    suspects,
)
from .checkouts import scratch
from .crew import Crew
from .findings import THRESHOLD, Comparison, Finding, Selection, Series
from .lock import alone
from .planning import plan, prove
from .versions import Version

LARGEST_LOG = 700.0  # beyond it, the exponential is infinite


def compare(
    base: Version,
    head: Version,
    selection: Selection,
    *,
    threshold: float = THRESHOLD,
    budget: float = BUDGET,
    isolated: str = "",
    pythons: dict[str, str] | None = None,
    seed: int | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> Iterator[Comparison]:
    """Compare two versions; gives the same comparison after every stage, more complete each time.

    Parameters
    ----------
    threshold
        Slowdowns below it are not told; 0.005 is half a percent.
    budget
        Seconds for all processes that time, one after the other; proofs come before.
    isolated
        A reason to give each version processes of its own.
    pythons
        The interpreter of each version, if it is not this one.
    seed
        Of all random orders.

    Raises
    ------
    MlpperfError
        For an unknown path or case, a threshold or budget out of range, or when another comparison
        is running on this machine.
    """
    check_budget(budget)
    if not 0 < threshold < 1:
        raise MlpperfError(f"The threshold must lie between 0 and 100 %, not at {threshold:.4g}.")
    result = Comparison(
        base.name,
        head.name,
        {"base": base.commit, "head": head.commit},
        threshold,
        budget,
        isolated=isolated,
    )
    start, bystanders = time.perf_counter(), Bystanders()
    with alone(), scratch("inputs") as folder:
        crew = Crew({"base": base, "head": head}, pythons or {}, str(folder), result.trouble, seed)
        stages = _stages(crew, result, selection, progress)
        while True:
            done = next(stages, None) is None
            result.busy, result.total = bystanders.share(), time.perf_counter() - start
            yield result
            if done:
                return


def _stages(
    crew: Crew, result: Comparison, selection: Selection, progress: Callable[[str], None]
) -> Iterator[bool]:
    """Proof, screening, judgement; one step each."""
    progress("loading both versions")
    series = plan(crew, result, selection)
    if not series:
        return
    progress("proving")
    prove(crew, result, series)
    yield True
    longest = max(SCREENING.series_share_most * result.budget, 1.0)
    for finding in result.findings.values():
        if SCREENING.calls_least * crew.calls.get(finding.series, 0.0) > longest:
            too_long = Judgement(Verdict.UNDECIDED, reason=Reason.LONG_CALLS)
            finding.untimed = finding.untimed or too_long
    right = [f for f in result.findings.values() if not (f.wrong or f.untimed) and f.tolerance >= 0]
    if not right:
        return
    tasks: dict[Series, Task] = {finding.series: Task(RatioEstimate()) for finding in right}
    now = time.perf_counter
    end = now() + result.budget * SCREENING.budget_share
    starting = 0.0
    for number in range(SCREENING.processes):
        progress(f"screening {len(right)} series, process {number + 1} of {SCREENING.processes}")
        left = (end - now()) / (SCREENING.processes - number) - starting
        first = dict.fromkeys(tasks, SCREENING.seconds_least)
        starting = _time(crew, result, tasks, shares(tasks, left) if number else first)
    for finding in right:
        _conclude(finding, tasks[finding.series].estimate)
    yield True
    end += result.budget * (1 - SCREENING.budget_share)
    least = judging_seconds_least(end - now())
    tasks = suspects(right, tasks, end - now(), starting, least)
    if not tasks:
        return
    tests, processes = len(tasks), judges(len(tasks), end - now())
    for number in range(processes):
        progress(f"judging {tests} series, process {number + 1} of {processes}")
        left = (end - now()) / (processes - number) - starting
        seconds = shares(tasks, left, least, JUDGING.moments)
        starting = _time(crew, result, tasks, seconds, JUDGING.moments)
    for judged, task in tasks.items():
        _conclude(result.findings[judged], task.estimate, tests)
    yield True


def _time(
    crew: Crew, result: Comparison, tasks: Tasks, seconds: dict[Series, float], most: int = 1
) -> float:
    """Let one process (or one of each version, if isolated) time series, so many `seconds` each.

    At `most` moments, as long as they are worth it and enough rounds fit into each. Adds what it
    says to the estimates of `tasks`, and gives the seconds that it took to start.
    """
    start, starting = time.perf_counter(), 0.0
    seen: dict[Series, dict[str, list[float]]] = {}
    other: dict[Series, float] = {}  # seconds besides the rounds
    timed: dict[Series, float] = {}
    sides = ["base", "head"]
    moments = {s: tasks[s].moments(given, most) for s, given in seconds.items()}
    sessions = [
        {
            "series": series,
            "seconds": seconds[series] / number,
            "together": series in crew.together and not result.isolated,
        }
        for series, number in moments.items()
        for _ in range(number)
    ]
    for group in [[side] for side in crew.shuffled(sides)] if result.isolated else [sides]:
        began = time.perf_counter()
        for number, answer in enumerate(crew.ask("time", group, sessions=sessions)):
            if not number:
                starting += time.perf_counter() - began - answer["other"] - answer["spent"]
            name = Series(*answer["series"])
            for side, blocks in answer["seconds"].items():
                # No row is of two moments.
                whole = len(blocks) // ROW * ROW if moments[name] > 1 else 0
                seen.setdefault(name, {}).setdefault(side, []).extend(blocks[: whole or None])
            other[name] = other.get(name, 0.0) + answer["other"]
            timed[name] = timed.get(name, 0.0) + answer["spent"]
    known = starting + sum(other.values()) + sum(timed.values())
    more = (time.perf_counter() - start - known) / max(len(other), 1)  # such as telling the answer
    for name, times in seen.items():
        if len(times) < len(sides):
            continue
        finding = result.findings[name]
        middles = {side: float(np.median(times[side])) for side in sides}
        finding.seconds = {
            side: min(finding.seconds.get(side, math.inf), middles[side]) for side in sides
        }
        base: Times = times["base"]
        if result.isolated:  # nothing is in pairs
            base = np.full(len(times["head"]), np.median(quickest(base)))
        round_seconds = timed[name] / len(times["base"])
        each_moment = other[name] / moments[name] + more
        tasks[name].estimate.add(base, times["head"], round_seconds, each_moment)
    return starting


def _conclude(finding: Finding, estimate: RatioEstimate, tests: int = 0) -> None:
    """Take over what was found, as one of `tests` judgements, or for 0 tests of the screening.

    Of all judgements together one side each may fail with `FALSE_ALARM`. After the screening there
    are too few values for that, and Student's t has to do.
    """
    values = len(estimate.log_ratios)
    if not values:
        return
    if tests:
        finding.ratio = estimate.interval(1 - 2 * FALSE_ALARM / tests)
    else:
        middle, normal = estimate.log_ratio, normal_quantile((1 + CONFIDENCE) / 2)
        student = student_quantile(max(values - 1, 1), (1 + CONFIDENCE) / 2)
        half = max(student * estimate.error_between, normal * estimate.error_within)
        low, high = middle - min(half, LARGEST_LOG), middle + min(half, LARGEST_LOG)
        finding.ratio = Interval(math.exp(middle), math.exp(low), math.exp(high))
    finding.processes, finding.judged = values, bool(tests)
