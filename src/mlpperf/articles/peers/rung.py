"""A rung of the ladder, as a peer of the others; and the last one, as a peer of other libraries."""

from __future__ import annotations

from ...engine.worker.memory import keep_freed_memory
from ..mlp.equations import Array
from ..mlp.training import Run, rung_named
from . import COMPILING_EPOCHS, LAST_RUNG
from .task import Epochs, Task


def train(task: Task, epochs: Epochs) -> list[Array]:
    """Train for all `epochs`; gives the trained W_N (n(N+1), n(N) + 1)."""
    keep_freed_memory()
    kind = rung_named(None if task.peer == LAST_RUNG.name else task.peer)
    run = Run(task.data, task.settings, kind, weights=task.weights, samples=task.samples)
    try:
        for number, order in enumerate(epochs):
            run.train(order)
            for (part, _), spent in run.rung.part_seconds().items():
                task.parts[part] += spent if number >= COMPILING_EPOCHS else 0.0
        return run.weights
    finally:
        run.rung.close()
