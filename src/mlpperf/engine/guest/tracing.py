"""Which functions of a project a series really runs, and how often, or any of some lines."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR
from itertools import repeat
from types import FrameType
from typing import Any

from .blocks import Runner

RESUMED = CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR  # these are entered more than once
# Of loops that are timed: their rounds, and how often each.
ROUNDS, LOOKS = (0, 25, 50, 100, 200, 400, 800, 1600, 6400), 200


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


class Watch:
    """Notes whether anything is run that begins in some lines of some files.

    In all threads that begin meanwhile. What another process runs is not seen; that one is started
    is. As a context manager it watches what is done within.

    Parameters
    ----------
    lines
        The first and the last ones, by file.

    Attributes
    ----------
    ran, started : whether any of it was run, or a process started, since the last `forget`.
    """

    PROCESSES = ("subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.system")

    def __init__(self, lines: Mapping[str, Sequence[Sequence[int]]]) -> None:
        self._lines, self._on = lines, False
        self.ran = self.started = False
        # Not by the code objects: those of two versions are equal, whatever their files.
        self._known: dict[tuple[str, int, str], bool] = {}
        sys.addaudithook(self._hear)

    def _hear(self, event: str, _: Any) -> None:
        if self._on and event in self.PROCESSES:
            self.started = True

    def _look(self, frame: FrameType, event: str, _: Any) -> None:
        """A function begins; its lines are of no interest."""
        code = frame.f_code
        place = code.co_filename, code.co_firstlineno, code.co_name
        known = self._known.get(place)
        if known is None:
            lines = self._lines.get(code.co_filename, ())
            inside = any(first <= code.co_firstlineno <= last for first, last in lines)
            known = self._known[place] = inside and code.co_name != "<module>"
        if known and self._on:
            self.ran = True

    @property
    def seen(self) -> bool:
        """Whether it may have been run."""
        return self.ran or self.started

    def forget(self) -> None:
        """Watch as if nothing had been run yet."""
        self.ran = self.started = False

    def __enter__(self) -> None:
        """Begin to watch."""
        self._on = True
        threading.settrace(self._look)
        sys.settrace(self._look)

    def __exit__(self, *reason: object) -> None:
        """Watch no longer."""
        sys.settrace(None)
        threading.settrace(None)
        self._on = False
        known = sys.modules.get("multiprocessing")  # whose processes may be there already
        self.started = self.started or bool(known and known.active_children())


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
    return [(rounds, found[LOOKS // 4]) for rounds, found in looks.items()]
