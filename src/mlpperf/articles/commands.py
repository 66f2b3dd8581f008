"""The commands of the articles, as data; none of them loads anything heavy before it runs."""

from __future__ import annotations

from collections.abc import Callable

from .accuracy.commands import accuracy
from .clusters.commands import clusters
from .data.commands import data
from .keras.commands import keras
from .mlp.commands import train
from .mlp.ladder_commands import growth, ladder, sweep
from .peers.commands import peers

COMMANDS: tuple[Callable[..., None], ...] = (
    data,
    train,
    ladder,
    sweep,
    growth,
    keras,
    peers,
    accuracy,
    clusters,
)
