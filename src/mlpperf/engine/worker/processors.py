"""The processors that threads run on: only one for calls whose threads take turns.

A thread that waits for another one sleeps, and how long it takes to wake up on another processor
varies: a request to a web application in two threads took 6.3 ms and scattered by 11 %; on one
processor it took 4.4 ms and scattered by 6 %. Nothing is lost there, as only one thread runs at a
time. Calls that use several processors at once, or start processes, keep them all; and calls of a
single thread, which scatter no less on one processor. Calls that also wait for something else use
few processors on average, so that it is tried whether they are as quick on one.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from random import Random

from .children import ended_children, has_children
from .clocks import time

# Seconds of processors per second, or those of a call on one processor per second on all, from
# which on several are used at once.
AT_ONCE = 1.05
SLEEPS = 20.0  # per second, from which on threads wait for each other
THREADS = Path("/proc/self/task")


class Usage:
    """What this process has used of its processors since the creation of this."""

    def __init__(self) -> None:
        self._before = _used()

    @property
    def takes_turns(self) -> bool:
        """Whether threads waited for each other, and hardly any ran at once; not processes."""
        wall, cpu, sleeps, ended = (now - then for now, then in zip(_used(), self._before))
        if ended or has_children() or not wall:
            return False
        return cpu <= AT_ONCE * wall and sleeps >= SLEEPS * wall


def _used() -> tuple[float, float, int, int]:
    try:
        import resource
    except ImportError:  # not on Windows
        return 0.0, 0.0, 0, 0
    sleeps = resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw
    return time.perf_counter(), time.process_time(), sleeps, ended_children()


@contextlib.contextmanager
def one_processor(rng: Random) -> Iterator[None]:
    """Have all threads, and those that they start, run on one processor, drawn from those allowed.

    Does nothing where the system does not offer that.
    """
    before = allowed() if THREADS.is_dir() else set()
    if len(before) < 2:
        yield
        return
    _all_stay_on([rng.choice(sorted(before))])
    try:
        yield
    finally:
        _all_stay_on(before)


def as_quick_on_one(times: Callable[[], Sequence[Sequence[float]]], rng: Random) -> bool:
    """Whether the quickest of each list of `times` is so, too, if all threads share a processor."""
    before = list(map(min, times()))
    with one_processor(rng):
        return all(min(on_one) <= AT_ONCE * least for on_one, least in zip(times(), before))


def allowed() -> set[int]:
    """The processors that this thread may run on; none where the system does not say that."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()


def stay_on(processors: Iterable[int], thread: int = 0) -> None:
    """Let a thread run on these processors only, where the system can do that; this one by default.

    Raises `OSError` if there is no such thread.
    """
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(thread, processors)


def _all_stay_on(processors: Iterable[int]) -> None:
    for thread in THREADS.iterdir():
        with contextlib.suppress(OSError):  # it has ended meanwhile
            stay_on(processors, int(thread.name))
