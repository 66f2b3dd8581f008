"""How many clusters: the table over their number, and the elbow in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

from rich.console import RenderableType

from ...engine.terminal import new_table
from ...engine.words import seconds
from .counts import FEWEST_POINTS, Elbow, elbow

Record = dict[str, Any]

# The columns of the table: by the key in a record, its title, and how its value is written.
CLUSTER_MEASURES: dict[str, tuple[str, Callable[[float], str]]] = {
    "fit_seconds": ("fit", seconds),
    "transform_seconds": ("transformation", seconds),
    "inertia": ("inertia", lambda value: f"{value:,.0f}" if value > 999 else f"{value:.4g}"),
    "silhouette": ("silhouette", "{:.4f}".format),
}
CLUSTER_COLUMNS = ("clusters", "seeds", *(title for title, _ in CLUSTER_MEASURES.values()))


def by_count(records: Sequence[Record]) -> dict[int, list[Record]]:
    """The last record of every seed, for every number of clusters."""
    newest = {(r["clusters"], r["seed"]): r for r in records}
    groups: dict[int, list[Record]] = {}
    for (count, _), record in sorted(newest.items()):
        groups.setdefault(count, []).append(record)
    return groups


def spread_of(group: Sequence[Record], name: str) -> tuple[float, float, float] | None:
    """Median, lowest and highest value over the seeds; None where no record has one."""
    values = sorted(r[name] for r in group if r[name] is not None)
    return (median(values), values[0], values[-1]) if values else None


def cluster_rows(records: Sequence[Record]) -> list[tuple[str, ...]]:
    """The cells of the table, a row for each number of clusters: median (lowest–highest)."""
    rows = []
    for count, group in by_count(records).items():
        cells = []
        for name, (_, written) in CLUSTER_MEASURES.items():
            spread = spread_of(group, name)
            if spread is None:
                cells.append("–")
                continue
            middle, low, high = map(written, spread)
            cells.append(middle if len(group) == 1 else f"{middle} ({low}–{high})")
        rows.append((str(count), str(len(group)), *cells))
    return rows


def clusters(records: Sequence[Record]) -> RenderableType:
    """Seconds, inertia and silhouette of every number of clusters."""
    first = records[0]
    title = (
        f"Clusters of {first['data']}, images scaled: {first['scaler'] or 'none'}; "
        f"silhouette of {first['silhouette_samples']:,} training images"
    )
    table = new_table(title, *CLUSTER_COLUMNS, left=0)
    for row in cluster_rows(records):
        table.add_row(*row)
    return table


def elbow_of(records: Sequence[Record]) -> Elbow | None:
    """The elbow of the inertia over the number of clusters, by medians over the seeds."""
    groups = by_count(records)
    return elbow(list(groups), [median(r["inertia"] for r in group) for group in groups.values()])


def elbow_found(records: Sequence[Record]) -> str:
    """Where the median inertia bends, and whether to believe it."""
    found = elbow_of(records)
    if found is None:
        return f"An elbow is looked for in {2 * FEWEST_POINTS - 1} numbers of clusters or more."
    if found.whole is None:
        return "The inertia has no elbow."
    if found.clear:
        return f"The inertia has its elbow at K = {found.whole}, also when only half is looked at."
    half = "nowhere" if found.half is None else f"at {found.half}"
    return (
        f"No clear elbow: the inertia bends most at K = {found.whole}, but over the lower half of "
        f"the range {half}; it flattens steadily, and no number of clusters is marked out."
    )
