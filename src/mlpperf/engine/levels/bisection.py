"""Which commit made it slower? As few comparisons of pairs as that takes.

What is not known yet of a stretch of commits is narrowed by a comparison that ends in its middle;
each is an edge of the network, so that what was measured before counts, too, and more than one step
is found like one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from ...errors import MlpperfError
from ..statistics.verdicts import Verdict
from ..suites.series import Series, fits
from .backfill import Compared, Workers, giving_up, take
from .edges import EXACT
from .fitting import CONFIDENCE, Fit, Step, fit
from .gathering import Link
from .planning import Pair, Plan

# A climb counts as one where it says with so many fewer steps what steps do, and comparisons divide
# it into so many parts.
FEWER_BY_A_CLIMB, PARTS_OF_A_CLIMB = 2, 6
ATTEMPTS = 3  # comparisons of one pair, as long as they do not say enough


@dataclass
class Hunt:
    """What is known of some series between a good commit, the first of the lineage, and a bad one.

    Attributes
    ----------
    plan : the branch between the two, and what was compared of it.
    series : that are asked about.
    confidence : with which a step has to be at the commit that is named for it.
    """

    plan: Plan
    series: Sequence[Series]
    confidence: float = CONFIDENCE
    _times: dict[Pair, int] = field(default_factory=dict)

    @property
    def last(self) -> int:
        """The place of the bad commit."""
        return len(self.plan.levels.lineage) - 1

    def fit(self, series: Series) -> Fit | None:
        """What is known of a series; None if nothing is.

        What climbs is first taken for several steps, because few edges cannot tell the two apart.
        """
        network = self.plan.levels.networks.get(series)
        if network is None:
            return None
        by_steps = fit(network, len(self.series), confidence=self.confidence, climbs=False)
        if len(by_steps.steps) <= FEWER_BY_A_CLIMB:
            return by_steps
        by_climbs = fit(network, len(self.series), confidence=self.confidence)
        fewer = len(by_steps.steps) - len(by_climbs.steps)
        if fewer >= FEWER_BY_A_CLIMB and all(
            _parts(step, by_climbs) >= PARTS_OF_A_CLIMB for step in by_climbs.steps if step.climbs
        ):
            return by_climbs
        return by_steps

    def next_pair(self) -> Pair | None:
        """The pair to compare next; None if everything is known, or cannot be known."""
        for series in self.series:
            if pair := self._next_of(series):
                return pair
        return None

    def open(self, series: Series) -> bool:
        """Whether another comparison would say more about a series."""
        return self._next_of(series) is not None

    def steps(self, series: Series) -> tuple[Step, ...]:
        """The steps of a series, as far as they are known."""
        found = self.fit(series)
        return found.steps if found else ()

    def _next_of(self, series: Series) -> Pair | None:
        found = self.fit(series)
        whole = (0, self.last)
        if found is None or not _tied(found):
            return whole if self._may(whole) else None
        for step in sorted(found.steps, key=lambda step: step.earliest - step.latest):
            if not step.climbs and (pair := self._narrowing(step)):
                return pair
        if not found.steps and self._undecided(found):
            return whole if self._may(whole) else None
        return None

    def _undecided(self, found: Fit) -> bool:
        """Whether there may be a step after all: the ends differ by twice the error of that."""
        network = found.network
        across = np.logical_and(network.base == 0, network.head == self.last)
        if not across.any():
            return False
        weights = network.error[across] ** -2.0
        ratio = float(np.average(network.log_ratio[across], weights=weights))
        error = float(weights.sum()) ** -0.5
        return bool(error > EXACT and abs(ratio) > 2 * error)

    def _narrowing(self, step: Step) -> Pair | None:
        """A pair that tells on which side of its middle a step is."""
        ends = [place for place in self.plan.usable if step.earliest - 1 <= place <= step.latest]
        if len(ends) < 3:  # it is at one commit, or at one of those that do not run
            return None
        for middle in _by_middle(ends[1:-1], step):
            sides: list[Pair] = [(ends[0], middle), (middle, ends[-1])]
            allowed = [pair for pair in sides if self._may(pair)]
            if allowed:
                return min(allowed, key=lambda pair: self._times.get(pair, 0))
        return None

    def _may(self, pair: Pair) -> bool:
        return self._times.get(pair, 0) < ATTEMPTS and pair not in self.plan.failed

    def count(self, pair: Pair) -> None:
        """Note that a pair is compared."""
        self._times[pair] = self._times.get(pair, 0) + 1

    @property
    def comparisons(self) -> int:
        """How many comparisons it usually takes at most."""
        return 1 + math.ceil(math.log2(max(self.last, 1)))


def _by_middle(inner: Sequence[int], step: Step) -> list[int]:
    """Places, those first before or at which the step is with a probability nearest to one half.

    Of places that the edges cannot tell apart, all are equally likely.
    """
    until = np.cumsum(step.shares[step.earliest : step.latest + 1])
    return sorted(inner, key=lambda place: abs(until[place - step.earliest] / until[-1] - 0.5))


def _parts(step: Step, found: Fit) -> int:
    """Into how many parts the ends of edges divide a climb."""
    ends = {*found.network.base.tolist(), *found.network.head.tolist()}
    return 1 + len([place for place in ends if step.earliest <= place < step.latest])


def _tied(found: Fit) -> bool:
    return not found.gaps


def first_pair(plan: Plan, workers: Workers, pattern: str | None) -> Link:
    """The comparison of the good commit with the bad one: a known one, or one that is made now.

    Raises
    ------
    MlpperfError
        If the two cannot be compared.
    """
    pair = 0, len(plan.levels.lineage) - 1
    for link in plan.levels.links:
        says = targets(link, pattern) if pattern else not link.decision.selected
        if (link.base, link.head) == pair and says and not link.decision.interrupted:
            return link
    plan.pending.add(pair)
    workers.start(pair)
    compared = take(plan, workers)
    if compared.link is None or not compared.link.useful:
        why = compared.failed or (compared.link.decision.verdict if compared.link else "")
        raise MlpperfError(why)
    return compared.link


def targets(link: Link, pattern: str | None) -> list[Series]:
    """What is to be found: the series of that name, or else those of the pattern that are slower.

    Slower from the first commit to the last one; by default of all.
    """
    timed = [outcome for outcome in link.decision.outcomes if outcome.timed]
    if pattern:
        timed = [outcome for outcome in timed if fits(pattern, outcome.series)]
        named = [outcome for outcome in timed if outcome.series.name == pattern]
        if named or len(timed) == 1:
            return [outcome.series for outcome in named or timed]
    slower = Verdict.SLOWER.value
    return [outcome.series for outcome in timed if outcome.verdict == slower]


def hunt(target: Hunt, workers: Workers) -> Iterator[Compared]:
    """Compare pairs until the steps of all series are found.

    Raises
    ------
    MlpperfError
        If several comparisons in a row cannot be made, with the reason of the last one.
    """
    return giving_up(_hunt(target, workers))


def _hunt(target: Hunt, workers: Workers) -> Iterator[Compared]:
    while pair := target.next_pair():
        target.count(pair)
        target.plan.pending.add(pair)
        workers.start(pair)
        yield take(target.plan, workers)
