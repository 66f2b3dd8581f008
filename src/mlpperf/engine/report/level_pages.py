"""What each commit changed: the levels of every series over the commits, and a page for each step.

The levels come from comparisons of two commits at a time, so that they do not drift with the
machine. What is drawn of a series is what all comparisons say together, with its 95 % band, and of
each commit what its own comparisons say.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from ..levels.edges import EVERY, Floats
from ..levels.fitting import ALARMS, Fit
from ..levels.gathering import Levels, Link
from ..levels.show import Told, as_json, notes, place, steps
from ..statistics.intervals import CONFIDENCE
from ..statistics.quantiles import normal_quantile
from ..suites.series import Series
from ..words import by_percent, count, plain, seconds
from .blocks import Badge, Cell, Plot, Prose, Row, Section, Table, rows, sparkline
from .blocks import Link as Address
from .draft import Draft
from .figures import Figure, dotted, plain_text

LATELY = 5  # steps on the first page
LISTED = 30  # series in the table of all
TOLD = 500  # steps on the page; its files have all
DRAWN = 12  # series with a plot on a page
DOTS = 400  # commits that have a dot of their own
TICKS = 7  # commits that are named below a plot
WITHIN = normal_quantile((1 + CONFIDENCE) / 2)  # standard errors of a 95 % band


def levels_section(site: Draft) -> Section | None:
    """What stands first on the history: every step, newest first; None without comparisons."""
    levels = site.material.levels
    if levels is None:
        return None
    told = steps(levels)
    blocks: list[Any] = [Prose(plain(" ".join(notes(levels))))]
    if told:
        caption = "Steps of the levels, newest first"
        data = site.keep("levels", as_json(levels)["steps"])
        blocks.append(_steps_table(site, levels, told[:TOLD], caption, data))
        if len(told) > TOLD:
            blocks.append(Prose(f"The newest {TOLD:,} of {len(told):,}; the files have all."))
    for series in list(dict.fromkeys(one.series for one in told))[:DRAWN]:
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
    if told := steps(levels)[:LATELY]:
        caption = "The newest steps; the history has all"
        blocks.append(_steps_table(site, levels, told, caption, up="history.html"))
    elif not release:
        blocks.append(Prose(f"No step along {count(len(levels.lineage), 'commit')}."))
    return Section("What changed lately", blocks)


def _since_release(levels: Levels) -> str:
    """What is slower than at the newest commit with a tag, in a sentence; nothing without one."""
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


STEP_COLUMNS = (
    "since",
    "date",
    "what its author wrote",
    "benchmark",
    "how",
    "on",
    "by",
    "compared",
)


def _steps_table(
    site: Draft,
    levels: Levels,
    told: Sequence[Told],
    caption: str,
    data: str = "",
    up: str = "",
) -> Table:
    found = []
    for one in told:
        commit = levels.lineage[one.step.where.last]
        machine = one.step.where.machine
        where = "all machines" if machine == EVERY else plain(levels.machines[machine])
        link = levels.across(one.step.where.first)
        cells: list[Cell] = [
            Address(place(one.step, levels.lineage), site.commit(commit.hash).href),
            f"{datetime.fromtimestamp(commit.time, UTC):%Y-%m-%d}",
            plain(commit.subject),
            plain(one.series.name),
            Badge(one.how, "bad" if one.step.log_ratio > 0 else "good"),
            where,
            one.by(),
            Address(f"with {_before(levels, link)}", f"{up}#{_anchor(link)}") if link else "–",
        ]
        found.append(Row(cells))
    return Table(caption, STEP_COLUMNS, found, left=7, data=data)


def _before(levels: Levels, link: Link) -> str:
    """What a later commit was compared with."""
    return "the one before" if link.base + 1 == link.head else levels.lineage[link.base].short


def _anchor(link: Link) -> str:
    return f"compared-{link.base}-{link.head}"


def _all_series(site: Draft, levels: Levels) -> Table:
    """Where each series stands beside the first commit, and how exactly that is known.

    Those with steps first, and then those that are known least; the files have all.
    """
    cells: list[Sequence[Cell]] = []
    last = len(levels.lineage) - 1
    ordered = sorted(levels.fits.items(), key=lambda item: _order(item[1]))
    for series, fit in ordered[:LISTED]:
        level = fit.levels()
        error = float(fit.errors(0)[last]) or _usual_error(fit)
        half = 100 * math.expm1(WITHIN * error) if math.isfinite(error) else math.nan
        line = sparkline(np.exp(level).tolist(), f"level over {count(last + 1, 'commit')}")
        known = f"±{half:.2f} %" if math.isfinite(half) else "?"
        cells.append(
            [
                plain(series.name),
                by_percent(math.exp(level[last] - level[0])),
                known,
                f"{len(fit.steps)}",
                line,
                _now(levels, series),
            ]
        )
    columns = ("benchmark", "since the first commit", "within", "steps", "level", "time of a call")
    caption = "Every series"
    if len(ordered) > LISTED:
        known_least = "those with steps, or known least; the files have all"
        caption = f"{LISTED} of {len(ordered):,} series: {known_least}"
    every = [
        {
            "series": series.name,
            "ratio": math.exp(float(fit.levels()[last])),
            "error": float(fit.errors(0)[last]) or _usual_error(fit),
            "steps": len(fit.steps),
        }
        for series, fit in ordered
    ]
    return Table(caption, columns, rows(cells), left=1, data=site.keep("series", every))


def _order(fit: Fit) -> tuple[bool, float, float]:
    change = float(np.ptp(fit.levels()))
    return (not fit.steps, -change, -_usual_error(fit))


def _usual_error(fit: Fit) -> float:
    """How exactly it is known that a series without steps has none: of its least exact edge."""
    measured = fit.network.error[fit.network.measured]
    return fit.factor * float(measured.max()) if len(measured) else 0.0


def _now(levels: Levels, series: Series) -> str:
    """Seconds of a call at the newest commit that was timed."""
    newest = sorted(levels.measuring(series), key=lambda link: link.head)
    for link in reversed(newest):
        outcome = link.decision.outcomes.find(series)
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


def levels_figure(levels: Levels, series: Series, fit: Fit) -> Figure:
    """Levels as changes in percent since the newest commit, so that today is 0."""
    commits = levels.lineage.commits
    last = len(commits) - 1
    data: list[dict[str, Any]] = []
    machines = sorted({step.where.machine for step in fit.steps if step.where.machine != EVERY})
    for number, machine in enumerate(machines or [EVERY]):
        name = "level" if machine == EVERY else plain_text(levels.machines[machine])
        data += _line_with_band(fit, machine, last, name, number)
    data.append(_dots(levels, fit, last))
    ticks = sorted({round(at) for at in np.linspace(0, last, min(TICKS, last + 1))})
    steps_here = [Told(series, step) for step in fit.steps]
    return {
        "data": data,
        "layout": {
            "height": 360,
            "title": {"text": plain_text(series.name), "font": {"size": 15}},
            "xaxis": {
                "tickvals": ticks,
                "ticktext": [
                    f"{datetime.fromtimestamp(commits[at].time, UTC):%Y-%m-%d}" for at in ticks
                ],
                "range": [-0.7, last + 0.7],
            },
            "yaxis": {
                "title": {"text": "% beside the newest"},
                "automargin": True,
                "zeroline": True,
            },
            "legend": {"orientation": "h", "y": 0, "yref": "container", "yanchor": "bottom"},
            "margin": {"l": 60, "r": 20, "t": 60, "b": 90},
            "shapes": [dotted("x", one.step.where.first - 0.5) for one in steps_here],
            "annotations": [
                {
                    "x": one.step.where.first - 0.5,
                    "y": 1,
                    "yref": "paper",
                    "yanchor": "bottom",
                    "showarrow": False,
                    "text": by_percent(one.ratio),
                }
                for one in steps_here[:DRAWN]
            ],
        },
    }


def _line_with_band(
    fit: Fit, machine: int, last: int, name: str, number: int
) -> list[dict[str, Any]]:
    """Only the corners: between them nothing changes."""
    level, error = fit.levels(machine), fit.errors(last, machine)
    x = corners = _corners(level, error)
    middle, half = level[corners] - level[last], WITHIN * error[corners]
    band = {
        "type": "scatter",
        "mode": "lines",
        "x": [*x, *reversed(x)],
        "y": _percent([*(middle - half), *reversed(middle + half)]),
        "fill": "toself",
        "line": {"width": 0},
        "opacity": 0.25,
        "hoverinfo": "skip",
        "showlegend": False,
        "meta": number,
    }
    line = {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": x,
        "y": _percent(middle),
        "hoverinfo": "skip",
        "meta": number,
    }
    return [band, line]


def _corners(level: Floats, error: Floats) -> list[int]:
    changed = np.flatnonzero(np.abs(np.diff(level)) + np.abs(np.diff(error)) > 1e-12)
    return sorted({0, len(level) - 1, *changed.tolist(), *(changed + 1).tolist()})


def _dots(levels: Levels, fit: Fit, last: int) -> dict[str, Any]:
    """What the comparisons of each commit say by themselves."""
    commits, level = levels.lineage.commits, fit.levels()
    own, errors = fit.own()
    known = np.flatnonzero(np.isfinite(errors) & (errors > 0))
    if len(known) > DOTS:
        known = known[np.linspace(0, len(known) - 1, DOTS).astype(int)]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "what its own comparisons say, with 95 % intervals",
        "x": known.tolist(),
        "y": _percent(own[known] - level[last]),
        "error_y": {
            "type": "data",
            "array": [round(float(100 * WITHIN * errors[at]), 3) for at in known],
            "thickness": 1,
            "width": 0,
        },
        "marker": {"size": 5},
        "text": [plain_text(str(commits[at])) for at in known],
        "hovertemplate": "%{text}<br>%{y:+.2f} %<extra></extra>",
        "meta": 1,
    }


def _percent(logs: Sequence[float] | Floats) -> list[float]:
    return [round(100 * math.expm1(float(value)), 4) for value in logs]


def compared_section(site: Draft) -> Section | None:
    """The comparisons that the steps go back to, to be found from them."""
    levels = site.material.levels
    told = steps(levels) if levels else []
    if levels is None or not told:
        return None
    behind: dict[str, tuple[Link, list[Series]]] = {}
    for one in told[:TOLD]:
        if link := levels.across(one.step.where.first):
            _, names = behind.setdefault(_anchor(link), (link, []))
            names += [one.series] if one.series not in names else []
    blocks: list[Any] = []
    for link, names in behind.values():
        commit = levels.lineage[link.head]
        cells: list[Sequence[Cell]] = []
        for series in names:
            if outcome := link.decision.outcomes.find(series):
                ratio = math.exp(link.log_ratio(outcome))
                half = 100 * WITHIN * outcome.error
                cells.append(
                    [
                        plain(outcome.series.name),
                        seconds(outcome.seconds.get("base", math.nan)),
                        seconds(outcome.seconds.get("head", math.nan)),
                        f"{by_percent(ratio)} (±{half:.1f})",
                        outcome.verdict,
                    ]
                )
        caption = (
            f"{levels.lineage[link.base].short} and {commit.short}, {plain(commit.subject)}; "
            f"{link.origin.time[:10]} on {link.origin.place}"
        )
        columns = ("benchmark", "before", "after", "change", "verdict")
        blocks.append(Table(caption, columns, rows(cells), left=1, name=_anchor(link)))
    text = (
        "Of the comparison of each commit with the one before, or the shortest across it, what it "
        "says about the series that changed there. Steps rest on all comparisons together: chance "
        "would show any step in a history without changes with a probability of "
        f"{100 * ALARMS:g} % at most."
    )
    return Section("The comparisons behind the steps", [Prose(text), *blocks]) if blocks else None
