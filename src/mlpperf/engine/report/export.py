"""All measurements as Parquet files, for other programs."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

from ...errors import MlpperfError
from ..compare import ComparisonRecord
from ..history.rows import Metric, Run
from ..history.table import Table
from ..suites.series import Series

SIDES = ("base", "head")
MACHINE = ("host", "processor")  # its columns


def comparisons_frame(records: Sequence[ComparisonRecord]) -> pd.DataFrame:
    """A row for each series of each comparison of a file, as `comparisons` reads it.

    Returns
    -------
    DataFrame
        time, host, processor, device, threads; base, head: the hashes of the commits, missing for a
        working tree; path, case, variant, suite, verdict; log_ratio, error, freedom: head ÷ base as
        a logarithm, its standard error and the degrees of freedom of that; base_seconds,
        head_seconds: of a call.
    """
    lengths = [len(record.outcomes) for record in records]
    line = np.repeat(np.arange(len(records)), lengths)
    about = pd.DataFrame(
        {
            "time": pd.to_datetime([r.time for r in records], utc=True, format="ISO8601"),
            **{name: [getattr(r.machine, name) for r in records] for name in MACHINE},
            "device": [r.device for r in records],
            "threads": pd.array([r.threads for r in records], dtype="int32"),
            **{side: [r.commits[side] for r in records] for side in SIDES},
        }
    ).astype(dict.fromkeys((*MACHINE, "device", *SIDES), "category"))
    columns = records[0].outcomes.columns
    names = pd.DataFrame(columns.series, columns=list(Series._fields)).astype("category")
    frame = pd.concat(
        [part.reset_index(drop=True) for part in (about.take(line), names.take(columns.of_series))],
        axis=1,
    )
    frame["verdict"] = pd.Categorical.from_codes(columns.verdict, pd.Index(columns.verdicts))
    for name in ("log_ratio", "error", "freedom"):
        frame[name] = getattr(columns, name)
    for side in SIDES:
        frame[f"{side}_seconds"] = getattr(columns, side)
    return frame


def measurements_frame(table: Table) -> pd.DataFrame:
    """A row for each number of the history, with the columns that `History` names."""
    runs = pd.DataFrame(table.runs, columns=list(Run._fields)).drop(columns="committed")
    runs["date"] = pd.to_datetime(table.dates, unit="s", utc=True)
    runs["date_of"] = np.where(table.dated, "commit", "measurement")
    runs["measured"] = pd.to_datetime(runs["measured"], unit="s", utc=True)
    runs = runs.astype({"threads": "Int32"})
    metrics = pd.DataFrame(table.metrics, columns=list(Metric._fields))
    frame = pd.concat(
        [
            runs.take(table.run).reset_index(drop=True),
            metrics.take(table.of).reset_index(drop=True),
        ],
        axis=1,
    )
    for name in ("value", "low", "high"):
        frame[name] = getattr(table, name)
    frame["proven"] = pd.array(table.proven == 1, dtype="boolean")
    frame.loc[table.proven < 0, "proven"] = pd.NA
    return frame


def write(frame: pd.DataFrame, file: Path) -> None:
    """Write a frame to a Parquet file, whole or not at all.

    Raises `MlpperfError` if it cannot be written.
    """
    unfinished = file.with_suffix(".unfinished")
    try:
        with duckdb.connect() as database:
            database.register("frame", frame)
            name = str(unfinished).replace("'", "''")
            database.execute(f"COPY frame TO '{name}' (FORMAT parquet, COMPRESSION zstd)")
        unfinished.replace(file)
    except (duckdb.Error, OSError) as reason:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        why = str(reason).splitlines()[0]
        raise MlpperfError(f"{file} cannot be written: {why}") from reason
