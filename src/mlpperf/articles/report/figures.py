"""The plots about the ladder, batch sizes, peers and trainings, as Plotly describes them."""

from __future__ import annotations

from collections.abc import Sequence

from ...engine.report.figures import (
    Figure,
    Record,
    around,
    bars,
    dots,
    dotted,
    over,
    plain_text,
    scatter,
    upright,
)
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
        hover = "%{y}: %{x:.3g} s<extra>articles</extra>"
        figures = scatter("articles, i7-6700K", list(published.values()), list(published), hover)
        data.append(figures | {"mode": "markers", "marker": {"symbol": "diamond", "size": 10}})
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
        scatter(
            f"{plain_text(rung)}, {threads} thread{'s' * (threads > 1)}",
            [size for size, _ in sorted(points)],
            [seconds for _, seconds in sorted(points)],
            "batch %{x:,}: %{y:.3g} s<extra>" + plain_text(rung) + "</extra>",
        )
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
        scatter(
            name,
            [1e6 * r[key] for r in known],
            names,
            "%{y}: %{x:.3g} µs<extra>" + name + "</extra>",
            mode="markers",
            marker={"size": 9, "symbol": symbol},
        )
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
        x, y = [epoch for epoch, _ in known], [value for _, value in known]
        data.append(scatter(name, x, y, "epoch %{x}: %{y:.4g}<extra>" + name + "</extra>"))
    return over(data, "epoch", title)


def courses(records: Sequence[Record]) -> Figure:
    """Test accuracy over the seconds so far, a line for each seed of a contender."""
    numbers: dict[str, int] = {}
    data = []
    for r in filter(lambda r: r["seconds"], records):
        name, first = plain_text(r["contender"]), r["contender"] not in numbers
        course = scatter(
            name,
            r["seconds"],
            [100 * a for a in r["accuracies"]],
            "%{x:.3g} s: %{y:.2f} %<extra>" + name + "</extra>",
            mode="lines",
            line={"width": 1.5},
            legendgroup=name,
            showlegend=first,
            meta=numbers.setdefault(r["contender"], len(numbers)),
        )
        data.append(course)
    figure = over(
        data, "seconds of fit, transformation and training", "right in %", logarithmic_x=True
    )
    figure["layout"]["height"] = 460
    figure["layout"]["yaxis"]["range"] = [90, 100]
    targets = sorted({100 * target for r in records for target in r["targets"]})
    figure["layout"]["shapes"] = [dotted("y", y) for y in targets]
    return figure


def cluster_counts(records: Sequence[Record], name: str, title: str) -> Figure:
    """One measure over the number of clusters: median and range over the seeds."""
    found = [
        (count, spread)
        for count, group in by_count(records).items()
        if (spread := spread_of(group, name))
    ]
    above = [high - middle for _, (middle, _, high) in found]
    below = [middle - low for _, (middle, low, _) in found]
    counts, middles = [count for count, _ in found], [middle for _, (middle, _, _) in found]
    points = scatter(title, counts, middles, "K = %{x}: %{y:.4g}<extra></extra>", showlegend=False)
    return over([points | {"error_y": around(above, below)}], "clusters K", title)
