"""The training of one network in words and tables, and as a record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict

from ...engine.history.records import Fields
from ...engine.table import Table
from ...engine.words import percent, seconds
from ..plots import Curves, sets, table
from .epoch import Epoch
from .phases import PhaseClock
from .training import Run

CURVES = (
    Curves("cost per sample", {"cost": "cost"}, logarithmic=True),
    Curves("mean |Y − A|", {"error": "error"}, logarithmic=True),
    Curves("accuracy in %", sets("train_accuracy", "test_accuracy"), 100),
)
COLUMNS: dict[str, Callable[[Epoch], str]] = {
    "epoch": lambda e: str(e.epoch),
    "cost per sample": lambda e: f"{e.cost:.5f}",
    "regularisation": lambda e: percent(e.penalty_share),
    "error": lambda e: f"{e.error:.5f}",
    "rate": lambda e: f"{e.learning_rate:.4g}",
    "mean |W| per layer": lambda e: " ".join(f"{w:.3f}" for w in e.mean_weights),
    "training set": lambda e: percent(e.train_accuracy),
    "test set": lambda e: percent(e.test_accuracy),
    "time": lambda e: seconds(e.seconds),
}


def so_far(run: Run, epoch: Epoch) -> str:
    """The line beside the progress bar: cost, newest test accuracy, speed, and seconds left."""
    rate = len(run.samples) / epoch.seconds
    known = [e.test_accuracy for e in run.history if e.test_accuracy is not None]
    accuracy = f", test {percent(known[-1])}" if known else ""
    left = (run.settings.epochs - epoch.epoch) * epoch.seconds
    return f"cost {epoch.cost:.4f}{accuracy}, {rate:,.0f} samples/s, {left:.0f} s left"


def title(rung: str, data: str, hidden: Sequence[object]) -> str:
    """The rung and the network of a training."""
    return f"{rung} on {data}, hidden layers {'-'.join(map(str, hidden))}"


def epochs(title: str, epochs: Sequence[Epoch]) -> Table:
    """A row for each epoch of a training."""
    return table(title, COLUMNS, epochs)


def summary(run: Run) -> str:
    """One sentence about a finished run."""
    last = run.history[-1]
    spent = sum(e.seconds for e in run.history)
    return (
        f"{len(run.history)} epochs in {spent:.2f} s: {percent(last.train_accuracy)} of the "
        f"training set and {percent(last.test_accuracy)} of the test set are right."
    )


def as_record(run: Run) -> Fields:
    """A run, finished or not, as a record, to which the command adds when and where."""
    return {
        "rung": run.rung.name,
        "data": run.data.name,
        "settings": asdict(run.settings),
        "epochs": [asdict(e) for e in run.history],
    }


def phases(clock: PhaseClock) -> Table:
    """Time per batch of every phase, and the parts of the backward pass per layer."""
    times = clock.per_batch()
    rows: list[Sequence[str]] = []
    for (label, layer), spent in times.items():
        if layer is None:
            rows.append((label, "", seconds(spent)))
        if label == "backward" and layer is None:
            parts = [(-at, part, its) for (part, at), its in times.items() if at is not None]
            rows += [(f"  {part}", f"L{-at}", seconds(its)) for at, part, its in sorted(parts)]
    return Table("Time per batch", ("phase", "layer", "time"), rows, text=range(2))
