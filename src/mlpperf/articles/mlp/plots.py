"""The figures of one training and of a sweep over batch sizes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .. import plots
from .training import Run

Record = dict[str, Any]


def draw_training(run: Run, path: Path) -> None:
    """Cost, error and accuracies over the epochs.

    Raises
    ------
    MlpperfError
        If the file cannot be written.
    """
    figure, (cost, error, accuracy) = plots.new_figure(3)
    numbers = [e.epoch for e in run.history]
    cost.plot(numbers, [e.cost for e in run.history])
    cost.set(title="Cost per sample", xlabel="epoch", yscale="log")
    error.plot(numbers, [e.error for e in run.history])
    error.set(title="Mean |Y − A|", xlabel="epoch", yscale="log")
    for name, label in (("train_accuracy", "training set"), ("test_accuracy", "test set")):
        known = [(e.epoch, 100 * getattr(e, name)) for e in run.history if getattr(e, name)]
        accuracy.plot(*zip(*known, strict=True) if known else ([], []), marker="o", label=label)
    accuracy.set(title="Accuracy in %", xlabel="epoch")
    accuracy.legend()
    for axes in (cost, error, accuracy):
        axes.grid(alpha=0.3)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set_xlim(0.5, numbers[-1] + 0.5)
    plots.save(figure, path)


def draw_sweep(records: Sequence[Record], path: Path) -> None:
    """Seconds of 35 epochs over the batch size, a line for each rung and thread count.

    Raises
    ------
    MlpperfError
        If the file cannot be written.
    """
    figure, (axes,) = plots.new_figure(1)
    figure.set_size_inches(10, 5)
    rungs = list(dict.fromkeys(r["rung"] for r in records))  # a colour each
    counts = sorted({r["threads"] for r in records}, reverse=True)  # a line style each
    styles = ("-", "--", ":", "-.")
    for rung, count in dict.fromkeys((r["rung"], r["threads"]) for r in records):
        line = [
            (r["batch_size"], r["seconds"]["median"])
            for r in records
            if (r["rung"], r["threads"]) == (rung, count) and r["seconds"]["median"]
        ]
        label = f"{rung}, {count} thread{'s' * (count > 1)}"
        style = {"color": f"C{rungs.index(rung)}", "linestyle": styles[counts.index(count) % 4]}
        axes.plot(*zip(*sorted(line), strict=True), marker="o", label=label, **style)
    axes.set(
        title="35 epochs: who gains from bigger batches?",
        xlabel="samples in a batch",
        ylabel="seconds",
        xscale="log",
        yscale="log",
    )
    axes.grid(alpha=0.3, which="both")
    figure.legend(loc="outside right upper")
    plots.save(figure, path)
