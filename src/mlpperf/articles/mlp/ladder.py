"""All rungs of the ladder against each other, and against the network's bare products.

These are timed each by itself, in the layout and on the number of threads in which it is quickest,
at the best of several looks: no code can be quicker that computes them all with this BLAS. That is
the ceiling of speed (`engine/machine/ceilings.py`).

Rungs take turns of a few epochs (`turns.py`). The first epoch of a turn finds the caches full of
another rung's data, and threads of that rung's BLAS that still wait for work and so take processor
time. It counts like every other epoch.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np

from ...engine.history.records import Fields
from ...engine.machine.ceilings import floor_seconds
from ...engine.statistics.intervals import Interval, ratio_interval
from ...engine.worker.memory import keep_freed_memory
from ...engine.worker.rounds import SETTLE
from ...errors import MlpperfError
from ...hotpath import Cost
from ..data.datasets import Dataset
from ..data.samples import Samples
from ..turns import TURN_EPOCHS
from .network import NetworkCase, step_cost
from .rungs import Step0
from .settings import Settings
from .training import RUNGS, Run, samples_of


@dataclass
class Climber:
    """A rung, and the seconds of its epochs so far.

    Attributes
    ----------
    run : None for a rung that lacks something here.
    stopped : why it does not go on; empty while it does.
    parts : seconds that its epochs have spent on each part; empty where it does not measure them.
    """

    name: str
    what: str
    run: Run | None
    seconds: list[float] = field(default_factory=list)
    stopped: str = ""
    parts: dict[str, float] = field(default_factory=lambda: defaultdict(float))


def climb(
    data: Dataset,
    settings: Settings,
    rungs: Sequence[type[Step0]] = RUNGS,
    *,
    epochs: int | None = None,
    seed: int | None = None,
    settle: float = SETTLE,
    progress: Callable[[str], None] = lambda text: None,
) -> Iterator[list[Fields]]:
    """Train all `rungs` in turns; gives what `RungRecord`s hold of them after every round.

    Raises `MlpperfError` if there is no rung, or the data do not fit the settings.

    Parameters
    ----------
    epochs : how many each trains; by default those of the settings, to which seconds are always
        scaled.
    seed : decides the order within a round; without one it is another every time.
    settle : seconds of rest before a turn, in which threads of the rung before stop to look for
        work.
    progress : called with the name of whose turn it is.
    """
    if not rungs:
        raise MlpperfError("There is no rung to climb.")
    keep_freed_memory()
    rng = np.random.default_rng(seed)
    samples = samples_of(data, settings)
    count = settings.epochs if epochs is None else epochs
    if count < 1:
        raise MlpperfError(f"epochs must be at least 1, not {count}.")
    climbers = [_climber(data, settings, rung, samples) for rung in rungs]
    layers = (data.train_images.shape[1], *settings.hidden, 10)
    ceiling = ceiling_seconds(layers, settings, len(samples))
    try:
        for done in range(0, count, TURN_EPOCHS):
            for i in rng.permutation(len(climbers)):
                climber = climbers[i]
                progress(climber.name)
                time.sleep(settle)
                for _ in range(min(TURN_EPOCHS, count - done)):
                    _one_epoch(climber)
            ends = done + TURN_EPOCHS >= count
            yield [_record(climbers, k, ceiling, settings, ends) for k in range(len(rungs))]
    finally:
        for climber in climbers:
            if climber.run:
                climber.run.rung.close()


def ceiling_seconds(layers: Sequence[int], settings: Settings, samples: int) -> float:
    """Least seconds for all products of an epoch, each by itself in its quickest layout."""
    batch = min(settings.batch_size, samples)
    products = step_cost(NetworkCase(batch, tuple(layers))).products
    return floor_seconds(Cost(bytes=0, products=products)).seconds * samples / batch


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


def _climber(data: Dataset, settings: Settings, rung: type[Step0], samples: Samples) -> Climber:
    missing = rung.missing()
    run = None if missing else Run(data, settings, rung, samples=samples)
    what = (rung.__doc__ or "").strip().splitlines()[0].rstrip(".")
    return Climber(rung.name, what, run, stopped=missing)


def _one_epoch(climber: Climber) -> None:
    if climber.run is None or climber.stopped:
        return
    try:
        climber.seconds.append(climber.run.epoch().seconds)
    except MlpperfError as reason:
        climber.stopped = str(reason)
        return
    for (part, _), spent in climber.run.rung.part_seconds().items():
        climber.parts[part] += spent


def _record(
    climbers: list[Climber],
    k: int,
    ceiling: float,
    settings: Settings,
    ends: bool,
) -> Fields:
    climber, run = climbers[k], climbers[k].run
    mine = climber.seconds
    known = run if ends and not climber.stopped else None
    train, test = known.accuracies() if known else (None, None)
    parts = {part: spent / len(mine) * settings.epochs for part, spent in climber.parts.items()}
    return {
        "rung": climber.name,
        "what": climber.what,
        "seconds": asdict(whole_training(mine, settings)),
        "gain": asdict(paired_ratio(climbers[max(k - 1, 0)].seconds, mine)),
        "total_gain": asdict(paired_ratio(climbers[0].seconds, mine)),
        "over_ceiling": asdict(paired_ratio(mine, [ceiling] * len(mine))),
        "ceiling": ceiling * settings.epochs,
        "parts": parts or None,
        "epochs": len(mine),
        "train_accuracy": train,
        "test_accuracy": test,
        "stopped": climber.stopped,
    }
