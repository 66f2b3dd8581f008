"""The changed functions of a series, timed by themselves, and what may be concluded from that.

The time within changed functions scatters much less than that of a whole call, of which they often
are a small part. It decides what the whole call leaves open, but only if the rest is the same:

- Every changed function that the series runs is marked, only the calls run them, and nothing but
  functions changed in files that are run or may be read. Otherwise the change also acts where
  nothing is marked.
- The rest of the call enters the same functions equally often, those in C included; if there was
  time to count bytecodes, they are the same there. Otherwise the changed functions have moved work.
- What the changed functions get, return, and leave in their arguments is equal. The same functions
  may take longer with other data, such as to sort a longer list.
- Data may pass where nobody looks, such as through a cache in C. So the interval of the whole call
  has to exclude larger changes than `REST_WITHIN`, and to overlap that of the changed functions. If
  the two contradict each other, the whole call counts.

A share of the call that is smaller than the threshold needs no interval: even if the functions took
no time in one version, the call would not change by more.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace

import msgspec
import numpy as np

from ..history.fields import MOST, UNKNOWN, Bounds, Share
from ..statistics.estimates import RatioEstimate
from ..statistics.intervals import CONFIDENCE, Interval
from ..suites.series import Series
from ..versions.layout import in_repository
from ..worker.calls import Extent
from ..worker.protocol import Counted, DryRun, Extents
from .alarms import MARKS_ALARM
from .context import SIDES
from .records import Side
from .work import differences

# Changes of the whole call that its own interval has to exclude, as with calls too long to repeat.
REST_WITHIN = 0.25
# A mark takes 0.3 µs here; this is what it may take on a slow machine, in seconds.
MARK_SECONDS = 1e-6
# Marks may take this share of a call. They cost the same in both versions: with marks that took as
# long as the functions themselves, equal versions differed by less than 0.1 % of the call.
COST_MOST = 0.25
SMALL_SHARE = 0.5  # of the threshold: a share of the call that cannot move it by the threshold
NAMED_MOST = 3  # functions that a record names


class ChangedFunctions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The time within the changed functions that a series runs.

    Attributes
    ----------
    not_timed : why it is unknown; empty if it is known.
    rest : why the rest of the call may have changed, too; empty if it is the same work.
    functions : those that take the time, as `name (file:line)` in the head; of many the first.
    share : of the call that they take, by version, in the process with the largest.
    ratio : of the call, head ÷ base, as far as these functions change it; with its 95 % interval.
    significant : whether that interval, corrected for the number of series, excludes 1.
    """

    not_timed: str = ""
    rest: str = ""
    functions: list[str] = []
    share: dict[Side, Share] = {}
    ratio: Bounds = UNKNOWN
    significant: bool = False

    @property
    def interval(self) -> Interval:
        """The ratio, with infinite bounds where it has none; NaN if it is unknown."""
        return self.ratio.interval

    def contradicts(self, whole: Interval) -> bool:
        """Whether its interval and that of the whole call exclude each other."""
        own = self.interval
        return own.low > whole.high or own.high < whole.low

    def decides(self, whole: Interval) -> bool:
        """Whether the change of the call follows from it; `whole` is the call's own interval."""
        known = not (self.not_timed or self.rest or self.ratio.median is None)
        bounded = whole.high <= 1 + REST_WITHIN and whole.low >= 1 / (1 + REST_WITHIN)
        return known and bounded and not self.contradicts(whole)

    def small_share(self, threshold: float) -> float:
        """The share of the call if it is too small to move it by the threshold; else NaN."""
        largest = max(self.share.values(), default=math.inf)
        return largest if largest <= SMALL_SHARE * threshold else math.nan


