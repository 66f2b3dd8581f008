"""Contestants that take turns: a block of each in every round, so that noise hits all alike.

This is the one loop in which anything is timed: of a reference and its variants for a race, and of
two versions of one function for a comparison of commits.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from numpy.random import Generator

from ...hotpath import Args
from .blocks import Clock, Runner

# Calls that take longer, in seconds, do not depend on where their code and threads happen to lie.
LONG_CALL = 0.005
# The threads of one library wait for more work, spinning, while another library begins; an
# operation of TensorFlow right after a product of NumPy takes up to a third longer for it.
SETTLE = 0.1  # seconds between blocks of two libraries
# Where an array lies in memory can change the speed of a kernel by a third, always alike within a
# process and by chance in the next one. So contestants get new arguments after so many seconds.
RENEW_EVERY = 0.01


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
FUNCTIONS = Rules(block_seconds=1e-3, warm_below=0.02, same_work=False)
# Of blocks of 1 ms a pair scatters as much as of 0.1 ms, and takes ten times longer.
VERSIONS = Rules(block_seconds=1e-4, warm_below=0.0, same_work=True)


@dataclass(frozen=True)
class Rounds:
    """Seconds per call of each contestant in each round, and the seconds that all rounds took.

    `times` has a list for each contestant, all of one length.
    """

    times: list[list[float]]
    spent: float


def take_turns(
    contestants: Sequence[Sequence[Runner]],
    give: Callable[[], Sequence[Args]],
    seconds: float,
    rules: Rules,
    rng: Generator,
    *,
    fewest: int = 1,
    clock: Clock = time.perf_counter_ns,
    pause: Callable[[float], object] = time.sleep,
) -> Rounds:
    """Let contestants run in turns for so many `seconds`, and `fewest` rounds at least.

    Every round has the reverse order of the one before, so that what changes steadily meanwhile
    hits all alike; the first order is drawn. Contestants of one library stay together, and the last
    library of a round is the first of the next. If calls are long, the first ones count, too.

    Parameters
    ----------
    contestants
        Each as often as it is loaded; a block is run by one that is drawn, so that where its code
        lies in memory is averaged out. Long calls do not need that: then only the first one runs.
    give
        Makes new arguments for all contestants.
    seconds
        Of all rounds together, new arguments included, pauses between libraries not.
    fewest
        Rounds at least, whatever they take.
    clock, pause
        Nanoseconds, and how to wait for so many seconds.
    """
    order = _libraries_together(rng.permutation(len(contestants)).tolist(), contestants)
    args = give()
    firsts = [loads[0] for loads in contestants]
    paused, library = 0, firsts[0].backend.name  # nanoseconds; of the block before
    if len({first.backend.name for first in firsts}) > 1:
        library = ""  # whichever ran before

    def settle(runner: Runner) -> None:
        nonlocal paused, library
        if runner.backend.name != library:
            library, before = runner.backend.name, clock()
            pause(SETTLE)
            paused += clock() - before

    def first_blocks() -> None:
        for i in order:
            settle(firsts[i])
            times[i].append(firsts[i].block(args[i], clock))

    times: list[list[float]] = [[] for _ in contestants]
    first_blocks()
    if LONG_CALL <= max(map(max, times)) < 10 * LONG_CALL:  # the first call may start threads
        order.reverse()
        first_blocks()
    least = [min(found) for found in times]
    long = max(least) >= LONG_CALL
    if not (long if rules.same_work else min(least) >= LONG_CALL):
        times = [[] for _ in contestants]
        for i in order:
            settle(firsts[i])
            firsts[i].calibrate(args[i], rules.block_seconds, rules.warm_below, clock)
    used = [loads[:1] if long else loads for loads in contestants]
    # As few as the slowest needs: what takes a thousand times longer is to be told in time.
    calls = min(first.calls for first in firsts)
    for i, loads in enumerate(used):
        for runner in loads:
            runner.warm = firsts[i].warm
            runner.calls = calls if rules.same_work else firsts[i].calls
            if runner is not firsts[i]:
                runner.call(*args[i])  # what compiles does it now
    start = renewed = clock()
    paused_before = paused
    rounds = 0
    while True:
        rounds += 1
        order.reverse()
        for i in order:
            runner = used[i][int(rng.integers(len(used[i])))]
            settle(runner)
            times[i].append(runner.block(args[i], clock))
        now = clock()
        spent = (now - start - (paused - paused_before)) * 1e-9
        if len(times[0]) >= fewest and spent + spent / rounds / 2 > seconds:
            return Rounds(times, spent)
        if (now - renewed) * 1e-9 > RENEW_EVERY:
            args = give()
            renewed = clock()


def _libraries_together(order: Sequence[int], contestants: Sequence[Sequence[Runner]]) -> list[int]:
    """`order`, with the contestants of one library next to each other."""
    names = [contestants[i][0].backend.name for i in range(len(contestants))]
    seen = list(dict.fromkeys(names[i] for i in order))
    return sorted(order, key=lambda i: seen.index(names[i]))
