"""The least time of some bare work: the quickest of several measurements of several ways."""

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

LOOKS = 5  # measurements for each floor
FEWEST_LOOKS = 3  # the same if they take long
LOOKING = 0.1  # seconds after which the fewest suffice
BLOCK = 5e-4  # shortest block of calls, in seconds
SHARED_BLOCK = 2e-3  # the same for several threads, which do not start quite together
LONG_CALL = 1e-3  # calls longer than this, in seconds, need no correction for call overhead
ASKED_AGAIN = 20.0  # seconds after which a floor is measured again
KEPT = 2  # number of ways that are measured again after the first measurement of all


@dataclass(frozen=True)
class Floor:
    """The least time for some work.

    Attributes
    ----------
    seconds : without the overhead of a call; NaN where there is no ceiling, or where the work takes
        no longer than its overhead.
    error : the share by which the true time may be shorter.
    """

    seconds: float
    error: float

    @property
    def known(self) -> bool:
        """Whether there is a floor."""
        return not math.isnan(self.seconds)


UNKNOWN = Floor(math.nan, math.nan)


def remembered(measure: Callable[..., Floor]) -> Callable[..., Floor]:
    """Cache the floors of `measure`, and measure again after `ASKED_AGAIN` seconds.

    The quicker one is kept, because whatever slows a machine down may last for seconds. A known
    one replaces an unknown one.
    """
    known: dict[tuple[object, ...], tuple[float, Floor]] = {}

    @wraps(measure)
    def answer(*args: object) -> Floor:
        asked, floor = known.get(args, (-math.inf, UNKNOWN))
        if time.monotonic() - asked > ASKED_AGAIN:
            both = [one for one in (measure(*args), floor) if one.known]
            floor = min(both, key=lambda floor: floor.seconds, default=UNKNOWN)
            known[args] = time.monotonic(), floor
        return floor

    return answer


@dataclass(eq=False)
class Work:
    """A way to do some work, timed in blocks of calls.

    Attributes
    ----------
    parts : the calls; several parts run at the same time, each in a thread of its own.
    empty : the same call with next to nothing to do, whose time is subtracted.
    surroundings : creates the context in which it runs.
    calls : of each part in a block, enough to make the waking of threads negligible.
    least : seconds per call of the quickest block so far.
    """

    parts: Sequence[Call]
    empty: Work | None = None
    surroundings: Callable[[], AbstractContextManager[object]] = nullcontext
    calls: int = 0
    least: float = math.inf

    def look(self) -> float:
        """Time a block and return seconds per call; the first time, choose the number of calls."""
        with self.surroundings():
            elapsed = self._block() if self.calls else self._calibrate()
        seconds = elapsed / self.calls
        self.least = min(self.least, seconds)
        if self.empty and seconds < LONG_CALL:
            self.empty.look()
        return seconds

    def net(self, seconds: float) -> float:
        """`seconds` of a call without the overhead of a call."""
        if self.empty is None or seconds >= LONG_CALL:
            return seconds
        return max(seconds - self.empty.least, 0.0)

    def _calibrate(self) -> float:
        """Increase `calls` until a block is long enough, and return its seconds."""
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
    """The least time of the quickest of `works`.

    All of them are timed once, and then the best few in turns.
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
    # The overhead of a call is known best at the end.
    least = [min(work.net(t) for work, t in zip(kept, row, strict=True)) for row in looks]
    best = min(least)
    return Floor(best, 1 - best / statistics.median(least)) if best else UNKNOWN
