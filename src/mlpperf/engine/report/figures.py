"""The plots of the report, as Plotly's script reads them: dictionaries of data and a layout.

Colours, fonts and grids come from the page, which knows whether it is dark.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ..calibrate.trials import DetectionRate
from ..compare import Flame, FlameFrame
from ..history.fields import Bounds, known
from ..race.result import Result
from ..statistics.intervals import Interval

Figure = dict[str, Any]
Trace = Mapping[str, Any]
LEVELS = 30  # of functions below each other that are drawn; the others, at a click
ROW = 26  # pixels of a bar or a point with its name
BELOW = {"orientation": "h", "y": 0, "yref": "container", "yanchor": "bottom"}  # a legend
# Left alone, Plotly labels 20 as 2, and each of 1 to 9 in every decade.
LOGARITHMIC = {"type": "log", "tickformat": ",", "nticks": 4}
DOTTED = {"dash": "dot", "width": 1.5}


def axis(title: str, **more: Any) -> dict[str, Any]:
    """An axis with its title."""
    return {"title": {"text": title}, **more}


def curve(**about: Any) -> Trace:
    """A line, or points."""
    return {"type": "scatter", **about}


def bars(names: Sequence[str], values: Sequence[float | None], **about: Any) -> Trace:
    """A horizontal bar for each name."""
    return {"type": "bar", "orientation": "h", "y": names, "x": values, **about}


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
) -> Trace:
    """A point with an interval for each name."""
    return curve(
        name=name,
        showlegend=bool(name),
        mode="markers",
        marker={"size": 9},
        x=[i.median for i in intervals],
        y=[plain_text(name) for name in names],
        error_x=interval(intervals, thickness=2, width=6),
        hovertemplate=f"%{{y}}: %{{x:.3g}}{unit}<extra>{name}</extra>",
    )


def vertical(x: float) -> dict[str, Any]:
    """A dotted line at a value of the horizontal axis."""
    return {"type": "line", "x0": x, "x1": x, "yref": "paper", "y0": 0, "y1": 1, "line": DOTTED}


def by_name(
    traces: Sequence[Trace],
    title: str,
    rows: int,
    lines: Sequence[tuple[float, str]] = (),
    *,
    logarithmic: bool = False,
) -> Figure:
    """One row of text for each name, the first one on top; vertical `lines` with their names."""
    names = [
        {
            "x": math.log10(x) if logarithmic else x,
            "y": 1,
            "yref": "paper",
            "yanchor": "bottom",
            "xanchor": "center" if len(lines) == 1 else "left",
            "text": plain_text(text),
            "showarrow": False,
        }
        for x, text in lines
    ]
    layout = {
        "height": 150 + ROW * max(rows, 2),
        "xaxis": axis(title, **(LOGARITHMIC if logarithmic else {"rangemode": "tozero"})),
        "yaxis": {"autorange": "reversed", "automargin": True, "type": "category"},
        "legend": BELOW,
        "margin": {"l": 60, "r": 20, "t": 30, "b": 90},
        "shapes": [vertical(x) for x, _ in lines],
        "annotations": names,
    }
    return {"data": traces, "layout": layout}


def over(
    traces: Sequence[Trace], x: dict[str, Any], y: dict[str, Any], height: int = 380, **layout: Any
) -> Figure:
    """Lines over the axis `x`."""
    legend = {"orientation": "h", "y": 1, "yanchor": "bottom"}
    axes = {"xaxis": x, "yaxis": {"automargin": True, **y}}
    return {"data": traces, "layout": {"height": height, "legend": legend, **axes, **layout}}


def plain_text(text: str) -> str:
    """Text for Plotly, which reads a little HTML in labels."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def forest(results: Sequence[Result]) -> Figure:
    """Speedup of every variant with its interval; right of 1 is faster than the reference."""
    timed = [r for r in results if r.speedup.median > 0]
    drawn = points("", [r.variant for r in timed], [r.speedup for r in timed], "×")
    title = "speedup, with 95 % intervals"
    return by_name([drawn], title, len(timed), [(1.0, "as fast")], logarithmic=True)


def ceilings(results: Sequence[Result]) -> Figure:
    """Share of the machine's measured ceiling, for every variant at every case."""
    known = [r for r in results if math.isfinite(r.ceiling_share)]
    traces = []
    for case in dict.fromkeys(r.case for r in known):
        here = [r for r in known if r.case == case]
        errors = [100 * r.ceiling_share * r.share_error for r in here]
        traces.append(
            bars(
                [plain_text(r.variant) for r in here],
                [100 * r.ceiling_share for r in here],
                name=plain_text(case),
                error_x={"array": [error if math.isfinite(error) else 0.0 for error in errors]},
                hovertemplate=f"%{{y}}: %{{x:.0f}} %<extra>{plain_text(case)}</extra>",
            )
        )
    return by_name(traces, "share of the ceiling in %", len(known), [(100.0, "ceiling")])


def detection(rates: Sequence[DetectionRate]) -> Figure:
    """Share of slowdowns that were detected, over their size, with Clopper-Pearson intervals."""
    known = [rate for rate in rates if rate.detected.of]
    bounds = [Interval(r.detected.share, *r.detected.bounds) for r in known]
    line = curve(
        x=[100 * r.size for r in known],
        y=[100 * r.detected.share for r in known],
        error_y=interval(bounds, 100),
        marker={"size": 9},
        mode="lines+markers",
        showlegend=False,
        hovertemplate="%{x:g} % slower: %{y:.0f} % detected<extra></extra>",
    )
    return over([line], axis("slowdown in %"), axis("detected, in % of all", range=[0, 105]))


def icicle(flame: Flame) -> Figure:
    """Functions below their callers, as wide as the mean of both versions, coloured by change."""
    frames = [FlameFrame(-1, "a call", "", 1.0, known(flame.ratio.median))]
    frames += [msgspec.structs.replace(one, caller=one.caller + 1) for one in flame.frames]
    own = [(one.base + one.head) / 2 for one in frames]
    depths = [0] * len(frames)
    changes = []
    for number, one in enumerate(frames):
        if number:
            own[one.caller] -= (one.base + one.head) / 2
            depths[number] = depths[one.caller] + 1
        differs = flame.differs(one.base, one.head)
        changes.append(round(100 * (one.head - one.base), 2) if differs else 0.0)
    most = max(map(abs, changes)) or 1.0
    words = [f"{change:+.1f}" if change else "a difference within chance" for change in changes]
    places = zip(frames, words, strict=True)
    trace = {
        "type": "icicle",
        "ids": [str(number) for number in range(len(frames))],
        "parents": ["", *(str(one.caller) for one in frames[1:])],
        "labels": [plain_text(one.function.rpartition("<locals>.")[2]) for one in frames],
        "values": [round(max(value, 0.0), 5) for value in own],
        "marker": {"colors": changes, "cmin": -most, "cmid": 0, "cmax": most},
        "customdata": [
            [plain_text(one.place), f"{100 * one.base:.1f} → {100 * one.head:.1f}", word]
            for one, word in places
        ],
        "hovertemplate": "%{label}<br>%{customdata[0]}<br>%{customdata[1]} % of a call of the base"
        "<br>%{customdata[2]}<extra></extra>",
        "tiling": {"orientation": "v"},
        "pathbar": {"visible": False},
        "maxdepth": LEVELS,
    }
    height = ROW * (1 + min(max(depths) + 1, LEVELS))
    layout = {"margin": dict.fromkeys("lrtb", 4), "uniformtext": {"minsize": 10, "mode": "hide"}}
    return {"data": [trace], "layout": {"height": height, **layout}}
