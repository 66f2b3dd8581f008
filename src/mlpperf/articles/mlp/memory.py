"""The most memory that a rung takes, measured in a fresh process that trains for a few batches."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

from ...engine.pool.process import WorkerError, asked
from ...engine.worker.lines import Line
from ...errors import MlpperfError

TRAINED_BATCHES = 40  # enough for every buffer to be used, and for some looks at the memory
LOOK_EVERY = 0.005  # seconds between two looks at the memory, shorter than a batch of thousands
PATIENCE = 3600.0  # seconds for these batches, of any size


def peak_memory(rung: str, batch_size: int, data: str = "mnist") -> int:
    """Bytes that all processes of `rung` take at most together, beyond NumPy and the data."""
    task = {"rung": rung, "batch_size": batch_size, "data": data}
    try:
        (answer,) = asked("mlpperf.articles.mlp.memory", task, patience=PATIENCE)
    except WorkerError as reason:
        raise MlpperfError(f"The memory of {rung} could not be measured: {reason}") from reason
    return int(answer["bytes"])


def children_memory() -> int:
    """Bytes that the child processes of this one do not share with it or with each other."""
    import psutil

    taken = 0
    for child in psutil.Process().children():
        try:
            taken += child.memory_full_info().uss
        except psutil.Error:
            continue
    return taken


def work(task: dict[str, Any], line: Line) -> Iterator[dict[str, Any]]:
    """Train by the rung, and answer how many bytes that took."""
    import numpy as np
    import psutil

    from ..clusters import loading as sets

    loaded, batch_size = sets.load(task["data"]), task["batch_size"]
    process = psutil.Process()
    before, peak, stop = process.memory_info().rss, 0, threading.Event()

    def watch() -> None:
        """Note the most that all take: the kernel's own peaks count shared bytes twice."""
        nonlocal peak
        while not stop.is_set():
            peak = max(peak, process.memory_info().rss + children_memory())
            stop.wait(LOOK_EVERY)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        from .settings import ARTICLE
        from .training import Run, rung_named

        settings = ARTICLE.with_batch(batch_size)
        run = Run(loaded, settings, rung_named(task["rung"]))
        run.rung.train(np.arange(min(len(loaded.train_images), TRAINED_BATCHES * batch_size)))
        run.rung.close()
    finally:
        stop.set()
        watcher.join()
    yield {"bytes": peak - before}
