"""What one process of a race does: every contest once, for the seconds that it is given."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...agreement import WrongResultError, arrays_in
from ...devices import keep_freed_memory
from ..pool.process import serve
from ..suites.catalogue import catalogue
from . import arrays as exchange
from .contest import Timing
from .rounds import FEWEST_ROUNDS

# A slow moment of the machine may last for a tenth of a second, and hits one contestant harder than
# another. So a contest is timed at several moments, between which others of its group run.
MOMENTS = 5
# How many contests are ready at the same time, and how many bytes they may take for it, if every
# contestant has prepared a copy of all inputs for itself.
GROUP_MOST = 12
GROUP_BYTES = 1 << 31


@dataclass
class Ready:
    """A contest that is ready to go on.

    Attributes
    ----------
    timing : its contestants.
    seconds : that its rounds are to take.
    taken : seconds that it took so far, getting ready included.
    """

    timing: Timing
    seconds: float
    taken: float = 0.0

    def go_on(self, share: float) -> None:
        """Let its contestants run until that share of the seconds is spent."""
        start = time.perf_counter()
        self.timing.go_on(self.seconds * share, FEWEST_ROUNDS)
        self.taken += time.perf_counter() - start

    def answer(self) -> dict[str, Any]:
        """What the race is told about it."""
        turns = self.timing.result()
        return {
            "times": turns.times,
            "round_seconds": turns.spent / len(turns.times[0]),
            "other_seconds": self.taken - turns.spent,
        }


def time_contests(task: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The times of each contest, in the order that is asked for.

    `task` has `inputs` (the folder with the arrays), `seed`, and `contests`: path, case, variants
    (the reference first), seconds. The hot paths are those that the current folder's project names.
    """
    keep_freed_memory()
    paths = {path.name: path for path in catalogue()}
    folder, rng = Path(task["inputs"]), np.random.default_rng(task["seed"])
    gc.freeze()  # what is loaded need not be looked at by every collection
    group: list[Ready] = []
    filled = 0
    try:
        for contest in task["contests"]:
            start = time.perf_counter()
            path = paths[contest["path"]]
            contestants = {variant.name: variant for variant in path.contestants}
            variants = [contestants[name] for name in contest["variants"]]
            inputs = exchange.read(folder, f"{path.name}-{contest['case']}")
            needed = len(variants) * sum(array.nbytes for array in arrays_in(inputs))
            if len(group) == GROUP_MOST or (group and filled + needed > GROUP_BYTES):
                yield from _timed(group)
                group, filled = [], 0
                gc.collect()
                gc.freeze()
            timing = Timing(path, variants, inputs, rng)
            group.append(Ready(timing, contest["seconds"], time.perf_counter() - start))
            filled += needed
        yield from _timed(group)
    except WrongResultError as reason:
        yield {"wrong": str(reason)}


def _timed(group: Sequence[Ready]) -> list[dict[str, Any]]:
    """What a race is told about contests of a group, each of which runs at several moments."""
    for moment in range(1, MOMENTS + 1):
        for ready in group:
            ready.go_on(moment / MOMENTS)
    return [ready.answer() for ready in group]


def main() -> None:
    """Do the task on standard input."""
    serve(lambda task, line: time_contests(task))
