"""Reads records: each line of a file becomes a struct, or a sentence about why it cannot.

The struct of a kind, such as `races.RaceRecord`, names its file and the type of each field. All
fields are checked here, once, so nothing that uses a record has to check it again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from .records import SCHEMA, Origin

AnyRecord = TypeVar("AnyRecord", bound=Origin)
Line = TypeVar("Line")


def read_records(folder: Path, kind: type[AnyRecord]) -> Iterator[AnyRecord | str]:
    """The records of a kind in `folder`, and a sentence for each line that cannot be read.

    One line at a time, because the records of years need not fit into memory together.
    """
    return each_line(folder / f"{kind.FILE}.jsonl", msgspec.json.Decoder(kind).decode)


def readable(folder: Path, kind: type[AnyRecord], unreadable: list[str]) -> Iterator[AnyRecord]:
    """The records alone; `unreadable` gets the sentences."""
    for record in read_records(folder, kind):
        if isinstance(record, str):
            unreadable.append(record)
        else:
            yield record


def each_line(file: Path, decode: Callable[[bytes], Line]) -> Iterator[Line | str]:
    """Decode each line of a file, or explain in a sentence why it cannot be decoded.

    Empty lines, a byte order mark and a missing file are no damage; a file that cannot be opened
    gives a sentence.
    """
    try:
        if not file.exists():
            return
        if not file.is_file() and not file.is_dir():  # opening a folder says that it is one
            yield f"{file}: not a file, but a device or a pipe"
            return
        with file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                text = (line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line).strip()
                if not text:
                    continue
                try:
                    yield decode(text)
                except (ValueError, RecursionError) as reason:  # nested beyond reason
                    yield f"{file}, line {number}: {_why_not(text, reason)}"
    except OSError as reason:
        yield f"{file}: {reason.strerror or reason}"


def _why_not(line: bytes, reason: Exception) -> str:
    """Why a line is no record of its kind; `reason` is the decoder's."""
    try:
        content = msgspec.json.decode(line)
    except (ValueError, RecursionError):
        return "not a whole JSON record"
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        return f"not a record of schema {SCHEMA}"
    sentence = str(reason)
    return f"lacks what such a record has ({sentence[:1].lower()}{sentence[1:]})"
