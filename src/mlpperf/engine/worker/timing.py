"""Timing in a worker: all versions in turns."""

from __future__ import annotations

import contextlib
import random
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from .clocks import time
from .isolation import leave
from .lines import begins
from .loading import Versions
from .marks import Functions, Marks
from .processors import Usage, as_quick_on_one, one_processor
from .protocol import HOTPATH, Message, Names, Samples, Session, Task
from .rounds import FEWEST_ROUNDS, VERSIONS, Turns, blaming, set_aside
from .runner import Runner
from .suite import Copy, one_line, why
from .timeout import TooLongError, at_most

# Of the seconds of a session, those for calls with marks: these scatter much less than whole calls.
MARKED_SHARE = 0.25
# The same for trying whether calls are slower on one processor, and again for trying it on all.
TRIED_SHARE = 0.1


class Ready:
    """Copies in which the same series is ready, until it has come to its end in all of them."""

    def __init__(self) -> None:
        self._copies: list[Copy] = []

    def begin(self, copy: Copy, names: Names, following: Names | None) -> Runner:
        """Get the series ready in a copy."""
        runner = copy.begin(names, following)
        self._copies.append(copy)
        return runner

    def end(self) -> None:
        """Let all come to their end."""
        leave()
        while self._copies:
            self._copies.pop().end()

    def give_up(self) -> None:
        """The same after a failure, without what would come after the call."""
        leave()
        while self._copies:
            self._copies.pop().give_up()

    def __enter__(self) -> Ready:
        """Itself."""
        return self

    def __exit__(self, failed: object, *_: object) -> None:
        """End all."""
        try:
            if not failed:
                self.end()
        finally:
            self.give_up()


@contextlib.contextmanager
def ready_in(
    copies: Mapping[str, Copy], names: Names, following: Names | None
) -> Iterator[dict[str, Runner]]:
    """What a series calls in a copy of each version, in which it is ready meanwhile."""
    with Ready() as ready:
        yield {side: ready.begin(copy, names, following) for side, copy in copies.items()}


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
    functions = {
        name: Functions({one for s in sessions for one in s.marks.get(name, ())}, of.root, of.whole)
        for name, of in task.sides.items()
    }
    for session, loaded, later in zip(sessions, chosen, reversed(following)):
        begins(session.series)
        yield _timed(task, session, loaded, later, functions, rng)
        set_aside()


def _timed(
    task: Task,
    session: Session,
    copies: dict[str, list[Copy]],
    following: dict[int, Names],
    functions: Mapping[str, Functions],
    rng: random.Random,
) -> Samples:
    """What a session gives; where a version fails, they name it, if that is known.

    `following` is the next series of each copy, by its `id`.
    """
    names, start = session.series, time.perf_counter()
    longest = session.seconds + task.longest
    sides = list(copies)
    every = [(number, copy) for number, side in enumerate(sides) for copy in copies[side]]
    contestants: list[list[Runner]] = [[] for _ in sides]
    try:
        give = _arguments(task, session, copies)
        with Ready() as ready:
            for number, copy in rng.sample(every, len(every)):
                with blaming(number):
                    runner = ready.begin(copy, names, following.get(id(copy)))
                runner.in_a_row = session.in_a_row
                contestants[number].append(runner)
            set_aside()
            with at_most(longest):
                usage = Usage()
                turns = Turns(contestants, give, VERSIONS, rng, clock=time.perf_counter_ns)
                with _processors(usage, turns, TRIED_SHARE * session.seconds, rng):
                    turns.go_on(session.seconds, FEWEST_ROUNDS)
                    marked, why_not = _marked(functions, session, turns)
    except BaseException as reason:  # what is called may fail at the hundredth time
        which = getattr(reason, "contestant", None)
        too_long = f"its calls did not end within {longest:.0f} s"
        return Samples(
            names,
            failed=too_long if isinstance(reason, TooLongError) else why(reason),
            failed_side="" if which is None else sides[which],
        )
    overhead = time.perf_counter() - start - turns.spent
    cpu_seconds = {
        side: statistics.median(chain.from_iterable(one.cpu_seconds for one in runners))
        for side, runners in zip(sides, contestants)
        if any(one.cpu_seconds for one in runners)
    }
    times = dict(zip(sides, turns.times))
    return Samples(
        names,
        times,
        turns.spent,
        overhead,
        cpu_seconds,
        marked=dict(zip(sides, marked)),
        not_marked=why_not,
    )


def _processors(
    usage: Usage, turns: Turns, seconds: float, rng: random.Random
) -> contextlib.AbstractContextManager[None]:
    """One processor if threads take turns and no version is slower there; else all."""

    def times() -> Sequence[Sequence[float]]:
        return turns.beside(seconds, lambda _, runner, args: runner.block(args))

    takes_turns = usage.takes_turns and as_quick_on_one(times, rng)
    return one_processor(rng) if takes_turns else contextlib.nullcontext()


def _marked(
    functions: Mapping[str, Functions], session: Session, turns: Turns
) -> tuple[list[list[float]], str]:
    """Seconds per call within the marked functions of each version, or why there are none."""
    if not session.marks:
        return [], ""
    if turns.has_own_clock:
        return [], "its suite measures it by another clock"
    marks: list[Marks] = []
    try:
        marks += [Marks(session.marks[name], of_side) for name, of_side in functions.items()]
        return turns.beside(
            MARKED_SHARE * session.seconds, lambda i, runner, args: marks[i].block(runner, args)
        ), ""
    except TooLongError:
        raise
    except Exception as reason:  # the project may look at its own functions
        return [], f"with marks, {one_line(reason)}"
    finally:
        for one in marks:
            one.end()


def _arguments(
    task: Task, session: Session, copies: dict[str, list[Copy]]
) -> Callable[[], Sequence[tuple[Any, ...]]]:
    """What gives the calls of each version their arguments; only those of hot paths have any."""
    if task.suite != HOTPATH:
        return lambda: [()] * len(copies)
    firsts: Any = {side: loads[0] for side, loads in copies.items()}
    from .hotpath_suite import arguments

    return arguments(firsts, session.series, session.shares_arguments)
