"""How many clusters: the table over their number, and the elbow in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median

from ...engine.table import Table, grouped, newest
from ...engine.words import seconds
from .counts import FEWEST_POINTS, Elbow, elbow
from .records import ClustersRecord

# The columns of the table, by their keys in a record: their titles, and how values are written.
MEASURES: dict[str, tuple[str, Callable[[float], str]]] = {
    "fit_seconds": ("fit", seconds),
    "transform_seconds": ("transformation", seconds),
    "inertia": ("inertia", lambda value: f"{value:,.0f}" if value > 999 else f"{value:.4g}"),
    "silhouette": ("silhouette", "{:.4f}".format),
}


def by_count(records: Sequence[ClustersRecord]) -> dict[int, list[ClustersRecord]]:
    """The last record of every seed, for every number of clusters."""
    last = sorted(newest(records, lambda r: (r.clusters, r.seed)), key=lambda r: r.clusters)
    return grouped(last, lambda r: r.clusters)


def spread_of(group: Sequence[ClustersRecord], name: str) -> tuple[float, float, float] | None:
    """Median, lowest and highest value over the seeds; None where no record has one."""
    values = sorted(value for r in group if (value := getattr(r, name)) is not None)
    return (median(values), values[0], values[-1]) if values else None


def clusters(records: Sequence[ClustersRecord]) -> Table:
    """A row for each number of clusters: the median over the seeds (lowest–highest)."""
    rows = []
    for count, group in by_count(records).items():
        cells = []
        for name, (_, written) in MEASURES.items():
            spread = spread_of(group, name)
            if spread is None:
                cells.append("–")
                continue
            middle, low, high = map(written, spread)
            cells.append(middle if len(group) == 1 else f"{middle} ({low}–{high})")
        rows.append((str(count), str(len(group)), *cells))
    columns = ("clusters", "seeds", *(title for title, _ in MEASURES.values()))
    last = records[-1]
    note = (
        f"Images scaled: {last.scaler or 'none'}; silhouette of "
        f"{last.silhouette_samples:,} training images."
    )
    title = "How many clusters? Median (lowest–highest) over the seeds"
    return Table(title, columns, rows, text=(), notes=[elbow_found(records), note], records=records)


def elbow_of(records: Sequence[ClustersRecord]) -> Elbow | None:
    """The elbow of the inertia over the number of clusters, by medians over the seeds."""
    groups = by_count(records)
    return elbow(list(groups), [median(r.inertia for r in group) for group in groups.values()])


def elbow_found(records: Sequence[ClustersRecord]) -> str:
    """Where the median inertia bends, and whether to believe it."""
    bend = elbow_of(records)
    if bend is None:
        return f"An elbow takes at least {2 * FEWEST_POINTS - 1} numbers of clusters."
    if bend.whole is None:
        return "The inertia has no elbow."
    if bend.clear:
        return f"The inertia has its elbow at K = {bend.whole}, also in the lower half."
    half = "nowhere" if bend.half is None else f"at {bend.half}"
    return (
        f"No clear elbow: the inertia bends most at K = {bend.whole}, but over the lower half of "
        f"the range {half}; it flattens steadily, and no number of clusters stands out."
    )
