"""What a training records; its checkpoint is an .npz file without pickles, which may run code."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from ...engine.files import write_whole
from ...errors import MlpperfError
from .equations import Array
from .settings import Settings


@dataclass(frozen=True)
class Epoch:
    """What one pass over the training set recorded."""

    epoch: int  # from 1
    cost: float  # loss with regularisation, per sample
    penalty_share: float | None  # regularisation ÷ cost; None where that is not finite
    error: float  # mean of |Y − A|
    learning_rate: float
    mean_weights: tuple[float, ...]  # mean of |W| without biases, per layer, after the epoch
    seconds: float  # of training; predictions do not count
    train_accuracy: float | None = None
    test_accuracy: float | None = None


class About(msgspec.Struct):
    """A run but for its state: data set, rung, learning rate, settings and epochs so far."""

    data: str
    rung: str
    rate: float
    settings: Settings
    history: list[Epoch]


class Checkpoint(NamedTuple):
    """A run with its weights and momentum, one array for each layer."""

    about: About
    weights: Sequence[Array]
    momentum: Sequence[Array]


def write(path: Path, saved: Checkpoint) -> None:
    """Write a checkpoint, whole or not at all: raises `MlpperfError` if that is impossible."""
    arrays: dict[str, Any] = {f"weights_{i}": w for i, w in enumerate(saved.weights)}
    arrays |= {f"momentum_{i}": m for i, m in enumerate(saved.momentum)}
    content = io.BytesIO()
    np.savez(content, about=np.array(msgspec.json.encode(saved.about).decode()), **arrays)
    try:
        write_whole(path, content.getvalue())
    except OSError as reason:
        why = reason.strerror or reason
        raise MlpperfError(f"The weights cannot be written to {path} ({why}).") from reason


def checkpoint(path: Path) -> Checkpoint:
    """The checkpoint in a file: raises `MlpperfError` if that is unreadable or damaged."""
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        content = msgspec.json.decode(str(arrays.pop("about")))
        about = msgspec.convert(content, About)
        if msgspec.json.decode(msgspec.json.encode(about)) != content:
            raise ValueError("it has settings of another version")
        layers = range(max(sum(name.startswith("weights_") for name in arrays), 1))
        weights = [arrays[f"weights_{i}"] for i in layers]
        return Checkpoint(about, weights, [arrays[f"momentum_{i}"] for i in layers])
    except OSError as reason:
        raise MlpperfError(f"{path} cannot be read ({reason.strerror or reason}).") from reason
    except Exception as reason:  # zip files, arrays and JSON can be damaged in many ways
        raise MlpperfError(f"{path} is damaged or no file of weights ({reason}).") from reason
