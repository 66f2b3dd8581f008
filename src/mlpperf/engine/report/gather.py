"""Reads all records for the report, once, and chooses the comparisons that have a page."""

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
from ..compare import (
    CausesRecord,
    ComparisonDetails,
    ComparisonRecord,
    code_of,
    comparisons,
    read_in_full,
)
from ..history.changes import Change, changes_along
from ..history.curves import Points, points
from ..history.races import RaceRecord
from ..history.reading import AnyRecord, readable
from ..history.records import Origin, Place
from ..history.table import History, history
from ..levels.gathering import Levels, levels_here
from ..statistics.verdicts import Verdict
from ..table import grouped
from ..words import SHORT, some
from . import addresses
from .results import Results

COMMITS_MOST = 3  # named in a sentence
CHANGED_MOST = 100  # comparisons that changed something
NEWEST_MOST = 20  # others that timed anything
CHANGES = {Verdict.SLOWER, Verdict.FASTER, Verdict.WRONG, Verdict.FIXED}
NO_RECORDS = (
    "There are no records yet; `mlpperf compare BASE`, or `mlpperf race` where there are hot "
    "paths, makes some."
)


@dataclass
class Material:
    """What the report is made of.

    `points`: the curves of the history. `races`: the newest of each variant, case and place.
    `levels`: of the branch that is checked out, if two of its commits have been compared.
    `details`: the comparisons that have a page, in full, by the indices of their lines.
    `causes`: the latest of each comparison, by the file of its page.
    `others`: the records that are not the engine's own, by their kind.
    `commit_url`: the beginning of the address of a commit's page; empty if unknown.
    """

    history: History | None = None
    points: list[Points] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    races: list[RaceRecord] = field(default_factory=list)
    calibrations: list[CalibrationRecord] = field(default_factory=list)
    comparisons: list[ComparisonRecord] = field(default_factory=list)
    levels: Levels | None = None
    details: dict[int, ComparisonDetails] = field(default_factory=dict)
    causes: dict[str, CausesRecord] = field(default_factory=dict)
    others: dict[type[Origin], list[Any]] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)
    commit_url: str = ""

    def of(self, kind: type[AnyRecord]) -> list[AnyRecord]:
        """The records of a kind that is not the engine's own."""
        return self.others.get(kind, [])

    @property
    def empty(self) -> bool:
        """Whether there are no records, or none that can be read."""
        kinds = (self.calibrations, self.comparisons, *self.others.values())
        return self.history is None and not any(kinds)

    @cached_property
    def results(self) -> Results:
        """The results of each series in the comparisons."""
        return Results(self.comparisons)

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
    """Read all records; `kinds` are those of an extension.

    Raises `MlpperfError` if there are records, but none that can be read.
    """
    material = Material(commit_url=commit_url())
    newest: dict[tuple[Place, str, str, str], RaceRecord] = {}

    def seen(race: RaceRecord) -> None:
        newest[race.place, race.path, race.case, race.variant] = race

    races = records if records and (records / "races.jsonl").exists() else None
    if races or asv or pytest_benchmark:
        read = history(races, asv, pytest_benchmark, seen=seen)
        material.history = read if len(read.table) else None
        material.points = points(read.table)
        material.changes = changes_along(material.points)
        material.unreadable += read.unreadable
        material.races = list(newest.values())
    if records:
        material.calibrations = [*readable(records, CalibrationRecord, material.unreadable)]
        material.comparisons, unreadable = comparisons(records)
        material.unreadable += unreadable
        causes = [*readable(records, CausesRecord, material.unreadable)]
        material.causes = _explained(material.comparisons, causes)
        for kind in kinds:
            material.others[kind] = [*readable(records, kind, material.unreadable)]
    material.levels = levels_here(material.comparisons)
    if records:
        lines = {one.outcomes.line for one in chosen(material.comparisons, material.levels)}
        for line, whole in read_in_full(records, lines).items():
            if isinstance(whole, str):
                material.unreadable.append(whole)
            else:
                material.details[line] = whole
    if material.unreadable and material.empty:
        raise MlpperfError(
            f"None of the records can be read ({len(material.unreadable)} damaged), such as "
            f"{material.unreadable[0]}."
        )
    return material


def _explained(
    every: Sequence[ComparisonRecord], causes: Sequence[CausesRecord]
) -> dict[str, CausesRecord]:
    """The latest causes of each comparison, by the file of its page.

    A working tree with changed files may be another one each time: its causes belong to the last
    comparison before them.
    """
    of_code = grouped(every, code_of)
    explained: dict[str, CausesRecord] = {}
    for one in causes:
        same = [
            record
            for record in of_code.get(code_of(one), [])
            if one.about_only([outcome.series for outcome in record.outcomes])
        ]
        if None in one.commits.values() and one.commit.dirty:
            before = [record for record in same if record.time <= one.time]
            same = sorted(before, key=lambda record: record.time)[-1:]
        explained |= {addresses.comparison(record): one for record in same}
    return explained


def changed_something(record: ComparisonRecord) -> bool:
    """Whether any benchmark became slower, faster, wrong or right, or takes more memory."""
    outcomes = record.outcomes
    noted = record.exit_code == 1 or outcomes.wrong or outcomes.differs
    return bool(noted or outcomes.verdicts & CHANGES)


def chosen(records: Sequence[ComparisonRecord], levels: Levels | None) -> list[ComparisonRecord]:
    """The comparisons that have a page, in the order of `records`.

    The newest that changed something, the newest of the others, and those that show the steps of
    the levels. Where no benchmark runs changed code, there is nothing to show.
    """
    changed, others = [], []
    for record in records:
        if changed_something(record):
            changed.append(id(record))
        elif not (record.same or (len(record.outcomes) and record.outcomes.untouched.all())):
            others.append(id(record))
    fits = levels.fits.values() if levels else ()
    steps = {step.where.first for fit in fits for step in fit.steps}
    behind = {id(link.record) for at in steps if levels and (link := levels.across(at))}
    kept = {*changed[-CHANGED_MOST:], *others[-NEWEST_MOST:], *behind}
    return [record for record in records if id(record) in kept]


def where_from(*origins: Origin) -> str:
    """Machine, software, dates and commits of records of the same machine, in a sentence."""
    days = sorted({origin.time[:10] for origin in origins})
    commits = list(dict.fromkeys(_commit(origin) for origin in origins))
    when = " to ".join(dict.fromkeys((days[0], days[-1])))
    word = "commit" if len(commits) == 1 else "commits"
    first = origins[0]
    return f"{first.place}; {first.software}; {when}, {word} {some(commits, COMMITS_MOST)}."


def _commit(origin: Origin) -> str:
    changed = " with changed files" if origin.commit.dirty else ""
    return f"{origin.commit.hash[:SHORT] if origin.commit.hash else 'unknown'}{changed}"


def commit_url(folder: Path | None = None) -> str:
    """The beginning of the addresses of this repository's commits; empty without a home page."""
    remote = git.query("config", "--get", "remote.origin.url", folder=folder) or ""
    name = r"[\w.-]+"
    home = re.fullmatch(
        rf"(?:https://|(?:ssh://)?git@)({name})[:/]({name}(?:/{name})+)",
        remote.strip().removesuffix("/").removesuffix(".git"),
    )
    if not home:
        return ""
    word = "commits" if home[1] == "bitbucket.org" else "commit"
    return f"https://{home[1]}/{home[2]}/{word}/"
