"""What `mlpperf history` prints."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby

from rich.console import Group, RenderableType
from rich.text import Text

from ..tables import new_table
from .changes import ALARMS, FEWEST, Change, Curve
from .table import History, points

SHORT = 10  # characters of a hash


def listing(found: Sequence[Change], history: History) -> RenderableType:
    """`found`, newest first: for each commit, and within it for each machine and source."""
    parts: list[RenderableType] = []
    for commit, at_commit in groupby(found, key=lambda change: change.commit):
        first, *others = at_commit
        subject = history.subjects.get(commit, "")
        head = f"{commit[:SHORT]}  {first.date:%Y-%m-%d}  {subject}"
        parts.append(Text(plain(head).rstrip(), style="bold"))
        by_place = sorted([first, *others], key=lambda change: _place(change.curve))
        for place, at_place in groupby(by_place, key=lambda change: _place(change.curve)):
            parts.append(_table(place, list(at_place)))
    return Group(*parts)


def _table(place: str, found: Sequence[Change]) -> RenderableType:
    columns = ("", "path", "case", "variant", "what", "last before", "by", "95 % interval")
    table = new_table("", *columns, left=6)
    style = {"slower": "red", "more": "red", "faster": "green", "less": "green"}
    for change in found:
        curve, ratio = change.curve, change.ratio
        how = change.direction if change.kind == "step" else f"{change.direction}, bit by bit"
        table.add_row(
            Text(how, style.get(change.direction, "yellow")),
            *(plain(text) for text in (curve.path, curve.case, curve.variant, curve.quantity)),
            plain(change.previous[:SHORT]),
            _percent(ratio.median),
            f"{_percent(ratio.low)} … {_percent(ratio.high)}",
        )
    return Group(Text(plain(place)), table, "")


def summary(found: Sequence[Change], history: History) -> str:
    """How much there is, how far to trust it, and what could not be read."""
    table, curves = history.table, points(history.table)
    lengths = curves.groupby("curve").size()
    sources = table["source"].value_counts(sort=False)
    counts = ", ".join(f"{n:,} of {source}" for source, n in sources.items() if n)
    lines = [
        f"{_count(len(found), 'change')} in {_count(len(lengths), 'curve')} over "
        f"{_count(curves['commit'].nunique(), 'commit')}; {_count(len(table), 'number')}: {counts}."
    ]
    if found:
        lines.append(
            f"Noise alone would show any with a probability of at most {100 * ALARMS:.0f} %."
        )
    if short := int((lengths < 2 * FEWEST).sum()):
        lines.append(
            f"Too short to tell, with fewer than {2 * FEWEST} commits: {_count(short, 'curve')}."
        )
    if outside := len(table) - int(curves["measurements"].sum()):
        lines.append(
            "In no curve, as measured with changed files or outside a repository, or not right: "
            f"{_count(outside, 'number')}."
        )
    return "\n".join([*lines, *(f"Skipped: {plain(line)}." for line in history.unreadable)])


def as_json(found: Sequence[Change], history: History) -> str:
    """The whole table, what changed, and what could not be read."""
    rows = history.table.to_json(
        orient="records", date_format="iso", date_unit="s", double_precision=15
    )
    told = [{**asdict(c), "curve": c.curve._asdict(), "date": c.date.isoformat()} for c in found]
    others = json.dumps({"changes": told, "unreadable": history.unreadable}, ensure_ascii=False)
    return f'{{"rows": {rows}, {others[1:]}'


def plain(text: str) -> str:
    """`text` from a file for a terminal, which must not be told to do anything by it."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def _place(curve: Curve) -> str:
    threads = "" if curve.threads is None else _count(curve.threads, "thread")
    known = (curve.device, threads, curve.software)
    return "; ".join([f"{curve.source} on {curve.machine}", *filter(None, known)])


def _percent(ratio: float) -> str:
    return f"{100 * (ratio - 1):+,.1f} %"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
