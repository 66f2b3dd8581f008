"""The figure over the number of clusters."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .. import plots
from .show import by_count, elbow_of, spread_of

Record = dict[str, Any]


def draw_clusters(records: Sequence[Record], path: Path) -> None:
    """Seconds, inertia and silhouette over the number of clusters, with the range over the seeds.

    Raises
    ------
    MlpperfError
        If the file cannot be written.
    """
    figure, axes = plots.new_figure(3)
    groups = by_count(records)
    labels = {"fit_seconds": "seconds of the fit", "inertia": "inertia", "silhouette": "silhouette"}
    for ax, (name, label) in zip(axes, labels.items(), strict=True):
        found = [(count, spread) for count, g in groups.items() if (spread := spread_of(g, name))]
        counts = [count for count, _ in found]
        middle, low, high = ([spread[i] for _, spread in found] for i in range(3))
        ax.plot(counts, middle, marker="o")
        ax.fill_between(counts, low, high, alpha=0.25)
        ax.set(xlabel="clusters K", ylabel=label)
        ax.grid(alpha=0.3)
    bend = elbow_of(records)
    if bend and bend.whole is not None:
        axes[1].axvline(bend.whole, linestyle="--" if bend.clear else ":", color="grey")
        axes[1].set_title("elbow" if bend.clear else "strongest bend, no clear elbow")
    plots.save(figure, path)
