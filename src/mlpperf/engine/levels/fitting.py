"""Levels over commits: which commits changed a series, and by how much, from a network of edges.

Most commits change nothing. So the history of a series is modelled as constant with a few steps,
whose sizes follow by least squares. The candidate that explains the edges best is added, until
chance alone could produce it somewhere in the history:

- a step at a commit, on all machines or on one;
- a drift, which spreads evenly over many commits, if it explains more than any step;
- an edge that contradicts the others, which is then left out;
- two steps, where that edge is right: a slowdown that comes and goes again. An edge from before to
  after it shows nothing, so either of them alone would contradict that one.

The errors of the edges come from their comparisons. If the edges contradict each other by more than
these errors allow, all errors are increased.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from ..statistics.estimates import DEVIATION_PER_MEDIAN_DEVIATION
from ..statistics.quantiles import normal_quantile
from .edges import EVERY, Floats, Network, Where, squares, stretches
from .steps import Fit, Step
from .tail import likelihoods, likely, rarity

ALARMS = 0.01  # probability of any false step in a whole history
CONFIDENCE = 0.99  # probability that a step is at one of the commits reported for it
# A drift has one parameter more than a step, so it must improve χ² by this much more.
MORE_OF_A_DRIFT = 6.0
TRIED = 16  # places along an edge for the first of two steps
SWEEPS = 10  # largest number of moves for each step
FEWEST_RESIDUALS = 20  # residuals needed to estimate how well edges agree

Name = TypeVar("Name")


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
            if not isinstance(best, int):
                new = [best] if isinstance(best, Where) else [*best]
                self._steps += new
                self._settle(new)
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

    def _scores(self) -> Iterator[tuple[Where | int | tuple[Where, Where], float]]:
        """The best step and drift, and the most contradicting edge, with what each explains.

        Or two steps in place of the edge.
        """
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
        network = self._network
        # For each edge, its distance from the prediction of the others.
        lifts = solved.lifts
        own = np.einsum("ij,jk,ik->i", lifts, solved.inverse, lifts) * self._weights
        left = np.maximum(1 - own, 1e-9)
        of_edges = self._weights * solved.rest**2 / left * self._rarity_of_edges
        edge = int(np.argmax(of_edges))
        if of_edges[edge] > rarest * (1 + 1e-6):  # an edge that alone supports a step stays
            yield edge, float(of_edges[edge])
            alone = self._weights[edge] * solved.rest[edge] ** 2 / left[edge]
            for pair, explains in (self._pair(place, solved) for place in self._along(edge)):
                support = np.any([self._lift(step) for step in pair], axis=0) & network.measured
                more = (explains - alone) * float(self._rarity_of_edges[support].min(initial=1.0))
                if more > self._limit**2:  # each of the two has edges of its own
                    yield pair, float(of_edges[edge]) + more

    def _along(self, edge: int) -> list[int]:
        """Places at which a further step would explain an edge."""
        ends = self._network.base[edge] + 1, self._network.head[edge]
        places = np.linspace(*ends, TRIED).round().astype(int).tolist()
        return sorted({*places} - {step.first for step in self._steps})

    def _pair(self, place: int, before: _Solved) -> tuple[tuple[Where, Where], float]:
        """A step at a place with the best second one, and how much of χ² the two explain."""
        first = Where(place, place)
        after = self._fitted(self._weights, [*self._steps, first])
        more = self._of_steps(EVERY, after)
        second = int(np.argmax(more))
        explained = float((before.rest**2 - after.rest**2) @ self._weights + more[second])
        return (first, Where(second, second)), explained

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

    def _settle(self, new: Sequence[Where]) -> None:
        """Move steps to where they explain most; drop those that chance could produce.

        A new step may move its neighbours, and each moved step its own neighbours.
        """
        unsettled = [*new]
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
