"""What the parts of a difference do to a series, with intervals over processes.

The effect of a part is measured twice: added to the base, and taken out of the head. The mean of
the two is its effect. For two parts, these means add up to the whole change, whatever the parts do
to each other; a difference between the two shows that they act together.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ..compare.causes import Effect, Explanation
from ..compare.flame import Flame
from ..history.fields import Bounds
from ..statistics.estimates import RatioEstimate
from ..statistics.intervals import CONFIDENCE, UNKNOWN, Interval
from ..suites.series import THRESHOLD, Series
from ..versions.parts import Diff, Parts
from .experiment import NOTHING, Blocks, Logs, log_ratio

WRONG_CAUSE = 0.01  # probability at most that any part without an effect is named
TOGETHER_LEAST = 0.2  # of the whole change, that alone and last differ, to be reported
HUNKS_MOST = 10  # of a cause


class Estimate:
    """A logarithm of a ratio over processes, of which a disturbed one has less weight.

    Attributes
    ----------
    log, error : the mean and its standard error; NaN and infinite if they are not known.
    """

    def __init__(self, processes: Iterable[Logs]) -> None:
        known = [one for one in processes if math.isfinite(one[0])]
        within = np.array([error for _, error in known])
        self._estimate = RatioEstimate(
            [log for log, _ in known],
            rounds=[1] * len(known),
            # The error of a few rows may be small by chance.
            own_errors=np.maximum(within, np.median(within)).tolist() if known else [],
            deviations=[within],
            scatter=0.0,
        )
        self.log = self._estimate.log_ratio if known else math.nan
        self.error = self._estimate.error if len(known) > 1 else math.inf

    @property
    def known(self) -> bool:
        """Whether its error is known."""
        return math.isfinite(self.error)

    def interval(self, confidence: float = CONFIDENCE) -> Interval:
        """The ratio with its signed-rank interval, or with Student's of too few processes."""
        if math.isnan(self.log):
            return UNKNOWN
        strict = self._estimate.interval(confidence)
        if strict.low > 0:
            return strict
        if not self.known:
            return Interval(math.exp(self.log), 0.0, math.inf)
        return self._estimate.by_student(confidence)

    @property
    def errors(self) -> float:
        """How many standard errors it is away from no change."""
        return abs(self.log) / max(self.error, 1e-9) if self.known else 0.0


@dataclass(frozen=True)
class Causes:
    """The causes of the changes between two versions; `CausesRecord` explains the fields."""

    base: str
    head: str
    commits: dict[str, str | None]
    explanations: tuple[Explanation, ...] = ()
    parts: int = 0
    run: int = 0
    unknown: str = ""
    left_out: int = 0
    budget: float = 0.0
    total: float = 0.0
    warnings: tuple[str, ...] = ()
    flames: tuple[Flame, ...] = ()


def versions_of(group: Parts, diff: Diff) -> tuple[Parts, Parts]:
    """The base with a group of parts, and the head without it."""
    return diff.origin | group, diff.every - group if group != diff.origin else diff.every


def effect_of(group: Parts, diff: Diff, blocks: Blocks) -> tuple[Logs, Logs, Logs]:
    """The effect of a group in one process: its mean, added to the base, taken out of the head."""
    if group == diff.origin:  # which nothing can be without
        alone = log_ratio(blocks, NOTHING, group)
        return alone, alone, (math.nan, math.nan)
    with_it, without = versions_of(group, diff)
    alone, last = (log_ratio(blocks, diff.origin, with_it), log_ratio(blocks, without, diff.every))
    if math.isnan(alone[0]) or math.isnan(last[0]):
        return (last if math.isnan(alone[0]) else alone), alone, last
    mean = (alone[0] + last[0]) / 2, math.hypot(alone[1], last[1]) / 2
    if diff.origin | group == diff.every:  # added to the base, it is the head: the same ratio
        mean = alone
    return mean, alone, last


def explanation(
    series: Series, diff: Diff, groups: Sequence[Parts], processes: Sequence[Blocks], tests: int
) -> Explanation:
    """The explanation of a series by the `processes` that timed it, one of `tests` series."""
    whole = [log_ratio(blocks, NOTHING, diff.every) for blocks in processes]
    measured = [[effect_of(group, diff, blocks) for blocks in processes] for group in groups]
    confidence = 1 - WRONG_CAUSE / max(len(groups) * tests, 1)
    effects: list[tuple[float, Effect]] = []
    causes: list[Sequence[Logs]] = []
    for group, of_group in zip(groups, measured, strict=True):
        mean, alone, last = (Estimate(column) for column in zip(*of_group, strict=True))
        cause = mean.interval(confidence).excludes_one
        if cause:
            causes.append([one[0] for one in of_group])
        named = sorted(group)
        hunks = [diff.hunk(part) for part in named[:HUNKS_MOST]] if cause else []
        change, by_itself, at_last = (Bounds.of(one.interval()) for one in (mean, alone, last))
        effect = Effect(list(map(str, named)), change, by_itself, at_last, cause, hunks)
        effects.append((abs(mean.log), effect))
    ordered = sorted(effects, key=lambda item: (not item[1].cause, -item[0]))
    return Explanation(
        **series._asdict(),
        whole=Bounds.of(Estimate(whole).interval()),
        effects=[effect for _, effect in ordered],
        rest=Bounds.of(Estimate(_difference(whole, causes)).interval()),
        together=_together(diff, groups, measured, Estimate(whole).log, confidence),
        processes=len(processes),
    )


def _difference(whole: Sequence[Logs], parts: Sequence[Sequence[Logs]]) -> list[Logs]:
    """What is left of the whole, process by process, without some parts."""
    return [
        (
            all_of_it - sum(one[number][0] for one in parts),
            math.hypot(error, *(one[number][1] for one in parts)),
        )
        for number, (all_of_it, error) in enumerate(whole)
    ]


def _together(
    diff: Diff,
    groups: Sequence[Parts],
    measured: Sequence[Sequence[tuple[Logs, Logs, Logs]]],
    whole: float,
    confidence: float,
) -> float:
    """By how much a group does more in the head than alone; 0 if that is not significant."""
    largest = 0.0
    for group, of_group in zip(groups, measured, strict=True):
        if group == diff.origin:
            continue
        differences = [
            (last[0] - alone[0], math.hypot(last[1], alone[1])) for _, alone, last in of_group
        ]
        more = Estimate(differences)
        least = max(TOGETHER_LEAST * abs(whole), math.log1p(THRESHOLD), abs(largest))
        if more.interval(confidence).excludes_one and abs(more.log) > least:
            largest = more.log
    return largest
