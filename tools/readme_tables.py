"""What the blocks of README and docs share."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from mlpperf.engine.history.fields import shaped
from mlpperf.engine.history.reading import AnyRecord
from mlpperf.engine.history.records import Fields, Origin
from mlpperf.engine.table import Table


def lines(folder: Path, name: str) -> list[Fields]:
    """All lines of a file of records, as they are."""
    text = (folder / f"{name}.jsonl").read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]


def records(folder: Path, kind: type[AnyRecord]) -> list[AnyRecord]:
    """All records of a kind."""
    return [shaped(line, kind) for line in lines(folder, kind.FILE)]


def markdown(columns: Sequence[str], rows: Sequence[Sequence[str]], left: int) -> str:
    """A table; all but the first `left` columns are numbers."""
    return Table("", columns, rows, text=range(left)).to_markdown()


def where(*records: Origin | Fields) -> str:
    """Machine of the last of `records`, and versions of the code of all, in a sentence."""
    origins = [shaped(r, Origin) if isinstance(r, dict) else r for r in records]
    last, hashes = origins[-1], [r.commit.hash[:7] for r in origins if r.commit.hash]
    known = list(dict.fromkeys(hashes))
    code = f"commit{'s' * (len(known) > 1)} {', '.join(known)}" if known else "no commit"
    machine = last.machine
    return (
        f"{machine.processor}, {last.threads} threads, {machine.blas}, "
        f"NumPy {last.versions['numpy']}, Python {machine.python}; {last.time[:10]}, {code}."
    )
