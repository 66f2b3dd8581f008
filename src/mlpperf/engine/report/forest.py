"""Changes with their intervals, a row each, on one common axis: a table that draws itself.

It becomes HTML and CSS, so that it needs no plot library, shows at once, and is a table for those
that cannot see the bars.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from ..statistics.intervals import UNKNOWN, Interval

LEAST = math.log1p(0.01)  # to which the axis reaches at least, on either side
MOST = math.log(64)
USUAL = 0.9  # share of the intervals of unchanged and undecided rows that the axis shows whole
TICKS = 5  # steps of an axis of small changes
# Ticks of an axis of large changes, in percent, the most important first; at least so far apart, as
# percent of its length.
LARGE = (0, 100, -50, 300, -75, 900, -90, 50, -25, 3100)
APART = 13
EDGE = 6  # percent without ticks, whose labels would not fit, at both ends
PADDING = 0.04  # at both ends, as a share of the length
BAD = ("wrong", "slower", "more memory", "larger value")
ALLOWED = ("accepted", "warning only")
GOOD = ("faster", "fixed")
# In which order rows are shown; what is in none of these comes last.
ORDER = (*BAD, *ALLOWED, *GOOD, "undecided", "unchanged")


@dataclass(frozen=True)
class Row:
    """A change.

    Attributes
    ----------
    name, href : what it is about, and the page of that.
    kind : the verdict in a word or two, by which rows are filtered.
    verdict : in full.
    remark : what else is known, beside it.
    ratio : after ÷ before; drawn if its ends are known.
    values : in words, for the columns between the name and the change.
    evidence : another page, on which the change rests.
    """

    name: str
    href: str
    kind: str
    verdict: str
    ratio: Interval = UNKNOWN
    values: Sequence[str] = ()
    evidence: str = ""
    remark: str = ""

    @property
    def change(self) -> str:
        """The ratio in words; empty if nothing was timed."""
        return "" if math.isnan(self.ratio.median) else str(self.ratio)

    @property
    def tone(self) -> str:
        """Its colour."""
        return "bad" if self.kind in BAD else "good" if self.kind in GOOD else "plain"


def ordered(rows: Sequence[Row]) -> list[Row]:
    """Regressions first, the largest change on top; then what is faster, undecided, unchanged."""

    def place(row: Row) -> tuple[int, float, str]:
        size = abs(math.log(row.ratio.median)) if row.ratio.median > 0 else 0.0
        return _rank(row.kind), -size, row.name

    return sorted(rows, key=place)


def kinds(rows: Sequence[Row]) -> dict[str, int]:
    """How many rows there are of each kind, regressions first."""
    numbers = Counter(row.kind for row in rows)
    return {kind: numbers[kind] for kind in sorted(numbers, key=_rank)}


def _rank(kind: str) -> int:
    return ORDER.index(kind) if kind in ORDER else len(ORDER)


class Axis(NamedTuple):
    """The common axis, from the logarithm of one change to that of another."""

    low: float
    high: float

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Axis:
        """The axis with all changes whole, and nearly all other intervals."""
        known = [row for row in rows if row.ratio.bounded]
        changed = [row for row in known if row.tone != "plain"]
        same = [row.ratio for row in known if row.tone == "plain"]
        others = sorted(max(abs(math.log(end)) for end in (one.low, one.high)) for one in same)
        usual = others[int(USUAL * (len(others) - 1))] if others else 0.0
        least = max(LEAST, usual)
        low = max(min([-least, *(math.log(row.ratio.low) for row in changed)]), -MOST)
        high = min(max([least, *(math.log(row.ratio.high) for row in changed)]), MOST)
        padding = PADDING * (high - low)
        return cls(low - padding, high + padding)

    def at(self, ratio: float) -> float:
        """Where a ratio is, in percent of the length; at an end if it is beyond that."""
        log = min(max(math.log(ratio) if ratio > 0 else -math.inf, self.low), self.high)
        return round(100 * (log - self.low) / (self.high - self.low), 2)

    def holds(self, ratio: float) -> bool:
        """Whether a ratio is on it."""
        return ratio > 0 and self.low <= math.log(ratio) <= self.high

    @property
    def ticks(self) -> dict[float, str]:
        """The labels of round changes, by their places in percent."""
        low, high = self
        changes: Sequence[float] = LARGE
        if high - low < math.log(2):
            raw = 100 * (math.expm1(high) - math.expm1(low)) / TICKS
            size = 10.0 ** math.floor(math.log10(raw))
            step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= raw)
            numbers = sorted(range(-TICKS, TICKS + 1), key=abs)
            changes = [step * number for number in numbers if step * number > -100]
        ticks: dict[float, str] = {}
        for change in changes:
            place = self.at(1 + change / 100)
            edge = EDGE if change else 0.0
            nearest = min((abs(place - tick) for tick in ticks), default=math.inf)
            if edge < place < 100 - edge and nearest > APART:
                ticks[place] = f"{change:+,g} %" if change else "0"
        return ticks


@dataclass(frozen=True)
class Forest:
    """The rows in their order, as a block of a page.

    Attributes
    ----------
    name : the id of the table.
    subject, values : the headings of the names and of the values of the rows.
    filters : whether several rows can be filtered by verdict and by text.
    """

    rows: Sequence[Row]
    title: str
    name: str
    subject: str = "benchmark"
    values: Sequence[str] = ("base", "head")
    filters: bool = True

    @cached_property
    def axis(self) -> Axis:
        """That of all rows."""
        return Axis.of(self.rows)

    @property
    def kinds(self) -> dict[str, int]:
        """How many rows there are of each kind."""
        return kinds(self.rows)
