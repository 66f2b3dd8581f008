"""The figures over the number of clusters."""

from __future__ import annotations

from collections.abc import Sequence

from ...engine.report.figures import Figure, axis, curve, interval, over, vertical
from ...engine.statistics.intervals import Interval
from .records import ClustersRecord
from .show import by_count, elbow_of, spread_of

TITLES = {"fit_seconds": "seconds of the fit", "inertia": "inertia", "silhouette": "silhouette"}


def figures(records: Sequence[ClustersRecord]) -> dict[str, Figure]:
    """Each measure over the number of clusters, by its title: median and range over the seeds."""
    bend = elbow_of(records)
    drawn = {}
    for name, title in TITLES.items():
        spreads = {count: spread_of(group, name) for count, group in by_count(records).items()}
        known = {count: spread for count, spread in spreads.items() if spread}
        ranges = [Interval(*one) for one in known.values()]
        line = curve(
            mode="lines+markers",
            x=list(known),
            y=[one.median for one in ranges],
            error_y=interval(ranges),
            hovertemplate="K = %{x}: %{y:.4g}<extra></extra>",
            showlegend=False,
        )
        drawn[title] = over([line], axis("clusters K"), axis(title))
        if name == "inertia" and bend and bend.whole is not None:
            text = "elbow" if bend.clear else "strongest bend, no clear elbow"
            at = {"x": bend.whole, "xanchor": "left", "y": 1, "yref": "paper", "yanchor": "top"}
            drawn[title]["layout"] |= {
                "shapes": [vertical(bend.whole)],
                "annotations": [{**at, "text": text, "showarrow": False}],
            }
    return drawn
