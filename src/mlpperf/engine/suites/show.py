"""Prints the catalogue and the page of a hot path."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

from rich.console import Group, RenderableType
from rich.markdown import Markdown
from rich.panel import Panel
from rich.syntax import Syntax
from rich.table import Table as Grid
from rich.text import Text

from ...compiled import kernels_called
from ...errors import MlpperfError
from ...hotpath import HotPath, Variant, as_given
from ..terminal import console
from .pyproject import project_name

SIDE_BY_SIDE = 150  # columns from which two sources fit beside each other


def overview(paths: Sequence[HotPath]) -> RenderableType:
    """The catalogue: of each path its title, reference, variants and cases."""
    parts: list[RenderableType] = []
    for path in paths:
        names = Grid.grid(padding=(0, 2))
        names.add_column(style="dim", no_wrap=True)
        names.add_column()
        names.add_row("  reference", Text(path.reference.__name__))
        names.add_row("  variants", Text(", ".join(variant.name for variant in path.variants)))
        cases = (case.name.removeprefix("batch-") for case in path.cases)
        names.add_row("  cases", Text(", ".join(cases)))
        parts += [Text.assemble((path.name, "bold"), f"  {path.title}"), names, ""]
    return Group(*parts[:-1])


def no_hot_paths(folder: Path, places: Sequence[str]) -> str:
    """The message for a project without hot paths: it lists the other benchmarks.

    Raises `MlpperfError` if it has no benchmarks at all.
    """
    name = project_name(folder)
    if not places:
        raise MlpperfError(
            f"{name} ({folder}) has no benchmarks: no test that uses the benchmark fixture, no "
            "asv.conf.json, and no hot paths in [tool.mlpperf] paths; "
            "`mlpperf compare BASE -- COMMAND` compares the run time of a command instead"
        )
    listed = "".join(f"\n  {place}" for place in places)
    return (
        f"The benchmarks of {name}:{listed}\n"
        "`mlpperf compare BASE` compares two versions by them. There are no hot paths."
    )


def print_page(path: HotPath) -> None:
    """Print the story of `path`, then its reference beside each variant."""
    out = console()
    title, _, story = inspect.cleandoc(path.story).partition("\n")
    out.print(Text(title, style="bold"))
    out.print(Markdown(story) if out.is_terminal else story.strip("\n"))
    reference, *others = path.contestants
    first = True
    for fn in dict.fromkeys(v.fn for v in others):
        variants = [v for v in others if v.fn is fn]  # one for each backend that runs it
        pair = [_source([reference], "reference"), _source(variants, variants[0].agreement.value)]
        if out.is_terminal and out.width >= SIDE_BY_SIDE:
            grid = Grid.grid(expand=True)
            grid.add_column(ratio=1)
            grid.add_column(ratio=1)
            grid.add_row(*pair)
            out.print(grid)
        else:
            out.print(Group(*(pair if first else pair[1:])))
        first = False


def _source(variants: Sequence[Variant], remark: str) -> RenderableType:
    names, code = ", ".join(v.name for v in variants), code_of(variants[0])
    if not console().is_terminal:
        return f"\n--- {names} ({remark})\n{code}"
    syntax = Syntax(code, "python", background_color="default", word_wrap=True)
    return Panel(syntax, title=names, subtitle=remark)


def code_of(variant: Variant) -> str:
    """The code of a variant, the kernels that it calls, and what prepares its arguments."""
    code = "\n".join(map(_code, (variant.fn, *kernels_called(variant.fn))))
    if variant.prepare is not as_given:
        code += "\n# not timed:\n" + _code(variant.prepare)
    return code


@lru_cache(maxsize=4096)  # kernels, references and preparations are shared by many
def _code(function: Callable[..., object]) -> str:
    return textwrap.dedent(inspect.getsource(function))
