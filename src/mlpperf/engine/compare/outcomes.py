"""What comparisons found about series, in columns: a history has millions of such outcomes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import overload

import numpy as np
from numpy.typing import NDArray

from ..statistics.verdicts import Verdict
from ..suites.series import Series

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Numbers = NDArray[np.integer]


@dataclass(frozen=True)
class Outcome:
    """What a comparison found about a series.

    Attributes
    ----------
    series : which one.
    verdict : in words.
    log_ratio, error, freedom : head ÷ base as a logarithm, its standard error, and the degrees of
        freedom of that; NaN if it was not timed.
    seconds : of a call, by version.
    wrong : what is wrong, by version.
    grown : how its memory rose, if it did.
    """

    series: Series
    verdict: str
    log_ratio: float = math.nan
    error: float = math.nan
    freedom: float = math.nan
    seconds: dict[str, float] = field(default_factory=dict)
    wrong: dict[str, str] = field(default_factory=dict)
    grown: tuple[str, ...] = ()

    @property
    def timed(self) -> bool:
        """Whether its ratio and the error of that are known."""
        return math.isfinite(self.log_ratio) and math.isfinite(self.error)


@dataclass(frozen=True)
class Columns:
    """The outcomes of one comparison or of many, one below the other.

    Attributes
    ----------
    series, verdicts : what the numbers in `of_series` and `verdict` stand for.
    of_series, verdict, log_ratio, error, freedom, base, head : of each outcome; `base` and `head`
        are seconds of a call.
    """

    series: Sequence[Series]
    verdicts: Sequence[str]
    of_series: Numbers
    verdict: Numbers
    log_ratio: Floats
    error: Floats
    freedom: NDArray[np.floating]
    base: NDArray[np.floating]
    head: NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class Outcomes(Sequence[Outcome]):
    """The outcomes of one comparison, which lie in `columns` from `first` on, before `last`.

    Attributes
    ----------
    wrong, grown : of the few of which there is something to say, by their place here.
    """

    columns: Columns
    first: int
    last: int
    wrong: Mapping[int, dict[str, str]] = field(default_factory=dict)
    grown: Mapping[int, tuple[str, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        return self.last - self.first

    @overload
    def __getitem__(self, place: int) -> Outcome: ...
    @overload
    def __getitem__(self, place: slice) -> list[Outcome]: ...
    def __getitem__(self, place: int | slice) -> Outcome | list[Outcome]:
        if isinstance(place, slice):
            return [self[at] for at in range(*place.indices(len(self)))]
        if not -len(self) <= place < len(self):
            raise IndexError(place)
        place %= len(self)
        columns, row = self.columns, self.first + place
        sides = {"base": float(columns.base[row]), "head": float(columns.head[row])}
        return Outcome(
            columns.series[columns.of_series[row]],
            columns.verdicts[columns.verdict[row]],
            float(columns.log_ratio[row]),
            float(columns.error[row]),
            float(columns.freedom[row]),
            {side: seconds for side, seconds in sides.items() if not math.isnan(seconds)},
            dict(self.wrong.get(place, {})),
            self.grown.get(place, ()),
        )

    @property
    def series(self) -> Numbers:
        """The numbers of the series in `columns.series`."""
        return self.columns.of_series[self.first : self.last]

    @property
    def log_ratio(self) -> Floats:
        """Of each, head ÷ base as a logarithm."""
        return self.columns.log_ratio[self.first : self.last]

    @property
    def error(self) -> Floats:
        """Of each, the standard error of that."""
        return self.columns.error[self.first : self.last]

    @property
    def freedom(self) -> Floats:
        """Of each, the degrees of freedom of that; 1 where they are not known."""
        found = self.columns.freedom[self.first : self.last].astype(np.float64)
        return np.where(found > 0, found, 1.0)

    @property
    def timed(self) -> Flags:
        """Of each, whether its ratio and the error of that are known."""
        found: Flags = np.isfinite(self.log_ratio) & np.isfinite(self.error)
        return found

    @property
    def untouched(self) -> Flags:
        """Of each, whether it runs nothing that changed."""
        words = self.columns.verdicts
        found: Flags = np.zeros(len(self), dtype=bool)
        if Verdict.UNTOUCHED.value in words:
            number = words.index(Verdict.UNTOUCHED.value)
            found = self.columns.verdict[self.first : self.last] == number
        return found

    def told_wrong(self) -> Iterator[Outcome]:
        """Those of which something is wrong."""
        return (self[place] for place in self.wrong)

    def told_grown(self) -> Iterator[Outcome]:
        """Those whose memory rose."""
        return (self[place] for place in self.grown)

    def find(self, series: Series) -> Outcome | None:
        """That of a series, if there is one."""
        if series not in self.columns.series:
            return None
        (places,) = np.nonzero(self.series == self.columns.series.index(series))
        return self[int(places[0])] if len(places) else None
