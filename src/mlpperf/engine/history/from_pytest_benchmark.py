"""What pytest-benchmark has measured: the files of `--benchmark-save` and its like."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from .rows import (
    DAMAGE,
    Row,
    Run,
    Series,
    as_count,
    as_flag,
    as_inverse,
    as_number,
    as_text,
    machine_name,
    seconds_since_1970,
    software_name,
)


def rows_of_pytest_benchmark(content: Any) -> Iterator[Row | str]:
    """The rows of one file of pytest-benchmark, of our suite and of any other."""
    machine, commit = content["machine_info"], content["commit_info"]
    ours = machine.get("mlpperf", {})
    hash_, committed = commit["id"], commit.get("time")
    run = Run(
        source="pytest-benchmark",
        machine=machine_name(
            ours.get("host", machine["node"]),
            ours.get("processor", machine["cpu"].get("brand_raw", "")),
            ours.get("cores", machine["cpu"].get("count", 1)),
        ),
        device=as_text(ours.get("device", "")),
        threads=as_count(ours["threads"]) if "threads" in ours else None,
        software=software_name(machine["python_version"], ours.get("numpy", "")),
        commit=None if hash_ in (None, "unversioned", "unknown") else as_text(hash_),
        dirty=as_flag(commit["dirty"]),
        committed=None if committed is None else seconds_since_1970(committed),
        measured=seconds_since_1970(content["datetime"]),
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
        path, variant, case = (as_text(info[name]) for name in ("path", "variant", "case"))
        version, proven = str(as_count(info["path_version"])), True  # or it would not be timed
    else:
        parameter = as_text(benchmark.get("param") or "")
        path = as_text(benchmark["fullname"]).removesuffix(f"[{parameter}]")
        variant, case, version, proven = "", parameter, "", None
    median = as_number(stats["median"])
    # The notches of a box plot (McGill, Tukey and Larsen 1978): 95 % for the median.
    notch = 1.57 * as_number(stats["iqr"]) / math.sqrt(stats["rounds"])
    seconds = Series(path, version, variant, case, "seconds")
    yield Row(run, seconds, median, max(0.0, median - notch), median + notch, proven)
    if proven and info.get("speedup") is not None:
        ratio, low, high = (
            as_inverse(x) for x in (info["speedup"], *info["speedup_interval"][::-1])
        )
        yield Row(run, seconds._replace(quantity="ratio"), ratio, low, high, proven)
