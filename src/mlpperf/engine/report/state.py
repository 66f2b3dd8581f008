"""The state at the newest commit: open regressions, recent changes, trends, and the machines."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import numpy as np

from ..compare import ComparisonRecord
from ..history.changes import FEWEST
from ..levels.edges import EVERY
from ..levels.gathering import Levels
from ..levels.knowledge import Known
from ..levels.show import no_levels, not_compared
from ..table import Anchor, Badge, Cell, Table, grouped
from ..words import SHORT, by_percent, count, plain, some
from .blocks import Facts, Log, Prose, Section, sparkline
from .commit_pages import changed, entry
from .comparison_list import listed
from .comparison_page import verdict_of
from .draft import Draft
from .events import Event, moved, newest
from .gather import Material

LATELY = 5  # commits that changed something, or comparisons, in a list
OPEN_MOST = 20  # open regressions
GROUPS_MOST = 15  # groups of benchmarks
NAMED = 3  # benchmarks in the sentence
GIB = 2**30


def sentence(site: Draft) -> str:
    """The open regressions at the newest commit, or that there is none, and what is not known."""
    m, measured = site.material, newest(site.material)
    if measured is None:
        return _last_comparison(site)
    commit, date = measured
    at = f"{commit[:SHORT]} ({date:%Y-%m-%d})"
    every = _open(site)
    unknown = ""
    if site.lacks:
        are = "benchmark is" if len(site.lacks) == 1 else "benchmarks are"
        unknown = f" {len(site.lacks):,} {are} not known within ±5 %."
    if every:
        more = f"; and {len(every) - NAMED:,} more" if len(every) > NAMED else ""
        are = "regression is" if len(every) == 1 else "regressions are"
        named = "; ".join(f"{one.clause(one.net)} since {one.where}" for one in every[:NAMED])
        return f"{len(every):,} {are} open at {at}: {named}{more}.{unknown}"
    return too_short(m) or f"No regression is open at {at}.{unknown}"


def too_short(material: Material) -> str:
    """Why a history of seconds cannot show a change; empty if it can, or has comparisons."""
    if material.levels or any(len(points) >= 2 * FEWEST for points in material.points):
        return ""
    return (
        f"The history is too short to show changes; that takes {2 * FEWEST} commits with "
        "seconds, or two that are compared."
    )


def _last_comparison(site: Draft) -> str:
    """The verdict of the newest comparison, where none is of two commits of this branch."""
    last = max(site.material.comparisons, key=lambda record: record.time, default=None)
    return without_history(site) if last is None else f"{last.time[:10]}: {verdict_of(last)}"


def without_history(site: Draft) -> str:
    """Why nothing is known of any commit."""
    number = len(site.material.comparisons)
    if not number:
        return "No commits have been compared yet; `mlpperf compare BASE` compares two versions."
    return no_levels(number)


def _open(site: Draft) -> list[Event]:
    """Open regressions: what is wrong first, then the largest."""
    every = [event for event in site.events if event.open]
    return sorted(every, key=lambda event: -(event.net if event.net > 0 else math.inf))


def sections(site: Draft) -> list[Section]:
    """The state, what changed lately, the trends of groups, and where it was measured."""
    m = site.material
    every = []
    if m.levels is not None or site.events:
        every += [_state(site), _lately(site)]
    if m.comparisons and (not every or None in m.comparisons[-1].commits.values()):
        last = [*reversed(m.comparisons[-LATELY:])]
        every.append(Section("The newest comparisons", [listed(site, last)]))
    if m.levels is not None and (trends := _trends(m.levels)):
        every.append(trends)
    if m.comparisons:
        every.append(_where(m.comparisons))
    return every


def _state(site: Draft) -> Section:
    every = _open(site)
    blocks: list[Any] = [Facts(_facts(site, len(every)))]
    if every:
        title = f"{count(len(every), 'open regression')}, largest first"
        if len(every) > OPEN_MOST:
            title = f"The {OPEN_MOST} largest of {title}"
        blocks.append(changed(site, every[:OPEN_MOST], title, dated=True))
    if release := _since_release(site, every):
        blocks.append(Prose(plain(release)))
    if site.material.levels and (later := not_compared(site.material.levels)):
        blocks.append(Prose(f"{later}; `mlpperf backfill` compares what is missing."))
    return Section("At a glance", blocks)


def _facts(site: Draft, opened: int) -> list[tuple[str, str, str, str]]:
    """Numbers at a glance."""
    levels = site.material.levels
    kind = "bad" if opened else "good"
    changes = len(site.by_commit)
    facts = [
        (
            f"{opened:,}",
            f"open regression{'s' * (opened != 1)}",
            "history.html#log.change=slower",
            kind,
        ),
        (f"{changes:,}", f"commit{'s' * (changes != 1)} changed something", "history.html", ""),
    ]
    if levels is not None:
        useful = [link for link in levels.links if link.useful]
        compared = len({place for link in useful for place in (link.base, link.head)})
        unknown = {lack.series for lack in site.lacks}
        every = len(unknown | levels.fits.keys())
        known = every - len(unknown)
        facts += [
            (
                f"{known:,} of {every:,}",
                "benchmarks known within ±5 %",
                "history.html#all-benchmarks",
                "",
            ),
            (f"{compared:,} of {len(levels.lineage):,}", "commits compared", "compare.html", ""),
        ]
        within = [Known.of(fit).within for fit in levels.fits.values()]
        if typical := float(np.median([one for one in within if one > 0] or [0.0])):
            page = (
                "calibration.html" if site.material.calibrations else "history.html#all-benchmarks"
            )
            facts.append((f"±{100 * typical:.1f} %", "typical 95 % interval", page, ""))
    return facts


def _since_release(site: Draft, opened: Sequence[Event]) -> str:
    """What is slower than at the newest commit with a tag, in a sentence; empty without one.

    Empty, too, if something else became worse since, or if a benchmark is not known.
    """
    levels = site.material.levels
    tagged = [at for at, c in enumerate(levels.lineage.commits) if c.tags] if levels else []
    if levels is None or not tagged:
        return ""
    at, last = tagged[-1], len(levels.lineage) - 1
    slower: dict[str, float] = {}
    for series, fit in levels.fits.items():
        for machine in {EVERY, *(step.where.machine for step in fit.steps)}:
            change, known = moved(fit, at, last, machine)
            if change > 0 and known:
                slower[series.name] = max(change, slower.get(series.name, 0.0))
    tag = levels.lineage[at].tags[0]
    if not slower:
        unclear = site.lacks or any(event.order > at for event in opened)
        return "" if unclear else f"Nothing is slower than at {tag}."
    worst = sorted(slower, key=lambda name: -slower[name])
    changes = [f"{name} ({by_percent(math.exp(slower[name]))})" for name in worst]
    return f"Slower than at {tag}: {some(changes, NAMED)}."


def _lately(site: Draft) -> Section:
    groups = list(site.by_commit.values())
    if not groups:
        return Section(
            "What changed lately", [Prose("No benchmark changed, as far as it was measured.")]
        )
    entries = [entry(site, events) for events in groups[:LATELY]]
    blocks: list[Any] = [Log("lately", entries)]
    if len(groups) > LATELY:
        blocks.append(Prose(f"The history has all {len(groups):,} commits that changed something."))
    return Section("What changed lately", blocks)


# --- groups of benchmarks ---


def _trends(levels: Levels) -> Section | None:
    """The mean level of the benchmarks of each file or hot path; None if none of them changed."""
    last = levels.newest
    meaning = f"mean level over {count(last + 1, 'commit')}"
    rows: list[tuple[float, Sequence[Cell]]] = []
    for (_, path), items in grouped(
        levels.fits.items(), lambda item: (item[0].suite, item[0].path)
    ).items():
        fits = [fit for _, fit in items]
        mean = np.mean([fit.levels()[: last + 1] for fit in fits], axis=0)
        ends = [change for fit in fits for change, known in (moved(fit, 0, last),) if known]
        slower, faster = sum(change > 0 for change in ends), sum(change < 0 for change in ends)
        name = plain(path)
        link = Anchor(name, f"history.html#{urlencode({'map.text': name})}")
        differs = bool(np.ptp(mean))
        change = float(mean[-1] - mean[0])
        cells: list[Cell] = [
            link,
            f"{len(items):,}",
            sparkline(np.exp(mean).tolist(), meaning) if differs else "unchanged",
            by_percent(math.exp(change)) if differs else "–",
            Badge(f"{slower:,}", "bad") if slower else "–",
            Badge(f"{faster:,}", "good") if faster else "–",
        ]
        rows.append((abs(change), cells))
    rows.sort(key=lambda row: -row[0])
    if not rows or not rows[0][0]:
        return None
    first, newest_one = levels.lineage[0].short, levels.lineage[last].short
    title = f"Mean time of a call from {first} to {newest_one}, by group"
    if len(rows) > GROUPS_MOST:
        title += f"; the {GROUPS_MOST} of {len(rows):,} groups that changed most"
    columns = ("group", "benchmarks", "trend", "change", "slower", "faster")
    table = Table(title, columns, [cells for _, cells in rows[:GROUPS_MOST]], text=(0, 2))
    return Section("Trends", [table])


# --- where and when ---


def _where(comparisons: Sequence[ComparisonRecord]) -> Section:
    """A row for each machine; two of one name differ in what else is known of them."""

    def about(record: ComparisonRecord) -> tuple[str, str, str]:
        here = record.machine
        system = plain(f"{here.system}, Python {here.python}")
        return plain(str(record.place)), f"{here.memory / GIB:,.0f} GiB", system

    rows: list[Sequence[Cell]] = []
    for machine, records in grouped(comparisons, about).items():
        days = sorted({record.time[:10] for record in records})
        dirty = sum(record.commit.dirty for record in records)
        when = " to ".join(dict.fromkeys((days[0], days[-1])))
        rows.append([*machine, f"{len(records):,}", when, f"{dirty:,}" if dirty else "–"])
    columns = ("machine", "memory", "system", "comparisons", "when", "with uncommitted changes")
    return Section("Where and when", [Table("Machines", columns, rows, text=(0, 2, 4))])
