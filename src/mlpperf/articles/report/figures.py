"""The plots about the ladder, batch sizes, peers and trainings, as Plotly describes them."""

from __future__ import annotations

from collections.abc import Sequence

from ...engine.report.figures import Figure, Record, bars, dots, over, plain_text, upright
from ..clusters.show import by_count, spread_of
from ..mlp.show_ladder import ARTICLE_SECONDS

BATCH = 500  # samples in a batch, as in the articles


def ladder(records: Sequence[Record], best_peer: Record | None) -> Figure:
    """Seconds of every rung with intervals; the articles' figures, the floor, the best peer."""
    known = [r for r in records if r["seconds"]["median"]]
    names = [r["rung"] for r in known]
    middles = [r["seconds"] for r in known]
    data = [dots("here", names, middles)]
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
    ceilings = [r["ceiling"] for r in known if r.get("ceiling")]
    if ceilings:
        lines.append((min(ceilings), "ceiling"))
    if best_peer:
        lines.append((best_peer["seconds"]["median"], f"peer: {best_peer['peer']}"))
    return upright(data, "seconds of 35 epochs", len(names), lines, logarithmic=True)


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
            "name": f"{plain_text(rung)}, {threads} thread{'s' * (threads > 1)}",
            "x": [size for size, _ in sorted(points)],
            "y": [seconds for _, seconds in sorted(points)],
            "hovertemplate": "batch %{x:,}: %{y:.3g} s<extra>" + plain_text(rung) + "</extra>",
        }
        for (rung, threads), points in lines.items()
    ]
    return over(
        data, "samples in a batch", "seconds of 35 epochs", logarithmic_x=True, logarithmic_y=True
    )


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
    return upright(data, "µs per sample (hidden nodes; samples)", len(known), logarithmic=True)


def peers(records: Sequence[Record]) -> Figure:
    """Seconds of every peer, the fastest first."""
    known = sorted(
        (r for r in records if r["seconds"]["median"]), key=lambda r: float(r["seconds"]["median"])
    )
    data = [bars("here", [plain_text(r["peer"]) for r in known], [r["seconds"] for r in known])]
    data[0]["showlegend"] = False
    return upright(data, "seconds of 35 epochs", len(known))


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
    return over(data, "epoch", title)


def courses(records: Sequence[Record]) -> Figure:
    """Test accuracy over the seconds so far, a line for each seed of a contender."""
    names = list(dict.fromkeys(r["contender"] for r in records))
    data = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": plain_text(r["contender"]),
            "legendgroup": plain_text(r["contender"]),
            "showlegend": r["contender"] not in [other["contender"] for other in records[:i]],
            "line": {"width": 1.5},
            "meta": names.index(r["contender"]),
            "x": r["seconds"],
            "y": [100 * a for a in r["accuracies"]],
            "hovertemplate": "%{x:.3g} s: %{y:.2f} %<extra>"
            + plain_text(r["contender"])
            + "</extra>",
        }
        for i, r in enumerate(records)
        if r["seconds"]
    ]
    figure = over(
        data, "seconds of fit, transformation and training", "right in %", logarithmic_x=True
    )
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
    return over(data, "clusters K", title)
