"""The plots, as Plotly's own description of them: what is drawn, not how it looks.

Colours, fonts and grids come from the page, which knows whether it is dark. Every function takes
what its table shows, too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ...articles.mlp.show import ARTICLE_SECONDS, by_count, spread_of
from ..calibrate.trials import Sight
from ..timing.race import Result

Figure = dict[str, Any]
Record = dict[str, Any]
ROW = 26  # pixels of a bar or a point with its name
BATCH = 500  # that of the articles


def ladder(records: Sequence[Record], best_peer: Record | None) -> Figure:
    """Seconds of every rung with intervals; the articles' figures, the floor, the best peer."""
    known = [r for r in records if r["seconds"]["median"]]
    names = [r["rung"] for r in known]
    middles = [r["seconds"] for r in known]
    data = [_bars("here", names, middles)]
    published = {n: ARTICLE_SECONDS[n] for n in names if n in ARTICLE_SECONDS}
    if published and records[0]["batch_size"] == BATCH:
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": "articles, i7-6700K",
                "y": list(published),
                "x": list(published.values()),
                "marker": {"symbol": "diamond", "size": 10},
                "hovertemplate": "%{y}: %{x:.3g} s<extra>articles</extra>",
            }
        )
    lines = []
    floors = [
        r["seconds"]["median"] / r["over_floor"]["median"]
        for r in known
        if r["over_floor"]["median"]
    ]
    if floors:
        lines.append((min(floors), "floor: bare products"))
    if best_peer:
        lines.append((best_peer["seconds"]["median"], f"peer: {best_peer['peer']}"))
    return _upright(data, "seconds of 35 epochs", len(names), lines, logarithmic=True)


def _bars(name: str, names: Sequence[str], intervals: Sequence[Record]) -> Record:
    return {
        "type": "bar",
        "orientation": "h",
        "name": name,
        "y": list(names),
        "x": [i["median"] for i in intervals],
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [(i["high"] or i["median"]) - i["median"] for i in intervals],
            "arrayminus": [i["median"] - (i["low"] or i["median"]) for i in intervals],
        },
        "hovertemplate": f"%{{y}}: %{{x:.3g}} s<extra>{name}</extra>",
    }


def _upright(
    data: list[Record],
    title: str,
    rows: int,
    lines: Sequence[tuple[float, str]] = (),
    *,
    logarithmic: bool = False,
) -> Figure:
    """One row of text for each name, the first one on top; vertical `lines` with their names."""
    axis: Record = {"title": {"text": title}, "type": "log" if logarithmic else "linear"}
    if not logarithmic:
        axis["rangemode"] = "tozero"
    return {
        "data": data,
        "layout": {
            "height": 150 + ROW * max(rows, 2),
            "xaxis": axis,
            "yaxis": {"autorange": "reversed", "automargin": True, "type": "category"},
            "legend": {"orientation": "h", "y": 0, "yref": "container", "yanchor": "bottom"},
            "margin": {"l": 60, "r": 20, "t": 30, "b": 90},
            "shapes": [
                {
                    "type": "line",
                    "x0": x,
                    "x1": x,
                    "y0": 0,
                    "y1": 1,
                    "yref": "paper",
                    "line": {"dash": "dot", "width": 1.5},
                }
                for x, _ in lines
            ],
            "annotations": [
                {
                    "x": math.log10(x) if logarithmic else x,
                    "y": 1,
                    "yref": "paper",
                    "yanchor": "bottom",
                    "text": _plain(text),
                    "showarrow": False,
                    "xanchor": "center" if len(lines) == 1 else "left",
                }
                for x, text in lines
            ],
        },
    }


