"""Records of comparisons, as `render.record` makes them.

A history has millions of outcomes of series, so `comparisons` keeps them in columns that all
records share.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..history.fields import Amount, Count, Name, Positive, known
from ..history.reading import read_records
from ..history.records import Origin
from ..statistics.verdicts import Verdict, longer
from ..suites.series import Series
from ..words import some
from .outcomes import Columns, Outcomes

Error = Annotated[float, msgspec.Meta(ge=0, le=100)]  # of a logarithm: beyond, nothing is known
PACKAGES_MOST = 10  # in a sentence
# Number of the rules by which a comparison decides that a benchmark runs no changed code. Raise it
# when these rules missed something: bisect then looks again where older records say so.
RULES = 2
Side = Annotated[str, msgspec.Meta(pattern="^(base|head)$")]


class RecordedRatio(msgspec.Struct, gc=False):
    """Head ÷ base in a record, as far as all are read."""

    median: Positive | None


class _Seconds(msgspec.Struct, gc=False):
    base: Amount | None = None
    head: Amount | None = None


class NamedSeries(msgspec.Struct, gc=False):
    """A series in a record."""

    path: Name
    case: str
    variant: str
    suite: str = ""

    @property
    def named(self) -> Series:
        """Which one it is."""
        return Series(self.path, self.case, self.variant, self.suite)


class RecordedSeries(NamedSeries, kw_only=True, gc=False):
    """A series in a record, as far as all are read; `finding.Finding` explains the fields."""

    verdict: str
    ratio: RecordedRatio
    seconds: _Seconds
    wrong: dict[Side, str]
    grown: list[str]
    ratio_error: Error | None = None
    ratio_freedom: Amount | None = None
    bound: Positive | None = None
    risen: str = ""
    work_rose: bool = False

    @property
    def differs(self) -> dict[str, str]:
        """As `Outcome.differs` has it."""
        bound = self.bound or 1.0
        every = {
            "slower": longer(bound) if bound > 1 else "",
            "faster": longer(1 / bound) if bound < 1 else "",  # the other way round
            "more memory": "; ".join(self.grown),
            "larger value": self.risen,
            "more bytecodes": "more than is allowed" if self.work_rose else "",
        }
        return {kind: why for kind, why in every.items() if why}


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The options that decide what was measured, apart from those in other fields of a record.

    Attributes
    ----------
    python : the interpreter, as it was named; empty for the project's own.
    packages : those that were added.
    benchmarks : the hash of the commit whose suites timed both versions; empty for the head's own.
    everything : every benchmark was timed, whatever it runs.
    isolate : each version had processes of its own.
    """

    python: str = ""
    packages: list[str] = []
    benchmarks: str = ""
    everything: bool = False
    isolate: bool = False

    @property
    def named(self) -> dict[str, object]:
        """The value of each option, by what the user writes."""
        values = (self.python, self.packages, self.benchmarks, self.everything, self.isolate)
        names = ("--python", "--with", "--benchmarks", "--all", "--isolate")
        return dict(zip(names, values, strict=True))

    @property
    def environment(self) -> str:
        """What differs from the project's own environment, such as `--python 3.13`; or empty."""
        python = [f"--python {self.python}"] if self.python else []
        return ", ".join([*python, *(f"--with {package}" for package in self.packages)])


class ComparisonRecord(Origin, kw_only=True, dict=True):
    """A comparison, as far as it is read; `whole.WholeComparison` explains the fields.

    Of a record that `comparisons` read, the series are in `outcomes` only.
    """

    FILE = "comparisons"

    kind: Literal["comparison"]
    base: str
    head: str
    exit_code: Count
    verdict: str
    commits: dict[str, Name | None]
    same: bool
    interrupted: bool
    broken: dict[Side, str]
    total: Amount | None
    series: Sequence[RecordedSeries]
    selected: tuple[str, ...] = ()
    asked: Asked = Asked()
    untouched: tuple[tuple[Name, str, str, str], ...] = ()
    releases: dict[Side, str] = {}  # noqa: RUF012  (msgspec copies it)
    environments: dict[Side, dict[str, str]] = {}  # noqa: RUF012
    rules: Count = 0
    threshold: Amount = 0.0

    def __post_init__(self) -> None:
        """Check what the types do not say, as a record is read: raises `ValueError`."""
        super().__post_init__()
        if not {"base", "head"} <= self.commits.keys():
            raise ValueError("one of the two commits is missing")

    @property
    def by_older_rules(self) -> bool:
        """Whether older rules decided which benchmarks run no changed code."""
        return self.rules < RULES

    @property
    def seconds(self) -> float:
        """Seconds that it took; NaN if unknown."""
        return known(self.total)

    @cached_property
    def outcomes(self) -> Outcomes:
        """The result of each series."""
        gathering = _Gathering()
        span = gathering.add(self)
        return Outcomes(gathering.columns(), *span)


