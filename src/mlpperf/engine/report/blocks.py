"""What pages are made of; a template draws each kind."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from markdown_it import MarkdownIt
from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers.python import PythonLexer

from ...compiled import kernels_called
from ...hotpath import Variant, as_given

SPARKLINE = 80  # points at most
WIDTH, HEIGHT = 120, 28  # of a sparkline, in pixels


@dataclass(frozen=True)
class Link:
    """A cell that leads somewhere; nowhere without an address."""

    text: str
    href: str = ""


@dataclass(frozen=True)
class Badge:
    """A cell that has a colour beside its word: good, bad or plain."""

    text: str
    kind: str = "plain"


Cell = str | Link | Badge | Markup


@dataclass(frozen=True)
class Row:
    """A row of a table, and what filters go by."""

    cells: Sequence[Cell]
    about: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Table:
    """`left` columns of text and then numbers; `data` names the files that have it all."""

    kind: ClassVar[str] = "table"
    caption: str
    columns: Sequence[str]
    rows: Sequence[Row]
    left: int = 1
    data: str = ""
    name: str = ""  # that filters know it by


@dataclass(frozen=True)
class Prose:
    """A paragraph of plain text, or whatever was rendered already."""

    kind: ClassVar[str] = "prose"
    text: str | Markup
    quiet: bool = False


@dataclass(frozen=True)
class Plot:
    """A figure, and what it shows in words."""

    kind: ClassVar[str] = "plot"
    figure: dict[str, Any]
    alt: str


@dataclass(frozen=True)
class Code:
    """Sources side by side, highlighted: pairs of a heading and Markup."""

    kind: ClassVar[str] = "code"
    sources: Sequence[tuple[str, str, Markup]]


@dataclass(frozen=True)
class Curves:
    """The history of a path, drawn from its data file."""

    kind: ClassVar[str] = "curves"
    file: str
    quantities: Sequence[str]
    cases: Sequence[str]
    variants: Sequence[str]


@dataclass(frozen=True)
class Filters:
    """Choices for the rows of the table called `table`, by what `Row.about` says."""

    kind: ClassVar[str] = "filters"
    table: str
    choices: Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Commits:
    """Two commits to choose, and the data files that are read then."""

    kind: ClassVar[str] = "commits"
    commits: Sequence[tuple[str, str]]  # hash, and what it is called
    files: Sequence[str]


Block = Table | Prose | Plot | Code | Curves | Filters | Commits


@dataclass(frozen=True)
class Section:
    """A heading, and what is below."""

    title: str
    blocks: Sequence[Block]
    name: str = ""


@dataclass(frozen=True)
class Page:
    """A file of the site."""

    file: str
    title: str
    verdict: str
    sections: Sequence[Section]
    nav: str = ""  # which entry of the navigation it belongs to

    @property
    def up(self) -> str:
        """From here to the site's first folder."""
        return "../" * self.file.count("/")


def rows(cells: Sequence[Sequence[Cell]]) -> list[Row]:
    """Rows that nothing filters."""
    return [Row(row) for row in cells]


@lru_cache(maxsize=1)
def _markdown() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False})


def story(text: str) -> Markup:
    """A docstring without its first line, as HTML; HTML in it stays text."""
    _, _, rest = inspect.cleandoc(text).partition("\n")
    return Markup(_markdown().render(rest))


def source(variant: Variant) -> Markup:
    """The code of a variant, the kernels that it calls, and what prepares its arguments."""
    code = "\n".join(_code(part) for part in (variant.fn, *kernels_called(variant.fn)))
    if variant.prepare is not as_given:
        code += "\n# not timed:\n" + _code(variant.prepare)
    return _highlighted(code)


@lru_cache(maxsize=1)
def _highlighter() -> tuple[PythonLexer, HtmlFormatter[str]]:
    """Making these takes as long as a short function."""
    return PythonLexer(), HtmlFormatter(nowrap=True)


@lru_cache(maxsize=4096)  # kernels, references and preparations are shared by many
def _highlighted(code: str) -> Markup:
    return Markup(highlight(code, *_highlighter()))


@lru_cache(maxsize=4096)
def _code(function: Any) -> str:
    return textwrap.dedent(inspect.getsource(function))


def highlighting() -> str:
    """The style sheet of highlighted code, for light and dark."""
    light, dark = (
        HtmlFormatter(style=style).get_style_defs(".code")  # type: ignore[no-untyped-call]
        for style in ("default", "github-dark")
    )
    return f"{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n"


def sparkline(values: Sequence[float], meaning: str) -> Markup:
    """A little line of `values`, in their order; many of them are medians of neighbours."""
    if len(values) < 2:
        return Markup('<span class="quiet">too short</span>')
    parts = np.array_split(np.asarray(values, dtype=float), min(len(values), SPARKLINE))
    middles = np.array([np.median(part) for part in parts])
    low, high = float(middles.min()), float(middles.max())
    # A flat line stays flat: less than 10 % does not fill the height.
    span = max(high - low, 0.1 * abs(high), 1e-300)
    y = HEIGHT - 3 - (middles - (low + high - span) / 2) / span * (HEIGHT - 6)
    x = np.linspace(2, WIDTH - 2, len(middles))
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    return Markup(
        '<svg class="spark" width="{w}" height="{h}" viewBox="0 0 {w} {h}" role="img" '
        'aria-label="{meaning}"><polyline points="{points}"/></svg>'
    ).format(w=WIDTH, h=HEIGHT, meaning=meaning, points=points)
