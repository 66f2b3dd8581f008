"""The plots, as Plotly's own description of them: what is drawn, not how it looks.

Colours, fonts and grids come from the page, which knows whether it is dark. Every function takes
what its table shows, too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..calibrate.trials import Sight
from ..race.result import Result

Figure = dict[str, Any]
Record = dict[str, Any]
ROW = 26  # pixels of a bar or a point with its name
# What a decade of a logarithmic axis is divided into: the first that gives enough ticks.
STEPS = (
    (1,),
    (1, 2, 5),
    (1, 1.5, 2, 3, 4, 5, 6, 8),
    *(tuple(i / parts for i in range(parts, 10 * parts)) for parts in (2, 5, 10)),
)
FEWEST_TICKS = 4
BEYOND = 1.15  # an axis goes a little beyond what is drawn


def around(above: Sequence[float], below: Sequence[float]) -> Record:
    """Bars of errors: how far each reaches beyond its point, on either side."""
    return {"type": "data", "symmetric": False, "array": above, "arrayminus": below}


def bars(name: str, names: Sequence[str], intervals: Sequence[Record]) -> Record:
    """Horizontal bars with intervals, in seconds; `intervals` have median, low and high."""
    return {
        "type": "bar",
        "orientation": "h",
        "name": name,
        "y": list(names),
        "x": [i["median"] for i in intervals],
        "error_x": around(
            [(i["high"] or i["median"]) - i["median"] for i in intervals],
            [i["median"] - (i["low"] or i["median"]) for i in intervals],
        ),
        "hovertemplate": f"%{{y}}: %{{x:.3g}} s<extra>{name}</extra>",
    }


def dots(name: str, names: Sequence[str], intervals: Sequence[Record]) -> Record:
    """The same as points, for a logarithmic axis: that begins anywhere, and bars say nothing."""
    bar = bars(name, names, intervals)
    del bar["orientation"]
    bar["error_x"] |= {"thickness": 2, "width": 6}
    return {**bar, "type": "scatter", "mode": "markers", "marker": {"size": 9}}


def scatter(name: str, x: Sequence[Any], y: Sequence[Any], hover: str, **more: Any) -> Record:
    """Points with lines between them; `hover` is what Plotly says of a point, `more` its rest."""
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": name,
        "x": x,
        "y": y,
        "hovertemplate": hover,
        **more,
    }


def upright(
    data: list[Record],
    title: str,
    rows: int,
    lines: Sequence[tuple[float, str]] = (),
    *,
    logarithmic: bool = False,
) -> Figure:
    """One row of text for each name, the first one on top; vertical `lines` with their names."""
    axis: Record = {"title": {"text": title}, "type": "linear", "rangemode": "tozero"}
    if logarithmic:
        drawn = [*(x for x, _ in lines), *(value for row in data for value in row["x"])]
        axis = {"title": {"text": title}, **logarithmic_axis(drawn)}
    return {
        "data": data,
        "layout": {
            "height": 150 + ROW * max(rows, 2),
            "xaxis": axis,
            "yaxis": {"autorange": "reversed", "automargin": True, "type": "category"},
            "legend": {"orientation": "h", "y": 0, "yref": "container", "yanchor": "bottom"},
            "margin": {"l": 60, "r": 20, "t": 30, "b": 90},
            "shapes": [dotted("x", x) for x, _ in lines],
            "annotations": [
                {
                    "x": math.log10(x) if logarithmic else x,
                    "y": 1,
                    "yref": "paper",
                    "yanchor": "bottom",
                    "text": plain_text(text),
                    "showarrow": False,
                    "xanchor": "center" if len(lines) == 1 else "left",
                }
                for x, text in lines
            ],
        },
    }


def dotted(axis: str, at: float) -> Record:
    """A dotted line across the whole plot, where `axis`, x or y, is `at`."""
    other = "y" if axis == "x" else "x"
    ends = {f"{axis}0": at, f"{axis}1": at, f"{other}0": 0, f"{other}1": 1}
    return {"type": "line", **ends, f"{other}ref": "paper", "line": {"dash": "dot", "width": 1.5}}


def plain_text(text: str) -> str:
    """Plotly reads a little HTML in what it writes; names are no HTML."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def forest(results: Sequence[Result]) -> Figure:
    """Speedup of every variant with its interval; right of 1 is faster than the reference."""
    right = [r for r in results if r.speedup.median > 0]
    above = [_finite(r.speedup.high - r.speedup.median) for r in right]
    below = [_finite(r.speedup.median - r.speedup.low) for r in right]
    points = scatter(
        "speedup",
        [r.speedup.median for r in right],
        [plain_text(r.variant) for r in right],
        "%{y}: %{x:.3g}×<extra></extra>",
        mode="markers",
        showlegend=False,
        error_x={**around(above, below), "thickness": 2, "width": 6},
        marker={"size": 9},
    )
    title = "speedup over the reference, with 95 % intervals"
    return upright([points], title, len(right), [(1.0, "as fast")], logarithmic=True)


