"""The site as it grows, and what several pages show."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple

import msgspec

from ...hotpath import HotPath
from .. import git
from ..history.changes import Change
from ..history.curves import Points
from ..history.races import RaceRecord
from ..history.records import Fields, Origin, Place
from ..levels.knowledge import Lack, lacks
from ..race.result import Result
from ..suites.series import Series
from ..table import Anchor, Badge, Cell, Table, grouped
from ..words import SHORT, by_percent, count, plain, seconds
from . import addresses
from .blocks import Files, Page, Prose, Section, sparkline
from .events import Event, events_of
from .gather import Material, where_from

SENTENCES_MOST = 3  # about where something was measured
NO_CHANGE = "No change that the history can show."


@dataclass(frozen=True)
class Lead:
    """The lead of the overview: a sentence of its verdict, and its first section."""

    sentence: str
    section: Section


class Planned(NamedTuple):
    """A page before it is drafted: what it is called, and the function that appends it."""

    file: str
    title: str
    nav: str
    draft: Callable[[Draft], None]


@dataclass(frozen=True)
class Content:
    """What an extension adds to the report.

    Attributes
    ----------
    kinds : the records that its pages show.
    pages : file, name in the navigation, and the function that drafts the page.
    lead : drafts the lead of the overview; None without records.
    usual_case : the case by which hot paths are compared; each path's first one by default.
    """

    kinds: tuple[type[Origin], ...] = ()
    pages: tuple[tuple[str, str, Callable[[Draft], None]], ...] = ()
    lead: Callable[[Draft], Lead | None] = lambda site: None
    usual_case: str = ""


@dataclass
class Draft:
    """A site as it grows: pages, and the data behind them.

    `data`: files beside the pages, by their names. `curves`: the names of those that hold the
    history of a path. `planned`: the addresses of all pages, known before the first one is drafted.
    """

    material: Material
    catalogue: dict[str, HotPath]
    content: Content
    pages: list[Page] = field(default_factory=list)
    data: dict[str, bytes] = field(default_factory=dict)
    curves: list[str] = field(default_factory=list)
    planned: set[str] = field(default_factory=set)

    @cached_property
    def points(self) -> dict[str, list[Points]]:
        """The curves of the history, by their path."""
        return grouped(self.material.points, lambda points: points.curve.path)

    @property
    def paths(self) -> list[str]:
        """The hot paths of the catalogue, and the others that were measured."""
        return list(dict.fromkeys((*self.catalogue, *self.races, *self.points)))

    @cached_property
    def races(self) -> dict[str, list[RaceRecord]]:
        """The newest results, by their path."""
        return grouped(self.material.races, lambda race: race.result.path)

    @cached_property
    def changes(self) -> dict[str, list[Change]]:
        """The changes along the curves, the newest first, by their path."""
        return grouped(self.material.changes, lambda change: change.curve.path)

    @cached_property
    def events(self) -> list[Event]:
        """What changed at which commit, the newest first."""
        return events_of(self.material)

    @cached_property
    def by_commit(self) -> dict[str, list[Event]]:
        """The events of each commit."""
        return grouped(self.events, lambda event: event.commit)

    @cached_property
    def lacks(self) -> list[Lack]:
        """What is not known well of benchmarks that were compared, the worst first."""
        return lacks(self.material.levels) if self.material.levels else []

    def offer(self, name: str, table: Table) -> Table:
        """`table` with links to its records, which become JSON and CSV files called `name`."""
        self.keep(name, table.records)
        return replace(table, data=name)

    def keep(self, name: str, records: Sequence[Any], what: str = "These rows") -> Files:
        """Write `records` to JSON and CSV files called `name`; links to them."""
        lines = [msgspec.json.encode(record) for record in records]  # NaN becomes null
        self.data[f"data/{name}.json"] = b"[\n%b\n]\n" % b",\n".join(lines)
        cells = [_flattened(msgspec.json.decode(line)) for line in lines]
        out = io.StringIO(newline="")
        columns = dict.fromkeys(column for row in cells for column in row)
        writer = csv.DictWriter(out, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(cells)
        self.data[f"data/{name}.csv"] = out.getvalue().encode("utf-8", "backslashreplace")
        return Files(what, name)

    def address(self, file: str) -> str:
        """The address of a page; empty if there is no such page."""
        return file if file in self.planned else ""

    def link(self, text: str, file: str) -> Anchor:
        """A link to a page, if there is that page."""
        return Anchor(plain(text), self.address(file))

    def benchmark(self, series: Series) -> Anchor:
        """A link to the page of a series, or to that of its hot path."""
        own = addresses.benchmark(series)
        shared = "" if series.suite else addresses.path(series.path)
        return self.link(series.name, own if own in self.planned else shared)

    def benchmark_of(self, event: Event) -> Anchor:
        """A link to the page of the benchmark that changed."""
        if event.paired:
            return self.benchmark(event.series)
        return self.link(event.name, addresses.path(event.series.path))

    def about(self, commit: str) -> str:
        """The date and the first line of the message of a commit, as far as they are known."""
        levels, history = self.material.levels, self.material.history
        if levels and commit in levels.lineage.places:
            known = levels.lineage[levels.lineage.places[commit]]
            return plain(f"{known.date:%Y-%m-%d} {known.subject}".rstrip())
        if history and commit in history.subjects:
            return plain(history.subjects[commit])
        is_hash = addresses.HASH.fullmatch(commit)  # nothing else is handed to git
        return plain(git.query("show", "-s", "--format=%cs %s", commit) or "–" if is_hash else "–")

    def commit(self, commit: str) -> Anchor:
        """A link to a commit at the forge, if its page there is known."""
        known = self.material.commit_url and commit.isalnum() and commit.isascii()
        return Anchor(commit[:SHORT], self.material.commit_url + commit if known else "")


def _flattened(row: Mapping[str, Any], above: str = "") -> Fields:
    """The cells of a row for CSV; a nested value is named by its path, with dots."""
    cells: Fields = {}
    for name, value in row.items():
        if isinstance(value, dict):
            cells |= _flattened(value, f"{above}{name}.")
        else:
            cells[above + name] = value
    return cells


def index_of(site: Draft, where: Place) -> int:
    """The number of a place, from 1 on; that of the newest race is the first."""
    return site.material.places.index(where) + 1


def fastest(results: Sequence[Result], usual_case: str) -> Result | None:
    """The fastest result at the usual case, or the first one without that case."""
    timed = [r for r in results if r.speedup.median > 0]
    usual = [r for r in timed if r.case == usual_case] or timed[:1]
    return max(usual, key=lambda r: r.speedup.median, default=None)


def newest_call(curves: Sequence[Points]) -> str:
    """Seconds of a call at the newest commit of each curve; empty if none has seconds."""
    values = [float(points.value[-1]) for points in curves if points.curve.quantity == "seconds"]
    ends = (min(values), max(values)) if values else ()
    return " to ".join(dict.fromkeys(map(seconds, ends)))


def longest(curves: Sequence[Points]) -> Cell:
    """The line of the curve with most commits; the first one of several."""
    if not curves:
        return ""
    points = max(curves, key=len)
    about = points.curve
    variant = f" of {plain(about.variant)}" if about.variant else ""
    return sparkline(
        points.value.tolist(),
        f"{plain(about.quantity)}{variant} over {count(len(points), 'commit')}",
    )


def commits_of(curves: Sequence[Points]) -> dict[int, tuple[str, datetime]]:
    """The commits of curves with their dates, by their places in the history, in its order."""
    known = {
        int(place): (commit, date)
        for points in curves
        for place, commit, date in zip(points.places, points.commits, points.dates, strict=True)
    }
    return dict(sorted(known.items()))


def last_change(site: Draft, path: str, where: Place) -> Cell:
    """The newest change of a path on that machine."""
    for change in site.changes.get(path, ()):
        if change.curve.machine == where.machine:
            text = f"{change.direction} {by_percent(change.ratio.median)}, {change.date:%Y-%m-%d}"
            return Badge(text, change.tone)
    return ""


def none_yet(command: str) -> Prose:
    """The text of a page without records."""
    return Prose(f"There are no records of this yet; {command} makes some.")


def measured_where(records: Sequence[Origin]) -> Prose:
    """Where, when and at which commits `records` were measured, the newest first."""
    newest = sorted(records, key=lambda record: record.time, reverse=True)
    groups = grouped(newest, lambda record: (record.place, record.software))
    sentences = [where_from(*group) for group in groups.values()]
    if len(sentences) > SENTENCES_MOST:
        older = f"The others were measured from {newest[-1].time[:10]} on."
        sentences = [*sentences[:SENTENCES_MOST], older]
    return Prose(plain(" ".join(sentences)), quiet=True)
