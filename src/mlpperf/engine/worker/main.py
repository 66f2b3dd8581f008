"""The worker: the process of the measured project that discovers, checks and times its benchmarks.

It reads its task from standard input, one line of JSON, and answers with a line for each series, so
that what is done is not lost if the process is. Whatever the project prints goes to standard error.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from .absent import AbsentFiles
from .allocations import least_memory, memory_of
from .children import Children
from .counting import counted
from .dry_run import AbortedError, Touched, call_time, touched
from .isolation import leave
from .lines import Line, begins
from .loading import DependentError, Versions
from .protocol import (
    COMMANDS,
    HOTPATH,
    Counted,
    DryRun,
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
from .shared_state import shared_state
from .suite import FailedError, MixedError, NotTimedError, SkippedError, why
from .timeout import at_most
from .timing import Ask, Ready, time_on_request, time_sessions
from .tracing import Beginnings, calls_of, loop_times
from .watching import Watch
from .wire import from_json, to_json


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
        "time": time_sessions,
        "on_request": partial(time_on_request, ask=ask),
        "value": _value,
        "count": _count,
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


def _each(series: Sequence[Names]) -> Iterator[tuple[Names, Names | None]]:
    """Each series, and the one that comes next."""
    for names, following in zip(series, [*series[1:], None]):
        begins(names)
        yield names, following


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
    for names, following in _each(task.series):
        answer = DryRun(names, next(iter(copies.values())).quantity(names))
        for name, copy in copies.items() if answer.quantity == "time" else ():
            children.forget()
            absent.forget()
            others = [side.whole for other, side in task.sides.items() if other != name]
            try:
                took = call_time(copy, names, following, task.longest, task.repeat, others)
                if why_unknown := absent.why or children.unknown:
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


def _count(versions: Versions) -> Iterator[Message]:
    """What a call of each series executes in each version, and what memory it takes.

    There is no answer for a series that fails, or takes too long.
    """
    task, copies = versions.task, versions.all()
    for names, following in _each(task.series):
        ready = Ready()
        try:
            runners = {n: ready.begin(copy, names, following) for n, copy in copies.items()}
            set_aside()  # collections are quick then
            with at_most(task.longest):
                for runner in runners.values():
                    runner.run(())
                memory = least_memory(runners)
                sides = {n: task.sides[n] for n in runners}
                counts = {n: counted(runners[n], of.root, of.whole) for n, of in sides.items()}
            ready.end()
        except BaseException:  # of which the dry run has reported what is wrong
            ready.give_up()
        else:
            yield Counted(names, counts, memory)


def _memory(versions: Versions) -> Iterator[Message]:
    """What memory calls of each series take in each version, after one that is not counted."""
    task = versions.task
    rng = random.Random(task.seed)
    copies = {name: versions.load(name) for name in rng.sample(list(task.sides), len(task.sides))}
    for names, following in _each(task.series):
        ready = Ready()
        try:
            runners = {n: ready.begin(copy, names, following) for n, copy in copies.items()}
            for runner in runners.values():
                runner.run(())
            yield MemoryCounts(names, memory_of(runners, task.calls))
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


def _race(versions: Versions) -> Iterator[Message]:
    """Times of a reference and its variants, in turns."""
    from .race import time_contests

    yield from time_contests(versions.task)
