"""What races have measured, as rows of the history."""

from __future__ import annotations

from typing import Any

from .rows import (
    Row,
    Run,
    Series,
    _minor,
    as_count,
    as_flag,
    as_inverse,
    as_number,
    as_text,
    machine_name,
    seconds_since_1970,
    software_name,
)


def rows_of_race(record: dict[str, Any]) -> list[Row]:
    """The seconds of a race and its ratio."""
    if record["kind"] != "race":
        raise ValueError
    machine, commit = record["machine"], record["commit"]
    backend, packages = as_text(record["backend"]), record["versions"]
    own = packages.get(backend) or packages.get(f"{backend}-cpu")
    others = [f"{backend} {_minor(as_text(own))}"] if own and backend != "numpy" else []
    run = Run(
        source="race",
        machine=machine_name(machine["host"], machine["processor"], machine["cores"]),
        device=as_text(record["device"]),
        threads=as_count(record["threads"]),
        software=software_name(machine["python"], machine["numpy"], *others),
        commit=None if commit["hash"] is None else as_text(commit["hash"]),
        dirty=as_flag(commit["dirty"]),
        committed=None,
        measured=seconds_since_1970(record["time"]),
    )
    seconds = Series(
        path=as_text(record["path"]),
        version=str(as_count(record["version"])),
        variant=as_text(record["variant"]),
        case=as_text(record["case"]),
        quantity="seconds",
    )
    right, speedup = not as_text(record["wrong"]), record["speedup"]
    ratio, low, high = (as_inverse(speedup[bound]) for bound in ("median", "high", "low"))
    return [
        Row(run, seconds, as_number(record["seconds"]), proven=right),
        Row(run, seconds._replace(quantity="ratio"), ratio, low, high, right),
    ]
