"""The parts of a page, each of which the template knows how to write, by its class.

`scripts` of a part: the files of `assets` that it needs, besides `report.js`.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import ClassVar

import numpy as np
from markdown_it import MarkdownIt
from markupsafe import Markup, escape
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexer import Lexer
from pygments.lexers.diff import DiffLexer
from pygments.lexers.python import PythonLexer

from ...hotpath import Variant
from ..suites.show import code_of
from ..table import Anchor, Cell, Table
from ..words import plain
from .figures import Figure
from .forest import Forest

SPARKLINE_POINTS_MOST = 80
WIDTH, HEIGHT = 120, 28  # of a sparkline, in pixels
PLOTLY = "plotly.min.js"


@dataclass(frozen=True)
class Prose:
    """A paragraph of plain text, or HTML."""

    text: str | Markup
    quiet: bool = False


@dataclass(frozen=True)
class Names:
    """Names with links, folded; `more` are left out."""

    summary: str
    names: Sequence[Anchor]
    more: int


@dataclass(frozen=True)
class Command:
    """A command to copy, below a heading, and what to know about it."""

    title: str
    command: str
    remark: str


@dataclass(frozen=True)
class Files:
    """Links to the files with `what` is on the page; `name` is theirs, without the ending."""

    what: str
    name: str


@dataclass(frozen=True)
class Plot:
    """A figure of Plotly, and its description in words."""

    scripts: ClassVar[Sequence[str]] = (PLOTLY, "plots.js")
    figure: Figure
    alt: str


@dataclass(frozen=True)
class Level:
    """The plot of a series, drawn from the data file of all commits and its own JSON."""

    scripts: ClassVar[Sequence[str]] = (PLOTLY, "plots.js", "levels.js")
    file: str
    level: str
    alt: str


@dataclass(frozen=True)
class Code:
    """Sources side by side, highlighted: pairs of a heading and Markup."""

    sources: Sequence[tuple[str, str, Markup]]


@dataclass(frozen=True)
class Curves:
    """The history of a path, drawn from its data file."""

    scripts: ClassVar[Sequence[str]] = (PLOTLY, "plots.js")
    file: str
    quantities: Sequence[str]
    cases: Sequence[str]
    variants: Sequence[str]


@dataclass(frozen=True)
class Filters:
    """Choices for the rows of the table or log called `table`: by its tags, and by any text."""

    table: str
    choices: Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Commits:
    """Two commits to choose, and the data files to read for them."""

    scripts: ClassVar[Sequence[str]] = ("plots.js",)
    commits: Sequence[tuple[str, str]]  # hash and label
    files: Sequence[str]
    chosen: tuple[str, str]  # at first: the older one and the newer one


@dataclass(frozen=True)
class Facts:
    """Numbers at a glance: the value, what it counts, where there is more, and a badge's kind."""

    facts: Sequence[tuple[str, str, str, str]]


@dataclass(frozen=True)
class Entry:
    """A commit in a log.

    Attributes
    ----------
    date : its day.
    subject : its message, which links to its page.
    commit : its hash, which links to the forge.
    changes : cells for each change that is shown.
    more : a link to those that are not.
    tags : the values by which a page filters it; several are separated by line feeds.
    """

    date: str
    subject: Anchor
    commit: Anchor
    changes: Sequence[Sequence[Cell]]
    more: Anchor | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Log:
    """Commits with what each of them changed, newest first."""

    name: str
    entries: Sequence[Entry]


@dataclass(frozen=True)
class Map:
    """A row for each benchmark and a column for each commit, drawn from a data file."""

    scripts: ClassVar[Sequence[str]] = ("map.js",)
    file: str
    choices: Mapping[str, Sequence[str]]


Drawn = Plot | Level | Curves | Map | Commits  # by scripts
Block = Table | Forest | Prose | Names | Command | Files | Code | Filters | Facts | Log | Drawn


@dataclass(frozen=True)
class Section:
    """A heading, and the blocks below it."""

    title: str
    blocks: Sequence[Block]

    @property
    def anchor(self) -> str:
        """Its id on the page, for links to it."""
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")[:60]


@dataclass(frozen=True)
class Page:
    """A file of the site."""

    file: str
    title: str
    verdict: str
    sections: Sequence[Section]
    nav: str = ""  # its entry in the navigation
    about: str = ""  # what a search shows and finds besides the title
    empty: bool = False  # it has no records to show, so it is not in the navigation

    @property
    def scripts(self) -> list[str]:
        """Its scripts in their order; only pages with a plot load Plotly, which is large."""
        blocks = (block for section in self.sections for block in section.blocks)
        needed = dict.fromkeys(name for block in blocks for name in getattr(block, "scripts", ()))
        plotly = [PLOTLY] if PLOTLY in needed else []
        return [*plotly, "report.js", *(name for name in needed if name != PLOTLY)]


@lru_cache(maxsize=1)
def _markdown() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False})


def story(text: str) -> Markup:
    """A docstring without its first line, as HTML; HTML in it stays text."""
    _, _, rest = inspect.cleandoc(text).partition("\n")
    return Markup(_markdown().render(rest))


def source(variant: Variant) -> Markup:
    """The code of a variant with all that it calls of the project, highlighted."""
    return highlighted(code_of(variant))


@lru_cache(maxsize=2)
def _highlighter(diff: bool) -> tuple[Lexer, HtmlFormatter[str]]:
    """Cached, because making these takes as long as highlighting a short function."""
    return DiffLexer() if diff else PythonLexer(), HtmlFormatter(nowrap=True)


@lru_cache(maxsize=4096)  # kernels, references and preparations are shared by many
def highlighted(code: str, diff: bool = False) -> Markup:
    """Python or a diff, as HTML."""
    return Markup(highlight(code, *_highlighter(diff)))


def highlighting() -> str:
    """The style sheet of highlighted code, for light and dark."""
    light, dark = (
        HtmlFormatter(style=style).get_style_defs(".code")  # type: ignore[no-untyped-call]
        for style in ("default", "github-dark")
    )
    return f"{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n"


CODE = re.compile(r"`([\w-][\w ./=^:'-]*)`")
UNIT = re.compile(r"(?<=\d) (?=(?:%|[mµn]?s|[kMG]?i?B)(?!\w))")
JOINTS = re.compile(r"(?<=[/:_\[])(?=\w)|(?<=[.-])(?=[^\W\d])")  # where a name is divided best


def coded(text: str) -> Markup:
    """Text as HTML, in which a command between backticks is code, and no line ends at a unit."""
    parts = CODE.split(UNIT.sub("\N{NO-BREAK SPACE}", plain(" ".join(text.splitlines()))))
    code = Markup("<code>{}</code>").format
    return Markup("").join(code(part) if i % 2 else escape(part) for i, part in enumerate(parts))


def divisible(name: str) -> Markup:
    """A name as HTML: if a line is too short for it, it is divided between its words."""
    return Markup("<wbr>").join(JOINTS.split(plain(name)))


def sparkline(values: Sequence[float], meaning: str) -> Markup:
    """A small line of `values`, in their order; of many, the medians of neighbours."""
    if len(values) < 2:
        return Markup('<span class="quiet">too short</span>')
    parts = np.array_split(np.asarray(values, dtype=float), min(len(values), SPARKLINE_POINTS_MOST))
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
