"""What asv has measured: its files of results, which are plain JSON.

They are read as such, so that asv need not be installed where its results are looked at.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import islice, product
from pathlib import Path
from typing import Any

import msgspec

from ...devices import THREAD_VARIABLES
from .fields import MOST, Count, Name, json_in, shaped, whole
from .rows import Row, Run, Series, machine_name, software_name

# The benchmarks of our suite for asv, and what they measure.
ASV_QUANTITIES = {
    "time_call": "seconds",
    "track_relative_time": "ratio",
    "track_allocated": "bytes",
    "peakmem_call": "peak bytes",
}


class _Format(msgspec.Struct):
    version: Any


class _Machine(msgspec.Struct):
    machine: Name
    cpu: str
    num_cpu: int | str  # asv writes what its configuration says, often as text


class _Results(msgspec.Struct):
    """A file of asv: one commit, on one machine, in one environment."""

    params: _Machine
    env_vars: dict[str, str]
    requirements: dict[str, str | None]
    python: str
    commit_hash: Name
    date: float  # milliseconds since 1970
    result_columns: list[str]
    results: dict[str, Any]


class _Benchmark(msgspec.Struct):
    """What a file says of one benchmark, as far as it is read."""

    params: list[list[str]]
    result: list[float | None] | None
    stats_ci_99_a: list[float | None] | None = None
    stats_ci_99_b: list[float | None] | None = None
    version: str | None = None
    started_at: float | None = None


class _About(msgspec.Struct):
    """What asv's list of benchmarks says of one, as far as it is read."""

    unit: str | None = None


def rows_of_asv(content: Any, about: dict[str, str]) -> Iterator[Row | str]:
    """The rows of one of asv's files; `about`: the units of its benchmarks, by their names."""
    version = shaped(content, _Format).version
    if version != 2:
        yield f"results of asv in format {version!r:.20}, not 2"
        return
    file = shaped(content, _Results)
    pinned = [f"{name} {pin}" for name, pin in file.requirements.items() if pin]
    device, threads = _asv_setting(file.env_vars)
    made = whole(file.date / 1000)
    run = Run(
        source="asv",
        machine=machine_name(
            file.params.machine, file.params.cpu, shaped(int(file.params.num_cpu), Count)
        ),
        device=device,
        threads=threads,
        software=software_name(file.python, "", *pinned),
        commit=file.commit_hash,
        dirty=False,
        committed=made,
        measured=made,
    )
    for name, cells in file.results.items():
        try:
            # Cells that are null at the end lack.
            pairs = zip(file.result_columns, shaped(cells, list[Any]), strict=False)
            found = shaped(dict(pairs), _Benchmark)
            at = run
            if found.started_at is not None:
                at = run._replace(measured=whole(found.started_at / 1000))
            rows = list(_asv_rows(name, found, at, about.get(name) or "unit"))
        except ValueError:
            yield f"the results of {name!r:.80} are damaged"
        else:
            yield from rows


def _asv_rows(name: str, found: _Benchmark, run: Run, unit: str) -> Iterator[Row]:
    """One benchmark of asv, for all its parameters; what failed or was skipped is left out."""
    if not name:
        raise ValueError("it has no name")
    values = found.result
    if values is None:
        return
    combinations = list(islice(product(*found.params), len(values) + 1))
    nothing = [None] * len(values)
    lows, highs = found.stats_ci_99_a or nothing, found.stats_ci_99_b or nothing
    for given, *numbers in zip(combinations, values, lows, highs, strict=True):
        # asv writes NaN for what it skipped, and for a bound that it does not know.
        value, low, high = (_finite(number) for number in numbers)
        if not math.isnan(value):
            series = _asv_series(name, found.version or "", given, unit)
            proven = True if series.variant else None  # ours proves what it times
            yield Row(run, series, value, low, high, proven)


def _finite(number: float | None) -> float:
    if number is None or (number and not 1 / MOST <= abs(number) <= MOST):
        return math.nan
    return number


def _asv_series(name: str, version: str, given: Sequence[str], unit: str) -> Series:
    """In our terms if it is one of our benchmarks, else under asv's own name."""
    module, _, rest = name.partition(".")
    path, _, function = rest.partition(".")
    if module == "paths" and function in ASV_QUANTITIES and len(given) == 2:
        variant, case = (text.strip("'") for text in given)  # as `repr` gives them
        return Series(path, version, variant, case, ASV_QUANTITIES[function])
    return Series(name, version, "", ", ".join(given), unit)


def _asv_setting(environment: dict[str, str]) -> tuple[str, int | None]:
    """Device and threads that the environment variables of a file of asv ask for."""
    counts = (environment[name] for name in THREAD_VARIABLES if environment.get(name))
    threads = next(counts, None)
    visible = environment.get("CUDA_VISIBLE_DEVICES", "")
    device = "cpu" if visible == "-1" else f"gpu:{visible}" if visible else ""
    return device, None if threads is None else shaped(int(threads), Count)


def asv_benchmarks(folder: Path, unreadable: list[str]) -> dict[str, str]:
    """The unit of each of asv's benchmarks, as far as that can be read."""
    file, units = folder / "benchmarks.json", {}
    try:
        for name, item in shaped(json_in(file), dict[str, Any]).items():
            if isinstance(item, dict):  # the format's number stands there, too
                units[name] = shaped(item, _About).unit or ""
    except (OSError, ValueError, RecursionError):
        unreadable.append(f"{file}: damaged or missing, so the units of asv's results are unknown")
    return units
