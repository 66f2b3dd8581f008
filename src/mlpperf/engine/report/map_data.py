"""The map of commits and benchmarks: what its page draws, as a script."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ..history.records import finite
from ..levels.edges import EVERY, Floats
from ..levels.gathering import Levels
from ..levels.knowledge import WELL, Known, never_timed, newest_seconds
from ..levels.steps import Fit
from ..suites.series import Series
from ..words import plain, seconds
from . import addresses
from .blocks import Map
from .draft import Draft

SUBJECT_MOST = 80  # characters of a message
DIGITS = 1  # of a change in percent
FILE = "data/map.js"


def drawn(site: Draft, levels: Levels) -> tuple[list[dict[str, Any]], Map]:
    """The levels of all series, up to the newest commit that was compared: as rows, and drawn."""
    last = levels.newest
    commits = [
        [
            commit.short,
            f"{commit.date:%Y-%m-%d}",
            plain(commit.subject)[:SUBJECT_MOST],
            site.address(addresses.commit(commit.hash)),
        ]
        for commit in levels.lineage.commits[: last + 1]
    ]
    times = newest_seconds(levels)
    rows = [row for item in levels.fits.items() for row in _rows(site, levels, *item, last, times)]
    rows += map(_empty, never_timed(levels))
    content = {"commits": commits, "machines": levels.machines, "rows": rows}
    text = json.dumps(finite(content), separators=(",", ":"), allow_nan=False)
    suites = sorted({row["suite"] for row in rows})
    machines = [plain(name) for name in levels.machines]
    changes = ["slower", "faster", "unchanged", "not known well"]
    choices = {"change": changes, "suite": suites, "machine": machines}
    site.data[FILE] = f"mlpperf.map({text});\n".encode()
    return [_plain(row) for row in rows], Map(FILE, choices)


def _rows(
    site: Draft, levels: Levels, series: Series, fit: Fit, last: int, times: Mapping[Series, float]
) -> Iterator[dict[str, Any]]:
    """The row of a series; several if its steps differ between machines."""
    known = Known.of(fit)
    machines = sorted({step.where.machine for step in fit.steps} - {EVERY}) or [EVERY]
    for machine in machines:
        level = fit.levels(machine)[: last + 1]
        own = [one for one in fit.steps if one.where.machine in (EVERY, machine)]
        yield {
            "name": plain(series.name),
            "page": site.benchmark(series).href,
            "suite": series.suite or "hot paths",
            "machine": "" if machine == EVERY else plain(levels.machines[machine]),
            "levels": _stretches(level, known),
            "steps": [[one.where.last, _percent(one.log_ratio)] for one in own],
            "within": round(100 * known.within, 2),
            "known": known.within <= WELL and known.last >= last and not known.gaps,
            "seconds": times.get(series, 0.0),
            "call": seconds(times[series]) if series in times else "–",
        }


def _empty(series: Series) -> dict[str, Any]:
    """The row of a series without a result."""
    names = {"name": plain(series.name), "page": "", "suite": series.suite or "hot paths"}
    numbers = {"within": 0.0, "known": False, "seconds": 0.0, "call": "–"}
    return {**names, "machine": "", "levels": [[0, None]], "steps": [], **numbers}


def _stretches(level: Floats, known: Known) -> list[list[float | None]]:
    """First place and change in percent of each stretch; None where nothing is known."""
    values = np.round(100 * np.expm1(level - level[0]), DIGITS)
    values[: known.first] = np.nan
    values[known.last + 1 :] = np.nan
    values[list(known.gaps)] = np.nan
    same = (values[1:] == values[:-1]) | (np.isnan(values[1:]) & np.isnan(values[:-1]))
    starts = [0, *(np.flatnonzero(~same) + 1).tolist()]
    return [[at, None if np.isnan(values[at]) else float(values[at])] for at in starts]


def _percent(log_ratio: float) -> float:
    return round(100 * float(np.expm1(log_ratio)), DIGITS)


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """A row as a file offers it: numbers only."""
    kept = ("name", "suite", "machine", "within", "known", "seconds")
    known = [value for _, value in row["levels"] if value is not None]
    return {name: row[name] for name in kept} | {
        "percent": known[-1] if known else None,
        "changes": len(row["steps"]),
    }
