"""Races as records, and as rows of the history."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import msgspec

from ...agreement import Proof
from ..race.result import Result
from ..statistics.intervals import Interval
from .fields import Amount, Bounds, Count, Name, Positive, inverse, known, seconds_of, shaped
from .reading import Kind, Record
from .rows import Row, Run, Series, minor, software_name


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


class _Race(msgspec.Struct, kw_only=True):
    """What a line says of a race."""

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


def race_result(fields: dict[str, Any]) -> Result:
    """The result that a record of a race was made of.

    Raises
    ------
    ValueError
        If something is missing, or is nothing of its kind.
    """
    line = shaped(fields, _Race)
    speedup, proof, about = line.speedup, line.proof, msgspec.structs.asdict(line)
    about |= {name: known(about[name]) for name in NUMBERS}
    high = math.inf if speedup.high is None else speedup.high
    about["speedup"] = Interval(known(speedup.median), known(speedup.low), high)
    about["proof"] = Proof(known(proof.error), known(proof.tolerance))
    return Result(**about)


RACES = Kind("races", race_result, name="race")


def rows_of_race(race: Record[Result]) -> list[Row]:
    """The seconds of a race and its ratio."""
    origin, result = race.origin, race.content
    machine, packages = origin.machine, origin.versions
    own = packages.get(result.backend) or packages.get(f"{result.backend}-cpu")
    others = [f"{result.backend} {minor(own)}"] if own and result.backend != "numpy" else []
    run = Run(
        source="race",
        machine=origin.place.machine,
        device=origin.device,
        threads=origin.threads,
        software=software_name(machine.python, machine.numpy, *others),
        commit=origin.commit.hash,
        dirty=origin.commit.dirty,
        committed=None,
        measured=seconds_of(origin.time),
    )
    seconds = Series(result.path, str(result.version), result.variant, result.case, "seconds")
    right, speedup = not result.wrong, result.speedup
    ratio, low, high = map(inverse, (speedup.median, speedup.high, speedup.low))
    return [
        Row(run, seconds, result.seconds, proven=right),
        Row(run, seconds._replace(quantity="ratio"), ratio, low, high, right),
    ]
