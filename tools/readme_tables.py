"""What the blocks of README and docs share."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from mlpperf.engine.history.records import Fields
from mlpperf.engine.table import Table


def records(folder: Path, name: str) -> list[Fields]:
    """All lines of a file of records."""
    lines = (folder / f"{name}.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def markdown(columns: Sequence[str], rows: Sequence[Sequence[str]], left: int) -> str:
    """A table; all but the first `left` columns are numbers."""
    return Table("", columns, rows, text=range(left)).to_markdown()


def where(*records: Fields) -> str:
    """Machine of the last of `records`, and versions of the code of all, in a sentence."""
    record = records[-1]
    machine, versions = record["machine"], record["versions"]
    hashes = dict.fromkeys(r["commit"]["hash"][:7] for r in records if r["commit"]["hash"])
    code = f"commit{'s' * (len(hashes) > 1)} {', '.join(hashes)}" if hashes else "no commit"
    return (
        f"{machine['processor']}, {record['threads']} threads, {machine['blas']}, "
        f"NumPy {versions['numpy']}, Python {machine['python']}; {record['time'][:10]}, {code}."
    )
