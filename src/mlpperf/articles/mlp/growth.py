"""How the time of an epoch grows with the number of samples and with the width of the layers."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...engine.machine.ceilings import floor_seconds
from ...engine.worker.memory import keep_freed_memory
from ...engine.worker.rounds import SETTLE
from ...hotpath import Cost
from ..data.datasets import synthetic
from .network import NetworkCase, step_cost
from .rungs import Step0
from .settings import ARTICLE, Settings
from .training import Run

# Fixed, while samples or nodes grow.
BATCH_SIZE = 5_000  # samples, for every point; fewer only where the set is smaller
SAMPLES_FOR_NODES = 20_000  # of the set on which layers of all widths are trained: four batches
# Samples that the articles' network sees at least, over all its epochs, so that a point with few
# samples is timed for long enough, too.
SAMPLES_TRAINED_MIN = 400_000
LEARNING_RATE = 1e-6  # so small that no width diverges; what is learned does not matter here
# Rows and columns of the square product whose rate is taken for the machine's fastest: large enough
# for every thread and for a BLAS at its best.
PRODUCT_SIDE = 2_000


def grow(
    rung: type[Step0], samples: Sequence[int], nodes: Sequence[int], *, epochs: int = 4
) -> Iterator[dict[str, Any]]:
    """Train by `rung` on synthetic sets of several sizes, then with layers of several widths.

    Parameters
    ----------
    samples : sizes of the training sets for the articles' network.
    nodes : widths; the network then has two hidden layers of that width.
    epochs : how many are timed at least for each point; the median counts.

    Returns
    -------
    For each point `samples` and `hidden` layers, `seconds_per_sample` of an epoch,
    `ceiling_per_sample`, those of its bare products, each by itself in its quickest layout, and
    `peak_share`, the share of the rate of this machine's fastest large product that training
    reaches.
    """
    keep_freed_memory()
    points = [_point(size, ARTICLE.hidden, epochs) for size in samples]
    points += [_point(SAMPLES_FOR_NODES, (width, width), epochs) for width in nodes]
    product = Cost(bytes=0, products=((PRODUCT_SIDE,) * 3,))
    peak = 0.0  # operations per second; takes seconds, so the rung has to show that it can train
    for size, settings in points:
        run = Run(synthetic(size), settings, rung)
        time.sleep(SETTLE)
        try:
            _, *timed = [run.epoch().seconds for _ in range(settings.epochs - 1)]
        finally:
            run.rung.close()
        peak = peak or product.flops / floor_seconds(product).seconds
        seconds = float(np.median(timed))
        flops = (
            step_cost(NetworkCase(settings.batch_size, run.layers)).flops
            / settings.batch_size
            * size
        )
        yield {
            "samples": size,
            "hidden": list(settings.hidden),
            "seconds_per_sample": seconds / size,
            "ceiling_per_sample": ceiling_seconds(run.layers, settings, size) / size,
            "peak_share": flops / seconds / peak,
        }


def ceiling_seconds(layers: Sequence[int], settings: Settings, samples: int) -> float:
    """Least seconds for all products of an epoch, each by itself in its quickest layout."""
    batch = min(settings.batch_size, samples)
    products = step_cost(NetworkCase(batch, tuple(layers))).products
    return floor_seconds(Cost(bytes=0, products=products)).seconds * samples / batch


def _point(size: int, hidden: tuple[int, ...], epochs: int) -> tuple[int, Settings]:
    """Samples, and settings with two epochs more than are timed.

    The first one warms up. The last one is not trained, because predictions follow it.
    """
    least = SAMPLES_TRAINED_MIN // max(size, 1) if hidden == ARTICLE.hidden else 0
    usual = ARTICLE.with_batch(min(BATCH_SIZE, size))
    timed, rate = max(epochs, least), LEARNING_RATE
    return size, replace(usual, hidden=hidden, learning_rate=rate, epochs=timed + 2)
