"""A few calls of a series: whether it runs through, how long it takes, what it runs."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from enum import Enum

from .isolation import leave
from .protocol import CallTime, Names
from .suite import Copy, FailedError, NotTimedError, one_line, why
from .timeout import at_most
from .tracing import foreign_file
from .watching import Watch

TRACED = 0.05  # seconds; a call that is traced takes up to ten times as long
CALLED_AGAIN = 1.0  # seconds for calling a series again
SET_UP = 60.0  # seconds that the set-up of a series may take if its suite does not say more


class AbortedError(Exception):
    """A call of a series takes too long."""


class Touched(Enum):
    """Whether a series runs anything that changed."""

    NO = "no"
    ITSELF = "itself"
    SHARED = "shared"  # in a way in which others that come later may be touched by it


def call_time(
    copy: Copy,
    names: Names,
    following: Names | None,
    longest: float,
    repeat: int = 1,
    others: Sequence[str] = (),
) -> CallTime:
    """What a call takes; the series has come to its end then.

    If a call takes less than `TRACED` seconds, it is also known whether it runs code in the folders
    `others`, those of other versions.

    What is to be timed has to bear being called again: it is, `repeat` times, as long as all of
    these calls take less than `CALLED_AGAIN` seconds.

    Raises
    ------
    FailedError, NotTimedError
        If it does not run through, or cannot be timed.
    AbortedError
        If a call takes `longest` seconds.
    """
    begun = time.perf_counter()
    longest_setup = max(SET_UP, copy.timeout(names) or 0.0)
    try:
        with at_most(longest_setup) as limit:
            runner = copy.begin(names, following)
    except (FailedError, NotTimedError) as reason:
        if limit.reached:
            raise NotTimedError(f"its set-up takes longer than {longest_setup:g} s") from reason
        raise
    setup = time.perf_counter() - begun
    try:
        with at_most(longest) as limit:
            start = time.perf_counter()
            seconds = runner.block(())
            whole = time.perf_counter() - start
        first = start
        for _ in range(repeat):
            if time.perf_counter() - first > CALLED_AGAIN:
                break
            with at_most(longest) as limit:
                start = time.perf_counter()
                seconds = runner.block(())
                whole = time.perf_counter() - start
        with at_most(longest) as limit:
            foreign = foreign_file(runner, others) if others and whole < TRACED else ""
    except BaseException as reason:
        copy.give_up()
        if limit.reached:
            raise AbortedError from reason
        raise FailedError(f"it raised {one_line(reason)}") from reason
    finally:
        leave()
    copy.end()
    return CallTime(seconds, whole, setup, foreign)


def touched(
    copy: Copy, names: Names, following: Names | None, longest: float, watch: Watch
) -> tuple[Touched, str]:
    """Whether a series runs what is watched for, and why; what fails or takes `longest` may.

    What its set-up runs may be shared, such as a fixture of a session. What only the first call
    runs may have filled a cache that others use, and so may what comes after the calls. An import
    is known by what it binds, and so touches nobody else.
    """
    watch.forget()
    try:
        with at_most(max(SET_UP, copy.timeout(names) or 0.0)), watch:
            runner = copy.begin(names, following)
    except (FailedError, NotTimedError) as reason:
        return (Touched.SHARED, watch.why) if watch.why else (Touched.ITSELF, why(reason))
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
    except BaseException as reason:  # which the dry run reports
        shared = shared or watch.why
        copy.give_up()
        return (Touched.SHARED, shared) if shared else (Touched.ITSELF, one_line(reason))
    finally:
        leave()
    watch.forget()
    with contextlib.suppress(FailedError, NotTimedError), watch:
        copy.end()
    if not (itself or shared):
        shared = watch.why
    if shared:
        return Touched.SHARED, shared
    return (Touched.ITSELF, itself or imported) if itself or imported else (Touched.NO, "")
