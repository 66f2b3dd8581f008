"""Levels over commits: which commits changed a series, and by how much, from a network of edges.

Most commits change nothing. So the history of a series is taken to be level but for few steps, and
their sizes follow by least squares. Whatever explains the edges best is added, as long as chance
would hardly bring anything as plain anywhere in the whole history:

- a step at a commit, on all machines or on one;
- a climb, which spreads evenly over many commits, if that explains more than any step;
- an edge that contradicts the others: then it counts no longer.

The errors of edges are those of their comparisons, and are held against how well the edges agree
with each other: where they contradict each other by more than they should, all errors grow.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..statistics.estimates import DEVIATION_PER_MEDIAN_DEVIATION
from ..statistics.quantiles import normal_quantile
from .climbs import Where, squares, stretches
from .edges import EVERY, Floats, Network, Places
from .rarity import rarity

ALARMS = 0.01  # probability of any false step in a whole history
CONFIDENCE = 0.99  # the probability that a step is at one of the commits that are told for it
# A climb must explain more than a step by so much of χ², having one more number to choose.
MORE_OF_A_CLIMB = 6.0
SWEEPS = 10  # times that each step may be moved, at most
FEWEST_RESIDUALS = 20  # below which edges do not say how well they agree

Name = TypeVar("Name")


@dataclass(frozen=True)
class Step:
    """From `where` on the series runs at another level.

    Attributes
    ----------
    where : the place, or the stretch that it climbs on.
    log_ratio, error : by how much, and its standard error.
    earliest, latest : places between which it is, with the probability that was asked for.
    shares : how likely it is at each place of the history.
    """

    where: Where
    log_ratio: float
    error: float
    earliest: int
    latest: int
    shares: Floats = field(compare=False, repr=False)

    @property
    def climbs(self) -> bool:
        """Whether it spreads over several commits."""
        return self.where.first < self.where.last


@dataclass(frozen=True)
class Fit:
    """What the edges of a series come to.

    Attributes
    ----------
    steps : in order.
    network : the edges.
    contradicting : those that agree with no others.
    residuals : of the edges, in units of their errors.
    factor : by which the errors had to grow.
    """

    steps: tuple[Step, ...]
    network: Network
    contradicting: Places
    residuals: Floats
    factor: float
    _covariance: NDArray[np.float64]

    def levels(self, machine: int = EVERY) -> Floats:
        """The level of each place on a machine, as a logarithm; 0 at the first one."""
        found = np.zeros(self.network.commits)
        for step in self.steps:
            found += step.log_ratio * step.where.behind(self.network.commits, machine)
        return found

    def errors(self, reference: int, machine: int = EVERY) -> Floats:
        """The standard error of each level beside that of the place `reference`."""
        if not self.steps:
            return np.zeros(self.network.commits)
        commits = self.network.commits
        shares = np.array([step.where.behind(commits, machine) for step in self.steps])
        shares = shares - shares[:, [reference]]
        variance = np.einsum("ik,ij,jk->k", shares, self._covariance, shares)
        found: Floats = np.sqrt(np.maximum(variance, 0.0))
        return found

    @property
    def gaps(self) -> list[int]:
        """Places that nothing ties to the one before."""
        tied = self.network.crossing(np.ones(len(self.network)))
        return [place for place in range(1, self.network.commits) if not tied[place]]

    def own(self) -> tuple[Floats, Floats]:
        """What the edges of each place say of its level by themselves, and the error of that.

        As if all other levels were right; NaN where a place has no edges.
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

    In a history where nothing changed, any step at all is told with the probability `ALARMS` at
    most.
    """
    tests = len(networks)
    first = {name: fit(network, tests) for name, network in networks.items()}
    factor = error_factor(list(first.values()))
    if factor == 1.0:
        return first
    return {name: fit(network, tests, factor) for name, network in networks.items()}


def error_factor(fits: Sequence[Fit]) -> float:
    """By how much edges contradict each other more than their errors allow; at least 1."""
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
    climbs: bool = True,
) -> Fit:
    """The steps of one series out of so many that are looked at together.

    `factor` is by how much larger errors are than the edges say; `confidence` that of the places;
    `climbs` whether there may be any.
    """
    return _Search(network, tests, factor, confidence, climbs).run()


class _Search:
    """Adds whatever explains the edges best, until nothing does beyond chance."""

    def __init__(
        self, network: Network, tests: int, factor: float, confidence: float, climbs: bool
    ) -> None:
        self._network, self._factor, self._confidence = network, factor, confidence
        machines = network.machines
        self._groups = [EVERY, *(machines if len(machines) > 1 else ())]
        self._on = {machine: network.on(machine) for machine in self._groups}
        self._lifts: dict[Where, Floats] = {}
        self._climbs = stretches(network.commits) if climbs else ()
        ends = np.unique(np.concatenate([network.base, network.head]))
        known = len(np.unique(network.head[~network.measured]))
        candidates = max(len(ends) - 1 - known, 1) * len(self._groups) + len(self._climbs)
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
            best = max(scores, key=lambda found: scores[found], default=None)
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
        return self._told()

    def _weigh(self) -> None:
        """How much the edges say of each candidate, and how rare that is for their freedom."""
        network, weights = self._network, self._weights
        freedom = np.maximum(network.freedom, 1.0)
        columns = weights, weights / freedom, weights**2 / freedom
        self._rarity = {
            machine: rarity(self._tail, *(network.crossing(column * on) for column in columns))
            for machine, on in self._on.items()
        }
        self._rarity_of_edges = rarity(self._tail, *columns)
        self._of_climbs = self._rarity_of_climbs = np.zeros(0)
        if self._climbs:
            every = squares(network.commits, network.base.tobytes(), network.head.tobytes())
            self._of_climbs, less, _ = (every @ column for column in columns)
            # As if a single edge said it all: most of a climb may rest on one.
            self._rarity_of_climbs = rarity(
                self._tail, self._of_climbs, less, self._of_climbs * less
            )

    def _lift(self, where: Where) -> Floats:
        """Which share of a step or climb each edge has."""
        if where not in self._lifts:
            self._lifts[where] = self._network.within(*where)
        return self._lifts[where]

    # --- what could be added, and how much of χ² it would explain ---

    def _scores(self) -> Iterator[tuple[Where | int, float]]:
        """The best step and climb, and the most contradicting edge, with what each explains."""
        solved = self._fitted(self._weights)
        explained = rarest = 0.0
        for machine in self._groups:
            of_places = self._of_steps(machine, solved)
            if machine == EVERY:  # where one machine differs, each is told by itself
                of_places[[step.first for step in self._steps if step.machine != EVERY]] = 0.0
            rare = of_places * self._rarity[machine]
            place = int(np.argmax(rare))
            explained = max(explained, float(of_places.max()))
            rarest = max(rarest, float(rare[place]))
            yield Where(place, place, machine), float(rare[place])
        if self._climbs:
            of_climbs = self._explained_by_climbs(solved)
            best = int(np.argmax(of_climbs))
            if of_climbs[best] > explained + MORE_OF_A_CLIMB:
                yield self._climbs[best], float(of_climbs[best] * self._rarity_of_climbs[best])
        # Of an edge, how far it is from what the others say.
        lifts = solved.lifts
        own = np.einsum("ij,jk,ik->i", lifts, solved.inverse, lifts) * self._weights
        left = np.maximum(1 - own, 1e-9)
        of_edges = self._weights * solved.rest**2 / left * self._rarity_of_edges
        edge = int(np.argmax(of_edges))
        if of_edges[edge] > rarest * (1 + 1e-6):  # one that alone speaks for a step is believed
            yield edge, float(of_edges[edge])

    def _fitted(self, weights: Floats, steps: Sequence[Where] | None = None) -> _Solved:
        """The steps that are there, or these, by least squares."""
        network = self._network
        steps = self._steps if steps is None else steps
        lifts = np.array([self._lift(step) for step in steps])
        lifts = lifts.reshape(len(steps), len(network)).T
        inverse = np.linalg.pinv((lifts.T * weights) @ lifts, hermitian=True)
        sizes = inverse @ (lifts.T @ (weights * network.log_ratio))
        return _Solved(lifts, inverse, network.log_ratio - lifts @ sizes, sizes)

    def _of_steps(self, machine: int, solved: _Solved) -> Floats:
        """How much of χ² a step at each place would explain, beside those that are there."""
        network = self._network
        weights = self._weights * self._on[machine]
        known = network.crossing(weights)
        shared = [network.crossing(weights * lift) for lift in solved.lifts.T]
        of_steps = np.array(shared).reshape(len(shared), network.commits)
        free = known - _overlap(of_steps, solved.inverse)
        return _explained(network.crossing(weights * solved.rest), known, free)

    def _explained_by_climbs(self, solved: _Solved) -> Floats:
        """The same for climbs, each of which is the mean of the steps on its stretch."""
        network, weights = self._network, self._weights

        def means(values: Floats) -> Floats:
            sums = np.concatenate([[0.0], np.cumsum(network.crossing(values))])
            first, last, _ = np.array(self._climbs).T
            found: Floats = (sums[last + 1] - sums[first]) / (last - first + 1)
            return found

        shared = [means(weights * lift) for lift in solved.lifts.T]
        of_steps = np.array(shared).reshape(len(shared), len(self._climbs))
        free = self._of_climbs - _overlap(of_steps, solved.inverse)
        return _explained(means(weights * solved.rest), self._of_climbs, free)

    # --- what is there already ---

    def _settle(self, new: Where) -> None:
        """Move steps to where they explain most beside the others; drop what chance does.

        A new step moves its neighbours, and whatever was moved moves its own.
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
        """That of a step, or of a climb."""
        if where.first < where.last:
            return float(self._rarity_of_climbs[self._climbs.index(where)])
        return float(self._rarity[where.machine][where.first])

    def _around(self, step: Where) -> list[Where]:
        """A step and those next to it, which may lie on all machines or on any; climbs stay."""
        places = sorted({one.first for one in self._steps if one.first == one.last})
        at = int(np.searchsorted(places, step.first))
        near = places[max(at - 1, 0) : at + 2]
        return [one for one in self._steps if one.first == one.last and one.first in near]

    def _moved(self, step: Where) -> Where:
        """A step where it explains most beside the others, unless another one is there."""
        of_places = self._profile(self._steps.index(step))
        place = int(np.argmax(of_places))
        moved = Where(place, place, step.machine)
        better = of_places[place] > of_places[step.first] and moved not in self._steps
        return moved if better else step

    def _profile(self, step: int) -> Floats:
        """How much of χ² that step would explain at each place, beside the others."""
        others = [one for i, one in enumerate(self._steps) if i != step]
        return self._of_steps(self._steps[step].machine, self._fitted(self._weights, others))

    def _told(self) -> Fit:
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
                shares = _likelihoods(self._profile(i) * self._rarity_of(where))
                earliest, latest = _likely(shares, where.first, self._confidence)
            error = math.sqrt(max(solved.inverse[i, i], 0.0))
            steps.append(Step(where, float(solved.sizes[i]), error, earliest, latest, shares))
        out = np.array(sorted(self._out), dtype=np.intp)
        residuals = solved.rest / errors
        return Fit(tuple(steps), network, out, residuals, self._factor, solved.inverse)


