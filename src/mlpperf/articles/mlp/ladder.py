"""All rungs of the ladder against each other, and against the bare products: the floor.

They are trained in turn, a few epochs each, so that a slow quarter of an hour hits all alike. The
first epoch of a turn finds the caches full of another rung's data and the threads of another rung's
BLAS still spinning; it counts like the others, and the median does not mind.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ...devices import keep_freed_memory
from ...engine.timing.ceilings import floor_seconds
from ...engine.timing.intervals import Interval, ratio_interval
from ...engine.timing.rounds import SETTLE
from ...errors import MlpperfError
from ...hotpath import Cost
from ..data.datasets import Dataset, synthetic
from .equations import Array
from .in_place import CHUNK, padded
from .network import NetworkCase, step_cost
from .rungs import Step0
from .settings import ARTICLE, Settings
from .team import Team
from .training import RUNGS, Run, samples_of

TURN = 5  # epochs that a rung trains before the next one does

GROWTH_BATCH = 5_000  # samples in a batch, whatever grows
NODES_SAMPLES = 20_000  # samples for wide layers
GROWTH_SAMPLES = 400_000  # samples at least that a point is trained with, over its epochs


class Floor:
    """The network's bare float32 products, forward, gradient and delta, in the last rung's layout.

    A layer's products overwrite each other's results and never their first input, so nothing grows.
    """

    def __init__(self, layers: Sequence[int], settings: Settings, samples: int) -> None:
        rng = np.random.default_rng(0)
        self.samples = samples
        self.rows = rows = min(CHUNK, settings.batch_size)

        def drawn(*shape: int) -> Array:
            return rng.standard_normal(shape, dtype=np.float32)

        widths = padded(layers, Team.multiple)
        self.a = [drawn(rows, n) for n in widths]
        self.w = [drawn(m, n) for n, m in zip(layers, widths[1:], strict=False)]
        self.gradients = [np.empty_like(w) for w in self.w]

    def epoch(self) -> float:
        """Seconds that the products of one epoch take."""
        start = time.perf_counter()
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


@dataclass
class Climber:
    """A rung, or the floor, and the seconds of its epochs so far."""

    name: str
    what: str
    run: Run | None
    seconds: list[float] = field(default_factory=list)
    stopped: str = ""  # why it does not go on


@dataclass(frozen=True)
class Standing:
    """How a rung did; seconds are those of all epochs of the settings together."""

    rung: str
    what: str
    seconds: Interval
    gain: Interval  # the rung before ÷ this one, by epochs of the same turn
    total_gain: Interval  # the first rung ÷ this one
    over_floor: Interval  # this one ÷ the bare products
    epochs: int
    train_accuracy: float
    test_accuracy: float
    stopped: str = ""


def climb(
    data: Dataset,
    settings: Settings,
    rungs: Sequence[type[Step0]] = RUNGS,
    *,
    epochs: int | None = None,
    seed: int | None = None,
    settle: float = SETTLE,
    progress: Callable[[str], None] = lambda text: None,
) -> Iterator[list[Standing]]:
    """Train all `rungs` in turns; gives the standings after every round of turns.

    Parameters
    ----------
    epochs
        How many each rung trains; default: those of the settings. Seconds are scaled to those.
    seed
        Of the order within a round; random by default.

    Raises
    ------
    MlpperfError
        If there is no rung, or the data do not fit the settings.
    """
    if not rungs:
        raise MlpperfError("There is no rung to climb.")
    keep_freed_memory()
    rng = np.random.default_rng(seed)
    samples = samples_of(data, settings)
    count = settings.epochs if epochs is None else epochs
    if count < 1:
        raise MlpperfError(f"epochs must be at least 1, not {count}.")
    runs = [Run(data, settings, rung, samples=samples) for rung in rungs]
    floor = Floor(runs[0].layers, settings, len(samples))
    climbers = [Climber(run.rung.name, _sentence(run.rung), run) for run in runs]
    bare = Climber("floor", "the bare products", None)
    try:
        for done in range(0, count, TURN):
            for i in rng.permutation(len(climbers) + 1):
                climber = [*climbers, bare][i]
                progress(climber.name)
                time.sleep(settle)
                for _ in range(min(TURN, count - done)):
                    _one_epoch(climber, floor)
            yield [_standing(climbers, k, bare, settings) for k in range(len(climbers))]
    finally:
        for run in runs:
            run.rung.close()


def _one_epoch(climber: Climber, floor: Floor) -> None:
    if climber.run is None:
        climber.seconds.append(floor.epoch())
    elif not climber.stopped:
        try:
            climber.seconds.append(climber.run.epoch().seconds)
        except MlpperfError as reason:
            climber.stopped = str(reason)


def _sentence(rung: Step0) -> str:
    return (rung.__doc__ or "").strip().splitlines()[0].rstrip(".")


def _standing(climbers: list[Climber], k: int, bare: Climber, settings: Settings) -> Standing:
    climber, run = climbers[k], climbers[k].run
    assert run is not None

    def ratio(above: list[float], below: list[float]) -> Interval:
        both = min(len(above), len(below))
        if not both:
            return Interval(math.nan, math.nan, math.nan)
        return ratio_interval(np.divide(above[:both], below[:both]))

    mine = climber.seconds
    ones = [1 / settings.epochs] * len(mine)
    train, test = (math.nan, math.nan) if climber.stopped else run.accuracies()
    return Standing(
        rung=climber.name,
        what=climber.what,
        seconds=ratio(mine, ones),
        gain=ratio(climbers[max(k - 1, 0)].seconds, mine),
        total_gain=ratio(climbers[0].seconds, mine),
        over_floor=ratio(mine, bare.seconds),
        epochs=len(mine),
        train_accuracy=train,
        test_accuracy=test,
        stopped=climber.stopped,
    )


def grow(
    rung: type[Step0], samples: Sequence[int], nodes: Sequence[int], *, epochs: int = 4
) -> Iterator[dict[str, Any]]:
    """Seconds of an epoch on synthetic data: for the articles' network, and for wide layers.

    Each point names its samples and hidden layers, the median seconds per sample over at least
    `epochs` epochs, those of the bare products, and what share of this machine's fastest large
    product that is.
    """
    keep_freed_memory()
    side = 2_000
    product = Cost(bytes=0, products=((side, side, side),))
    peak = product.flops / floor_seconds(product).seconds  # operations per second
    points = [(size, ARTICLE.hidden) for size in samples]
    points += [(NODES_SAMPLES, (width, width)) for width in nodes]
    for size, hidden in points:
        settings = replace(ARTICLE.with_batch(min(GROWTH_BATCH, size)), hidden=hidden)
        run = Run(synthetic(size), replace(settings, learning_rate=1e-6, epochs=10**6), rung)
        floor = Floor(run.layers, settings, size)
        count = max(epochs, GROWTH_SAMPLES // size if hidden == ARTICLE.hidden else 0)
        time.sleep(SETTLE)
        try:
            seconds = float(np.median([run.epoch().seconds for _ in range(count + 1)][1:]))
        finally:
            run.rung.close()
        bare = float(np.median([floor.epoch() for _ in range(count)]))
        flops = (
            step_cost(NetworkCase(settings.batch_size, run.layers)).flops
            / settings.batch_size
            * size
        )
        yield {
            "samples": size,
            "hidden": list(hidden),
            "seconds_per_sample": seconds / size,
            "floor_per_sample": bare / size,
            "peak_share": flops / seconds / peak,
        }
