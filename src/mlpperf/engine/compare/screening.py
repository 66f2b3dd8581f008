"""The processes that time series: a few for all of them, then more for those that look changed.

The result of a process is one value of the sample of a series.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ..pool.process import WorkerError
from ..statistics.blocks import ROW
from ..statistics.pooling import pool
from ..suites.series import Series
from ..words import count
from ..worker.protocol import DryRun, Samples, Session
from ..worker.rounds import LONG_CALL
from .budget import (
    JUDGING,
    SCREENING,
    Sampling,
    Samplings,
    judging_seconds_least,
    longest_proof,
    next_unclear,
    screening_seconds,
    shares,
    suspects,
)
from .context import SIDES, Context
from .decision import settled, with_verdict
from .dry_run import dry_run, ran_in_both, with_dry_run
from .finding import Finding
from .marks import ChangedFunctions, MarkedTimes

CALLS_LEAST = 12  # set-ups and calls of a series in a process that times it, in all copies
CALLED_AGAIN = 2000  # calls in which a failure during timing has to occur again


@dataclass(frozen=True)
class Timing:
    """How far the timing of a comparison has come.

    Attributes
    ----------
    findings : on the series to be timed.
    runs : what their dry runs showed.
    budget : seconds for all processes; they are over at `end`, by `time.perf_counter`.
    apart : the series of which each version needs a process of its own.
    samplings : of the series that have not failed.
    starting : seconds that a process takes to start.
    shards : that share the false-alarm rate.
    marked : the times of changed functions, of the series in which these are marked.
    """

    findings: Mapping[Series, Finding]
    runs: Mapping[Series, DryRun]
    budget: float
    end: float
    apart: frozenset[Series] = frozenset()
    samplings: Samplings = field(default_factory=dict)
    starting: float = 0.0
    shards: int = 1
    marked: Mapping[Series, MarkedTimes] = field(default_factory=dict)

    @property
    def tests(self) -> int:
        """The number of series by which the false-alarm rate is divided."""
        return len(self.findings) * self.shards

    def concluded(self, series: Iterable[Series]) -> Timing:
        """The same with the verdicts on these series by their estimates."""
        return self.updated({s: self._concluded(s) for s in series})

    def _concluded(self, series: Series) -> Finding:
        estimate = self.samplings[series].estimate
        finding = with_verdict(self.findings[series], estimate, self.tests, self.budget)
        known, marked = finding.changed_functions, self.marked.get(series)
        if not (known and marked):
            return finding
        return replace(finding, changed_functions=marked.conclude(known, self.tests))

    def updated(self, findings: Mapping[Series, Finding]) -> Timing:
        """The same with these findings; a series that failed is not timed any more."""
        every = {**self.findings, **findings}
        samplings = {s: one for s, one in self.samplings.items() if not every[s].failed}
        return replace(self, findings=every, samplings=samplings)


def screen(context: Context, timing: Timing) -> Iterator[Timing]:
    """Time all series in a few processes, for equal times or less once an estimate is precise.

    The first process times each series only briefly if set-up times are unknown. Yields what is
    known after each process.
    """
    runs, number, now = timing.runs, SCREENING.processes, time.perf_counter
    setups_known = not any(math.isnan(runs[s].setup_seconds) for s in timing.findings)
    end = timing.end - timing.budget + screening_seconds(len(timing.findings), timing.budget)
    timing = replace(timing, samplings={s: Sampling.unknown(runs[s]) for s in timing.findings})
    for process in range(number):
        context.progress(
            f"screening {count(len(timing.samplings), 'benchmark')}, "
            f"process {process + 1} of {number}, {_left_at_most(timing)}"
        )
        left = (end - now()) / (number - process) - timing.starting
        seconds = dict.fromkeys(timing.samplings, SCREENING.seconds_least)
        if process or setups_known:
            seconds = shares(timing.samplings, left)
        timing = time_once(context, timing, seconds)
        yield timing
    samplings = {
        s: replace(sampling, estimate=replace(sampling.estimate))
        for s, sampling in timing.samplings.items()
    }
    pool([sampling.estimate for sampling in samplings.values()])
    yield replace(timing, samplings=samplings).concluded(samplings)


def follow_up(context: Context, timing: Timing) -> Iterator[Timing]:
    """Time the series that look changed, or are unclear, in more processes.

    Every process times all suspects that are left, and as many of the unclear series as there is
    time for. A suspect is done with when it can no longer become significant, an unclear one when
    it is clear that it did not change. One that looks changed is timed to the end: of several looks
    at the same code, one would find a change more often than by the probability for one. Yields
    what is known after each process.
    """
    seconds = timing.end - time.perf_counter()
    least = judging_seconds_least(seconds)
    findings = [timing.findings[series] for series in timing.samplings]
    findings = [f for f in findings if not (f.judgement.by_functions and f.decided)]
    if not findings:  # all have failed, or cannot have changed
        return
    suspected, processes = suspects(
        findings, timing.samplings, seconds, timing.starting, least, timing.tests
    )
    unclear = {
        f.series: timing.samplings[f.series].to_judge(suspicious=False)
        for f in findings
        if f.unclear and f.series not in suspected
    }
    timing = replace(timing, samplings={**timing.samplings, **suspected, **unclear})
    suspicious, open_ = list(suspected), list(unclear)
    for process in range(processes):
        judged = {s: timing.samplings[s] for s in suspicious if s in timing.samplings}
        undecided = {s: timing.samplings[s] for s in open_ if s in timing.samplings}
        if not (judged or undecided):
            break
        left = (timing.end - time.perf_counter()) / (processes - process) - timing.starting
        chosen = judged | next_unclear(undecided, judged, left, least)
        if not chosen:
            continue
        context.progress(
            f"follow-up: {len(judged)} suspicious, {len(undecided)} unclear, "
            f"process {process + 1} of {processes}, {_left_at_most(timing)}"
        )
        given = shares(chosen, left, least, JUDGING.moments)
        timing = time_once(context, timing, given, JUDGING.moments)
        timing = timing.concluded(series for series in chosen if series in timing.samplings)
        done = [
            series
            for series in judged.keys() & timing.samplings.keys()
            if settled(timing.samplings[series].estimate, timing.tests, processes - process - 1)
        ]
        timing = timing.updated({s: replace(timing.findings[s], judged=True) for s in done})
        suspicious = [series for series in judged if series not in done]
        open_ = [s for s in (*undecided, *done) if _open(timing.findings[s])]
        yield timing


def _open(finding: Finding) -> bool:
    return finding.unclear or finding.slower or finding.faster


def time_once(
    context: Context, timing: Timing, seconds: Mapping[Series, float], most: int = 1
) -> Timing:
    """Let one process of each suite time series, or two where each version needs its own.

    Each for its `seconds`, in `most` sessions at most. Series that fail are examined, and no longer
    timed if that is a version's fault.
    """
    start, starting = time.perf_counter(), 0.0
    moments = {s: timing.samplings[s].moments(given, most) for s, given in seconds.items()}
    samples: dict[Series, list[Samples]] = {}
    failures: dict[Series, str] = {}
    groups = dict.fromkeys((s.suite, s in timing.apart) for s in seconds)
    for suite, apart in groups:
        some = [s for s in seconds if (s.suite, s in timing.apart) == (suite, apart)]
        each = {s: seconds[s] / moments[s] for s in some}
        began: float | None = time.perf_counter()
        try:
            for answer in _answers(context, timing, each, moments, apart):
                series = Series.of(answer.series, suite)
                if answer.failed:
                    failures[series] = answer.failed
                elif series in each:
                    samples.setdefault(series, []).append(answer)
                    if began is not None:
                        spent = answer.overhead_seconds + answer.timed_seconds
                        starting += time.perf_counter() - began - spent
                        began = None
        except WorkerError as lost:
            guilty = [s for s in some if s.suite and s.names == lost.series and s not in samples]
            failures |= dict.fromkeys(guilty, str(lost))
    known = sum(a.timed_seconds + a.overhead_seconds for of in samples.values() for a in of)
    more = time.perf_counter() - start - starting - known  # such as sending answers
    timing = _failed(context, replace(timing, starting=starting), failures)
    return _sampled(timing, samples, more / max(len(samples), 1))


def _answers(
    context: Context,
    timing: Timing,
    seconds: Mapping[Series, float],
    moments: Mapping[Series, int],
    apart: bool,
) -> Iterator[Samples]:
    """The samples of one process that times series of one suite, each for its `seconds`."""
    sessions, expected = [], 0.0
    for series, of_session in seconds.items():
        run = timing.runs[series]
        setup = 0.0 if math.isnan(run.setup_seconds) else run.setup_seconds
        expected = max(expected, of_session + CALLS_LEAST * (setup + run.total_seconds))
        long = run.call_seconds >= LONG_CALL
        known = timing.marked.get(series)
        marks = known.marks if known and not apart else {}
        session = Session(series.names, of_session, long, run.shares_arguments, run.in_a_row, marks)
        sessions += [session] * moments[series]
    return context.pool.time(
        next(iter(seconds)).suite,
        sessions,
        longest=longest_proof(timing.budget, len(sessions)),
        expected=expected,
        apart=apart or bool(context.pair.isolated),
        once=apart,
    )


def _sampled(timing: Timing, samples: Mapping[Series, Sequence[Samples]], more: float) -> Timing:
    """With what a process measured, which spent `more` seconds on each series besides."""
    findings, samplings = dict(timing.findings), dict(timing.samplings)
    marked = dict(timing.marked)
    for series in samples.keys() & samplings.keys():
        sides = _joined([answer.seconds for answer in samples[series]])
        timed = sum(answer.timed_seconds for answer in samples[series])
        other = sum(answer.overhead_seconds for answer in samples[series])
        base, head = sides.values()
        each_session = other / len(samples[series]) + more
        samplings[series] = samplings[series].with_process(
            base, head, timed / len(base), each_session
        )
        before = findings[series].seconds
        middles = {side: float(np.median(blocks)) for side, blocks in sides.items()}
        quickest = {side: min(before.get(side, math.inf), middles[side]) for side in SIDES}
        cpu = [one.cpu_seconds for one in samples[series] if one.cpu_seconds]
        known = [*filter(None, [findings[series].cpu_seconds]), *cpu]
        least = {side: min(one[side] for one in known) for side in SIDES if known}
        findings[series] = replace(findings[series], seconds=quickest, cpu_seconds=least)
        if series in marked:
            of_functions = _joined([answer.marked for answer in samples[series] if answer.marked])
            if why := next((a.not_marked for a in samples[series] if a.not_marked), ""):
                del marked[series]
                unknown = ChangedFunctions(not_timed=why)
                findings[series] = replace(findings[series], changed_functions=unknown)
            elif all(of_functions.values()):
                marked[series] = marked[series].with_process(of_functions, middles)
    return replace(timing, findings=findings, samplings=samplings, marked=marked)


def _joined(sessions: Sequence[Mapping[str, list[float]]]) -> dict[str, list[float]]:
    """The blocks of several sessions, by side; no row of blocks belongs to two of them."""
    sides: dict[str, list[float]] = {side: [] for side in SIDES}
    for session in sessions:
        for side, blocks in session.items():
            whole = len(blocks) // ROW * ROW if len(sessions) > 1 else 0
            sides[side] += blocks[: whole or None]
    return sides


def _failed(context: Context, timing: Timing, failures: Mapping[Series, str]) -> Timing:
    """With what calls of each version alone show about series that failed when they were timed.

    Those that fail in neither version are timed in two processes from now on.
    """
    for series in (series for series in failures if not series.suite):
        context.warn(f"{series.name} failed when it was timed: {failures[series]}")
    of_suites = {series: why for series, why in failures.items() if series.suite}
    longest = longest_proof(timing.budget, len(timing.findings))
    findings, apart = {}, set[Series]()
    again = dry_run(context, of_suites, longest, alone=True, repeat=CALLED_AGAIN)
    for series, run in again.items():
        if ran_in_both(run) and not (series in timing.apart or context.pair.isolated):
            apart.add(series)
        else:
            finding, why = timing.findings[series], of_suites[series]
            findings[series] = with_dry_run(finding, run, failed_when_timed=why)
    return replace(timing.updated(findings), apart=timing.apart | apart)


def _left_at_most(timing: Timing) -> str:
    """Remaining time, for the progress bar."""
    return f"{max(timing.end - time.perf_counter(), 0.0):.0f} s left at most"
