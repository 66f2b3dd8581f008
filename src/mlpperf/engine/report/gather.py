"""What the report is about: everything that was recorded, read once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from ...errors import MlpperfError
from .. import git
from ..calibrate.recorded import CalibrationRecord
from ..compare.records import ComparisonRecord, comparisons
from ..history.changes import Change, changes_along
from ..history.curves import Points, points
from ..history.races import RaceRecord
from ..history.reading import AnyRecord, read_records
from ..history.records import Origin, Place
from ..history.table import History, read_history
from ..levels.gathering import Levels, levels_here


@dataclass
class Material:
    """What the report is made of.

    `points`: the curves of the history. `races`: the newest of each variant, case and place.
    `levels`: of the branch that is checked out, if two of its commits have been compared. `others`:
    the records that are not the engine's own, by their kind.
    `commit_url`: what the address of a commit's page starts with; empty if unknown.
    """

    history: History | None = None
    points: list[Points] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    races: list[RaceRecord] = field(default_factory=list)
    calibrations: list[CalibrationRecord] = field(default_factory=list)
    comparisons: list[ComparisonRecord] = field(default_factory=list)
    levels: Levels | None = None
    others: dict[type[Origin], list[Any]] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)
    commit_url: str = ""

    def of(self, kind: type[AnyRecord]) -> list[AnyRecord]:
        """The records of a kind that is not the engine's own."""
        return self.others.get(kind, [])

    @cached_property
    def places(self) -> list[Place]:
        """The places of the races, that of the newest first."""
        newest = sorted(self.races, key=lambda race: race.time, reverse=True)
        return list(dict.fromkeys(race.place for race in newest))


def gather(
    records: Path | None,
    asv: Path | None,
    pytest_benchmark: Path | None,
    kinds: Sequence[type[Origin]] = (),
) -> Material:
    """Read everything there is; `kinds` are those of records that are not the engine's own.

    Raises
    ------
    MlpperfError
        If there is nothing, or nothing that can be read.
    """
    found = Material(commit_url=commit_url())
    newest: dict[tuple[Place, str, str, str], RaceRecord] = {}

    def seen(race: RaceRecord) -> None:
        newest[race.place, race.path, race.case, race.variant] = race

    races = records if records and (records / "races.jsonl").exists() else None
    if races or asv or pytest_benchmark:
        read = read_history(races, asv, pytest_benchmark, seen=seen)
        found.history = read if len(read.table) else None
        found.points = points(read.table)
        found.changes = changes_along(found.points)
        found.unreadable += read.unreadable
        found.races = list(newest.values())
    if records:
        found.calibrations = _read(records, CalibrationRecord, found.unreadable)
        found.comparisons, unreadable = comparisons(records)
        found.unreadable += unreadable
        for kind in kinds:
            found.others[kind] = _read(records, kind, found.unreadable)
    found.levels = levels_here(found.comparisons)
    recorded = (found.history, found.calibrations, found.comparisons, *found.others.values())
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


def _read(folder: Path, kind: type[AnyRecord], unreadable: list[str]) -> list[AnyRecord]:
    records = []
    for record in read_records(folder, kind):
        if isinstance(record, str):
            unreadable.append(record)
        else:
            records.append(record)
    return records


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
