"""One peer in a process of its own: it trains when its turn comes, and reports the seconds.

Its task is `{"peer": name, "page": module, "settings": {…}, "data": name}`. It answers
`{"start_up": seconds}` when it is ready. Then it is asked, for each turn, to train a number of
epochs, and answers `{"seconds": […]}`; asked once more after the last turn, it answers what else it
has `measured`, `parts` of its seconds, and how much memory NumPy and the data took `memory_before`.
"""

from __future__ import annotations

import contextlib
import os
import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from importlib import import_module
from typing import Any

import msgspec

from ...devices import Setting, available_threads
from ...engine.worker.lines import Line

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

    allowed, seconds = 0, list[float]()
    news: dict[str, Any] = {"start_up": time.perf_counter() - started}
    for epoch in range(task.settings.epochs):
        if not allowed:
            line.send(news)
            allowed, seconds = wait(line), []
        start = time.perf_counter()
        order = np.random.default_rng([task.settings.seed, epoch]).permutation(len(task.samples))
        yield order
        seconds.append(time.perf_counter() - start)
        allowed -= 1
        news = {"seconds": seconds}
        if not allowed:
            memory["children"] = max(memory.get("children", 0), children_memory())
    line.send({"seconds": seconds})


def wait(line: Line) -> int:
    """The number that the parent sends next. If the parent has ended, so does this process."""
    epochs = line.ask()
    if epochs is None:
        os._exit(PARENT_LEFT)  # at once: libraries with threads can take seconds to end, or hang
    return int(epochs)


def children_memory() -> int:
    """Bytes that the child processes of this one do not share with it or with each other."""
    import psutil

    taken = 0
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            taken += child.memory_full_info().uss
    return taken


def peak_memory() -> int:
    """The most bytes that this process has taken so far, its libraries and data included."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def work(asked: dict[str, Any], line: Line) -> Iterator[dict[str, Any]]:
    """Train as the peer that is asked for; gives accuracies, memory, and devices in force."""
    count = Setting.current().threads or available_threads()
    if hasattr(os, "sched_setaffinity"):  # some libraries know no other limit of threads
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])
    import psutil

    from ...engine.machine.in_force import in_force
    from ..clusters.loading import load
    from ..mlp.settings import Settings
    from ..mlp.training import predict
    from .task import Task

    settings = msgspec.convert(asked["settings"], Settings)
    task = Task(load(asked["data"]), settings, asked["peer"], count)
    if asked["page"] != "rung":  # which prepares them in its own way
        task.x, task.y, task.weights  # noqa: B018  (they are ready before the clock starts)
    before = psutil.Process().memory_info().rss
    memory: dict[str, int] = {}
    started = time.perf_counter()
    page = import_module(f".{asked['page']}", __package__)
    weights = page.train(task, turns(task, line, started, memory))
    wait(line)  # until no peer is timed any more
    peak = peak_memory() + memory.get("children", 0)

    def accuracy(images: Any, labels: Any) -> float:
        classes = predict(weights, images, task.samples.scaling, task.settings)
        return float((classes == labels).mean())

    sets = task.data
    measured = {
        "train_accuracy": accuracy(sets.train_images, sets.train_labels),
        "test_accuracy": accuracy(sets.test_images, sets.test_labels),
        "peak_memory": peak,
        "in_force": asdict(in_force()),
    }
    yield {"measured": measured, "parts": task.parts, "memory_before": before}
