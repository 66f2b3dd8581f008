"""The floor: the bare matrix products of the last rung, with nothing between them, in float32.

Forward, gradient and delta have the shapes, the memory layout, the chunks and the threads of the
last rung that can train here. Values do not matter, as long as they stay finite: results are
written over those of the layer above or below, and the first activations and the weights stay, so
nothing can grow.
"""

from __future__ import annotations

import time

import numpy as np

from ..data.samples import Samples
from .equations import Array
from .in_place import CHUNK, padded
from .network import initial_weights
from .settings import Settings
from .team import Team
from .threads import Threads, ZerosSkipped


class Floor:
    """The products of an epoch on `samples`."""

    def __init__(self, samples: Samples, settings: Settings) -> None:
        self.samples = len(samples)
        layers = (samples.images.shape[1], *settings.hidden, samples.classes)
        rng = np.random.default_rng(0)
        self.threads: Threads | None = None
        if not Threads.missing():
            weights = initial_weights(layers, rng, np.float32, settings)
            self.threads = ZerosSkipped.begin(samples, weights, settings)
            self.threads.shared.order[...] = rng.permutation(self.samples)
            self.threads.multiply(settings.batch_size)  # compiles
            return
        self.rows = rows = min(CHUNK, settings.batch_size)

        def drawn(*shape: int) -> Array:
            return rng.standard_normal(shape, dtype=np.float32)

        widths = padded(layers, Team.multiple)
        self.a = [drawn(rows, n) for n in widths]
        self.w = [drawn(m, n) for n, m in zip(layers, widths[1:], strict=False)]
        self.gradients = [np.empty_like(w) for w in self.w]

    def close(self) -> None:
        """Let its threads end."""
        if self.threads:
            self.threads.close()

    def epoch(self) -> float:
        """Seconds that the products of one epoch take."""
        start = time.perf_counter()
        if self.threads:
            self.threads.multiply(self.samples)
            return time.perf_counter() - start
        for _ in range(self.samples // self.rows):
            for n, w in enumerate(self.w):
                np.matmul(self.a[n][:, : w.shape[1]], w.T, out=self.a[n + 1])  # forward
            for n in reversed(range(len(self.w))):
                below = self.a[n][:, : self.w[n].shape[1]]
                np.matmul(self.a[n + 1].T, below, out=self.gradients[n])  # gradient
                if n:
                    np.matmul(self.a[n + 1], self.w[n], out=below)  # delta
        seconds = time.perf_counter() - start
        return seconds * self.samples / (self.samples // self.rows * self.rows)
