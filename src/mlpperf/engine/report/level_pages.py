"""The levels of every series over the commits, and their steps.

The levels come from comparisons of two commits at a time, so that they do not drift with the
machine. A plot shows the level by all comparisons together, with its 95 % band, and a dot for each
commit by its own comparisons only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import plotly.graph_objects as go

from ..levels.edges import EVERY, Floats
from ..levels.fitting import ALARMS, Fit
from ..levels.gathering import Levels, Link
from ..levels.lineage import Commit
from ..levels.show import SeriesStep, as_json, machine_of, notes, place, steps
from ..statistics.intervals import CONFIDENCE
from ..statistics.quantiles import normal_quantile
from ..suites.series import Series
from ..table import Anchor, Cell, Table
from ..words import by_percent, count, plain, seconds
from .blocks import Plot, Prose, Section, sparkline
from .draft import Draft
from .figures import BELOW, over, plain_text

LATELY = 5  # steps on the first page
SERIES_MOST = 30  # in the table of all
STEPS_MOST = 500  # on the page; the files have all
PLOTS_MOST = 12  # on a page
DOTS_MOST = 400  # in a plot
ANNOTATIONS_MOST = 12  # in a plot
TICKS = 7  # commits that are named below a plot
WITHIN = normal_quantile((1 + CONFIDENCE) / 2)  # standard errors of a 95 % band


def levels_section(site: Draft) -> Section | None:
    """The first section of the history: every step, newest first; None without comparisons."""
    levels = site.material.levels
    if levels is None:
        return None
    every = steps(levels)
    blocks: list[Any] = [Prose(plain(" ".join(notes(levels))))]
    if every:
        title = "Steps of the levels, newest first"
        table = _steps_table(site, levels, every[:STEPS_MOST], title)
        blocks.append(site.offer("levels", replace(table, records=as_json(levels)["steps"])))
        if len(every) > STEPS_MOST:
            newest = f"The newest {STEPS_MOST:,} of {len(every):,}; the files have all."
            blocks.append(Prose(newest))
    for series in list(dict.fromkeys(one.series for one in every))[:PLOTS_MOST]:
        blocks.append(_plot(levels, series))
    blocks.append(_all_series(site, levels))
    return Section("What each commit changed", blocks)


def lately(site: Draft) -> Section | None:
    """For the first page: the newest steps, and what is slower than at the last release."""
    levels = site.material.levels
    if levels is None:
        return None
    blocks: list[Any] = []
    if release := _since_release(levels):
        blocks.append(Prose(plain(release)))
    if newest := steps(levels)[:LATELY]:
        title = "The newest steps; the history has all"
        blocks.append(_steps_table(site, levels, newest, title, up="history.html"))
    elif not release:
        blocks.append(Prose(f"No step along {count(len(levels.lineage), 'commit')}."))
    return Section("What changed lately", blocks)


def _since_release(levels: Levels) -> str:
    """What is slower than at the newest commit with a tag, in a sentence; empty without one."""
    tagged = [at for at, commit in enumerate(levels.lineage.commits) if commit.tags]
    if not tagged:
        return ""
    at, last = tagged[-1], len(levels.lineage) - 1
    slower = {}
    for series, fit in levels.fits.items():
        change = float(fit.levels()[last] - fit.levels()[at])
        if change > WITHIN * float(fit.errors(at)[last]):
            slower[series.name] = change
    tag = levels.lineage[at].tags[0]
    if not slower:
        return f"Nothing is slower than at {tag}."
    worst = sorted(slower, key=lambda name: -slower[name])
    some = [f"{name} by {by_percent(math.exp(slower[name]))}" for name in worst[:LATELY]]
    more = f" and {len(slower) - LATELY} more" if len(slower) > LATELY else ""
    return f"Slower than at {tag}: {', '.join(some)}{more}."


def _steps_table(
    site: Draft, levels: Levels, shown: Sequence[SeriesStep], title: str, up: str = ""
) -> Table:
    rows: list[Sequence[Cell]] = []
    for one in shown:
        commit = levels.lineage[one.step.where.last]
        link = levels.across(one.step.where.first)
        rows.append(
            [
                Anchor(place(one.step, levels.lineage), site.commit(commit.hash).href),
                _date(commit),
                plain(commit.subject),
                plain(one.series.name),
                one.direction,
                machine_of(one.step, levels),
                one.change,
                Anchor(f"with {_before(levels, link)}", f"{up}#{_anchor(link)}") if link else "–",
            ]
        )
    columns = ("since", "date", "subject", "benchmark", "direction", "on", "change", "compared")
    return Table(title, columns, rows, text=range(7))


def _date(commit: Commit) -> str:
    return f"{datetime.fromtimestamp(commit.time, UTC):%Y-%m-%d}"


def _before(levels: Levels, link: Link) -> str:
    """The commit that the later one was compared with."""
    return "the one before" if link.base + 1 == link.head else levels.lineage[link.base].short


def _anchor(link: Link) -> str:
    return f"compared-{link.base}-{link.head}"


def _all_series(site: Draft, levels: Levels) -> Table:
    """The level of each series relative to the first commit, with its uncertainty.

    Series with steps come first, then the least precise ones; the files have all.
    """
    rows: list[Sequence[Cell]] = []
    records = []
    last = len(levels.lineage) - 1
    ordered = sorted(levels.fits.items(), key=lambda item: _order(item[1]))
    for series, fit in ordered:
        level = fit.levels()
        error = float(fit.errors(0)[last]) or _usual_error(fit)
        ratio = math.exp(float(level[last] - level[0]))
        steps_here = len(fit.steps)
        name = series.name
        records.append({"series": name, "ratio": ratio, "error": error, "steps": steps_here})
        if len(rows) == SERIES_MOST:
            continue
        within = f"±{100 * math.expm1(WITHIN * error):.2f} %" if math.isfinite(error) else "?"
        line = sparkline(np.exp(level).tolist(), f"level over {count(last + 1, 'commit')}")
        cells = (by_percent(ratio), within, f"{steps_here}", line, _now(levels, series))
        rows.append([plain(name), *cells])
    columns = ("benchmark", "since the first commit", "within", "steps", "level", "time of a call")
    title = "Every series"
    if len(ordered) > SERIES_MOST:
        first = "those with steps first, then the least precise; the files have all"
        title = f"{SERIES_MOST} of {len(ordered):,} series: {first}"
    return site.offer("series", Table(title, columns, rows, records=records))


def _order(fit: Fit) -> tuple[bool, float, float]:
    change = float(np.ptp(fit.levels()))
    return (not fit.steps, -change, -_usual_error(fit))


def _usual_error(fit: Fit) -> float:
    """The uncertainty of a series without steps: that of its least precise comparison."""
    measured = fit.network.error[fit.network.measured]
    return fit.factor * float(measured.max()) if len(measured) else 0.0


def _now(levels: Levels, series: Series) -> str:
    """Seconds of a call at the newest commit that was timed."""
    newest = sorted(levels.measuring(series), key=lambda link: link.head)
    for link in reversed(newest):
        outcome = link.record.outcomes.find(series)
        if outcome and outcome.seconds:
            side = "base" if link.reversed else "head"
            return seconds(outcome.seconds.get(side, math.nan))
    return "–"


def _plot(levels: Levels, series: Series) -> Plot:
    fit = levels.fits[series]
    alt = (
        f"The level of {series.name} over {count(len(levels.lineage), 'commit')}, with "
        f"{count(len(fit.steps), 'step')}; as in the table."
    )
    return Plot(levels_figure(levels, series, fit), plain(alt))


def levels_figure(levels: Levels, series: Series, fit: Fit) -> Any:
    """Levels as changes in percent relative to the newest commit."""
    commits = levels.lineage.commits
    last = len(commits) - 1
    traces: list[Any] = []
    machines = sorted({step.where.machine for step in fit.steps if step.where.machine != EVERY})
    for number, machine in enumerate(machines or [EVERY]):
        name = "level" if machine == EVERY else plain_text(levels.machines[machine])
        traces += _line_with_band(fit, machine, last, name, number)
    traces.append(_dots(levels, fit, last))
    ticks = sorted({round(at) for at in np.linspace(0, last, min(TICKS, last + 1))})
    dates = [_date(commits[at]) for at in ticks]
    drawn = over(
        traces,
        {"tickvals": ticks, "ticktext": dates, "range": [-0.7, last + 0.7]},
        {"title": "% relative to the newest", "zeroline": True},
        height=360,
        title={"text": plain_text(series.name), "font": {"size": 15}},
        legend=BELOW,
        margin={"l": 60, "r": 20, "t": 60, "b": 90},
    )
    for number, step in enumerate(fit.steps):
        text = by_percent(math.exp(step.log_ratio)) if number < ANNOTATIONS_MOST else None
        drawn.add_vline(
            step.where.first - 0.5, line_dash="dot", line_width=1.5, annotation_text=text,
            annotation_position="top",
        )  # fmt: skip
    return drawn


def _line_with_band(fit: Fit, machine: int, last: int, name: str, number: int) -> list[Any]:
    """The corners only: between them nothing changes."""
    level, error = fit.levels(machine), fit.errors(last, machine)
    x = _corners(level, error)
    middle, half = level[x] - level[last], WITHIN * error[x]
    hidden = {"mode": "lines", "hoverinfo": "skip", "meta": number}
    band = go.Scatter(
        x=[*x, *reversed(x)],
        y=_percent([*(middle - half), *reversed(middle + half)]),
        fill="toself",
        line={"width": 0},
        opacity=0.25,
        showlegend=False,
        **hidden,
    )
    return [band, go.Scatter(name=name, x=x, y=_percent(middle), **hidden)]


def _corners(level: Floats, error: Floats) -> list[int]:
    changed = np.flatnonzero(np.abs(np.diff(level)) + np.abs(np.diff(error)) > 1e-12)
    return sorted({0, len(level) - 1, *changed.tolist(), *(changed + 1).tolist()})


def _dots(levels: Levels, fit: Fit, last: int) -> Any:
    """The estimate of each commit from its own comparisons only."""
    commits, level = levels.lineage.commits, fit.levels()
    own, errors = fit.own()
    known = np.flatnonzero(np.isfinite(errors) & (errors > 0))
    if len(known) > DOTS_MOST:
        known = known[np.linspace(0, len(known) - 1, DOTS_MOST).astype(int)]
    half = [round(float(100 * WITHIN * errors[at]), 3) for at in known]
    return go.Scatter(
        mode="markers",
        name="each commit by its own comparisons, with 95 % intervals",
        x=known.tolist(),
        y=_percent(own[known] - level[last]),
        error_y={"array": half, "thickness": 1, "width": 0},
        marker={"size": 5},
        text=[plain_text(str(commits[at])) for at in known],
        hovertemplate="%{text}<br>%{y:+.2f} %<extra></extra>",
        meta=1,
    )


def _percent(logs: Sequence[float] | Floats) -> list[float]:
    return [round(100 * math.expm1(float(value)), 4) for value in logs]


def compared_section(site: Draft) -> Section | None:
    """The comparisons on which the steps rest, a table each, to which the steps link."""
    levels = site.material.levels
    every = steps(levels) if levels else []
    if levels is None or not every:
        return None
    behind: dict[str, tuple[Link, dict[Series, None]]] = {}
    for one in every[:STEPS_MOST]:
        if link := levels.across(one.step.where.first):
            behind.setdefault(_anchor(link), (link, {}))[1][one.series] = None
    blocks: list[Any] = []
    for link, names in behind.values():
        commit = levels.lineage[link.head]
        rows: list[Sequence[Cell]] = []
        for series in names:
            if outcome := link.record.outcomes.find(series):
                ratio = by_percent(math.exp(link.log_ratio(outcome)))
                half = 100 * WITHIN * outcome.error
                times = (outcome.seconds.get(side, math.nan) for side in ("base", "head"))
                change = f"{ratio} (±{half:.1f})"
                name = plain(outcome.series.name)
                rows.append([name, *map(seconds, times), change, outcome.verdict])
        title = (
            f"{levels.lineage[link.base].short} and {commit.short}, {plain(commit.subject)}; "
            f"{link.record.time[:10]} on {link.record.place}"
        )
        columns = ("benchmark", "before", "after", "change", "verdict")
        blocks.append(Table(title, columns, rows, text=(0, 4), name=_anchor(link)))
    text = (
        "For each step, the comparison of its commit with the one before, or the shortest across "
        "it. Steps rest on all comparisons together: in a history without changes, any step would "
        f"be reported with a probability of at most {100 * ALARMS:g} %."
    )
    return Section("The comparisons behind the steps", [Prose(text), *blocks]) if blocks else None
