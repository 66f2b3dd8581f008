"""The training of a Keras network in words and in a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...engine.table import Table
from ...engine.words import percent, seconds
from ..plots import Curves, sets, table
from .training import STALL_FACTOR, KerasEpoch, stalls

CURVES = (
    Curves("accuracy in %", sets("accuracy", "validation_accuracy"), 100),
    Curves("loss", sets("loss", "validation_loss")),
)
COLUMNS: dict[str, Callable[[KerasEpoch], str]] = {
    "epoch": lambda e: str(e.epoch),
    "loss": lambda e: f"{e.loss:.5f}",
    "accuracy": lambda e: percent(e.accuracy),
    "test loss": lambda e: f"{e.validation_loss:.5f}",
    "test accuracy": lambda e: percent(e.validation_accuracy),
    "rate": lambda e: f"{e.learning_rate:.4g}",
    "iterations": lambda e: f"{e.iterations:,}",
    "time": lambda e: seconds(e.seconds),
    "processor time": lambda e: seconds(e.processor_seconds),
}


def keras_so_far(epoch: KerasEpoch) -> str:
    """The line beside the progress bar."""
    return f"loss {epoch.loss:.4f}, test {percent(epoch.validation_accuracy)}"


def epochs(network: str, epochs: Sequence[KerasEpoch]) -> Table:
    """A row for each epoch of a training."""
    return table(f"{network} in Keras", COLUMNS, epochs)


def keras_summary(history: list[KerasEpoch]) -> str:
    """Test accuracy, seconds per epoch, and which epochs stalled, in a sentence or two."""
    later = sorted(e.seconds for e in (history[1:] or history))
    usual = later[len(later) // 2]
    stalled = ", ".join(str(e.epoch) for e in stalls(history))
    idle = f" Epochs {stalled} took more than {STALL_FACTOR:g} times that." if stalled else ""
    return (
        f"{percent(history[-1].validation_accuracy)} of the test set are right; "
        f"{seconds(usual)} per epoch, median without the first.{idle}"
    )
