"""Single comparisons with everything that they measured, for the pages about them.

A history has millions of results, so `records.comparisons` keeps only the numbers that conclusions
need. This module reads the few comparisons that are shown a second time, in full.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import msgspec

from ...errors import MlpperfError
from ..history.fields import Amount, Bounds, Count, Number
from ..history.reading import each_line
from ..statistics.verdicts import Verdict, verdict_in
from ..suites.series import Series
from .finding import MEMORY_RISE
from .records import ComparisonRecord, RecordedSeries, Side
from .whole import decoded

# Slowdowns without a ratio are of twice the time at least: below this, a call is as fast as before,
# though seconds of different comparisons differ.
SAME_TIME_MOST = 1.5
Counted = Annotated[int, msgspec.Meta(ge=0, lt=1 << 62)]


class SeriesDetails(RecordedSeries, kw_only=True, gc=False):
    """A series in a record; `finding.Finding` explains the fields."""

    ratio: Bounds  # type: ignore[assignment]
    processes: Count = 0
    detectable: Amount | None = msgspec.field(name="sight", default=None)
    values: dict[Side, list[Number]] = msgspec.field(default_factory=dict)
    unit: str = ""
    memory: dict[Side, dict[str, Counted]] = msgspec.field(default_factory=dict)

    def as_good(self, kind: str, side: Side, before: SeriesDetails) -> bool | None:
        """Whether a version is as good as the base was `before`, by a kind of `Outcome.differs`.

        None if this was not measured.
        """
        if kind == "more memory" and side in self.memory:
            now, most = self.memory[side], before.memory.get("base", {})
            return bool(most) and all(
                now.get(w, math.inf) <= (1 + MEMORY_RISE) * number for w, number in most.items()
            )
        if kind == "larger value" and self.values.get(side):
            value = max(before.values.get("base", [-math.inf]))
            return max(self.values[side]) <= value + MEMORY_RISE * abs(value)
        seconds, first = getattr(self.seconds, side), before.seconds.base
        if kind == "slower" and seconds is not None and first is not None:
            return bool(seconds < SAME_TIME_MOST * first)
        return None

    @property
    def verdict_kind(self) -> str:
        """The verdict in a word or two; what makes a regression comes before all others."""
        verdict = verdict_in(self.verdict)
        worse = {
            "wrong": "head" in self.wrong,
            "slower": verdict is Verdict.SLOWER,
            "more memory": bool(self.grown),
            "larger value": bool(self.risen),
        }
        for kind, it_is in worse.items():
            if it_is:
                return kind
        return verdict.short if verdict else "other"


class ComparisonDetails(ComparisonRecord, kw_only=True):
    """A comparison in full; `whole.WholeComparison` explains the fields.

    `result` is what it came to, if this version of mlpperf wrote the line. It is not on disk.
    """

    series: Sequence[SeriesDetails]
    budget: Amount = 0.0
    isolated: str = ""
    all_timed_because: str = msgspec.field(name="everywhere", default="")
    warnings: list[str] = msgspec.field(name="trouble", default_factory=list)
    busy: Amount = 0.0
    result: Any = None  # a `Comparison`, for which there is no decoder

    def find(self, series: Series) -> SeriesDetails | None:
        """The result of a series, if there is one."""
        return self._by_series.get(series)

    @cached_property
    def _by_series(self) -> dict[Series, SeriesDetails]:
        return {one.named: one for one in self.series}


def read_in_full(folder: Path, lines: Collection[int]) -> dict[int, ComparisonDetails | str]:
    """The comparisons on some lines of `folder`, by the indices that `Outcomes.line` has.

    A line that cannot be read in full has the reason instead, in a sentence.
    """
    numbers = itertools.count()
    decode = msgspec.json.Decoder(ComparisonDetails).decode

    def wanted(line: bytes) -> ComparisonDetails | None:
        if next(numbers) not in lines:
            return None
        one = decode(line)
        try:
            one.result, _ = decoded(line, "")
        except MlpperfError:
            one.result = None
        return one

    every = enumerate(each_line(folder / f"{ComparisonRecord.FILE}.jsonl", wanted)) if lines else ()
    return {number: one for number, one in every if one is not None}
