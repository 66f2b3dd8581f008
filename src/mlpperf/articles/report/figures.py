"""The figures of peers and of the time to an accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from ...engine.history.fields import known
from ...engine.report.figures import LOGARITHMIC, by_name, interval, over, plain_text
from ..accuracy.records import CourseRecord
from ..peers.records import PeerRecord


def peers(records: Sequence[PeerRecord]) -> Any:
    """Seconds of every peer, the fastest first."""
    timed = sorted((r for r in records if r.seconds.median), key=lambda r: known(r.seconds.median))
    bars = go.Bar(
        orientation="h",
        y=[plain_text(r.peer) for r in timed],
        x=[r.seconds.median for r in timed],
        error_x=interval([r.seconds for r in timed]),
        hovertemplate="%{y}: %{x:.3g} s<extra></extra>",
        showlegend=False,
    )
    return by_name([bars], "seconds of 35 epochs", len(timed))


def courses(records: Sequence[CourseRecord]) -> Any:
    """Test accuracy over the seconds so far, a line for each seed of a contender."""
    numbers: dict[str, int] = {}
    lines = []
    for r in filter(lambda r: r.seconds, records):
        name, first = plain_text(r.contender), r.contender not in numbers
        line = go.Scatter(
            name=name,
            mode="lines",
            line={"width": 1.5},
            x=r.seconds,
            y=[100 * a for a in r.accuracies],
            hovertemplate=f"%{{x:.3g}} s: %{{y:.2f}} %<extra>{name}</extra>",
            legendgroup=name,
            showlegend=first,
            meta=numbers.setdefault(r.contender, len(numbers)),
        )
        lines.append(line)
    x = {"title": "seconds of fit, transformation and training", **LOGARITHMIC}
    drawn = over(lines, x, {"title": "right in %", "range": [90, 100]}, height=460)
    for target in sorted({target for r in records for target in r.targets}):
        drawn.add_hline(100 * target, line_dash="dot", line_width=1.5)
    return drawn
