"""What every command does that records: look whether it can, give records their context, append.

A command makes a `Recording` before it measures anything, and adds what is finished as soon as it
is. What was added is on the disk: an interruption or an error afterwards takes nothing back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .records import append, as_records, current_commit, records_folder


class Recording:
    """The records that one run of a command makes, all of one kind and in one file.

    Parameters
    ----------
    kind : what they are, such as race; it stands in each of them.
    name : that of their file, without its ending, such as races.
    folder : where the file is; by default what `records_folder` says.

    Attributes
    ----------
    file : where they are.
    written : they themselves, in the order in which they were added.

    Raises
    ------
    MlpperfError
        If the folder cannot be written. That is found out here, before any time is spent.
    """

    def __init__(self, kind: str, name: str, folder: Path | None = None) -> None:
        self.kind = kind
        self.written: list[dict[str, Any]] = []
        self.file = append([], folder or records_folder(), name)
        # Taken once: what is committed while something is measured is not what was measured.
        self._commit = current_commit()

    def add(self, *contents: Mapping[str, Any]) -> None:
        """Append a record for each of `contents`, which is what was measured; all or none of them.

        Raises
        ------
        MlpperfError
            If the disk is full, or the folder can no longer be written.
        """
        self.keep(*self.complete(*contents))

    def keep(self, *records: dict[str, Any]) -> None:
        """Append records that are complete already, for example another machine's; all or none.

        Raises
        ------
        MlpperfError
            As `add`.
        """
        if records:
            append(records, self.file.parent, self.file.stem)
            self.written += records

    def complete(self, *contents: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The records that `add` would append, without appending them."""
        return as_records(self.kind, self._commit, contents)

    @property
    def told(self) -> str:
        """Where the records are, for the end of what a command prints."""
        return f"Records: {self.file}"


def json_text(records: object) -> str:
    """Records, or one of them, as a command prints them for other programs."""
    text = json.dumps(records, indent=2, ensure_ascii=False)
    return text.encode(errors="backslashreplace").decode()
