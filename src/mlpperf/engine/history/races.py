"""Races as records, and as rows of the history."""

from __future__ import annotations

from dataclasses import asdict, fields
from functools import cached_property
from typing import Any, Literal

import msgspec

from ...agreement import Proof
from ..race.result import Result
from .fields import Amount, Bounds, Count, Name, Positive, inverse, known, seconds_of
from .records import Origin
from .rows import Metric, Row, Run, minor, software_name


def race_content(result: Result) -> dict[str, Any]:
    """What a race adds to a record, by the names that docs/records.md explains.

    `verdict`, what it comes to in words, follows from the rest and is never read back.
    """
    proof = {"error": result.proof.error, "tolerance": result.proof.tolerance}
    return {**asdict(result), "proof": proof, "verdict": str(result.judgement)}


class _Proof(msgspec.Struct):
    error: Amount | None
    tolerance: Amount | None


NUMBERS = ("seconds", "reference_seconds", "preparation", "floor", "share_error")


class RaceRecord(Origin, kw_only=True, dict=True):
    """A race of a variant against its reference; `Result` explains the fields."""

    FILE = "races"

    kind: Literal["race"]
    path: Name
    version: Count
    case: str
    variant: str
    backend: str
    seconds: Positive | None
    reference_seconds: Positive | None
    speedup: Bounds
    rounds: Count
    processes: Count = 1
    proof: _Proof
    preparation: Amount | None = None
    floor: Positive | None
    share_error: Amount | None = None
    limit: str = ""
    doubts: tuple[str, ...]
    wrong: str

    @cached_property
    def result(self) -> Result:
        """The result from which the record was made."""
        values = {field.name: getattr(self, field.name) for field in fields(Result)}
        values |= {name: known(values[name]) for name in NUMBERS}
        values["speedup"] = self.speedup.interval
        values["proof"] = Proof(known(self.proof.error), known(self.proof.tolerance))
        return Result(**values)


def rows_of_race(race: RaceRecord) -> list[Row]:
    """The seconds of a race and its ratio."""
    machine, packages = race.machine, race.versions
    own = packages.get(race.backend) or packages.get(f"{race.backend}-cpu")
    others = [f"{race.backend} {minor(own)}"] if own and race.backend != "numpy" else []
    run = Run(
        source="race",
        machine=race.place.machine,
        device=race.device,
        threads=race.threads,
        software=software_name(machine.python, machine.numpy, *others),
        commit=race.commit.hash,
        dirty=race.commit.dirty,
        committed=None,
        measured=seconds_of(race.time),
    )
    seconds = Metric(race.path, str(race.version), race.variant, race.case, "seconds")
    right, speedup = not race.wrong, race.speedup
    ratio, low, high = map(inverse, (speedup.median, speedup.high, speedup.low))
    return [
        Row(run, seconds, known(race.seconds), proven=right),
        Row(run, seconds._replace(quantity="ratio"), ratio, low, high, right),
    ]
