"""Loss and accuracy of a Keras network, drawn while it trains."""

from __future__ import annotations

import sys
from pathlib import Path

from .. import plots
from .training import KerasEpoch


class LivePlot:
    """Loss and accuracy of training and validation, drawn anew after every epoch.

    Parameters
    ----------
    path
        Where to save it, .png; not at all without one.
    show
        Show it as well: in a notebook below the cell, where it is redrawn; elsewhere in a window.
    """

    def __init__(self, path: Path | None = None, *, show: bool = False) -> None:
        self.path, self._handle, self._window = path, None, None
        self._notebook = show and "ipykernel" in sys.modules
        if show and not self._notebook:
            from matplotlib import pyplot

            pyplot.ion()
            self._window = pyplot.figure(figsize=(9, 3.6), layout="constrained")

    def __call__(self, history: list[KerasEpoch]) -> None:
        """Draw `history`.

        Raises
        ------
        MlpperfError
            If the file cannot be written.
        """
        from matplotlib.figure import Figure

        figure = self._window or Figure(figsize=(9, 3.6), layout="constrained")
        figure.clear()
        epochs = [e.epoch for e in history]
        for axes, what in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
            axes.plot(epochs, [getattr(e, what) for e in history], label="training")
            axes.plot(epochs, [getattr(e, f"validation_{what}") for e in history], label="test set")
            axes.set(title=what.capitalize(), xlabel="epoch")
            axes.xaxis.get_major_locator().set_params(integer=True)
            axes.grid(alpha=0.3)
            axes.legend()
        if self.path:
            plots.save(figure, self.path)
        if self._window:
            self._window.canvas.draw_idle()
            self._window.canvas.flush_events()
        if self._notebook:
            from IPython.display import display

            if self._handle is None:
                self._handle = display(figure, display_id=True)
            else:
                self._handle.update(figure)
