"""Records: one JSON line per result, with everything that is needed to read it years later.

Lines are only ever appended, whole or not at all. A damaged line is reported and skipped; it never
makes the others unreadable. This module writes them, `reading` reads them.

A line has the fields of `Origin`, which say where the record is from, then what was measured. A
number that was not measured, or that has no bound, is null. docs/records.md has the fields of every
kind, and how the format changed: schema 1 is the only one so far, and every line that was ever
written can still be read. A change that makes old lines mean something else needs another `SCHEMA`.
Lines of an unknown schema are skipped.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import msgspec
from filelock import FileLock

from ...devices import Setting, threads
from ...errors import MlpperfError
from ..git import query
from ..machine.environment import environment
from ..machine.in_force import in_force
from ..machine.machine import Machine
from ..words import count
from ..worker.environment import NONE
from ..worker.memory import keep_freed_memory
from .fields import Bytes, Count, Options, seconds_of

SCHEMA = 1
USUAL_FOLDER = ".mlpperf"
Fields = dict[str, Any]  # a record, or a part of one, as JSON has it


def records_folder() -> Path:
    """Where records go: `MLPPERF_RECORDS`, or `.mlpperf` in the current folder."""
    return Path(os.environ.get("MLPPERF_RECORDS") or USUAL_FOLDER)


@dataclass(frozen=True)
class CodeVersion:
    """The version of the code that was measured.

    Attributes
    ----------
    hash : the whole hash; None outside a git repository, and before its first commit.
    dirty : files that git tracks had been changed, so the hash does not identify the code.
    """

    hash: str | None
    dirty: bool


class Place(NamedTuple):
    """Where something was measured; numbers of different places are never mixed."""

    machine: str
    device: str
    threads: int

    def __str__(self) -> str:
        return f"{self.machine}; {self.device}, {count(self.threads, 'thread')}"


class Origin(msgspec.Struct, kw_only=True):
    """When, where and of what version of the code something was measured: in every record.

    The struct of a kind of records inherits these fields and adds what was measured.

    Attributes
    ----------
    FILE : name of the file of such records, without its ending.
    schema : number of the format.
    kind : what sort of record it is, such as race.
    time : when it was written, after the measurement; ISO 8601 in UTC, to the second.
    commit : of the code in the folder from which the command was started.
    machine : host, processor, `cores` (processors that may be used), `memory` in bytes, operating
        system; of the environment that ran what was measured the versions of Python, NumPy and its
        BLAS, and the widest vector instructions: none without NumPy, unknown if not reported.
    device : cpu, or gpu:N as CUDA numbers them.
    threads : how many shared the work.
    setting : what was asked for, by the names of `mlpperf.devices.Setting`; its `gpu_memory` is
        growth, all, or a number of MB. None in records older than it. It is no `Setting`, because
        that refuses more threads than the machine of the reader has.
    in_force : what was in force in the process that measured, by the names of
        `mlpperf.engine.machine.in_force.InForce`; its `gpu_memory` is in bytes. None where other
        processes measured, and in records older than it.
    freed_memory : kept (the process keeps what it frees, for later arrays) or returned.
    versions : of the numerical packages that were installed there, by name.
    """

    FILE: ClassVar[str] = ""

    schema: Literal[1]
    kind: str
    time: str
    commit: CodeVersion
    machine: Machine
    device: str
    threads: Count
    setting: Options | None = None
    in_force: Options | None = None
    freed_memory: str
    versions: dict[str, str]

    def __post_init__(self) -> None:
        """Check what the types do not say, as a record is read: raises `ValueError`."""
        # In one form, so that times can be compared as text.
        self.time = datetime.fromtimestamp(seconds_of(self.time), UTC).isoformat()
        msgspec.convert(self.machine.cores, Count)
        msgspec.convert(self.machine.memory, Bytes)

    @property
    def place(self) -> Place:
        """Where it was measured."""
        machine = self.machine
        return Place(f"{machine.host}: {machine.kind}", self.device, self.threads)

    @property
    def software(self) -> str:
        """The versions of Python and, if installed, NumPy and its BLAS, in words."""
        machine = self.machine
        numpy = "" if machine.numpy == NONE else f"{machine.blas}, NumPy {machine.numpy}, "
        return f"{numpy}Python {machine.python}"


def current_commit(folder: Path | None = None) -> CodeVersion:
    """The commit checked out in `folder` (default: the current one)."""
    changes = query("status", "--porcelain", "--untracked-files=no", folder=folder)
    return CodeVersion(query("rev-parse", "--verify", "HEAD", folder=folder), bool(changes))


def context(kind: str, commit: CodeVersion) -> dict[str, Any]:
    """The fields of `Origin` for a record that is written here and now, but for `in_force`."""
    setting, here = Setting.current(), environment()
    return {
        "schema": SCHEMA,
        "kind": kind,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": asdict(commit),
        "machine": asdict(here.machine),
        "device": setting.device,
        "threads": threads(),
        "setting": asdict(setting),
        "in_force": None,
        "freed_memory": "kept" if keep_freed_memory() else "returned",
        "versions": dict(here.versions),
    }


def as_records(
    kind: str, commit: CodeVersion, contents: Iterable[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """A record for each of `contents`, which is what was measured, as JSON can hold it.

    A field of a content replaces the field of `context` that has the same name. What is in force
    here is measured, which takes a second, unless every content has it, or None because other
    processes measured.
    """
    common, contents = context(kind, commit), list(contents)
    if not all("in_force" in content for content in contents):
        common["in_force"] = asdict(in_force())
    return [finite({**common, **content}) for content in contents]


def append(records: Iterable[dict[str, Any]], folder: Path, name: str = "races") -> Path:
    """Append `records` to `folder`/`name`.jsonl, all of them or none, and return the file's path.

    Raises `MlpperfError` if the folder cannot be written or the disk is full; the file is then as
    it was before.
    """
    path = folder / f"{name}.jsonl"
    text = "\n".join([*map(as_line, records), ""]).encode()
    try:
        make_folder(folder)
        with FileLock(folder / ".lock"), path.open("ab", buffering=0) as file:
            before = file.tell()
            try:
                if before and not _ends_a_line(path):
                    text = b"\n" + text  # a killed writer's last line stays the only damaged one
                rest = memoryview(text)
                while rest:  # a full disk takes only a part
                    rest = rest[file.write(rest) :]
                os.fsync(file.fileno())
            except OSError:
                os.truncate(path, before)
                raise
    except OSError as reason:
        why = reason.strerror or reason
        raise MlpperfError(
            f"Records cannot be written to {folder} ({why}); "
            "name a folder that can, by --records or MLPPERF_RECORDS."
        ) from reason
    return path


def as_line(record: dict[str, Any]) -> str:
    """A record as it is in a file, without the end of the line; equal records have equal lines."""
    line = json.dumps(record, ensure_ascii=False, allow_nan=False)
    # UTF-8 cannot hold half of a surrogate pair, as in a file's name: it is written out.
    return re.sub(r"[\ud800-\udfff]", lambda c: rf"\\u{ord(c[0]):04x}", line)


def make_folder(folder: Path) -> None:
    """Make a folder for records; git ignores the usual one by its .gitignore: raises `OSError`."""
    is_first = folder.name == USUAL_FOLDER and not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    if is_first:
        (folder / ".gitignore").write_text("*\n", encoding="utf-8")


def _ends_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def finite(value: Any) -> Any:
    """`value` as JSON can hold it: NaN and infinite numbers are null."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    infinite = isinstance(value, float) and value - value != 0
    return None if infinite else value
