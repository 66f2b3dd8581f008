"""A process that times series: both versions in it, or one of each, which take turns.

What the process says of a series is one value of the sample.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping

import numpy as np

from ..guest.rounds import LONG_CALL
from ..timing.rows import ROW
from .budget import Tasks
from .crew import Crew
from .findings import Comparison, Series

SIDES = ("base", "head")


def time_once(
    crew: Crew, result: Comparison, tasks: Tasks, seconds: Mapping[Series, float], most: int = 1
) -> float:
    """Let one process of each suite (or two, if isolated) time series, so many `seconds` each.

    At `most` moments, as long as they are worth it and enough rounds fit into each. Adds what it
    says to the estimates of `tasks`, and gives the seconds that it took to start.
    """
    start, starting = time.perf_counter(), 0.0
    times: dict[Series, dict[str, list[float]]] = {}
    other: dict[Series, float] = {}  # seconds besides the rounds
    timed: dict[Series, float] = {}
    moments = {s: tasks[s].moments(given, most) for s, given in seconds.items()}
    for suite in dict.fromkeys(series.suite for series in seconds):
        sessions = [
            {
                "series": series[:3],
                "seconds": seconds[series] / number,
                "together": series in crew.together,
                "long": crew.calls[series] >= LONG_CALL,
            }
            for series, number in moments.items()
            if series.suite == suite
            for _ in range(number)
        ]
        began: float | None = time.perf_counter()
        ask = crew.alternate if result.isolated else crew.time
        for answer in ask(suite, sessions):
            name = Series.of(answer["series"], suite)
            if "failed" in answer:
                result.trouble.append(f"{name.name} failed when it was timed: {answer['failed']}")
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
