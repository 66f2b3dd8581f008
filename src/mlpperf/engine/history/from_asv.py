"""What asv has measured: its files of results, read as the JSON that they are, without asv."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, product
from pathlib import Path
from typing import Any

import msgspec

from ...devices import THREAD_VARIABLES
from .fields import MOST, Count, Name, json_in, whole
from .rows import Metric, Row, Run, machine_name, software_name

# A benchmark with these parameters times the hot path that its class is named after, and proves it
# first. Whoever writes such a suite names its parameters so.
HOT_PATH = ("hot-path variant", "case")


class _Format(msgspec.Struct):
    version: Any


class _Machine(msgspec.Struct):
    machine: Name
    cpu: str
    num_cpu: int | str  # asv writes what its configuration has, often as text


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


class _Result(msgspec.Struct):
    """What a file has of one benchmark, as far as it is read."""

    params: list[list[str]]
    result: list[float | None] | None
    stats_ci_99_a: list[float | None] | None = None
    stats_ci_99_b: list[float | None] | None = None
    version: str | None = None
    started_at: float | None = None


class Benchmark(msgspec.Struct):
    """What asv's list of benchmarks has of one, as far as it is read."""

    unit: str = "unit"
    type: str = ""
    param_names: tuple[str, ...] = ()

    @property
    def quantity(self) -> str:
        """What its numbers are."""
        return "peak bytes" if self.type == "peakmemory" else self.unit


def rows_of_asv(content: Any, benchmarks: Mapping[str, Benchmark]) -> Iterator[Row | str]:
    """The rows of one of asv's files, and a sentence for each benchmark that is damaged."""
    version = msgspec.convert(content, _Format).version
    if version != 2:
        yield f"results of asv in format {version!r:.20}, not 2"
        return
    file = msgspec.convert(content, _Results)
    machine = file.params
    pinned = [f"{name} {pin}" for name, pin in file.requirements.items() if pin]
    device, threads = _setting(file.env_vars)
    made = whole(file.date / 1000)
    run = Run(
        source="asv",
        machine=machine_name(
            machine.machine, machine.cpu, msgspec.convert(int(machine.num_cpu), Count)
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
            # asv leaves out cells at the end that are null.
            columns = dict(
                zip(file.result_columns, msgspec.convert(cells, list[Any]), strict=False)
            )
            result = msgspec.convert(columns, _Result)
            rows = list(_rows(name, result, run, benchmarks.get(name, Benchmark())))
        except ValueError:
            yield f"the results of {name!r:.80} are damaged"
        else:
            yield from rows


def _rows(name: str, result: _Result, run: Run, benchmark: Benchmark) -> Iterator[Row]:
    """A row for each combination of parameters that did not fail and was not skipped."""
    if not name:
        raise ValueError("it has no name")
    if result.started_at is not None:
        run = run._replace(measured=whole(result.started_at / 1000))
    values = result.result
    if values is None:
        return
    combinations = list(islice(product(*result.params), len(values) + 1))
    nothing = [None] * len(values)
    lows, highs = result.stats_ci_99_a or nothing, result.stats_ci_99_b or nothing
    for parameters, *numbers in zip(combinations, values, lows, highs, strict=True):
        # asv writes NaN for what it skipped, and for a bound that it does not know.
        value, low, high = (_finite(number) for number in numbers)
        if not math.isnan(value):
            metric = _metric(name, result.version or "", parameters, benchmark)
            yield Row(run, metric, value, low, high, True if metric.variant else None)


def _finite(number: float | None) -> float:
    if number is None or (number and not 1 / MOST <= abs(number) <= MOST):
        return math.nan
    return number


def _metric(name: str, version: str, parameters: Sequence[str], benchmark: Benchmark) -> Metric:
    """In our terms if it is a benchmark of a hot path, else under asv's own name."""
    if benchmark.param_names == HOT_PATH and len(parameters) == len(HOT_PATH):
        variant, case = (text.strip("'") for text in parameters)  # as `repr` gives them
        path = name.rpartition(".")[0].rpartition(".")[2] or name
        return Metric(path, version, variant, case, benchmark.quantity)
    return Metric(name, version, "", ", ".join(parameters), benchmark.quantity)


def _setting(environment: dict[str, str]) -> tuple[str, int | None]:
    """Device and threads that the environment variables of a file of asv ask for."""
    counts = (environment[name] for name in THREAD_VARIABLES if environment.get(name))
    threads = next(counts, None)
    visible = environment.get("CUDA_VISIBLE_DEVICES", "")
    device = "cpu" if visible == "-1" else f"gpu:{visible}" if visible else ""
    return device, None if threads is None else msgspec.convert(int(threads), Count)


def benchmarks_of_asv(folder: Path, unreadable: list[str]) -> dict[str, Benchmark]:
    """Asv's list of benchmarks by their names, as far as that can be read."""
    file, known = folder / "benchmarks.json", {}
    try:
        listed = msgspec.convert(json_in(file), dict[str, Any])
    except (OSError, ValueError, RecursionError):
        unreadable.append(f"{file}: damaged or missing, so the units of asv's results are unknown")
        return {}
    listed.pop("version", None)  # of the format
    for name, item in listed.items():
        try:
            known[name] = msgspec.convert(item, Benchmark)
        except ValueError:
            unreadable.append(f"{file}: the entry of {name!r:.80} is damaged")
    return known
