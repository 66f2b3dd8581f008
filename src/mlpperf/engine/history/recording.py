"""Writes the records of a command.

A command makes a `Recording` before it measures anything, and adds each result as soon as it is
finished. What was added is on the disk, whatever happens afterwards.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from ...errors import MlpperfError
from ..terminal import console
from .reading import AnyRecord
from .records import append, as_line, as_records, current_commit, records_folder


class Recording:
    """The records that one run of a command makes, all of one kind and in one file.

    Raises `MlpperfError` if the folder cannot be written, before any time is spent.

    Parameters
    ----------
    kind : what sort of records they are, such as race.
    name : of their file, without its ending, such as races.
    folder : of the file; by default that of `records_folder`.

    Attributes
    ----------
    file : the file.
    written : the records, in the order in which they were added.
    lost : why the result of a command could not be recorded, until it has been shown.
    """

    def __init__(self, kind: str, name: str, folder: Path | None = None) -> None:
        self.kind = kind
        self.written: list[dict[str, Any]] = []
        self.lost: MlpperfError | None = None
        self.file = append([], folder or records_folder(), name)
        # Once, because a commit that is made during the measurement is not what was measured.
        self._commit = current_commit()

    def add(self, *contents: Mapping[str, Any]) -> None:
        """Append a record for each of `contents`, all or none of them: raises `MlpperfError`."""
        self.keep(*self.complete(*contents))

    def keep(self, *records: dict[str, Any]) -> None:
        """Append complete records, for example of another machine, all or none of them."""
        if records:
            append(records, self.file.parent, self.file.stem)
            self.written += records

    def keep_once(self, record: dict[str, Any]) -> None:
        """Append a complete record unless the file has it already."""
        if as_line(record).encode() in self.file.read_bytes().splitlines():
            self.written.append(record)
        else:
            self.keep(record)

    def complete(self, *contents: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The records that `add` would append, without appending them."""
        return as_records(self.kind, self._commit, contents)

    def read(self, kind: type[AnyRecord]) -> list[AnyRecord]:
        """The records that were written, as their kind."""
        return [msgspec.convert(record, kind) for record in self.written]

    def show(self, *blocks: Any, as_json: bool) -> None:
        """Print the records as JSON; or tables and sentences about them, and where they are."""
        if as_json:
            print(json_text(self.written))
            return
        for block in (*blocks, self.location):
            console().print(block, soft_wrap=isinstance(block, str))

    @property
    def location(self) -> str:
        """The sentence about where the records are, for the end of a command's output."""
        return f"Records: {self.file}"


def json_text(records: object) -> str:
    """Records, or one of them, as a command prints them with --json."""
    text = json.dumps(records, indent=2, ensure_ascii=False)
    return text.encode(errors="backslashreplace").decode()
