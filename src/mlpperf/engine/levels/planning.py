"""Chooses the two commits to compare next: those whose levels are least certain."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import NamedTuple

import numpy as np

from ..suites.series import Series
from .edges import EXACT, Network
from .gathering import Levels, Link
from .steps import Step

Pair = tuple[int, int]  # of places, the earlier one first

USUAL_ERROR = 0.003  # assumed error of a comparison before any was made
UNTIED = 10.0  # error of a level without a link to others: e¹⁰ is any factor at all
# A pair is compared if the variance between its levels is larger than that of a comparison by this
# factor.
WORTH = 2.0
# A step is measured until its size is three times as exact as from one comparison, by pairs of the
# four nearest commits on either side.
SHARPER, AROUND = 3.0, 4
AT_ONCE = 10  # series in one such comparison


class Question(NamedTuple):
    """A pair to compare, by the series of these names, or by all without any."""

    pair: Pair
    series: tuple[str, ...] = ()


@dataclass
class Plan:
    """The comparisons that a branch needs.

    Attributes
    ----------
    levels : the branch and its comparisons so far.
    selected : names and patterns of the series; comparisons of all series are used, too.
    again : whether comparisons that failed are repeated.
    unusable : places of commits that do not run, and why.
    failed : pairs whose comparison gave no result.
    failures : comparisons in a row that could not be made.
    """

    levels: Levels
    selected: Sequence[str] = ()
    again: bool = False
    unusable: dict[int, str] = field(default_factory=dict)
    failed: set[Pair] = field(default_factory=set)
    failures: int = 0

    def __post_init__(self) -> None:
        """Note the results of earlier comparisons."""
        for link in [] if self.again else self.levels.links:
            self.note(link)

    def note(self, link: Link) -> None:
        """Note a comparison: commits that do not run, and pairs without a result."""
        sides = {"base": link.base, "head": link.head}
        for side, why in link.record.broken.items():
            self.unusable[sides[side]] = why
        gave_nothing = link.believed and not (link.useful or link.record.interrupted)
        if self._counts(link) and gave_nothing:
            self.failed.add((link.base, link.head))

    def _counts(self, link: Link) -> bool:
        """Whether its series are those of the plan, so that the pair need not be compared again."""
        selected = link.record.selected
        return not selected or set(selected) == set(self.selected)

    def blame(self, pair: Pair, why: str) -> None:
        """Note that a pair could not be compared; a commit without any result is unusable."""
        useful = [link for link in self.levels.links if link.useful]
        proven = {place for link in useful for place in (link.base, link.head)}
        strangers = [place for place in pair if place not in proven]
        if strangers:
            self.unusable[strangers[0]] = why
        else:
            self.failed.add(pair)

    @property
    def usable(self) -> list[int]:
        """The places of commits that may run."""
        every = range(len(self.levels.lineage))
        return [place for place in every if place not in self.unusable]

    def parents_left(self) -> list[Pair]:
        """Commits without a link to their predecessor, newest first."""
        known = self._known()
        pairs = pairwise(self.usable)
        return [pair for pair in reversed(list(pairs)) if pair not in known]

    def next_question(self) -> Question | None:
        """What to compare next; None if nothing more is worth a comparison."""
        parents = self.parents_left()
        pair = parents[0] if parents else self._least_certain()
        return Question(pair) if pair else self._across_a_step()

    def _known(self) -> Collection[Pair]:
        links = [link for link in self.levels.links if link.useful and self._counts(link)]
        done = {(link.base, link.head) for link in links if not link.record.interrupted}
        return done | self.failed

    def _least_certain(self) -> Pair | None:
        """The commit and anchor with the largest variance between their levels."""
        errors = self._errors()
        usual = median([e for e in errors.values() if e > EXACT] or [USUAL_ERROR])
        candidates = self._candidates(errors)
        known = self._known()
        left = {pair: variance for pair, variance in candidates.items() if pair not in known}
        pair = max(left, key=lambda pair: left[pair], default=None)
        return pair if pair and left[pair] >= WORTH * usual**2 else None

    def _across_a_step(self) -> Question | None:
        """A pair around the least exact step, by the series that have a step there."""
        blurred: dict[int, list[tuple[float, Series, Step]]] = {}
        for series, fit in self.levels.fits.items():
            measured = fit.network.error[fit.network.measured]
            usual = float(np.median(measured)) if len(measured) else 0.0
            for step in fit.steps:
                blur = SHARPER * step.error / (fit.factor * usual) if usual else 0.0
                if blur > 1 and not step.is_drift:
                    blurred.setdefault(step.where.first, []).append((blur, series, step))
        for steps in sorted(blurred.values(), key=lambda steps: -max(blur for blur, *_ in steps)):
            _, worst, step = max(steps, key=lambda one: one[0])
            if pair := self._around(step, self.levels.networks[worst]):
                most = sorted(steps, key=lambda one: -one[0])[:AT_ONCE]
                return Question(pair, tuple(series.name for _, series, _ in most))
        return None

    def _around(self, step: Step, network: Network) -> Pair | None:
        """The nearest pair around a step that has not been compared."""
        compared = set(zip(network.base.tolist(), network.head.tolist(), strict=True))
        known = compared | self.failed
        before = [place for place in self.usable if place < step.earliest][-AROUND:]
        after = [place for place in self.usable if place >= step.latest][:AROUND]
        pairs = [(base, head) for base in before for head in after]
        left = [pair for pair in pairs if pair not in known]
        return min(left, key=lambda pair: pair[1] - pair[0], default=None)

    def _errors(self) -> dict[Pair, float]:
        """The median error of the series of each compared pair."""
        errors: dict[Pair, list[float]] = {}
        for link in self.levels.links:
            if link.useful and self._counts(link):
                outcomes = link.record.outcomes
                each = outcomes.error[outcomes.timed & ~link.skipped]
                error = max(float(np.median(each)), EXACT) if each.size else EXACT
                errors.setdefault((link.base, link.head), []).append(error)
        return {pair: sum(e**-2.0 for e in each) ** -0.5 for pair, each in errors.items()}

    def _candidates(self, errors: dict[Pair, float]) -> dict[Pair, float]:
        """The variance between the levels of commits and their anchors, and of successive tags."""
        lineage, usable = self.levels.lineage, self.usable
        anchors = [_nearest(usable, anchor) for anchor in lineage.anchors()]
        ends = sorted({*anchors, *usable[-1:]})
        variances: dict[Pair, float] = {}
        until = {ends[0]: 0.0}
        for first, last in pairwise(ends):
            places = [place for place in usable if first <= place <= last]
            of_places = _variances(places, errors)
            variances |= {
                (first, place): variance
                for place, variance in zip(places[1:], of_places[1:], strict=True)
            }
            until[last] = until[first] + of_places[-1]
        tagged = [_nearest(usable, place) for place, c in enumerate(lineage.commits) if c.tags]
        for first, last in pairwise(sorted(set(tagged))):
            variances.setdefault((first, last), until[last] - until[first])
        return variances


def _nearest(usable: Sequence[int], place: int) -> int:
    """The usable commit that is nearest to a place."""
    return min(usable, key=lambda other: abs(other - place))


def _variances(places: Sequence[int], errors: dict[Pair, float]) -> list[float]:
    """Variance of the level of each place relative to the first, from the edges between them."""
    index = {place: i for i, place in enumerate(places)}
    laplacian = np.zeros((len(places), len(places)))
    for (base, head), error in errors.items():
        if base in index and head in index:
            i, j = index[base], index[head]
            laplacian[[i, j, i, j], [i, j, j, i]] += np.array([1, 1, -1, -1]) * error**-2.0
    known = laplacian[1:, 1:] + UNTIED**-2.0 * np.eye(len(places) - 1)
    return [0.0, *np.diag(np.linalg.inv(known)).tolist()]
