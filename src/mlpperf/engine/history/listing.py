"""What `mlpperf history` prints."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from itertools import groupby
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from ..table import Badge, Cell, Table
from ..words import SHORT, by_percent, count, plain
from .changes import ALARMS, FEWEST, Change
from .curves import Curve, points
from .records import finite
from .table import COLUMNS, History


def listing(changes: Sequence[Change], history: History) -> RenderableType:
    """Changes, newest first: by commit, and within it by machine and source."""
    parts: list[RenderableType] = []
    for commit, at_commit in groupby(changes, key=lambda change: change.commit):
        first, *others = at_commit
        subject = history.subjects.get(commit, "")
        head = f"{commit[:SHORT]}  {first.date:%Y-%m-%d}  {subject}"
        parts.append(Text(plain(head).rstrip(), style="bold"))
        by_place = sorted([first, *others], key=lambda change: place(change.curve))
        for where, at_place in groupby(by_place, key=lambda change: place(change.curve)):
            parts += [_table(where, list(at_place)), ""]
    return Group(*parts)


def _table(where: str, changes: Sequence[Change]) -> Table:
    rows: list[Sequence[Cell]] = []
    for change in changes:
        curve, ratio = change.curve, change.ratio
        rows.append(
            [
                Badge(change.how, kind_of(change)),
                *(plain(text) for text in (curve.path, curve.case, curve.variant, curve.quantity)),
                plain(change.previous[:SHORT]),
                by_percent(ratio.median),
                f"{by_percent(ratio.low)} … {by_percent(ratio.high)}",
            ]
        )
    columns = ("", "path", "case", "variant", "what", "last before", "by", "95 % interval")
    return Table(plain(where), columns, rows, text=range(6))


def kind_of(change: Change) -> str:
    """Whether a change is for the worse: the kind of its badge."""
    kinds = {"slower": "bad", "more": "bad", "faster": "good", "less": "good"}
    return kinds.get(change.direction, "plain")


def summary(changes: Sequence[Change], history: History) -> str:
    """The number of changes, their false-alarm rate, and what could not be read."""
    skipped = [f"Skipped: {plain(line)}." for line in history.unreadable]
    table, curves = history.table, points(history.table)
    if not len(table):
        return "\n".join(skipped)
    commits = {commit for curve in curves for commit in curve.commits}
    counts = ", ".join(f"{n:,} of {source}" for source, n in table.sources().items())
    lines = [
        f"{count(len(changes), 'change')} in {count(len(curves), 'curve')} over "
        f"{count(len(commits), 'commit')}; {count(len(table), 'number')}: {counts}."
    ]
    if changes:
        lines.append(
            f"Noise alone would show any with a probability of at most {100 * ALARMS:.0f} %."
        )
    if short := sum(len(curve) < 2 * FEWEST for curve in curves):
        lines.append(
            f"Too short to tell, with fewer than {2 * FEWEST} commits: {count(short, 'curve')}."
        )
    if outside := len(table) - sum(int(curve.measurements.sum()) for curve in curves):
        lines.append(
            "In no curve, as measured with changed files or outside a repository, or not right: "
            f"{count(outside, 'number')}."
        )
    return "\n".join([*lines, *skipped])


def as_json(
    changes: Sequence[Change], history: History, levels: Mapping[str, Any] | None = None
) -> str:
    """The whole table, the changes, the levels over commits, and what could not be read."""
    content = {
        "rows": list(history.table.rows()),
        "changes": [{**asdict(c), "curve": c.curve._asdict()} for c in changes],
        "levels": levels,
        "unreadable": history.unreadable,
    }
    return json.dumps(
        finite(content), ensure_ascii=False, allow_nan=False, default=datetime.isoformat
    )


def as_csv(history: History, levels: Mapping[str, Any] | None = None) -> str:
    """The whole table, and a row for each step of the levels; a line names the columns."""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(history.table.rows())
    machines = [*levels["machines"], ""] if levels else []  # the last one stands for all of them
    for step in levels["steps"] if levels else ():
        writer.writerow(
            {
                "source": "compare",
                "machine": machines[step["machine"]],
                "commit": step["last"],
                "path": step["series"],
                "quantity": "step",
                "value": step["ratio"],
                "low": step["low"],
                "high": step["high"],
                "date": datetime.fromisoformat(step["date"]),
                "date_of": "commit",
            }
        )
    return out.getvalue()


def place(curve: Curve) -> str:
    """Source, machine, device, threads and software, in words."""
    threads = "" if curve.threads is None else count(curve.threads, "thread")
    known = (curve.device, threads, curve.software)
    return "; ".join([f"{curve.source} on {curve.machine}", *filter(None, known)])
