"""Blocks on request: how a worker takes turns with another one that has the other version.

Two processes on two processors differ by 10 to 20 %, because these are never equally quick; on one
and the same, by 2 %. So both stay on one while they time a series, unless its calls have threads.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Optional

from .clocks import time
from .lines import begins
from .loading import Versions
from .processors import allowed, stay_on
from .protocol import Begin, Block, Done, Failure, Message, Request
from .rounds import collect_garbage, set_aside
from .runner import Runner
from .suite import why
from .timing import Ready

# A block is multi-threaded if the process used this many times the CPU time of its main thread.
MULTI_THREADED = 1.1
Ask = Callable[[], Optional[Request]]


def time_on_request(versions: Versions, ask: Ask) -> Iterator[Message]:
    """Do what is asked until nothing is, with an answer for each; `ask` waits for the next one."""
    rng = random.Random(versions.task.seed)
    (copies,) = versions.often(rng).values()
    ready, runners = Ready(), list[Runner]()
    everywhere = allowed()
    processor = -1  # to go to after the first block, if that has no threads
    yield Done()
    while wanted := ask():
        answer: Done | Failure = Done()
        try:
            if isinstance(wanted, Begin):
                session = wanted.session
                begins(session.series)
                chosen = rng.sample(copies, 1 if session.long else len(copies))
                runners = [ready.begin(copy, session.series, None) for copy in chosen]
                for runner in runners:
                    runner.in_a_row = session.in_a_row
                processor = wanted.processor
                set_aside()
            elif isinstance(wanted, Block):
                runner = rng.choice(runners)
                runner.calls, runner.warm = wanted.calls, wanted.warm
                collect_garbage()
                before = time.process_time(), time.thread_time()
                seconds = runner.block((), time.perf_counter_ns)
                if processor >= 0:
                    whole, ours = time.process_time() - before[0], time.thread_time() - before[1]
                    if whole < MULTI_THREADED * ours:
                        stay_on([processor])
                    processor = -1
                answer = Done(seconds)
            else:
                stay_on(everywhere)
                ready.end()
                set_aside()
        except BaseException as reason:  # anything may go wrong in some commit
            stay_on(everywhere)
            ready.give_up()
            answer = Failure(why(reason))
        yield answer
