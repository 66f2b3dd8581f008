"""What comparisons measured of series, in columns: a history has millions of such outcomes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..statistics.verdicts import Verdict, verdict_in
from ..suites.series import Series

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Numbers = NDArray[np.integer]


@dataclass(frozen=True)
class Outcome:
    """What a comparison measured of a series.

    Attributes
    ----------
    series : which one.
    verdict : in words.
    log_ratio, error, freedom : logarithm of head ÷ base, its standard error, and the degrees of
        freedom of that; NaN if it was not timed.
    seconds : of a call, by version.
    wrong : what is wrong, by version.
    differs : how the head differs where no ratio of times says so, by kind: "slower" and "faster"
        where only a bound is known, "more memory", "larger value", "more bytecodes".
    """

    series: Series
    verdict: str
    log_ratio: float = math.nan
    error: float = math.nan
    freedom: float = math.nan
    seconds: dict[str, float] = field(default_factory=dict)
    wrong: dict[str, str] = field(default_factory=dict)
    differs: dict[str, str] = field(default_factory=dict)

    @property
    def timed(self) -> bool:
        """Whether its ratio and the error of that are known."""
        return math.isfinite(self.log_ratio) and math.isfinite(self.error)

    @property
    def judged(self) -> bool:
        """Whether the comparison reached a verdict on it."""
        unknown = (None, Verdict.UNDECIDED, Verdict.NOT_TIMED)
        return verdict_in(self.verdict) not in unknown

    def worse(self, is_reversed: bool = False) -> dict[str, str]:
        """How the later version is worse where no ratio of times says so: a clause for each kind.

        `is_reversed`: the base is the later version. More memory, values and bytecodes are only
        recorded of a head.
        """
        if is_reversed:
            return {"slower": self.differs["faster"]} if "faster" in self.differs else {}
        return {kind: why for kind, why in self.differs.items() if kind != "faster"}


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
class Outcomes:
    """The outcomes of one comparison: rows of `columns`, from `first` to before `last`.

    Attributes
    ----------
    wrong, differs : those of the few outcomes that have any, by their places here.
    line : the index, among the lines of its file, of the one that they were read from; -1 for none.
    """

    columns: Columns
    first: int
    last: int
    wrong: Mapping[int, dict[str, str]] = field(default_factory=dict)
    differs: Mapping[int, dict[str, str]] = field(default_factory=dict)
    line: int = -1

    def __len__(self) -> int:
        return self.last - self.first

    def __iter__(self) -> Iterator[Outcome]:
        return self.at(range(len(self)))

    def at(self, places: Iterable[int]) -> Iterator[Outcome]:
        """The outcomes at some places, such as those that are `wrong`."""
        columns = self.columns
        for place in places:
            row = self.first + place
            sides = {"base": float(columns.base[row]), "head": float(columns.head[row])}
            yield Outcome(
                columns.series[columns.of_series[row]],
                columns.verdicts[columns.verdict[row]],
                float(columns.log_ratio[row]),
                float(columns.error[row]),
                float(columns.freedom[row]),
                {side: seconds for side, seconds in sides.items() if not math.isnan(seconds)},
                dict(self.wrong.get(place, {})),
                self.differs.get(place, {}),
            )

    @property
    def series(self) -> Numbers:
        """The index of each series in `columns.series`."""
        return self.columns.of_series[self.first : self.last]

    @property
    def log_ratio(self) -> Floats:
        """Logarithm of head ÷ base of each."""
        return self.columns.log_ratio[self.first : self.last]

    @property
    def error(self) -> Floats:
        """Standard error of each `log_ratio`."""
        return self.columns.error[self.first : self.last]

    @property
    def freedom(self) -> Floats:
        """Degrees of freedom of each `error`; 1 where they are not known."""
        freedom = self.columns.freedom[self.first : self.last].astype(np.float64)
        return np.where(freedom > 0, freedom, 1.0)

    @property
    def timed(self) -> Flags:
        """Whether the ratio and its error are known."""
        return np.asarray(np.isfinite(self.log_ratio) & np.isfinite(self.error))

    @property
    def verdicts(self) -> set[Verdict | None]:
        """The verdicts that occur."""
        numbers = np.unique(self.columns.verdict[self.first : self.last])
        return {verdict_in(self.columns.verdicts[number]) for number in numbers}

    @property
    def untouched(self) -> Flags:
        """Whether the series was skipped because it runs no changed code."""
        words, verdict = self.columns.verdicts, self.columns.verdict[self.first : self.last]
        skipped = Verdict.UNCHANGED_CODE.value
        number = words.index(skipped) if skipped in words else -1
        return np.asarray(verdict == number)

    @property
    def skipped(self) -> list[Series]:
        """The series that were skipped because they run no changed code."""
        return [self.columns.series[number] for number in self.series[self.untouched]]

    def find(self, series: Series) -> Outcome | None:
        """The outcome of a series, if there is one."""
        if series not in self.columns.series:
            return None
        (places,) = np.nonzero(self.series == self.columns.series.index(series))
        return next(self.at(places[:1].tolist()), None)
