"""Levels over commits: which commits changed a series, and by how much, from a network of edges.

Most commits change nothing. So the history of a series is modelled as constant with a few steps,
whose sizes follow by least squares. The candidate that explains the edges best is added, until
chance alone could produce it somewhere in the history:

- a step at a commit, on all machines or on one;
- a drift, which spreads evenly over many commits, if it explains more than any step;
- an edge that contradicts the others, which is then left out.

The errors of the edges come from their comparisons. If the edges contradict each other by more than
these errors allow, all errors are increased.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..statistics.estimates import DEVIATION_PER_MEDIAN_DEVIATION
from ..statistics.intervals import WITHIN, Interval
from ..statistics.quantiles import normal_quantile
from ..table import Badge
from .edges import EVERY, Floats, Network, Places, Where, squares, stretches
from .tail import likelihoods, likely, rarity

ALARMS = 0.01  # probability of any false step in a whole history
CONFIDENCE = 0.99  # probability that a step is at one of the commits reported for it
# A drift has one parameter more than a step, so it must improve χ² by this much more.
MORE_OF_A_DRIFT = 6.0
SWEEPS = 10  # largest number of moves for each step
FEWEST_RESIDUALS = 20  # residuals needed to estimate how well edges agree

Name = TypeVar("Name")


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
        """Places that no edge links to the one before."""
        tied = self.network.crossing(np.ones(len(self.network)))
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


def fit_all(networks: Mapping[Name, Network]) -> dict[Name, Fit]:
    """The steps of each series of a history.

    In a history where nothing changed, the probability of any step at all is at most `ALARMS`.
    """
    tests = len(networks)
    first = {name: fit(network, tests) for name, network in networks.items()}
    factor = error_factor(list(first.values()))
    if factor == 1.0:
        return first
    return {name: fit(network, tests, factor) for name, network in networks.items()}


def error_factor(fits: Sequence[Fit]) -> float:
    """By which factor edges contradict each other more than their errors allow; at least 1."""
    every = [np.abs(one.residuals[one.network.measured]) for one in fits]
    sizes = np.concatenate([*every, np.zeros(0)])
    if len(sizes) < FEWEST_RESIDUALS:
        return 1.0
    return max(1.0, DEVIATION_PER_MEDIAN_DEVIATION * float(np.median(sizes)))


def fit(
    network: Network,
    tests: int = 1,
    factor: float = 1.0,
    confidence: float = CONFIDENCE,
    drifts: bool = True,
) -> Fit:
    """The steps of one of `tests` series that are fitted together.

    Errors are larger than those of the edges by `factor`. `confidence` is that of the places, and
    `drifts` allows drifts.
    """
    return _Search(network, tests, factor, confidence, drifts).run()


class _Search:
    """Adds the candidate that explains the edges best, until chance alone could produce it."""

    def __init__(
        self, network: Network, tests: int, factor: float, confidence: float, drifts: bool
    ) -> None:
        self._network, self._factor, self._confidence = network, factor, confidence
        machines = network.machines
        self._groups = [EVERY, *(machines if len(machines) > 1 else ())]
        self._on = {machine: network.on(machine) for machine in self._groups}
        self._lifts: dict[Where, Floats] = {}
        self._drifts = stretches(network.commits) if drifts else ()
        ends = np.unique(np.concatenate([network.base, network.head]))
        known = len(np.unique(network.head[~network.measured]))
        candidates = max(len(ends) - 1 - known, 1) * len(self._groups) + len(self._drifts)
        self._tail = ALARMS / (2 * tests * candidates)
        self._limit = normal_quantile(1 - self._tail)
        self._weights = (factor * network.error) ** -2.0
        self._steps: list[Where] = []
        self._out: list[int] = []
        self._weigh()

    def run(self) -> Fit:
        seen: set[frozenset[Where]] = set()
        while len(self._network):
            scores = dict(self._scores())
            best = max(scores, key=lambda candidate: scores[candidate], default=None)
            if best is None or scores[best] < self._limit**2:
                break
            if isinstance(best, Where):
                self._steps.append(best)
                self._settle(best)
                state = frozenset(self._steps)
                if state in seen:
                    break
                seen.add(state)
            else:
                self._out.append(best)
                self._weights[best] = 0.0
                self._weigh()
        return self._fit()

    def _weigh(self) -> None:
        """The weight of the edges for each candidate, and the factor for their freedom."""
        network, weights = self._network, self._weights
        freedom = np.maximum(network.freedom, 1.0)
        columns = weights, weights / freedom, weights**2 / freedom
        self._rarity = {
            machine: rarity(self._tail, *(network.crossing(column * on) for column in columns))
            for machine, on in self._on.items()
        }
        self._rarity_of_edges = rarity(self._tail, *columns)
        self._of_drifts = self._rarity_of_drifts = np.zeros(0)
        if self._drifts:
            every = squares(network.commits, network.base.tobytes(), network.head.tobytes())
            self._of_drifts, less, _ = (every @ column for column in columns)
            # The degrees of freedom of a single edge: one edge may support most of a drift.
            self._rarity_of_drifts = rarity(
                self._tail, self._of_drifts, less, self._of_drifts * less
            )

    def _lift(self, where: Where) -> Floats:
        """Which share of a step or drift each edge covers."""
        if where not in self._lifts:
            self._lifts[where] = self._network.within(*where)
        return self._lifts[where]

    # --- candidates, and how much of χ² each would explain ---

    def _scores(self) -> Iterator[tuple[Where | int, float]]:
        """The best step and drift, and the most contradicting edge, with what each explains."""
        solved = self._fitted(self._weights)
        explained = rarest = 0.0
        for machine in self._groups:
            of_places = self._of_steps(machine, solved)
            if machine == EVERY:  # where one machine differs, each has steps of its own
                of_places[[step.first for step in self._steps if step.machine != EVERY]] = 0.0
            rare = of_places * self._rarity[machine]
            place = int(np.argmax(rare))
            explained = max(explained, float(of_places.max()))
            rarest = max(rarest, float(rare[place]))
            yield Where(place, place, machine), float(rare[place])
        if self._drifts:
            of_drifts = self._explained_by_drifts(solved)
            best = int(np.argmax(of_drifts))
            if of_drifts[best] > explained + MORE_OF_A_DRIFT:
                yield self._drifts[best], float(of_drifts[best] * self._rarity_of_drifts[best])
        # For each edge, its distance from the prediction of the others.
        lifts = solved.lifts
        own = np.einsum("ij,jk,ik->i", lifts, solved.inverse, lifts) * self._weights
        left = np.maximum(1 - own, 1e-9)
        of_edges = self._weights * solved.rest**2 / left * self._rarity_of_edges
        edge = int(np.argmax(of_edges))
        if of_edges[edge] > rarest * (1 + 1e-6):  # an edge that alone supports a step stays
            yield edge, float(of_edges[edge])

    def _fitted(self, weights: Floats, steps: Sequence[Where] | None = None) -> _Solved:
        """The sizes of `steps`, by default of those so far, by least squares."""
        network = self._network
        steps = self._steps if steps is None else steps
        lifts = np.array([self._lift(step) for step in steps])
        lifts = lifts.reshape(len(steps), len(network)).T
        inverse = np.linalg.pinv((lifts.T * weights) @ lifts, hermitian=True)
        sizes = inverse @ (lifts.T @ (weights * network.log_ratio))
        return _Solved(lifts, inverse, network.log_ratio - lifts @ sizes, sizes)

    def _of_steps(self, machine: int, solved: _Solved) -> Floats:
        """How much of χ² a step at each place would explain in addition to `solved`."""
        network = self._network
        weights = self._weights * self._on[machine]
        known = network.crossing(weights)
        shared = [network.crossing(weights * lift) for lift in solved.lifts.T]
        of_steps = np.array(shared).reshape(len(shared), network.commits)
        free = known - _overlap(of_steps, solved.inverse)
        return _explained(network.crossing(weights * solved.rest), known, free)

    def _explained_by_drifts(self, solved: _Solved) -> Floats:
        """The same for drifts, each of which is the mean of the steps on its stretch."""
        network, weights = self._network, self._weights

        def means(values: Floats) -> Floats:
            sums = np.concatenate([[0.0], np.cumsum(network.crossing(values))])
            first, last, _ = np.array(self._drifts).T
            mean: Floats = (sums[last + 1] - sums[first]) / (last - first + 1)
            return mean

        shared = [means(weights * lift) for lift in solved.lifts.T]
        of_steps = np.array(shared).reshape(len(shared), len(self._drifts))
        free = self._of_drifts - _overlap(of_steps, solved.inverse)
        return _explained(means(weights * solved.rest), self._of_drifts, free)

    # --- steps so far ---

    def _settle(self, new: Where) -> None:
        """Move steps to where they explain most; drop those that chance could produce.

        A new step may move its neighbours, and each moved step its own neighbours.
        """
        unsettled = [new]
        for _ in range(SWEEPS * len(self._steps)):
            if not unsettled:
                break
            for step in self._around(unsettled.pop()):
                if (moved := self._moved(step)) != step:
                    self._steps[self._steps.index(step)] = moved
                    unsettled.append(moved)
        solved = self._fitted(self._weights)
        variances = np.maximum(np.diag(solved.inverse), 1e-300)
        rare = np.array([self._rarity_of(step) for step in self._steps])
        plain = rare * solved.sizes**2 / variances >= self._limit**2
        self._steps = [step for step, kept in zip(self._steps, plain, strict=True) if kept]

    def _rarity_of(self, where: Where) -> float:
        """The factor of χ² of a step or drift."""
        if where.first < where.last:
            return float(self._rarity_of_drifts[self._drifts.index(where)])
        return float(self._rarity[where.machine][where.first])

    def _around(self, step: Where) -> list[Where]:
        """A step and its neighbours, on all machines or any; drifts stay where they are."""
        places = sorted({one.first for one in self._steps if one.first == one.last})
        at = int(np.searchsorted(places, step.first))
        near = places[max(at - 1, 0) : at + 2]
        return [one for one in self._steps if one.first == one.last and one.first in near]

    def _moved(self, step: Where) -> Where:
        """The step at the place where it explains most, unless another one is there."""
        of_places = self._profile(self._steps.index(step))
        place = int(np.argmax(of_places))
        moved = Where(place, place, step.machine)
        better = of_places[place] > of_places[step.first] and moved not in self._steps
        return moved if better else step

    def _profile(self, step: int) -> Floats:
        """How much of χ² that step would explain at each place in addition to the others."""
        others = [one for i, one in enumerate(self._steps) if i != step]
        return self._of_steps(self._steps[step].machine, self._fitted(self._weights, others))

    def _fit(self) -> Fit:
        network = self._network
        errors = self._factor * network.error
        weights = errors**-2.0
        weights[self._out] = 0.0
        self._steps.sort()
        solved = self._fitted(weights)
        steps = []
        for i, where in enumerate(self._steps):
            shares = np.diff(where.behind(network.commits, where.machine), prepend=0.0)
            earliest, latest = where.first, where.last
            if earliest == latest:
                shares = likelihoods(self._profile(i) * self._rarity_of(where))
                earliest, latest = likely(shares, where.first, self._confidence)
            error = math.sqrt(max(solved.inverse[i, i], 0.0))
            steps.append(Step(where, float(solved.sizes[i]), error, earliest, latest, shares))
        out = np.array(sorted(self._out), dtype=np.intp)
        residuals = solved.rest / errors
        return Fit(tuple(steps), network, out, residuals, self._factor, solved.inverse)


class _Solved(NamedTuple):
    """Shares of the edges in the steps, inverse normal equations, residuals and sizes of steps."""

    lifts: Floats
    inverse: Floats
    rest: Floats
    sizes: Floats


def _overlap(shared: Floats, inverse: Floats) -> Floats:
    """How much of each candidate the steps so far explain already."""
    overlap: Floats = np.einsum("ij,ik,kj->j", shared, inverse, shared)
    return overlap


def _explained(scores: Floats, known: Floats, free: Floats) -> Floats:
    """How much of χ² each candidate would explain; 0 where the edges do not determine it."""
    enough = free > 1e-9 * np.maximum(known, 1.0)
    return np.where(enough, scores**2 / np.where(enough, free, 1.0), 0.0)
