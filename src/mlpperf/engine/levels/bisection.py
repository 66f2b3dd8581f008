"""Finds the commit that made a benchmark slower, with as few comparisons as possible.

Each comparison ends in the middle of the range in which a step may be. It becomes an edge of the
network, so earlier comparisons are used, too, and several steps are located like one.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from ...errors import MlpperfError
from ..statistics.verdicts import Verdict
from ..suites.series import THRESHOLD, Series, fits
from .backfill import Compare, Compared, compared
from .edges import EXACT
from .fitting import CONFIDENCE, fit
from .gathering import Link
from .planning import Pair, Plan
from .steps import Fit, Step

# A drift is reported instead of steps only if it replaces at least two steps, and the compared
# commits divide it into at least six parts.
FEWER_BY_A_DRIFT, PARTS_OF_A_DRIFT = 2, 6
ATTEMPTS = 3  # comparisons of one pair while they decide nothing


@dataclass
class Hunt:
    """The bisection of some series between a good commit, the first of the lineage, and a bad one.

    Attributes
    ----------
    plan : the branch between the two, and its comparisons.
    series : the series.
    confidence : required probability that a step is at the commit named for it.
    compared : how often each pair was.
    """

    plan: Plan
    series: Sequence[Series]
    confidence: float = CONFIDENCE
    compared: Counter[Pair] = field(default_factory=Counter)

    @property
    def last(self) -> int:
        """The place of the bad commit."""
        return len(self.plan.levels.lineage) - 1

    def fit(self, series: Series) -> Fit | None:
        """The steps of a series so far; None without a comparison of it.

        A drift is first fitted by several steps, because few edges cannot distinguish the two.
        """
        network = self.plan.levels.networks.get(series)
        if network is None:
            return None
        by_steps = fit(network, len(self.series), confidence=self.confidence, drifts=False)
        if len(by_steps.steps) <= FEWER_BY_A_DRIFT:
            return by_steps
        with_drifts = fit(network, len(self.series), confidence=self.confidence)
        fewer = len(by_steps.steps) - len(with_drifts.steps)
        drifts = [step for step in with_drifts.steps if step.is_drift]
        if fewer >= FEWER_BY_A_DRIFT and all(
            _parts(step, with_drifts) >= PARTS_OF_A_DRIFT for step in drifts
        ):
            return with_drifts
        return by_steps

    def next_pair(self) -> Pair | None:
        """The pair to compare next; None if everything is known, or cannot be known."""
        return next(filter(None, map(self._next_of, self.series)), None)

    def steps(self, series: Series) -> tuple[Step, ...]:
        """The steps of a series, as far as they are known."""
        fitted = self.fit(series)
        return fitted.steps if fitted else ()

    def _next_of(self, series: Series) -> Pair | None:
        fitted = self.fit(series)
        whole = (0, self.last)
        if fitted is None or fitted.gaps:
            return whole if self._may(whole) else None
        for step in sorted(fitted.steps, key=lambda step: step.earliest - step.latest):
            if not step.is_drift and (pair := self._narrowing(step)):
                return pair
        if not fitted.steps and self._undecided(fitted):
            return whole if self._may(whole) else None
        return None

    def _undecided(self, fitted: Fit) -> bool:
        """Whether there may be a step after all: the ends differ by more than twice the error."""
        network = fitted.network
        across = np.logical_and(network.base == 0, network.head == self.last)
        if not across.any():
            return False
        weights = network.error[across] ** -2.0
        ratio = float(np.average(network.log_ratio[across], weights=weights))
        error = float(weights.sum()) ** -0.5
        return bool(error > EXACT and abs(ratio) > 2 * error)

    def _narrowing(self, step: Step) -> Pair | None:
        """A pair that decides on which side of its middle a step is."""
        ends = [place for place in self.plan.usable if step.earliest - 1 <= place <= step.latest]
        if len(ends) < 3:  # it is at one commit, or at one of those that do not run
            return None
        for middle in _by_middle(ends[1:-1], step):
            sides: list[Pair] = [(ends[0], middle), (middle, ends[-1])]
            allowed = [pair for pair in sides if self._may(pair)]
            if allowed:
                return min(allowed, key=lambda pair: self.compared[pair])
        return None

    def _may(self, pair: Pair) -> bool:
        return self.compared[pair] < ATTEMPTS and pair not in self.plan.failed

    @property
    def comparisons(self) -> int:
        """The largest number of comparisons that it usually takes."""
        return 1 + math.ceil(math.log2(max(self.last, 1)))


def _by_middle(inner: Sequence[int], step: Step) -> list[int]:
    """Places, sorted by how close to one half the probability is that the step is up to there.

    Places that the edges cannot distinguish are equally likely.
    """
    until = np.cumsum(step.shares[step.earliest : step.latest + 1])
    return sorted(inner, key=lambda place: abs(until[place - step.earliest] / until[-1] - 0.5))


def _parts(step: Step, fitted: Fit) -> int:
    """Into how many parts the ends of edges divide a drift."""
    ends = {*fitted.network.base.tolist(), *fitted.network.head.tolist()}
    return 1 + len([place for place in ends if step.earliest <= place < step.latest])


def first_pair(
    plan: Plan, compare: Compare, pattern: str | None, threshold: float = THRESHOLD
) -> Link:
    """The comparison of the good commit with the bad one: a recorded one, or a new one.

    A recorded one may have been of the bad commit with the good one, by the suites of a third, or
    have left out changes above `threshold`: its verdicts then say something else.

    Raises `MlpperfError` if the two cannot be compared.
    """
    pair = 0, len(plan.levels.lineage) - 1
    for link in plan.levels.links:
        record = link.record
        fitting = _answers(link, pattern)
        own_suites = record.asked.benchmarks in ("", plan.levels.lineage[-1].hash)
        same_question = own_suites and not link.reversed and record.threshold <= threshold
        usable = fitting and same_question and link.useful and not record.interrupted
        if (link.base, link.head) == pair and usable:
            return link
    ends = compared(plan, compare, pair)
    if ends.link is None or not ends.link.useful:
        raise MlpperfError(ends.failed or (ends.link.record.verdict if ends.link else ""))
    return ends.link


def _answers(link: Link, pattern: str | None) -> bool:
    """Whether a comparison was one of all series that fit, by rules that are believed."""
    outcomes = [one for one in link.record.outcomes if not pattern or fits(pattern, one.series)]
    skipped = link.record.outcomes.skipped
    if not link.believed and any(not pattern or fits(pattern, one) for one in skipped):
        return False
    if link.record.selected and [*link.record.selected] != [pattern]:
        return any(outcome.series.name == pattern for outcome in outcomes)
    return not pattern or bool(targets(link, pattern))


def targets(link: Link, pattern: str | None) -> list[Series]:
    """The series to bisect: the one of that name, or else those that fit and are slower at the end.

    Without a pattern, all series that are slower.
    """
    timed = [outcome for outcome in link.record.outcomes if outcome.timed]
    if pattern:
        timed = [outcome for outcome in timed if fits(pattern, outcome.series)]
        named = [outcome for outcome in timed if outcome.series.name == pattern]
        if named or len(timed) == 1:
            return [outcome.series for outcome in named or timed]
    slower = Verdict.SLOWER.value
    return [outcome.series for outcome in timed if outcome.verdict == slower]


def hunt(target: Hunt, compare: Compare) -> Iterator[Compared]:
    """Compare pairs until the steps of all series are located."""
    while pair := target.next_pair():
        target.compared[pair] += 1
        yield compared(target.plan, compare, pair)
