"""Everything that was measured so far, from three sources, as one table with a row per number.

- *race*: the JSON lines that `mlpperf race` appends;
- *asv*: the files in asv's results folder, which are plain JSON and read as such, so that asv need
  not be installed where its results are looked at;
- *pytest-benchmark*: the files of `--benchmark-save`, `--benchmark-autosave`, `--benchmark-json`.

They time in different ways, so their numbers stay apart: the source is part of what names a curve.
Whatever cannot be read is told in a sentence and skipped, and never makes the rest unreadable.
"""

from __future__ import annotations

import math
import re
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import MlpperfError, check
from .. import git
from ..race.result import Result
from .fields import json_in, writable
from .from_asv import asv_benchmarks, rows_of_asv
from .from_pytest_benchmark import rows_of_pytest_benchmark
from .races import RACES, rows_of_race
from .reading import Record, read_records
from .rows import Row, Run, Series

# How git is asked about commits, whatever it is set to say to people.
COMMITS = ("--encoding=UTF-8", "--format=%H%x00%ct%x00%s")
SOURCES = ["race", "asv", "pytest-benchmark"]
# The columns of the table, as other tools get them.
COLUMNS = (
    *("source", "machine", "device", "threads", "software", "commit", "dirty", "measured"),
    *("path", "version", "variant", "case", "quantity"),
    *("value", "low", "high", "proven", "date", "date_of"),
)


@dataclass(frozen=True)
class Table:
    """Numbers in columns, a row for each; what many of them share is kept once.

    Attributes
    ----------
    runs, series : what the rows refer to.
    commits : their hashes, in the order of history.
    dates : of each run, in seconds since 1970: of its commit, or if neither git nor the source
        knows that, of the measurement.
    dated : of each run, whether its date is that of the commit.
    run, of : of each row, the indices of its run and of its series.
    value, low, high : of each row; low and high are NaN where there is no interval.
    proven : of each row 1 if it was equal to the reference, 0 if not, −1 if that is unknown.
    """

    runs: tuple[Run, ...]
    series: tuple[Series, ...]
    commits: tuple[str, ...]
    dates: NDArray[np.int64]
    dated: NDArray[np.bool_]
    run: NDArray[np.intc]
    of: NDArray[np.intc]
    value: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    proven: NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.value)

    def where(self, kept: NDArray[np.bool_]) -> Table:
        """The rows that are `kept`."""
        columns = ("run", "of", "value", "low", "high", "proven")
        return replace(self, **{name: getattr(self, name)[kept] for name in columns})

    def rows(self) -> Iterator[dict[str, Any]]:
        """Each row by the names of `COLUMNS`; None where something is unknown."""
        known = [
            {**run._asdict(), "measured": time(run.measured), "date": time(int(date))}
            for run, date in zip(self.runs, self.dates, strict=True)
        ]
        for i in range(len(self)):
            run, proven = self.run[i], int(self.proven[i])
            numbers = {name: float(getattr(self, name)[i]) for name in ("value", "low", "high")}
            row = {
                **known[run],
                **self.series[self.of[i]]._asdict(),
                **{name: None if math.isnan(x) else x for name, x in numbers.items()},
                "proven": None if proven < 0 else bool(proven),
                "date_of": "commit" if self.dated[run] else "measurement",
            }
            yield {name: row[name] for name in COLUMNS}

    def sources(self) -> dict[str, int]:
        """How many rows each source has; nothing for those that have none."""
        number = np.array([SOURCES.index(run.source) for run in self.runs], dtype=np.intp)
        counts = np.bincount(number[self.run], minlength=len(SOURCES))
        return {name: int(n) for name, n in zip(SOURCES, counts, strict=True) if n}