class _Solved(NamedTuple):
    """What lifts which edge, the inverse of the normal equations, residuals and sizes of steps."""

    lifts: Floats
    inverse: Floats
    rest: Floats
    sizes: Floats


def _overlap(shared: Floats, inverse: Floats) -> Floats:
    """How much of each candidate the steps that are there already tell."""
    found: Floats = np.einsum("ij,ik,kj->j", shared, inverse, shared)
    return found


def _explained(scores: Floats, known: Floats, free: Floats) -> Floats:
    """How much of χ² each candidate would explain; nothing where the edges do not tell it apart."""
    enough = free > 1e-9 * np.maximum(known, 1.0)
    found: Floats = np.where(enough, scores**2 / np.where(enough, free, 1.0), 0.0)
    return found


def _likelihoods(explained: Floats) -> Floats:
    """How likely each place is, by how much of χ² a step there explains; together 1."""
    share = np.exp((explained - explained.max()) / 2)
    found: Floats = share / share.sum()
    return found


def _likely(shares: Floats, place: int, confidence: float) -> tuple[int, int]:
    """The first and the last of the likeliest places of a step, which is likeliest at `place`."""
    order = np.argsort(-shares, kind="stable")
    needed = int(np.searchsorted(np.cumsum(shares[order]), confidence)) + 1
    kept = [*order[:needed].tolist(), place]
    return min(kept), max(kept)
