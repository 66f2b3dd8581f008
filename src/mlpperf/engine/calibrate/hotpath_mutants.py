"""Slows down hot paths: code at the end of a module wraps one function of each.

Nothing but a wrapper can slow down compiled code, into which no loop can be planted.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np

from ...errors import MlpperfError
from ..pool.pool import side_of
from ..pool.process import TaskWorker
from ..suites.series import Series
from ..versions.version import Version, entry_file
from ..worker.protocol import HOTPATH, HotPath, Inventory, Task
from ..worker.tracing import loop_times
from .loops import LoopTimes
from .mutants import Mutant, Mutator, Target

MUTATION = """

# A slowdown of known size, to see whether it is noticed.
from dataclasses import replace as _replace
from itertools import repeat as _repeat


def _instead(paths, name, variant, slower):
    path = next(path for path in paths if path.name == name)
    before = next(v.fn for v in path.contestants if v.name == variant)
    slower.__name__, slower.__doc__ = before.__name__, before.__doc__
    if path.contestants[0].name == variant:
        new = _replace(path, reference=slower)
    else:
        new = _replace(
            path,
            variants=tuple(
                _replace(v, fn=slower) if v.name == variant else v for v in path.variants
            ),
        )
    return tuple(new if path.name == name else path for path in paths), before
"""
SLOWER = """

def _slower_{number}({given}):
    for _ in _repeat(None, {loops}):
        pass
    return _original_{number}({given})


{paths}, _original_{number} = _instead({paths}, {path!r}, {variant!r}, _slower_{number})
"""


class HotPathMutator(Mutator):
    """Slows down one function of each hot path."""

    def __init__(self, original: Version, rng: np.random.Generator) -> None:
        super().__init__(original, rng)
        self._loop: LoopTimes | None = None

    @cached_property
    def _hot_paths(self) -> dict[str, HotPath]:
        return discovered(self.original)

    def chosen(self, times: Mapping[Series, float], size: float) -> list[Target]:
        """One function of each hot path."""
        now = LoopTimes(loop_times())  # in the quietest moment so far, as `times` are
        self._loop = self._loop.at_least_as_quick(now) if self._loop else now
        able = {s: seconds for s, seconds in times.items() if _function(s) not in self.of_no_use}
        return choose(able, size, self.rng, self._loop)

    def rounds(self, target: Target, seconds: float) -> int:
        """Of a loop before the function."""
        assert self._loop is not None  # they have been chosen
        return self._loop.rounds(seconds / self.factors.get(target.function, 1.0))

    def make(self, targets: Sequence[Target], into: Path, name: str) -> Mutant:
        """A copy with these loops."""
        hot_paths = self._hot_paths if targets else {}
        functions = {target.function for target in targets}
        return Mutant(
            replace(mutate(self.original, targets, into, hot_paths), name=name),
            tuple(targets),
            lambda series: _function(series) in functions,
        )


def _function(series: Series) -> tuple[str, str]:
    return series.path, series.variant


def discovered(version: Version) -> dict[str, HotPath]:
    """The hot paths of a version, by name.

    Raises `MlpperfError` if they cannot be loaded.
    """
    home = str(version.home or "")
    task = Task("discover", HOTPATH, sides={"head": side_of(version)}, home=home)
    with TaskWorker(task) as worker:
        inventory = next(worker)
    assert isinstance(inventory, Inventory)
    if inventory.broken:
        raise MlpperfError(f"{version.name} cannot be loaded: {inventory.broken['']}")
    return inventory.hot_paths


def choose(
    times: Mapping[Series, float], size: float, rng: np.random.Generator, loop: LoopTimes
) -> list[Target]:
    """For each hot path one function, by chance, and the shortest case that has room for the loop.

    At longer ones it is a smaller share, so that nothing larger than `size` helps to find it but
    at cases that are too short, which do not count.

    `times` are seconds of a call.
    """
    targets = []
    for path in dict.fromkeys(series.path for series in times):
        able = [s for s in times if s.path == path and loop.rounds(size * times[s])]
        variants = list(dict.fromkeys(series.variant for series in able))
        if able:
            variant = variants[rng.integers(len(variants))]
            series = min((s for s in able if s.variant == variant), key=lambda s: times[s])
            rounds = loop.rounds(size * times[series])
            targets.append(Target(series, size, rounds, _function(series)))
    return targets


def mutate(
    original: Version, targets: Sequence[Target], into: Path, hot_paths: Mapping[str, HotPath]
) -> Version:
    """A copy of `original` in the new folder `into` that does the extra work of `targets`.

    Raises `MlpperfError` if it cannot be written.
    """
    mutant = replace(original, commit=None, root=into, copy=None)
    try:
        shutil.copytree(original.root, into)
        for entry in original.entries:
            here = [target for target in targets if hot_paths[target.series.path].entry == entry]
            lines = [MUTATION] if here else []
            for number, target in enumerate(here):
                path, _, variant, _ = target.series
                lines.append(
                    SLOWER.format(
                        number=number,
                        given=hot_paths[path].parameters[variant],
                        loops=target.loops,
                        paths=entry.partition(":")[2] or "PATHS",
                        path=path,
                        variant=variant,
                    )
                )
            if lines and (file := entry_file(mutant, entry)):
                with file.open("a", encoding="utf-8") as module:
                    module.writelines(lines)
    except OSError as reason:
        raise MlpperfError(f"A mutant cannot be written to {into}: {reason}.") from reason
    return mutant
