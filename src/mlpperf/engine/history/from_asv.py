"""What asv has measured: its files of results, which are plain JSON.

They are read as such, so that asv need not be installed where its results are looked at.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from ...devices import THREAD_VARIABLES
from .rows import (
    DAMAGE,
    Row,
    Run,
    Series,
    as_count,
    as_number,
    as_text,
    json_in,
    machine_name,
    seconds_since_1970,
    software_name,
)

# The benchmarks of our suite for asv, and what they measure.
ASV_QUANTITIES = {
    "time_call": "seconds",
    "track_relative_time": "ratio",
    "track_allocated": "bytes",
    "peakmem_call": "peak bytes",
}


def rows_of_asv(content: Any, about: dict[str, Any]) -> Iterator[Row | str]:
    """The rows of one of asv's files: one commit, on one machine, in one environment."""
    if content["version"] != 2:
        yield f"results of asv in format {content['version']!r:.20}, not 2"
        return
    params, environment = content["params"], content["env_vars"]
    pinned = [as_text(f"{name} {pin}") for name, pin in content["requirements"].items() if pin]
    device, threads = _asv_setting(environment)
    run = Run(
        source="asv",
        machine=machine_name(params["machine"], params["cpu"], params["num_cpu"]),
        device=device,
        threads=threads,
        software=software_name(content["python"], "", *pinned),
        commit=as_text(content["commit_hash"]),
        dirty=False,
        committed=seconds_since_1970(content["date"]),
        measured=seconds_since_1970(content["date"]),
    )
    columns = content["result_columns"]
    for name, cells in content["results"].items():
        try:
            found = dict(zip(columns, cells, strict=False))  # cells that are null at the end lack
            started = found.get("started_at")
            at = run if started is None else run._replace(measured=seconds_since_1970(started))
            rows = list(_asv_rows(as_text(name), found, at, about.get(name, {})))
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
    version = as_text(found.get("version") or "")
    unit = as_text(about.get("unit") or "unit")
    for given, value, low, high in zip(combinations, values, lows, highs, strict=True):
        number = as_number(value)
        if not math.isnan(number):
            series = _asv_series(name, version, [as_text(text) for text in given], unit)
            proven = True if series.variant else None  # ours proves what it times
            yield Row(run, series, number, as_number(low), as_number(high), proven)


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
    visible = as_text(environment.get("CUDA_VISIBLE_DEVICES") or "")
    device = "cpu" if visible == "-1" else f"gpu:{visible}" if visible else ""
    return device, None if threads is None else as_count(int(threads))


def asv_benchmarks(folder: Path, unreadable: list[str]) -> dict[str, Any]:
    """What asv knows about its benchmarks; nothing if that cannot be read."""
    file = folder / "benchmarks.json"
    try:
        found = json_in(file)
        return {name: item for name, item in found.items() if isinstance(item, dict)}
    except (OSError, ValueError, AttributeError, RecursionError):
        unreadable.append(f"{file}: damaged or missing, so the units of asv's results are unknown")
        return {}
