"""Hot paths that are slower than they were by a known size.

A mutant is a copy of the project in which some functions do more than they need to: before its own
work, each runs through an empty loop, so long that a call of it at a short case takes, say, 2 %
more. Each hot path gets one such function, chosen by chance.
"""

from __future__ import annotations

import inspect
import math
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ...errors import MlpperfError
from ...hotpath import HotPath
from ..statistics.robust import ROW
from ..suites.series import Series
from ..versions.layout import import_folders
from ..versions.version import Version, entry_file
from ..worker.hotpath_suite import HotPathCopy
from ..worker.protocol import Side
from ..worker.suite import FailedError
from .loops import LoopTimes

ROUNDS = (0, 25, 50, 100, 200, 400, 800, 1600, 6400)  # of loops that are timed
CALLS, BLOCKS = 5, 400  # of each that are timed in a row, and how often
LOUD = 0.5  # the share by which a loop is long enough to be measured where it stands
LEAST_FACTOR = 0.25  # of what a loop should take, below which it does not stand where it matters

MUTATION = """

# A slowdown of known size, to see whether it is noticed.
from dataclasses import replace as _replace
from itertools import repeat as _repeat


def _instead(paths, name, function, slower):
    path = next(path for path in paths if path.name == name)
    every = {f.__name__: f for f in (path.reference, *(v.fn for v in path.variants))}
    slower.__name__, slower.__doc__ = function, every[function].__doc__
    if path.reference.__name__ == function:
        new = _replace(path, reference=slower)
    else:
        new = _replace(
            path,
            variants=tuple(
                _replace(v, fn=slower) if v.fn.__name__ == function else v for v in path.variants
            ),
        )
    return tuple(new if path.name == name else path for path in paths), every[function]
"""
SLOWER = """

def _slower_{number}({given}):
    for _ in _repeat(None, {loops}):
        pass
    return _original_{number}({given})


{paths}, _original_{number} = _instead({paths}, {path!r}, {function!r}, _slower_{number})
"""


@dataclass(frozen=True)
class Target:
    """A function that is slowed down, and the case at which it takes so much longer."""

    series: Series
    size: float
    loops: int  # of the empty loop, per call


@dataclass(frozen=True)
class Mutant:
    """A version that was slowed down, and what is known of it.

    `touched` says of a series whether it is slower for it, as a target or besides.
    """

    version: Version
    targets: tuple[Target, ...]
    touched: Callable[[Series], bool]


Measure = Callable[[Mutant], Mapping[Series, float]]


class Mutator(Protocol):
    """Makes mutants of an original."""

    def __call__(
        self, times: Mapping[Series, float], size: float, into: Path, measure: Measure
    ) -> Mutant:
        """A mutant of that size, in the new folder `into`; by the seconds that calls take.

        `measure` says by which share the targets of a mutant are really slower.

        Raises
        ------
        MlpperfError
            If it cannot be made.
        """


class HotPathMutator:
    """Slows down one function of each hot path."""

    def __init__(self, original: Version, rng: np.random.Generator) -> None:
        self._original, self._rng = original, rng
        self._loop: LoopTimes | None = None
        # Before its function, a loop takes so many times what it takes by itself.
        self._factors: dict[tuple[str, str], float] = {}

    def __call__(
        self, times: Mapping[Series, float], size: float, into: Path, measure: Measure
    ) -> Mutant:
        """A mutant, as `Mutator` says.

        How much a loop really takes before its function is first measured by a longer one there.
        """
        if not size:
            return self._mutant([], into)
        now = loop_times()  # like `times`, in the quietest moment so far
        self._loop = loop = self._loop.at_least_as_quick(now) if self._loop else now
        targets = choose(times, size, self._rng, loop)

        def planted(target: Target, size: float, factor: float = 1.0) -> Target:
            rounds = loop.rounds(size * times[target.series] / factor)
            return replace(target, size=size, loops=max(rounds, 1))

        if unknown := [target for target in targets if _function(target) not in self._factors]:
            shares = measure(self._mutant([planted(target, LOUD) for target in unknown], into))
            shutil.rmtree(into)
            for target in unknown:
                self._factors[_function(target)] = factor_of(shares.get(target.series)) or 1.0
        return self._mutant([planted(t, size, self._factors[_function(t)]) for t in targets], into)

    def _mutant(self, targets: Sequence[Target], into: Path) -> Mutant:
        changed = set(map(_function, targets))
        return Mutant(
            mutate(self._original, targets, into),
            tuple(targets),
            lambda series: (series.path, series.variant) in changed,
        )


def factor_of(share: float | None) -> float | None:
    """How many times what it should take a loud loop takes; None if that says nothing.

    `share` is by how much the series is slower for it, if that was measured.
    """
    factor = math.nan if share is None else share / LOUD
    return factor if LEAST_FACTOR < factor < 1 / LEAST_FACTOR else None


