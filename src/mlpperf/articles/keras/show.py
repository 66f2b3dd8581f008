"""What the training of Keras networks prints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import RenderableType

from ...engine.terminal import new_table
from ...engine.words import percent, seconds
from .training import STALL_FACTOR, KerasEpoch, stalls

Record = dict[str, Any]


def keras_so_far(epoch: KerasEpoch) -> str:
    """The line beside the progress bar."""
    return f"loss {epoch.loss:.4f}, test {percent(epoch.validation_accuracy)}"


KERAS_COLUMNS = (
    "epoch",
    "loss",
    "accuracy",
    "test loss",
    "test accuracy",
    "rate",
    "iterations",
    "time",
    "processor time",
)


def keras_epochs(name: str, history: Sequence[KerasEpoch]) -> RenderableType:
    """The table of a Keras training, a row for each epoch."""
    table = new_table(f"{name}, Keras", *KERAS_COLUMNS, left=0)
    for row in keras_rows([asdict(e) for e in history]):
        table.add_row(*row)
    return table


def keras_rows(epochs: Sequence[Record]) -> list[tuple[str, ...]]:
    """The cells of that table, from the epochs of a record."""
    return [
        (
            str(e["epoch"]),
            f"{e['loss']:.5f}",
            percent(e["accuracy"]),
            f"{e['validation_loss']:.5f}",
            percent(e["validation_accuracy"]),
            f"{e['learning_rate']:.4g}",
            f"{e['iterations']:,}",
            seconds(e["seconds"]),
            seconds(e["processor_seconds"]),
        )
        for e in epochs
    ]


def keras_summary(history: list[KerasEpoch]) -> str:
    """Test accuracy, seconds per epoch, and which epochs stalled, in a sentence or two."""
    later = sorted(e.seconds for e in (history[1:] or history))
    usual = later[len(later) // 2]
    stood = [str(e.epoch) for e in stalls(history)]
    idle = (
        f" Epochs {', '.join(stood)} took more than {STALL_FACTOR:g} times that." if stood else ""
    )
    return (
        f"{percent(history[-1].validation_accuracy)} of the test set are right; "
        f"{seconds(usual)} per epoch, median without the first.{idle}"
    )
