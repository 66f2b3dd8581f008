"""The figures of the ladder, of batch sizes, and of how the cost grows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from ...engine.history.records import Fields
from ...engine.report.figures import LOGARITHMIC, by_name, over, plain_text, points
from ...engine.words import count
from .settings import ARTICLE
from .show_ladder import ARTICLE_SECONDS


def ladder(records: Sequence[Fields], best_peer: Fields | None) -> Any:
    """Seconds of every rung with intervals; the articles' figures, the floor, the best peer."""
    known = [r for r in records if r["seconds"]["median"]]
    names = [r["rung"] for r in known]
    traces = [points("here", names, [r["seconds"] for r in known], " s")]
    published = [name for name in names if name in ARTICLE_SECONDS]
    if published and records[0]["batch_size"] == ARTICLE.batch_size:
        traces.append(
            go.Scatter(
                name="articles, i7-6700K",
                mode="markers",
                marker={"symbol": "diamond", "size": 10},
                x=[ARTICLE_SECONDS[name] for name in published],
                y=published,
                hovertemplate="%{y}: %{x:.3g} s<extra>articles</extra>",
            )
        )
    floors = [
        r["seconds"]["median"] / r["over_floor"]["median"]
        for r in known
        if r["over_floor"]["median"]
    ]
    ceilings = [r["ceiling"] for r in known if r.get("ceiling")]
    lines = [(min(floors), "floor: bare products")] if floors else []
    lines += [(min(ceilings), "ceiling")] if ceilings else []
    if best_peer:
        lines.append((best_peer["seconds"]["median"], f"peer: {best_peer['peer']}"))
    return by_name(traces, "seconds of 35 epochs", len(names), lines, logarithmic=True)


def batch_sizes(records: Sequence[Fields]) -> Any:
    """Seconds over the batch size, a line for each rung and number of threads."""
    lines: dict[tuple[str, int], list[tuple[int, float]]] = {}
    for r in records:
        if r["seconds"]["median"]:
            point = (r["batch_size"], r["seconds"]["median"])
            lines.setdefault((r["rung"], r["threads"]), []).append(point)
    traces = [
        go.Scatter(
            name=f"{plain_text(rung)}, {count(threads, 'thread')}",
            mode="lines+markers",
            x=[size for size, _ in sorted(known)],
            y=[seconds for _, seconds in sorted(known)],
            hovertemplate=f"batch %{{x:,}}: %{{y:.3g}} s<extra>{plain_text(rung)}</extra>",
        )
        for (rung, threads), known in lines.items()
    ]
    x = {"title": "samples in a batch", **LOGARITHMIC}
    return over(traces, x, {"title": "seconds of 35 epochs", **LOGARITHMIC})


def growth(records: Sequence[Fields]) -> Any:
    """Time per sample over the nodes of the hidden layers, beside that of the bare products."""
    known = sorted(records, key=lambda r: (sum(r["hidden"]), r["samples"]))
    names = [f"{'-'.join(map(str, r['hidden']))}; {r['samples']:,}" for r in known]
    traces = [
        go.Scatter(
            name=name,
            mode="markers",
            marker={"size": 9, "symbol": symbol},
            x=[1e6 * r[key] for r in known],
            y=names,
            hovertemplate=f"%{{y}}: %{{x:.3g}} µs<extra>{name}</extra>",
        )
        for name, key, symbol in (
            ("a training step", "seconds_per_sample", "circle"),
            ("its bare products", "floor_per_sample", "line-ns-open"),
        )
    ]
    return by_name(traces, "µs per sample (hidden nodes; samples)", len(known), logarithmic=True)
