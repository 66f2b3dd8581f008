"""The figures in a README, written from records between markers, never by hand.

Run as `python -m mlpperf.history.readme RECORDS README.md`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..errors import MlpperfError
from ..mlp.show import GROWTH_COLUMNS, LADDER_COLUMNS, growth_rows, ladder_rows, percent
from .records import read

Record = dict[str, Any]


def _markdown(columns: Sequence[str], rows: Sequence[Sequence[str]], left: int) -> str:
    """A table; all but the first `left` columns are numbers."""
    lines = ["| " + " | ".join(columns) + " |"]
    lines.append("|" + "|".join("---" if i < left else "---:" for i in range(len(columns))) + "|")
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


def _where(record: Record) -> str:
    """Machine and version of the code, in a sentence."""
    machine, versions = record["machine"], record["versions"]
    commit = record["commit"]["hash"] or "no commit"
    return (
        f"{machine['processor']}, {record['threads']} threads, {machine['blas']}, "
        f"NumPy {versions['numpy']}, Python {machine['python']}; {record['time'][:10]}, "
        f"commit {commit[:7]}."
    )


def ladder(folder: Path) -> str:
    """Every batch size that was climbed: the newest record of every rung."""
    newest: dict[int, dict[str, Record]] = {}
    for record in read(folder, "ladders")[0]:
        newest.setdefault(record["batch_size"], {})[record["rung"]] = record
    parts = []
    for size, rungs in sorted(newest.items()):
        columns, rows = list(LADDER_COLUMNS), ladder_rows(list(rungs.values()))
        published = columns.index("articles")
        if not any(row[published] for row in rows):
            del columns[published]
            rows = [(*row[:published], *row[published + 1 :]) for row in rows]
        parts.append(f"Batch {size:,}:\n\n" + _markdown(columns, rows, left=2))
    return "\n\n".join([*parts, _where(record)])


def growth(folder: Path) -> str:
    """How the cost grows with samples and with nodes."""
    newest = {(r["samples"], *r["hidden"]): r for r in read(folder, "growth")[0]}
    return _markdown(GROWTH_COLUMNS, growth_rows(list(newest.values())), left=0)


def best_run(folder: Path) -> str:
    """The training run with the best test accuracy, as the command that repeats it."""
    finished = [
        r for r in read(folder, "trainings")[0] if r["epochs"][-1]["test_accuracy"] is not None
    ]
    best = max(finished, key=lambda r: float(r["epochs"][-1]["test_accuracy"]))
    settings, last = best["settings"], best["epochs"][-1]
    options = {
        "hidden": ",".join(map(str, settings["hidden"])),
        **{name: settings[name] for name in ("activation", "l2", "learning_rate", "decrease")},
        "init_factor": settings["init_factor"],
        "scaler": settings["scaler"],
        "epochs": settings["epochs"],
    }
    words = (f"--{name.replace('_', '-')} {value}" for name, value in options.items())
    spent = sum(e["seconds"] for e in best["epochs"])
    return (
        f"    mlpperf train {' '.join(words)}\n\n"
        f"reaches {percent(last['test_accuracy'])} of the test set "
        f"({percent(last['train_accuracy'])} of the training set) in {spent:.1f} s of training."
    )


BLOCKS: dict[str, Callable[[Path], str]] = {
    "ladder": ladder,
    "growth": growth,
    "best run": best_run,
}


def update(text: str, folder: Path) -> str:
    """`text` with every marked block written anew from the records in `folder`.

    Raises
    ------
    MlpperfError
        If a marker is missing, or there are no records.
    """
    for name, write in BLOCKS.items():
        start, end = f"<!-- {name}, by program -->", f"<!-- end of {name} -->"
        if text.count(start) != 1 or text.count(end) != 1:
            raise MlpperfError(f"The text needs the markers {start} and {end} once each.")
        body = f"{start}\n\n{write(folder)}\n\n{end}"
        text = re.sub(f"{re.escape(start)}.*?{re.escape(end)}", lambda _: body, text, flags=re.S)  # noqa: B023
    return text


if __name__ == "__main__":
    readme = Path(sys.argv[2])
    readme.write_text(update(readme.read_text("utf-8"), Path(sys.argv[1])), "utf-8")
