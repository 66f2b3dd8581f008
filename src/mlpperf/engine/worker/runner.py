"""How the time of a call is taken: in blocks of calls, so long that the clock does not count."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any

from .clocks import time
from .isolation import World

Clock = Callable[[], int]  # nanoseconds
Call = Callable[[], Any]

# A block whose calls need preparing is long enough when all of it has taken this many times as
# long as a block that needs none.
PREPARED_BLOCKS = 10.0


def nothing() -> None:
    """Python is done when a call returns."""


@dataclass
class Runner:
    """A contestant as it is timed: `calls` in a row make a block.

    Attributes
    ----------
    call : the function.
    backend : the library by its name; its threads may go on spinning after a call.
    wait : returns when the device is done.
    warm : the block begins with a call that is not timed, so that it does not matter what the
        contestant that ran before has left in the processor's caches.
    world : in which it is called; entered before each block, because that takes microseconds.
    cpu_seconds : of each call, if calls are processes.
    once : its suite makes a single call.
    """

    call: Callable[..., Any]
    backend: str = "python"
    wait: Callable[[], None] = nothing
    calls: int = 1
    warm: bool = False
    world: World | None = None
    cpu_seconds: Sequence[float] = ()
    once: bool = False

    def apply(self, through: Callable[[Call], None]) -> None:
        """Have `through` make one call, of what is timed and needs no arguments."""
        if self.world:
            self.world.enter()
        through(self.call)

    def run(self, args: tuple[Any, ...]) -> None:
        """Call it once, and time nothing."""
        if self.world:
            self.world.enter()
        self.call(*args)

    def block(self, args: tuple[Any, ...], clock: Clock = time.perf_counter_ns) -> float:
        """Seconds per call over one block of calls."""
        call, wait = self.call, self.wait
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

    def calibrate(
        self, args: tuple[Any, ...], least: float, warm_below: float, clock: Clock
    ) -> None:
        """Find out how many calls make a block of `least` seconds.

        Blocks shorter than `warm_below` seconds are made to begin with a call that is not timed.
        """
        start = clock()
        while (elapsed := self.block(args, clock) * self.calls) < least:
            whole, start = (clock() - start) * 1e-9, clock()
            if whole > PREPARED_BLOCKS * max(least, elapsed):  # nearly all of it is preparing
                break
            # Aim a little beyond, so that the next block is long enough in most cases.
            self.calls *= min(10, max(2, math.ceil(1.2 * least / max(elapsed, 1e-9))))
        self.warm = elapsed < warm_below


class PreparedRunner(Runner):
    """A contestant that needs something new for every call, which is not timed.

    Parameters
    ----------
    prepare : gives what is to be called, with all its arguments.
    finish : is called after it.
    """

    def __init__(
        self, prepare: Callable[[], Call], finish: Call = nothing, world: World | None = None
    ) -> None:
        super().__init__(self._once, world=world)
        self._prepare, self._finish = prepare, finish

    def apply(self, through: Callable[[Call], None]) -> None:
        """Have `through` make one call, prepared before and finished after it."""
        if self.world:
            self.world.enter()
        through(self._prepare())
        self._finish()

    def _once(self) -> None:
        self._prepare()()
        self._finish()

    def block(self, args: tuple[Any, ...] = (), clock: Clock = time.perf_counter_ns) -> float:
        """Seconds per call over one block; each call is timed by itself."""
        if self.world:
            self.world.enter()
        if self.warm:
            self._once()
        spent = 0
        for _ in repeat(None, self.calls):
            call = self._prepare()
            start = clock()
            call()
            spent += clock() - start
            self._finish()
        return spent * 1e-9 / self.calls
