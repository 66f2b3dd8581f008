"""The time to an accuracy, in a table and in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from ...engine.table import Table, grouped
from ...engine.table import newest as newest_of
from ...engine.words import count, percent, times
from . import EPOCHS_HELD
from .contenders import LAST_RUNG, STEP_0
from .course import INTERRUPTED, extrapolated, held
from .records import CourseRecord

CONFIDENCE = 0.95  # of the intervals over seeds, where there are seeds enough for it


def order_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Two of the values, and the probability that the true median lies between them.

    Between the k-th lowest and the k-th highest of n values it lies with the probability
    1 − 2·P(X < k), where X is binomial of n and ½ (David and Nagaraja: Order Statistics, 7.1). k is
    the largest with which that is at least `CONFIDENCE`, or 1. Nothing is assumed of the
    distribution, and values may be infinite.
    """
    ordered, n = sorted(values), len(values)

    def confidence(k: int) -> float:
        return 1 - 2 * sum(math.comb(n, i) for i in range(k)) / 2.0**n

    k = max((k for k in range(1, n // 2 + 1) if confidence(k) >= CONFIDENCE), default=1)
    return ordered[k - 1], ordered[-k], confidence(k)


@dataclass(frozen=True)
class Time:
    """When a contender held a target, over its seeds.

    Attributes
    ----------
    median, low, high : seconds, with the interval of `order_interval`; infinite for never.
    epochs : median of the epochs; infinite for never.
    reached : how many of the `seeds` got there.
    followed_min : seconds for which every one of its courses was followed at least.
    extrapolated : whether its seconds are those of a few epochs, continued.
    """

    median: float
    low: float
    high: float
    epochs: float
    reached: int
    seeds: int
    followed_min: float
    extrapolated: bool

    @property
    def cells(self) -> tuple[str, str, str]:
        """Seconds with their interval, epochs, and how many seeds got there."""
        about = "≈ " if self.extrapolated else ""
        got = f"{self.reached} of {self.seeds}"
        if math.isinf(self.median):
            return f"not within {about}{self.followed_min:.3g}", "–", got
        bounds = f" ({_bound(self.low)}–{_bound(self.high)})" if self.seeds > 1 else ""
        return f"{about}{self.median:.3g}{bounds}", f"{self.epochs:g}", got

    def sooner_than(self, other: Time | None) -> str:
        """How many times sooner than `other`: ratio of the medians, and what both intervals allow.

        Empty for the other itself, and a dash where one of the two is not known. If only `other`
        never got there, it is a lower bound: the seconds that it was tried for ÷ the median.
        """
        if other is None or math.isinf(self.median):
            return "–"
        if other == self:
            return ""
        if math.isinf(other.median):
            return f"> {times(other.followed_min / self.median, 0.1)}"
        low, high = other.low / self.high, other.high / self.low
        ratio = other.median / self.median
        about = "≈ " if other.extrapolated or self.extrapolated else ""
        bounds = f" ({_bound(low)}–{_bound(high)})" if self.seeds > 1 else ""
        return f"{about}{ratio:.3g}×{bounds}"


def _bound(value: float) -> str:
    return f"{value:.3g}" if math.isfinite(value) else "∞"


def time_of(records: Sequence[CourseRecord], target: float, others: Sequence[CourseRecord]) -> Time:
    """When the contender of `records`, one for each seed, held `target`.

    A record of a few epochs is continued by that one of `others` which has the same seed and took
    the same course.
    """
    courses = {(r.contender, r.seed): r for r in others}
    ends, tried, by_others = [], [], False
    for r in records:
        reached, whole = held(r, target), courses.get((r.same_course, r.seed))
        if reached is None and whole is not None:
            r = extrapolated(r, whole)
            reached, by_others = held(r, target), True
        ends.append(reached or (math.inf, math.inf))
        tried.append(r.seconds[-1] if r.seconds else 0.0)
    seconds = [spent for _, spent in ends]
    low, high, _ = order_interval(seconds)
    return Time(
        median=median(seconds),
        low=low,
        high=high,
        epochs=median([epoch for epoch, _ in ends]),
        reached=sum(map(math.isfinite, seconds)),
        seeds=len(records),
        followed_min=min(tried),
        extrapolated=by_others,
    )


def newest(records: Sequence[CourseRecord]) -> list[CourseRecord]:
    """The last record of every contender and seed, on the data set of the last record.

    Interrupted courses are left out. One that failed stays: it did not reach its target.
    """
    data = records[-1].data if records else ""
    ended = (r for r in records if r.data == data and r.stopped != INTERRUPTED)
    return newest_of(ended, lambda r: (r.contender, r.seed))


def table(records: Sequence[CourseRecord]) -> Table:
    """For every target a row for each contender, the soonest first; remarks below."""
    chosen = newest(records)
    groups = grouped(chosen, lambda r: r.contender)
    rows: list[tuple[str, ...]] = []
    for target in sorted({target for r in chosen for target in r.targets}):
        reached = {name: time_of(group, target, chosen) for name, group in groups.items()}
        for name in sorted(reached, key=lambda name: (reached[name].median, name)):
            inputs = str(groups[name][0].inputs or "–")
            factors = (reached[name].sooner_than(reached.get(base)) for base in (STEP_0, LAST_RUNG))
            rows.append((percent(target, 1), name, inputs, *reached[name].cells, *factors))
    columns = (
        *("target", "contender", "inputs", "seconds", "epochs", "got there"),
        *("sooner than step 0 on pixels", "sooner than last rung on pixels"),
    )
    title = "Time to accuracy: medians, with intervals over the seeds in brackets"
    if records:
        title += f" ({records[-1].data}, {count(records[-1].threads, 'thread')})"
    return Table(title, columns, rows, text=range(2), notes=notes(chosen), records=chosen)


def notes(records: Sequence[CourseRecord]) -> list[str]:
    """How to read the table, and which courses failed; `records` are the newest."""
    seeds = max(len({r.seed for r in records}), 1)
    confidence = order_interval([0.0] * seeds)[2]
    lines = [
        f"Seconds until the test accuracy has held the target for {EPOCHS_HELD} epochs: fit "
        "of the clusters, distances, scaling and training, without loading data and predicting.",
        f"Median of {seeds} seeds; the brackets are order statistics that contain the true median "
        f"with {percent(confidence, 0)}, or the range of factors that the intervals of both allow."
        if seeds > 1
        else "One seed, so the spread over seeds is not known.",
    ]
    if any(r.same_course for r in records):
        lines.append(
            "≈: extrapolated from the seconds of its epochs and the epochs of the last rung on "
            "pixels, which starts from the same weights and sees the same batches."
        )
    if any("convolutions" in r.settings for r in records):  # a network of Keras
        lines.append("The times of Keras leave out scaling and building the model, in its favour.")
    for name, group in grouped(records, lambda r: r.contender).items():
        best = max((max(r.accuracies) for r in group if r.accuracies), default=math.nan)
        most = max(len(r.accuracies) for r in group)
        lines.append(f"{name}: {group[0].what}; at best {percent(best)} within {most} epochs.")
        lines += [f"{name}, seed {r.seed}: {r.stopped}" for r in group if r.stopped]
    return lines
