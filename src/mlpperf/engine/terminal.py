"""Where the commands print: the console, its tables and its progress bar."""

from __future__ import annotations

import io
import sys
from functools import lru_cache
from typing import IO

from rich import box
from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

PLAIN_WIDTH = 160  # columns where the output is no terminal: wide enough for every table


@lru_cache(maxsize=1)
def console() -> Console:
    """Standard output, plain and wide where it is no terminal; `NO_COLOR` is Rich's own.

    Nothing is taken for markup: names, source code and messages may hold brackets.
    """
    if sys.stdout.isatty():
        return Console(highlight=False, markup=False, emoji=False)
    return _plain_console(None)  # standard output, whatever it is by then


def _plain_console(file: IO[str] | None) -> Console:
    return Console(
        file=file,
        width=PLAIN_WIDTH,
        force_terminal=False,
        color_system=None,
        highlight=False,
        markup=False,
        emoji=False,
    )


def progress() -> Progress:
    """A progress bar on the terminal, wherever there is one; nothing otherwise.

    It is redrawn when asked, not by a thread of its own, which would disturb what is timed.
    """
    terminal = console() if console().is_terminal else Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=terminal,
        auto_refresh=False,
        transient=True,
        disable=not terminal.is_terminal,
    )


def new_table(title: str, *columns: str, left: int = 1) -> Table:
    """A table whose first `left` columns are text and the others numbers."""
    style = box.SIMPLE_HEAD if console().is_terminal else None
    table = Table(title=title, title_justify="left", title_style="bold", box=style, pad_edge=False)
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i < left else "right", no_wrap=True)
    return table


def as_text(renderable: RenderableType) -> str:
    """What `renderable` looks like where there is no terminal."""
    text = io.StringIO()
    _plain_console(text).print(renderable)
    return text.getvalue()
