"""How the time of a call is taken: in blocks of calls, so long that the clock does not count."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...backends import Backend
from ...hotpath import Args, Variant
from ..worlds import World, lives_in

Clock = Callable[[], int]  # nanoseconds
Times = Sequence[float] | NDArray[np.float64]  # seconds

# A disturbance makes a block only slower, so of four in a row the quickest counts. Of disturbed
# series the error of a process is a third less for it; of longer rows it grows again.
ROW = 4


@dataclass
class Runner:
    """A contestant as it is timed: `calls` in a row make a block.

    `warm`: the block begins with a call that is not timed, so that it does not matter what the
    contestant that ran before has left in the processor's caches. `world`: in which it is called.
    """

    call: Callable[..., Any]
    backend: Backend
    calls: int = 1
    warm: bool = False
    world: World | None = None

    @classmethod
    def of(cls, variant: Variant) -> Runner:
        """The runner of a variant, which is compiled here if its backend does that.

        The world of its function is entered before each block, because that takes microseconds.
        """
        world, function = lives_in(variant.fn)
        if world:
            world.enter()
        return cls(replace(variant, fn=function).call, variant.backend, world=world)

    def run(self, args: Args) -> None:
        """Call it once, and time nothing."""
        if self.world:
            self.world.enter()
        self.call(*args)

    def block(self, args: Args, clock: Clock = time.perf_counter_ns) -> float:
        """Seconds per call over one block of calls."""
        call, wait = self.call, self.backend.wait
        if self.world:
            self.world.enter()
        if self.warm:
            call(*args)
            wait()
        start = clock()
        for _ in repeat(None, self.calls):
            call(*args)
        wait()
        return (clock() - start) * 1e-9 / self.calls

    def calibrate(self, args: Args, least: float, warm_below: float, clock: Clock) -> None:
        """Find out how many calls make a block of `least` seconds.

        Blocks shorter than `warm_below` seconds are made to begin with a call that is not timed.
        """
        while (elapsed := self.block(args, clock) * self.calls) < least:
            # Aim a little beyond, so that the next block is long enough in most cases.
            self.calls *= min(10, max(2, math.ceil(1.2 * least / max(elapsed, 1e-9))))
        self.warm = elapsed < warm_below


def quickest(times: Times) -> NDArray[np.float64]:
    """The least of every `ROW` times; what is left over at the end counts with the last ones."""
    starts = np.arange(0, max(len(times) - ROW, 0) + 1, ROW)
    return np.minimum.reduceat(np.asarray(times), starts)
