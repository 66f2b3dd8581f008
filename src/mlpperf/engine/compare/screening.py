"""A process that times series: both versions in it, or one of each, which take turns.

What the process says of a series is one value of the sample.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping

import numpy as np

from ..pool.pool import Crew
from ..statistics.robust import ROW
from ..suites.series import Series
from ..worker.rounds import LONG_CALL
from .budget import Tasks
from .result import Comparison
from .suites import examine

SIDES = ("base", "head")


def time_once(
    crew: Crew, result: Comparison, tasks: Tasks, seconds: Mapping[Series, float], most: int = 1
) -> float:
    """Let one process of each suite time series, or two for those that need to be apart.

    Each for its `seconds`, at `most` moments, as long as they are worth it and enough rounds fit
    into each. Adds what a process says to the estimates of `tasks`, and gives the seconds that it
    took to start. Series that fail are examined, and no longer timed if that is a version's fault.
    """
    start, starting = time.perf_counter(), 0.0
    times: dict[Series, dict[str, list[float]]] = {}
    other: dict[Series, float] = {}  # seconds besides the rounds
    timed: dict[Series, float] = {}
    moments = {s: tasks[s].moments(given, most) for s, given in seconds.items()}
    seconds = {s: given for s, given in seconds.items() if not result.findings[s].failed}
    failures: dict[Series, str] = {}
    for suite, apart in dict.fromkeys((s.suite, s in crew.apart) for s in seconds):
        sessions = [
            {
                "series": series[:3],
                "seconds": seconds[series] / number,
                "together": series in crew.together,
                "long": crew.calls[series] >= LONG_CALL,
            }
            for series, number in moments.items()
            if series in seconds and (series.suite, series in crew.apart) == (suite, apart)
            for _ in range(number)
        ]
        began: float | None = time.perf_counter()
        if result.isolated or apart:
            answers = crew.alternate(suite, sessions, once=apart)
        else:
            answers = crew.time(suite, sessions)
        waiting = {s for s in seconds if (s.suite, s in crew.apart) == (suite, apart)}
        for answer in answers:
            name = Series.of(answer["series"], suite)
            waiting.discard(name)
            if "failed" in answer:
                failures[name] = answer["failed"]
                continue
            if began is not None:
                starting += time.perf_counter() - began - answer["other"] - answer["spent"]
                began = None
            for side, blocks in answer["seconds"].items():
                # No row is of two moments.
                whole = len(blocks) // ROW * ROW if moments[name] > 1 else 0
                times.setdefault(name, {}).setdefault(side, []).extend(blocks[: whole or None])
            other[name] = other.get(name, 0.0) + answer["other"]
            timed[name] = timed.get(name, 0.0) + answer["spent"]
        if suite and crew.lost:
            lost = [series for series in waiting if series[:3] == crew.lost.series]
            failures |= dict.fromkeys(lost, crew.trouble[-1])
    if failures:
        examine(crew, result, {s: why for s, why in failures.items() if s.suite})
        result.trouble += [
            f"{name.name} failed when it was timed: {why}"
            for name, why in failures.items()
            if not name.suite
        ]
    known = starting + sum(other.values()) + sum(timed.values())
    more = (time.perf_counter() - start - known) / max(len(other), 1)  # such as telling the answer
    for name, blocks_of in times.items():
        base, head = (blocks_of[side] for side in SIDES)
        middles = {side: float(np.median(blocks_of[side])) for side in SIDES}
        finding = result.findings[name]
        finding.seconds = {
            side: min(finding.seconds.get(side, math.inf), middles[side]) for side in SIDES
        }
        each_moment = other[name] / moments[name] + more
        tasks[name].estimate.add(base, head, timed[name] / len(base), each_moment)
    return starting
