"""What every peer is given: data, settings, and the weights that training starts from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ..data.datasets import Dataset
from ..data.samples import Samples
from ..mlp.equations import Array
from ..mlp.network import initial_weights
from ..mlp.settings import Settings
from ..mlp.training import samples_of

Epochs = Iterator[Array]  # the order (n,) of the samples in every epoch


@dataclass(frozen=True)
class Task:
    """What to train: the articles' network on n samples of p pixels.

    `peer` names the way to train where a page knows several, and `threads` how many it may use. A
    rung that measures on what it spends its time adds up seconds in `parts`.
    """

    data: Dataset
    settings: Settings
    peer: str = ""
    threads: int = 1
    parts: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    @cached_property
    def samples(self) -> Samples:
        """The training set as the rungs need it."""
        return samples_of(self.data, self.settings)

    @cached_property
    def x(self) -> Array:
        """Scaled images (n, p), float32."""
        return self.samples.scaled(np.float32)

    @cached_property
    def y(self) -> Array:
        """One-hot labels (n, 10), float32."""
        return np.ascontiguousarray(self.samples.one_hot(np.float32).T)

    @property
    def layers(self) -> tuple[int, ...]:
        """Nodes of every layer."""
        return (self.data.train_images.shape[1], *self.settings.hidden, 10)

    @cached_property
    def weights(self) -> list[Array]:
        """Initial W_N (n(N+1), n(N) + 1), the bias in column 0, float32."""
        rng = np.random.default_rng(self.settings.seed)
        return list(initial_weights(self.layers, rng, np.float32, self.settings))

    def batches(self, order: Array) -> list[Array]:
        """The samples `order` as (batches, B), and as (1, rest) those that fill no whole batch."""
        size = self.settings.batch_size
        whole = len(order) // size * size
        parts = [order[:whole].reshape(-1, size), order[whole:].reshape(1, -1)]
        return [part for part in parts if part.size]


def in_layers(kernels: list[Array], biases: list[Array]) -> list[Array]:
    """W_N (n(N+1), n(N) + 1) of kernels (n(N), n(N+1)) and biases (n(N+1),)."""
    return [np.column_stack([b, k.T]) for k, b in zip(kernels, biases, strict=True)]
