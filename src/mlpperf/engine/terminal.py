"""Where the commands print: the console and its progress bar."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import IO

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column

PLAIN_WIDTH = 160  # columns where the output is no terminal: wide enough for every table


@lru_cache(maxsize=1)
def console() -> Console:
    """Standard output, plain and wide where it is no terminal; `NO_COLOR` is Rich's own.

    Markup is off: names, source code and messages may hold brackets.
    """
    if sys.stdout.isatty():
        return Console(highlight=False, markup=False, emoji=False)
    return _plain_console(None)  # standard output at the time of printing


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


def progress(counted: bool = True) -> Progress:
    """A progress bar on standard error, or nothing if that is no terminal; `counted` with its end.

    It is redrawn on request, not by a thread of its own, which would disturb timings.
    """
    terminal = Console(stderr=True)
    left = (TextColumn("left:"), TimeRemainingColumn())
    bar = (BarColumn(), MofNCompleteColumn(), *left) if counted else ()
    return Progress(
        TimeElapsedColumn(table_column=Column(min_width=7)),  # a long text does not cut it
        *bar,
        TextColumn("{task.description}"),
        console=terminal,
        auto_refresh=False,
        transient=True,
        disable=not terminal.is_terminal,
    )


@contextmanager
def activity() -> Iterator[Callable[[str], None]]:
    """A line with the seconds so far; gives the function that describes on it what happens."""
    with progress(counted=False) as bar:
        task = bar.add_task("", total=None)
        yield lambda text: bar.update(task, description=text, refresh=True)


def as_text(renderable: RenderableType) -> str:
    """`renderable` as printed where there is no terminal."""
    text = io.StringIO()
    _plain_console(text).print(renderable, crop=False)
    return text.getvalue()
