"""Plots that commands write to a file, drawn by Matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import MlpperfError
from .clusters.show import by_count, elbow_of, spread_of

if TYPE_CHECKING:
    from .mlp.training import Run

Record = dict[str, Any]


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


def draw_training(run: Run, path: Path) -> None:
    """Cost, error and accuracies over the epochs.

    Raises
    ------
    MlpperfError
        If the file cannot be written.
    """
    figure, (cost, error, accuracy) = new_figure(3)
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
    save(figure, path)


def draw_sweep(records: Sequence[Record], path: Path) -> None:
    """Seconds of 35 epochs over the batch size, a line for each rung and thread count.

    Raises
    ------
    MlpperfError
        If the file cannot be written.
    """
    figure, (axes,) = new_figure(1)
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
    save(figure, path)


def draw_clusters(records: Sequence[Record], path: Path) -> None:
    """Seconds, inertia and silhouette over the number of clusters, with the range over the seeds.

    Raises
    ------
    MlpperfError
        If the file cannot be written.
    """
    figure, axes = new_figure(3)
    groups = by_count(records)
    labels = {"fit_seconds": "seconds of the fit", "inertia": "inertia", "silhouette": "silhouette"}
    for ax, (name, label) in zip(axes, labels.items(), strict=True):
        found = [(count, spread) for count, g in groups.items() if (spread := spread_of(g, name))]
        counts = [count for count, _ in found]
        middle, low, high = ([spread[i] for _, spread in found] for i in range(3))
        ax.plot(counts, middle, marker="o")
        ax.fill_between(counts, low, high, alpha=0.25)
        ax.set(xlabel="clusters K", ylabel=label)
        ax.grid(alpha=0.3)
    bend = elbow_of(records)
    if bend and bend.whole is not None:
        axes[1].axvline(bend.whole, linestyle="--" if bend.clear else ":", color="grey")
        axes[1].set_title("elbow" if bend.clear else "strongest bend, no clear elbow")
    save(figure, path)
