"""The most memory that a rung takes, measured in a fresh process that trains for a few batches.

Started as `python -m mlpperf.articles.mlp.memory RUNG BATCH_SIZE DATA`, the process prints how many
bytes it took beyond those that it had taken with NumPy and the data loaded.
"""

from __future__ import annotations

import subprocess
import sys

from ...errors import MlpperfError

TRAINED_BATCHES = 40  # enough for every buffer to be used, and for some looks at the memory
LOOK_EVERY = 0.005  # seconds between two looks at the memory, shorter than a batch of thousands


def peak_memory(rung: str, batch_size: int, data: str = "mnist") -> int:
    """Bytes that all processes of `rung` take at most together, beyond NumPy and the data.

    Raises
    ------
    MlpperfError
        If the process fails.
    """
    command = [sys.executable, "-m", "mlpperf.articles.mlp.memory", rung, str(batch_size), data]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise MlpperfError(f"The memory of {rung} could not be measured ({why}).")
    return int(done.stdout)


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


def _measure(rung: str, batch_size: int, data: str) -> int:
    import threading

    import numpy as np
    import psutil

    from ..clusters import loading as sets

    loaded = sets.load(data)
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
        run = Run(loaded, settings, rung_named(rung))
        run.rung.train(np.arange(min(len(loaded.train_images), TRAINED_BATCHES * batch_size)))
        run.rung.close()
    finally:
        stop.set()
        watcher.join()
    return peak - before


if __name__ == "__main__":
    print(_measure(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
