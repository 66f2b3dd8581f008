"""The history: the commits that changed something, the map, and what is not known well."""

from __future__ import annotations

from typing import Any

from ..history.changes import ALARMS, FEWEST
from ..levels.show import notes
from ..table import Cell, Table
from ..words import count, plain
from . import map_data, state
from .blocks import Filters, Log, Page, Prose, Section
from .commit_pages import entry, summary
from .draft import NO_CHANGE, Draft, none_yet
from .events import Event

COMMITS_MOST = 500  # in the list; the files have all
LACKS_MOST = 50  # benchmarks that are not known well, on the page
FILTERS = ("change", "suite", "machine")


def history(site: Draft) -> None:
    """Every change by commit, newest first; then the map of all benchmarks."""
    levels = site.material.levels
    sections = [_log(site)]
    if levels is not None:
        sections.append(_map(site))
        sections += _not_known(site)
    sections.append(_basis(site))
    empty = levels is None and site.material.history is None
    verdict = _verdict(site)
    site.pages.append(Page("history.html", "History", verdict, sections, "History", empty=empty))


def _verdict(site: Draft) -> str:
    m = site.material
    if m.levels is None and m.history is None:
        return state.without_history(site)
    groups = site.by_commit
    if not groups and (short := state.too_short(m)):
        return short
    if m.levels is not None:
        first, last = m.levels.lineage[0], m.levels.lineage[m.levels.newest]
        along = f"from {first.short} to {last.short}"
    else:
        assert m.history is not None
        along = f"along {count(len(m.history.table.commits), 'commit')}"
    if not groups:
        return f"No benchmark changed {along}, as far as it was measured."
    return f"{count(len(groups), 'commit')} changed benchmarks {along}: {summary(site.events)}."


def _log(site: Draft) -> Section:
    groups = list(site.by_commit.values())
    if site.material.levels is None and site.material.history is None:
        return Section("What changed", [none_yet("`mlpperf compare BASE` or `mlpperf backfill`")])
    if not groups:
        return Section("What changed", [Prose(NO_CHANGE)])
    entries = [entry(site, events) for events in groups[:COMMITS_MOST]]
    choices = {
        name: sorted({tag for one in entries for tag in one.tags[name].split("\n") if tag})
        for name in FILTERS
    }
    blocks: list[Any] = [Filters("log", choices), Log("log", entries)]
    if len(groups) > COMMITS_MOST:
        blocks.append(Prose(f"The newest {COMMITS_MOST:,} of {len(groups):,} commits."))
    return Section("What changed", blocks)


def _map(site: Draft) -> Section:
    levels = site.material.levels
    assert levels is not None
    rows, drawn = map_data.drawn(site, levels)
    text = (
        "A row for each benchmark, a column for each commit, the oldest on the left. The colour is "
        "the time of a call relative to the first commit; a mark is a commit that changed it. "
        "Where a row is empty, the benchmark was not measured."
    )
    files = site.keep("series", rows, "All benchmarks")
    return Section("All benchmarks", [Prose(text), drawn, files])


def _not_known(site: Draft) -> list[Section]:
    every = site.lacks
    if not every:
        return []
    rows: list[list[Cell]] = [
        [site.benchmark(lack.series), plain(lack.why), plain(lack.command)]
        for lack in every[:LACKS_MOST]
    ]
    title = f"{count(len(every), 'benchmark')} of which little is known, and what would add to it"
    if len(every) > LACKS_MOST:
        title = f"The {LACKS_MOST} worst of {title}"
    columns = ("benchmark", "why", "command")
    return [Section("Not known well", [Table(title, columns, rows, text=range(3), code=(2,))])]


def _basis(site: Draft) -> Section:
    """What the history is made of, and how it is judged."""
    m = site.material
    blocks: list[Any] = []
    if m.levels is not None:
        blocks += [Prose(plain(sentence)) for sentence in notes(m.levels)]
    if m.history is not None:
        besides = " Of benchmarks that were compared, only comparisons count." if m.levels else ""
        blocks.append(
            Prose(
                "Seconds of races, asv and pytest-benchmark change where a curve stays at another "
                "level from some commit on, or drifts, by more than 1 %. Noise alone would show "
                f"any change with a probability of at most {100 * ALARMS:.0f} %. Curves of fewer "
                f"than {2 * FEWEST} commits are too short for a conclusion.{besides}"
            )
        )
    if site.events:
        blocks.append(site.keep("changes", list(map(_record, site.events)), "All changes"))
    return Section("How it was judged", blocks or [none_yet("`mlpperf compare BASE`")])


def _record(event: Event) -> dict[str, Any]:
    return {
        "benchmark": event.name,
        "suite": event.suite,
        "direction": event.direction.text,
        "commit": event.commit,
        "date": event.date.isoformat(),
        "message": event.subject,
        "since": event.where,
        "ratio": event.ratio.median,
        "low": event.ratio.low,
        "high": event.ratio.high,
        "detail": event.detail,
        "machine": event.machine,
        "open": event.open,
        "net": event.net,
    }
