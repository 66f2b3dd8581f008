"""A few calls of a series: whether it runs through, and how long it takes."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence

from .allocations import NOT_KNOWN, garbage_of
from .calls import CallTime
from .clocks import time, waited
from .isolation import leave
from .protocol import DryRun, Names
from .suite import Copy, NotTimedError, SeriesError
from .timeout import TooLongError, at_most
from .tracing import foreign_file

TRACED = 0.05  # seconds; a call that is traced takes up to ten times as long
CALLED_AGAIN = 1.0  # seconds for calling a series again
LOST_MOST = 0.95  # of a call, to other processes
# How many times as long as the next, and how many seconds more, a first call takes that finds
# caches empty. Any first call may take that many times as long, for fewer seconds.
COLD, COLD_LEAST = 2.0, 2e-4
FOREIGN = (
    "would run code of the other version, which has registered it with a package that both use"
)


@contextlib.contextmanager
def noting(answer: DryRun, side: str, longest: float) -> Iterator[None]:
    """Note in an answer why a series cannot be timed in a version."""
    before = waited()
    try:
        yield
    except SeriesError as reason:
        getattr(answer, reason.field)[side] = str(reason)
    except TooLongError:
        answer.aborted[side] = longest - min(waited() - before, LOST_MOST * longest)


def call_time(
    copy: Copy,
    names: Names,
    following: Names | None,
    longest: float,
    repeat: int,
    others: Sequence[str],
) -> CallTime:
    """What a call takes; the series has come to its end then.

    The folders `others` are those of other versions: if a call takes less than `TRACED` seconds,
    and runs code in these, the versions must not share a process.

    What is to be timed has to bear being called again: it is, `repeat` times, as long as all of
    these calls take less than `CALLED_AGAIN` seconds. If its suite calls it once, and that call
    takes much longer than the next, that is what it takes.

    Raises `SeriesError` if it does not run through, or cannot be timed, and `TooLongError` if a
    call takes `longest` seconds.
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
    seconds = whole = first = 0.0
    try:
        for number in range(1 + repeat):
            start = time.perf_counter()
            if start - ready > CALLED_AGAIN and not (runner.once and number == 1):
                break
            before = waited()
            with at_most(longest):
                seconds = runner.block(())
            whole = time.perf_counter() - start
            # A single call, and what others took meanwhile is not its own.
            lost = 0.0 if runner.clock else min(waited() - before, LOST_MOST * seconds)
            seconds, whole = seconds - lost, whole - lost
            first = first or seconds
        with at_most(longest):
            runner.repeat_if_short(first)
            foreign = foreign_file(runner, others) if others and whole < TRACED else ""
            is_counted = copy.collects and whole < CALLED_AGAIN and not runner.once
            garbage = garbage_of(runner) if is_counted else NOT_KNOWN
    except TooLongError:
        copy.give_up()
        raise
    except BaseException as reason:
        copy.give_up()
        raise copy.failure(reason) from reason
    finally:
        leave()
    copy.end()
    longer = runner.once and first > COLD * seconds
    if longer and first > seconds + COLD_LEAST:
        return CallTime(first, first, ready - begun, foreign and FOREIGN, cold=True)
    return CallTime(
        seconds,
        whole,
        ready - begun,
        foreign and FOREIGN,
        perhaps_cold=longer,
        garbage=garbage,
        in_a_row=runner.in_a_row,
    )
