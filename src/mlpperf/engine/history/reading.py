"""Reading records: a line becomes a typed record once, or a sentence that says why it cannot.

Whoever reads records says of which `Kind` they are, and gets their origin and what was measured
with every field checked. Nothing that reads them has to check them again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

from ...errors import MlpperfError
from .fields import shaped
from .records import SCHEMA, Origin

Content = TypeVar("Content")
MOST_NESTED = 20  # lists and objects inside each other; no record has half of that


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
    content : what was measured, of a whole line; raises `ValueError` for a line that lacks
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
    return each(folder / f"{kind.file}.jsonl", lambda line: record_of(fields_of(line), kind))


def each(file: Path, read: Callable[[bytes], Content]) -> Iterator[Content | str]:
    """What `read` makes of each line of a file that is not empty, or a sentence that says why not.

    `read` raises `ValueError` for what it cannot read. A mark of the byte order before the first
    line is no part of it.
    """
    try:
        if not file.exists():
            return
        with file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                text = (line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line).strip()
                if not text:
                    continue
                try:
                    yield read(text)
                except (ValueError, RecursionError) as reason:  # nested beyond reason
                    yield f"{file}, line {number}: {_why_not(reason)}"
    except OSError as reason:
        yield f"{file}: {reason.strerror or reason}"


def record_of(fields: dict[str, Any], kind: Kind[Content]) -> Record[Content]:
    """The record that a line holds.

    Raises
    ------
    ValueError
        If something is missing, or is nothing of its kind.
    """
    origin = origin_of(fields)
    if kind.name and origin.kind != kind.name:
        raise ValueError(f"its kind is not {kind.name}")
    return Record(origin, kind.content(fields), fields)


def origin_of(fields: Mapping[str, Any]) -> Origin:
    """Where a record is from.

    Raises
    ------
    ValueError
        If something is missing, or is nothing of its kind.
    """
    return shaped(fields, Origin)


class _Foreign(ValueError):
    """A line is JSON, but no record of this schema."""


def fields_of(line: bytes) -> dict[str, Any]:
    """What a line holds, of which only the schema has been checked.

    Raises
    ------
    ValueError or RecursionError
        If it is no record of this schema.
    """
    record = msgspec.json.decode(line)
    level = [record]
    for _ in range(MOST_NESTED):
        level = [
            inner
            for one in level
            if isinstance(one, list | dict)
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
    if level:  # what writes it again would fail, somewhere
        raise ValueError("it is nested too deeply")
    if isinstance(record, dict) and record.get("schema") == SCHEMA:
        return record
    raise _Foreign(f"not a record of schema {SCHEMA}")


def _why_not(reason: Exception) -> str:
    """What is said of a line that could not be read, for this `reason`."""
    if isinstance(reason, _Foreign):
        return str(reason)
    half_read = isinstance(reason, msgspec.DecodeError | UnicodeDecodeError | RecursionError)
    if half_read and not isinstance(reason, msgspec.ValidationError):
        return "not a whole JSON record"
    said = str(reason)
    return f"lacks what such a record has ({said[:1].lower()}{said[1:]})"


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
    for found in each(path, fields_of):
        if isinstance(found, str):
            damaged.append(found)
        else:
            records.append(found)
    return records, damaged
