"""Changes with their intervals, a row each, on one common axis: a table that draws itself.

It is HTML and CSS, so that it needs no plot library, shows at once and is a table to everybody who
cannot see the bars.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from markupsafe import Markup

from ..history.fields import Bounds, known
from ..words import with_interval
from .blocks import Html

LEAST = math.log1p(0.01)  # to which the axis reaches at least, on either side
MOST = math.log(64)
USUAL = 0.9  # share of the intervals of unchanged and undecided rows that the axis shows whole
TICKS = 5  # steps of an axis of small changes
# Ticks of an axis of large changes, in percent, the most important first; at least so far apart, as
# a share of its length.
LARGE = (0, 100, -50, 300, -75, 900, -90, 50, -25, 3100)
APART = 0.13
EDGE = 0.06  # without ticks, whose labels would not fit, at both ends
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
    ratio : after ÷ before, with its interval; NaN where it is not known.
    values : in words, for the columns between the name and the change.
    evidence : another page, on which the change rests.
    """

    name: str
    href: str
    kind: str
    verdict: str
    ratio: tuple[float, float, float] = (math.nan, math.nan, math.nan)
    values: Sequence[str] = ()
    evidence: str = ""

    @property
    def known(self) -> bool:
        """Whether there is anything to draw."""
        return all(math.isfinite(value) and value > 0 for value in self.ratio)

    @property
    def change(self) -> str:
        """Such as `+2.1 % (+1.8 to +2.4)`; empty if nothing was timed."""
        return with_interval(*self.ratio) if math.isfinite(self.ratio[0]) else ""


def ratio_of(bounds: Bounds) -> tuple[float, float, float]:
    """A recorded ratio and its interval; NaN for what is not known."""
    return known(bounds.median), known(bounds.low), known(bounds.high)


def ordered(rows: Sequence[Row]) -> list[Row]:
    """Regressions first, the largest change on top; then what is faster, undecided, unchanged."""

    def place(row: Row) -> tuple[int, float, str]:
        kind = ORDER.index(row.kind) if row.kind in ORDER else len(ORDER)
        size = abs(math.log(row.ratio[0])) if row.ratio[0] > 0 else 0.0
        return kind, -size, row.name

    return sorted(rows, key=place)


def forest(
    rows: Sequence[Row],
    title: str,
    *,
    name: str,
    subject: str = "benchmark",
    values: Sequence[str] = ("base", "head"),
    filters: bool = True,
) -> Html:
    """The rows in their order, with filters by verdict and by text if there are several."""
    low, high = _ends(rows)
    ticks = "".join(
        f'<span style="left:{_at(tick, low, high):.2f}%">{text}</span>'
        for tick, text in _ticks(low, high)
    )
    numbers = "".join(
        f'<th scope="col" class="number">{escape(column)}</th>' for column in (*values, "change")
    )
    return Html(
        Markup(
            (_choices(rows, name, subject) if filters and len(rows) > 1 else "")
            + f'<table class="forest" id="{name}" style="--zero:{_at(0.0, low, high):.2f}%">'
            f"<caption>{escape(title)}</caption>"
            f'<thead><tr><th scope="col">{escape(subject)}</th>{numbers}<th scope="col" '
            'class="axis"><span class="visually-hidden">interval, on a common axis</span>'
            f'<span class="ticks" aria-hidden="true">{ticks}</span></th>'
            '<th scope="col">verdict</th></tr></thead><tbody>\n'
            f"{''.join(_row(row, low, high) for row in rows)}</tbody></table>"
        )
    )


def _choices(rows: Sequence[Row], name: str, subject: str) -> str:
    """A field for text, and the verdicts with the number of their rows."""
    numbers = Counter(row.kind for row in rows)
    kinds = sorted(numbers, key=lambda kind: ORDER.index(kind) if kind in ORDER else len(ORDER))
    options = "".join(
        f'<option value="{escape(kind)}">{escape(kind)} ({numbers[kind]:,})</option>'
        for kind in kinds
    )
    return (
        f'<p class="choices" data-table="{name}"><label>{escape(subject)} '
        '<input type="search" data-choice="text" autocomplete="off"></label>'
        '<label>verdict <select data-choice="verdict"><option value="">all</option>'
        f'{options}</select></label><output aria-live="polite"></output></p>\n'
    )


def _row(row: Row, low: float, high: float) -> str:
    tone = "bad" if row.kind in BAD else "good" if row.kind in GOOD else "plain"
    name = escape(row.name)
    if row.href:
        name = f'<a href="{escape(row.href)}">{name}</a>'
    more = f' <a href="{escape(row.evidence)}">comparison</a>' if row.evidence else ""
    values = "".join(f'<td class="number value">{escape(text)}</td>' for text in row.values)
    return (
        f'<tr data-verdict="{escape(row.kind)}"><th scope="row">{name}</th>{values}'
        f'<td class="number">{escape(row.change)}</td>'
        f'<td class="axis">{_bar(row, tone, low, high)}</td>'
        f'<td><span class="badge {tone}">{escape(row.verdict)}</span>{more}</td></tr>\n'
    )


def _bar(row: Row, tone: str, low: float, high: float) -> str:
    """The interval as a bar and its middle as a dot; an arrow where it leaves the axis."""
    if not row.known:
        return ""
    middle, *ends = (math.log(value) for value in row.ratio)
    left, right = (_at(min(max(end, low), high), low, high) for end in ends)
    cut = " cut-low" * (ends[0] < low) + " cut-high" * (ends[1] > high)
    dot = f'<i class="dot" style="left:{_at(middle, low, high):.2f}%"></i>'
    return (
        f'<span class="track {tone}" aria-hidden="true"><i class="range{cut}" '
        f'style="left:{left:.2f}%;width:{max(right - left, 0.3):.2f}%"></i>'
        f"{dot if low <= middle <= high else ''}</span>"
    )


def _ends(rows: Sequence[Row]) -> tuple[float, float]:
    """The ends of the axis, as logarithms: all changes whole, and nearly all other intervals."""
    known = [row for row in rows if row.known]
    changed = [row for row in known if row.kind in BAD + GOOD]
    others = sorted(
        max(abs(math.log(end)) for end in row.ratio) for row in known if row.kind not in BAD + GOOD
    )
    usual = others[int(USUAL * (len(others) - 1))] if others else 0.0
    least = max(LEAST, usual)
    low = max(min([-least, *(math.log(row.ratio[1]) for row in changed)]), -MOST)
    high = min(max([least, *(math.log(row.ratio[2]) for row in changed)]), MOST)
    padding = PADDING * (high - low)
    return low - padding, high + padding


def _at(value: float, low: float, high: float) -> float:
    """Where a logarithm is on the axis, in percent of its length."""
    return 100 * (value - low) / (high - low)


def _ticks(low: float, high: float) -> list[tuple[float, str]]:
    """Round changes on the axis, as logarithms, with their labels."""
    changes: Sequence[float] = LARGE
    if high - low < math.log(2):
        raw = 100 * (math.expm1(high) - math.expm1(low)) / TICKS
        size = 10.0 ** math.floor(math.log10(raw))
        step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= raw)
        numbers = sorted(range(-TICKS, TICKS + 1), key=abs)
        changes = [step * number for number in numbers if step * number > -100]
    ticks: dict[float, str] = {}
    for change in changes:
        at = math.log1p(change / 100)
        nearest = min((abs(at - tick) for tick in ticks), default=math.inf)
        edge = EDGE * (high - low) if change else 0.0
        if low + edge < at < high - edge and nearest > APART * (high - low):
            ticks[at] = f"{change:+,g} %" if change else "0"
    return list(ticks.items())