@dataclass(frozen=True)
class MarkedTimes:
    """How the functions of a series are marked, and their times so far.

    Attributes
    ----------
    marks : as `Session` has them.
    bias : how much more marks may cost in one version, as a share of the call.
    estimate : of the call's ratio, if its rest is the same.
    share : the largest of all processes, by version.
    """

    marks: dict[str, dict[str, int]]
    bias: float = 0.0
    estimate: RatioEstimate = field(default_factory=RatioEstimate)
    share: Mapping[str, float] = field(default_factory=dict)

    def with_process(
        self, marked: Mapping[str, Sequence[float]], calls: Mapping[str, float]
    ) -> MarkedTimes:
        """With the times of one more process, in which whole calls took these seconds."""
        estimate = replace(self.estimate)
        base, head = (np.array(marked[side]) for side in SIDES)
        rest = max(calls["base"] - float(np.median(base)), 0.0)
        estimate.add(rest + base, rest + head, 0.0, 0.0)
        share = {s: min(float(np.median(marked[s])) / calls[s], 1.0) for s in SIDES}
        most = {side: max(share[side], self.share.get(side, 0.0)) for side in SIDES}
        return replace(self, estimate=estimate, share=most)

    def conclude(self, known: ChangedFunctions, series: int) -> ChangedFunctions:
        """What follows from these times, of one of `series` that share the false-alarm rate."""
        estimate = self.estimate
        if not estimate.log_ratios or not math.isfinite(estimate.error):
            return known
        strict = _wider(estimate.interval(1 - 2 * MARKS_ALARM / series), self.bias)
        by_ranks = strict.low > 0
        ratio = estimate.interval(CONFIDENCE) if by_ranks else estimate.by_student()
        wide = _wider(ratio, self.bias)
        return msgspec.structs.replace(
            known,
            share=dict(self.share),
            ratio=Bounds(wide.median, wide.low, wide.high if wide.high < MOST else None),
            significant=by_ranks and strict.excludes_one,
        )


def _wider(ratio: Interval, bias: float) -> Interval:
    return Interval(ratio.median, ratio.low / (1 + bias), ratio.high * (1 + bias))


def plan_marks(
    runs: Mapping[Series, DryRun],
    extents: Mapping[Series, Extents],
    counted: Mapping[Series, Counted],
    sources: Mapping[str, Mapping[str, str]],
) -> tuple[dict[Series, ChangedFunctions], dict[Series, MarkedTimes]]:
    """What is known of the changed functions of each of `runs`, and how to time them.

    `sources` are those of the pair, by which `counted` names its files.
    """
    known, marked = {}, {}
    for series, run in runs.items():
        answer = extents.get(series)
        if not answer:
            why = "changed code runs before its calls, too, or they could not be followed in time"
        elif elsewhere := answer.elsewhere:
            is_code = elsewhere.endswith(".py")
            shown = in_repository(elsewhere, sources["head"])
            why = f"{shown} changed{' in more than its functions' * is_code}"
        else:
            why = _why_not(answer.sides, run.call_seconds)
        if why or not answer:
            known[series] = ChangedFunctions(not_timed=why)
            continue
        entries = answer.sides["head"].entries
        named = [_place(in_repository(name, sources["head"])) for name in entries]
        within = {in_repository(f, sources[s]) for s in SIDES for f in answer.sides[s].within}
        rest = _rest(answer.sides, within, counted.get(series))
        known[series] = ChangedFunctions(rest=rest, functions=named[:NAMED_MOST])
        costs = [_cost(answer.sides[side]) for side in SIDES]
        bias = abs(costs[1] - costs[0]) / run.call_seconds
        marked[series] = MarkedTimes({s: answer.sides[s].entries for s in SIDES}, bias)
    return known, marked


def _why_not(sides: Mapping[str, Extent], call_seconds: float) -> str:
    """Why the functions of a series are not marked; empty if they are."""
    if why := next((sides[side].not_marked for side in SIDES if sides[side].not_marked), ""):
        return why
    if not all(sides[side].entries for side in SIDES):
        return "only one version runs changed functions"
    cost = max(_cost(sides[side]) for side in SIDES)
    return "" if cost <= COST_MOST * call_seconds else "a call runs its changed functions too often"


def _cost(extent: Extent) -> float:
    """Seconds that marks take in a call at most."""
    return MARK_SECONDS * (sum(extent.entries.values()) + sum(extent.nested.values()))


def _rest(sides: Mapping[str, Extent], within: Set[str], counted: Counted | None) -> str:
    """Why what lies outside of the changed functions may not be the same work.

    `within`: the functions that are entered within these, as `counted` names them.
    """
    base, head = (sides[side] for side in SIDES)
    if base.rest != head.rest:
        return "the rest of the call runs other functions"
    if counted:
        for one in counted.counts.values():
            if one.not_counted:  # such as calls of one version that do not execute the same
                return f"its bytecodes were not counted: {one.not_counted}"
        places = differences(*(counted.counts[side] for side in SIDES))
        if any(f"{file}:{name}" not in within for (file, name), _, _ in places):
            return "the rest of the call executes other bytecodes"
    if not (base.flow and head.flow):
        return "what the changed functions get and give cannot be compared"
    return "" if base.flow == head.flow else "the changed functions get or give something else"


def _place(name: str) -> str:
    file, line, function = name.rsplit(":", 2)
    return f"{function} ({file}:{line})"
