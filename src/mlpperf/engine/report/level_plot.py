"""The level of a series over the commits, with its band and steps, drawn by the page's script.

The levels come from comparisons of two commits at a time, so that they do not drift with the
machine. A line shows the level by all comparisons together, with its 95 % band, and a dot for each
commit its level by its own comparisons only. Pages hold numbers; the commits, which all pages
share, are in one file.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..levels.edges import EVERY, Floats
from ..levels.gathering import Levels
from ..levels.lineage import Commit
from ..levels.steps import Fit
from ..statistics.intervals import WITHIN
from ..suites.series import Series
from ..words import by_percent, count, plain
from .blocks import Level
from .draft import Draft

DOTS_MOST = 400  # in a plot
LABELS_MOST = 12  # of steps, in a plot
SUBJECT_MOST = 100  # characters of a message
COMMITS = "data/commits.js"


def level_plot(site: Draft, levels: Levels, series: Series, hrefs: Mapping[int, str]) -> Level:
    """The plot of a series; `hrefs` has the page of the comparison behind the steps at a place."""
    if COMMITS not in site.data:
        commits = json.dumps([_about(commit) for commit in levels.lineage.commits])
        site.data[COMMITS] = f"mlpperf.history({commits});\n".encode()
    fit = levels.fits[series]
    alt = (
        f"The level of {series.name} over {count(len(levels.lineage), 'commit')}, with "
        f"{count(len(fit.steps), 'step')}; the tables below have the figures."
    )
    level = json.dumps(drawn(levels, fit, hrefs), separators=(",", ":"))
    return Level(COMMITS, level, plain(alt))


def _about(commit: Commit) -> list[str]:
    day, subject = f"{commit.date:%Y-%m-%d}", plain(commit.subject)[:SUBJECT_MOST]
    return [commit.hash, day, plain(commit.author), subject]


def drawn(levels: Levels, fit: Fit, hrefs: Mapping[int, str]) -> dict[str, Any]:
    """Lines, dots and steps as changes in percent relative to the newest compared commit."""
    last = levels.newest
    machines = sorted({step.where.machine for step in fit.steps if step.where.machine != EVERY})
    return {
        "lines": [_line(levels, fit, machine, last) for machine in machines or [EVERY]],
        "dots": _dots(fit, last),
        "steps": [
            {
                "at": step.where.first,
                "text": by_percent(math.exp(step.log_ratio)) if number < LABELS_MOST else "",
                "href": hrefs.get(step.where.first, ""),
            }
            for number, step in enumerate(fit.steps)
        ],
    }


def _line(levels: Levels, fit: Fit, machine: int, last: int) -> dict[str, Any]:
    """The places where the level or its error changes: between them nothing does."""
    level, error = fit.levels(machine)[: last + 1], fit.errors(last, machine)[: last + 1]
    x = _corners(level, error)
    middle, half = level[x] - level[last], WITHIN * error[x]
    return {
        "name": "level" if machine == EVERY else plain(levels.machines[machine]),
        "at": x,
        "level": _percent(middle),
        "low": _percent(middle - half),
        "high": _percent(middle + half),
    }


def _corners(level: Floats, error: Floats) -> list[int]:
    changed = np.flatnonzero(np.abs(np.diff(level)) + np.abs(np.diff(error)) > 1e-12)
    return sorted({0, len(level) - 1, *changed.tolist(), *(changed + 1).tolist()})


def _dots(fit: Fit, last: int) -> dict[str, Any]:
    """The estimate of each commit from its own comparisons only."""
    level = fit.levels()
    own, errors = fit.own()
    known = np.flatnonzero(np.isfinite(errors) & (errors > 0))
    if len(known) > DOTS_MOST:
        known = known[np.linspace(0, len(known) - 1, DOTS_MOST).astype(int)]
    half = [round(float(100 * WITHIN * errors[at]), 3) for at in known]
    return {"at": known.tolist(), "level": _percent(own[known] - level[last]), "half": half}


def _percent(logs: Sequence[float] | Floats) -> list[float]:
    return [round(100 * math.expm1(float(value)), 3) for value in logs]
