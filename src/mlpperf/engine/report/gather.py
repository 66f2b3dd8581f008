"""What the report is about: everything that was recorded, read once.

A line that cannot be read, or that lacks what its page shows, is told in a sentence and left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from ...errors import MlpperfError
from .. import git
from ..calibrate.recorded import CALIBRATIONS, Calibration
from ..compare.records import Decision, comparisons
from ..history.changes import Change, changes_along
from ..history.curves import Points, points
from ..history.reading import Content, Kind, Record, read_records
from ..history.records import Origin, Place
from ..history.table import History, whatever_can_be_read
from ..levels.gathering import Levels, levels_here
from ..race.result import Result

Fields = dict[str, Any]
Shown = Mapping[str, Callable[[Fields], object]]


@dataclass(frozen=True)
class Race:
    """The newest result of a variant at a case in a place."""

    place: Place
    result: Result
    origin: Origin


@dataclass
class Material:
    """What the report is made of.

    `points`: the curves of the history. `levels`: of the branch that is checked out, if two of its
    commits have been compared. `kinds`: the lines of the records that are not the engine's
    own, by the name of their file. `commit_url`: what a commit's page starts with, or nothing.
    """

    history: History | None = None
    points: list[Points] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    races: list[Race] = field(default_factory=list)
    calibrations: list[Record[Calibration]] = field(default_factory=list)
    comparisons: list[Record[Decision]] = field(default_factory=list)
    levels: Levels | None = None
    kinds: dict[str, list[Fields]] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)
    commit_url: str = ""

    @cached_property
    def places(self) -> list[Place]:
        """Of the races, that of the newest first."""
        newest = sorted(self.races, key=lambda race: race.origin.time, reverse=True)
        return list(dict.fromkeys(race.place for race in newest))


def gather(
    records: Path | None,
    asv: Path | None,
    pytest_benchmark: Path | None,
    kinds: Shown = MappingProxyType({}),
) -> Material:
    """Read everything there is.

    `kinds` are the records of others than the engine's own, by the name of their file, and what
    checks a line: it raises `ValueError` for one that cannot be shown.

    Raises
    ------
    MlpperfError
        If there is nothing, or nothing that can be read.
    """
    found = Material(commit_url=commit_url())
    newest: dict[tuple[Place, str, str, str], Race] = {}

    def seen(record: Record[Result]) -> None:
        race = Race(record.origin.place, record.content, record.origin)
        result = race.result
        newest[race.place, result.path, result.case, result.variant] = race

    races = records if records and (records / "races.jsonl").exists() else None
    if races or asv or pytest_benchmark:
        read = whatever_can_be_read(races, asv, pytest_benchmark, seen=seen)
        found.history = read if len(read.table) else None
        found.points = points(read.table)
        found.changes = changes_along(found.points)
        found.unreadable += read.unreadable
        found.races = list(newest.values())
    found.calibrations = _read(records, CALIBRATIONS, found.unreadable)
    if records:
        found.comparisons, unreadable = comparisons(records)
        found.unreadable += unreadable
    found.levels = levels_here(found.comparisons)
    for name, shown in kinds.items():
        every = _read(records, Kind(name, shown), found.unreadable)
        # With what older lines lack and has a value all the same.
        found.kinds[name] = [r.fields | msgspec.to_builtins(r.content) for r in every]
    recorded = (found.history, found.calibrations, found.comparisons, *found.kinds.values())
    if not any(recorded):
        if found.unreadable:
            raise MlpperfError(
                f"Nothing that was recorded can be read ({len(found.unreadable)} damaged), such as "
                f"{found.unreadable[0]}."
            )
        raise MlpperfError(
            "There are no records yet; `mlpperf compare BASE`, or `mlpperf race` where there are "
            "hot paths, makes some."
        )
    return found


def _read(folder: Path | None, kind: Kind[Content], unreadable: list[str]) -> list[Record[Content]]:
    kept = []
    for record in read_records(folder, kind) if folder else ():
        if isinstance(record, str):
            unreadable.append(record)
        else:
            kept.append(record)
    return kept


def where_from(origin: Origin) -> str:
    """Machine, software, date and commit of a record, in a sentence."""
    commit = origin.commit.hash or "no commit"
    changed = " with changed files" if origin.commit.dirty else ""
    return f"{origin.place}; {origin.software}; {origin.time[:10]}, commit {commit[:10]}{changed}."


def commit_url(folder: Path | None = None) -> str:
    """What the addresses of this repository's commits start with, if it has such a home."""
    told = git.query("config", "--get", "remote.origin.url", folder=folder) or ""
    name = r"[\w.-]+"
    home = re.fullmatch(
        rf"(?:https://|(?:ssh://)?git@)({name})[:/]({name}(?:/{name})+)",
        told.strip().removesuffix("/").removesuffix(".git"),
    )
    return f"https://{home[1]}/{home[2]}/commit/" if home else ""
