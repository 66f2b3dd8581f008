"""How the time of a call is taken: in blocks of calls, so long that the clock does not count."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from typing import Any

from .clocks import time
from .isolation import World

Clock = Callable[[], int]  # nanoseconds
Call = Callable[[], Any]

# A block whose calls need preparing is long enough when all of it has taken this many times as
# long as a block that needs none.
PREPARED_BLOCKS = 10.0
# Seconds that asv wants a sample to take: it calls what is shorter several times. Two calls show
# what both the first and the following ones take.
SAMPLE, IN_A_ROW = 0.01, 2


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
    in_a_row : how many calls are made after each preparation.
    clock : that of its suite, in nanoseconds, instead of one of wall time.
    """

    call: Callable[..., Any]
    backend: str = "python"
    wait: Callable[[], None] = nothing
    calls: int = 1
    warm: bool = False
    world: World | None = None
    cpu_seconds: Sequence[float] = ()
    once: bool = False
    in_a_row: int = 1
    clock: Clock | None = None

    def apply(self, through: Callable[[Call], None]) -> None:
        """Have `through` make one call, of what is timed and needs no arguments."""
        if self.world:
            self.world.enter()
        through(self.call)

    def repeat_if_short(self, seconds: float) -> None:
        """Nothing: calls that nothing is prepared for are in a row anyway."""

    def run(self, args: tuple[Any, ...]) -> None:
        """Call it once, and time nothing."""
        if self.world:
            self.world.enter()
        self.call(*args)

    def block(self, args: tuple[Any, ...], clock: Clock = time.perf_counter_ns) -> float:
        """Seconds per call over one block of calls."""
        call, wait, clock = self.call, self.wait, self.clock or clock
        if self.world:
            self.world.enter()
        if self.warm:
            call(*args)
            wait()
        start = clock()
        for _ in repeat(None, self.calls):
            call(*args)
        wait()
        return max(clock() - start, 1) * 1e-9 / self.calls

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
    repeats : its suite makes several calls after each preparation, if they are short.
    once : as that of `Runner`.
    """

    def __init__(
        self,
        prepare: Callable[[], Call],
        finish: Call = nothing,
        repeats: bool = False,
        once: bool = False,
    ) -> None:
        super().__init__(self._once, once=once)
        self._prepare, self._finish, self._repeats = prepare, finish, repeats

    def apply(self, through: Callable[[Call], None]) -> None:
        """Have `through` make one call, or those in a row, prepared before and finished after."""
        if self.world:
            self.world.enter()
        call = self._prepare()
        through(call if self.in_a_row == 1 else partial(self._called, call))
        self._finish()

    def repeat_if_short(self, seconds: float) -> None:
        """Make several calls in a row from now on, if one of some `seconds` is short and bears it.

        A call that uses up what was prepared fails the second time.
        """
        if seconds >= SAMPLE or not self._repeats:
            return
        self.in_a_row = IN_A_ROW
        try:
            self.block()
        except Exception:
            self.in_a_row = 1

    def _called(self, call: Call) -> None:
        for _ in repeat(None, self.in_a_row):
            call()

    def _once(self) -> None:
        self._called(self._prepare())
        self._finish()

    def block(self, args: tuple[Any, ...] = (), clock: Clock = time.perf_counter_ns) -> float:
        """Seconds per call over one block; only what follows a preparation is timed."""
        if self.world:
            self.world.enter()
        if self.warm:
            self._once()
        clock, spent = self.clock or clock, 0
        for _ in repeat(None, self.calls):
            call = self._prepare()
            start = clock()
            for _ in repeat(None, self.in_a_row):
                call()
            spent += clock() - start
            self._finish()
        return max(spent, 1) * 1e-9 / self.calls / self.in_a_row