def _plain(text: str) -> str:
    """Plotly reads a little HTML in what it writes; names are no HTML."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def forest(results: Sequence[Result]) -> Figure:
    """Speedup of every variant with its interval; right of 1 is faster than the reference."""
    right = [r for r in results if r.speedup.median > 0]
    data = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": "speedup",
            "showlegend": False,
            "y": [_plain(r.variant) for r in right],
            "x": [r.speedup.median for r in right],
            "error_x": {
                "type": "data",
                "symmetric": False,
                "array": [_finite(r.speedup.high - r.speedup.median) for r in right],
                "arrayminus": [_finite(r.speedup.median - r.speedup.low) for r in right],
                "thickness": 2,
                "width": 6,
            },
            "marker": {"size": 9},
            "hovertemplate": "%{y}: %{x:.3g}×<extra></extra>",
        }
    ]
    title = "speedup over the reference, with 95 % intervals"
    return _upright(data, title, len(right), [(1.0, "as fast")], logarithmic=True)


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
            "name": _plain(case),
            "y": [_plain(r.variant) for r in known if r.case == case],
            "x": [100 * r.ceiling_share for r in known if r.case == case],
            "hovertemplate": "%{y}: %{x:.0f} %<extra>" + _plain(case) + "</extra>",
        }
        for case in cases
    ]
    return _upright(data, "share of the ceiling in %", len(known), [(100.0, "ceiling")])


def batch_sizes(records: Sequence[Record]) -> Figure:
    """Seconds over the batch size, a line for each rung and number of threads."""
    lines: dict[tuple[str, int], list[tuple[int, float]]] = {}
    for r in records:
        if r["seconds"]["median"]:
            point = (r["batch_size"], r["seconds"]["median"])
            lines.setdefault((r["rung"], r["threads"]), []).append(point)
    data = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": f"{_plain(rung)}, {threads} thread{'s' * (threads > 1)}",
            "x": [size for size, _ in sorted(points)],
            "y": [seconds for _, seconds in sorted(points)],
            "hovertemplate": "batch %{x:,}: %{y:.3g} s<extra>" + _plain(rung) + "</extra>",
        }
        for (rung, threads), points in lines.items()
    ]
    return _over(data, "samples in a batch", "seconds of 35 epochs", "log", "log")


def growth(records: Sequence[Record]) -> Figure:
    """Time per sample over the nodes of the hidden layers, beside that of the bare products."""
    known = sorted(records, key=lambda r: (sum(r["hidden"]), r["samples"]))
    names = [f"{'-'.join(map(str, r['hidden']))}; {r['samples']:,}" for r in known]
    data = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": name,
            "y": names,
            "x": [1e6 * r[key] for r in known],
            "marker": {"size": 9, "symbol": symbol},
            "hovertemplate": "%{y}: %{x:.3g} µs<extra>" + name + "</extra>",
        }
        for name, key, symbol in (
            ("a training step", "seconds_per_sample", "circle"),
            ("its bare products", "floor_per_sample", "line-ns-open"),
        )
    ]
    return _upright(data, "µs per sample (hidden nodes; samples)", len(known), logarithmic=True)


def peers(records: Sequence[Record]) -> Figure:
    """Seconds of every peer, the fastest first."""
    known = sorted(
        (r for r in records if r["seconds"]["median"]), key=lambda r: float(r["seconds"]["median"])
    )
    data = [_bars("here", [_plain(r["peer"]) for r in known], [r["seconds"] for r in known])]
    data[0]["showlegend"] = False
    return _upright(data, "seconds of 35 epochs", len(known))


def curves(epochs: Sequence[Record], lines: dict[str, str], title: str, scale: float = 1) -> Figure:
    """What is named in `lines`, over the epochs."""
    data = []
    for key, name in lines.items():
        known = [(e["epoch"], scale * e[key]) for e in epochs if e[key] is not None]
        data.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": name,
                "x": [epoch for epoch, _ in known],
                "y": [value for _, value in known],
                "hovertemplate": "epoch %{x}: %{y:.4g}<extra>" + name + "</extra>",
            }
        )
    return _over(data, "epoch", title)


def courses(records: Sequence[Record]) -> Figure:
    """Test accuracy over the seconds so far, a line for each seed of a contender."""
    names = list(dict.fromkeys(r["contender"] for r in records))
    data = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": _plain(r["contender"]),
            "legendgroup": _plain(r["contender"]),
            "showlegend": r["contender"] not in [other["contender"] for other in records[:i]],
            "line": {"width": 1.5},
            "meta": names.index(r["contender"]),
            "x": r["seconds"],
            "y": [100 * a for a in r["accuracies"]],
            "hovertemplate": "%{x:.3g} s: %{y:.2f} %<extra>" + _plain(r["contender"]) + "</extra>",
        }
        for i, r in enumerate(records)
        if r["seconds"]
    ]
    figure = _over(data, "seconds of fit, transformation and training", "right in %", "log")
    figure["layout"]["height"] = 460
    figure["layout"]["yaxis"]["range"] = [90, 100]
    targets = sorted({100 * target for r in records for target in r["targets"]})
    figure["layout"]["shapes"] = [
        {
            "type": "line",
            "xref": "paper",
            "x0": 0,
            "x1": 1,
            "y0": y,
            "y1": y,
            "line": {"dash": "dot", "width": 1},
        }
        for y in targets
    ]
    return figure


def cluster_counts(records: Sequence[Record], name: str, title: str) -> Figure:
    """One measure over the number of clusters: median and range over the seeds."""
    found = [
        (count, spread)
        for count, group in by_count(records).items()
        if (spread := spread_of(group, name))
    ]
    data = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": title,
            "showlegend": False,
            "x": [count for count, _ in found],
            "y": [middle for _, (middle, _, _) in found],
            "error_y": {
                "type": "data",
                "symmetric": False,
                "array": [high - middle for _, (middle, _, high) in found],
                "arrayminus": [middle - low for _, (middle, low, _) in found],
            },
            "hovertemplate": "K = %{x}: %{y:.4g}<extra></extra>",
        }
    ]
    return _over(data, "clusters K", title)


def detection(sights: Sequence[Sight]) -> Figure:
    """Share of slowdowns that are found, over their size, with Clopper-Pearson intervals."""
    known = [s for s in sights if s.found.of]
    bounds = [s.found.bounds for s in known]
    data = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": "found",
            "showlegend": False,
            "x": [100 * s.size for s in known],
            "y": [100 * s.found.share for s in known],
            "error_y": {
                "type": "data",
                "symmetric": False,
                "array": [
                    100 * (high - s.found.share) for s, (_, high) in zip(known, bounds, strict=True)
                ],
                "arrayminus": [
                    100 * (s.found.share - low) for s, (low, _) in zip(known, bounds, strict=True)
                ],
            },
            "marker": {"size": 9},
            "hovertemplate": "%{x:g} % slower: %{y:.0f} % found<extra></extra>",
        }
    ]
    figure = _over(data, "slowdown in %", "found, in % of all")
    figure["layout"]["yaxis"]["range"] = [0, 105]
    return figure


def _over(
    data: list[Record], x: str, y: str, x_type: str = "linear", y_type: str = "linear"
) -> Figure:
    return {
        "data": data,
        "layout": {
            "height": 380,
            "xaxis": {"title": {"text": x}, "type": x_type},
            "yaxis": {"title": {"text": y}, "type": y_type, "automargin": True},
            "legend": {"orientation": "h", "y": 1, "yanchor": "bottom"},
        },
    }
