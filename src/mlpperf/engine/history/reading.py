"""Reading records: a line becomes a typed record once, or a sentence that says why it cannot.

Whoever reads records says of which `Kind` they are, and gets their origin and what was measured
with every field checked. Nothing that reads them has to check them again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from ...errors import MlpperfError
from ..timing.machine import Machine
from .records import SCHEMA, Commit, Origin
from .rows import DAMAGE, as_count, as_flag, as_number, as_text, seconds_since_1970

Content = TypeVar("Content")
LACKING = "lacks what such a record has"
# What a record says of its machine in words; `cores` and `memory` are numbers.
MACHINE_TEXTS = ("host", "processor", "system", "python", "numpy", "blas", "simd")


@dataclass(frozen=True)
class Record(Generic[Content]):
    """One line of a file of records.

    Attributes
    ----------
    origin : when, where and of what version of the code it was measured.
    content : what was measured.
    fields : the whole line as it lies in the file.
    """

    origin: Origin
    content: Content
    fields: dict[str, Any]


@dataclass(frozen=True)
class Kind(Generic[Content]):
    """A kind of records, all in one file.

    Attributes
    ----------
    file : its name without the ending, such as races.
    content : what was measured, of a whole line; raises one of `DAMAGE` for a line that lacks
        something, or has something else there.
    name : what `kind` must be in every line; not looked at if it is empty.
    """

    file: str
    content: Callable[[dict[str, Any]], Content]
    name: str = ""


def read_records(folder: Path, kind: Kind[Content]) -> Iterator[Record[Content] | str]:
    """The records of a kind in `folder`, and a sentence for each line that cannot be read.

    One line at a time, because the records of years need not fit into memory together. There are
    none if there is no such file; one that may not be opened gives a sentence.
    """
    file = folder / f"{kind.file}.jsonl"
    if not file.exists():
        return
    try:
        for where, fields in scan(file):
            if isinstance(fields, str):
                yield f"{where}: {fields}"
                continue
            try:
                record = record_of(fields, kind)
            except DAMAGE:
                yield f"{where}: {LACKING}"
            else:
                yield record
    except OSError as reason:
        yield f"{file}: {reason.strerror or reason}"


def record_of(fields: dict[str, Any], kind: Kind[Content]) -> Record[Content]:
    """The record that a line holds.

    Raises
    ------
    KeyError, TypeError, ValueError or another of `DAMAGE`
        If something is missing, or is nothing of its kind.
    """
    origin = origin_of(fields)
    if kind.name and origin.kind != kind.name:
        raise ValueError
    return Record(origin, kind.content(fields), fields)


def origin_of(fields: Mapping[str, Any]) -> Origin:
    """Where a record is from.

    Raises
    ------
    KeyError, TypeError, ValueError or another of `DAMAGE`
        If something is missing, or is nothing of its kind.
    """
    commit, machine = fields["commit"], fields["machine"]
    hash_, time = commit["hash"], as_text(fields["time"])
    seconds_since_1970(time)  # raises what a time that is none makes it raise
    return Origin(
        kind=as_text(fields["kind"]),
        time=time,
        commit=Commit(None if hash_ is None else as_text(hash_), as_flag(commit["dirty"])),
        machine=Machine(
            cores=as_count(machine["cores"]),
            memory=int(as_number(machine["memory"])),
            **{name: as_text(machine[name]) for name in MACHINE_TEXTS},
        ),
        device=as_text(fields["device"]),
        threads=as_count(fields["threads"]),
        setting=_mapping_or_none(fields.get("setting")),
        in_force=_mapping_or_none(fields.get("in_force")),
        freed_memory=as_text(fields["freed_memory"]),
        versions={name: as_text(version) for name, version in fields["versions"].items()},
    )


def _mapping_or_none(value: Any) -> dict[str, Any] | None:
    if value is not None and not isinstance(value, dict):
        raise TypeError
    return value


def scan(path: Path) -> Iterator[tuple[str, dict[str, Any] | str]]:
    """Where each line of `path` is, and its record; or, if it cannot be read, why not."""
    for where, line in lines_of(path):
        yield where, _fields(line)


def lines_of(path: Path) -> Iterator[tuple[str, bytes]]:
    """Where each line of `path` is, and the line; empty ones are left out.

    One at a time, because the records of years need not fit into memory together.
    """
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield f"{path}, line {number}", line


def _fields(line: bytes) -> dict[str, Any] | str:
    """The record that a line holds, or why it is none."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):  # of JSON or of UTF-8, or nested beyond reason
        return "not a whole JSON record"
    if isinstance(record, dict) and record.get("schema") == SCHEMA:
        return record
    return f"not a record of schema {SCHEMA}"


def why_not(line: bytes) -> str:
    """Why a line is no record of its kind."""
    found = _fields(line)
    return found if isinstance(found, str) else LACKING


def read(folder: Path, name: str = "races") -> tuple[list[dict[str, Any]], list[str]]:
    """All lines of a file in `folder` as they are, and a sentence for each that cannot be read.

    For tables of what this project has recorded itself; `read_records` checks every field.

    Raises
    ------
    MlpperfError
        If there are no records.
    """
    path = folder / f"{name}.jsonl"
    if not path.exists() or not path.stat().st_size:
        raise MlpperfError(
            f"There are no {name} in {folder}; `mlpperf race` or `ladder` makes some."
        )
    records, damaged = [], []
    for where, found in scan(path):
        if isinstance(found, str):
            damaged.append(f"{where}: {found}")
        else:
            records.append(found)
    return records, damaged
