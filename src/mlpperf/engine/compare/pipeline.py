"""Is this commit slower? Two versions of the code, timed side by side, and what may be concluded.

Both versions are loaded into one process and take turns on the same arrays, because two processes
differ by ten times more than two versions inside one. The result of one process is one value; the
processes are the sample.

1. *Dry run.* Every benchmark of both versions is called, and what is wrong is not timed. What a
   call executes and the memory that it takes are counted, and what seems to take more memory is
   judged by other processes.
2. *Screening.* A few processes time every series for equal times, and the changed functions in it
   by themselves. These often decide what whole calls leave open (`marks`).
3. *Follow-up.* What looks slower, or faster, by the threshold is timed by more processes. Whether
   it changed is decided by the signed-rank interval over all processes, with a confidence for which
   a comparison of equal versions reports any change with probability `FALSE_ALARM` at most on
   either side. Which series were chosen does not matter for that, because the interval is corrected
   for all that were screened.
4. *Confirmation.* A change in one process, of a project that is compiled or that registers
   something with a package, has to show in pairs of processes with one version each.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from ...errors import MlpperfError
from ..machine.machine import Bystanders
from ..pool.lock import alone
from ..pool.pool import Pool
from ..pool.process import DependentError
from ..race.race import check_budget
from ..statistics.verdicts import Judgement, Reason, Verdict
from ..suites.commands import COMMANDS
from ..suites.series import Selection, Series
from ..versions.diff import Changes
from ..versions.pair import Pair
from ..versions.scratch import scratch
from ..words import count
from ..worker.protocol import DryRun
from .budget import (
    SCREENING,
    SUITE_BUDGET,
    Sampling,
    coarse,
    longest_dry_run,
    longest_proof,
    longest_series,
    usual_budget,
)
from .confirmation import confirm_changes
from .context import Context
from .counts import cold_calls, count_alone, count_calls, with_counts
from .dry_run import (
    NOT_REACHED,
    bounds_of_long_calls,
    comparable,
    dry_run,
    dry_run_alone,
    loaded_differently,
    measure_values,
    needing_own_processes,
    ran_in_both,
    with_dry_run,
)
from .finding import Finding
from .gate import needed
from .marks import MarkedTimes, plan_marks
from .memory import first_memory, judge_memory
from .own_suite import give_back, no_longer_run
from .planning import HOT_PATHS, Plan, plan, without_slow_imports
from .result import Comparison
from .screening import Timing, follow_up, screen
from .shards import Shard
from .unchanged import Touched, not_to_be_timed, reason_for_all, watching

Findings = Mapping[Series, Finding]
COLD = (
    "its suite calls it once, and the first call takes much longer than the next, which uses what "
    "that one has cached; a `setup` that empties the cache makes all calls alike, and several "
    "rounds say that the later ones count"
)


def compare(
    pair: Pair,
    selection: Selection,
    *,
    budget: float | None = None,
    changes: Callable[[], Changes | None] | None = None,
    seed: int | None = None,
    progress: Callable[[str], None] = lambda text: None,
    shard: Shard | None = None,
) -> Iterator[Comparison]:
    """Compare two versions; yields the comparison after every step, more complete each time.

    Raises `MlpperfError` for a pattern that fits no series, a threshold or budget out of range, or
    when another comparison is running on this machine.

    Parameters
    ----------
    budget : seconds for all processes that time; by default `usual_budget`. Dry runs come before.
    changes : finds out what differs; series that run no changed code are then not timed.
    shard : the part of the series to compare; all by default.
    """
    if budget is not None:
        check_budget(budget)
    threshold = selection.threshold
    for share in (threshold, *selection.thresholds.values()):
        if not 0 < share < 1:
            at = f"{100 * share:.4g} %"
            raise MlpperfError(f"A threshold must be more than 0 and less than 100 %, not {at}.")
    warnings = pair.notes
    comparison = Comparison.of(pair, threshold, budget=budget or 0.0, shard=shard)
    start, bystanders = time.perf_counter(), Bystanders()
    with alone(), scratch("inputs") as inputs:
        pool = Pool(pair, inputs, warnings.append, budget or SUITE_BUDGET[0], seed)
        shards = shard.of if shard else 1
        context = Context(pool, pair, selection, warnings.append, progress, shards)
        for step in steps(context, comparison, changes):
            yield replace(
                step,
                warnings=list(dict.fromkeys(warnings)),
                busy=bystanders.share(),
                total=time.perf_counter() - start,
            )


def steps(
    context: Context, comparison: Comparison, differing: Callable[[], Changes | None] | None = None
) -> Iterator[Comparison]:
    """The comparison after each step: dry run, screening, follow-up, confirmation.

    If versions with extension modules turn out not to bear each other in one process, it begins
    anew with processes of their own, and what was measured until then does not count.
    """
    try:
        yield from _steps(context, comparison, differing)
    except DependentError as reason:
        why = f"one process cannot hold both: {reason}".rstrip(".")
        alone = replace(context, pair=replace(context.pair, isolated=why))
        yield from _steps(alone, replace(comparison, isolated=why), differing)


@dataclass(frozen=True)
class Called:
    """What is known of all series once each was called in both versions.

    Attributes
    ----------
    findings : of each series.
    runs : what the dry run measured, of the series that it reached.
    apart : the series of which each version needs a process of its own.
    touched : which series run changed code.
    cold : the series of which only the first call counts.
    """

    findings: dict[Series, Finding]
    runs: Mapping[Series, DryRun]
    apart: frozenset[Series]
    touched: Touched
    cold: frozenset[Series] = frozenset()

    @property
    def timeable(self) -> list[Series]:
        """The series that ran to their end in both versions, and are left to be timed."""
        return [
            series
            for series, run in self.runs.items()
            if ran_in_both(run)
            and not self.findings[series].failed
            and math.isnan(self.findings[series].bound)
        ]

    @property
    def countable(self) -> list[Series]:
        """Those of them whose calls run Python code of the worker's process."""
        return [s for s in self.timeable if s.suite not in (HOT_PATHS, COMMANDS)]

    def with_findings(self, findings: Findings) -> Called:
        """The same with newer findings on some series."""
        return replace(self, findings={**self.findings, **findings})