@dataclass(frozen=True)
class History:
    """What was measured, and what of it could not be read.

    Attributes
    ----------
    table
        One row per number, with these columns:

        - source: race, asv or pytest-benchmark; machine: host, processor and its count; device: cpu
          or gpu:N, empty where the source does not tell; threads: missing there; software: minor
          versions of Python and NumPy, as far as the source tells, and of what else was pinned;
        - path, version (of the path), variant, case; quantity: seconds, ratio (variant ÷ reference,
          so 1 ÷ `speedup`), bytes (that a call allocates), peak bytes (of the process), or the unit
          that a foreign suite of asv names. Whatever it is, lower is better;
        - value, and low and high: an interval for it with 95 % confidence (asv: 99 %), missing
          where the source gives none;
        - commit: the hash, missing outside a repository, ordered by history; dirty: files that git
          tracks had been changed; measured: when that was; date: of the commit, or if neither git
          nor the source knows it, of the measurement; date_of: commit or measurement, accordingly;
        - proven: it was equal to the reference; missing where the source does not tell.
    unreadable
        One sentence for each line, benchmark or file that was skipped.
    subjects
        Of the commits that git knows: the first line of what their author wrote.
    """

    table: Table
    unreadable: list[str]
    subjects: dict[str, str]

    def only(
        self,
        paths: Sequence[str] = (),
        machine: str | None = None,
        device: str | None = None,
        elsewhere: Sequence[str] = (),
    ) -> History:
        """What is about some of the paths, a host and a device; None and no names mean all.

        `elsewhere`: names among the paths that are known, though nothing here is about them.

        Raises
        ------
        MlpperfError
            For a name that does not occur, with the nearest ones.
        """
        table = self.table
        hosts = [run.machine.partition(": ")[0] for run in table.runs]
        devices = [run.device for run in table.runs]
        measured = [series.path for series in table.series]
        kept = np.ones(len(table), dtype=bool)
        for kind, names, known, row in (
            ("path", paths, measured, table.of),
            ("machine", [] if machine is None else [machine], hosts, table.run),
            ("device", [] if device is None else [device], devices, table.run),
        ):
            # A file may hold names that would tell a terminal to do something.
            printable = [n for n in sorted(set(known)) if n in names or (n and n.isprintable())]
            check(kind, names, [*printable, *(elsewhere if kind == "path" else ())])
            if names:
                kept &= np.array([name in names for name in known])[row]
        return replace(self, table=table.where(kept))


def history(
    records: Path | None = None,
    asv: Path | None = None,
    pytest_benchmark: Path | None = None,
    repository: Path | None = None,
    seen: Callable[[Record[Result]], object] = lambda race: None,
) -> History:
    """Read the history from all sources that are given.

    Parameters
    ----------
    records : folder with `races.jsonl`.
    asv : asv's folder of results.
    pytest_benchmark : one of its JSON files, or a folder with such files at any depth.
    repository : a folder whose git knows the commits; by default the current one.
    seen : gets every race, as whole as it was recorded.

    Raises
    ------
    MlpperfError
        If something that is given is not there, or there is nothing that can be read.
    """
    found = whatever_can_be_read(records, asv, pytest_benchmark, repository, seen)
    if not len(found.table) and found.unreadable:
        raise MlpperfError(
            f"Nothing of the history can be read ({len(found.unreadable)} damaged), such as "
            f"{found.unreadable[0]}."
        )
    if not len(found.table):
        raise MlpperfError(
            "There is no history yet; `mlpperf race`, `asv run` or "
            "`pytest --benchmark-only --benchmark-autosave` makes some."
        )
    return found


def whatever_can_be_read(
    records: Path | None = None,
    asv: Path | None = None,
    pytest_benchmark: Path | None = None,
    repository: Path | None = None,
    seen: Callable[[Record[Result]], object] = lambda race: None,
) -> History:
    """The same, for who has other things to show: there may be nothing in it.

    Raises
    ------
    MlpperfError
        If something that is given is not there.
    """
    unreadable: list[str] = []
    known: dict[str, tuple[int, str]] = {}

    def dates(commits: Collection[str]) -> dict[str, int]:
        known.update(_commits(commits, repository))
        return {commit: date for commit, (date, _) in known.items()}

    table = tabulated(_rows(records, asv, pytest_benchmark, unreadable, seen), dates)
    return History(table, unreadable, {commit: about for commit, (_, about) in known.items()})


# --- from rows to a table ------------------------------------------------------------------------


def tabulated(
    rows: Iterable[Row], dates: Callable[[Collection[str]], dict[str, int]] = lambda commits: {}
) -> Table:
    """`rows` in columns.

    `dates` tells of some commits those that git knows: when they were made, in seconds since 1970,
    parents first.
    """
    runs: dict[Run, int] = {}
    series: dict[Series, int] = {}
    run_of, series_of, proven = array("i"), array("i"), array("b")
    value, low, high = array("d"), array("d"), array("d")
    for row in rows:
        run_of.append(runs.setdefault(row.run, len(runs)))
        series_of.append(series.setdefault(row.series, len(series)))
        value.append(row.value)
        low.append(row.low)
        high.append(row.high)
        proven.append(-1 if row.proven is None else row.proven)
    known = dates({run.commit for run in runs if run.commit is not None})
    told = [known.get(run.commit or "", run.committed) for run in runs]
    date = [run.measured if when is None else when for run, when in zip(runs, told, strict=True)]
    return Table(
        runs=tuple(runs),
        series=tuple(series),
        commits=_in_order(zip((run.commit for run in runs), date, strict=True), known),
        dates=np.array(date, dtype=np.int64),
        dated=np.array([when is not None for when in told], dtype=bool),
        run=np.array(run_of, dtype=np.intc),
        of=np.array(series_of, dtype=np.intc),
        value=np.array(value),
        low=np.array(low),
        high=np.array(high),
        proven=np.array(proven, dtype=np.int8),
    )


