"""A table, for the terminal, for Markdown and for a page of the report.

A page is written by a template, which reads the fields; the other two are methods.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table as RichTable
from rich.text import Text

Record = TypeVar("Record")
Key = TypeVar("Key")
APART = 3  # columns of characters between two columns of a table
NOTHING = "–"  # of a cell
WRAPPED = 24  # of a column whose text takes several lines
STYLES = {"good": "green", "bad": "bold red", "note": "yellow"}


@dataclass(frozen=True)
class Badge:
    """A cell with a colour, by its kind: good, bad, note or plain."""

    text: str
    kind: str = "plain"

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Anchor:
    """A cell that links to `href`; code without a link if that is empty."""

    text: str
    href: str = ""

    def __str__(self) -> str:
        return self.text


Cell = str | Badge | Anchor


@dataclass(frozen=True)
class Table:
    """Rows of cells below a title.

    Attributes
    ----------
    text : the columns that hold text, by their index; the others hold numbers, aligned right.
    wrap : the columns that may take several lines on a terminal; all others take one. The first
        column does so only if it needs more than half of the width.
    notes : sentences below the table.
    records : what the rows were made from, for the files that a page offers.
    data : the name of these files, without their ending.
    code : the columns that hold names of code or commands, which are shown as such.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    text: Container[int] = range(1)
    wrap: Container[int] = ()
    notes: Sequence[str] = ()
    records: Sequence[Any] = ()
    data: str = ""
    code: Container[int] = ()

    @property
    def filled(self) -> list[int]:
        """The columns to show: the first one, and those with something in any row."""
        return [i for i, _ in enumerate(self.columns) if not i or not self._bare(i)]

    def _bare(self, column: int) -> bool:
        return bool(self.rows) and all(str(row[column]) in ("", NOTHING) for row in self.rows)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The table for a terminal, plain where there is none.

        Columns that do not fit into its width are in further tables, with the first one repeated.
        """
        for number, columns in enumerate(self._fitting(options.max_width)):
            yield self._for_terminal(console, options, columns, "" if number else self.title)
        if self.notes:
            yield Text("\n".join(f"  {note}" for note in self.notes), style="dim")

    def _fitting(self, width: int) -> list[list[int]]:
        """The columns of each table that is needed for a terminal of some width."""
        tables: list[list[int]] = []
        left = 0
        for i in self.filled:
            longest = max(
                cell_len(str(cell)) for cell in (self.columns[i], *(row[i] for row in self.rows))
            )
            needed = APART + (min(longest, WRAPPED) if i in self.wrap else longest)
            if i == 0:
                first = min(needed, width // 2)
            elif not tables or (needed > left and len(tables[-1]) > 1):
                tables.append([0])
                left = width - first  # the space at both ends is less than one APART
            if i:
                tables[-1].append(i)
                left -= needed
        return tables or [[0]]

    def _for_terminal(
        self, console: Console, options: ConsoleOptions, columns: Sequence[int], title: str
    ) -> RichTable:
        table = RichTable(
            title=title or None,
            title_justify="left",
            title_style="bold",
            box=box.SIMPLE_HEAD if console.is_terminal else None,
            pad_edge=False,
        )
        first = max((len(str(row[0])) for row in self.rows), default=0)
        first = min(first, WRAPPED if 0 in self.wrap else options.max_width // 2)
        for i in columns:
            table.add_column(
                self.columns[i],
                justify="left" if i in self.text else "right",
                no_wrap=i not in self.wrap,
                min_width=None if i else first,
                overflow="fold" if i in self.wrap else "ellipsis",
            )
        for row in self.rows:
            cells = (row[i] for i in columns)
            table.add_row(*(Text(str(c), STYLES.get(getattr(c, "kind", ""), "")) for c in cells))
        return table

    def to_markdown(
        self, escaped: Callable[[str], str] = str, coded: Callable[[str], str] = str
    ) -> str:
        """The table without its title, and its notes as a list.

        `escaped` is applied to texts, `coded` to the columns in `code`.
        """
        rules = ("---" if i in self.text else "---:" for i, _ in enumerate(self.columns))
        lines = [_line(self.columns), f"|{'|'.join(rules)}|"]
        lines += [
            _line([(coded if i in self.code else escaped)(str(c)) for i, c in enumerate(row)])
            for row in self.rows
        ]
        notes = ["", *(f"- {escaped(note)}" for note in self.notes)] if self.notes else []
        return "\n".join([*lines, *notes])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def grouped(items: Iterable[Record], key: Callable[[Record], Key]) -> dict[Key, list[Record]]:
    """`items` by their `key`, in their order."""
    groups: dict[Key, list[Record]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups


def newest(records: Iterable[Record], key: Callable[[Record], object]) -> list[Record]:
    """The last record for every `key`, in the order of the keys' first records."""
    return list({key(record): record for record in records}.values())
