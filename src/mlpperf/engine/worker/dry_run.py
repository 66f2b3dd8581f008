"""A few calls of a series: whether it runs through, how long it takes, what it runs."""

from __future__ import annotations

import contextlib
import gc
import math
import sys
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from .calls import CallTime, Counts
from .clocks import time, waited
from .counting import counted
from .execution import Execution, Place, by_function, in_common
from .isolation import leave
from .protocol import DryRun, Names, Side
from .runner import Runner
from .suite import Copy, NotTimedError, SeriesError, one_line, why
from .timeout import TooLongError, at_most
from .tracing import foreign_file
from .watching import IN_GARBAGE, RUNS, Watch

TRACED = 0.05  # seconds; a call that is traced takes up to ten times as long
CALLED_AGAIN = 1.0  # seconds for calling a series again
LOST_MOST = 0.95  # of a call, to other processes
# How many times as long as the next, and how many seconds more, a first call takes that finds
# caches empty. Less is what any first call takes.
COLD, COLD_LEAST = 2.0, 2e-4
FOREIGN = (
    "would run code of the other version, which has registered it with a package that both use"
)
# To see what a series runs only now and then, such as when a buffer is full: calls at most, and
# seconds at most for all series of a version.
WATCHED_CALLS, WATCHED_SECONDS = 1000, 3.0
COUNTED = 60  # calls that are watched, which take as long as counting the bytecodes of one


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
            lost = min(waited() - before, LOST_MOST * seconds)
            seconds, whole = seconds - lost, whole - lost
            first = first or seconds
        with at_most(longest):
            runner.repeat_if_short(first)
            foreign = foreign_file(runner, others) if others and whole < TRACED else ""
    except TooLongError:
        copy.give_up()
        raise
    except BaseException as reason:
        copy.give_up()
        raise copy.failure(reason) from reason
    finally:
        leave()
    copy.end()
    if runner.once and first > max(COLD * seconds, seconds + COLD_LEAST):
        return CallTime(first, first, ready - begun, foreign and FOREIGN, cold=True)
    return CallTime(seconds, whole, ready - begun, foreign and FOREIGN, in_a_row=runner.in_a_row)


class Reason(NamedTuple):
    """Why a series may run what is watched for.

    Attributes
    ----------
    why : in words; "" if it certainly does not.
    shared : later series may be touched by it, too.
    by_calls : each of its calls runs changed functions, and nothing else is known to.
    execution : what it executes, if nothing is known that it runs.
    """

    why: str
    shared: bool
    by_calls: bool
    execution: Execution | None = None


def touched(
    copy: Copy,
    names: Names,
    following: Names | None,
    longest: float,
    watch: Watch,
    seconds: float,
    side: Side,
) -> Reason:
    """Why a series of this version may run what is watched for.

    What its set-up runs may be shared, such as a fixture of a session. What only the first call
    runs may have filled a cache that others use, and so may what comes after the calls. An import
    is known by what it binds, and so touches nobody else. What fails, or takes `longest` seconds,
    may run anything. If nothing was seen so far, it is called again for some `seconds`, and then
    what these calls have left is collected.
    """
    gc.collect()  # what others have left
    watch.forget()
    try:
        with at_most(copy.timeout(names)), watch:
            runner = copy.begin(names, following)
    except (SeriesError, TooLongError) as reason:
        return Reason(watch.why or why(reason), bool(watch.why), by_calls=False)
    shared, imported = watch.why, watch.imported
    setup, execution = by_function(watch.entered, side.whole, own=True), None
    itself = ""
    try:
        with at_most(longest):
            watch.forget()
            with watch:
                runner.block(())
                entered = dict(watch.entered)
            imported = imported or watch.imported
            if not shared and (first := watch.why):
                watch.forget()
                with watch:
                    runner.block(())
                itself, shared = watch.why, "" if watch.why else first
        always = bool(itself)
        if not (shared or itself):
            with at_most(longest + seconds), watch:
                calls, took = _call_again(runner, watch, seconds)
            if not (itself := watch.why):
                with watch:
                    gc.collect()
                itself = watch.why and f"{watch.why}{IN_GARBAGE}"
            counts = Counts(not_counted="counting it takes too long")
            if not itself and COUNTED * took < seconds:
                with at_most(longest + seconds):
                    counts = counted(runner, side.root, side.whole)
            # What runs the suite does not do the same before the first call.
            own, every = (
                in_common([entered, *calls], side.whole, own=True),
                in_common(calls, side.whole),
            )
            execution = Execution(setup, own, every, counts)
    except BaseException as reason:  # which the dry run reports
        shared = shared or watch.why
        copy.give_up()
        return Reason(shared or one_line(reason), bool(shared), by_calls=False)
    finally:
        leave()
    watch.forget()
    with contextlib.suppress(SeriesError), watch:
        copy.end()
    if not (itself or shared):
        shared = watch.why
    by_calls = always and itself.startswith(RUNS) and not shared
    return Reason(shared or itself or imported, bool(shared), by_calls, execution)


def _call_again(
    runner: Runner, watch: Watch, seconds: float
) -> tuple[Sequence[Mapping[Place, int]], float]:
    """Call it again for some seconds, or until it fails.

    Gives how often each of the last two calls entered each function, and the quickest one's
    seconds.
    """
    begun, least = time.perf_counter(), math.inf
    calls: deque[Mapping[Place, int]] = deque(maxlen=2)
    runner.repeat_if_short(0.0)
    with contextlib.suppress(Exception):
        for _ in range(WATCHED_CALLS):
            start = time.perf_counter()
            if start - begun > seconds:
                break
            watch.entered.clear()
            runner.block(())
            least = min(least, time.perf_counter() - start)
            calls.append(dict(watch.entered))
    return list(calls), least
