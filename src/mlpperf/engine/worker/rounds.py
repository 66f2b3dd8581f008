"""Contestants that take turns: a block of each in every round, so that noise hits all alike.

This is the one loop in which anything is timed: of a reference and its variants for a race, and of
two versions of one function for a comparison of commits.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from .clocks import time
from .runner import Clock, Runner

Args = tuple[Any, ...]

# Calls that take longer, in seconds, do not depend on where their code and threads happen to lie.
LONG_CALL = 0.005
# The threads of one library wait for more work, spinning, while another library begins; an
# operation of TensorFlow right after a product of NumPy takes up to a third longer for it.
SETTLE = 0.1  # seconds between blocks of two libraries
# Where an array lies in memory can change the speed of a kernel by a third, always alike within a
# process and by chance in the next one. So contestants get new arguments after this many seconds.
RENEW_EVERY = 0.01
# Where nothing collects garbage, every call would leave its own behind, take fresh memory, and find
# nothing of it in the caches: processes were apart by twice as much for it.
GARBAGE = 2000  # objects more than were freed, from which on garbage is collected before a block
# Rounds of a process, however long they are: the first may have to wait for fresh memory.
FEWEST_ROUNDS = 2


@dataclass(frozen=True)
class Rules:
    """How contestants take turns.

    Attributes
    ----------
    block_seconds : that a block takes at least. The shorter, the less comes between the blocks of
        a round, and the more rounds there are.
    warm_below : blocks shorter than this, in seconds, begin with a call that is not timed.
    same_work : contestants are versions of one function: their blocks have equally many calls, as
        many as the slowest needs, and what one leaves in the cache is no advantage to another.
    """

    block_seconds: float
    warm_below: float
    same_work: bool


# What ran before scatters single calls of another function by ±10 %, hence the call not timed.
# Blocks of 1 ms scatter no less, and of those there are three times fewer in the same seconds.
FUNCTIONS = Rules(block_seconds=3e-4, warm_below=0.02, same_work=False)
# Of blocks of 1 ms a pair scatters as much as of 0.1 ms, and takes ten times longer.
VERSIONS = Rules(block_seconds=1e-4, warm_below=0.0, same_work=True)
# A process that has waited for another one finds its caches cold, and what it runs first is slow.
PROCESSES = Rules(block_seconds=1e-3, warm_below=0.02, same_work=True)


class Turns:
    """Contestants that are ready to take turns, as often as `go_on` is called.

    Every round has the reverse order of the one before, so that what changes steadily meanwhile
    hits all alike; the first order is drawn. Contestants of one library stay together, and the last
    library of a round is the first of the next. If calls are long, the first ones count, too.

    Parameters
    ----------
    contestants : each as often as it is loaded; a block is run by one that is drawn, so that where
        its code lies in memory is averaged out. Long calls do not need that: then only the first
        one runs.
    give : makes new arguments for all contestants.
    clock, pause : nanoseconds, and how to wait for some seconds.

    Attributes
    ----------
    times : seconds per call of each contestant in each round; a list for each, all of one length.
    spent : seconds that all these rounds took; new arguments are in it, pauses between libraries
        are not.
    """

    def __init__(
        self,
        contestants: Sequence[Sequence[Runner]],
        give: Callable[[], Sequence[Args]],
        rules: Rules,
        rng: Random,
        *,
        clock: Clock = time.perf_counter_ns,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        self._give, self._rng, self._clock, self._pause = give, rng, clock, pause
        order = rng.sample(range(len(contestants)), len(contestants))
        self._order = _libraries_together(order, contestants)
        self._paused = 0  # nanoseconds
        firsts = [loads[0] for loads in contestants]
        self._libraries = {first.backend for first in firsts}
        self._turned_to_others()
        self._args = give()
        self._renewed = clock()
        self.times: list[list[float]] = [[] for _ in contestants]
        self.spent = 0.0
        self._used: list[Sequence[Runner]] = [loads[:1] for loads in contestants]
        self._timed_round()
        if LONG_CALL <= max(map(max, self.times)) < 10 * LONG_CALL:
            self._timed_round()  # because the first call may have started threads
        least = [min(times) for times in self.times]
        long = max(least) >= LONG_CALL
        if not (long if rules.same_work else min(least) >= LONG_CALL):
            self.times, self.spent = [[] for _ in contestants], 0.0
            for i in self._order:
                self._settle(firsts[i])
                with blaming(i):
                    firsts[i].calibrate(self._args[i], rules.block_seconds, rules.warm_below, clock)
        if not long:
            self._used = list(contestants)
        # As few as the slowest needs: a call that takes a thousand times longer must end in time.
        calls = min(first.calls for first in firsts)
        for i, loads in enumerate(self._used):
            for runner in loads:
                runner.warm = firsts[i].warm
                runner.calls = calls if rules.same_work else firsts[i].calls
                if runner is not firsts[i]:
                    with blaming(i):
                        runner.run(self._args[i])  # what compiles does it now

    def go_on(self, seconds: float, fewest: int = 1) -> None:
        """Let them run until all rounds have taken these `seconds`, and there are `fewest`."""
        self._turned_to_others()
        while True:
            rounds = len(self.times[0])
            if rounds >= fewest and self.spent + self.spent / rounds / 2 > seconds:
                return
            if (self._clock() - self._renewed) * 1e-9 > RENEW_EVERY:
                start = self._clock()
                self._args = self._give()
                self._renewed = self._clock()
                self.spent += (self._renewed - start) * 1e-9
            self._timed_round()

    @property
    def has_own_clock(self) -> bool:
        """Whether a contestant is measured by another clock than the rounds."""
        return any(runner.clock for loads in self._used for runner in loads)

    def beside(
        self, seconds: float, block: Callable[[int, Runner, Args], float]
    ) -> list[list[float]]:
        """What `block` gives for a block of each contestant, in rounds whose times do not count.

        They take these `seconds`, but there is one at least.
        """
        given: list[list[float]] = [[] for _ in self.times]
        spent = 0.0
        while not given[0] or spent < seconds:
            spent += self._round(given, block)
        return given

    def _timed_round(self) -> None:
        self.spent += self._round(self.times, self._timed)

    def _timed(self, contestant: int, runner: Runner, args: Args) -> float:
        return runner.block(args, self._clock)

    def _turned_to_others(self) -> None:
        """Forget which library ran last, if that matters: something else has run meanwhile."""
        self._ran_last = "" if len(self._libraries) > 1 else min(self._libraries)

    def _settle(self, runner: Runner) -> None:
        """Let the threads of the library that ran before come to rest."""
        if runner.backend != self._ran_last:
            self._ran_last, before = runner.backend, self._clock()
            self._pause(SETTLE)
            self._paused += self._clock() - before

    def _round(
        self, given: Sequence[list[float]], block: Callable[[int, Runner, Args], float]
    ) -> float:
        """Append what `block` gives for a block of each; the seconds that this takes."""
        self._order.reverse()
        start, paused_before = self._clock(), self._paused
        for i in self._order:
            loads = self._used[i]
            runner = loads[self._rng.randrange(len(loads))]
            self._settle(runner)
            collect_garbage()
            with blaming(i):
                given[i].append(block(i, runner, self._args[i]))
        return (self._clock() - start - (self._paused - paused_before)) * 1e-9


class blaming:
    """Note on an exception which contestant has raised it, as its attribute `contestant`."""

    def __init__(self, contestant: int) -> None:
        self._contestant = contestant

    def __enter__(self) -> None:
        """Nothing."""

    def __exit__(self, kind: object, reason: BaseException | None, trace: object) -> None:
        """Note it."""
        if reason is not None:
            with contextlib.suppress(AttributeError):
                reason.contestant = self._contestant  # type: ignore[attr-defined]


def collect_garbage() -> None:
    """Collect what calls have left, if that is much, and Python does not do so by itself."""
    if gc.get_count()[0] > GARBAGE and not gc.isenabled():
        gc.collect()


def set_aside() -> None:
    """Let no collection of garbage look at what is there now, such as modules and fixtures."""
    gc.collect()
    gc.freeze()


def _libraries_together(order: Sequence[int], contestants: Sequence[Sequence[Runner]]) -> list[int]:
    """`order`, with the contestants of one library next to each other."""
    names = [contestants[i][0].backend for i in range(len(contestants))]
    seen = list(dict.fromkeys(names[i] for i in order))
    return sorted(order, key=lambda i: seen.index(names[i]))
