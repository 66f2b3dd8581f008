"""What the training of one network prints and records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import RenderableType

from ...engine.terminal import new_table
from ...engine.words import percent, seconds
from .phases import PhaseClock
from .training import Epoch, Run

Record = dict[str, Any]


def so_far(run: Run, epoch: Epoch) -> str:
    """The line beside the progress bar: cost, newest test accuracy, speed, and seconds left."""
    rate = len(run.samples) / epoch.seconds
    known = [e.test_accuracy for e in run.history if e.test_accuracy is not None]
    accuracy = f", test {percent(known[-1])}" if known else ""
    left = (run.settings.epochs - epoch.epoch) * epoch.seconds
    return f"cost {epoch.cost:.4f}{accuracy}, {rate:,.0f} samples/s, {left:.0f} s left"


TRAINING_COLUMNS = (
    "epoch",
    "cost per sample",
    "regularisation",
    "error",
    "rate",
    "mean |W| per layer",
    "training set",
    "test set",
    "time",
)


def epochs(run: Run) -> RenderableType:
    """The table of a run, a row for each epoch."""
    table = new_table(
        f"{run.rung.name} on {run.data.name}: {'-'.join(map(str, run.layers))}, "
        f"batch {run.settings.batch_size}",
        *TRAINING_COLUMNS,
        left=0,
    )
    for row in training_rows([asdict(e) for e in run.history]):
        table.add_row(*row)
    return table


def training_rows(epochs: Sequence[Record]) -> list[tuple[str, ...]]:
    """The cells of that table, from the epochs of a record."""
    return [
        (
            str(e["epoch"]),
            f"{e['cost']:.5f}",
            percent(e["penalty_share"]),
            f"{e['error']:.5f}",
            f"{e['learning_rate']:.4g}",
            " ".join(f"{w:.3f}" for w in e["mean_weights"]),
            percent(e["train_accuracy"]),
            percent(e["test_accuracy"]),
            seconds(e["seconds"]),
        )
        for e in epochs
    ]


def summary(run: Run) -> str:
    """One sentence about a finished run."""
    last = run.history[-1]
    spent = sum(e.seconds for e in run.history)
    return (
        f"{len(run.history)} epochs in {spent:.2f} s: {percent(last.train_accuracy)} of the "
        f"training set and {percent(last.test_accuracy)} of the test set are right."
    )


def as_record(run: Run) -> Record:
    """A run, finished or not, as a record, to which the command adds when and where."""
    return {
        "rung": run.rung.name,
        "data": run.data.name,
        "settings": asdict(run.settings),
        "epochs": [asdict(e) for e in run.history],
    }


def phases(clock: PhaseClock) -> RenderableType:
    """Time per batch of every phase, and the parts of the backward pass per layer."""
    table = new_table("Time per batch", "phase", "layer", "time", left=2)
    found = clock.per_batch()
    for (label, layer), spent in found.items():
        if layer is None:
            table.add_row(label, "", seconds(spent))
            if label == "backward":
                for (part, n), its in sorted(
                    ((key, value) for key, value in found.items() if key[1] is not None),
                    key=lambda item: (-(item[0][1] or 0), item[0][0]),
                ):
                    table.add_row(f"  {part}", f"L{n}", seconds(its))
    return table
