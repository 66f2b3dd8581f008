"""What the figures of the articles share: curves over the epochs, and how figures are saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..engine.files import write_whole
from ..errors import MlpperfError


class Curves(NamedTuple):
    """A figure over the epochs of a training.

    Attributes
    ----------
    title : of the figure, and of its axis.
    lines : the fields of an epoch, with the names of their lines.
    scale : factor of the values.
    logarithmic : whether the axis is.
    """

    title: str
    lines: Mapping[str, str]
    scale: float = 1.0
    logarithmic: bool = False

    @property
    def alt(self) -> str:
        """The figure in words."""
        both = " on training and test set" if len(self.lines) > 1 else ""
        return f"{self.title}{both} over the epochs; as in the table."

    def draw(self, epochs: Sequence[Any]) -> dict[str, Any]:
        """The figure of a training, from its epochs."""
        from ..engine.report.figures import LOGARITHMIC, axis, curve, over

        traces = []
        for key, name in self.lines.items():
            known = [e for e in epochs if getattr(e, key) is not None]
            traces.append(
                curve(
                    name=name,
                    mode="lines+markers",
                    x=[e.epoch for e in known],
                    y=[self.scale * getattr(e, key) for e in known],
                    hovertemplate=f"epoch %{{x}}: %{{y:.4g}}<extra>{name}</extra>",
                )
            )
        x = axis("epoch", dtick=1 + len(epochs) // 20)
        return over(traces, x, axis(self.title, **(LOGARITHMIC if self.logarithmic else {})))


def sets(train: str, test: str) -> dict[str, str]:
    """The lines of both sets, by their fields of an epoch."""
    return {train: "training set", test: "test set"}


def check_plot(path: Path | None) -> None:
    """Refuse a file that would not be opened as a page.

    Raises `MlpperfError` if its name does not end in .html.
    """
    if path and path.suffix != ".html":
        raise MlpperfError(f"Plots are saved as HTML, so --plot must end in .html, not {path}.")


def save(figures: Sequence[dict[str, Any]], path: Path) -> None:
    """Write figures to one page, which contains all that it needs.

    Raises `MlpperfError` if the file cannot be written.
    """
    import plotly.graph_objects as go

    parts = [
        go.Figure(figure)
        .update_layout(template="plotly_white")
        .to_html(full_html=False, include_plotlyjs=number == 0)
        for number, figure in enumerate(figures)
    ]
    page = "".join(['<!doctype html><html lang="en"><meta charset="utf-8">', *parts, "</html>\n"])
    try:
        write_whole(path, page.encode())
    except OSError as reason:
        raise MlpperfError(f"The plot cannot be written to {path} ({reason}).") from reason
