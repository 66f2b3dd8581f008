"""Races as records, and as rows of the history."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from ...agreement import Proof
from ..timing.intervals import Interval
from ..timing.result import Result
from .reading import Kind, Record
from .rows import (
    Row,
    Run,
    Series,
    _minor,
    as_count,
    as_inverse,
    as_number,
    as_text,
    as_texts,
    seconds_since_1970,
    software_name,
)


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


def race_result(fields: dict[str, Any]) -> Result:
    """The result that a record of a race was made of.

    Raises
    ------
    KeyError, TypeError, ValueError or another of `DAMAGE`
        If something is missing, or is nothing of its kind.
    """
    speedup, proof = fields["speedup"], fields["proof"]
    median, low, high = (as_number(speedup[name]) for name in ("median", "low", "high"))
    return Result(
        **{name: as_text(fields[name]) for name in ("path", "case", "variant", "backend", "wrong")},
        version=as_count(fields["version"]),
        seconds=as_number(fields["seconds"]),
        reference_seconds=as_number(fields["reference_seconds"]),
        speedup=Interval(median, low, math.inf if math.isnan(high) else high),
        rounds=as_count(fields["rounds"]),
        processes=as_count(fields.get("processes", 1)),
        proof=Proof(as_number(proof["error"]), as_number(proof["tolerance"])),
        preparation=as_number(fields.get("preparation")),
        floor=as_number(fields["floor"]),
        share_error=as_number(fields.get("share_error")),
        limit=as_text(fields.get("limit", "")),
        doubts=as_texts(fields["doubts"]),
    )


RACES = Kind("races", race_result, name="race")


def rows_of_race(race: Record[Result]) -> list[Row]:
    """The seconds of a race and its ratio."""
    origin, result = race.origin, race.content
    machine, packages = origin.machine, origin.versions
    own = packages.get(result.backend) or packages.get(f"{result.backend}-cpu")
    others = [f"{result.backend} {_minor(own)}"] if own and result.backend != "numpy" else []
    run = Run(
        source="race",
        machine=origin.place.machine,
        device=origin.device,
        threads=origin.threads,
        software=software_name(machine.python, machine.numpy, *others),
        commit=origin.commit.hash,
        dirty=origin.commit.dirty,
        committed=None,
        measured=seconds_since_1970(origin.time),
    )
    seconds = Series(result.path, str(result.version), result.variant, result.case, "seconds")
    right, speedup = not result.wrong, result.speedup
    ratio, low, high = map(as_inverse, (speedup.median, speedup.high, speedup.low))
    return [
        Row(run, seconds, result.seconds, proven=right),
        Row(run, seconds._replace(quantity="ratio"), ratio, low, high, right),
    ]
