"""Which functions of a project a series really runs, and how often."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Sequence
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR
from itertools import repeat
from types import FrameType
from typing import Any

from .clocks import time
from .counting import FunctionNames
from .runner import Call, Runner

RESUMED = CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR  # these are entered more than once
# Of loops that are timed: their rounds, and how often each.
ROUNDS, LOOKS = (0, 25, 50, 100, 200, 400, 800, 1600, 6400), 200


def calls_of(runner: Runner, root: str) -> dict[str, int]:
    """How often one call runs each function that is in a file below `root`.

    By `file:line:name`, relative to that. Without generators and coroutines, without comprehensions
    and lambdas.
    """
    counts: dict[str, int] = {}
    names = FunctionNames(root)

    def seen(frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        plain = not code.co_flags & RESUMED and not code.co_name.startswith("<")
        if event == "call" and plain and (name := names(code)):
            counts[name] = counts.get(name, 0) + 1

    def through(call: Call) -> None:
        sys.setprofile(seen)
        try:
            call()
        finally:
            sys.setprofile(None)

    runner.apply(through)
    return counts


class Beginnings:
    """Notes where functions of a version begin while it is entered, in all threads started then.

    Generators, coroutines and lambdas are noted, too.
    """

    def __init__(self, whole: str) -> None:
        self._names = FunctionNames(whole)
        self._codes: dict[int, Any] = {}  # to compare code objects would compare their contents

    @property
    def places(self) -> set[str]:
        """The places so far, as `file:line` with the file's path below the version's folder."""
        names = filter(None, map(self._names, self._codes.values()))
        return {name.rpartition(":")[0] for name in names}

    def _look(self, frame: FrameType, event: str, _: Any) -> None:
        if event == "call":
            self._codes[id(frame.f_code)] = frame.f_code

    def __enter__(self) -> None:
        """Begin to note."""
        threading.setprofile(self._look)
        sys.setprofile(self._look)

    def __exit__(self, *reason: object) -> None:
        """Note nothing any more."""
        sys.setprofile(None)
        threading.setprofile(None)


def foreign_file(runner: Runner, others: Sequence[str]) -> str:
    """A file below one of the folders `others` of which a call runs a function; or nothing.

    Versions in one process may meet in a register of a package that both use: the later one's class
    or function is then in it for both.
    """
    below = tuple(f"{folder}{os.sep}" for folder in others)
    files: list[str] = []

    def look(frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and not files and frame.f_code.co_filename.startswith(below):
            files.append(frame.f_code.co_filename)

    before = sys.getprofile()
    sys.setprofile(look)
    try:
        runner.block(())
    finally:
        sys.setprofile(before)
    return files[0] if files else ""


def loop_times() -> list[tuple[int, float]]:
    """Seconds that an empty loop takes on this interpreter, by the number of its rounds.

    Other work comes in between, as it does where loops are planted: by itself a loop is quicker.
    The lower quartile counts, because a disturbance only adds time.
    """
    numbers = [7 * number % 301 for number in range(300)]

    def taken(rounds: int) -> float:
        sorted(numbers)
        start = time.perf_counter_ns()
        for _ in repeat(None, rounds):
            pass
        return (time.perf_counter_ns() - start) * 1e-9

    looks = {rounds: sorted(taken(rounds) for _ in range(LOOKS)) for rounds in ROUNDS}
    return [(rounds, seconds[LOOKS // 4]) for rounds, seconds in looks.items()]
