"""A few calls of a series: whether it runs through, how long it takes, what it runs."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator, Sequence

from .isolation import leave
from .protocol import CallTime, DryRun, Names
from .runner import Runner
from .suite import Copy, FailedError, NotTimedError, SeriesError, one_line, why
from .timeout import TooLongError, at_most
from .tracing import foreign_file
from .watching import Watch

TRACED = 0.05  # seconds; a call that is traced takes up to ten times as long
CALLED_AGAIN = 1.0  # seconds for calling a series again
# Calls, and seconds for them, in which what runs now and then is looked for, such as a full buffer.
WATCHED_MOST, WATCHED_SECONDS = 1000, 0.02


@contextlib.contextmanager
def noting(answer: DryRun, side: str, longest: float) -> Iterator[None]:
    """Note in an answer why a series cannot be timed in a version."""
    try:
        yield
    except SeriesError as reason:
        getattr(answer, reason.field)[side] = str(reason)
    except TooLongError:
        answer.aborted[side] = longest


def call_time(
    copy: Copy,
    names: Names,
    following: Names | None,
    longest: float,
    repeat: int,
    others: Sequence[str],
) -> CallTime:
    """What a call takes; the series has come to its end then.

    If a call takes less than `TRACED` seconds, it is also known whether it runs code in the folders
    `others`, those of other versions.

    What is to be timed has to bear being called again: it is, `repeat` times, as long as all of
    these calls take less than `CALLED_AGAIN` seconds.

    Raises
    ------
    SeriesError
        If it does not run through, or cannot be timed.
    TooLongError
        If a call takes `longest` seconds.
    """
    if function := sys.getprofile() or sys.gettrace():
        name = getattr(function, "__qualname__", type(function).__qualname__)
        raise NotTimedError(f"code of the project has left {name} tracing or profiling all calls")
    begun = time.perf_counter()
    longest_setup = copy.timeout(names)
    try:
        with at_most(longest_setup):
            runner = copy.begin(names, following)
    except TooLongError as reason:
        raise NotTimedError(f"its set-up takes longer than {longest_setup:g} s") from reason
    ready = time.perf_counter()
    seconds = whole = 0.0
    try:
        for _ in range(1 + repeat):
            start = time.perf_counter()
            if start - ready > CALLED_AGAIN:
                break
            with at_most(longest):
                seconds = runner.block(())
            whole = time.perf_counter() - start
        with at_most(longest):
            foreign = foreign_file(runner, others) if others and whole < TRACED else ""
    except TooLongError:
        copy.give_up()
        raise
    except BaseException as reason:
        copy.give_up()
        raise FailedError(f"it raised {one_line(reason)}") from reason
    finally:
        leave()
    copy.end()
    return CallTime(seconds, whole, ready - begun, foreign)


def call_often(runner: Runner) -> None:
    """Call a series `WATCHED_MOST` times, as far as that takes no more than `WATCHED_SECONDS`."""
    end = time.perf_counter() + WATCHED_SECONDS
    for _ in range(WATCHED_MOST):
        runner.block(())
        if time.perf_counter() > end:
            break


def touched(
    copy: Copy, names: Names, following: Names | None, longest: float, watch: Watch
) -> tuple[str, bool]:
    """Why a series may run what is watched for, and whether later series may be touched by it, too.

    What its set-up runs may be shared, such as a fixture of a session. What only the first call
    runs may have filled a cache that others use, and so may what comes after the calls. What only
    some calls run is found if it is one in a few hundred. An import is known by what it binds, and
    so touches nobody else. What fails, or takes `longest` seconds, may run anything.
    """
    watch.forget()
    try:
        with at_most(copy.timeout(names)), watch:
            runner = copy.begin(names, following)
    except (SeriesError, TooLongError) as reason:
        return watch.why or why(reason), bool(watch.why)
    shared, imported = watch.why, watch.imported
    itself = ""
    try:
        with at_most(longest):
            watch.forget()
            with watch:
                runner.block(())
            imported = imported or watch.imported
            if not shared and (first := watch.why):
                watch.forget()
                with watch:
                    runner.block(())
                itself, shared = watch.why, "" if watch.why else first
            elif not shared:
                watch.forget()
                with watch, contextlib.suppress(Exception):  # it may not bear them
                    call_often(runner)
                itself = watch.why
    except BaseException as reason:  # which the dry run reports
        shared = shared or watch.why
        copy.give_up()
        return shared or one_line(reason), bool(shared)
    finally:
        leave()
    watch.forget()
    with contextlib.suppress(SeriesError), watch:
        copy.end()
    if not (itself or shared):
        shared = watch.why
    return shared or itself or imported, bool(shared)
