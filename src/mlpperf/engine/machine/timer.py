"""Bare work and the least time that it takes: the quickest of several looks at several ways."""

from __future__ import annotations

import math
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import lru_cache, wraps
from itertools import repeat

from ...devices import threads

Call = Callable[[], object]

LOOKS = 5  # at the clock, for each floor
FEWEST_LOOKS = 3  # where they take long
LOOKING = 0.1  # seconds after which the fewest looks suffice
BLOCK = 5e-4  # seconds of calls between two looks at the clock, at least
SHARED_BLOCK = 2e-3  # the same for several threads, which do not begin quite together
LONG_CALL = 1e-3  # seconds of a call from which it is of no account what an empty one takes
ASKED_AGAIN = 20.0  # seconds after which a floor is measured again
KEPT = 2  # ways that are looked at again, after all were looked at once


@dataclass(frozen=True)
class Floor:
    """The least time for some work.

    Attributes
    ----------
    seconds : that were measured, without what a call costs; NaN where no ceiling is known.
    error : the share by which the truth may lie below that.
    """

    seconds: float
    error: float


def remembered(measure: Callable[..., Floor]) -> Callable[..., Floor]:
    """What `measure` has found for these arguments; some time later it is asked once more.

    The quicker answer counts, because whatever slows a machine down may last for seconds.
    """
    known: dict[tuple[object, ...], tuple[float, Floor]] = {}

    @wraps(measure)
    def answer(*args: object) -> Floor:
        asked, floor = known.get(args, (-math.inf, Floor(math.inf, 0.0)))
        if time.monotonic() - asked > ASKED_AGAIN:
            floor = min(measure(*args), floor, key=lambda floor: floor.seconds)
            known[args] = time.monotonic(), floor
        return floor

    return answer


@dataclass(eq=False)
class Work:
    """A way to do some work, several times between two looks at the clock.

    Attributes
    ----------
    parts : what is called; of several parts each by a thread of its own, all at the same time.
    empty : the same call with next to nothing to do, whose time does not count.
    surroundings : makes the context in which it runs.
    calls : of each part between two looks, so many that waking threads does not count either.
    least : seconds per call of the quickest look so far.
    """

    parts: Sequence[Call]
    empty: Work | None = None
    surroundings: Callable[[], AbstractContextManager[object]] = nullcontext
    calls: int = 0
    least: float = math.inf

    def look(self) -> float:
        """Seconds per call; the first time it is found out how many calls make a block."""
        with self.surroundings():
            elapsed = self._block() if self.calls else self._calibrate()
        seconds = elapsed / self.calls
        self.least = min(self.least, seconds)
        if self.empty and seconds < LONG_CALL:
            self.empty.look()
        return seconds

    def net(self, seconds: float) -> float:
        """`seconds` of a call without what it costs whatever it does."""
        if self.empty is None or seconds >= LONG_CALL:
            return seconds
        return max(seconds - self.empty.least, 0.0)

    def _calibrate(self) -> float:
        """Seconds of the first block that is long enough."""
        least = BLOCK if len(self.parts) == 1 else SHARED_BLOCK
        self.calls = 1
        while (elapsed := self._block()) < least:
            self.calls *= min(10, max(2, math.ceil(1.2 * least / max(elapsed, 1e-9))))
        return elapsed

    def _block(self) -> float:
        """Seconds from the first start to the last end."""
        begin = threading.Barrier(len(self.parts))

        def timed(call: Call) -> tuple[float, float]:
            begin.wait()
            start = time.perf_counter()
            for _ in repeat(None, self.calls):
                call()
            return start, time.perf_counter()

        others = [_pool(threads()).submit(timed, part) for part in self.parts[1:]]
        spans = [timed(self.parts[0]), *(other.result() for other in others)]
        return max(end for _, end in spans) - min(start for start, _ in spans)


@lru_cache(maxsize=1)
def _pool(size: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(size, thread_name_prefix="mlpperf-ceiling")


def quickest_of(works: Sequence[Work]) -> Floor:
    """The quickest look at the quickest of `works`.

    After a first look at all of them the best few are looked at in turns.
    """
    first = [work.look() for work in works]
    order = sorted(range(len(works)), key=lambda i: works[i].net(first[i]))
    kept = [works[i] for i in order[:KEPT]]
    looks: list[list[float]] = []
    start = time.perf_counter()
    while len(looks) < FEWEST_LOOKS or (
        len(looks) < LOOKS and time.perf_counter() - start < LOOKING
    ):
        looks.append([work.look() for work in kept])
    # What an empty call takes is known best at the end.
    least = [min(work.net(t) for work, t in zip(kept, row, strict=True)) for row in looks]
    best = min(least)
    return Floor(best, 1 - best / statistics.median(least) if best else 0.0)