def _steps(
    context: Context, begun: Comparison, differing: Callable[[], Changes | None] | None
) -> Iterator[Comparison]:
    context.progress("loading both versions")
    comparison = begun
    planned = plan(context, skip_unchanged=differing is not None)
    if comparison.shard:
        planned, shard = planned.part(comparison.shard, comparison.policy)
        comparison = replace(comparison, shard=shard)
    given = comparison.budget
    budget = given or usual_budget(planned.series)
    comparison = replace(
        comparison, findings=planned.findings, broken=planned.broken, unloaded=planned.unloaded
    )
    if not planned.series:
        yield comparison
        return
    changes = differing() if differing else None  # anew: the base may have got its own files back
    planned = without_slow_imports(planned, budget, context.warn)

    called = _call(context, planned, changes, budget)
    if give_back(context, called.findings):
        yield from _steps(context, begun, differing)
        return
    budget = given or usual_budget(called.timeable)
    called, marked = _count(context, called, planned, changes, budget)
    unknown = (changes.unknown if changes else "") or reason_for_all(called.touched.reasons)
    if unknown or changes is None:  # else what is run while loading is the same
        differently = loaded_differently(context, called.runs, planned.shared)
        called = replace(called, apart=called.apart | differently)
    comparison = replace(
        comparison, findings=called.findings, budget=budget, all_timed_because=unknown
    )
    yield comparison

    called = called.with_findings(_long_calls(context, called, budget))
    comparison = replace(comparison, findings=called.findings)
    if called.timeable:
        yield from _time(context, comparison, called, marked, planned.registered)
    else:
        yield comparison


def _call(context: Context, planned: Plan, changes: Changes | None, budget: float) -> Called:
    """Call every series in both versions; what is wrong, or runs no changed code, ends there."""
    context.progress("dry run")
    longest, allowed = longest_proof(budget, len(planned.findings)), longest_dry_run(budget)
    until = time.monotonic() + allowed
    in_both = [series for series in planned.series if comparable(planned.findings[series])]
    with watching(context, in_both, changes, longest) as wait_for_touched:
        runs: Mapping[Series, DryRun] = dry_run(context, planned.series, longest, until=until)
        context.progress("which benchmarks run changed code?")
        touched = wait_for_touched()
    confirmed = dry_run_alone(context, planned.findings, runs, longest)
    apart = needing_own_processes(context, planned.findings, runs, confirmed, planned.registered)
    runs = {**runs, **confirmed}
    findings = dict(planned.findings)
    findings |= {series: with_dry_run(findings[series], run) for series, run in runs.items()}
    late = {series for series in planned.series if series not in runs}
    findings |= {s: replace(findings[s], untimed=findings[s].untimed or NOT_REACHED) for s in late}
    findings |= measure_values(context, planned.findings, runs, time.monotonic() + allowed)
    findings |= no_longer_run(context, findings, runs, planned.own, longest)
    called = Called(findings, runs, apart, touched)
    untimed = {
        series: replace(findings[series], untimed=why)
        for series in [*called.timeable, *late]
        if (why := not_to_be_timed(touched.reasons.get(series)))
        and not needed(context.pair.settings.policy, series)
    }
    called = called.with_findings(untimed)
    if left := [series for series in late if called.findings[series].untimed == NOT_REACHED]:
        context.warn(
            f"{len(left):,} of {count(len(findings), 'benchmark')} could not be called once within "
            f"{allowed:.0f} s, before anything is timed; a larger --budget allows more time, and "
            "--series names fewer"
        )
    return called


