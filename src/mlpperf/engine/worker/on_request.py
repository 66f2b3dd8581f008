"""Blocks on request: how a worker takes turns with another one that has the other version.

Two processes on two processors differ by 10 to 20 %, because these are never equally quick; on one
and the same, by 2 %. So both stay on one while they time a series, unless its calls have threads.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterable, Iterator

from .protocol import Begin, Block, Done, Failure, Message, Names, Request
from .rounds import collect_garbage, set_aside
from .runner import Clock, Runner
from .suite import why

# A block is multi-threaded if the process used this many times the CPU time of its main thread.
MULTI_THREADED = 1.1


def blocks_on_request(
    begin: Callable[[Names, bool], list[Runner]],
    end: Callable[[], None],
    give_up: Callable[[], None],
    ask: Callable[[], Request | None],
    rng: random.Random,
    clock: Clock = time.perf_counter_ns,
) -> Iterator[Message]:
    """Do what is asked, line by line, until nothing is; an answer for each.

    Parameters
    ----------
    begin
        Gets a series ready, in one copy if its calls are long, and gives what each calls.
    end, give_up
        End it, also after a failure.
    ask
        Waits for the next request; None if there is none.
    rng
        Draws the copy that runs a block.
    clock
        Nanoseconds.
    """
    runners: list[Runner] = []
    everywhere = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else ()
    processor = -1  # to go to after the first block, if that has no threads
    yield Done()
    while wanted := ask():
        try:
            if isinstance(wanted, Begin):
                runners, processor = begin(wanted.series, wanted.long), wanted.processor
                yield Done()
            elif isinstance(wanted, Block):
                runner = rng.choice(runners)
                runner.calls, runner.warm = wanted.calls, wanted.warm
                collect_garbage()
                before = time.process_time(), time.thread_time()
                seconds = runner.block((), clock)
                if processor >= 0:
                    whole, ours = time.process_time() - before[0], time.thread_time() - before[1]
                    if whole < MULTI_THREADED * ours:
                        _stay_on([processor])
                    processor = -1
                yield Done(seconds)
            else:
                _stay_on(everywhere)
                end()
                set_aside()
                yield Done()
        except BaseException as reason:  # anything may go wrong in some commit
            _stay_on(everywhere)
            give_up()
            yield Failure(why(reason))


def _stay_on(processors: Iterable[int]) -> None:
    """Let this thread run on these processors only, where the system can do that."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, processors)