def changed_packages(environments: Mapping[str, Mapping[str, str]]) -> str:
    """What differs between the packages of base and head, such as `numpy 2.2.0 → 2.3.0`.

    Of many only the first, those that both have before all others.
    """
    base, head = (environments.get(side, {}) for side in ("base", "head"))
    common = base.keys() & head.keys()
    names = sorted(base.keys() | head.keys(), key=lambda name: (name not in common, name))
    shown = [f"{n} {base.get(n, 'none')} → {head.get(n, 'none')}" for n in names]
    return some(shown, PACKAGES_MOST)


NAMES = attrgetter("path", "case", "variant", "suite")
# The numbers of a series in columns: how to get them, and their type there.
VALUES: dict[str, tuple[Callable[[RecordedSeries], float | None], type[np.floating]]] = {
    "ratio": (attrgetter("ratio.median"), np.float64),
    "error": (attrgetter("ratio_error"), np.float64),
    "freedom": (attrgetter("ratio_freedom"), np.float32),
    "base": (attrgetter("seconds.base"), np.float32),
    "head": (attrgetter("seconds.head"), np.float32),
}
# Rows in the columns, from the first to before the last; what is wrong, and what differs, by place.
_Span = tuple[int, int, dict[int, dict[str, str]], dict[int, dict[str, str]]]


class _Gathering:
    """Collects the outcomes of records in the same columns."""

    def __init__(self) -> None:
        self._series: dict[tuple[str, ...], int] = {}
        self._verdicts: dict[str, int] = {}
        self._last: tuple[list[tuple[str, ...]], NDArray[np.int32]] = [], np.zeros(0, np.int32)
        self._of_series = [np.zeros(0, np.int32)]
        self._verdict = [np.zeros(0, np.int32)]
        self._values: dict[str, list[NDArray[np.floating]]] = {
            name: [np.zeros(0, kind)] for name, (_, kind) in VALUES.items()
        }
        self._rows = 0

    def add(self, record: ComparisonRecord) -> _Span:
        """Append the outcomes of a record."""
        series, untouched = record.series, record.untouched
        names: list[tuple[str, ...]] = [*map(NAMES, series), *untouched]
        if names != self._last[0]:  # most records are about the same series as the one before
            numbers = [self._series.setdefault(name, len(self._series)) for name in names]
            self._last = names, np.array(numbers, np.int32)
        self._of_series.append(self._last[1])
        verdicts = [one.verdict for one in series] + [Verdict.UNCHANGED_CODE.value] * len(untouched)
        numbers = [self._verdicts.setdefault(word, len(self._verdicts)) for word in verdicts]
        self._verdict.append(np.array(numbers, np.int32))
        for name, (get, kind) in VALUES.items():
            values = [*map(get, series), *[None] * len(untouched)]
            self._values[name].append(np.array(values, kind))
        first, self._rows = self._rows, self._rows + len(names)
        wrong = {place: one.wrong for place, one in enumerate(series) if one.wrong}
        differs = {place: one.differs for place, one in enumerate(series) if one.differs}
        return first, self._rows, wrong, differs

    def columns(self) -> Columns:
        """The columns, once all records are there."""
        values = {name: np.concatenate(self._values.pop(name)) for name in VALUES}
        ratio = values.pop("ratio")
        return Columns(
            [Series(*names) for names in self._series],
            list(self._verdicts),
            np.concatenate(self._of_series),
            np.concatenate(self._verdict),
            log_ratio=np.log(ratio, out=np.full(len(ratio), np.nan), where=ratio > 0),
            **values,
        )


def comparisons(folder: Path) -> tuple[list[ComparisonRecord], list[str]]:
    """The comparisons recorded in `folder`, and a sentence for each line that cannot be read."""
    gathering, unreadable = _Gathering(), list[str]()
    kept: list[tuple[ComparisonRecord, _Span, int]] = []
    for line, record in enumerate(read_records(folder, ComparisonRecord)):
        if isinstance(record, str):
            unreadable.append(record)
            continue
        kept.append((record, gathering.add(record), line))
        record.series, record.untouched = [], ()
    columns = gathering.columns()
    for record, span, line in kept:
        record.outcomes = Outcomes(columns, *span, line)
    return [record for record, _, _ in kept], unreadable
