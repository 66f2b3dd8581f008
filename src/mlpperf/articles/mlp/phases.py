"""Where the time of a batch goes, phase by phase, as the articles print it.

The methods of one object are replaced by timed ones, so a rung that is not watched pays nothing. A
compiled rung reads the clock itself.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

from .rungs import Phase, Step0


class PhaseClock:
    """Seconds of every phase of `rung`, and its batches, from the making of this clock on.

    Where a rung shares its batches among processes, only the part of this process is seen.
    """

    def __init__(self, rung: Step0) -> None:
        self.seconds: defaultdict[Phase, float] = defaultdict(float)
        self.batches = 0
        rung.clock = self.add
        for method, label in rung.phases.items():
            setattr(rung, method, self._timed(getattr(rung, method), label))

    def _timed(self, method: Callable[..., Any], label: str) -> Callable[..., Any]:
        layered, counts = label.startswith("t"), label == "update"
        seconds, clock = self.seconds, time.perf_counter

        def timed(*args: Any) -> Any:
            start = clock()
            result = method(*args)
            seconds[label, args[0] if layered else None] += clock() - start
            if counts:
                self.batches += 1
            return result

        return timed

    def add(self, batches: int, seconds: Mapping[Phase, float]) -> None:
        """Count batches of a rung that times its phases itself."""
        self.batches += batches
        for phase, spent in seconds.items():
            self.seconds[phase] += spent

    def per_batch(self) -> dict[Phase, float]:
        """Seconds per batch of every phase; t1 to t6 are parts of backward, per layer."""
        return {key: spent / max(self.batches, 1) for key, spent in self.seconds.items()}
