"""The worker: the process of the measured project that discovers, checks and times its benchmarks.

It reads its task from standard input, one line of JSON, and answers with a line for each series, so
that what is done is not lost if the process is. Whatever the project prints goes to standard error.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Optional

from .allocations import memory_of
from .children import Children
from .dry_run import AbortedError, Touched, call_time, touched
from .isolation import leave
from .lines import Line, begins
from .loading import DependentError, Versions
from .on_request import blocks_on_request
from .protocol import (
    COMMANDS,
    HOTPATH,
    DryRun,
    Inventory,
    LoopTimes,
    MemoryCounts,
    Message,
    Names,
    Places,
    Refusal,
    Request,
    Samples,
    Session,
    Task,
    Touch,
    Trace,
    Value,
    from_json,
    to_json,
)
from .rounds import FEWEST_ROUNDS, VERSIONS, Turns, blamed, blaming, set_aside
from .runner import Runner
from .shared_state import shared_state
from .suite import Copy, FailedError, MixedError, NotTimedError, SkippedError, why
from .timeout import TooLongError, at_most
from .tracing import Beginnings, calls_of, loop_times
from .watching import Watch

Ask = Callable[[], Optional[Request]]


def main() -> None:
    """Do the task on standard input."""
    line = Line()

    def ask() -> Request | None:
        content = line.ask()
        request: Request | None = content and from_json(content)
        return request

    try:
        line.answer(lambda content: map(to_json, work(from_json(content), ask)))
    except Exception as reason:
        leave()
        if errors := sys.modules.get("mlpperf.errors"):  # which hot paths need
            missing = isinstance(reason, ModuleNotFoundError) and errors.missing(reason)
            if missing or isinstance(reason, errors.MlpperfError):
                sys.exit(f"mlpperf: {missing or reason}")
        raise


def work(task: Task, ask: Ask) -> Iterator[Message]:
    """Do a task, with an answer for each series; `ask` waits for the next request."""
    sys.path[:0] = task.path
    versions = Versions(task)
    answers: dict[str, Callable[[Versions], Iterable[Message]]] = {
        "discover": _discover,
        "dry_run": _dry_run,
        "time": _time,
        "on_request": partial(_on_request, ask=ask),
        "value": _value,
        "memory": _memory,
        "trace": _trace,
        "places": _places,
        "touch": _touch,
        "race": _race,
    }
    if task.suite == COMMANDS:
        from . import command_suite

        answers.update(dry_run=command_suite.dry_run, memory=command_suite.memory)
    try:
        yield from answers[task.kind](versions)
        versions.check()
        versions.check_independence()
    except MixedError as reason:
        yield Refusal(str(reason))
    except DependentError as reason:
        yield Refusal(str(reason), of_copies=True)


def _discover(versions: Versions) -> Iterator[Message]:
    """The series of each version, and what of them cannot be loaded."""
    if len(versions.task.sides) > 1:
        yield from _beside(versions)
        return
    for name in versions.task.sides:
        try:
            copy = versions.load(name)
        except MixedError as reason:
            yield Refusal(str(reason))
        except BaseException as reason:  # anything may go wrong in some commit
            yield Inventory(name, broken={"": why(reason)})
        else:
            hot_paths = getattr(copy, "contents", {})
            shared = {} if hot_paths else shared_state()
            registered = "" if hot_paths else versions.registered()
            given = copy.series, copy.broken, copy.loading, hot_paths, shared, registered
            yield Inventory(name, *given)


def _beside(versions: Versions) -> Iterator[Message]:
    """The series of each copy, where as many are loaded as for timing."""
    try:
        copies = versions.often(random.Random(versions.task.seed))
    except (DependentError, MixedError):
        raise
    except BaseException as reason:  # an extension module may refuse in any way
        raise DependentError(why(reason)) from reason
    for name, loads in copies.items():
        for copy in loads:
            yield Inventory(name, copy.series, copy.broken)


def _each(series: Sequence[Names]) -> Iterator[tuple[Names, Names | None]]:
    """Each series, and the one that comes next."""
    for names, following in zip(series, [*series[1:], None]):
        begins(names)
        yield names, following


def _dry_run(versions: Versions) -> Iterator[Message]:
    """For each series and version: whether it runs through, and how long a call takes."""
    task = versions.task
    copies = versions.all()
    if task.suite == HOTPATH:
        from .hotpath_dry_run import dry_run

        yield from dry_run(copies, task.series, Path(task.inputs))  # type: ignore[arg-type]
        return
    children = Children()
    for names, following in _each(task.series):
        answer = DryRun(names, next(iter(copies.values())).quantity(names))
        for name, copy in copies.items() if answer.quantity == "time" else ():
            children.forget()
            others = [side.whole for other, side in task.sides.items() if other != name]
            try:
                took = call_time(copy, names, following, task.longest, task.repeat, others)
                if why_unknown := children.unknown:
                    raise NotTimedError(why_unknown)
                answer.took[name] = took
            except AbortedError:
                answer.aborted[name] = task.longest
            except SkippedError as reason:
                answer.skipped[name] = str(reason)
            except NotTimedError as reason:
                answer.untimed[name] = str(reason)
            except FailedError as reason:
                answer.failed[name] = str(reason)
            if stray := children.strayed:
                raise MixedError(name, stray)
        yield answer


def _value(versions: Versions) -> Iterator[Message]:
    """What series of the only version give that measure no time."""
    _, copy = versions.only()
    for names, _ in _each(versions.task.series):
        try:
            value, unit = copy.value(names)
        except FailedError as reason:
            yield Value(names, failed=str(reason))
        except SkippedError as reason:
            yield Value(names, skipped=str(reason))
        except NotTimedError as reason:
            yield Value(names, untimed=str(reason))
        else:
            yield Value(names, value, unit)


def _memory(versions: Versions) -> Iterator[Message]:
    """What memory calls of each series take in each version, after one that is not counted."""
    task = versions.task
    rng = random.Random(task.seed)
    copies = {name: versions.load(name) for name in rng.sample(list(task.sides), len(task.sides))}
    for names, following in _each(task.series):
        ready = _Ready()
        try:
            calls = {
                name: partial(ready.begin(copy, names, following).run, ())
                for name, copy in copies.items()
            }
            for call in calls.values():
                call()
            yield MemoryCounts(names, memory_of(calls, task.calls))
        finally:
            ready.end()


def _trace(versions: Versions) -> Iterator[Message]:
    """What one call of each series runs in the only version there is."""
    name, copy = versions.only()
    root = versions.task.sides[name].root
    yield LoopTimes(loop_times())
    for names, following in _each(versions.task.series):
        try:
            runner = copy.begin(names, following)
            try:
                yield Trace(names, calls_of(runner, root))
            finally:
                leave()
                copy.end()
        except (FailedError, NotTimedError):
            continue


def _places(versions: Versions) -> Iterator[Message]:
    """Where the functions begin that each series runs in the only version, its loading included."""
    ((_, side),) = versions.task.sides.items()
    beginnings = Beginnings(side.whole)
    with beginnings:
        _, copy = versions.only()
    for names, following in _each(versions.task.series):
        try:
            with beginnings:
                runner = copy.begin(names, following)
            try:
                with beginnings:
                    runner.block(())
            finally:
                leave()
                copy.end()
        except (FailedError, NotTimedError):
            continue
        yield Places(names, sorted(beginnings.places))


def _touch(versions: Versions) -> Iterator[Message]:
    """Whether each series may run anything that changed, in either version, and why.

    What is run while the suite is loaded is shared by all series.
    """
    task = versions.task
    watch = Watch(task.changed, {name: side.root for name, side in task.sides.items()})
    with watch:
        copies = versions.all()
    shared = watch.loaded()
    for names, following in _each(task.series):
        reason = shared
        for copy in copies.values() if not shared else ():
            which, because = touched(copy, names, following, task.longest, watch)
            reason = reason or because
            shared = shared or (because if which is Touched.SHARED else "")
        yield Touch(names, reason)


def _time(versions: Versions) -> Iterator[Message]:
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
    names, start, ready = session.series, time.perf_counter(), _Ready()
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


class _Ready:
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


def _on_request(versions: Versions, ask: Ask) -> Iterator[Message]:
    """Time a block whenever asked, while another process with another version waits."""
    rng = random.Random(versions.task.seed)
    (copies,) = versions.often(rng).values()
    ready = _Ready()

    def begin(names: Names, long: bool) -> list[Runner]:
        begins(names)
        for copy in rng.sample(copies, 1 if long else len(copies)):
            ready.begin(copy, names, None)
        set_aside()
        return list(ready.runners.values())

    return blocks_on_request(begin, ready.end, ready.give_up, ask, rng, clock=time.perf_counter_ns)


def _race(versions: Versions) -> Iterator[Message]:
    """Times of a reference and its variants, in turns."""
    from .race import time_contests

    yield from time_contests(versions.task)