def _in_order(found: Iterable[tuple[str | None, int]], known: dict[str, int]) -> tuple[str, ...]:
    """The commits of `found`, which come with dates, in the order of history.

    `known` are those that git knows, in git's order. A commit may be dated earlier than its parent,
    by a clock that was wrong; it comes after it all the same. The others are put where their first
    date belongs.
    """
    places: dict[str, tuple[int, int]] = {}
    latest = 0
    for place, (commit, when) in enumerate(known.items()):
        latest = max(latest, when)
        places[commit] = (latest, place)
    for of, when in sorted(found, key=lambda item: item[1]):
        if of is not None:
            places.setdefault(of, (when, len(known)))
    return tuple(sorted(places, key=lambda commit: (*places[commit], commit)))


def time(seconds: int) -> datetime:
    """The moment that is so many `seconds` after 1970 began."""
    return datetime.fromtimestamp(seconds, UTC)


def _commits(wanted: Collection[str], repository: Path | None) -> dict[str, tuple[int, str]]:
    """Date in seconds since 1970 and subject of the commits that git knows, parents first.

    Only what is a whole hash is handed to git, and through its standard input.
    """
    hashes = [name for name in wanted if re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", name)]
    if not hashes:
        return {}
    command = ["rev-list", "--date-order", "--reverse", "--ignore-missing", "--stdin"]
    told = git.query(*command, *COMMITS, folder=repository, stdin="\n".join(hashes))
    lines = (line.split("\0") for line in (told or "").split("\n"))  # a subject may hold others
    found = {line[0]: (writable(line[1]), line[2]) for line in lines if len(line) == 3}
    return {commit: about for commit, about in found.items() if commit in wanted}


# --- from files to rows --------------------------------------------------------------------------


def _rows(
    records: Path | None,
    asv: Path | None,
    pytest_benchmark: Path | None,
    unreadable: list[str],
    seen: Callable[[Record[Result]], object],
) -> Iterator[Row]:
    """The rows of all sources; what cannot be read is appended to `unreadable`."""
    if records is not None:
        _there([*records.glob("races.jsonl")], "races", records, "`mlpperf race`")
        yield from _races(records, unreadable, seen)
    if asv is not None:
        files = [file for file in asv.glob("*/*.json") if file.name != "machine.json"]
        about = asv_benchmarks(asv, unreadable) if files else {}
        for file in _there(files, "results of asv", asv, "`asv run`"):
            yield from _each(file, lambda content: rows_of_asv(content, about), unreadable)
    if pytest_benchmark is not None:
        files = [pytest_benchmark] if pytest_benchmark.is_file() else []
        files += pytest_benchmark.rglob("*.json")
        what, command = "results of pytest-benchmark", "`pytest --benchmark-autosave`"
        for file in _there(files, what, pytest_benchmark, command):
            yield from _each(file, rows_of_pytest_benchmark, unreadable)


def _there(files: Sequence[Path], what: str, where: Path, command: str) -> list[Path]:
    if not files:
        raise MlpperfError(f"There are no {what} in {where}; {command} makes some.")
    return sorted(files)


def _races(
    folder: Path, unreadable: list[str], seen: Callable[[Record[Result]], object]
) -> Iterator[Row]:
    for race in read_records(folder, RACES):
        if isinstance(race, str):
            unreadable.append(race)
        else:
            seen(race)
            yield from rows_of_race(race)


def _each(
    file: Path, rows_of: Callable[[Any], Iterator[Row | str]], unreadable: list[str]
) -> Iterator[Row]:
    """The rows of one JSON file; each sentence among them says what of it could not be read."""
    try:
        for row in rows_of(json_in(file)):
            if isinstance(row, str):
                unreadable.append(f"{file}: {row}")
            else:
                yield row
    except OSError as reason:
        unreadable.append(f"{file}: {reason.strerror or reason}")
    except (ValueError, RecursionError):
        unreadable.append(f"{file}: damaged, or not a file of results")
