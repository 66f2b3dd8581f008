"""The figures that commands write to a file: a new one, and how it is saved, by Matplotlib."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import MlpperfError


def new_figure(columns: int) -> tuple[Any, Any]:
    """A figure that no window is needed for."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.5 * columns, 3.6), layout="constrained")
    return figure, figure.subplots(1, columns, squeeze=False)[0]


def save(figure: Any, path: Path) -> None:
    """Write a figure in the format that the ending of `path` names.

    Raises
    ------
    MlpperfError
        If that is no format, or the file cannot be written.
    """
    try:
        figure.savefig(path, dpi=120)
    except (OSError, ValueError) as reason:
        raise MlpperfError(f"The plot cannot be written to {path} ({reason}).") from reason
