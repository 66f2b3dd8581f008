"""What the blocks of README and docs share: reading records, tables, and where they are from."""

from __future__ import annotations

import json
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from mlpperf.engine.history.reading import AnyRecord
from mlpperf.engine.history.records import Fields, Origin
from mlpperf.engine.table import Table
from mlpperf.errors import MlpperfError

AnyOrigin = TypeVar("AnyOrigin", bound=Origin | Fields)


def lines(folder: Path, name: str) -> list[Fields]:
    """All lines of a file of records, as they are."""
    text = (folder / f"{name}.jsonl").read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]


def records(folder: Path, kind: type[AnyRecord]) -> list[AnyRecord]:
    """All records of a kind."""
    return [msgspec.convert(line, kind) for line in lines(folder, kind.FILE)]


def markdown(columns: Sequence[str], rows: Sequence[Sequence[str]], left: int) -> str:
    """A table; all but the first `left` columns are numbers."""
    return Table("", columns, rows, text=range(left)).to_markdown()


def machine(record: Origin | Fields) -> Hashable:
    """What must be equal for figures to share a table: the machine and its software.

    The name of a processor does not identify it: a cloud gives machines of different sizes and
    generations the same name.
    """
    origin = _origin(record)
    about = origin.machine
    hardware = (about.processor, about.cores, about.memory >> 30, about.simd)
    return (*hardware, about.python, origin.versions.get("numpy"), about.blas)


def on_the_last_machine(every: Sequence[AnyOrigin]) -> list[AnyOrigin]:
    """The records of the machine that wrote the last one."""
    return [record for record in every if machine(record) == machine(every[-1])]


def where(*every: Origin | Fields) -> str:
    """Machine, versions, dates and commits of the records of a table, in a sentence.

    Raises
    ------
    MlpperfError
        If they are of several machines: their figures must not share a table.
    """
    origins = [_origin(record) for record in every]
    if len({machine(origin) for origin in origins}) != 1:
        names = sorted({str(machine(origin)) for origin in origins})
        raise MlpperfError(f"A table mixes the machines {' and '.join(names)}.")
    last = origins[-1]
    about = last.machine
    hardware = f"{about.cores} processors, {about.memory / 2**30:.0f} GiB, {about.simd}"
    threads = f", {last.threads} threads" if len({o.threads for o in origins}) == 1 else ""
    software = f"{about.blas}, NumPy {last.versions['numpy']}, Python {about.python}"
    dates = sorted({origin.time[:10] for origin in origins})
    when = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    return f"*{about.processor} ({hardware}){threads}; {software}; {when}, {_commits(origins)}.*"


def _commits(origins: Sequence[Origin]) -> str:
    """Their commits, and which had uncommitted changes."""
    names = dict.fromkeys(
        origin.commit.hash[:7] + " with uncommitted changes" * origin.commit.dirty
        for origin in origins
        if origin.commit.hash
    )
    return f"commit{'s' * (len(names) > 1)} {', '.join(names)}" if names else "no commit"


def _origin(record: Origin | Fields) -> Origin:
    return msgspec.convert(record, Origin) if isinstance(record, dict) else record
