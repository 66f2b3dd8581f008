"""The worker: the process of the measured project that discovers, checks and times its benchmarks.

It reads its task from standard input, one line of JSON, and answers with a line for each series, so
that what is done is not lost if the process is. Whatever the project prints goes to standard error.
"""

from __future__ import annotations

import contextlib
import random
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from .absent import AbsentFiles
from .allocations import least_memory, memory_of
from .children import Children
from .clocks import time
from .counting import begins_anew, counted
from .dry_run import call_time, noting
from .extents import extent_of
from .isolation import World, leave
from .lines import Line, begins
from .loading import DependentError, Versions
from .on_request import Ask, time_on_request
from .protocol import (
    COMMANDS,
    HOTPATH,
    Counted,
    DryRun,
    Extents,
    Inventory,
    LoopTimes,
    MemoryCounts,
    Message,
    Names,
    Places,
    Refusal,
    Request,
    Task,
    Touch,
    Trace,
    Value,
)
from .rounds import set_aside
from .runner import Runner
from .sampling import sample
from .shared_state import count_hooks, noting_what_is_left, shared_state
from .suite import Copy, MixedError, SeriesError, why
from .timeout import at_most
from .timing import ready_in, time_sessions
from .touching import WATCHED_SECONDS, Touching
from .tracing import Beginnings, calls_of, loop_times
from .values import Comparison
from .watching import WHEN_LOADED, Watch
from .wire import from_json, to_json

