"""The dry run: each benchmark is called once, and checked, before any is timed.

The asserts of a test are its proof, and so is the reference of a hot path. What fails in the head
and not in the base is wrong. What fails in both shows nothing about the change, and is not timed.
Where the versions of a suite differ, each is called again in a process of its own: in one process,
two versions may be in each other's way.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

from ..pool.process import LateError, WorkerError
from ..statistics.verdicts import Judgement, Reason, Verdict
from ..suites.series import Series
from ..table import grouped
from ..words import count
from ..worker.dry_run import TRACED
from ..worker.protocol import DryRun, Value
from .context import SIDES, Context
from .finding import Finding

DEATHS_MOST = 10  # series that may end the process of a dry run before the others are left out
SHARED_MOST = 3  # parts of a process's state in a sentence
VALUES = 3  # processes of each version that measure what a series gives, if not time
# Head ÷ base, or base ÷ head, of a single long call in each of several processes, which counts as a
# change although its calls are too long to be timed in turns.
PLAINLY_LONGER = 2.0
NOT_REACHED = Judgement(Verdict.UNDECIDED, reason=Reason.NOT_REACHED)
PROOFS_ALONE = 2  # further processes of each version that have to agree on that

Runs = Mapping[Series, DryRun]


def by_suite(series: Iterable[Series]) -> dict[str, list[Series]]:
    """The series of each suite."""
    return grouped(series, lambda one: one.suite)


def dry_run(
    context: Context,
    series: Iterable[Series],
    longest: float,
    *,
    alone: bool = False,
    repeat: int = 1,
    until: float = math.inf,
) -> dict[Series, DryRun]:
    """Call each series once in both versions; a call that takes `longest` seconds is aborted.

    `alone`: each version has a process of its own. `repeat`: how often a series is called again.
    `until`: the moment, by `time.monotonic`, when it ends, without the series left by then.
    """
    runs = {one: DryRun(one.names) for one in series}
    late = set[Series]()
    for some in by_suite(runs).values():
        for group in context.groups(some[0].suite, alone):
            left = list(some)
            for _ in range(DEATHS_MOST):
                if not left:
                    break
                answers, lost = called(context, group, left, longest, repeat, until)
                runs |= {one: runs[one].merged(answer) for one, answer in answers.items()}
                for one in answers:
                    if note := runs[one].note:
                        context.warn(f"{one.name}: {note}")
                left = [one for one in left if one not in answers]
                if isinstance(lost, LateError):
                    late.update(left)
                    break
                if not left or not lost:
                    break
                guilty = next((one for one in left if one.names == lost.series), left[0])
                left.remove(guilty)
                slow = {guilty.function, *(s.function for s, run in runs.items() if run.aborted)}
                left.sort(key=lambda one: one.function in slow)
                for side in reversed(group):  # which version was it?
                    answers, lost = called(context, [side], [guilty], longest, repeat)
                    why = str(lost or "it gave no answer")
                    answer = answers.get(guilty, DryRun(guilty.names, failed={side: why}))
                    runs[guilty] = runs[guilty].merged(answer)
                if not guilty.suite and len(group) > 1 and ran_in_both(runs[guilty]):
                    runs[guilty] = DryRun(guilty.names)  # not compared with each other: unknown
    return {one: run for one, run in runs.items() if one not in late}


def called(
    context: Context,
    sides: Sequence[str],
    series: Sequence[Series],
    longest: float,
    repeat: int,
    until: float = math.inf,
) -> tuple[dict[Series, DryRun], WorkerError | None]:
    """Dry runs of series of one suite in one process, up to its death if it dies."""
    suite, names, wanted = series[0].suite, [one.names for one in series], set(series)
    task = {"series": names, "longest": longest, "repeat": repeat}
    answers, lost = context.pool.run("dry_run", sides, suite, until=until, **task)
    runs = {Series.of(answer.series, suite): answer for answer in answers}
    return {one: run for one, run in runs.items() if one in wanted}, lost


def ran_in_both(run: DryRun) -> bool:
    """Whether it ran to its end in both versions, and measures time."""
    return run.quantity == "time" and run.took.keys() >= set(SIDES)


def comparable(finding: Finding) -> bool:
    """Whether both versions have it, as far as the plan says."""
    return finding.untimed is None


def dry_run_alone(
    context: Context, findings: Mapping[Series, Finding], runs: Runs, longest: float
) -> dict[Series, DryRun]:
    """Dry runs, by each version alone, of the series that differ between the versions of a suite.

    What fails by chance, or because the other version was in its way, is not wrong.
    """
    differ = []
    for one, run in runs.items():
        finding = with_dry_run(findings[one], run)
        if one.suite and (finding.wrong or not math.isnan(finding.bound)):
            differ.append(one)
    return dry_run(context, differ, longest, alone=True)


def needing_own_processes(
    context: Context,
    findings: Mapping[Series, Finding],
    runs: Runs,
    confirmed: Runs,
    registered: Mapping[str, str],
) -> frozenset[Series]:
    """The series of which each version needs a process of its own.

    `registered`: where a suite registers something of the project. Its calls may meet code of the
    other version there, which is not seen in long calls and in extension modules.
    """
    mixed: dict[str, list[Series]] = {}
    for one, run in runs.items():
        for why in {took.apart for took in run.took.values()} - {""}:
            mixed.setdefault(why, []).append(one)
    for why, some in mixed.items():
        context.warn(
            f"{count(len(some), 'benchmark')} such as {some[0].name} {why}: each version has a "
            "process of its own for these"
        )
    alone = (s for s, run in confirmed.items() if ran_in_both(run) and comparable(findings[s]))
    unseen = [
        s
        for s, run in runs.items()
        if s.suite in registered and (context.pair.compiled or run.total_seconds >= TRACED)
    ]
    if unseen and not context.pair.isolated:
        context.warn(
            f"The {unseen[0].suite} suite registers something of the project with a package that "
            f"both versions use ({registered[unseen[0].suite]}), and whether the other version's "
            f"is used cannot be seen for {count(len(unseen), 'benchmark')}: each version has a "
            "process of its own for these"
        )
    return frozenset([*chain(*mixed.values()), *alone, *unseen])


def loaded_differently(
    context: Context, runs: Runs, shared: Mapping[str, Mapping[str, str]]
) -> frozenset[Series]:
    """The same, as loading a version sets what is `shared` by all of a process, by suite."""
    suites = set()
    for suite, states in () if context.pair.isolated else shared.items():
        again = context.pool.discover(suite, ["base"])["base"].shared
        # What differs between processes of the base, too, is chance, such as the time.
        if differ := sorted(name for name, state in states.items() if again.get(name) == state):
            suites.add(suite)
            context.warn(
                f"Loading the {suite} suite sets something for the whole process in one version "
                f"only ({', '.join(differ[:SHARED_MOST])}): each version has a process of its own "
                "for it"
            )
    return frozenset(s for s in runs if s.suite in suites)


def with_dry_run(finding: Finding, run: DryRun, failed_when_timed: str = "") -> Finding:
    """The planned `finding` with what the dry run showed.

    `failed_when_timed`: why the series failed in a process that timed it, after which `run` was
    made to find out in which version.
    """
    sides = SIDES if comparable(finding) else ("head",)
    finding = replace(
        finding,
        error=run.error,
        tolerance=run.tolerance,
        memory={side: run.memory[side] for side in sides if side in run.memory},
        garbage={s: t.garbage for s, t in run.took.items() if s in sides and t.garbage >= 0},
    )
    name, suite = finding.series.name, finding.series.suite
    not_run = {side: why for side, why in run.not_run.items() if side in sides}
    aborted = {side: seconds for side, seconds in run.aborted.items() if side in sides}
    if not_run and not suite:  # a reason names the hot path, which is wrong whatever the base gives
        return replace(finding, wrong=not_run)
    if not_run and len(not_run) == len(sides):
        why = not_run["head"]
        if run.skipped.keys() >= set(sides):
            return replace(finding, untimed=Judgement(Verdict.SKIPPED, because=why))
        if sides == ("head",) and "head" in run.failed:
            return replace(finding, wrong={"head": f"{name} fails: {why}"})
        both = "" if len(sides) == 1 or why in run.untimed.values() else "in both versions "
        how = "it fails" if "head" in run.failed else "it cannot be timed"
        because = f"{how} {both}({why})"
        return replace(finding, untimed=Judgement(Verdict.NOT_TIMED, because=because))
    if not_run:
        ((side, why),) = not_run.items()
        if "head" in aborted:  # which does not work then
            too_long = Judgement(Verdict.UNDECIDED, reason=Reason.LONG_CALLS)
            return replace(finding, untimed=too_long)
        if side == "base" and side not in run.failed:  # the base does not have it
            return replace(finding, untimed=Judgement(Verdict.NEW, because=why))
        how = "fails" if side in run.failed else "cannot be run any more"
        return replace(finding, wrong={side: f"{name} {how}: {why}"})
    if aborted:
        finding = _aborted(finding, aborted, [took.total for s, took in run.took.items()])
    if failed_when_timed and (ran_in_both(run) or not finding.decided):
        because = f"it failed when it was timed: {failed_when_timed}"
        return replace(finding, untimed=Judgement(Verdict.NOT_TIMED, because=because))
    return finding


def _aborted(finding: Finding, aborted: Mapping[str, float], others: Sequence[float]) -> Finding:
    """A finding whose calls were aborted in a version, while `others` took these seconds."""
    bound = math.nan
    if others and comparable(finding):
        bound = aborted["head"] / others[0] if "head" in aborted else others[0] / aborted["base"]
    if bound >= PLAINLY_LONGER or bound <= 1 / PLAINLY_LONGER:
        return replace(finding, bound=bound)
    too_long = Judgement(Verdict.UNDECIDED, reason=Reason.LONG_CALLS)
    return replace(finding, untimed=finding.untimed or too_long)


def bounds_of_long_calls(
    context: Context, runs: Runs, series: Iterable[Series], longest: float
) -> dict[Series, float]:
    """Head ÷ base at least, or at most, of series with long calls that differ plainly.

    A call of each version has to differ as much in each of several processes.
    """
    seconds = {s: {side: [took.total] for side, took in runs[s].took.items()} for s in series}
    differ = [one for one in seconds if not math.isnan(_bound(seconds[one]))]
    for _ in range(PROOFS_ALONE if differ else 0):
        for one, run in dry_run(context, differ, longest, alone=True).items():
            for side, took in run.took.items():
                seconds[one][side].append(took.total)
    every = 1 + PROOFS_ALONE
    differ = [s for s in differ if all(len(of) == every for of in seconds[s].values())]
    bounds = {one: _bound(seconds[one]) for one in differ}
    return {one: bound for one, bound in bounds.items() if not math.isnan(bound)}


def _bound(seconds: Mapping[str, Sequence[float]]) -> float:
    """Head ÷ base at least, or at most, by the same calls in processes; NaN if it is unclear."""
    base, head = seconds["base"], seconds["head"]
    if min(head) >= PLAINLY_LONGER * max(base):
        return min(head) / max(base)
    return max(head) / min(base) if min(base) >= PLAINLY_LONGER * max(head) else math.nan


def measure_values(
    context: Context, findings: Mapping[Series, Finding], runs: Runs, until: float = math.inf
) -> dict[Series, Finding]:
    """Findings on the series that measure something else than time, by several processes.

    The peak of memory is that of a process, so each such series has processes of its own; none
    begins after the moment `until`, by `time.monotonic`.
    """
    values = {one: run for one, run in runs.items() if run.quantity != "time"}
    answers: dict[Series, dict[str, list[Value]]] = {one: {s: [] for s in SIDES} for one in values}
    late = 0
    for suite, some in by_suite(values).items():
        alone = [[one] for one in some if values[one].quantity == "peakmemory"]
        groups = [[one for one in some if [one] not in alone], *alone]
        for group in (group for group in groups if group):
            if time.monotonic() >= until:
                late += len(group)
                continue
            for side in context.pool.shuffled(SIDES * VALUES):
                names = [one.names for one in group]
                given, _ = context.pool.run("value", [side], suite, series=names)
                for answer in given:
                    if (one := Series.of(answer.series, suite)) in answers:
                        answers[one][side].append(answer)
    if late:
        context.warn(
            f"there was no time to measure {count(late, 'benchmark')} of something else than time; "
            "a larger --budget allows more, and --series names fewer"
        )
    return {one: _of_values(findings[one], values[one], answers[one]) for one in values}


def _of_values(finding: Finding, run: DryRun, answers: Mapping[str, Sequence[Value]]) -> Finding:
    """The finding on a series by what it gave in several processes."""
    sides = SIDES if comparable(finding) else ("head",)
    sometimes = False
    for side in sides:
        reasons = [one for answer in answers[side] if (one := why_no_value(answer))]
        if reasons and len(reasons) == len(answers[side]):
            kind, why = reasons[0]
            failure: Any = {kind: {side: why}}
            run = run.merged(replace(DryRun(run.series, run.quantity), **failure))
        elif reasons:
            sometimes = True
    finding = with_dry_run(finding, run)
    if sometimes and not finding.failed:
        return finding  # unknown: a value that is missing now and then may be a regression
    if any(side in run.not_run for side in sides) or not all(answers[side] for side in sides):
        return finding
    units = {side: answers[side][0].unit for side in sides}
    if len({*units.values()}) > 1:
        because = f"its unit is {units['base']!r} at the base, {units['head']!r} at the head"
        return replace(finding, untimed=Judgement(Verdict.NOT_TIMED, because=because))
    values = {side: [one.value for one in answers[side]] for side in sides}
    finding = replace(finding, values=values, unit=units["head"])
    known = Judgement(Verdict.MEASURED)
    if finding.values_scatter:
        known = Judgement(Verdict.UNDECIDED, reason=Reason.VALUES_SCATTER)
    return replace(finding, untimed=finding.untimed or known)


def why_no_value(answer: Value) -> tuple[str, str] | None:
    """Why a process gave no value: as a field of `DryRun`, and in words."""
    for kind, why in (("failed", answer.failed), ("skipped", answer.skipped)):
        if why:
            return kind, why
    if answer.untimed or not math.isfinite(answer.value):
        return "untimed", answer.untimed or f"it gives {answer.value}, which is no number"
    return None
