"""Versions that are slower than the original by a known size.

In a mutant some functions run through an empty loop before their own work, so long that a call of
a benchmark takes, say, 2 % more. Other benchmarks may run such a function, too. So several
functions are chosen for every mutant, each of which hardly changes the targets of the others.
"""

from __future__ import annotations

import math
import shutil
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ...errors import MlpperfError
from ..suites.series import Series
from ..versions.version import Version
from .planted import Trace, has_room, planted

LOUD = 0.5  # the share by which a loop is long enough to be measured where it stands
LEAST_FACTOR = 0.25  # of what a loop should take; if it takes less, it is not on the measured path
SHORTEST_LOOP = 3e-7  # seconds that a loop takes at least: of shorter ones the size is not known
MOST_OFF = 0.1  # share by which other targets' loops may change what is planted into a target
TARGETS_MOST = 20  # so that of many series most stay as they are, and may raise false alarms


@dataclass(frozen=True)
class Target:
    """A function that is slowed down, and the series that takes so much longer for it."""

    series: Series
    size: float
    loops: int  # rounds of the empty loop, each time
    function: str


@dataclass(frozen=True)
class Mutant:
    """A version that was slowed down.

    Attributes
    ----------
    touched : whether a series is slower for it, as a target or besides.
    """

    version: Version
    targets: tuple[Target, ...]
    touched: Callable[[Series], bool]


Measure = Callable[[Mutant], Mapping[Series, float]]


class Mutator:
    """Makes mutants of an original, of which the `trace` shows what each series runs.

    Attributes
    ----------
    factors : of each function, how many times as long a loop takes there as by itself.
    of_no_use : functions off the measured path, for example because only a first call runs them.
    """

    def __init__(self, original: Version, trace: Trace, rng: np.random.Generator) -> None:
        self.original, self.trace, self.rng = original, trace, rng
        self.factors: dict[str, float] = {}
        self.of_no_use: set[str] = set()

    def __call__(
        self, times: Mapping[Series, float], size: float, into: Path, measure: Measure
    ) -> Mutant:
        """A mutant of that size, in the new folder `into`; by the seconds that calls take.

        How much a loop really takes before its function is first measured by a longer one there:
        `measure` gives by which share the targets of a mutant are really slower. Raises
        `MlpperfError` if it cannot be made.
        """

        def sized(target: Target, size: float) -> Target:
            rounds = self._rounds(target.function, target.series, size * times[target.series])
            return replace(target, size=size, loops=max(rounds, 1))

        name = "a mutant of {:g} %"
        targets = self.chosen(times, size) if size else []
        if unknown := [target for target in targets if target.function not in self.factors]:
            loud = [sized(target, LOUD) for target in unknown]
            shares = measure(self._made(loud, into, name.format(100 * LOUD)))
            shutil.rmtree(into)
            for target in unknown:
                if factor := factor_of(shares.get(target.series)):
                    self.factors[target.function] = factor
                else:
                    self.of_no_use.add(target.function)
        useful = [target for target in targets if target.function in self.factors]
        return self._made([sized(target, size) for target in useful], into, name.format(100 * size))

    def chosen(self, times: Mapping[Series, float], size: float) -> list[Target]:
        """Functions, by chance, each for the shortest series that has room for its loop.

        Of longer ones the loop is a smaller share, so nothing larger than `size` helps to find it,
        but in series that are too short, which do not count. `times` are seconds of a call.
        """
        calls = self.trace.calls
        known = [series for series in times if calls.get(series)]
        functions = list(dict.fromkeys(f for s in known for f in calls[s]))
        targets: list[Target] = []
        loops: dict[str, int] = {}

        def loop_seconds(series: Series, function: str) -> float:
            number = calls[series].get(function, math.inf)
            return size * times[series] / number - self.trace.loop.least

        for function in (functions[i] for i in self.rng.permutation(len(functions))):
            if len(targets) == TARGETS_MOST:
                break
            if function in self.of_no_use or not has_room(self.original.root, function):
                continue
            able = [s for s in known if loop_seconds(s, function) >= SHORTEST_LOOP]
            able = [s for s in able if all(s != target.series for target in targets)]
            if not able:
                continue
            series = min(able, key=lambda s: times[s])
            rounds = self._rounds(function, series, size * times[series])
            with_it = {**loops, function: rounds}
            if all(
                abs(self._share(s, with_it, times[s]) - size) <= MOST_OFF * size
                for s in (*(target.series for target in targets), series)
            ):
                loops = with_it
                targets.append(Target(series, size, rounds, function))
        return targets

    def _made(self, targets: Sequence[Target], into: Path, name: str) -> Mutant:
        """A copy of the original with these loops, in the new folder `into`."""
        loops = {target.function: target.loops for target in targets}
        by_file: dict[str, dict[str, int]] = defaultdict(dict)
        for function, number in loops.items():
            by_file[function.split(":")[0]][function] = number
        try:
            shutil.copytree(self.original.root, into, symlinks=True)
            for file, functions in by_file.items():
                text = (into / file).read_text(encoding="utf-8")
                (into / file).write_text(planted(text, functions), encoding="utf-8")
        except (OSError, SyntaxError) as reason:
            raise MlpperfError(f"A mutant cannot be written to {into}: {reason}.") from reason
        mutant = replace(self.original, name=name, commit=None, root=into, copy=None)
        calls = self.trace.calls
        return Mutant(
            mutant, tuple(targets), lambda s: bool(loops.keys() & calls.get(s, {}).keys())
        )

    def _rounds(self, function: str, series: Series, seconds: float) -> int:
        """Of a loop in a function that adds these `seconds` to a call of the series."""
        each = seconds / self.trace.calls[series][function]
        return self.trace.loop.rounds(each / self.factors.get(function, 1.0))

    def _share(self, series: Series, loops: Mapping[str, int], seconds: float) -> float:
        """By how much a series, of which a call takes `seconds`, becomes slower for all loops."""
        more = sum(
            number * self.trace.loop.seconds(loops[function]) * self.factors.get(function, 1.0)
            for function, number in self.trace.calls[series].items()
            if function in loops
        )
        return more / seconds


def factor_of(share: float | None) -> float | None:
    """How many times as long a loud loop takes as it should; None if that cannot be known.

    `share` is by how much the series is slower for it, if that was measured.
    """
    factor = math.nan if share is None else share / LOUD
    return factor if LEAST_FACTOR < factor < 1 / LEAST_FACTOR else None
