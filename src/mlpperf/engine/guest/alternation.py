"""Blocks on request: how a process takes turns with another one that has the other version."""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

from .blocks import Clock, Runner
from .copies import why


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
        Waits for the next request: `begin` a series, time a block of so many `calls`, or `end`.
    rng
        Draws the copy that runs a block.
    clock
        Nanoseconds.
    """
    runners: list[Runner] = []
    yield {"ready": True}
    while wanted := ask():
        try:
            if "begin" in wanted:
                runners = begin(wanted["begin"], wanted["long"])
                yield {"begun": True}
            elif "calls" in wanted:
                runner = rng.choice(runners)
                runner.calls, runner.warm = wanted["calls"], wanted["warm"]
                yield {"seconds": runner.block((), clock)}
            else:
                end()
                gc.collect()
                gc.freeze()
                yield {"ended": True}
        except BaseException as reason:  # anything may go wrong in some commit
            give_up()
            yield {"failed": why(reason)}
