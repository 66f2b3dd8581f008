"""Exchanges the records in a folder with those on a branch of a remote repository.

Records are compared as a whole, so whatever is pushed or pulled twice is there once. Those on the
branch may be from anybody: each is checked to be a record of its kind with no unknown field.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from filelock import FileLock

from ...errors import MlpperfError
from ..words import count
from .branch import Branch, Change, Entry, Files
from .reading import each_line
from .records import Origin, append, as_line, make_folder

PART = 16 << 20  # bytes of a file on the branch, unless a single record is larger
FILES_MOST = 200  # of a kind on the branch, before they are merged
# Fields that are, or once were, in records and are not read.
UNREAD = frozenset({"verdict"})
Lines = dict[str, dict[str, Any]]  # records by their lines


class Kind(NamedTuple):
    """A kind of records, and the names of all fields that mlpperf writes into them."""

    struct: type[Origin]
    fields: frozenset[str]

    def line(self, text: bytes) -> tuple[str, dict[str, Any]]:
        """A record and its line, however it was written: raises `ValueError` if it is none."""
        record = json.loads(text.decode(), parse_constant=_no_number)
        msgspec.convert(record, self.struct)
        if unknown := record.keys() - self.fields:
            raise ValueError(f"it has {count(len(unknown), 'unknown field')}")
        return as_line(record), record


Kinds = Mapping[str, Kind]  # by the names of their files, without the ending


def kinds_of(*structs: type[Origin], **written: type[msgspec.Struct]) -> Kinds:
    """The kinds with these structs; `written` are those of kinds that are read only in part."""
    return {
        one.FILE: Kind(one, UNREAD.union(written.get(one.FILE, one).__struct_encode_fields__))
        for one in structs
    }


class Exchanged(NamedTuple):
    """What a push or pull has done.

    Attributes
    ----------
    records : their number.
    skipped : lines in the folder that are no records, and stay there.
    files, size : on the branch afterwards; bytes.
    """

    records: int
    skipped: int
    files: int
    size: int


def push(branch: Branch, folder: Path, kinds: Kinds, compact: bool = False) -> Exchanged:
    """Add to the branch what it lacks of the records in a folder.

    Many small files of a kind are merged into few, or all of them with `compact`. That removes
    exactly the files whose records are in the merged ones.
    """
    here = {name: _in_folder(folder, name, kind) for name, kind in kinds.items()}
    added = 0
    read: dict[str, Lines] = {}

    def changed(tip: str | None) -> Change:
        nonlocal added
        there = _on_branch(branch, tip, kinds)
        change, added = {}, 0
        for name, kind in kinds.items():
            files = there.get(name, {})
            known, whole = _known(files, kind, read)
            new = [line for line in here[name][0] if line not in known]
            added += len(new)
            small = {at: one for at, one in whole.items() if len(one) < PART // 2}
            if len(small) > 1 and (compact or len(small) > FILES_MOST):
                old = (line.decode() for one in small.values() for line in one.splitlines())
                parts = _parts([*dict.fromkeys(old), *new])
                # A part may be one of the files already.
                removed = small.keys() - {at for at, one in small.items() if one in parts}
                change[name] = Files(parts, removed)
            else:
                change[name] = Files(_parts(new))
        return change

    branch.change(changed)
    return _exchanged(branch, kinds, added, sum(skipped for _, skipped in here.values()))


def pull(branch: Branch, folder: Path, kinds: Kinds) -> Exchanged:
    """Add to the folder what it lacks of the records on the branch.

    Raises `MlpperfError` if there is no such branch, or it has damaged files; the others are then
    here.
    """
    tip = branch.tip()
    if tip is None:
        raise MlpperfError(f"There is no {branch}; `mlpperf records push` makes it.")
    make_folder(folder)
    damaged, added, skipped = [], 0, 0
    with FileLock(folder / ".pull.lock"):
        for name, files in _on_branch(branch, tip, kinds).items():
            lines: Lines = {}
            for at, content in files.items():
                try:
                    lines |= _decoded(content, kinds[name])
                except ValueError as reason:
                    damaged.append(f"{name}/{at} {str(reason) or 'is damaged'}")
            here, bad = _in_folder(folder, name, kinds[name])
            new = [record for line, record in lines.items() if line not in here]
            new.sort(key=lambda record: str(record["time"]))
            append(new, folder, name)
            added, skipped = added + len(new), skipped + bad
    if damaged:
        more = f", and {len(damaged) - 1} more" if len(damaged) > 1 else ""
        raise MlpperfError(
            f"{added} records were pulled, but not all: on the {branch}, {damaged[0]}{more}."
        )
    return _exchanged(branch, kinds, added, skipped)


def _on_branch(branch: Branch, tip: str | None, kinds: Kinds) -> dict[str, dict[str, bytes | str]]:
    """The files of each kind, by name, or what is wrong with them."""
    return {name: branch.contents(files) for name, files in _listed(branch, tip, kinds).items()}


def _listed(branch: Branch, tip: str | None, kinds: Kinds) -> dict[str, dict[str, Entry]]:
    """What is in the folder of each kind."""
    top = branch.entries(tip) if tip else {}
    return {name: branch.entries(top[name].hash) for name in kinds if name in top}


def _decoded(content: bytes | str, kind: Kind) -> Lines:
    """The records of a file on the branch: raises `ValueError` if it has anything else."""
    if isinstance(content, str):
        raise ValueError(content)
    lines: Lines = {}
    for number, text in enumerate(content.split(b"\n"), 1):
        if text:
            try:
                line, record = kind.line(text)
            except (ValueError, RecursionError):
                raise ValueError(f"has a line {number} that is no such record") from None
            lines[line] = record
    return lines


def _known(
    files: Mapping[str, bytes | str], kind: Kind, read: dict[str, Lines]
) -> tuple[set[str], dict[str, bytes]]:
    """The lines on the branch, and the files that are whole: only these are ever merged.

    `read` keeps the records of each file, whose name stands for its content.
    """
    known: set[str] = set()
    whole = {}
    for name, content in files.items():
        try:
            lines = read[name] = read.get(name) or _decoded(content, kind)
        except ValueError:
            continue
        known |= lines.keys()
        # As they are written here, which is as they are compared.
        whole[name] = "\n".join([*lines, ""]).encode()
    return known, whole


def _in_folder(folder: Path, name: str, kind: Kind) -> tuple[Lines, int]:
    """The records of a kind in a folder, and the number of lines that are none."""
    file = folder / f"{name}.jsonl"
    lines: Lines = {}
    damaged = 0
    for read in each_line(file, kind.line):
        if isinstance(read, tuple):
            lines[read[0]] = read[1]
        elif read.startswith(f"{file}, line "):
            damaged += 1
        else:
            raise MlpperfError(f"{file} cannot be read ({read.removeprefix(f'{file}: ')}).")
    return lines, damaged


def _parts(lines: Iterable[str]) -> list[bytes]:
    """The contents of files that have these lines."""
    parts: list[list[bytes]] = []
    size = PART
    for line in lines:
        text = line.encode() + b"\n"
        if size + len(text) > PART:
            parts.append([])
            size = 0
        parts[-1].append(text)
        size += len(text)
    return [b"".join(part) for part in parts]


def _exchanged(branch: Branch, kinds: Kinds, records: int, skipped: int) -> Exchanged:
    folders = _listed(branch, branch.tip(), kinds).values()
    sizes = [one.size for files in folders for one in files.values()]
    return Exchanged(records, skipped, len(sizes), sum(sizes))


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number")
