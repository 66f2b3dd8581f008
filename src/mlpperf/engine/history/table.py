"""Everything that was measured so far, from three sources, as one table with a row per number.

- *race*: the JSON lines that `mlpperf race` appends;
- *asv*: the files in asv's results folder, which are plain JSON and read as such, so that asv need
  not be installed where its results are looked at;
- *pytest-benchmark*: the files of `--benchmark-save`, `--benchmark-autosave`, `--benchmark-json`.

They time in different ways, so their numbers stay apart: the source is part of what names a curve.
Whatever cannot be read is told in a sentence and skipped, and never makes the rest unreadable.
"""

from __future__ import annotations

import json
import math
import re
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...devices import THREAD_VARIABLES
from ...errors import MlpperfError, check
from .. import git
from .records import scan

SOURCES = ["race", "asv", "pytest-benchmark"]
# The columns of the table, as other tools get them.
COLUMNS = (
    *("source", "machine", "device", "threads", "software", "commit", "dirty", "measured"),
    *("path", "version", "variant", "case", "quantity"),
    *("value", "low", "high", "proven", "date", "date_of"),
)
# The benchmarks of our suite for asv, and what they measure.
ASV_QUANTITIES = {
    "time_call": "seconds",
    "track_relative_time": "ratio",
    "track_allocated": "bytes",
    "peakmem_call": "peak bytes",
}
LATEST = datetime(9999, 12, 31, tzinfo=UTC).timestamp()
# What a file that is no such file, or was written by a hand, makes its reader raise.
DAMAGE = (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError)


class Run(NamedTuple):
    """Where, when and of what version of the code something was measured."""

    source: str
    machine: str
    device: str
    threads: int | None
    software: str
    commit: str | None
    dirty: bool
    committed: int | None  # seconds since 1970, if the source knows when the commit was made
    measured: int  # seconds since 1970


class Series(NamedTuple):
    """What was measured."""

    path: str
    version: str
    variant: str
    case: str
    quantity: str


