"""Counting what calls execute, and what memory they take, before anything is timed.

Counts are exact where times scatter: they show which series do the same work, and which function
does more of it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from ..pool.process import WorkerError
from ..suites.series import Series
from ..versions.layout import in_repository
from ..words import count
from ..worker.calls import Counts
from ..worker.protocol import Counted, DryRun
from .context import SIDES, Context
from .dry_run import by_suite
from .finding import Finding
from .work import Work

BUDGET_SHARE = 0.1  # of the budget for timing, in addition to it
CALLS = 200.0  # of a series, in both versions together, that take as long as counting it
# Counting may take this many times as long as expected, and these seconds more to load the suite.
LONGER, LOADING = 3.0, 20.0
SERIES_LEAST = 5.0  # seconds that counting a series may take


def affordable(
    series: Iterable[Series], runs: Mapping[Series, DryRun], budget: float, calls: float = CALLS
) -> list[Series]:
    """The series of which this number of calls can be made, those with the shortest first."""
    left, chosen = BUDGET_SHARE * budget, []
    for one in sorted(series, key=lambda s: runs[s].total_seconds):
        left -= calls * runs[one].total_seconds
        if left < 0:
            break
        chosen.append(one)
    return chosen


def count_calls(
    context: Context, runs: Mapping[Series, DryRun], series: Iterable[Series], budget: float
) -> dict[Series, Counted]:
    """What a call of series of suites executes in each version, and the memory that it takes.

    Versions that need a process each are not counted: their interpreters may differ.
    """
    if context.pair.isolated:
        return {}
    chosen = affordable((one for one in series if one.suite), runs, budget)
    return _counted(context, SIDES, chosen, runs)


def _counted(
    context: Context, sides: Sequence[str], series: Sequence[Series], runs: Mapping[Series, DryRun]
) -> dict[Series, Counted]:
    """What calls execute, counted in one process that holds these versions."""
    answers: dict[Series, Counted] = {}
    sources = context.pair.sources
    for suite, some in by_suite(series).items():
        context.progress(f"counting the bytecodes of {count(len(some), 'benchmark')}")
        names = [one.names for one in some]
        expected = [CALLS * runs[one].total_seconds for one in some]
        longest = max(LONGER * max(expected), SERIES_LEAST)
        with context.pool.start("count", sides, suite, series=names, longest=longest) as worker:
            worker.until = time.monotonic() + LOADING + LONGER * sum(expected)
            with contextlib.suppress(WorkerError):  # what is not counted is timed all the same
                for answer in worker:
                    if isinstance(answer, Counted):
                        counts = {s: _at_sources(c, sources[s]) for s, c in answer.counts.items()}
                        answers[Series.of(answer.series, suite)] = replace(answer, counts=counts)
    return {one: answers[one] for one in series if one in answers}


def count_alone(
    context: Context, runs: Mapping[Series, DryRun], together: Mapping[Series, Counted]
) -> dict[Series, Counted]:
    """What calls execute by each version alone, if the change is another one than side by side.

    Then something that one version sets for the whole process, or writes to a file, has reached the
    other one. Series of which the head executes more anyway need not be known.
    """
    most = 1 + context.selection.threshold
    left = [one for one, answer in together.items() if Work.of(answer.counts).ratio <= most]
    alone: dict[Series, Counted] = {}
    for _ in range(2):  # processes have to agree, or it is chance
        before, alone = alone, {}
        sides = {side: _counted(context, [side], left, runs) for side in SIDES}
        for one in left:
            if all(one in answers for answers in sides.values()):
                counts = {side: answers[one].counts[side] for side, answers in sides.items()}
                now = replace(together[one], counts=counts)
                chance = one in before and _differ(now, before[one], most)
                if _differ(now, together[one], most) and not chance:
                    alone[one] = now
        left = list(alone)
    if alone:
        context.warn(
            "One version sets something for the whole process, or writes a file, that the other "
            f"uses: by its version alone, {count(len(alone), 'benchmark')} such as {left[0].name} "
            "would execute something else; each version has a process of its own for these"
        )
    return alone


def cold_calls(
    context: Context, runs: Mapping[Series, DryRun], counted: Mapping[Series, Counted]
) -> frozenset[Series]:
    """The series that their suite calls once, if the first call finds caches empty.

    A call that is hardly longer than the next does so only if it executes something else.
    """
    took = {one: run.took.values() for one, run in runs.items()}
    cold = {one for one, of in took.items() if any(call.cold for call in of)}
    perhaps = [one for one, of in took.items() if any(call.perhaps_cold for call in of)]
    left = [one for one in perhaps if one not in counted]
    alone = [_counted(context, [side], left, runs) for side in SIDES] if left else []
    for one in perhaps:
        answers = [counted.get(one)] if one in counted else [of.get(one) for of in alone]
        if any(answer is None or answer.begins_anew for answer in answers):
            cold.add(one)
    return frozenset(cold)


def _differ(one: Counted, other: Counted, most: float) -> bool:
    """Whether head ÷ base is not the same in both; no if one of them was not counted."""
    ratio = Work.of(one.counts).ratio / Work.of(other.counts).ratio
    return max(ratio, 1 / ratio) > most


def _at_sources(counts: Counts, sources: Mapping[str, str]) -> Counts:
    """The counts with each function in the file that its file was built from, or installed as."""
    functions = {in_repository(name, sources): one for name, one in counts.functions.items()}
    return replace(counts, functions=functions)


def with_counts(finding: Finding, answer: Counted | None, most: float | None) -> Finding:
    """The finding with what was counted; `most` as the `bytecodes` of `Settings`."""
    finding = replace(finding, work_most=most)
    if not answer:
        return finding
    return replace(finding, work=Work.of(answer.counts), memory=answer.memory)
