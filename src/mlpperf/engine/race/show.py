"""Proofs, races, settings and what the doctor found, as tables for a terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from ...agreement import Proof
from ...devices import Setting
from ...hotpath import HotPath
from ..machine.doctor import Finding
from ..machine.in_force import InForce, Seen
from ..machine.machine import describe
from ..statistics.verdicts import Verdict
from ..terminal import new_table
from ..words import seconds, times
from .result import WIDE, Result

WRONG = Text("WRONG", "bold red")
STYLES = {Verdict.FASTER: "green", Verdict.SLOWER: "red"}


def proofs(rows: Sequence[tuple[str, str, str, Proof | str]]) -> RenderableType:
    """Largest error of every variant beside its tolerance; one row per variant, its worst case.

    Of the times to prepare the arguments the longest is shown: the one that compiles.
    """
    table = new_table(
        "", "path", "variant", "cases", "prepared in", "largest error", "tolerance", "", left=2
    )
    grouped: dict[tuple[str, str], list[Proof | str]] = {}
    for path, variant, _, outcome in rows:
        grouped.setdefault((path, variant), []).append(outcome)
    for (path, variant), outcomes in grouped.items():
        proven = [o for o in outcomes if isinstance(o, Proof)]
        worst = max(proven, key=lambda p: (p.used, p.tolerance), default=Proof(math.nan, math.nan))
        state = Text("equal", "green") if len(proven) == len(outcomes) else WRONG
        figures = [f"{figure:.1e}" if proven else "–" for figure in (worst.error, worst.tolerance)]
        known = [o.preparation for o in proven if not math.isnan(o.preparation)]
        cases = f"{len(proven)}/{len(outcomes)}"
        prepared = seconds(max(known)) if known else "–"
        table.add_row(path, variant, cases, prepared, *figures, state)
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
        style = STYLES.get(r.verdict, "yellow")
        table.add_row(
            r.case,
            r.variant,
            Text(str(r.judgement) + (" (?)" if r.doubts else ""), style),
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
        table.add_row(r.path, r.case, r.variant, str(r.judgement), *speedup(r), share_of_ceiling(r))
    return table


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
    faster = sum(r.verdict is Verdict.FASTER for r in timed)
    sharp = sum(r.speedup.half_width <= WIDE for r in timed)
    doubted = sum(bool(r.doubts) for r in timed)
    return (
        f"{len(timed)} of {len(results)} proven equal and timed; {faster} faster than their "
        f"reference; {sharp} intervals within ±{100 * WIDE:.0f} %; "
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
    table.add_row(
        "operations of TensorFlow at a time", words(asked.threads, free), words(seen.operations)
    )
    table.add_row("XLA", "–", words(seen.xla))
    if asked.device != "cpu":
        taken = "–" if seen.gpu_memory is None else f"{seen.gpu_memory / 1e6:.0f} MB taken"
        table.add_row("GPU memory", "–", taken)
    return table


def findings(found: Sequence[Finding]) -> RenderableType:
    """What the doctor found, and what to do about it."""
    table = new_table("", "", "", "found", left=3)
    style = {"fine": "green", "note": "yellow", "problem": "bold red"}
    for finding in found:
        text = finding.found + (f"\n→ {finding.advice}" if finding.advice else "")
        table.add_row(Text(finding.state, style[finding.state]), finding.what, text)
    return table


def speedup(r: Result) -> tuple[str, str]:
    """The median speedup, and its interval."""
    width = r.speedup.half_width
    low, high = times(r.speedup.low, width), times(r.speedup.high, width)
    return times(r.speedup.median, width), f"{low} … {high}"


def share_of_ceiling(r: Result) -> str:
    """Such as `85 %`, or `102 ± 4 %` where it seems to be beyond the ceiling.

    Where there is none, the function that takes the time, such as `exp`, or a dash.
    """
    if not math.isfinite(r.ceiling_share):
        return r.limit or "–"
    error = ""
    if r.ceiling_share > 1 and math.isfinite(r.share_error):
        error = f" ± {100 * r.ceiling_share * r.share_error:.0f}"
    return f"{100 * r.ceiling_share:.0f}{error} %"
