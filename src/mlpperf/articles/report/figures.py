"""The figures of peers and of the time to an accuracy."""

from __future__ import annotations

from collections.abc import Sequence

from ...engine.history.fields import known
from ...engine.report.figures import (
    DOTTED,
    LOGARITHMIC,
    Figure,
    axis,
    bars,
    by_name,
    curve,
    interval,
    over,
    plain_text,
)
from ..accuracy.records import CourseRecord
from ..peers.records import PeerRecord


def peers(records: Sequence[PeerRecord]) -> Figure:
    """Seconds of every peer, the fastest first."""
    timed = sorted((r for r in records if r.seconds.median), key=lambda r: known(r.seconds.median))
    drawn = bars(
        [plain_text(r.peer) for r in timed],
        [r.seconds.median for r in timed],
        error_x=interval([r.seconds for r in timed]),
        hovertemplate="%{y}: %{x:.3g} s<extra></extra>",
        showlegend=False,
    )
    return by_name([drawn], "seconds of 35 epochs", len(timed))


def courses(records: Sequence[CourseRecord]) -> Figure:
    """Test accuracy over the seconds so far, a line for each seed of a contender."""
    numbers: dict[str, int] = {}
    lines = []
    for r in filter(lambda r: r.seconds, records):
        name, first = plain_text(r.contender), r.contender not in numbers
        line = curve(
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
    x = axis("seconds of fit, transformation and training", **LOGARITHMIC)
    across = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "line": DOTTED}
    targets = sorted({100 * target for r in records for target in r.targets})
    shapes = [{**across, "y0": target, "y1": target} for target in targets]
    return over(lines, x, axis("right in %", range=[90, 100]), height=460, shapes=shapes)
