"""The figures of the ladder, of batch sizes, and of how the cost grows."""

from __future__ import annotations

from collections.abc import Sequence

from ...engine.report.figures import (
    LOGARITHMIC,
    Figure,
    axis,
    by_name,
    curve,
    over,
    plain_text,
    points,
)
from ...engine.words import count
from .records import GrowthRecord, RungRecord
from .settings import ARTICLE
from .show_ladder import ARTICLE_SECONDS


def ladder(records: Sequence[RungRecord], peer: tuple[str, float] | None) -> Figure:
    """Seconds of every rung with intervals; the articles' figures, the ceiling, and a peer."""
    timed = [r for r in records if r.seconds.median]
    names = [r.rung for r in timed]
    traces = [points("here", names, [r.seconds for r in timed], " s")]
    published = [name for name in names if name in ARTICLE_SECONDS]
    if published and records[0].batch_size == ARTICLE.batch_size:
        traces.append(
            curve(
                name="articles, i7-6700K",
                mode="markers",
                marker={"symbol": "diamond", "size": 10},
                x=[ARTICLE_SECONDS[name] for name in published],
                y=published,
                hovertemplate="%{y}: %{x:.3g} s<extra>articles</extra>",
            )
        )
    ceilings = [r.ceiling for r in timed if r.ceiling]
    lines = [(min(ceilings), "ceiling")] if ceilings else []
    if peer:
        lines.append((peer[1], f"peer: {peer[0]}"))
    return by_name(traces, "seconds of 35 epochs", len(names), lines, logarithmic=True)


def batch_sizes(records: Sequence[RungRecord]) -> Figure:
    """Seconds over the batch size, a line for each rung and number of threads."""
    lines: dict[tuple[str, int], list[tuple[int, float]]] = {}
    for r in records:
        if r.seconds.median:
            point = (r.batch_size, r.seconds.median)
            lines.setdefault((r.rung, r.threads), []).append(point)
    traces = [
        curve(
            name=f"{plain_text(rung)}, {count(threads, 'thread')}",
            mode="lines+markers",
            x=[size for size, _ in sorted(line)],
            y=[seconds for _, seconds in sorted(line)],
            hovertemplate=f"batch %{{x:,}}: %{{y:.3g}} s<extra>{plain_text(rung)}</extra>",
        )
        for (rung, threads), line in lines.items()
    ]
    x = axis("samples in a batch", **LOGARITHMIC)
    return over(traces, x, axis("seconds of 35 epochs", **LOGARITHMIC))


def growth(records: Sequence[GrowthRecord]) -> Figure:
    """Time per sample over the nodes of the hidden layers, beside that of the bare products."""
    ordered = sorted(records, key=lambda r: (sum(r.hidden), r.samples))
    names = [f"{'-'.join(map(str, r.hidden))}; {r.samples:,}" for r in ordered]
    traces = [
        curve(
            name=name,
            mode="markers",
            marker={"size": 9, "symbol": symbol},
            x=[1e6 * each if (each := getattr(r, key)) else None for r in ordered],
            y=names,
            hovertemplate=f"%{{y}}: %{{x:.3g}} µs<extra>{name}</extra>",
        )
        for name, key, symbol in (
            ("a training step", "seconds_per_sample", "circle"),
            ("its quickest products", "ceiling_per_sample", "line-ns-open"),
        )
    ]
    return by_name(traces, "µs per sample (hidden nodes; samples)", len(ordered), logarithmic=True)
