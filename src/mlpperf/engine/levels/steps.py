"""The steps of a series along a history, and the levels that follow from them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..statistics.intervals import WITHIN, Interval
from ..table import Badge
from .edges import EVERY, Floats, Network, Places, Where


@dataclass(frozen=True)
class Step:
    """A change of the level of a series.

    Attributes
    ----------
    where : the place, or the stretch of a drift.
    log_ratio, error : its size and standard error.
    earliest, latest : the places between which it is, with the requested probability.
    shares : the probability of each place of the history.
    """

    where: Where
    log_ratio: float
    error: float
    earliest: int
    latest: int
    shares: Floats = field(compare=False, repr=False)

    @property
    def is_drift(self) -> bool:
        """Whether it is a drift over several commits."""
        return self.where.first < self.where.last

    @property
    def ratio(self) -> Interval:
        """After ÷ before, with its 95 % interval."""
        ends = (self.log_ratio + side * WITHIN * self.error for side in (0, -1, 1))
        return Interval(*map(math.exp, ends))

    @property
    def direction(self) -> Badge:
        """Slower or faster, in one step or as a drift."""
        word, kind = ("slower", "bad") if self.log_ratio > 0 else ("faster", "good")
        return Badge(f"{word}, as a drift" if self.is_drift else word, kind)


@dataclass(frozen=True)
class Fit:
    """The steps of a series, fitted to its edges.

    Attributes
    ----------
    steps : in the order of the history.
    network : the edges.
    contradicting : numbers of the edges that were left out.
    residuals : of the edges, in units of their errors.
    factor : by which the errors were increased.
    """

    steps: tuple[Step, ...]
    network: Network
    contradicting: Places
    residuals: Floats
    factor: float
    _covariance: NDArray[np.float64]

    def levels(self, machine: int = EVERY) -> Floats:
        """The level of each place on a machine, as a logarithm; 0 at the first one."""
        levels = np.zeros(self.network.commits)
        for step in self.steps:
            levels += step.log_ratio * step.where.behind(self.network.commits, machine)
        return levels

    def errors(self, reference: int, machine: int = EVERY) -> Floats:
        """The standard error of each level relative to that of the place `reference`."""
        if not self.steps:
            return np.zeros(self.network.commits)
        commits = self.network.commits
        shares = np.array([step.where.behind(commits, machine) for step in self.steps])
        shares = shares - shares[:, [reference]]
        variance = np.einsum("ik,ij,jk->k", shares, self._covariance, shares)
        errors: Floats = np.sqrt(np.maximum(variance, 0.0))
        return errors

    @property
    def gaps(self) -> list[int]:
        """Places that no edge links to the one before, apart from those that were left out."""
        believed = np.ones(len(self.network))
        believed[self.contradicting] = 0.0
        tied = self.network.crossing(believed)
        return [place for place in range(1, self.network.commits) if not tied[place]]

    def own(self) -> tuple[Floats, Floats]:
        """The level of each place from its own edges alone, with its error.

        All other levels are taken as exact; NaN where a place has no edges.
        """
        network, commits = self.network, self.network.commits
        weights = (self.factor * network.error) ** -2.0
        weights[self.contradicting] = 0.0
        rest = weights * self.residuals * self.factor * network.error
        known = np.bincount(network.base, weights, commits)
        known += np.bincount(network.head, weights, commits)
        sums = np.bincount(network.head, rest, commits) - np.bincount(network.base, rest, commits)
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.levels() + sums / known, np.sqrt(1 / np.where(known, known, np.nan))
