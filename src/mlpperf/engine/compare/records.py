"""What is read from the record of a comparison.

`show.record` writes the record: the attributes of `Comparison`, `exit_code`, `verdict` in words,
under `series` the attributes of every `Finding` with its path, case and variant, and the names of
those that are `untouched`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..history.fields import Amount, Count, Name, Positive, shaped
from ..history.reading import Kind, Record, each, fields_of, origin_of
from ..history.records import Origin
from ..statistics.verdicts import Verdict
from ..suites.series import Series
from .outcomes import Columns, Outcomes


@dataclass(frozen=True)
class Decision:
    """What a comparison came to.

    Attributes
    ----------
    base, head : what the versions were called.
    exit_code : 0 no regression, 1 regression, 2 could not be measured.
    verdict : that in a sentence, with what became slower.
    commits : the hash of each version; None for a working tree.
    selected : names and patterns that it was narrowed to; none if it is about all series.
    same : the code was the same, and nothing was done.
    interrupted : it did not come to its end.
    broken : why a version has no series, by version.
    seconds : that it took.
    outcomes : of its series.
    """

    base: str
    head: str
    exit_code: int
    verdict: str
    commits: dict[str, str | None]
    selected: tuple[str, ...]
    same: bool
    interrupted: bool
    broken: dict[str, str]
    seconds: float
    outcomes: Outcomes


Error = Annotated[float, msgspec.Meta(ge=0, le=100)]  # of a logarithm: beyond, nothing is known
Side = Annotated[str, msgspec.Meta(pattern="^(base|head)$")]


class _Ratio(msgspec.Struct, gc=False):
    median: Positive | None


class _Seconds(msgspec.Struct, gc=False):
    base: Amount | None = None
    head: Amount | None = None


class _Series(msgspec.Struct, gc=False):
    """What a line says of a series, as far as it is read."""

    path: Name
    case: str
    variant: str
    verdict: str
    ratio: _Ratio
    seconds: _Seconds
    wrong: dict[Side, str]
    grown: list[str]
    suite: str = ""
    ratio_error: Error | None = None
    ratio_freedom: Amount | None = None


class _Commits(msgspec.Struct):
    base: Name | None
    head: Name | None


class _Line(msgspec.Struct):
    """What a line says of a comparison, as far as it is read."""

    base: str
    head: str
    exit_code: Count
    verdict: str
    commits: _Commits
    same: bool
    interrupted: bool
    broken: dict[Side, str]
    total: Amount | None
    series: list[_Series]
    selected: list[str] = []
    untouched: list[tuple[Name, str, str, str]] = []


class _Whole(_Line, kw_only=True):
    """What a line says, with where it is from."""

    schema: Literal[1]
    kind: str
    time: Any = None
    commit: Any = None
    machine: Any = None
    device: Any = None
    threads: Any = None
    setting: Any = None
    in_force: Any = None
    freed_memory: Any = None
    versions: Any = None


ORIGIN = tuple(field.name for field in fields(Origin))
UNTOUCHED = Verdict.UNTOUCHED.value
NAMES = attrgetter("path", "case", "variant", "suite")
# The numbers of a series: how they are got, and what they are kept as.
VALUES: dict[str, tuple[Callable[[_Series], float | None], type[np.floating]]] = {
    "ratio": (attrgetter("ratio.median"), np.float64),
    "error": (attrgetter("ratio_error"), np.float64),
    "freedom": (attrgetter("ratio_freedom"), np.float32),
    "base": (attrgetter("seconds.base"), np.float32),
    "head": (attrgetter("seconds.head"), np.float32),
}


class _Span(NamedTuple):
    """Where the outcomes of a line lie in the columns of all, and what else is said of them."""

    first: int
    last: int
    wrong: dict[int, dict[str, str]]
    grown: dict[int, tuple[str, ...]]


class _Gathering:
    """The outcomes of lines, which all go into the same columns."""

    def __init__(self) -> None:
        self._series: dict[tuple[str, ...], int] = {}
        self._verdicts: dict[str, int] = {}
        self._last: tuple[list[tuple[str, ...]], NDArray[np.int32]] = [], np.zeros(0, np.int32)
        self._of_series: list[NDArray[np.int32]] = []
        self._verdict: list[NDArray[np.int32]] = []
        self._values: dict[str, list[NDArray[np.floating]]] = {name: [] for name in VALUES}
        self._rows = 0

    def add(self, line: _Line) -> _Span:
        """Take in what a line says."""
        more = len(line.untouched)
        names: list[tuple[str, ...]] = [*map(NAMES, line.series), *line.untouched]
        self._of_series.append(self._numbers(names))
        words = self._verdicts
        verdicts = [*(one.verdict for one in line.series), *[UNTOUCHED] * more]
        self._verdict.append(np.array([words.setdefault(w, len(words)) for w in verdicts], "i4"))
        for name, (get, kind) in VALUES.items():
            self._values[name].append(np.array([*map(get, line.series), *[None] * more], kind))
        first, self._rows = self._rows, self._rows + len(names)
        wrong = {place: one.wrong for place, one in enumerate(line.series) if one.wrong}
        grown = {place: tuple(one.grown) for place, one in enumerate(line.series) if one.grown}
        return _Span(first, self._rows, wrong, grown)

    def _numbers(self, names: list[tuple[str, ...]]) -> NDArray[np.int32]:
        """Of each name its number; most lines are about the same series as the one before."""
        if names != self._last[0]:
            known = self._series
            numbers = np.array([known.setdefault(n, len(known)) for n in names], np.int32)
            self._last = names, numbers
        return self._last[1]

    def columns(self) -> Columns:
        """Those of all lines."""
        values = {}
        for name, (_, kind) in VALUES.items():
            values[name] = np.concatenate([np.zeros(0, kind), *self._values.pop(name)])
        ratio = values.pop("ratio")
        none = np.zeros(0, np.int32)
        return Columns(
            [Series(*names) for names in self._series],
            list(self._verdicts),
            np.concatenate([none, *self._of_series]),
            np.concatenate([none, *self._verdict]),
            log_ratio=np.log(ratio, out=np.full(len(ratio), np.nan), where=ratio > 0),
            **values,
        )


def _decision(line: _Line, outcomes: Outcomes) -> Decision:
    return Decision(
        base=line.base,
        head=line.head,
        exit_code=line.exit_code,
        verdict=line.verdict,
        commits={"base": line.commits.base, "head": line.commits.head},
        selected=tuple(line.selected),
        same=line.same,
        interrupted=line.interrupted,
        broken=line.broken,
        seconds=math.nan if line.total is None else line.total,
        outcomes=outcomes,
    )


def decision_of(record: dict[str, Any]) -> Decision:
    """What the comparison of a record came to.

    Raises
    ------
    ValueError
        If something is missing, or is nothing of its kind.
    """
    line, gathering = shaped(record, _Line), _Gathering()
    span = gathering.add(line)
    return _decision(line, Outcomes(gathering.columns(), *span))


COMPARISONS = Kind("comparisons", decision_of, name="comparison")


def comparisons(folder: Path) -> tuple[list[Record[Decision]], list[str]]:
    """The comparisons that are recorded in `folder`, and a sentence for each line that is damaged.

    There may be millions of outcomes; so they are kept in columns, which all records share, one
    after the other, and no line is kept whole.
    """
    gathering = _Gathering()
    decode = msgspec.json.Decoder(_Whole).decode

    def read(text: bytes) -> tuple[Origin, _Line, _Span]:
        try:
            line = decode(text)
        except msgspec.ValidationError:
            fields_of(text)  # of another schema, it is no matter that something is missing
            raise
        if line.kind != COMPARISONS.name:
            raise ValueError(f"its kind is not {COMPARISONS.name}")
        origin = origin_of({name: getattr(line, name) for name in ORIGIN})
        span = gathering.add(line)
        line.series, line.untouched = [], []
        return origin, line, span

    found, damaged = [], []
    for one in each(folder / f"{COMPARISONS.file}.jsonl", read):
        if isinstance(one, str):
            damaged.append(one)
        else:
            found.append(one)
    columns = gathering.columns()

    def decided(origin: Origin, line: _Line, span: _Span) -> Record[Decision]:
        return Record(origin, _decision(line, Outcomes(columns, *span)), {})

    return [decided(*one) for one in found], damaged
