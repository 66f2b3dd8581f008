"""The values that records, and the files of other tools, may have.

The structs of records are made of these types, so all code after the reader can rely on them: a
number is finite, a positive one can be divided by, a date can be written, and an interval contains
its median.
"""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from ..statistics import intervals

MOST = 1e18  # far beyond any measurement; its square and its inverse are still finite
# pandas counts nanoseconds since 1970 in 64 bits, which end in the year 2262.
LATEST = datetime(2262, 1, 1, tzinfo=UTC).timestamp()

Name = Annotated[str, Meta(min_length=1)]
Count = Annotated[int, Meta(ge=0, lt=1 << 31)]
OneOrMore = Annotated[int, Meta(ge=1, lt=1 << 31)]
Share = Annotated[float, Meta(ge=0, le=1)]
Bytes = Annotated[int, Meta(ge=0, lt=1 << 62)]
Number = Annotated[float, Meta(ge=-MOST, le=MOST)]
Amount = Annotated[float, Meta(ge=0, le=MOST)]
Positive = Annotated[float, Meta(ge=1 / MOST, le=MOST)]
Option = str | bool | int | float | None  # of a command or a library
Options = dict[str, Option]
# Of a network: a list is the sizes of layers or the options of convolutions, an object the options
# of the schedule.
Settings = dict[str, Option | list[Count | Options] | Options]


class Bounds(msgspec.Struct, frozen=True):
    """An interval: null where the median or a bound is not known."""

    median: Positive | None
    low: Amount | None
    high: Positive | None

    def __post_init__(self) -> None:
        values = [value for value in (self.low, self.median, self.high) if value is not None]
        if values != sorted(values):
            raise ValueError("low, median and high are not in this order")
        if self.median is None and values:
            raise ValueError("there are bounds without a median")

    @classmethod
    def of(cls, interval: intervals.Interval) -> Bounds:
        """An interval as a record has it."""
        known = (one if math.isfinite(one) else None for one in (interval.low, interval.high))
        return UNKNOWN if math.isnan(interval.median) else cls(interval.median, *known)

    @property
    def interval(self) -> intervals.Interval:
        """The same, with infinite bounds where it has none; NaN if its median is not known."""
        if self.median is None:
            return intervals.UNKNOWN
        high = math.inf if self.high is None else self.high
        return intervals.Interval(self.median, self.low or 0.0, high)


UNKNOWN = Bounds(None, None, None)


def known(value: float | None) -> float:
    """NaN for null, which stands for not measured or without a bound."""
    return math.nan if value is None else value


def inverse(value: float | None) -> float:
    """1 ÷ a positive number; NaN for any other, and where one of both is infinite."""
    if value is None or not 0 < value < math.inf:
        return math.nan
    result = 1 / value
    return result if math.isfinite(result) else math.nan


def seconds_of(time: str) -> int:
    """The seconds since 1970 of a time in ISO 8601, in UTC if it names no zone.

    Raises `ValueError` if it is no such time, or lies before 1970 or after 2261.
    """
    try:
        date = datetime.fromisoformat(time)
        seconds = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise ValueError("the time is no date of ISO 8601") from None
    return whole(seconds)


def whole(seconds: float) -> int:
    """Whole seconds since 1970.

    Raises `ValueError` if they lie before 1970 or after 2261.
    """
    if not 0 <= seconds < LATEST:
        raise ValueError("the time lies before 1970 or after 2261")
    return int(seconds)


def writable(seconds: str) -> int:
    """The date of a commit in seconds since 1970, moved into the years 1970 to 2261.

    git accepts any date.
    """
    return min(max(int(seconds), 0), int(LATEST) - 1)


def json_in(file: Path) -> Any:
    """The JSON in a file of another tool; it may contain NaN and infinite numbers.

    Raises `OSError`, `ValueError` or `RecursionError` if it cannot be read, is no JSON, or is
    nested beyond reason.
    """
    return _readable(json.loads(file.read_bytes().decode("utf-8-sig")))


def _readable(value: Any) -> Any:
    """`value` with half surrogate pairs written out: JSON may contain them, UTF-8 may not."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, list):
        return [_readable(item) for item in value]
    if isinstance(value, dict):
        return {_readable(name): _readable(item) for name, item in value.items()}
    return value