class Row(NamedTuple):
    """One number."""

    run: Run
    series: Series
    value: float
    low: float = math.nan
    high: float = math.nan
    proven: bool | None = None


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
        self, paths: Sequence[str] = (), machine: str | None = None, device: str | None = None
    ) -> History:
        """What is about some of the paths, a host and a device; None and no names mean all.

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
            check(kind, names, printable)
            if names:
                kept &= np.array([name in names for name in known])[row]
        return replace(self, table=table.where(kept))


def history(
    records: Path | None = None,
    asv: Path | None = None,
    pytest_benchmark: Path | None = None,
    repository: Path | None = None,
    seen: Callable[[dict[str, Any]], object] = lambda race: None,
) -> History:
    """Read the history from all sources that are given.

    Parameters
    ----------
    records : folder with `races.jsonl`.
    asv : asv's folder of results.
    pytest_benchmark : one of its JSON files, or a folder with such files at any depth.
    repository : a folder whose git knows the commits; by default the current one.
    seen : gets the whole record of every race; what it raises makes that one unreadable.

    Raises
    ------
    MlpperfError
        If something that is given is not there, or there is nothing that can be read.
    """
    unreadable: list[str] = []
    known: dict[str, tuple[int, str]] = {}

    def dates(commits: Collection[str]) -> dict[str, int]:
        known.update(_commits(commits, repository))
        return {commit: date for commit, (date, _) in known.items()}

    table = tabulated(_rows(records, asv, pytest_benchmark, unreadable, seen), dates)
    if not len(table) and unreadable:
        raise MlpperfError(
            f"Nothing of the history can be read ({len(unreadable)} damaged), such as "
            f"{unreadable[0]}."
        )
    if not len(table):
        raise MlpperfError(
            "There is no history yet; `mlpperf race`, `asv run` or "
            "`pytest --benchmark-only --benchmark-autosave` makes some."
        )
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
    told = git.told(
        *command, "--format=%H%x00%ct%x00%s", folder=repository, stdin="\n".join(hashes)
    )
    lines = (line.split("\0") for line in (told or "").split("\n"))  # a subject may hold others
    found = {line[0]: (int(line[1]), line[2]) for line in lines if len(line) == 3}
    return {commit: about for commit, about in found.items() if commit in wanted}


# --- from files to rows --------------------------------------------------------------------------


def _rows(
    records: Path | None,
    asv: Path | None,
    pytest_benchmark: Path | None,
    unreadable: list[str],
    seen: Callable[[dict[str, Any]], object],
) -> Iterator[Row]:
    """The rows of all sources; what cannot be read is appended to `unreadable`."""
    if records is not None:
        for file in _there([*records.glob("races.jsonl")], "races", records, "`mlpperf race`"):
            yield from _races(file, unreadable, seen)
    if asv is not None:
        files = [file for file in asv.glob("*/*.json") if file.name != "machine.json"]
        about = _benchmarks(asv, unreadable) if files else {}
        for file in _there(files, "results of asv", asv, "`asv run`"):
            yield from _each(file, lambda content: _asv(content, about), unreadable)
    if pytest_benchmark is not None:
        files = [pytest_benchmark] if pytest_benchmark.is_file() else []
        files += pytest_benchmark.rglob("*.json")
        what, command = "results of pytest-benchmark", "`pytest --benchmark-autosave`"
        for file in _there(files, what, pytest_benchmark, command):
            yield from _each(file, _pytest_benchmark, unreadable)


def _there(files: Sequence[Path], what: str, where: Path, command: str) -> list[Path]:
    if not files:
        raise MlpperfError(f"There are no {what} in {where}; {command} makes some.")
    return sorted(files)


def _races(
    file: Path, unreadable: list[str], seen: Callable[[dict[str, Any]], object]
) -> Iterator[Row]:
    try:
        for where, record in scan(file):
            try:
                rows = None
                if not isinstance(record, str):
                    rows = _race(record)
                    seen(record)
            except DAMAGE:
                rows = None
            if rows is None:
                unreadable.append(f"{where}: {record if isinstance(record, str) else 'not a race'}")
            else:
                yield from rows
    except OSError as reason:
        unreadable.append(f"{file}: {reason.strerror or reason}")


def _each(
    file: Path, rows_of: Callable[[Any], Iterator[Row | str]], unreadable: list[str]
) -> Iterator[Row]:
    """The rows of one JSON file; each sentence among them says what of it could not be read."""
    try:
        for row in rows_of(_json(file)):
            if isinstance(row, str):
                unreadable.append(f"{file}: {row}")
            else:
                yield row
    except OSError as reason:
        unreadable.append(f"{file}: {reason.strerror or reason}")
    except (*DAMAGE, RecursionError):
        unreadable.append(f"{file}: damaged, or not a file of results")


def _json(file: Path) -> Any:
    return json.loads(file.read_bytes())


def _race(record: dict[str, Any]) -> list[Row]:
    """The seconds of a race and its ratio."""
    if record["kind"] != "race":
        raise ValueError
    machine, commit = record["machine"], record["commit"]
    backend, packages = _text(record["backend"]), record["versions"]
    own = packages.get(backend) or packages.get(f"{backend}-cpu")
    others = [f"{backend} {_minor(_text(own))}"] if own and backend != "numpy" else []
    run = Run(
        source="race",
        machine=_machine(machine["host"], machine["processor"], machine["cores"]),
        device=_text(record["device"]),
        threads=_count(record["threads"]),
        software=_software(machine["python"], machine["numpy"], *others),
        commit=None if commit["hash"] is None else _text(commit["hash"]),
        dirty=_flag(commit["dirty"]),
        committed=None,
        measured=_seconds(record["time"]),
    )
    seconds = Series(
        path=_text(record["path"]),
        version=str(_count(record["version"])),
        variant=_text(record["variant"]),
        case=_text(record["case"]),
        quantity="seconds",
    )
    right, speedup = not _text(record["wrong"]), record["speedup"]
    ratio, low, high = (_inverse(speedup[bound]) for bound in ("median", "high", "low"))
    return [
        Row(run, seconds, _number(record["seconds"]), proven=right),
        Row(run, seconds._replace(quantity="ratio"), ratio, low, high, right),
    ]


def _asv(content: Any, about: dict[str, Any]) -> Iterator[Row | str]:
    """The rows of one of asv's files: one commit, on one machine, in one environment."""
    if content["version"] != 2:
        yield f"results of asv in format {content['version']!r:.20}, not 2"
        return
    params, environment = content["params"], content["env_vars"]
    pinned = [_text(f"{name} {pin}") for name, pin in content["requirements"].items() if pin]
    device, threads = _asv_setting(environment)
    run = Run(
        source="asv",
        machine=_machine(params["machine"], params["cpu"], params["num_cpu"]),
        device=device,
        threads=threads,
        software=_software(content["python"], "", *pinned),
        commit=_text(content["commit_hash"]),
        dirty=False,
        committed=_seconds(content["date"]),
        measured=_seconds(content["date"]),
    )
    columns = content["result_columns"]
    for name, cells in content["results"].items():
        try:
            found = dict(zip(columns, cells, strict=False))  # cells that are null at the end lack
            started = found.get("started_at")
            at = run if started is None else run._replace(measured=_seconds(started))
            rows = list(_asv_rows(_text(name), found, at, about.get(name, {})))
        except DAMAGE:
            yield f"the results of {name!r:.80} are damaged"
        else:
            yield from rows


