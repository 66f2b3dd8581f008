"""A row of the history: one number, and the checks of what foreign files say.

The `as_…` functions give a value of their kind, or raise one of `DAMAGE`.
"""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

# What a file that is no such file, or was written by a hand, makes its reader raise.
DAMAGE = (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError)
LATEST = datetime(9999, 12, 31, tzinfo=UTC).timestamp()  # no time is later


class Run(NamedTuple):
    """Where, when and of what version of the code something was measured."""

    source: str
    machine: str
    device: str
    threads: int | None
    software: str
    commit: str | None
    dirty: bool
    committed: int | None  # seconds since 1970, if the source knows when the commit was made
    measured: int  # seconds since 1970


class Series(NamedTuple):
    """What was measured."""

    path: str
    version: str
    variant: str
    case: str
    quantity: str


class Row(NamedTuple):
    """One number."""

    run: Run
    series: Series
    value: float
    low: float = math.nan
    high: float = math.nan
    proven: bool | None = None


def as_text(value: Any) -> str:
    """Text, and nothing else."""
    if not isinstance(value, str):
        raise TypeError
    # Half of a surrogate pair can stand in JSON, but in no output.
    return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode()


def as_texts(value: Any) -> tuple[str, ...]:
    """A list of texts, and nothing else."""
    if not isinstance(value, list):
        raise TypeError
    return tuple(as_text(item) for item in value)


def as_number(value: Any) -> float:
    """NaN for what is null or infinite."""
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError
    return float(value) if math.isfinite(value) else math.nan


def as_inverse(value: Any) -> float:
    """1 ÷ a positive number; NaN for any other."""
    found = as_number(value)
    return 1 / found if found > 0 else math.nan


def as_count(value: Any) -> int:
    """A number of threads, samples or the like."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 31:
        raise ValueError
    return value


def as_flag(value: Any) -> bool:
    """True or false, and nothing else."""
    if not isinstance(value, bool):
        raise TypeError
    return value


def seconds_since_1970(time: Any) -> int:
    """Seconds since 1970 of an ISO date, in UTC if it names no zone, or of asv's milliseconds."""
    if isinstance(time, str):
        date = datetime.fromisoformat(time)
        seconds = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    else:
        seconds = as_number(time) / 1000
    if not 0 <= seconds < LATEST:
        raise ValueError
    return int(seconds)


def machine_name(host: Any, processor: Any, count: Any) -> str:
    """Host, processor and its count in words: equal names give comparable times."""
    return f"{as_text(host)}: {as_text(processor)}, {int(count)} processors"


def software_name(python: Any, numpy: Any = "", *others: str) -> str:
    """Minor versions of Python, NumPy and whatever else was pinned, in words."""
    named = {"Python": _minor(as_text(python)), "NumPy": _minor(as_text(numpy))}
    return ", ".join(
        [*(f"{name} {version}" for name, version in named.items() if version), *others]
    )


@lru_cache(maxsize=1024)
def _minor(version: str) -> str:
    """`version` without what seldom changes a speed: 2.4 of 2.4.6; nothing if it is none."""
    found = re.match(r"\d+(\.\d+)?", version)
    return found[0] if found else ""


def json_in(file: Path) -> Any:
    """The JSON that a file holds."""
    return json.loads(file.read_bytes())
