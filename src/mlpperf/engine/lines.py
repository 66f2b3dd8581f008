"""Benchmarks with their changes, as lines for a terminal.

Benchmarks of one file stand below its name, and each interval is drawn on an axis of changes that
all lines share. A benchmark takes one line, or two if a name leaves no room for the numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, RenderResult
from rich.constrain import Constrain
from rich.text import Text

from .statistics.intervals import Interval
from .table import STYLES
from .words import plain

SCALES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)  # largest changes that an axis may reach
AXES = (21, 13)  # characters of an axis, and of a short one; odd: no change is in the middle
INDENT, BELOW = 4, 6  # of a name below its file's; of what is on a line of its own below a name
TITLE = 14  # columns that a title takes at least, where numbers follow
GAP = 2  # spaces between columns
SENTENCE = 100  # columns that a sentence takes at most


class Marks(NamedTuple):
    """The characters of an interval on its axis."""

    zero: str
    crossed: str  # zero, inside an interval
    line: str
    low: str
    high: str
    median: str
    below: str  # the axis
    above: str


MARKS = Marks("│", "┼", "─", "├", "┤", "●", "◀", "▶")
ASCII = Marks("|", "+", "-", "[", "]", "o", "<", ">")


@dataclass(frozen=True)
class Line:
    """One benchmark.

    Attributes
    ----------
    group, name : its file, class or hot path; its name in there.
    cells : a text for each column.
    change : head ÷ base; not drawn without ends.
    remark : a sentence about it.
    kind : its colour; by default that of the title.
    above : headings, which stand above the first of several lines that have the same.
    """

    group: str
    name: str
    cells: Sequence[str] = ()
    change: Interval | None = None
    remark: str = ""
    kind: str = ""
    above: tuple[str, ...] = ()

    def printable(self) -> Line:
        """The same in characters that neither control a terminal nor begin a line."""
        remark = plain(" ".join(self.remark.split()))
        change = self.change if self.change and self.change.bounded else None
        return replace(
            self, group=plain(self.group), name=plain(self.name), remark=remark, change=change
        )


@dataclass(frozen=True)
class Lines:
    """Benchmarks of which the same is known, below a title.

    Attributes
    ----------
    kind : colours the title: good, bad, note or plain.
    columns : the heads of the cells.
    aligned : lines below other titles, which share columns and axis with these.
    """

    title: str
    kind: str
    columns: Sequence[str]
    lines: Sequence[Line]
    aligned: Sequence[Line] = ()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The lines, as wide as the terminal; where there is none, nothing is cut."""
        lines = [line.printable() for line in self.lines]
        every = [*lines, *(line.printable() for line in self.aligned)]
        layout = _Layout.of(self, every, options.max_width)
        style, shown = STYLES.get(self.kind, ""), tuple[str, ...]()
        yield from self._head(layout, style or "bold", console)
        for (above, group), same in groupby(lines, key=lambda line: (line.above, line.group)):
            if above != shown:
                if shown:
                    yield ""
                for heading in above:
                    yield _whole(plain(heading), console, layout.width, "bold")
                shown = above
            yield _whole(f"  {group}", console, layout.width)
            for line in same:
                name = " " * INDENT + line.name
                numbers = layout.numbers(line, ASCII if options.ascii_only else MARKS)
                if layout.remarks_beside and line.remark:
                    yield Text(layout.padded(name)).append(" " * GAP + line.remark, "dim")
                    continue
                if layout.numbers_below or not numbers:
                    yield _whole(name, console, layout.width)
                    name = ""
                if numbers:
                    colour = STYLES.get(line.kind or self.kind, "").removeprefix("bold ")
                    yield Text(layout.padded(name)).append(numbers, colour)
                if line.remark:
                    yield from _remark(line.remark, console, layout.width)

    def _head(self, layout: _Layout, style: str, console: Console) -> Iterator[Text]:
        title, head = self.title, layout.head(self.columns)
        if head and cell_len(title) > layout.names:
            yield _whole(title, console, layout.width, style)
            title = ""
        text = _whole(layout.padded(title) if head else title, console, layout.width, style)
        yield text.append(head, "not bold default dim")