def _asv_rows(name: str, found: dict[str, Any], run: Run, about: dict[str, Any]) -> Iterator[Row]:
    """One benchmark of asv, for all its parameters; what failed or was skipped is left out."""
    values = found["result"]
    if values is None:
        return
    combinations = list(product(*found["params"]))
    nothing = [None] * len(values)
    lows = found.get("stats_ci_99_a") or nothing
    highs = found.get("stats_ci_99_b") or nothing
    version = _text(found.get("version") or "")
    unit = _text(about.get("unit") or "unit")
    for given, value, low, high in zip(combinations, values, lows, highs, strict=True):
        number = _number(value)
        if not math.isnan(number):
            series = _asv_series(name, version, [_text(text) for text in given], unit)
            proven = True if series.variant else None  # ours proves what it times
            yield Row(run, series, number, _number(low), _number(high), proven)


def _asv_series(name: str, version: str, given: Sequence[str], unit: str) -> Series:
    """In our terms if it is one of our benchmarks, else under asv's own name."""
    module, _, rest = name.partition(".")
    path, _, function = rest.partition(".")
    if module == "paths" and function in ASV_QUANTITIES and len(given) == 2:
        variant, case = (text.strip("'") for text in given)  # as `repr` gives them
        return Series(path, version, variant, case, ASV_QUANTITIES[function])
    return Series(name, version, "", ", ".join(given), unit)


def _asv_setting(environment: dict[str, Any]) -> tuple[str, int | None]:
    """Device and threads that the environment variables of a file of asv ask for."""
    counts = (environment[name] for name in THREAD_VARIABLES if environment.get(name))
    threads = next(counts, None)
    visible = _text(environment.get("CUDA_VISIBLE_DEVICES") or "")
    device = "cpu" if visible == "-1" else f"gpu:{visible}" if visible else ""
    return device, None if threads is None else _count(int(threads))


def _benchmarks(folder: Path, unreadable: list[str]) -> dict[str, Any]:
    """What asv knows about its benchmarks; nothing if that cannot be read."""
    file = folder / "benchmarks.json"
    try:
        found = _json(file)
        return {name: item for name, item in found.items() if isinstance(item, dict)}
    except (OSError, ValueError, AttributeError, RecursionError):
        unreadable.append(f"{file}: damaged or missing, so the units of asv's results are unknown")
        return {}


