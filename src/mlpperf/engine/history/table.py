"""Everything that was measured so far, from three sources, as one table with a row per number.

- *race*: the records of `mlpperf race`;
- *asv*: the files in asv's results folder;
- *pytest-benchmark*: the files of `--benchmark-save`, `--benchmark-autosave`, `--benchmark-json`.

They time in different ways, so their numbers stay apart: the source is part of what names a curve.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import MlpperfError, check
from .. import git
from .fields import json_in, writable
from .from_asv import benchmarks_of_asv, rows_of_asv
from .from_pytest_benchmark import rows_of_pytest_benchmark
from .races import RaceRecord, rows_of_race
from .reading import readable
from .rows import Metric, Row, Run

# Options for git's log: hash, seconds since 1970 and subject, whatever the user has configured.
COMMITS = ("--encoding=UTF-8", "--format=%H%x00%ct%x00%s")
SOURCES = ["race", "asv", "pytest-benchmark"]
# What a row has for itself.
NUMBERS = np.dtype("i4, i4, f8, f8, f8, i1")
NUMBERS.names = ("run", "of", "value", "low", "high", "proven")
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
    runs, metrics : what the rows refer to.
    commits : the hashes of all commits, in the order of history.
    dates : date of each run in seconds since 1970: of its commit, or if neither git nor the source
        knows that, of the measurement.
    dated : whether the date of each run is that of the commit.
    run, of : indices of the run and of the metric of each row.
    value, low, high : of each row; low and high are NaN where there is no interval.
    proven : 1 if the row was equal to the reference, 0 if not, −1 if that is unknown.
    """

    runs: tuple[Run, ...]
    metrics: tuple[Metric, ...]
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
        """The rows for which `kept` is true."""
        return replace(self, **{name: getattr(self, name)[kept] for name in NUMBERS.names or ()})

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
                **self.metrics[self.of[i]]._asdict(),
                **{name: None if math.isnan(x) else x for name, x in numbers.items()},
                "proven": None if proven < 0 else bool(proven),
                "date_of": "commit" if self.dated[run] else "measurement",
            }
            yield {name: row[name] for name in COLUMNS}

    def sources(self) -> dict[str, int]:
        """The number of rows of each source that has any."""
        number = np.array([SOURCES.index(run.source) for run in self.runs], dtype=np.intp)
        counts = np.bincount(number[self.run], minlength=len(SOURCES))
        return {name: int(n) for name, n in zip(SOURCES, counts, strict=True) if n}


@dataclass(frozen=True)
class History:
    """What was measured, and what of it could not be read.

    Attributes
    ----------
    table : one row per number, with the columns

        - source: race, asv or pytest-benchmark; machine: host, processor and its count; device: cpu
          or gpu:N, empty if the source does not record it; threads: missing there; software: minor
          versions of Python and NumPy, as far as the source has them, and of other pinned packages;
        - path, version (of the path), variant, case; quantity: seconds, ratio (variant ÷ reference,
          so 1 ÷ `speedup`), bytes (that a call allocates), peak bytes (of the process), or another
          unit that asv names. Lower is better, whatever it is;
        - value; low and high: its interval with 95 % confidence (asv: 99 %), missing if the source
          has none;
        - commit: the hash, missing outside a repository; dirty: files that git tracks had been
          changed; measured: when that was; date: of the commit, or if neither git nor the source
          knows it, of the measurement; date_of: commit or measurement, accordingly;
        - proven: it was equal to the reference; missing if the source does not record it.
    unreadable : one sentence for each line, benchmark or file that was skipped.
    subjects : of the commits that git knows, the first line of the message.
    """

    table: Table
    unreadable: list[str]
    subjects: dict[str, str]

    def refuse_empty(self) -> None:
        """Raise `MlpperfError` if there is nothing, or nothing that can be read."""
        if not len(self.table):
            raise MlpperfError(
                f"Nothing of the history can be read ({len(self.unreadable)} damaged), such as "
                f"{self.unreadable[0]}."
                if self.unreadable
                else "There is no history yet: `mlpperf compare BASE HEAD` and `mlpperf backfill` "
                "record it; results of asv and pytest-benchmark are read, too."
            )

    def only(
        self,
        paths: Sequence[str] = (),
        machine: str | None = None,
        device: str | None = None,
        elsewhere: Sequence[str] = (),
    ) -> History:
        """The rows of these paths, this host and this device; None and no names mean all.

        `elsewhere`: further paths that are known, though no row is about them. Raises
        `MlpperfError` for a name that does not occur, with the nearest ones.
        """
        table = self.table
        hosts = [run.machine.partition(": ")[0] for run in table.runs]
        devices = [run.device for run in table.runs]
        measured = [metric.path for metric in table.metrics]
        kept = np.ones(len(table), dtype=bool)
        for kind, names, known, row in (
            ("path", paths, measured, table.of),
            ("machine", [] if machine is None else [machine], hosts, table.run),
            ("device", [] if device is None else [device], devices, table.run),
        ):
            # A file may hold names that are commands to a terminal.
            printable = [n for n in sorted(set(known)) if n in names or (n and n.isprintable())]
            check(kind, names, [*printable, *(elsewhere if kind == "path" else ())])
            if names:
                kept &= np.array([name in names for name in known])[row]
        return replace(self, table=table.where(kept))


