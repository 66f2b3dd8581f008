"""Timing in a worker: of all versions in turns, or of one whenever it is asked."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Optional

from .isolation import leave
from .lines import begins
from .loading import Versions
from .on_request import blocks_on_request
from .protocol import HOTPATH, Message, Names, Request, Samples, Session, Task
from .rounds import FEWEST_ROUNDS, VERSIONS, Turns, blamed, blaming, set_aside
from .runner import Runner
from .suite import Copy, why
from .timeout import TooLongError, at_most

Ask = Callable[[], Optional[Request]]


def time_sessions(versions: Versions) -> Iterator[Message]:
    """Seconds of each series in each version, by blocks that alternate."""
    task = versions.task
    rng = random.Random(task.seed)
    copies = versions.often(rng)
    sessions = rng.sample(task.sessions, len(task.sessions))
    # Further copies of a hot path are ready quickly, and average out where its code lies in memory.
    one_is_enough = task.suite != HOTPATH
    chosen = [
        {
            side: rng.sample(loads, 1) if session.long and one_is_enough else loads
            for side, loads in copies.items()
        }
        for session in sessions
    ]
    after: dict[int, Names] = {}  # the series that comes next, by the `id` of its copy
    following = []
    for session, loaded in zip(reversed(sessions), reversed(chosen)):
        following.append(dict(after))
        after.update((id(copy), session.series) for loads in loaded.values() for copy in loads)
    for session, loaded, later in zip(sessions, chosen, reversed(following)):
        begins(session.series)
        yield _timed(task, session, loaded, later, rng)
        set_aside()


def _timed(
    task: Task,
    session: Session,
    copies: dict[str, list[Copy]],
    following: dict[int, Names],
    rng: random.Random,
) -> Samples:
    """What a session gives; where a version fails, they name it, if that is known.

    `following` is the next series of each copy, by its `id`.
    """
    names, start, ready = session.series, time.perf_counter(), Ready()
    longest = session.seconds + task.longest
    sides = list(copies)
    every = [(number, copy) for number, side in enumerate(sides) for copy in copies[side]]
    try:
        for number, copy in rng.sample(every, len(every)):
            with blaming(number):
                ready.begin(copy, names, following.get(id(copy)))
        contestants = [[ready.runners[id(copy)] for copy in loads] for loads in copies.values()]
        give = _arguments(task, session, copies)
        set_aside()
        with at_most(longest):
            turns = Turns(contestants, give, VERSIONS, rng, clock=time.perf_counter_ns)
            turns.go_on(session.seconds, FEWEST_ROUNDS)
        ready.end()
    except BaseException as reason:  # what is called may fail at the hundredth time
        ready.give_up()
        which = blamed(reason)
        too_long = f"its calls did not end within {longest:.0f} s"
        return Samples(
            names,
            failed=too_long if isinstance(reason, TooLongError) else why(reason),
            failed_side="" if which is None else sides[which],
        )
    overhead = time.perf_counter() - start - turns.spent
    return Samples(names, dict(zip(sides, turns.times)), turns.spent, overhead)


def _arguments(
    task: Task, session: Session, copies: dict[str, list[Copy]]
) -> Callable[[], Sequence[tuple[Any, ...]]]:
    """What gives the calls of each version their arguments; only those of hot paths have any."""
    if task.suite != HOTPATH:
        return lambda: [()] * len(copies)
    firsts: Any = {side: loads[0] for side, loads in copies.items()}
    from .hotpath_suite import arguments

    return arguments(firsts, session.series, session.shares_arguments)


class Ready:
    """Copies in which the same series is ready, and what each calls, by their `id`."""

    def __init__(self) -> None:
        self.runners: dict[int, Runner] = {}
        self._copies: list[Copy] = []

    def begin(self, copy: Copy, names: Names, following: Names | None) -> Runner:
        """Get the series ready in a copy."""
        runner = self.runners[id(copy)] = copy.begin(names, following)
        self._copies.append(copy)
        return runner

    def end(self) -> None:
        """Let all come to their end."""
        leave()
        self.runners.clear()
        while self._copies:
            self._copies.pop().end()

    def give_up(self) -> None:
        """The same after a failure, which has been reported."""
        leave()
        self.runners.clear()
        while self._copies:
            self._copies.pop().give_up()


def time_on_request(versions: Versions, ask: Ask) -> Iterator[Message]:
    """Time a block whenever asked, while another process with another version waits."""
    rng = random.Random(versions.task.seed)
    (copies,) = versions.often(rng).values()
    ready = Ready()

    def begin(names: Names, long: bool) -> list[Runner]:
        begins(names)
        for copy in rng.sample(copies, 1 if long else len(copies)):
            ready.begin(copy, names, None)
        set_aside()
        return list(ready.runners.values())

    return blocks_on_request(begin, ready.end, ready.give_up, ask, rng, clock=time.perf_counter_ns)
