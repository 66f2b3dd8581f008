"""The task of a race: variants of hot paths beside their reference, each contest once."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np

from ...agreement import WrongResultError, arrays_in
from ...hotpath import HotPath
from . import arrays
from .clocks import time
from .contest import Timing
from .memory import keep_freed_memory
from .protocol import Contest, Message, Refusal, Samples, Task
from .rounds import FEWEST_ROUNDS, set_aside

# A slow moment of the machine may last for a tenth of a second, and hits one contestant harder than
# another. So a contest is timed at several moments, between which others of its group run.
MOMENTS = 5
# One more than a process needs, because two show how much the rounds scatter: from that, and from
# the scatter of all others, three processes give a useful interval also of long calls.
ROUNDS_LEAST = FEWEST_ROUNDS + 1
# How many contests are ready at the same time, and how many bytes they may take for it, if every
# contestant has prepared a copy of all inputs for itself.
GROUP_MOST = 12
GROUP_BYTES = 1 << 31


@dataclass
class Ready:
    """A contest that is ready to go on; so far, it has `taken` seconds, set-up included."""

    contest: Contest
    timing: Timing
    taken: float

    def go_on(self, share: float) -> None:
        """Let its contestants run until that share of the seconds is spent."""
        start = time.perf_counter()
        self.timing.go_on(self.contest.seconds * share, ROUNDS_LEAST)
        self.taken += time.perf_counter() - start

    def samples(self) -> Samples:
        """Its times so far."""
        turns = self.timing.result()
        times = dict(zip(self.contest.variants, turns.times, strict=True))
        names = (self.contest.path, self.contest.case, "")
        return Samples(names, times, turns.spent, self.taken - turns.spent)


def time_contests(task: Task) -> Iterator[Message]:
    """The times of each contest, in the order that is asked for."""
    keep_freed_memory()
    (side,) = task.sides.values()
    paths = {path.name: path for entry in side.entries for path in imported(entry, side.folders)}
    folder, rng = Path(task.inputs), np.random.default_rng(task.seed)
    gc.freeze()  # no collection has to look at what is loaded
    group: list[Ready] = []
    filled = 0
    try:
        for contest in task.contests:
            start = time.perf_counter()
            path = paths[contest.path]
            contestants = {variant.name: variant for variant in path.contestants}
            variants = [contestants[name] for name in contest.variants]
            inputs = arrays.read(folder, f"{path.name}-{contest.case}")
            needed = len(variants) * sum(array.nbytes for array in arrays_in(inputs))
            if len(group) == GROUP_MOST or (group and filled + needed > GROUP_BYTES):
                yield from _timed(group)
                group, filled = [], 0
                set_aside()
            timing = Timing(path, variants, inputs, rng)
            group.append(Ready(contest, timing, time.perf_counter() - start))
            filled += needed
        yield from _timed(group)
    except WrongResultError as reason:
        yield Refusal(str(reason))


def imported(entry: str, folders: Sequence[str]) -> Sequence[HotPath]:
    """The hot paths of an entry, as the project's own code imports them; raises as that does."""
    module, _, attribute = entry.partition(":")
    before = sys.path.copy()
    sys.path[:0] = folders
    try:
        paths: Sequence[HotPath] = getattr(import_module(module), attribute or "PATHS")
        return paths
    finally:
        sys.path[:] = before


def _timed(group: Sequence[Ready]) -> list[Samples]:
    """The times of the contests of a group, each of which runs at several moments."""
    for moment in range(1, MOMENTS + 1):
        for ready in group:
            ready.go_on(moment / MOMENTS)
    return [ready.samples() for ready in group]
