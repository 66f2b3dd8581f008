"""The plots of the report, as figures of Plotly.

Colours, fonts and grids come from the page, which knows whether it is dark.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from ..calibrate.trials import DetectionRate
from ..history.fields import Bounds, known
from ..race.result import Result
from ..statistics.intervals import Interval

ROW = 26  # pixels of a bar or a point with its name
BELOW = {"orientation": "h", "y": 0, "yref": "container", "yanchor": "bottom"}  # a legend
# Left alone, Plotly labels 20 as 2, and each of 1 to 9 in every decade.
LOGARITHMIC = {"type": "log", "tickformat": ",", "nticks": 4}


def figure(traces: Sequence[Any], **layout: Any) -> Any:
    """A figure without Plotly's own colours."""
    return go.Figure(traces, {"template": {}, **layout})


def interval(
    intervals: Sequence[Interval | Bounds], scale: float = 1.0, **more: Any
) -> dict[str, Any]:
    """Error bars for intervals, without those of unknown bounds."""

    def reach(median: float | None, bound: float | None) -> float:
        length = abs(known(bound) - known(median))
        return scale * length if math.isfinite(length) else 0.0

    above = [reach(one.median, one.high) for one in intervals]
    below = [reach(one.median, one.low) for one in intervals]
    return {"type": "data", "symmetric": False, "array": above, "arrayminus": below, **more}


def points(
    name: str, names: Sequence[str], intervals: Sequence[Interval | Bounds], unit: str
) -> Any:
    """A point with an interval for each name."""
    return go.Scatter(
        name=name,
        mode="markers",
        marker={"size": 9},
        x=[i.median for i in intervals],
        y=[plain_text(name) for name in names],
        error_x=interval(intervals, thickness=2, width=6),
        hovertemplate=f"%{{y}}: %{{x:.3g}}{unit}<extra>{name}</extra>",
    )


def by_name(
    traces: Sequence[Any],
    title: str,
    rows: int,
    lines: Sequence[tuple[float, str]] = (),
    *,
    logarithmic: bool = False,
) -> Any:
    """One row of text for each name, the first one on top; vertical `lines` with their names."""
    drawn = figure(
        traces,
        height=150 + ROW * max(rows, 2),
        xaxis={"title": title, **(LOGARITHMIC if logarithmic else {"rangemode": "tozero"})},
        yaxis={"autorange": "reversed", "automargin": True, "type": "category"},
        legend=BELOW,
        margin={"l": 60, "r": 20, "t": 30, "b": 90},
    )
    for x, text in lines:
        drawn.add_vline(x, line_dash="dot", line_width=1.5)
        drawn.add_annotation(
            x=math.log10(x) if logarithmic else x,
            y=1,
            yref="paper",
            yanchor="bottom",
            xanchor="center" if len(lines) == 1 else "left",
            text=plain_text(text),
            showarrow=False,
        )
    return drawn


def over(traces: Sequence[Any], x: Any, y: Any, **layout: Any) -> Any:
    """Lines over the axis `x`; both axes are given as a title, or as Plotly describes them."""
    axes = [{"title": axis} if isinstance(axis, str) else axis for axis in (x, y)]
    legend = {"orientation": "h", "y": 1, "yanchor": "bottom"}
    shape = {"height": 380, "legend": legend, **layout}
    return figure(traces, xaxis=axes[0], yaxis={"automargin": True, **axes[1]}, **shape)


def plain_text(text: str) -> str:
    """Text for Plotly, which reads a little HTML in labels."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def forest(results: Sequence[Result]) -> Any:
    """Speedup of every variant with its interval; right of 1 is faster than the reference."""
    timed = [r for r in results if r.speedup.median > 0]
    drawn = points("", [r.variant for r in timed], [r.speedup for r in timed], "×")
    title = "speedup, with 95 % intervals"
    return by_name(
        [drawn.update(showlegend=False)], title, len(timed), [(1.0, "as fast")], logarithmic=True
    )


def ceilings(results: Sequence[Result]) -> Any:
    """Share of the machine's measured ceiling, for every variant at every case."""
    known = [r for r in results if math.isfinite(r.ceiling_share)]
    bars = []
    for case in dict.fromkeys(r.case for r in known):
        here = [r for r in known if r.case == case]
        errors = [100 * r.ceiling_share * r.share_error for r in here]
        bars.append(
            go.Bar(
                name=plain_text(case),
                orientation="h",
                y=[plain_text(r.variant) for r in here],
                x=[100 * r.ceiling_share for r in here],
                error_x={"array": [error if math.isfinite(error) else 0.0 for error in errors]},
                hovertemplate=f"%{{y}}: %{{x:.0f}} %<extra>{plain_text(case)}</extra>",
            )
        )
    return by_name(bars, "share of the ceiling in %", len(known), [(100.0, "ceiling")])


def detection(rates: Sequence[DetectionRate]) -> Any:
    """Share of slowdowns that were detected, over their size, with Clopper-Pearson intervals."""
    known = [rate for rate in rates if rate.detected.of]
    bounds = [Interval(r.detected.share, *r.detected.bounds) for r in known]
    line = go.Scatter(
        x=[100 * r.size for r in known],
        y=[100 * r.detected.share for r in known],
        error_y=interval(bounds, 100),
        marker={"size": 9},
        mode="lines+markers",
        showlegend=False,
        hovertemplate="%{x:g} % slower: %{y:.0f} % detected<extra></extra>",
    )
    y = {"title": "detected, in % of all", "range": [0, 105]}
    return over([line], "slowdown in %", y)
