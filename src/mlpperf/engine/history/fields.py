"""What values in records, and in the files of other tools, may be: decided here and nowhere else.

A record is decoded into types that are made of these, once, where it is read. Whatever draws or
counts afterwards relies on them: a number is finite, a positive one can be divided by, a date can
be written, and an interval holds its median.
"""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

Shape = TypeVar("Shape")
MOST = 1e18  # far beyond whatever is measured; its square, and its inverse, are numbers still
# pandas counts nanoseconds since 1970 in 64 bits, which end in the year 2262.
LATEST = datetime(2262, 1, 1, tzinfo=UTC).timestamp()

Option = str | bool | int | float | None  # of a command or a library
Name = Annotated[str, Meta(min_length=1)]
Count = Annotated[int, Meta(ge=0, lt=1 << 31)]
Bytes = Annotated[int, Meta(ge=0, lt=1 << 62)]
Number = Annotated[float, Meta(ge=-MOST, le=MOST)]
Amount = Annotated[float, Meta(ge=0, le=MOST)]
Positive = Annotated[float, Meta(ge=1 / MOST, le=MOST)]


class Bounds(msgspec.Struct, frozen=True):
    """An interval: null where the median or a bound is not known."""

    median: Positive | None
    low: Amount | None
    high: Positive | None

    def __post_init__(self) -> None:
        known = [value for value in (self.low, self.median, self.high) if value is not None]
        if known != sorted(known):
            raise ValueError("low, median and high are not in this order")
        if self.median is None and known:
            raise ValueError("there are bounds without a median")


def shaped(value: Any, shape: type[Shape]) -> Shape:
    """`value`, which was decoded from JSON, as a `shape`; what `shape` does not name is left out.

    Raises
    ------
    ValueError
        With a sentence that names the first field which is missing or no value of its kind.
    """
    return msgspec.convert(value, shape)


def known(value: float | None) -> float:
    """NaN for what is null: not measured, or without a bound."""
    return math.nan if value is None else value


def inverse(value: float | None) -> float:
    """1 ÷ a positive number; NaN for any other, and where one of both is infinite."""
    if value is None or not 0 < value < math.inf:
        return math.nan
    found = 1 / value
    return found if math.isfinite(found) else math.nan


def seconds_of(time: str) -> int:
    """The seconds since 1970 of a time in ISO 8601, which is of UTC if it names no zone.

    Raises
    ------
    ValueError
        If it is none, or lies before 1970 or after 2261.
    """
    try:
        date = datetime.fromisoformat(time)
        seconds = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise ValueError("the time is no date of ISO 8601") from None
    return whole(seconds)


def whole(seconds: float) -> int:
    """Whole seconds since 1970.

    Raises
    ------
    ValueError
        If they lie before 1970 or after 2261.
    """
    if not 0 <= seconds < LATEST:
        raise ValueError("the time lies before 1970 or after 2261")
    return int(seconds)


def writable(seconds: str) -> int:
    """The seconds since 1970 that git tells of a commit, or the nearest ones that are a date here.

    A commit can have any date.
    """
    return min(max(int(seconds), 0), int(LATEST) - 1)


def json_in(file: Path) -> Any:
    """The JSON that a file of another tool holds; NaN and infinite numbers may stand in it.

    Raises
    ------
    OSError, ValueError or RecursionError
        If it cannot be read, is no JSON, or is nested beyond reason.
    """
    return _readable(json.loads(file.read_bytes().decode("utf-8-sig")))


def _readable(value: Any) -> Any:
    """`value` with half surrogate pairs written out: they can stand in JSON, but in no output."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, list):
        return [_readable(item) for item in value]
    if isinstance(value, dict):
        return {_readable(name): _readable(item) for name, item in value.items()}
    return value