def _finite(value: float) -> float:
    return value if math.isfinite(value) else 0.0


def ceilings(results: Sequence[Result]) -> Figure:
    """Share of the machine's measured ceiling, for every variant at every case."""
    known = [r for r in results if math.isfinite(r.ceiling_share)]
    cases = list(dict.fromkeys(r.case for r in known))
    data = [
        {
            "type": "bar",
            "orientation": "h",
            "name": plain_text(case),
            "y": [plain_text(r.variant) for r in known if r.case == case],
            "x": [100 * r.ceiling_share for r in known if r.case == case],
            "error_x": {
                "type": "data",
                "array": [
                    _finite(100 * r.ceiling_share * r.share_error) for r in known if r.case == case
                ],
            },
            "hovertemplate": "%{y}: %{x:.0f} %<extra>" + plain_text(case) + "</extra>",
        }
        for case in cases
    ]
    return upright(data, "share of the ceiling in %", len(known), [(100.0, "ceiling")])


def detection(sights: Sequence[Sight]) -> Figure:
    """Share of slowdowns that are found, over their size, with Clopper-Pearson intervals."""
    known = [s for s in sights if s.found.of]
    above = [100 * (s.found.bounds[1] - s.found.share) for s in known]
    below = [100 * (s.found.share - s.found.bounds[0]) for s in known]
    points = scatter(
        "found",
        [100 * s.size for s in known],
        [100 * s.found.share for s in known],
        "%{x:g} % slower: %{y:.0f} % found<extra></extra>",
        showlegend=False,
        error_y=around(above, below),
        marker={"size": 9},
    )
    figure = over([points], "slowdown in %", "found, in % of all")
    figure["layout"]["yaxis"]["range"] = [0, 105]
    return figure


def logarithmic_axis(drawn: Sequence[float]) -> Record:
    """A logarithmic axis for these values, with whole numbers at its ticks.

    Left alone, Plotly writes 20 as a lonely 2.
    """
    known = [value for value in drawn if value and 0 < value < math.inf]
    if not known:
        return {"type": "log"}
    least, most = min(known), max(known)
    for steps in STEPS:
        decades = range(math.floor(math.log10(least)), math.ceil(math.log10(most)) + 1)
        every = [step * 10.0**decade for decade in decades for step in steps]
        ticks = [tick for tick in every if least / BEYOND <= tick <= most * BEYOND]
        if len(ticks) >= FEWEST_TICKS:
            break
    return {"type": "log", "tickvals": ticks, "ticktext": [f"{tick:,.12g}" for tick in ticks]}


def over(
    data: list[Record],
    x: str,
    y: str,
    *,
    logarithmic_x: bool = False,
    logarithmic_y: bool = False,
) -> Figure:
    """Lines over an axis `x`, with the titles of both axes."""

    def axis(title: str, logarithmic: bool, key: str) -> Record:
        drawn = [value for row in data for value in row[key]]
        return {"title": {"text": title}, **(logarithmic_axis(drawn) if logarithmic else {})}

    return {
        "data": data,
        "layout": {
            "height": 380,
            "xaxis": axis(x, logarithmic_x, "x"),
            "yaxis": {**axis(y, logarithmic_y, "y"), "automargin": True},
            "legend": {"orientation": "h", "y": 1, "yanchor": "bottom"},
        },
    }
