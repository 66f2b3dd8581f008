"""Does a call take more memory than it did? Suspected by the proof, judged by other processes.

The peak of a call with threads differs from call to call, as these happen to overlap or not. So a
rise is told only if each of several fresh processes sees it, so many that chance hardly does that.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ..pool.pool import Crew
from ..suites.series import Series
from .budget import MEMORY_ALARM
from .result import QUANTITIES, Comparison

CALLS = 5  # of each version in a process, in turns; the median of what they take is its value


def judges_of_memory(suspects: int) -> int:
    """How many processes judge: chance makes the head larger in half of them, at most."""
    return math.ceil(math.log2(len(QUANTITIES) * suspects / MEMORY_ALARM))


def judge_memory(crew: Crew, result: Comparison, progress: Callable[[str], None]) -> None:
    """Have counted again what seems to take more memory; notes what every process sees."""
    suspects = {f.series: f for f in result.findings.values() if f.seems_grown}
    if not suspects:
        return
    number = judges_of_memory(len(suspects))
    # Of each series, version and quantity one value by each process; NaN where it gave none.
    shape = (len(suspects), 2, len(QUANTITIES), number)
    counted = np.full(shape, math.nan)
    order = {series: i for i, series in enumerate(suspects)}
    for process in range(number):
        progress(f"memory of {len(suspects)} series, process {process + 1} of {number}")
        for sides in [["base"], ["head"]] if result.isolated else [["base", "head"]]:
            names = [series[:3] for series in suspects]
            for answer in crew.ask("memory", sides, series=names, calls=CALLS):
                i = order[Series.of(answer["series"])]
                for side, calls in answer["memory"].items():
                    counted[i, ("base", "head").index(side), :, process] = np.median(calls, axis=0)
    for series, finding in suspects.items():
        base, head = counted[order[series]]
        known = ~np.isnan(base + head).any(axis=0)
        if not known.any():
            continue
        for side, values in (("base", base), ("head", head)):
            middles = np.median(values[:, known], axis=1)
            finding.memory[side] = dict(zip(QUANTITIES, map(round, middles), strict=True))
        rose = (head > base).all(axis=1)  # not where it is not known
        finding.grown_in = [q for q, all_saw_it in zip(QUANTITIES, rose, strict=True) if all_saw_it]
