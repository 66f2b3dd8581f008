"""Which functions of a project a series really runs, and how often."""

from __future__ import annotations

import os
import sys
import time
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR
from itertools import repeat
from types import FrameType
from typing import Any

from .blocks import Runner

RESUMED = CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR  # these are entered more than once
ROUNDS, LOOKS = 2000, 200


def calls_of(runner: Runner, root: str) -> dict[str, int]:
    """How often one call runs each function that is in a file below `root`.

    By `file:line:name`, relative to that. Without generators and coroutines, without comprehensions
    and lambdas.
    """
    counts: dict[str, int] = {}
    below = root + os.sep

    def seen(frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        plain = not code.co_flags & RESUMED and not code.co_name.startswith("<")
        if event == "call" and plain and code.co_filename.startswith(below):
            where = code.co_filename[len(below) :].replace(os.sep, "/")
            name = f"{where}:{code.co_firstlineno}:{code.co_name}"
            counts[name] = counts.get(name, 0) + 1

    if runner.world:
        runner.world.enter()
    call = runner.ready()
    sys.setprofile(seen)
    try:
        call()
    finally:
        sys.setprofile(None)
    return counts


def loop_seconds() -> tuple[float, float]:
    """Seconds of a round of an empty loop, and of starting it, on this interpreter."""

    def taken(rounds: int) -> float:
        start = time.perf_counter_ns()
        for _ in repeat(None, rounds):
            pass
        return (time.perf_counter_ns() - start) * 1e-9

    none = min(taken(0) for _ in range(LOOKS))
    return (min(taken(ROUNDS) for _ in range(LOOKS)) - none) / ROUNDS, none
