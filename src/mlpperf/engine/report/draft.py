"""What pages are drafted with: the site as it grows, and what several of them show."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count as count_from
from typing import Any
from urllib.parse import quote

import pandas as pd

from ...hotpath import HotPath
from ..history.changes import Change
from ..history.reading import origin_of
from ..history.records import Place
from ..timing.result import Result
from ..words import SHORT, by_percent, count, plain
from .blocks import Badge, Cell, Link, Page, Prose, Section, sparkline
from .gather import Fields, Material, where_from

Records = Sequence[Fields]


@dataclass(frozen=True)
class Lead:
    """What stands first on the overview: a sentence of its verdict, and a section."""

    sentence: str
    section: Section


@dataclass(frozen=True)
class Content:
    """What a package of hot paths adds to the report of whoever uses it.

    Attributes
    ----------
    kinds : by the name of their file, the records that its pages show, and what is shown of one: it
        raises what a damaged record makes it raise, and that record is then left out.
    pages : file, name in the navigation, and the function that drafts the page.
    lead : drafts what stands first on the overview; None where there is nothing yet.
    usual_case : the case by which hot paths are compared; each path's first one by default.
    """

    kinds: Mapping[str, Callable[[Fields], object]] = field(default_factory=dict)
    pages: tuple[tuple[str, str, Callable[[Draft], None]], ...] = ()
    lead: Callable[[Draft], Lead | None] = lambda site: None
    usual_case: str = ""


@dataclass
class Draft:
    """A site as it grows: pages, and the data behind them.

    `data`: rows, or CSV, by the name of their files. `curves`: the history of each path, as JSON.
    """

    material: Material
    catalogue: dict[str, HotPath]
    content: Content
    pages: list[Page] = field(default_factory=list)
    data: dict[str, Records | str] = field(default_factory=dict)
    curves: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)  # of each path, without its ending

    @property
    def points(self) -> pd.DataFrame | None:
        """The curves of the history."""
        return self.material.points

    def keep(self, name: str, data: Records | str) -> str:
        """Have `data` written beside the page; gives the name of the files."""
        self.data[name] = data
        return name

    def page_of(self, path: str, up: str = "") -> Link:
        """A link to the page of a path, from a page that is `up` from the first one."""
        return Link(plain(path), f"{up}paths/{self.files[path]}.html")

    def commit(self, commit: str) -> Link:
        """A link to a commit, if its page is known."""
        known = self.material.commit_url and commit.isalnum() and commit.isascii()
        return Link(commit[:SHORT], self.material.commit_url + commit if known else "")


def started(material: Material, catalogue: Sequence[HotPath], content: Content) -> Draft:
    """A site without pages, in which every path has the name of its file."""
    site = Draft(material, {path.name: path for path in catalogue}, content)
    known = [*site.catalogue, *(race.result.path for race in material.races)]
    if site.points is not None:
        known += list(site.points["path"].unique())
    taken: set[str] = set()
    for name in dict.fromkeys(known):
        file = first = quote(name.replace("/", "-"), safe="")[:100]
        for number in count_from(2):
            if file not in taken:
                break
            file = f"{first}-{number}"
        taken.add(file)
        site.files[name] = file
    return site


def index_of(site: Draft, where: Place) -> int:
    """From 1 on; the place of the newest race is the first."""
    return site.material.places.index(where) + 1


def fastest(results: Sequence[Result], usual_case: str) -> Result | None:
    """At the usual case, or the first that there is."""
    timed = [r for r in results if r.speedup.median > 0]
    usual = [r for r in timed if r.case == usual_case] or timed[:1]
    return max(usual, key=lambda r: r.speedup.median, default=None)


def longest(found: pd.DataFrame) -> Cell:
    """The line of the curve with most commits."""
    if found.empty:
        return ""
    longest = found[found["curve"] == found["curve"].value_counts().index[0]]
    about = longest.iloc[0]
    variant = f" of {plain(about['variant'])}" if about["variant"] else ""
    return sparkline(
        longest["value"].to_list(),
        f"{plain(about['quantity'])}{variant} over {count(len(longest), 'commit')}",
    )


def last_change(site: Draft, path: str, where: Place) -> Cell:
    """The newest change of a path on that machine."""
    for change in site.material.changes:
        if change.curve.path == path and change.curve.machine == where.machine:
            text = f"{change.direction} {by_percent(change.ratio.median)}, {change.date:%Y-%m-%d}"
            return Badge(text, kind_of(change))
    return ""


def kind_of(change: Change) -> str:
    """Whether a change is for the worse."""
    words = {"slower": "bad", "more": "bad", "faster": "good", "less": "good"}
    return words.get(change.direction, "plain")


def flat(r: Result) -> Fields:
    """A result as the files beside the page have it."""
    return {
        "path": r.path,
        "version": r.version,
        "case": r.case,
        "variant": r.variant,
        "backend": r.backend,
        "seconds": _or_none(r.seconds),
        "reference_seconds": _or_none(r.reference_seconds),
        "speedup": _or_none(r.speedup.median),
        "speedup_low": _or_none(r.speedup.low),
        "speedup_high": _or_none(r.speedup.high),
        "rounds": r.rounds,
        "error": _or_none(r.proof.error),
        "tolerance": _or_none(r.proof.tolerance),
        "floor_seconds": _or_none(r.floor),
        "share_error": _or_none(r.share_error),
        "limit": r.limit,
        "verdict": str(r.judgement),
        "wrong": r.wrong,
        "doubts": "; ".join(r.doubts),
    }


def _or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None


def newest_of(records: Records, key: Callable[[Fields], Any]) -> list[Fields]:
    """The last record for every `key`."""
    return list({key(r): r for r in records}.values())


def grouped(items: Iterable[Any], key: Callable[[Any], Any]) -> dict[Any, list[Any]]:
    """`items` by their `key`, in their order."""
    groups: dict[Any, list[Any]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups


def none_yet(command: str) -> Prose:
    """What stands where there are no records."""
    return Prose(f"There are no records of this yet; {command} makes some.")


def measured_where(records: Records) -> Prose:
    """Where and when the last of `records` was measured."""
    return Prose(where_from(origin_of(records[-1])), quiet=True)