def _function(target: Target) -> tuple[str, str]:
    return target.series.path, target.series.variant


def loop_times() -> LoopTimes:
    """Seconds by which a function gets slower if it runs through an empty loop first.

    Timed around a little work of NumPy's, because by itself a loop takes less, as nothing else is
    in the processor's caches. Of `range` a round would not always cost the same: Python keeps the
    integers up to 256, and makes every larger one.
    """
    numbers = np.linspace(-1.0, 1.0, 2000)

    def work(x: NDArray[np.float64]) -> NDArray[np.float64]:
        y = np.tanh(x)
        y += x
        return y * y

    def slower(x: NDArray[np.float64], rounds: int) -> NDArray[np.float64]:
        for _ in repeat(None, rounds):
            pass
        return work(x)

    def called(function: Callable[..., object], *args: object) -> int:
        start = time.perf_counter_ns()
        for _ in range(CALLS):
            function(numbers, *args)
        return time.perf_counter_ns() - start

    def block() -> list[int]:
        return [called(work), *(called(slower, rounds) for rounds in ROUNDS)]

    # A disturbance only adds time: the quickest of some blocks in a row.
    quickest = np.array([block() for _ in range(BLOCKS)]).reshape(-1, ROW, 1 + len(ROUNDS)).min(1)
    more = np.median(quickest[:, 1:] - quickest[:, :1], axis=0) / CALLS * 1e-9
    return LoopTimes([(rounds, max(float(t), 0.0)) for rounds, t in zip(ROUNDS, more, strict=True)])


def choose(
    times: Mapping[Series, float], size: float, rng: np.random.Generator, loop: LoopTimes
) -> list[Target]:
    """For each hot path one function, by chance, and the shortest case that has room for the loop.

    At longer ones it is a smaller share, so that nothing larger than `size` helps to find it but
    at cases that are too short, which do not count.

    `times` are seconds of a call.
    """
    found = []
    for path in dict.fromkeys(series.path for series in times):
        able = [s for s in times if s.path == path and loop.rounds(size * times[s])]
        variants = list(dict.fromkeys(series.variant for series in able))
        if able:
            variant = variants[rng.integers(len(variants))]
            series = min((s for s in able if s.variant == variant), key=lambda s: times[s])
            found.append(Target(series, size, loop.rounds(size * times[series])))
    return found


def mutate(original: Version, targets: Sequence[Target], into: Path) -> Version:
    """A copy of `original` in the new folder `into` that does the extra work of `targets`.

    Raises
    ------
    MlpperfError
        If it cannot be written.
    """
    size = targets[0].size if targets else 0.0
    mutant = replace(
        original, name=f"a mutant of {100 * size:g} %", commit=None, root=into, copy=None
    )
    try:
        shutil.copytree(original.root, into)
        for file, attribute, paths in _tuples(mutant):
            here = [target for target in targets if target.series.path in paths]
            lines = [MUTATION] if here else []
            for number, target in enumerate(here):
                path = paths[target.series.path]
                function = next(v.fn for v in path.contestants if v.name == target.series.variant)
                lines.append(
                    SLOWER.format(
                        number=number,
                        given=_given(function),
                        loops=target.loops,
                        paths=attribute,
                        path=path.name,
                        function=function.__name__,
                    )
                )
            with file.open("a", encoding="utf-8") as module:
                module.writelines(lines)
    except OSError as reason:
        raise MlpperfError(f"A mutant cannot be written to {into}: {reason}.") from reason
    return mutant


def loaded(version: Version) -> HotPathCopy:
    """A copy of the hot paths of a version, in this process.

    Raises
    ------
    MlpperfError
        If it cannot be loaded.
    """
    root, whole = str(version.root), str(version.whole)
    folders = [str(folder) for folder in import_folders(version.root, version.whole)]
    side = Side(root, list(version.packages), folders, whole, list(version.entries))
    try:
        return HotPathCopy(side, version.name)
    except FailedError as reason:
        raise MlpperfError(f"{version.name}: {reason}") from reason


def _tuples(version: Version) -> Iterator[tuple[Path, str, Mapping[str, HotPath]]]:
    """The file and the name of each tuple of hot paths, and its hot paths by name."""
    copy = loaded(version)
    for entry in version.entries:
        if file := entry_file(version, entry):
            names = [name for name, about in copy.contents.items() if about.entry == entry]
            paths = {name: copy.paths[name] for name in names}
            yield file, entry.partition(":")[2] or "PATHS", paths


def _given(function: Callable[..., object]) -> str:
    """Its arguments by name; where names do not say it all, whatever is given."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:  # of a function written in C
        return "*given"
    plain = all(p.kind is p.POSITIONAL_OR_KEYWORD and p.default is p.empty for p in parameters)
    return ", ".join(p.name for p in parameters) if plain else "*given"
