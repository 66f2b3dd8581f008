"""What a suite is to the process that times it: copies, one for each time that a version is loaded.

A copy knows its series, gets one ready, and ends it. In between, what the series calls is timed.
"""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import ClassVar

from .protocol import Names
from .runner import Runner

ADDRESS = re.compile(r" at 0x[\da-fA-F]+")  # of an object, which each process has elsewhere

SET_UP = 60.0  # seconds that the set-up of a series may take unless its suite allows more
NOT_LOADED = (
    "this process did not load it: its name has to be the same in every process, as with fixed ids "
    "of parameters"
)


class SeriesError(Exception):
    """Why a series is not timed; `field` of an answer holds it."""

    field: ClassVar[str]


class NotTimedError(SeriesError):
    """A series that cannot be timed here, for a reason that is no fault of the code."""

    field = "untimed"


class SkippedError(NotTimedError):
    """A series that its own suite skips."""

    field = "skipped"


class FailedError(SeriesError):
    """A series whose call has failed, or its own asserts have."""

    field = "failed"


class MixedError(Exception):
    """A version has run files that are not its own."""

    def __init__(self, name: str, stray: str) -> None:
        super().__init__(
            f"{name} imports {stray}, which is none of its own files, so the versions cannot be "
            "distinguished: remove what puts that on the path, or the installed copy of the project"
        )


class Copy:
    """A version's suite, loaded once.

    Attributes
    ----------
    series : what it has, in its order.
    broken : what of it cannot be loaded, and why, by the place that its series would have.
    loading : seconds that it took to load each place, such as a module.
    collects : whether the suite itself times with the garbage collector on.
    """

    series: list[Names]
    broken: dict[str, str]
    loading: dict[str, float]
    collects: ClassVar[bool] = False

    def quantity(self, series: Names) -> str:
        """What a series measures: `time`, or what else asv has: track, memory, peakmemory."""
        return "time"

    def value(self, series: Names) -> tuple[float, str]:
        """What a series gives that measures no time, and its unit.

        Raises `SeriesError` if it gives nothing.
        """
        raise NotTimedError("it has no value")

    def timeout(self, series: Names) -> float:
        """Seconds that the set-up of a series may take."""
        return SET_UP

    def begin(self, series: Names, following: Names | None) -> Runner:
        """Get `series` ready, and give what it calls; this copy's next one is `following`.

        Raises `SeriesError` if there is nothing to be timed; it has then ended.
        """
        raise NotImplementedError

    def end(self) -> None:
        """Go on after what was called, to the end.

        Raises `FailedError` if it fails.
        """

    def failure(self, reason: BaseException) -> SeriesError:
        """What an exception means that the call of a series has raised."""
        return FailedError(f"it raised {one_line(reason)}")

    def give_up(self) -> None:
        """End it without what would come after the call, which has failed or takes too long."""
        with contextlib.suppress(FailedError):
            self.end()


def printable(text: str) -> str:
    """`text` for a name, which can then be shown and recorded: with escapes for what cannot be."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def distinct(series: Iterable[Names]) -> Iterator[Names]:
    """The same without addresses of objects; of equal names, all but the first have a number."""
    times: Counter[Names] = Counter()
    for place, case, function in series:
        names = place, ADDRESS.sub("", case), function
        times[names] += 1
        yield names if times[names] == 1 else (place, f"{names[1]}#{times[names]}", function)


def one_line(reason: BaseException) -> str:
    """An exception in a line."""
    lines = str(reason).strip().splitlines()
    return f"{type(reason).__name__}: {lines[0]}" if lines else type(reason).__name__


def why(reason: BaseException) -> str:
    """Why a series cannot be timed: in our own words, or as the exception has it."""
    return str(reason) if isinstance(reason, SeriesError) else one_line(reason)
