"""Versions that are slower than the original by a known size.

In a mutant some functions run through an empty loop before their own work, so long that a call of
a series takes, say, 2 % more.
"""

from __future__ import annotations

import math
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..suites.series import Series
from ..versions.version import Version

LOUD = 0.5  # the share by which a loop is long enough to be measured where it stands
LEAST_FACTOR = 0.25  # of what a loop should take; if it takes less, it is not on the measured path


@dataclass(frozen=True)
class Target:
    """A function that is slowed down, and the series that takes so much longer for it."""

    series: Series
    size: float
    loops: int  # rounds of the empty loop, per call
    function: Hashable = None


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


class Mutator(ABC):
    """Makes mutants of an original.

    Attributes
    ----------
    factors : of each function, how many times as long a loop takes there as by itself.
    of_no_use : functions off the measured path, for example because only a first call runs them.
    """

    def __init__(self, original: Version, rng: np.random.Generator) -> None:
        self.original, self.rng = original, rng
        self.factors: dict[Hashable, float] = {}
        self.of_no_use: set[Hashable] = set()

    @abstractmethod
    def chosen(self, times: Mapping[Series, float], size: float) -> list[Target]:
        """Functions to slow down by `size`, drawn by chance; none of those that are of no use."""

    @abstractmethod
    def rounds(self, target: Target, seconds: float) -> int:
        """Of a loop in the target's function that adds these `seconds` to a call of the series."""

    @abstractmethod
    def make(self, targets: Sequence[Target], into: Path, name: str) -> Mutant:
        """A mutant of that name with these loops, in the new folder `into`."""

    def __call__(
        self, times: Mapping[Series, float], size: float, into: Path, measure: Measure
    ) -> Mutant:
        """A mutant of that size, in the new folder `into`; by the seconds that calls take.

        How much a loop really takes before its function is first measured by a longer one there:
        `measure` gives by which share the targets of a mutant are really slower. Raises
        `MlpperfError` if it cannot be made.
        """

        def sized(target: Target, size: float) -> Target:
            rounds = self.rounds(target, size * times[target.series])
            return replace(target, size=size, loops=max(rounds, 1))

        name = "a mutant of {:g} %"
        targets = self.chosen(times, size) if size else []
        if unknown := [target for target in targets if target.function not in self.factors]:
            loud = [sized(target, LOUD) for target in unknown]
            shares = measure(self.make(loud, into, name.format(100 * LOUD)))
            shutil.rmtree(into)
            for target in unknown:
                if factor := factor_of(shares.get(target.series)):
                    self.factors[target.function] = factor
                else:
                    self.of_no_use.add(target.function)
        useful = [target for target in targets if target.function in self.factors]
        return self.make([sized(target, size) for target in useful], into, name.format(100 * size))


def factor_of(share: float | None) -> float | None:
    """How many times as long a loud loop takes as it should; None if that cannot be known.

    `share` is by how much the series is slower for it, if that was measured.
    """
    factor = math.nan if share is None else share / LOUD
    return factor if LEAST_FACTOR < factor < 1 / LEAST_FACTOR else None