def history(
    records: Path | None = None,
    asv: Path | None = None,
    pytest_benchmark: Path | None = None,
    seen: Callable[[RaceRecord], object] = lambda race: None,
) -> History:
    """Read the history from all sources that are given; its table may be empty.

    Raises `MlpperfError` if a source that is given is not there.

    Parameters
    ----------
    records : folder with `races.jsonl`.
    asv : asv's folder of results.
    pytest_benchmark : one of its JSON files, or a folder with such files at any depth.
    seen : is called with every race.
    """
    unreadable: list[str] = []
    commits: dict[str, tuple[int, str]] = {}

    def dates(hashes: Collection[str]) -> dict[str, int]:
        commits.update(_commits(hashes))
        return {commit: date for commit, (date, _) in commits.items()}

    table = tabulated(_rows(records, asv, pytest_benchmark, unreadable, seen), dates)
    return History(table, unreadable, {commit: subject for commit, (_, subject) in commits.items()})


# --- from rows to a table ------------------------------------------------------------------------


def tabulated(
    rows: Iterable[Row], dates: Callable[[Collection[str]], dict[str, int]] = lambda commits: {}
) -> Table:
    """`rows` in columns.

    `dates` gives, of some commits, those that git knows with the seconds since 1970 when they were
    made, parents first.
    """
    runs: dict[Run, int] = {}
    metrics: dict[Metric, int] = {}
    numbers = np.fromiter(
        (
            (
                runs.setdefault(row.run, len(runs)),
                metrics.setdefault(row.metric, len(metrics)),
                *(row.value, row.low, row.high),
                -1 if row.proven is None else row.proven,
            )
            for row in rows
        ),
        NUMBERS,
    )
    known = dates({run.commit for run in runs if run.commit is not None})
    made = [known.get(run.commit or "", run.committed) for run in runs]
    date = [run.measured if when is None else when for run, when in zip(runs, made, strict=True)]
    return Table(
        runs=tuple(runs),
        metrics=tuple(metrics),
        commits=_in_order(zip((run.commit for run in runs), date, strict=True), known),
        dates=np.array(date, dtype=np.int64),
        dated=np.array([when is not None for when in made], dtype=bool),
        **{name: numbers[name] for name in NUMBERS.names or ()},
    )


def _in_order(dated: Iterable[tuple[str | None, int]], known: Mapping[str, int]) -> tuple[str, ...]:
    """The commits of `dated`, which come with dates, in the order of history.

    `known` are those that git knows, in git's order. A commit may be dated earlier than its parent,
    by a clock that was wrong; it comes after it all the same. The others are put where their first
    date belongs.
    """
    places: dict[str, tuple[int, int]] = {}
    latest = 0
    for place, (commit, when) in enumerate(known.items()):
        latest = max(latest, when)
        places[commit] = (latest, place)
    for name, when in sorted(dated, key=lambda item: item[1]):
        if name is not None:
            places.setdefault(name, (when, len(known)))
    return tuple(sorted(places, key=lambda commit: (*places[commit], commit)))


def time(seconds: int) -> datetime:
    """The moment `seconds` after the beginning of 1970."""
    return datetime.fromtimestamp(seconds, UTC)


def _commits(wanted: Collection[str]) -> dict[str, tuple[int, str]]:
    """Date in seconds since 1970 and subject of the commits that git knows here, parents first.

    Only whole hashes are handed to git, and through its standard input.
    """
    hashes = [name for name in wanted if re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", name)]
    if not hashes:
        return {}
    command = ["rev-list", "--date-order", "--reverse", "--ignore-missing", "--stdin"]
    output = git.query(*command, *COMMITS, stdin="\n".join(hashes))
    lines = (line.split("\0") for line in (output or "").split("\n"))  # other lines lack a NUL
    return {
        line[0]: (writable(line[1]), line[2])
        for line in lines
        if len(line) == 3 and line[0] in wanted
    }


# --- from files to rows --------------------------------------------------------------------------


def _rows(
    records: Path | None,
    asv: Path | None,
    pytest_benchmark: Path | None,
    unreadable: list[str],
    seen: Callable[[RaceRecord], object],
) -> Iterator[Row]:
    """The rows of all sources; a sentence for what cannot be read is appended to `unreadable`."""
    if records is not None:
        _there([*records.glob("races.jsonl")], "races", records, "`mlpperf race`")
        for race in readable(records, RaceRecord, unreadable):
            seen(race)
            yield from rows_of_race(race)
    if asv is not None:
        files = [file for file in asv.glob("*/*.json") if file.name != "machine.json"]
        benchmarks = benchmarks_of_asv(asv, unreadable) if files else {}
        for file in _there(files, "results of asv", asv, "`asv run`"):
            yield from _each(file, lambda content: rows_of_asv(content, benchmarks), unreadable)
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


def _each(
    file: Path, rows_of: Callable[[Any], Iterator[Row | str]], unreadable: list[str]
) -> Iterator[Row]:
    """The rows of one JSON file of another tool."""
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
