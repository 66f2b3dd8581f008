"""Races as records, and as rows of the history."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import msgspec

from ...agreement import Proof
from ..timing.intervals import Interval
from ..timing.result import Result
from .fields import Amount, Bounds, Count, Name, Positive, inverse, known, moment, shaped
from .reading import Kind, Record
from .rows import Row, Run, Series, minor, software_name


def race_content(result: Result) -> dict[str, Any]:
    """What a race adds to a record, by these names.

    - path, version (of the path), case, variant, backend: what was timed;
    - seconds, reference_seconds: the median of one call of the variant and of its reference;
    - speedup: reference ÷ variant as `median`, and `low` and `high` of its 95 % interval;
    - rounds: in which both ran, in all processes together; processes: how many there were, over
      which the interval is, and 1 where that is missing;
    - proof: `error`, the largest difference from the reference, and `tolerance`, what rounding
      explains, both relative to the largest absolute value of an array;
    - preparation: seconds that it took to prepare the arguments when that was proven, with whatever
      was compiled or read from a cache for it;
    - floor: seconds that the bare matrix products, or the bare memory traffic, take here, and
      share_error: half the width of the interval of floor ÷ seconds, in logarithms;
    - limit: the function, such as exp, that takes the time where there is no floor for that;
    - doubts: why it should not be trusted too far, a clause each;
    - wrong: why it was not timed, empty if it was;
    - verdict: what it comes to, in words; it follows from the rest and is never read back.
    """
    proof = {"error": result.proof.error, "tolerance": result.proof.tolerance}
    return {**asdict(result), "proof": proof, "verdict": str(result.judgement)}


class _Proof(msgspec.Struct):
    error: Amount | None
    tolerance: Amount | None


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
    median, low, high = line.speedup.median, line.speedup.low, line.speedup.high
    unbounded = math.inf if high is None else high
    return Result(
        path=line.path,
        version=line.version,
        case=line.case,
        variant=line.variant,
        backend=line.backend,
        seconds=known(line.seconds),
        reference_seconds=known(line.reference_seconds),
        speedup=Interval(known(median), known(low), unbounded),
        rounds=line.rounds,
        proof=Proof(known(line.proof.error), known(line.proof.tolerance)),
        floor=known(line.floor),
        doubts=line.doubts,
        wrong=line.wrong,
        processes=line.processes,
        share_error=known(line.share_error),
        limit=line.limit,
        preparation=known(line.preparation),
    )


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
        measured=int(moment(origin.time).timestamp()),
    )
    seconds = Series(result.path, str(result.version), result.variant, result.case, "seconds")
    right, speedup = not result.wrong, result.speedup
    ratio, low, high = map(inverse, (speedup.median, speedup.high, speedup.low))
    return [
        Row(run, seconds, result.seconds, proven=right),
        Row(run, seconds._replace(quantity="ratio"), ratio, low, high, right),
    ]
