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

from ..lines import Line, Lines
from ..words import SHORT, by_percent, count, plain
from .changes import ALARMS, FEWEST, Change
from .curves import Curve, points
from .records import finite
from .table import COLUMNS, History


def listing(changes: Sequence[Change], history: History) -> RenderableType:
    """Changes, newest first: by commit, and within it by machine and source."""
    lines = []
    for _, same in groupby(changes, key=lambda change: change.commit):
        lines += [
            _line(change, history) for change in sorted(same, key=lambda c: setting_of(c.curve))
        ]
    columns = ("", "last before", "change", "95 % interval")
    return Group(
        Lines(f"{count(len(changes), 'change')}, newest first", "plain", columns, lines), ""
    )


def _line(change: Change, history: History) -> Line:
    curve, ratio = change.curve, change.ratio
    name = "/".join(filter(None, (curve.case, curve.variant)))
    what = "" if curve.quantity == "seconds" else f" ({curve.quantity})"
    last = change.previous[:SHORT]
    cells = (change.how, last, by_percent(ratio.median), ratio.between)
    subject = history.subjects.get(change.commit, "")
    commit = f"{change.commit[:SHORT]}  {change.date:%Y-%m-%d}  {subject}".rstrip()
    above = (commit, setting_of(curve))
    return Line(curve.path, f"{name}{what}", cells, ratio, kind=change.tone, above=above)


def summary(changes: Sequence[Change], history: History) -> str:
    """The number of changes, their false-alarm rate, and what could not be read."""
    skipped = [f"Skipped: {plain(line)}." for line in history.unreadable]
    table, curves = history.table, points(history.table)
    if not len(table):
        return "\n".join(skipped)
    commits = {commit for curve in curves for commit in curve.commits}
    counts = ", ".join(f"{n:,} of {source}" for source, n in table.sources().items())
    lines = []
    if changes:
        lines.append(f"False-alarm rate: at most {100 * ALARMS:.0f} % for the whole history.")
    if short := sum(len(curve) < 2 * FEWEST for curve in curves):
        lines.append(
            f"Too short to tell, with fewer than {2 * FEWEST} commits: {count(short, 'curve')}."
        )
    if outside := len(table) - sum(int(curve.measurements.sum()) for curve in curves):
        lines.append(
            "In no curve, as measured with changed files or outside a repository, or not right: "
            f"{count(outside, 'number')}."
        )
    lines += skipped
    lines.append(
        f"{count(len(changes), 'change')} in {count(len(curves), 'curve')} over "
        f"{count(len(commits), 'commit')}; {count(len(table), 'number')}: {counts}."
    )
    return "\n".join(lines)


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


def setting_of(curve: Curve) -> str:
    """Source, machine, device, threads and software, in words."""
    threads = "" if curve.threads is None else count(curve.threads, "thread")
    known = (curve.device, threads, curve.software)
    return "; ".join([f"{curve.source} on {curve.machine}", *filter(None, known)])
