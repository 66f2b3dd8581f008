"""What the report is about: everything that was recorded, read once.

A line that cannot be read, or that lacks what its page shows, is told in a sentence and left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pandas as pd

from ...errors import MlpperfError
from .. import git
from ..calibrate.show import trial_of
from ..history.changes import Change, changes_along
from ..history.curves import points
from ..history.records import race_result, scan
from ..history.rows import DAMAGE
from ..history.table import History, history
from ..timing.machine import BUSY
from ..timing.result import Result
from .frames import frame

Record = dict[str, Any]
Shown = Mapping[str, Callable[[Record], object]]
# What is shown of one record must be possible with every one that is kept.
SHOWN: Shown = {
    "calibrations": lambda r: (trial_of(r), r["tracker"] + "", r["budget"] + 0.0, r["cases"]),
    "comparisons": lambda r: (r["base"] + r["head"] + r["verdict"], r["exit_code"] + 0),
}


class Place(NamedTuple):
    """Where something was measured; figures of different places are never mixed."""

    machine: str
    device: str
    threads: int

    def __str__(self) -> str:
        return f"{self.machine}; {self.device}, {self.threads} thread{'s' * (self.threads != 1)}"


@dataclass(frozen=True)
class Race:
    """The newest result of a variant at a case in a place."""

    place: Place
    result: Result
    time: str
    commit: str
    dirty: bool
    software: str


@dataclass
class Material:
    """What the report is made of.

    `points`: the curves of the history. `kinds`: the records by the name of their file.
    `commit_url`: what a commit's page starts with, or nothing.
    """

    history: History | None = None
    points: pd.DataFrame | None = None
    changes: list[Change] = field(default_factory=list)
    races: list[Race] = field(default_factory=list)
    kinds: dict[str, list[Record]] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)
    commit_url: str = ""

    @property
    def places(self) -> list[Place]:
        """Of the races, that of the newest first."""
        newest = sorted(self.races, key=lambda race: race.time, reverse=True)
        return list(dict.fromkeys(race.place for race in newest))


def gather(
    records: Path | None,
    asv: Path | None,
    pytest_benchmark: Path | None,
    kinds: Shown = MappingProxyType({}),
) -> Material:
    """Read everything there is; `kinds` are the records of others than the engine's own.

    Raises
    ------
    MlpperfError
        If there is nothing, or nothing that can be read.
    """
    every = {**kinds, **SHOWN}
    found = Material(kinds={name: [] for name in every}, commit_url=commit_url())
    newest: dict[tuple[Place, str, str, str], Race] = {}

    def seen(record: Record) -> None:
        race = _race(record)
        result = race.result
        newest[race.place, result.path, result.case, result.variant] = race

    races = records if records and (records / "races.jsonl").exists() else None
    if races or asv or pytest_benchmark:
        found.history = history(races, asv, pytest_benchmark, seen=seen)
        curves = points(found.history.table)
        found.points = frame(curves, found.history.table.commits)
        found.changes = changes_along(curves)
        found.unreadable += found.history.unreadable
        found.races = list(newest.values())
    for name, shown in every.items():
        file = records / f"{name}.jsonl" if records else None
        if file and file.exists():
            found.kinds[name] = _readable(file, shown, found.unreadable)
    if not found.history and not any(found.kinds.values()):
        damaged = f" ({len(found.unreadable)} damaged lines)" if found.unreadable else ""
        raise MlpperfError(
            f"There are no records yet{damaged}; `make bench`, or `mlpperf race`, makes some."
        )
    return found


def _readable(file: Path, shown: Callable[[Record], object], unreadable: list[str]) -> list[Record]:
    kept = []
    try:
        for where, record in scan(file):
            if isinstance(record, str):
                unreadable.append(f"{where}: {record}")
                continue
            try:
                shown(record)
                where_from(record)
            except DAMAGE:
                unreadable.append(f"{where}: lacks what such a record has")
            else:
                kept.append(record)
    except OSError as reason:
        unreadable.append(f"{file}: {reason.strerror or reason}")
    return kept


def _race(record: Record) -> Race:
    machine = record["machine"]
    return Race(
        place_of(record),
        race_result(record),
        record["time"] + "",
        (record["commit"]["hash"] or "") + "",
        bool(record["commit"]["dirty"]),
        f"{machine['blas']}, NumPy {machine['numpy']}, Python {machine['python']}",
    )


def place_of(record: Record) -> Place:
    """Where a record of whatever kind is from."""
    machine = record["machine"]
    name = f"{machine['host']}: {machine['processor']}, {machine['cores']:d} processors"
    return Place(name, record["device"] + "", int(record["threads"]))


def alike(record: Record) -> Hashable:
    """What the calibrations that are told as one have in common."""
    disturbed = record["busy"] > BUSY
    cases = tuple(record["cases"])
    return place_of(record), record["tracker"], cases, record["budget"], disturbed


def where_from(record: Record) -> str:
    """Machine, software, date and commit of a record, in a sentence."""
    commit, machine = record["commit"]["hash"] or "no commit", record["machine"]
    changed = " with changed files" if record["commit"]["dirty"] else ""
    return (
        f"{place_of(record)}; {machine['blas']}, NumPy {machine['numpy']}, "
        f"Python {machine['python']}; {record['time'][:10]}, commit {commit[:10]}{changed}."
    )


def commit_url(folder: Path | None = None) -> str:
    """What the addresses of this repository's commits start with, if it has such a home."""
    told = git.told("config", "--get", "remote.origin.url", folder=folder) or ""
    name = r"[\w.-]+"
    home = re.fullmatch(
        rf"(?:https://|(?:ssh://)?git@)({name})[:/]({name}(?:/{name})+)",
        told.strip().removesuffix("/").removesuffix(".git"),
    )
    return f"https://{home[1]}/{home[2]}/commit/" if home else ""
