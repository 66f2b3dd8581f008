"""What `mlpperf history` prints."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby

from rich.console import Group, RenderableType
from rich.text import Text

from ..terminal import new_table
from ..words import SHORT, by_percent, count, plain
from .changes import ALARMS, FEWEST, Change, Curve
from .table import History, points


def listing(found: Sequence[Change], history: History) -> RenderableType:
    """`found`, newest first: for each commit, and within it for each machine and source."""
    parts: list[RenderableType] = []
    for commit, at_commit in groupby(found, key=lambda change: change.commit):
        first, *others = at_commit
        subject = history.subjects.get(commit, "")
        head = f"{commit[:SHORT]}  {first.date:%Y-%m-%d}  {subject}"
        parts.append(Text(plain(head).rstrip(), style="bold"))
        by_place = sorted([first, *others], key=lambda change: place(change.curve))
        for where, at_place in groupby(by_place, key=lambda change: place(change.curve)):
            parts.append(_table(where, list(at_place)))
    return Group(*parts)


def _table(where: str, found: Sequence[Change]) -> RenderableType:
    columns = ("", "path", "case", "variant", "what", "last before", "by", "95 % interval")
    table = new_table("", *columns, left=6)
    style = {"slower": "red", "more": "red", "faster": "green", "less": "green"}
    for change in found:
        curve, ratio = change.curve, change.ratio
        table.add_row(
            Text(change.how, style.get(change.direction, "yellow")),
            *(plain(text) for text in (curve.path, curve.case, curve.variant, curve.quantity)),
            plain(change.previous[:SHORT]),
            by_percent(ratio.median),
            f"{by_percent(ratio.low)} … {by_percent(ratio.high)}",
        )
    return Group(Text(plain(where)), table, "")


def summary(found: Sequence[Change], history: History) -> str:
    """How much there is, how far to trust it, and what could not be read."""
    table, curves = history.table, points(history.table)
    lengths = curves.groupby("curve").size()
    sources = table["source"].value_counts(sort=False)
    counts = ", ".join(f"{n:,} of {source}" for source, n in sources.items() if n)
    lines = [
        f"{count(len(found), 'change')} in {count(len(lengths), 'curve')} over "
        f"{count(curves['commit'].nunique(), 'commit')}; {count(len(table), 'number')}: {counts}."
    ]
    if found:
        lines.append(
            f"Noise alone would show any with a probability of at most {100 * ALARMS:.0f} %."
        )
    if short := int((lengths < 2 * FEWEST).sum()):
        lines.append(
            f"Too short to tell, with fewer than {2 * FEWEST} commits: {count(short, 'curve')}."
        )
    if outside := len(table) - int(curves["measurements"].sum()):
        lines.append(
            "In no curve, as measured with changed files or outside a repository, or not right: "
            f"{count(outside, 'number')}."
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


def place(curve: Curve) -> str:
    """Source, machine, device, threads and software, in words."""
    threads = "" if curve.threads is None else count(curve.threads, "thread")
    known = (curve.device, threads, curve.software)
    return "; ".join([f"{curve.source} on {curve.machine}", *filter(None, known)])
