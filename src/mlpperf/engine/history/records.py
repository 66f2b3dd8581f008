"""Records: one JSON line per result, with everything that is needed to read it years later.

Lines are only ever appended, whole or not at all. A damaged line is reported and skipped; it never
makes the others unreadable.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from filelock import FileLock

from ...agreement import Proof
from ...devices import Setting, keep_freed_memory, threads
from ...errors import MlpperfError
from ..git import told
from ..timing.in_force import in_force
from ..timing.intervals import Interval
from ..timing.machine import describe
from ..timing.result import Result

SCHEMA = 1
VERSIONS = (
    "numpy",
    "scipy",
    "scikit-learn",
    "tensorflow",
    "tensorflow-cpu",
    "keras",
    "torch",
    "jax",
)


def records_folder() -> Path:
    """Where records go: `MLPPERF_RECORDS`, or `.mlpperf` in the current folder."""
    return Path(os.environ.get("MLPPERF_RECORDS") or ".mlpperf")


@dataclass(frozen=True)
class Commit:
    """The version of the code in the current folder."""

    hash: str | None  # None outside a git repository
    dirty: bool  # files that git tracks were changed


def current_commit(folder: Path | None = None) -> Commit:
    """The commit checked out in `folder` (default: the current one)."""
    changes = told("status", "--porcelain", "--untracked-files=no", folder=folder)
    return Commit(told("rev-parse", "--verify", "HEAD", folder=folder), bool(changes))


def installed_versions() -> dict[str, str]:
    """Versions of the numerical packages that are installed."""
    found = {}
    for name in VERSIONS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def context(kind: str, commit: Commit) -> dict[str, Any]:
    """What every record of that kind starts with: when, where and of what version of the code.

    `setting` is what was asked for, `in_force` what was seen in this process.
    """
    setting = Setting.current()
    return {
        "schema": SCHEMA,
        "kind": kind,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": asdict(commit),
        "machine": asdict(describe()),
        "device": setting.device,
        "threads": threads(),
        "setting": asdict(setting),
        "in_force": asdict(in_force()),
        "freed_memory": "kept" if keep_freed_memory() else "returned",
        "versions": installed_versions(),
    }


def race_records(results: Sequence[Result], *, commit: Commit) -> list[dict[str, Any]]:
    """`results` as records."""
    common = context("race", commit)
    return [finite({**common, **asdict(r), "verdict": str(r.judgement)}) for r in results]


def race_result(record: dict[str, Any]) -> Result:
    """The result that `race_records` made a record of.

    Raises
    ------
    KeyError, TypeError, ValueError
        If something is missing, or is nothing of its kind.
    """

    def number(value: float | None) -> float:
        return math.nan if value is None else float(value)

    def text(value: str) -> str:
        if not isinstance(value, str):
            raise TypeError
        return value

    speedup, proof, doubts = record["speedup"], record["proof"], record["doubts"]
    if not isinstance(doubts, list):
        raise TypeError
    high = number(speedup["high"])
    return Result(
        **{name: text(record[name]) for name in ("path", "case", "variant", "backend", "wrong")},
        version=int(record["version"]),
        seconds=number(record["seconds"]),
        reference_seconds=number(record["reference_seconds"]),
        speedup=Interval(
            number(speedup["median"]),
            number(speedup["low"]),
            math.inf if math.isnan(high) else high,
        ),
        rounds=int(record["rounds"]),
        processes=int(record.get("processes", 1)),
        proof=Proof(number(proof["error"]), number(proof["tolerance"])),
        floor=number(record["floor"]),
        share_error=number(record.get("share_error")),
        limit=text(record.get("limit", "")),
        doubts=tuple(map(text, doubts)),
    )


def append(records: Iterable[dict[str, Any]], folder: Path, name: str = "races") -> Path:
    """Append `records` to `folder`/`name`.jsonl, all of them or none; gives the file's path.

    Raises
    ------
    MlpperfError
        If the folder cannot be written or the disk is full; the file is then as it was before.
    """
    path = folder / f"{name}.jsonl"
    lines = [json.dumps(record, ensure_ascii=False, allow_nan=False) for record in records]
    text = "".join(line + "\n" for line in lines).encode()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"), path.open("ab", buffering=0) as file:
            before = file.tell()
            try:
                if before and not _ends_a_line(path):
                    text = b"\n" + text  # a killed writer's last line stays the only damaged one
                rest = memoryview(text)
                while rest:  # a disk that fills up takes a part of it
                    rest = rest[file.write(rest) :]
                os.fsync(file.fileno())
            except OSError:
                os.truncate(path, before)
                raise
    except OSError as reason:
        why = reason.strerror or reason
        raise MlpperfError(
            f"Records cannot be written to {folder} ({why}); "
            "set MLPPERF_RECORDS to a folder that can."
        ) from reason
    return path


def _ends_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def finite(value: Any) -> Any:
    """`value` as JSON can hold it: what was not measured (NaN) or has no bound is null."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    infinite = isinstance(value, float) and value - value != 0
    return None if infinite else value


def scan(path: Path) -> Iterator[tuple[str, dict[str, Any] | str]]:
    """Where each line of `path` is, and its record; or, if it cannot be read, why not.

    One line at a time, because the records of years need not fit into memory together.
    """
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            where = f"{path}, line {number}"
            try:
                record = json.loads(line)
            except (ValueError, RecursionError):  # of JSON or of UTF-8, or nested beyond reason
                yield where, "not a whole JSON record"
                continue
            if isinstance(record, dict) and record.get("schema") == SCHEMA:
                yield where, record
            else:
                yield where, f"not a record of schema {SCHEMA}"


def read(folder: Path, name: str = "races") -> tuple[list[dict[str, Any]], list[str]]:
    """All records of `folder`, and one sentence for every line that could not be read.

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
