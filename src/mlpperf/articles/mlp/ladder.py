"""All rungs of the ladder against each other, and against the bare products: the floor.

Rungs take turns of a few epochs (`turns.py`), and so does the floor. The first epoch of a turn
finds the caches full of another rung's data, and threads of that rung's BLAS that still wait for
work and so take processor time. It counts like every other epoch.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from ...devices import keep_freed_memory
from ...engine.guest.rounds import SETTLE
from ...engine.timing.intervals import Interval, ratio_interval
from ...errors import MlpperfError
from ..data.datasets import Dataset
from ..turns import TURNS
from .equations import Array
from .in_place import CHUNK, padded
from .rungs import Step0
from .settings import Settings
from .team import Team
from .training import RUNGS, Run, samples_of


class Floor:
    """The floor: the bare matrix products of the network, with nothing between them, in float32.

    Forward, gradient and delta have the shapes, the memory layout and the chunks of the last rung.
    Values do not matter, as long as they stay finite: results are written over those of the layer
    above or below, and the first activations and the weights stay, so nothing can grow.

    Parameters
    ----------
    layers : nodes of every layer.
    settings : for the number of samples in a batch.
    samples : in an epoch.
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
    """A rung, or the floor, and the seconds of its epochs so far.

    `run` is None for the floor. `stopped` says why it does not go on, and is empty while it does.
    """

    name: str
    what: str
    run: Run | None
    seconds: list[float] = field(default_factory=list)
    stopped: str = ""


@dataclass(frozen=True)
class RungStanding:
    """How a rung has done so far; ratios pair epochs of the same round of turns.

    Attributes
    ----------
    rung, what : name, and what it replaces in the rung before.
    seconds : that all epochs of the settings take, from those that were trained.
    gain, total_gain : seconds of the rung before, and of the first rung, ÷ those of this one.
    over_floor : seconds of this rung ÷ those of the bare products.
    epochs : how many it has trained.
    train_accuracy, test_accuracy : shares that are classified rightly; NaN where it stopped.
    stopped : why it did not go on; empty where it did.
    """

    rung: str
    what: str
    seconds: Interval
    gain: Interval
    total_gain: Interval
    over_floor: Interval
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
) -> Iterator[list[RungStanding]]:
    """Train all `rungs` in turns; gives the standings after every round.

    Parameters
    ----------
    epochs
        How many each trains; by default those of the settings, to which seconds are always scaled.
    seed
        Decides the order within a round; without one it is another every time.
    settle
        Seconds of rest before a turn, in which threads of the rung before stop to look for work.
    progress
        Called with the name of whose turn it is.

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
        for done in range(0, count, TURNS.epochs):
            for i in rng.permutation(len(climbers) + 1):
                climber = [*climbers, bare][i]
                progress(climber.name)
                time.sleep(settle)
                for _ in range(min(TURNS.epochs, count - done)):
                    _one_epoch(climber, floor)
            yield [_standing(climbers, k, bare, settings) for k in range(len(climbers))]
    finally:
        for run in runs:
            run.rung.close()


def paired_ratio(above: Sequence[float], below: Sequence[float]) -> Interval:
    """`above` ÷ `below`, seconds of epochs that belong together, as far as there are both.

    All of it is NaN where there is no pair yet.
    """
    pairs = min(len(above), len(below))
    if not pairs:
        return Interval(math.nan, math.nan, math.nan)
    return ratio_interval(np.divide(above[:pairs], below[:pairs]))


def whole_training(seconds: Sequence[float], settings: Settings) -> Interval:
    """Seconds that all epochs of `settings` take, from the `seconds` of those that were trained."""
    return paired_ratio(seconds, [1 / settings.epochs] * len(seconds))


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


def _standing(climbers: list[Climber], k: int, bare: Climber, settings: Settings) -> RungStanding:
    climber, run = climbers[k], climbers[k].run
    assert run is not None

    mine = climber.seconds
    train, test = (math.nan, math.nan) if climber.stopped else run.accuracies()
    return RungStanding(
        rung=climber.name,
        what=climber.what,
        seconds=whole_training(mine, settings),
        gain=paired_ratio(climbers[max(k - 1, 0)].seconds, mine),
        total_gain=paired_ratio(climbers[0].seconds, mine),
        over_floor=paired_ratio(mine, bare.seconds),
        epochs=len(mine),
        train_accuracy=train,
        test_accuracy=test,
        stopped=climber.stopped,
    )
