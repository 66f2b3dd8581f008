"""All rungs of the ladder against each other, and against the network's bare products.

These are timed each by itself, in the layout and on the number of threads in which it is quickest,
at the best of several looks: no code can be quicker that computes them all with this BLAS. That is
the ceiling of speed (`engine/machine/ceilings.py`).

Each rung trains in a process of its own. Its first epoch there starts threads and processes, loads
compiled code and gets memory, so it is left out of the seconds and of every ratio.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace

from ...devices import available_threads
from ...engine.history.records import Fields
from ...errors import MlpperfError
from ..data.datasets import Dataset
from ..mlp.growth import ceiling_seconds
from ..mlp.rungs import Step0
from ..mlp.settings import Settings
from ..mlp.training import RUNGS
from . import COMPILING_EPOCHS, Peer
from .contest import PeerProcess, in_turns, paired_ratio


def climb(
    data: Dataset,
    settings: Settings,
    rungs: Sequence[type[Step0]] = RUNGS,
    *,
    epochs: int | None = None,
    seed: int | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> Iterator[list[Fields]]:
    """Train all `rungs` in turns; gives what `RungRecord`s hold of them after every round.

    Raises `MlpperfError` if there is no rung, or no epoch that counts. `epochs` is how many each
    trains, by default those of the settings, to which seconds are always scaled.
    """
    if not rungs:
        raise MlpperfError("There is no rung to climb.")
    if epochs is not None and epochs <= COMPILING_EPOCHS:
        raise MlpperfError(
            f"A ladder needs at least 2 epochs, because the first does not count; not {epochs}."
        )
    asked = settings if epochs is None else replace(settings, epochs=epochs)
    layers = (data.train_images.shape[1], *settings.hidden, 10)
    ceiling = ceiling_seconds(layers, settings, len(data.train_images))
    processes = [PeerProcess(_as_peer(rung), rung.missing()) for rung in rungs]
    for _ in in_turns(processes, asked, data.name, seed, progress, available_threads()):
        yield [_record(processes, k, ceiling, settings) for k in range(len(rungs))]


def _as_peer(rung: type[Step0]) -> Peer:
    what = (rung.__doc__ or "").strip().splitlines()[0].rstrip(".")
    return Peer(rung.name, what, "rung", "numpy", cpu_only=True)


def _record(processes: Sequence[PeerProcess], k: int, ceiling: float, settings: Settings) -> Fields:
    process = processes[k]
    mine, outcome = process.counted, process.outcome
    standing = process.standing(settings)
    spent = outcome.get("parts", {}).items()
    return {
        **standing,
        "rung": process.peer.name,
        "gain": asdict(paired_ratio(processes[max(k - 1, 0)].counted, mine)),
        "total_gain": asdict(paired_ratio(processes[0].counted, mine)),
        "over_ceiling": asdict(paired_ratio(mine, [ceiling] * len(mine))),
        "ceiling": ceiling * settings.epochs,
        "parts": {part: own / len(mine) * settings.epochs for part, own in spent} or None,
        "peak_memory": standing["peak_memory"] - outcome["memory_before"] if outcome else None,
    }
