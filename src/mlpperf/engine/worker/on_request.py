"""Blocks on request: how a process takes turns with another one that has the other version.

Two processes on two processors differ by 10 to 20 %, because these are never equally quick; on one
and the same, by 2 %. So both stay on one while they time a series, unless its calls have threads.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from .rounds import collect_garbage, set_aside
from .runner import Clock, Runner
from .suite import why

# Of a block whose calls have threads, the process takes so many times what its first thread takes.
SHARED = 1.1


def blocks_on_request(
    begin: Callable[[Any, bool], list[Runner]],
    end: Callable[[], None],
    give_up: Callable[[], None],
    ask: Callable[[], Any],
    rng: random.Random,
    clock: Clock = time.perf_counter_ns,
) -> Iterator[dict[str, Any]]:
    """Do what is asked, line by line, until nothing is; an answer for each.

    Parameters
    ----------
    begin
        Gets a series ready, in one copy if its calls are long, and gives what each calls.
    end, give_up
        End it, also after a failure.
    ask
        Waits for the next request: `begin` a series, to be timed on a `processor`; time a block of
        so many `calls`; or `end`.
    rng
        Draws the copy that runs a block.
    clock
        Nanoseconds.
    """
    runners: list[Runner] = []
    everywhere = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else ()
    processor: int | None = None  # to go to after the first block, if that has no threads
    yield {"ready": True}
    while wanted := ask():
        try:
            if "begin" in wanted:
                runners, processor = begin(wanted["begin"], wanted["long"]), wanted["processor"]
                yield {"begun": True}
            elif "calls" in wanted:
                runner = rng.choice(runners)
                runner.calls, runner.warm = wanted["calls"], wanted["warm"]
                collect_garbage()
                before = time.process_time(), time.thread_time()
                seconds = runner.block((), clock)
                if processor is not None:
                    whole, ours = time.process_time() - before[0], time.thread_time() - before[1]
                    if whole < SHARED * ours:
                        _stay_on([processor])
                    processor = None
                yield {"seconds": seconds}
            else:
                _stay_on(everywhere)
                end()
                set_aside()
                yield {"ended": True}
        except BaseException as reason:  # anything may go wrong in some commit
            _stay_on(everywhere)
            give_up()
            yield {"failed": why(reason)}


def _stay_on(processors: Iterable[int]) -> None:
    """Let this thread run on these processors only, where that can be said."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, processors)
