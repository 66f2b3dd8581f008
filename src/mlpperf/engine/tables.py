"""What the commands print: tables for people, drawn by Rich."""

from __future__ import annotations

import inspect
import io
import math
import sys
import textwrap
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import IO

from rich import box
from rich.console import Console, Group, RenderableType
from rich.markdown import Markdown
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from ..agreement import Proof
from ..devices import Setting
from ..hotpath import HotPath, Variant, as_given
from .timing.doctor import Finding
from .timing.in_force import InForce, Seen
from .timing.machine import describe
from .timing.race import PRECISION, Result

PLAIN_WIDTH = 160  # columns where the output is no terminal: wide enough for every table
WRONG = Text("WRONG", "bold red")
SIDE_BY_SIDE = 150  # columns from which two sources fit beside each other


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


def seconds(value: float) -> str:
    """Three digits and a unit, such as `12.3 µs`."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6), ("ns", 1e-9)):
        if value >= 0.9995 * size or unit == "ns":  # what rounds to 1000 has the next unit
            break
    return f"{value / size:.0f} {unit}" if value >= 999.5 else f"{value / size:.3g} {unit}"


def times(value: float, uncertainty: float = 0.01) -> str:
    """A ratio such as `3.14×`, with no more digits than its relative uncertainty supports."""
    if not math.isfinite(value):
        return "–"
    if math.isinf(uncertainty):  # no bounds
        uncertainty = 1.0
    spread = max(value * uncertainty, 1e-9)
    most = 2 if value >= 0.1 else 3
    digits = max(0, min(most, -math.floor(math.log10(spread))))
    return f"{value:.{digits}f}×"


def overview(paths: Sequence[HotPath]) -> RenderableType:
    """The catalogue."""
    table = new_table(
        "Hot paths", "path", "what it is about", "reference", "variants", "cases", left=5
    )
    table.columns[4].no_wrap = False
    for path in paths:
        variants = "\n".join(variant.name for variant in path.variants)
        cases = ", ".join(case.name.removeprefix("batch-") for case in path.cases)
        table.add_row(path.name, path.title, path.reference.__name__, variants, cases)
    return table


def print_page(path: HotPath) -> None:
    """The story of `path`, then its reference beside each variant."""
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
            grid = Table.grid(expand=True)
            grid.add_column(ratio=1)
            grid.add_column(ratio=1)
            grid.add_row(*pair)
            out.print(grid)
        else:
            out.print(Group(*(pair if first else pair[1:])))
        first = False


def _source(variants: Sequence[Variant], remark: str) -> RenderableType:
    names, variant = ", ".join(v.name for v in variants), variants[0]
    code = _code(variant.fn)
    if variant.prepare is not as_given:
        code += "\n# not timed:\n" + _code(variant.prepare)
    if not console().is_terminal:
        return f"\n--- {names} ({remark})\n{code}"
    syntax = Syntax(code, "python", background_color="default", word_wrap=True)
    return Panel(syntax, title=names, subtitle=remark)


def _code(function: Callable[..., object]) -> str:
    return textwrap.dedent(inspect.getsource(function))


def proofs(rows: Sequence[tuple[str, str, str, Proof | str]]) -> RenderableType:
    """Largest error of every variant beside its tolerance; one row per variant, its worst case."""
    table = new_table("", "path", "variant", "cases", "largest error", "tolerance", "", left=2)
    grouped: dict[tuple[str, str], list[Proof | str]] = {}
    for path, variant, _, outcome in rows:
        grouped.setdefault((path, variant), []).append(outcome)
    for (path, variant), outcomes in grouped.items():
        proven = [o for o in outcomes if isinstance(o, Proof)]
        worst = max(proven, key=lambda p: (p.used, p.tolerance), default=Proof(math.nan, math.nan))
        state = Text("equal", "green") if len(proven) == len(outcomes) else WRONG
        figures = (f"{worst.error:.1e}", f"{worst.tolerance:.1e}")
        table.add_row(path, variant, f"{len(proven)}/{len(outcomes)}", *figures, state)
    return table


def races(path: HotPath, results: Sequence[Result]) -> RenderableType:
    """All results of one path."""
    table = new_table(
        f"{path.name}: {path.title}",
        "case",
        "variant",
        "verdict",
        "speedup",
        "95 % interval",
        "time",
        "reference",
        "of ceiling",
        "rounds",
        left=3,
    )
    for r in results:
        if r.wrong:
            table.add_row(r.case, r.variant, WRONG)
            continue
        style = {"faster": "green", "slower": "red"}.get(r.verdict, "yellow")
        table.add_row(
            r.case,
            r.variant,
            Text(r.verdict + (" (?)" if r.doubts else ""), style),
            *speedup(r),
            seconds(r.seconds),
            seconds(r.reference_seconds),
            share_of_ceiling(r),
            str(r.rounds),
        )
    notes = [f"  {r.case} {r.variant}: {r.wrong or '; '.join(r.doubts)}" for r in results]
    flagged = [n for n, r in zip(notes, results, strict=True) if r.wrong or r.doubts]
    return Group(table, *([Text("(?)\n" + "\n".join(flagged), style="dim")] if flagged else []), "")


def paired(results: Sequence[Result]) -> RenderableType:
    """Speedups of many paths in one table, without absolute times."""
    table = new_table("", "path", "case", "variant", "verdict", "speedup", "95 % interval", left=4)
    table.add_column("of ceiling", justify="right", no_wrap=True)
    for r in results:
        if r.wrong:
            table.add_row(r.path, r.case, r.variant, WRONG)
            continue
        table.add_row(r.path, r.case, r.variant, r.verdict, *speedup(r), share_of_ceiling(r))
    return table


def speedup(r: Result) -> tuple[str, str]:
    """The median speedup, and its interval."""
    width = r.speedup.half_width
    low, high = times(r.speedup.low, width), times(r.speedup.high, width)
    return times(r.speedup.median, width), f"{low} … {high}"


def share_of_ceiling(r: Result) -> str:
    """Such as `85 %`; a dash where no ceiling was measured."""
    return f"{100 * r.ceiling_share:.0f} %" if math.isfinite(r.ceiling_share) else "–"


def as_text(renderable: RenderableType) -> str:
    """What `renderable` looks like where there is no terminal."""
    text = io.StringIO()
    _plain_console(text).print(renderable)
    return text.getvalue()


def best(results: Sequence[Result]) -> RenderableType:
    """The fastest proven variant of every path and case."""
    table = new_table("Fastest variant of every path", "path", "case", "variant", "speedup", left=3)
    table.add_column("of ceiling", justify="right")
    groups: dict[tuple[str, str], Result] = {}
    for r in results:
        key = (r.path, r.case)
        if not r.wrong and (key not in groups or r.seconds < groups[key].seconds):
            groups[key] = r
    for (path, case), r in groups.items():
        table.add_row(path, case, r.variant, speedup(r)[0], share_of_ceiling(r))
    return table


def summary(results: Sequence[Result]) -> str:
    """One paragraph: how many were right, faster, and how sharp the intervals are."""
    timed = [r for r in results if not r.wrong]
    faster = sum(r.verdict == "faster" for r in timed)
    sharp = sum(r.speedup.half_width <= 2 * PRECISION for r in timed)
    doubted = sum(bool(r.doubts) for r in timed)
    return (
        f"{len(timed)} of {len(results)} proven equal and timed; {faster} faster than their "
        f"reference; {sharp} intervals within ±{200 * PRECISION:.0f} %; "
        f"{doubted} marked (?) with a reason not to trust them too far."
    )


def devices(seen: Seen) -> RenderableType:
    """The processor, and the GPUs that TensorFlow sees."""
    machine = describe()
    table = new_table("Devices", "device", "what it is", left=2)
    memory = f"{machine.memory / 2**30:.0f} GiB"
    table.add_row("cpu", f"{machine.processor}, {machine.cores} processors, {memory}")
    for i, gpu in enumerate(seen.about["gpus"]):
        table.add_row(f"gpu:{i}", gpu)
    if not seen.about["gpus"]:
        version, cuda = seen.about["tensorflow"], seen.about["cuda"]
        why = "it finds none" if cuda else "this build of it knows none"
        asked = f"TensorFlow {version}: {why}" if version else "TensorFlow is not installed"
        table.add_row("no gpu", asked)
    return table


def in_force(asked: Setting, seen: InForce) -> RenderableType:
    """What was asked for beside what was seen in a fresh process."""
    table = new_table("A setting in a fresh process", "", "asked for", "in force", left=3)

    def words(value: object, usual: str = "–") -> str:
        if isinstance(value, bool):
            return "on" if value else "off"
        return usual if value is None else str(value)

    free = "as many as there are"
    table.add_row("device", asked.device, words(seen.placed))
    table.add_row(
        "threads in a product of NumPy", words(asked.threads, free), words(seen.blas_threads)
    )
    table.add_row(
        "threads in a product of TensorFlow",
        words(asked.threads, free),
        words(seen.operation_threads),
    )
    inter = asked.inter or asked.threads
    table.add_row("operations of TensorFlow at a time", words(inter, free), words(seen.operations))
    table.add_row("XLA", words(asked.xla), words(seen.xla))
    if asked.device != "cpu":
        taken = "–" if seen.gpu_memory is None else f"{seen.gpu_memory / 1e6:.0f} MB taken"
        table.add_row("GPU memory", asked.gpu_memory, taken)
    return table


def findings(found: Sequence[Finding]) -> RenderableType:
    """What the doctor found, and what to do about it."""
    table = new_table("", "", "", "found", left=3)
    style = {"fine": "green", "note": "yellow", "problem": "bold red"}
    for finding in found:
        text = finding.found + (f"\n→ {finding.advice}" if finding.advice else "")
        table.add_row(Text(finding.state, style[finding.state]), finding.what, text)
    return table
