"""A row of the history: one number, and what it is a number of."""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import NamedTuple


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


class Metric(NamedTuple):
    """What was measured."""

    path: str
    version: str
    variant: str
    case: str
    quantity: str


class Row(NamedTuple):
    """One number."""

    run: Run
    metric: Metric
    value: float
    low: float = math.nan
    high: float = math.nan
    proven: bool | None = None


def machine_name(host: str, processor: str, count: int) -> str:
    """Host, processor and its count: times of equal names are comparable."""
    return f"{host}: {processor}, {count} processors"


def software_name(python: str, numpy: str = "", *others: str) -> str:
    """Minor versions of Python, NumPy and whatever else was pinned, in words."""
    named = {"Python": minor(python), "NumPy": minor(numpy)}
    return ", ".join(
        [*(f"{name} {version}" for name, version in named.items() if version), *others]
    )


@lru_cache(maxsize=1024)
def minor(version: str) -> str:
    """Major and minor number of a version: 2.4 of 2.4.6; empty if it has none."""
    number = re.match(r"\d+(\.\d+)?", version)
    return number[0] if number else ""
