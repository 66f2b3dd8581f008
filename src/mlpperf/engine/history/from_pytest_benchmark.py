"""What pytest-benchmark has measured: the files of `--benchmark-save` and its like."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, Any

import msgspec

from .fields import Amount, Count, Name, Positive, inverse, seconds_of
from .rows import Metric, Row, Run, machine_name, software_name


class _Processor(msgspec.Struct):
    brand_raw: str = ""
    count: Count = 1


class _Details(msgspec.Struct):
    """What a suite of hot paths adds to the description of the machine."""

    host: str | None = None
    processor: str | None = None
    cores: Count | None = None
    device: str = ""
    threads: Count | None = None
    numpy: str = ""


class _Machine(msgspec.Struct):
    node: str
    python_version: str
    cpu: _Processor = msgspec.field(default_factory=_Processor)
    mlpperf: _Details = msgspec.field(default_factory=_Details)


class _Commit(msgspec.Struct):
    id: str | None
    dirty: bool
    time: str | None = None


class _File(msgspec.Struct):
    machine_info: _Machine
    commit_info: _Commit
    datetime: str
    benchmarks: list[Any]


class _Stats(msgspec.Struct):
    median: Positive
    iqr: Amount
    rounds: Annotated[int, msgspec.Meta(ge=1, lt=1 << 62)]


class _Extra(msgspec.Struct):
    """What a suite of hot paths adds to a benchmark."""

    path: Name
    variant: str
    case: str
    path_version: Count
    speedup: Positive | None = None
    speedup_interval: tuple[Amount | None, Amount | None] = (None, None)


class _Benchmark(msgspec.Struct):
    fullname: Name
    stats: _Stats
    extra_info: dict[str, Any]
    param: str | None = None


def rows_of_pytest_benchmark(content: Any) -> Iterator[Row | str]:
    """The rows of one file, and a sentence for each benchmark that is damaged."""
    file = msgspec.convert(content, _File)
    machine, commit, details = file.machine_info, file.commit_info, file.machine_info.mlpperf
    run = Run(
        source="pytest-benchmark",
        machine=machine_name(
            machine.node if details.host is None else details.host,
            machine.cpu.brand_raw if details.processor is None else details.processor,
            machine.cpu.count if details.cores is None else details.cores,
        ),
        device=details.device,
        threads=details.threads,
        software=software_name(machine.python_version, details.numpy),
        commit=None if commit.id in (None, "", "unversioned", "unknown") else commit.id,
        dirty=commit.dirty,
        committed=None if commit.time is None else seconds_of(commit.time),
        measured=seconds_of(file.datetime),
    )
    for number, benchmark in enumerate(file.benchmarks, 1):
        try:
            rows = list(_rows(msgspec.convert(benchmark, _Benchmark), run))
        except ValueError:
            yield f"benchmark {number} is damaged"
        else:
            yield from rows


def _rows(benchmark: _Benchmark, run: Run) -> Iterator[Row]:
    """The median of a benchmark, and the ratio that a suite of hot paths adds."""
    stats, extra = benchmark.stats, None
    if {"path", "variant", "case"} <= benchmark.extra_info.keys():
        extra = msgspec.convert(benchmark.extra_info, _Extra)
        seconds = Metric(extra.path, str(extra.path_version), extra.variant, extra.case, "seconds")
    else:
        parameter = benchmark.param or ""
        path = benchmark.fullname.removesuffix(f"[{parameter}]")
        seconds = Metric(path, "", "", parameter, "seconds")
    # The notches of a box plot (McGill, Tukey and Larsen 1978): 95 % for the median.
    notch = 1.57 * stats.iqr / math.sqrt(stats.rounds)
    proven = None if extra is None else True  # or it would not have been timed
    low, high = max(0.0, stats.median - notch), stats.median + notch
    yield Row(run, seconds, stats.median, low, high, proven)
    if extra and extra.speedup is not None:
        ratio = seconds._replace(quantity="ratio")
        value, high, low = map(inverse, (extra.speedup, *extra.speedup_interval))
        yield Row(run, ratio, value, low, high, proven)
