"""The epochs of a training, as curves and as a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from ..engine.table import Table


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


def table(title: str, columns: Mapping[str, Callable[[Any], str]], epochs: Sequence[Any]) -> Table:
    """A row for each epoch of a training; the columns by their heads."""
    rows = [tuple(cell(epoch) for cell in columns.values()) for epoch in epochs]
    return Table(f"{title}, epoch by epoch", tuple(columns), rows, text=(), records=epochs)


def sets(train: str, test: str) -> dict[str, str]:
    """The lines of both sets, by their fields of an epoch."""
    return {train: "training set", test: "test set"}
