"""The module `time` as it was before a project was imported, and the time that others have taken.

A test may put other functions into that module, as packages that freeze the time do. By these, no
call would take any, and a worker that measures would seem to hang.
"""

from __future__ import annotations

import time as _time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

__all__ = ["clock_of", "time", "waited"]

OF_LINUX = Path("/proc/thread-self/schedstat")

if TYPE_CHECKING:
    import time
else:
    time = SimpleNamespace(**vars(_time))

# Timers of wall time, which suites name by habit; ours is as good.
WALL = (None, time.perf_counter, time.time, time.monotonic)


def clock_of(timer: Any) -> Callable[[], int] | None:
    """A clock in nanoseconds by a suite's timer, which gives seconds; None for wall time."""
    return None if timer in WALL else lambda: round(timer() * 1e9)


def waited() -> float:
    """Seconds for which this thread could have run while others did; 0 where that is unknown."""
    try:
        return int(OF_LINUX.read_text("ascii").split()[1]) * 1e-9
    except Exception:  # a project may put another `open` there
        return 0.0
