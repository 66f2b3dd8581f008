"""The last rung of the ladder, with which all peers are compared."""

from __future__ import annotations

from ..mlp.equations import Array
from ..mlp.training import Run
from .task import Epochs, Task


def train(task: Task, epochs: Epochs) -> list[Array]:
    """Train for all `epochs`; gives the trained W_N (n(N+1), n(N) + 1)."""
    run = Run(task.data, task.settings, weights=task.weights, samples=task.samples)
    try:
        for order in epochs:
            run.rung.train(order)
        return run.weights
    finally:
        run.rung.close()