class _Layout(NamedTuple):
    """Where the parts of the lines stand.

    Attributes
    ----------
    width, names : of the terminal, and of the column of names.
    cells : widths of the other columns.
    axis, scale : its characters, 0 without one; the largest change on it.
    numbers_below : the cells take a line of their own.
    remarks_beside : the remarks take none.
    """

    width: int
    names: int
    cells: Sequence[int]
    axis: int
    scale: float
    numbers_below: bool
    remarks_beside: bool

    @classmethod
    def of(cls, lines: Lines, printable: Sequence[Line], width: int) -> _Layout:
        rows = [line.cells for line in printable if line.cells]
        columns = zip(lines.columns, *rows, strict=True)
        cells = [max(map(cell_len, column)) for column in columns] if rows else []
        while cells and BELOW + _needed(cells) > width:
            cells.pop()
        scale = scale_of([line.change for line in printable if line.change])
        names = max(cell_len(line.name) for line in printable) + INDENT
        remarks = max(cell_len(line.remark) for line in printable)
        if not rows:
            return cls(width, names, cells, 0, scale, False, names + GAP + remarks <= width)
        title = max(cell_len(lines.title), TITLE)
        names = max(names, title)
        axes = [axis for axis in AXES if scale and BELOW + _needed([*cells, axis]) <= width]
        beside = [axis for axis in axes if names + _needed([*cells, axis]) <= width]
        axis = next(iter([*beside, *axes]), 0)
        numbers = _needed([*cells, axis] if axis else cells)
        below = names + numbers > width
        names = max(BELOW, min(title, width - numbers)) if below else names
        return cls(width, names, cells, axis, scale, below, False)

    def padded(self, text: str) -> str:
        return text + " " * (self.names - cell_len(text))

    def head(self, columns: Sequence[str]) -> str:
        if not self.cells:
            return ""
        return self._row(columns) + (" " * GAP + _axis(self.scale, self.axis) if self.axis else "")

    def numbers(self, line: Line, marks: Marks) -> str:
        row = self._row(line.cells)
        if self.axis and line.change:
            row += " " * GAP + bar(line.change, self.scale, self.axis, marks)
        return row.rstrip()

    def _row(self, cells: Sequence[str]) -> str:
        parts = zip(cells, self.cells, strict=False)
        return "".join(" " * (GAP + width - cell_len(cell)) + cell for cell, width in parts)


def scale_of(changes: Sequence[Interval]) -> float:
    """The smallest scale that has room for all intervals, or the largest; 0 if there are none."""
    ends = [end for change in changes for end in (change.low, change.median, change.high)]
    reach = max((abs(ratio - 1) for ratio in ends), default=math.nan)
    if math.isnan(reach):
        return 0.0
    return next((scale for scale in SCALES if reach <= scale), SCALES[-1])


def bar(change: Interval, scale: float, size: int = AXES[0], marks: Marks = MARKS) -> str:
    """An interval of ratios on an axis from −`scale` to +`scale`."""
    ratios = (change.low, change.median, change.high)
    low, median, high = ((ratio - 1) / scale for ratio in ratios)

    def place(value: float) -> int:
        return round((min(max(value, -1.0), 1.0) + 1) / 2 * (size - 1))

    first, last, middle = place(low), place(high), size // 2
    if low > 0:  # what excludes zero does not cover its mark
        first, last = max(first, middle + 1), max(last, middle + 1)
    if high < 0:
        first, last = min(first, middle - 1), min(last, middle - 1)
    cells = [" "] * size
    cells[first : last + 1] = marks.line * (last + 1 - first)
    cells[middle] = marks.crossed if first <= middle <= last else marks.zero
    cells[first], cells[last] = marks.low, marks.high
    cells[min(max(place(median), first), last)] = marks.median
    if high > 1:
        cells[last] = marks.above
    if low < -1:
        cells[first] = marks.below
    return "".join(cells)


def sentence(text: str, style: str = "") -> Constrain:
    """A paragraph, which takes no more columns than can be read with ease."""
    return Constrain(Text(plain(" ".join(text.split())), style), SENTENCE)


def unbroken(text: str) -> Text:
    """A line with a command, which can be copied only if nothing but the terminal divides it."""
    return Text(plain(" ".join(text.split())), no_wrap=True, overflow="ignore")


def _axis(scale: float, size: int) -> str:
    side = size // 2
    return f"{f'-{100 * scale:g} %':<{side}}0{f'+{100 * scale:g} %':>{side}}"


def _needed(widths: Sequence[int]) -> int:
    return sum(GAP + width for width in widths)


def _whole(text: str, console: Console, width: int, style: str = "") -> Text:
    """`text` on one line: on a terminal without its middle, if it is too long."""
    if console.is_terminal and cell_len(text) > width:
        dots = "..." if console.options.ascii_only else "…"
        most = max(width - cell_len(dots), 2)
        end = next(text[at:] for at in range(len(text)) if cell_len(text[at:]) <= most // 2)
        text = set_cell_size(text, most - cell_len(end)) + dots + end
    return Text(text, style, no_wrap=True, overflow="ignore")


def _remark(text: str, console: Console, width: int) -> Iterator[Text]:
    """`text` below a name: on a terminal its first two lines."""
    if not console.is_terminal:
        yield Text(" " * BELOW + text, "dim", no_wrap=True, overflow="ignore")
        return
    lines = Text(text, "dim").wrap(console, max(width - BELOW, 20))
    for number, line in enumerate(lines[:2]):
        if number == 1 and len(lines) > 2:
            line.truncate(max(width - BELOW - 1, 1))
            line.append("…")
        line.rstrip()
        yield Text(" " * BELOW).append_text(line)
