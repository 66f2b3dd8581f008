"""The course of one contender from one seed, in a process of its own.

Its task names contender, seed, epochs, limit, target and data. It answers before it trains, and
after every epoch. It ends when it has held the target, after the epochs, or after `limit` seconds,
in which predicting the test set does not count.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from ...devices import tensorflow
from ...engine.worker.lines import Line
from ..clusters.loading import load
from ..data.datasets import Dataset
from ..keras.models import Network
from ..keras.training import KerasEpoch
from ..mlp.settings import Settings
from . import EPOCHS_HELD
from .contenders import Contender, contender_named

Answer = Callable[..., None]


class EnoughError(Exception):
    """The target is held, or there is no time left. Raised by an `Answer`, it ends the training."""


def by_rung(contender: Contender, data: Dataset, seed: int, epochs: int, answer: Answer) -> None:
    """Train by a rung of the ladder, on pixels or on cluster distances."""
    from ..clusters.features import ClusterDistances, in_clusters
    from ..mlp.training import Run, rung_named

    assert isinstance(contender.settings, Settings)
    settings = replace(contender.settings, seed=seed, epochs=epochs)
    start = time.perf_counter()
    fitted = transformed = start
    if contender.clusters is not None:
        settings = settings.with_clusters(contender.clusters, data.train_images.shape[1])
        transformer = ClusterDistances(contender.clusters, scaler="per_sample", random_state=seed)
        transformer.fit(data.train_images)
        fitted = time.perf_counter()
        data = in_clusters(data, transformer)
        transformed = time.perf_counter()
    run = Run(data, settings, rung_named(contender.rung))
    seconds = time.perf_counter() - start
    try:
        answer(
            settings=asdict(settings),
            inputs=run.layers[0],
            fit_seconds=fitted - start,
            transform_seconds=transformed - fitted,
            start_seconds=seconds,
        )
        for _ in range(epochs):
            seconds += run.epoch().seconds
            right = run.predict(data.test_images) == data.test_labels
            answer(accuracy=float(right.mean()), seconds=seconds)
    finally:
        run.rung.close()


def by_keras(contender: Contender, data: Dataset, seed: int, epochs: int, answer: Answer) -> None:
    """Train by Keras; scaling and building the model are not counted, in its favour."""
    from ..keras.training import train

    assert isinstance(contender.settings, Network)
    network = replace(contender.settings, seed=seed, epochs=epochs)
    batches = -(-len(data.train_images) // network.batch_size)
    network = replace(network, steps_per_execution=min(network.steps_per_execution, batches))
    tensorflow()
    answer(
        settings=asdict(network),
        inputs=data.train_images.shape[1],
        fit_seconds=0.0,
        transform_seconds=0.0,
        start_seconds=0.0,
    )

    def look(history: list[KerasEpoch]) -> None:
        seconds = sum(epoch.seconds for epoch in history)
        answer(accuracy=history[-1].validation_accuracy, seconds=seconds)

    train(network, data, on_epoch=look)


def work(task: dict[str, Any], line: Line) -> Iterable[dict[str, Any]]:
    """Train as the contender that is asked for, and answer while it trains."""
    contender = contender_named(task["contender"])
    held = 0

    def answer(**news: Any) -> None:
        nonlocal held
        line.send(news)
        held = held + 1 if news.get("accuracy", -np.inf) >= task["target"] else 0
        if held == EPOCHS_HELD or news.get("seconds", 0.0) > task["limit"]:
            raise EnoughError

    way = by_keras if contender.by_keras else by_rung
    with contextlib.suppress(EnoughError):
        way(contender, load(task["data"]), task["seed"], task["epochs"], answer)
    return ()
