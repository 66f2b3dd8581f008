"""The commands of the articles, as data; none of them loads anything heavy before it runs."""

from __future__ import annotations

from collections.abc import Callable

from .accuracy.commands import accuracy, clusters
from .data.commands import data
from .mlp.commands import growth, keras, ladder, sweep, train
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
