"""Causes in words: on a terminal, in a pull request, and as a record."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec
from rich.console import Group, RenderableType

from ..compare.causes import Effect, Explanation
from ..compare.render import coded, escaped
from ..lines import Line, Lines, sentence
from ..statistics.intervals import Interval
from ..table import Table, grouped
from ..words import by_percent, count, percent_range, plain, rounded, some
from .causes import Causes

NAMED_MOST = 3  # parts in a sentence
COLUMNS = ("change", "95 % interval", "added", "removed")


def sentences(causes: Causes) -> list[str]:
    """What the causes are: a sentence for the series with the same ones; and what is not known."""
    if causes.unknown:
        return [plain(f"The causes are unknown: {causes.unknown}.")]
    lines = [plain(_sentence(same)) for same in grouped(causes.explanations, _kind).values()]
    if causes.left_out:
        lines.append(
            f"{count(causes.left_out, 'changed benchmark')} not examined: name one with "
            "`mlpperf why BENCHMARK`."
        )
    return lines


def _kind(one: Explanation) -> tuple[str, ...]:
    """Equal for series of which one sentence can be about all: the same parts made them slower."""
    names = sorted(part for effect in one.causes for part in effect.parts)
    alone = () if one.causes and not one.together else one.named
    return (_direction(one.whole.interval), *names, *alone)


def _sentence(every: Sequence[Explanation]) -> str:
    one = every[0]
    more = f" and {count(len(every) - 1, 'more benchmark')}" if len(every) > 1 else ""
    head = f"{one.named.name}{more}, {_change([same.whole.interval for same in every])}"
    if not one.causes:
        return f"{head}: no part of the change has a significant effect by itself."
    clauses = []
    for effect in one.causes:
        of_each = [
            each.change.interval.median
            for same in every
            for each in same.causes
            if each.parts == effect.parts
        ]
        clauses.append(f"{some(effect.parts, NAMED_MOST)}, {percent_range(of_each)}")
    text = f"{head}: {'; '.join(clauses)}"
    rests = [same.rest.interval for same in every if len(same.effects) > len(same.causes)]
    rest = max((abs(bound - 1) for one in rests for bound in (one.low, one.high)), default=math.nan)
    text += f"; the rest is below {rounded(100 * rest, 2)} %" if math.isfinite(rest) else ""
    if one.together:
        more = by_percent(math.exp(one.together))
        text += f"; parts act together (taken out of the head, one makes {more} more than alone)"
    return f"{text}."


def _direction(ratio: Interval) -> str:
    if not ratio.excludes_one:
        return ""
    return "slower" if ratio.median > 1 else "faster"


def _change(ratios: Sequence[Interval]) -> str:
    word = _direction(ratios[0])
    if not word:
        return f"no significant change ({ratios[0].between} %)"
    sizes = [abs(100 * (ratio.median - 1)) for ratio in ratios]
    ends = dict.fromkeys(f"{size:.1f}" for size in (min(sizes), max(sizes)))
    return f"{word} by {' to '.join(ends)} %"


def _cells(effect: Effect) -> tuple[str, str, str, str]:
    change = effect.change.interval
    medians = (effect.alone.median, effect.last.median)
    both = ("–" if one is None else by_percent(one) for one in medians)
    return (by_percent(change.median), change.between, *both)  # type: ignore[return-value]


def text(causes: Causes, samples: bool = True) -> RenderableType:
    """A line for each part that was measured of each series, and the sentences last.

    With `samples`, also the functions whose time differs.
    """
    below = "parts of the change"
    headings = {
        one.named: f"{one.named.name}, {_change([one.whole.interval])}"
        for one in causes.explanations
    }
    alone = next(iter(headings.values())) if len(headings) == 1 else ""
    lines = [
        Line(
            below if alone else headings[one.named],
            plain(some(effect.parts, 1)),  # short, so that the table fits a terminal
            _cells(effect),
            effect.change.interval,
            kind="bad" if one.whole.interval.median > 1 else "good",
        )
        for one in causes.explanations
        for effect in one.effects
    ]
    parts: list[RenderableType] = []
    if lines:
        parts += [Lines(alone or below.capitalize(), lines[0].kind, COLUMNS, lines), ""]
    for table in _tables(causes) if samples else ():
        parts += [table, ""]
    parts += [sentence(f"Warning: {one}", "dim") for one in causes.warnings]
    return Group(*parts, *(sentence(one, "bold") for one in sentences(causes)))


def _tables(causes: Causes) -> list[Table]:
    """The functions of each series that take longer, or less long, beyond chance."""
    tables = [flame.table(chance=False) for flame in causes.flames if flame.enough]
    return [table for table in tables if table.rows]


def _label(effect: Effect) -> str:
    return plain(some(effect.parts, NAMED_MOST)) + ("" if effect.cause else " (not significant)")


def markdown(causes: Causes) -> str:
    """For a pull request: the sentences, and folded tables with the lines of each cause."""
    lines = [f"- {escaped(one)}" for one in sentences(causes)]
    for one in causes.explanations:
        rows = [(_label(effect), *_cells(effect)) for effect in one.effects]
        table = Table("", ("part", *COLUMNS), rows, text=(0,)).to_markdown(escaped)
        summary = f"<details><summary>Causes: {escaped(one.named.name)}</summary>"
        lines += ["", summary, "", table, ""]
        for effect in one.causes:
            lines += [
                f"```diff\n{hunk.replace('```', '` ` `')}\n```" for hunk in effect.hunks if hunk
            ]
        lines.append("</details>")
    for functions in _tables(causes):
        summary = f"<details><summary>{escaped(functions.title)}</summary>"
        lines += ["", summary, "", functions.to_markdown(escaped, coded), "", "</details>"]
    return "\n".join(lines) + "\n"


def record(causes: Causes) -> dict[str, Any]:
    """The causes as JSON can hold them."""
    fields = msgspec.to_builtins(causes)
    about = {"verdict": sentences(causes), "exit_code": exit_code(causes), "in_force": None}
    return {**fields, **about}


def exit_code(causes: Causes) -> int:
    """0 if every series that was examined has a cause, else 2."""
    explained = causes.explanations and all(one.causes for one in causes.explanations)
    return 0 if explained and not causes.unknown else 2