COUNTING_HOOKS = ("discover", "dry_run", "count")  # others would be slowed down by it
MORE_COPIES = 2  # of a version, by which is known what differs in any two


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
    if task.kind in COUNTING_HOOKS:
        count_hooks()
    versions = Versions(task)
    answers: dict[str, Callable[[Versions], Iterable[Message]]] = {
        "discover": _discover,
        "dry_run": _dry_run,
        "time": time_sessions,
        "on_request": partial(time_on_request, ask=ask),
        "value": _value,
        "count": _count,
        "memory": _memory,
        "trace": _trace,
        "places": _places,
        "touch": _touch,
        "sample": sample,
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
    if versions.task.compiled and len(versions.task.sides) > 1:
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


def _each(
    series: Sequence[Names], slow: Collection[tuple[str, str]] = ()
) -> Iterator[tuple[Names, Names | None]]:
    """Each series, and the one that comes next.

    Those of functions that are in `slow` meanwhile come last, so that others get their time.
    """
    left, known = list(reversed(series)), 0
    following = left.pop() if left else None
    while names := following:
        following = left.pop() if left else None
        begins(names)
        yield names, following
        if len(slow) > known:
            known = len(slow)
            left.sort(key=lambda one: (one[0], one[2]) not in slow)


def _dry_run(versions: Versions) -> Iterator[Message]:
    """For each series and version: whether it runs through, and how long a call takes."""
    task = versions.task
    absent = AbsentFiles(task.home, task.ignored, [side.whole for side in task.sides.values()])
    copies = versions.all()
    if task.suite == HOTPATH:
        from .hotpath_dry_run import dry_run

        yield from dry_run(copies, task.series, Path(task.inputs))  # type: ignore[arg-type]
        return
    children = Children()
    slow: set[tuple[str, str]] = set()
    for names, following in _each(task.series, slow):
        answer = DryRun(names, next(iter(copies.values())).quantity(names))
        left: dict[str, str] = {}
        for name, copy in copies.items() if answer.quantity == "time" else ():
            children.forget()
            absent.forget()
            others = [side.whole for other, side in task.sides.items() if other != name]
            with noting(answer, name, task.longest), noting_what_is_left(left, name):
                took = call_time(copy, names, following, task.longest, task.repeat, others)
                answer.took[name] = took
            if why_unknown := absent.why or (children.unknown if name in answer.took else ""):
                # What is unknown of one version is no fault of it, wherever the other one runs.
                for known in (answer.took, answer.failed):
                    known.pop(name, None)
                answer.untimed.update(dict.fromkeys((name, "base", "head"), why_unknown))
            if stray := children.strayed:
                raise MixedError(name, stray)
        if len(set(left.values())) > 1:
            what = next(filter(None, left.values()))
            for name, took in answer.took.items():
                why_apart = f"sets something for the whole process in one version only ({what})"
                answer.took[name] = replace(took, apart=why_apart)
        if answer.aborted:
            slow.add((names[0], names[2]))
        yield answer


def _value(versions: Versions) -> Iterator[Message]:
    """What series of the only version give that measure no time."""
    (copy,) = versions.all().values()
    for names, _ in _each(versions.task.series):
        try:
            yield Value(names, *copy.value(names))
        except SeriesError as reason:
            fields: dict[str, Any] = {reason.field: str(reason)}
            yield Value(names, **fields)


def _count(versions: Versions) -> Iterator[Message]:
    """What a call of each series executes in each version, and what memory it takes.

    There is no answer for a series that fails, or takes too long.
    """
    task, copies = versions.task, versions.all()
    for names, following in _each(task.series):
        try:
            with ready_in(copies, names, following) as runners:
                set_aside()  # collections are quick then
                with at_most(task.longest):
                    anew = [begins_anew(runner) for runner in runners.values() if runner.once]
                    seconds = max(runner.block(()) for runner in runners.values())
                    memory = least_memory(runners)
                    sides = {n: task.sides[n] for n in runners}
                    if len(runners) > 1:  # or they could not agree
                        _repeat_if_short(runners, seconds)
                    counts = {n: counted(runners[n], of.root, of.whole) for n, of in sides.items()}
        except BaseException:  # of which the dry run has reported what is wrong
            continue
        yield Counted(names, counts, memory, any(anew))


def _memory(versions: Versions) -> Iterator[Message]:
    """What memory calls of each series take in each version, after one that is not counted.

    There is no answer for a series that fails.
    """
    task = versions.task
    rng = random.Random(task.seed)
    copies = {name: versions.load(name) for name in rng.sample(list(task.sides), len(task.sides))}
    for names, following in _each(task.series):
        try:
            with ready_in(copies, names, following) as runners:
                for runner in runners.values():
                    runner.run(())
                counts = memory_of(runners, task.calls)
        except BaseException:  # of which the dry run has reported what is wrong
            continue
        yield MemoryCounts(names, counts)


def _trace(versions: Versions) -> Iterator[Message]:
    """What one call of each series runs in the only version there is."""
    copies = versions.all()
    yield LoopTimes(loop_times())
    for names, following in _each(versions.task.series):
        with contextlib.suppress(SeriesError), ready_in(copies, names, following) as runners:
            for side, runner in runners.items():
                yield Trace(names, calls_of(runner, versions.task.sides[side].root))


def _places(versions: Versions) -> Iterator[Message]:
    """Where the functions begin that each series runs in the only version, its loading included."""
    (side,) = versions.task.sides.values()
    beginnings = Beginnings(side.whole)
    with beginnings:
        copies = versions.all()
    for names, following in _each(versions.task.series):
        with contextlib.suppress(SeriesError), contextlib.ExitStack() as stack:
            with beginnings:
                (runner,) = stack.enter_context(ready_in(copies, names, following)).values()
                runner.repeat_if_short(runner.block(()))
            stack.close()
            yield Places(names, sorted(beginnings.places))


def _check_siblings(watch: Watch) -> None:
    if watch.stray:
        raise MixedError("the project", watch.stray)


def _touch(versions: Versions) -> Iterator[Message]:
    """Whether each series may run anything that changed, in either version, and why.

    What is run while the suite is loaded is shared by all series.
    """
    task = versions.task
    versions.runner()
    sides = task.sides.items()
    wholes = {name: side.whole for name, side in sides}
    packages = [package for _, side in sides for package in side.packages]
    watch = Watch(task.changed, {name: side.root for name, side in sides}, wholes, packages)
    with watch:
        copies = versions.all()
    _check_siblings(watch)
    shared = watch.loaded() or _unexplained(versions, watch)
    touching = Touching(watch, task.longest, WATCHED_SECONDS / max(len(task.series), 1))
    set_aside()  # collections are quick then
    followed: dict[Names, float] = {}
    for names, following in _each(task.series):
        start = time.perf_counter()
        why_touched, by_calls, executed = shared, not shared, []
        for side, copy in copies.items() if not shared else ():
            reason = touching.reason(copy, names, following, task.sides[side])
            _check_siblings(watch)
            why_touched = why_touched or reason.why
            executed += [reason.execution] if reason.execution else []
            by_calls = by_calls and (reason.by_calls or not reason.why)
            shared = shared or (reason.why if reason.shared else "")
        if not why_touched and len(executed) > 1:
            yield Touch(names, executed[0].differs(executed[1]))
            continue
        yield Touch(names, why_touched)
        if why_touched and by_calls:
            followed[names] = time.perf_counter() - start
    # The quick ones first: nobody waits until all are followed.
    series = sorted(followed, key=lambda names: followed[names])
    if elsewhere := watch.elsewhere:
        yield from (Extents(names, {}, elsewhere) for names in series)
    else:
        yield from _extents(task, copies, series)


def _unexplained(versions: Versions, watch: Watch) -> str:
    """Why all series are touched by what the versions hold; nothing if they are not.

    What differs between two copies of one version, too, says nothing, such as a random number.
    """

    def unexplained(*worlds: World) -> list[str]:
        leave()
        comparison = Comparison(worlds, versions.task.changed, watch.changed)
        try:
            return comparison.unexplained()
        except Exception as reason:
            return [f"what the versions hold cannot be compared ({why(reason)})"]

    worlds = [of_version[0] for of_version in versions.worlds.values() if of_version]
    differing = unexplained(*worlds) if len(worlds) > 1 else []
    if differing:
        name = next(iter(versions.worlds))
        alike = set[str]()
        for _ in range(MORE_COPIES):  # an order may be the same by chance
            versions.load(name)
            first, *_, newest = versions.worlds[name]
            alike.update(unexplained(first, newest))
        differing = [one for one in differing if one not in alike]
    return f"{differing[0]}{WHEN_LOADED}" if differing else ""


def _extents(task: Task, copies: Mapping[str, Copy], series: Sequence[Names]) -> Iterator[Message]:
    """What of a call of each series lies within changed functions, once all the rest is known."""
    lines: dict[str, dict[str, list[Any]]] = {name: {} for name in task.sides}
    for effect in task.changed.values():
        for name, files in effect["lines"].items():
            for file, there in files.items():
                lines[name].setdefault(file, []).extend(there)
    for names, following in _each(series):
        try:
            with ready_in(copies, names, following) as runners, at_most(task.longest):
                extents = {}
                seconds = max(runner.block(()) for runner in runners.values())
                _repeat_if_short(runners, seconds)
                for name, runner in runners.items():
                    side = task.sides[name]
                    extents[name] = extent_of(runner, lines[name], side.root, side.whole)
        except BaseException:  # of which the dry run has reported what is wrong
            continue
        yield Extents(names, extents)


def _repeat_if_short(runners: Mapping[str, Runner], seconds: float) -> None:
    """Make several calls in a row in every version, if all bear it and the longest is short."""
    for runner in runners.values():
        runner.repeat_if_short(seconds)
    in_a_row = min(runner.in_a_row for runner in runners.values())
    for runner in runners.values():
        runner.in_a_row = in_a_row


def _race(versions: Versions) -> Iterator[Message]:
    """Times of a reference and its variants, in turns."""
    from .race import time_contests

    yield from time_contests(versions.task)
