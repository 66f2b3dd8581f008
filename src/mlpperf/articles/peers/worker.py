"""One peer in a process of its own: it trains when its turn comes, and says how long that took.

Started as `python -m mlpperf.articles.peers.worker PEER SETTINGS DATA`, it says `{"start_up":
seconds}` when it is ready. Then it reads lines from standard input: for each turn, how many epochs
to train, which it answers with `{"seconds": […]}`; and after the last turn one more line, which it
answers with accuracies, memory, and devices in force. All answers are lines of JSON on standard
output; what the libraries print goes to standard error.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from importlib import import_module
from typing import Any

from ...devices import Setting, available_threads
from ...engine.worker.lines import Line
from ...errors import MlpperfError

PARENT_LEFT = 3  # exit code of a process whose parent has ended


def turns(task: Any, line: Line, started: float, memory: dict[str, int]) -> Iterator[Any]:
    """The order of the samples for every epoch, given when that epoch may begin.

    Time runs from there until the next order is asked for. Drawing the order counts, because every
    training has to do it. Between two turns of this peer the generator waits for the parent.

    Parameters
    ----------
    task : the peer's `Task`.
    line : to the parent.
    started : `time.perf_counter()` when the import of the libraries began.
    memory : gets the bytes that child processes take, as "children".
    """
    import numpy as np

    from ..mlp.memory import children_memory

    allowed, seconds = 0, list[float]()
    news: dict[str, Any] = {"start_up": time.perf_counter() - started}
    for epoch in range(task.settings.epochs):
        if not allowed:
            line.say(news)
            allowed, seconds = wait(line), []
        start = time.perf_counter()
        order = np.random.default_rng([task.settings.seed, epoch]).permutation(len(task.x))
        yield order
        seconds.append(time.perf_counter() - start)
        allowed -= 1
        news = {"seconds": seconds}
        if not allowed:
            memory["children"] = max(memory.get("children", 0), children_memory())
    line.say({"seconds": seconds})


def wait(line: Line) -> int:
    """The number that the parent sends next. If the parent has ended, so does this process."""
    epochs = line.ask()
    if epochs is None:
        os._exit(PARENT_LEFT)  # at once: libraries with threads can take seconds to end, or hang
    return int(epochs)


def peak_memory() -> int:
    """The most bytes that this process has taken so far, its libraries and data included."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def main(name: str, settings: str, data: str) -> None:
    """Train as the peer `name` does."""
    line = Line()
    count = Setting.current().threads or available_threads()
    if hasattr(os, "sched_setaffinity"):  # some libraries know no other limit of threads
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])
    from ...engine.machine.in_force import in_force
    from ..clusters.loading import load
    from ..mlp.settings import Settings
    from ..mlp.training import predict
    from . import peer_named
    from .task import Task

    given = json.loads(settings)
    given["hidden"] = tuple(given["hidden"])
    task = Task(load(data), Settings(**given), name, count)
    task.x, task.y, task.weights  # noqa: B018  (the data are ready before the clock starts)
    memory: dict[str, int] = {}
    started = time.perf_counter()
    page = import_module(f".{peer_named(name).page}", __package__)
    weights = page.train(task, turns(task, line, started, memory))
    wait(line)  # until nobody is timed any more
    peak = peak_memory() + memory.get("children", 0)

    def accuracy(images: Any, labels: Any) -> float:
        found = predict(weights, images, task.samples.scaling, task.settings)
        return float((found == labels).mean())

    sets = task.data
    result = {
        "train_accuracy": accuracy(sets.train_images, sets.train_labels),
        "test_accuracy": accuracy(sets.test_images, sets.test_labels),
        "peak_memory": peak,
        "in_force": asdict(in_force()),
    }
    line.say(result)
    line.end()


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except MlpperfError as error:
        sys.exit(str(error))
