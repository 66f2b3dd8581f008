"""Whether a call takes more memory: suspected by the dry run, judged by other processes.

The peak of a call with threads varies, as these happen to overlap or not. So a rise is reported
only if each of several fresh processes confirms it, enough that chance hardly does that.
"""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..suites.commands import COMMANDS
from ..suites.series import Series
from ..table import grouped
from ..words import count
from ..worker.protocol import QUANTITIES, DryRun
from .alarms import MEMORY_ALARM
from .context import SIDES, Context
from .counts import LOADING, LONGER, affordable
from .finding import Finding

CALLS = 5  # of each version in a process, in turns; the process reports their median
# Calls of a series, in both versions together, that take as long as measuring the memory of a call.
FIRST_CALLS = 20.0


def judges_of_memory(suspects: int) -> int:
    """Processes that judge this many series: by chance, the head is larger in half of them."""
    return math.ceil(math.log2(len(QUANTITIES) * suspects / MEMORY_ALARM))


def first_memory(
    context: Context,
    findings: Mapping[Series, Finding],
    runs: Mapping[Series, DryRun],
    alone: Collection[Series],
    budget: float,
) -> dict[Series, Finding]:
    """Findings with the memory of a call of each version, of the series for which there is time.

    `alone`: of these, each version needs a process of its own.
    """
    memory: dict[Series, dict[str, dict[str, int]]] = {}
    chosen = affordable(findings, runs, budget, FIRST_CALLS)
    for (suite, apart), some in grouped(chosen, lambda s: (s.suite, s in alone)).items():
        context.progress(f"memory of {count(len(some), 'benchmark')}")
        expected = FIRST_CALLS * sum(runs[one].total_seconds for one in some)
        names = [one.names for one in some]
        for group in context.groups(suite, apart):
            until = time.monotonic() + LOADING + LONGER * expected
            task = {"series": names, "calls": 1}
            answers, _ = context.pool.run("memory", group, suite, until=until, **task)
            for answer in answers:
                known = memory.setdefault(Series.of(answer.series, suite), {})
                known |= {
                    side: dict(zip(QUANTITIES, of_calls[0], strict=False))
                    for side, of_calls in answer.calls.items()
                }
    complete = {one: of for one, of in memory.items() if one in findings and len(of) == len(SIDES)}
    return {one: replace(findings[one], memory=of) for one, of in complete.items()}


def judge_memory(
    context: Context,
    findings: Mapping[Series, Finding],
    long_calls: Collection[Series] = (),
    alone: Collection[Series] = (),
) -> dict[Series, Finding]:
    """Findings on the series that seem to take more memory, by what every process confirms.

    `alone`: of these, each version needs a process of its own.
    """
    suspects = [series for series, finding in findings.items() if finding.seems_grown]
    if not suspects:
        return {}
    number = judges_of_memory(len(suspects) * context.shards)
    # By series, version, quantity and process; NaN where a process gave no answer.
    counted = np.full((len(suspects), 2, len(QUANTITIES), number), math.nan)
    for process in range(number):
        context.progress(
            f"memory of {count(len(suspects), 'benchmark')}, process {process + 1} of {number}"
        )
        kinds = grouped(suspects, lambda s: (s.suite, s in long_calls, s in alone))
        for (suite, long, apart), some in kinds.items():
            names = [one.names for one in some]
            many = 1 if long or suite == COMMANDS else CALLS  # each is a process of its own
            for group in context.groups(suite, apart):
                answers, _ = context.pool.run("memory", group, suite, series=names, calls=many)
                for answer in answers:
                    i = suspects.index(Series.of(answer.series, suite))
                    for side, of_calls in answer.calls.items():
                        each = np.median(of_calls, axis=0)
                        counted[i, SIDES.index(side), : len(each), process] = each
    judged = {s: _judged(findings[s], *counted[i]) for i, s in enumerate(suspects)}
    for series in [one for one, finding in judged.items() if len(finding.memory) < len(SIDES)]:
        context.warn(
            f"Whether {series.name} takes more memory was not measured, because a process that "
            "measures it gave no answer; compare again"
        )
    return judged


def _judged(finding: Finding, base: NDArray[np.float64], head: NDArray[np.float64]) -> Finding:
    """A finding by the memory that processes counted of each quantity.

    It has none of the base if the only processes that could deny a rise gave no answer.
    """
    memory: dict[str, dict[str, int]] = {side: {} for side in SIDES}
    grown_in = []
    for quantity, one, other in zip(QUANTITIES, base, head, strict=True):
        known = ~np.isnan(one + other)
        if known.any():
            for side, values in zip(SIDES, (one, other), strict=True):
                memory[side][quantity] = round(float(np.median(values[known])))
        if np.all(other > one):  # not where a process gave no answer
            grown_in.append(quantity)
        elif quantity in finding.memory.get("head", {}) and np.all(other[known] > one[known]):
            return replace(finding, memory={"head": finding.memory["head"]})
    known_at_all = all("peak" in of for of in memory.values())
    return replace(finding, memory=memory, grown_in=grown_in) if known_at_all else finding
