"""A few calls of a series: whether it runs through, how long it takes, what it runs."""

from __future__ import annotations

import contextlib
import time
from enum import Enum
from typing import NamedTuple

from .copies import Copy, FailedError, Names, NotTimedError, told
from .limits import at_most
from .tracing import Watch
from .worlds import leave

CALLED_AGAIN = 1.0  # seconds below which a call is tried a second time
SET_UP = 60.0  # seconds that the set-up of a series may take if its suite does not say more


class BrokenOffError(Exception):
    """A series takes too long to be proven."""


class Touched(Enum):
    """Whether a series runs anything that changed."""

    NO = "no"
    ITSELF = "itself"
    SHARED = "shared"  # in a way in which others that come later may be touched by it


class Took(NamedTuple):
    """Seconds of a call, of the same with what prepares it, and of the set-up of the series."""

    seconds: float
    whole: float
    setup: float


def proven(copy: Copy, names: Names, following: Names | None, longest: float) -> Took:
    """What a call takes; the series has come to its end then.

    What is to be timed has to bear being called again; unless it takes long, that is tried.

    Raises
    ------
    FailedError, NotTimedError
        If it does not run through, or cannot be timed.
    BrokenOffError
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
        if whole < CALLED_AGAIN:
            start = time.perf_counter()
            seconds = runner.block(())
            whole = time.perf_counter() - start
    except BaseException as reason:
        copy.give_up()
        if limit.reached:
            raise BrokenOffError from reason
        raise FailedError(f"it raised {told(reason)}") from reason
    finally:
        leave()
    copy.end()
    return Took(seconds, whole, setup)


def touched(
    copy: Copy, names: Names, following: Names | None, longest: float, watch: Watch
) -> Touched:
    """Whether a series runs what is watched for; what fails or takes `longest` counts as if it did.

    What its set-up runs may be shared, such as a fixture of a session. What only the first call
    runs may have filled a cache that others use, or have imported something.
    """
    watch.forget()
    try:
        with at_most(max(SET_UP, copy.timeout(names) or 0.0)), watch:
            runner = copy.begin(names, following)
    except (FailedError, NotTimedError):
        return Touched.SHARED if watch.seen else Touched.ITSELF
    found = Touched.SHARED if watch.seen else Touched.NO
    try:
        with at_most(longest):
            watch.forget()
            with watch:
                runner.block(())
            if watch.seen and found is Touched.NO:
                watch.forget()
                with watch:
                    runner.block(())
                found = Touched.ITSELF if watch.seen else Touched.SHARED
    except BaseException:  # told when it is proven
        copy.give_up()
        return Touched.SHARED if found is Touched.SHARED else Touched.ITSELF
    finally:
        leave()
    with contextlib.suppress(FailedError, NotTimedError):
        copy.end()
    return found
