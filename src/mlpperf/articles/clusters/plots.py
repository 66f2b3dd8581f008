"""The figures over the number of clusters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from ...engine.report.figures import interval, over
from ...engine.statistics.intervals import Interval
from .records import ClustersRecord
from .show import by_count, elbow_of, spread_of

TITLES = {"fit_seconds": "seconds of the fit", "inertia": "inertia", "silhouette": "silhouette"}


def figures(records: Sequence[ClustersRecord]) -> dict[str, Any]:
    """Each measure over the number of clusters, by its title: median and range over the seeds."""
    bend = elbow_of(records)
    drawn = {}
    for name, title in TITLES.items():
        spreads = {count: spread_of(group, name) for count, group in by_count(records).items()}
        known = {count: spread for count, spread in spreads.items() if spread}
        ranges = [Interval(*one) for one in known.values()]
        line = go.Scatter(
            mode="lines+markers",
            x=list(known),
            y=[one.median for one in ranges],
            error_y=interval(ranges),
            hovertemplate="K = %{x}: %{y:.4g}<extra></extra>",
            showlegend=False,
        )
        drawn[title] = over([line], "clusters K", title)
        if name == "inertia" and bend and bend.whole is not None:
            text = "elbow" if bend.clear else "strongest bend, no clear elbow"
            drawn[title].add_vline(bend.whole, line_dash="dot", annotation_text=text)
    return drawn