def _pytest_benchmark(content: Any) -> Iterator[Row | str]:
    """The rows of one file of pytest-benchmark, of our suite and of any other."""
    machine, commit = content["machine_info"], content["commit_info"]
    ours = machine.get("mlpperf", {})
    hash_, committed = commit["id"], commit.get("time")
    run = Run(
        source="pytest-benchmark",
        machine=_machine(
            ours.get("host", machine["node"]),
            ours.get("processor", machine["cpu"].get("brand_raw", "")),
            ours.get("cores", machine["cpu"].get("count", 1)),
        ),
        device=_text(ours.get("device", "")),
        threads=_count(ours["threads"]) if "threads" in ours else None,
        software=_software(machine["python_version"], ours.get("numpy", "")),
        commit=None if hash_ in (None, "unversioned", "unknown") else _text(hash_),
        dirty=_flag(commit["dirty"]),
        committed=None if committed is None else _seconds(committed),
        measured=_seconds(content["datetime"]),
    )
    for number, benchmark in enumerate(content["benchmarks"], 1):
        try:
            rows = list(_benchmark(benchmark, run))
        except DAMAGE:
            yield f"benchmark {number} is damaged"
        else:
            yield from rows


def _benchmark(benchmark: dict[str, Any], run: Run) -> Iterator[Row]:
    """One benchmark of pytest-benchmark: its median, and the ratio that our suite adds."""
    info, stats = benchmark["extra_info"], benchmark["stats"]
    if {"path", "variant", "case"} <= info.keys():
        path, variant, case = (_text(info[name]) for name in ("path", "variant", "case"))
        version, proven = str(_count(info["path_version"])), True  # or it would not be timed
    else:
        parameter = _text(benchmark.get("param") or "")
        path = _text(benchmark["fullname"]).removesuffix(f"[{parameter}]")
        variant, case, version, proven = "", parameter, "", None
    median = _number(stats["median"])
    # The notches of a box plot (McGill, Tukey and Larsen 1978): 95 % for the median.
    notch = 1.57 * _number(stats["iqr"]) / math.sqrt(stats["rounds"])
    seconds = Series(path, version, variant, case, "seconds")
    yield Row(run, seconds, median, max(0.0, median - notch), median + notch, proven)
    if proven and info.get("speedup") is not None:
        ratio, low, high = (_inverse(x) for x in (info["speedup"], *info["speedup_interval"][::-1]))
        yield Row(run, seconds._replace(quantity="ratio"), ratio, low, high, proven)


# --- from what stands in a file to what it must be -----------------------------------------------


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    # Half of a surrogate pair can stand in JSON, but in no output.
    return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode()


def _number(value: Any) -> float:
    """NaN for what is null or infinite."""
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError
    return float(value) if math.isfinite(value) else math.nan


def _inverse(value: Any) -> float:
    number = _number(value)
    return 1 / number if number > 0 else math.nan


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 31:
        raise ValueError
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _seconds(time: Any) -> int:
    """Seconds since 1970 of an ISO date, in UTC if it names no zone, or of asv's milliseconds."""
    if isinstance(time, str):
        date = datetime.fromisoformat(time)
        seconds = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    else:
        seconds = _number(time) / 1000
    if not 0 <= seconds < LATEST:
        raise ValueError
    return int(seconds)


def _machine(host: Any, processor: Any, count: Any) -> str:
    return f"{_text(host)}: {_text(processor)}, {int(count)} processors"


def _software(python: Any, numpy: Any = "", *others: str) -> str:
    named = {"Python": _minor(_text(python)), "NumPy": _minor(_text(numpy))}
    return ", ".join(
        [*(f"{name} {version}" for name, version in named.items() if version), *others]
    )


@lru_cache(maxsize=1024)
def _minor(version: str) -> str:
    """`version` without what seldom changes a speed: 2.4 of 2.4.6; nothing if it is none."""
    found = re.match(r"\d+(\.\d+)?", version)
    return found[0] if found else ""
