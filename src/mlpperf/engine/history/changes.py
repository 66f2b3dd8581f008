"""Finds where a curve changed: from which commit on it runs at another level, and by how much.

All tests are of ranks, so the noise may have any distribution, and a heavy tail or one bad commit
hardly matters. A curve is split in two, or a stretch is cut out of it, where least squares on the
ranks are smallest; that is where the Wilcoxon statistic is largest. Its probability, times the
number of possible places of the split, bounds the probability that noise alone does the same
anywhere. Both parts of a curve that passes are split again, until no part passes.

Commits that were measured one after the other share the state of the machine, so their noise may be
correlated. The correlation is estimated from how often the curves turn: neither steps nor slow
drifts change that by much. A machine that stays slower for days looks the same as slower code.

Many curves give chance many occasions. The probabilities of all curves together go through the
procedure of Benjamini and Hochberg (1995): in a history where nothing changed, the probability of
reporting any change is at most `ALARMS`; in one where something did, that is the expected share of
false ones among the curves that are reported.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby, pairwise
from typing import Literal, NamedTuple

import numpy as np

from ..race.result import SCATTER
from ..statistics.intervals import CONFIDENCE, Interval
from ..statistics.quantiles import normal_probability, normal_quantile
from ..table import grouped
from .curves import Curve, Floats, Points, points
from .splits import best_part, best_split, rank_sum_probability
from .table import Table

ALARMS = 0.01  # probability of any false change in a whole history
# Fewest commits on each side of a change, so that a few bad measurements in a row are not one.
FEWEST = 5
# Curves whose noise is of one kind.
ALIKE = ("source", "machine", "device", "threads", "software", "quantity")
NORMAL_QUARTILE = 0.6745  # median absolute deviation ÷ standard deviation


@dataclass(frozen=True)
class Change:
    """A curve runs at another level from some commit on, or drifts from one commit to another.

    Attributes
    ----------
    curve : what changed.
    kind : a step, or a drift that a straight line describes better than steps do.
    commit, date : the first commit at the new level, or the end of the drift.
    previous : the last commit measured before, or the beginning of the drift. The cause lies after
        `previous`, up to and including `commit`.
    ratio : after ÷ before: Hodges-Lehmann estimate with a 95 % interval.
    """

    curve: Curve
    kind: Literal["step", "drift"]
    commit: str
    date: datetime
    previous: str
    ratio: Interval

    @property
    def direction(self) -> str:
        """In a word: slower or faster; more or less memory; higher or lower of anything else."""
        worse, better = {
            "seconds": ("slower", "faster"),
            "ratio": ("slower", "faster"),
            "bytes": ("more", "less"),
            "peak bytes": ("more", "less"),
        }.get(self.curve.quantity, ("higher", "lower"))
        return worse if self.ratio.median > 1 else better

    @property
    def tone(self) -> str:
        """Its colour: bad, good or plain."""
        tones = {"slower": "bad", "more": "bad", "faster": "good", "less": "good"}
        return tones.get(self.direction, "plain")

    @property
    def how(self) -> str:
        """The direction, and whether it is a drift."""
        return self.direction if self.kind == "step" else f"{self.direction}, as a drift"


def changes(table: Table) -> list[Change]:
    """The changes along the curves of `table`, newest first.

    Changes below ±1 % (`SCATTER`) are not reported, because two builds of the same code differ as
    much. Curves of fewer than 2 · `FEWEST` commits are too short to be tested.
    """
    return changes_along(points(table))


def changes_along(curves: Sequence[Points]) -> list[Change]:
    """The changes along curves, as `changes` reports them."""
    rng = np.random.default_rng(0)  # only for the order of equal values
    long = [curve for curve in curves if len(curve) >= 2 * FEWEST]
    kinds = [tuple(getattr(points.curve, name) for name in ALIKE) for points in long]
    # Memory may be 0; count it as one byte so that the ratio is finite.
    logs = [np.log(np.where(curve.value > 0, curve.value, 1.0)) for curve in long]
    ranks = [_ranks(log, rng) for log in logs]
    alike = grouped(zip(kinds, ranks, strict=True), lambda one: one[0])
    tests = {kind: _Test(_spread([of for _, of in every])) for kind, every in alike.items()}
    first = [tests[kind].split(of) for kind, of in zip(kinds, ranks, strict=True)]
    level = _level([split.probability for split in first])
    detected = [
        change
        for curve, log, of, kind, split in zip(long, logs, ranks, kinds, first, strict=True)
        for change in _changes_of(curve, log, tests[kind].places(of, level, split))
    ]
    order = {
        commit: place
        for curve in long
        for commit, place in zip(curve.commits, curve.places, strict=True)
    }
    return sorted(detected, key=lambda change: -order[change.commit])


def _spread(curves: Sequence[Floats]) -> float:
    """Standard error of a mean ÷ that of independent commits.

    In independent noise two of three inner points are turning points, whatever its distribution
    (Bienaymé). If each is correlated by φ with the one before, the steps into and out of a point
    are by −(1 − φ) / 2, and turn with the probability ½ + asin((1 − φ) / 2) / π. Only as much
    of φ counts as exceeds two standard errors.
    """
    turns = points = 0
    for ranks in curves:
        rising = np.diff(ranks) > 0
        turns += int((rising[1:] != rising[:-1]).sum())
        points += len(rising) - 1
    share = turns / points
    error = math.tau * math.cos(math.pi / 6) * math.sqrt(8 / 45 / points)
    correlation = min(0.9, 1 - 2 * math.sin(math.pi * (share - 0.5)) - 2 * error)
    return math.sqrt((1 + correlation) / (1 - correlation)) if correlation > 0 else 1.0


def _level(probabilities: Sequence[float]) -> float:
    """Largest probability of a curve that changed (Benjamini and Hochberg); −1 if none did."""
    ordered = np.sort(probabilities)
    allowed = ALARMS * np.arange(1, len(ordered) + 1) / max(len(ordered), 1)
    passing = np.flatnonzero(ordered <= allowed)
    return float(allowed[passing[-1]]) if passing.size else -1.0


class _Split(NamedTuple):
    """Where a stretch of a curve changes most, and how probable that is by chance."""

    probability: float
    places: tuple[int, ...]  # one, or two if the level changes and comes back


@dataclass(frozen=True)
class _Test:
    """Tests curves, or stretches of them, by their ranks, no two of which are equal.

    The standard error of a mean is `spread` times that of independent noise.
    """

    spread: float = 1.0

    def split(self, stretch: Floats) -> _Split:
        """The best single split of a stretch, or the best part to cut out of it."""
        n = len(stretch)
        if n < 2 * FEWEST:
            return _Split(1.0, ())
        ranks = np.argsort(np.argsort(stretch)).astype(float)
        at = best_split(ranks, FEWEST)
        splits = [_Split((n - 2 * FEWEST + 1) * self._chance(ranks[:at], ranks[at:]), (at,))]
        if n >= 3 * FEWEST:
            start, stop = best_part(ranks, FEWEST)
            around = np.concatenate([ranks[:start], ranks[stop:]])
            free = n - 3 * FEWEST
            ways = (free + 1) * (free + 2) // 2
            splits.append(_Split(ways * self._chance(ranks[start:stop], around), (start, stop)))
        best = min(splits)
        return _Split(min(1.0, len(splits) * best.probability), best.places)

    def places(self, stretch: Floats, level: float, split: _Split | None = None) -> list[int]:
        """All places at which a stretch changes, each tested at `level`."""
        probability, places = split or self.split(stretch)
        if probability > level:
            return []
        inner = [
            start + place
            for start, stop in pairwise([0, *places, len(stretch)])
            for place in self.places(stretch[start:stop], level)
        ]
        return sorted([*places, *inner])

    def _chance(self, a: Floats, b: Floats) -> float:
        chance = rank_sum_probability(a, b, few=2 * FEWEST)
        return 2 * normal_probability(normal_quantile(chance / 2) / self.spread)


def _ranks(curve: Floats, rng: np.random.Generator) -> Floats:
    """Ranks from 0 on; those of equal values are in random order, as if they differed slightly."""
    ranks = np.empty(len(curve))
    ranks[np.lexsort((rng.random(len(curve)), curve))] = np.arange(len(curve))
    return ranks


def _changes_of(points: Points, curve: Floats, places: list[int]) -> Iterator[Change]:
    """The changes of a curve; several steps in a row in one direction may be one drift."""
    places = _settled(curve, places)
    bounds = [0, *places, len(curve)]
    shifts = [
        _shift(curve, *around) for around in zip(bounds, bounds[1:], bounds[2:], strict=False)
    ]

    def change(kind: Literal["step", "drift"], previous: int, now: int, shift: Interval) -> Change:
        ratio = Interval(*(math.exp(bound) for bound in (shift.median, shift.low, shift.high)))
        commits, date = points.commits, points.dates[now]
        return Change(points.curve, kind, commits[now], date, commits[previous], ratio)

    for _, alike in groupby(range(len(places)), key=lambda i: shifts[i].median > 0):
        steps = list(alike)
        start, stop = bounds[steps[0]], bounds[steps[-1] + 2]
        drift = _drift(curve[start:stop], [places[i] - start for i in steps])
        if drift:
            yield change("drift", start, stop - 1, drift)
        else:
            yield from (change("step", places[i] - 1, places[i], shifts[i]) for i in steps)


def _settled(curve: Floats, places: list[int]) -> list[int]:
    """`places`, each moved to the best split between its neighbours, without changes too small.

    Ranks are best to detect a change, values to locate it if there are few commits on one side.
    Values far outside both levels are brought back to 3 standard deviations.
    """
    bounds = [0, *places, len(curve)]
    for i in range(1, len(bounds) - 1):
        start, at, stop = bounds[i - 1 : i + 2]
        sides = curve[start:at], curve[at:stop]
        levels = [float(np.median(side)) for side in sides]
        away = np.concatenate([np.abs(s - level) for s, level in zip(sides, levels, strict=True)])
        far = 3 * float(np.median(away)) / NORMAL_QUARTILE
        within = np.clip(curve[start:stop], min(levels) - far, max(levels) + far)
        bounds[i] = start + best_split(within, FEWEST)
    while len(bounds) > 2:
        sizes = [
            abs(_shift(curve, *around).median)
            for around in zip(bounds, bounds[1:], bounds[2:], strict=False)
        ]
        least = int(np.argmin(sizes))
        if sizes[least] >= math.log1p(SCATTER):
            break
        del bounds[least + 1]
    return bounds[1:-1]


def _shift(curve: Floats, start: int, at: int, stop: int) -> Interval:
    """Level of `curve` after `at` minus that before, by Hodges and Lehmann.

    The median of the differences of all pairs, and the interval that inverts the rank-sum test
    (Hollander, Wolfe and Chicken: Nonparametric Statistical Methods, 4.2 and 4.3).
    """
    m, n = at - start, stop - at
    differences = np.sort((curve[at:stop, None] - curve[start:at]).ravel())
    deviation = math.sqrt(m * n * (m + n + 1) / 12)
    rank = math.floor(m * n / 2 - 0.5 + normal_quantile((1 - CONFIDENCE) / 2) * deviation)
    return Interval(float(np.median(differences)), differences[rank], differences[-1 - rank])


def _drift(curve: Floats, places: list[int]) -> Interval | None:
    """The rise of a straight line over `curve`, if it fits better than steps at `places`.

    The line's slope is from the difference between the two halves. It has two parameters, and k
    steps have k places and k + 1 levels; Schwarz's criterion weighs that against the mean absolute
    residual.
    """
    n = len(curve)
    whole = (n - 1) / (n / 2)  # of the line, over the distance between the middles of its halves
    rise = whole * _shift(curve, 0, n // 2, n).median
    line = np.linspace(0, rise, n)
    levels = np.concatenate([np.full(len(s), np.median(s)) for s in np.split(curve, places)])

    def criterion(residual: Floats, parameters: int) -> float:
        mean = max(float(np.abs(residual - np.median(residual)).mean()), 1e-300)
        return 2 * n * math.log(mean) + parameters * math.log(n)

    if criterion(curve - line, 2) >= criterion(curve - levels, 2 * len(places) + 1):
        return None
    noise = _shift(curve - line, 0, n // 2, n)
    return Interval(rise, rise + whole * noise.low, rise + whole * noise.high)
