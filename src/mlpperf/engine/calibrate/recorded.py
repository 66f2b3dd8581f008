"""Calibrations as records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any, NamedTuple

import msgspec

from ..history.fields import Amount, Count, Number, known, shaped
from ..history.reading import Kind, Record
from ..history.records import Place
from ..machine.machine import BUSY
from .trials import Trial


@dataclass(frozen=True)
class Calibration:
    """A trial, and what was asked for. A record has the fields of both side by side.

    Attributes
    ----------
    trial : what came of one comparison with a mutant, by these names: `size`, the slowdown that was
        put in, as a share (0.02 is 2 %; 0 is identical code); `targets`, the series that were
        slowed down; `found`, those of them that were found slower; `unrelated`, others that were
        found slower, which is a false alarm; `series`, how many were timed; `undecided`, how many
        of them nothing was said of; `measured`, by how much each target took longer as the
        comparison saw it, as a share; `seconds` of the whole comparison; `busy`, the share of the
        machine that others took; `trouble`, what went wrong on the way, a sentence each.
    tracker : what was calibrated: mlpperf, asv or pytest-benchmark.
    budget : seconds of timing that a comparison was given; of mlpperf only.
    cases : the cases that were timed, all if there are none.
    """

    trial: Trial
    tracker: str
    budget: float
    cases: tuple[str, ...]

    def fields(self) -> dict[str, Any]:
        """What it adds to a record."""
        asked = {"tracker": self.tracker, "budget": self.budget, "cases": self.cases}
        return asked | asdict(self.trial)


class _Line(msgspec.Struct):
    """What a line says of a calibration."""

    tracker: str
    budget: Amount
    cases: tuple[str, ...]
    size: Annotated[float, msgspec.Meta(ge=0, lt=10)]
    targets: tuple[str, ...]
    found: tuple[str, ...]
    unrelated: tuple[str, ...]
    series: Count
    seconds: Amount | None
    measured: dict[str, Number | None]
    undecided: Count
    busy: Amount
    trouble: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.found) > len(self.targets):
            raise ValueError("more was found than was slowed down")


def calibration_of(fields: dict[str, Any]) -> Calibration:
    """The calibration that a record was made of.

    Raises
    ------
    ValueError
        If something is missing, or is nothing of its kind.
    """
    line = shaped(fields, _Line)
    about = msgspec.structs.asdict(line)
    asked = {name: about.pop(name) for name in ("tracker", "budget", "cases")}
    about["seconds"] = known(line.seconds)
    about["measured"] = {name: known(by) for name, by in line.measured.items()}
    return Calibration(Trial(**about), **asked)


CALIBRATIONS = Kind("calibrations", calibration_of, name="calibration")


class Alike(NamedTuple):
    """What the calibrations that are told as one have in common."""

    place: Place
    tracker: str
    cases: tuple[str, ...]
    disturbed: bool
    budget: float


def alike(record: Record[Calibration]) -> Alike:
    """The same of one of them."""
    asked, disturbed = record.content, record.content.trial.busy > BUSY
    return Alike(record.origin.place, asked.tracker, asked.cases, disturbed, asked.budget)


ABOUT_AS_MANY = 1.1  # times as many series, at most, are those of the same benchmarks


def told(records: Sequence[Record[Calibration]]) -> list[list[Record[Calibration]]]:
    """The calibrations that are told as one; not those that were made anew with another budget."""
    groups: dict[Alike, list[Record[Calibration]]] = {}
    for record in records:
        groups.setdefault(alike(record), []).append(record)
    every = list(groups.values())
    return [
        group
        for at, group in enumerate(every)
        if not any(_supersedes(newer, group) for newer in every[at + 1 :])
    ]


def _supersedes(newer: list[Record[Calibration]], older: list[Record[Calibration]]) -> bool:
    """Whether they are about the same, but for the budget."""
    few, many = sorted(group[-1].content.trial.series for group in (newer, older))
    same = alike(newer[-1])._replace(budget=0.0) == alike(older[-1])._replace(budget=0.0)
    return same and many <= ABOUT_AS_MANY * few


def series_of(records: Sequence[Record[Calibration]]) -> str:
    """How many series were timed: as many as could be within the budget."""
    counts = [record.content.trial.series for record in records]
    least, most = min(counts), max(counts)
    return f"{least}" if least == most else f"{least} to {most}"