def _count(
    context: Context, called: Called, planned: Plan, changes: Changes | None, budget: float
) -> tuple[Called, Mapping[Series, MarkedTimes]]:
    """Count what calls execute and what memory they take; mark the functions that changed."""
    countable, runs = called.countable, called.runs
    counted = count_calls(context, runs, set(countable) - called.apart, budget)
    influenced = count_alone(context, runs, counted)
    counted, apart = {**counted, **influenced}, called.apart | influenced.keys()
    most = context.pair.settings.bytecodes
    cold = cold_calls(context, {one: runs[one] for one in called.timeable}, counted)
    warm = {s: counted.get(s) for s in countable if s not in cold}
    called = replace(called, apart=apart, cold=cold).with_findings(
        {s: with_counts(called.findings[s], answer, most) for s, answer in warm.items()}
    )
    left = {s: called.findings[s] for s in countable if not called.findings[s].memory}
    measured = first_memory(context, left, runs, apart, budget)
    called = called.with_findings(measured)
    called = called.with_findings(judge_memory(context, called.findings, measured, apart))
    if not changes or changes.unknown or context.pair.isolated or context.pair.compiled:
        return called, {}
    plain = {s: runs[s] for s in set(countable) - apart if s.suite not in planned.registered}
    extents = called.touched.extents
    known, marked = plan_marks(plain, extents, counted, context.pair.sources)
    marks = {s: replace(called.findings[s], changed_functions=one) for s, one in known.items()}
    return called.with_findings(marks), marked


def _time(
    context: Context,
    comparison: Comparison,
    called: Called,
    marked: Mapping[Series, MarkedTimes],
    registered: Mapping[str, str],
) -> Iterator[Comparison]:
    """Screening, follow-up and confirmation: the comparison after each process."""
    findings, budget = called.findings, comparison.budget
    timing = Timing(
        {series: findings[series] for series in called.timeable},
        called.runs,
        budget,
        time.perf_counter() + budget,
        called.apart,
        shards=context.shards,
        marked=marked,
    )
    for stage in (screen, follow_up):
        for now in stage(context, timing):
            timing = now
            yield replace(comparison, findings={**findings, **timing.findings})
    compiled = {s.suite for s in timing.findings} if context.pair.compiled else set()
    doubtful = compiled - {HOT_PATHS, COMMANDS}
    for now in confirm_changes(context, timing, doubtful | registered.keys()):
        yield replace(comparison, findings={**findings, **now.findings})


def _long_calls(context: Context, called: Called, budget: float) -> dict[Series, Finding]:
    """Findings on the series whose calls are too long for the budget, or are timed coarsely.

    So are those of which only the first call counts: each process has one of each version.
    """
    findings, runs, timeable = called.findings, called.runs, called.timeable
    aborted = [
        series
        for series, run in runs.items()
        if run.aborted
        and not findings[series].wrong
        and math.isnan(findings[series].bound)
        and findings[series].judgement.verdict in (Verdict.NEW, Verdict.UNDECIDED)
    ]
    longest = longest_series(budget, len(timeable) + len(aborted))
    seconds = {s: SCREENING.calls_least * runs[s].total_seconds for s in timeable}
    cold = [series for series in timeable if series in called.cold]
    long = [s for s in timeable if seconds[s] > longest and s not in cold]
    few = coarse({s: Sampling.unknown(runs[s]) for s in long}, budget)
    too_long = [s for s in long if s not in few]
    single = [*too_long, *cold]
    bounds = bounds_of_long_calls(context, runs, single, longest_proof(budget, len(findings)))
    if aborted:
        limit = max(max(runs[series].aborted.values()) for series in aborted)
        context.warn(
            f"{count(len(aborted), 'benchmark')} did not end in the dry run, which stops a call "
            f"after {limit:.2g} s; smaller inputs help, and fewer benchmarks with --series"
        )
    if long:
        enough = math.ceil(budget * max(seconds[s] for s in long) / longest)
        which = f"{count(len(long), 'benchmark')} {'is' if len(long) == 1 else 'are'}"
        context.warn(
            f"{which} too slow to be timed precisely in {budget:.0f} s; use --budget {enough}"
        )
    untimed = dict.fromkeys(too_long, Judgement(Verdict.UNDECIDED, reason=Reason.LONG_CALLS))
    untimed |= dict.fromkeys(cold, Judgement(Verdict.NOT_TIMED, because=COLD))
    return {s: replace(findings[s], coarse=True) for s in few} | {
        s: replace(findings[s], untimed=why, bound=bounds.get(s, math.nan))
        for s, why in untimed.items()
    }
