"""Comparisons divided among machines: the option `--shard` of `compare`, and `merge`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..engine.options import Formats, Records, Verbose
from .causes import Explained
from .conclusion import conclude

if TYPE_CHECKING:
    from ..engine.compare import Shard
    from ..engine.history.recording import Recording

ShardOption = Annotated[
    str | None,
    typer.Option(
        "--shard",
        metavar="N/OF",
        help="Compare one part of the benchmarks, such as 2/8; `mlpperf merge` gives the verdict.",
    ),
]


def recording_of(shard: Shard | None, folder: Path | None) -> Recording:
    """The records of a comparison; a shard's have a file of their own, which no history reads."""
    from ..engine.history.recording import Recording

    return Recording("comparison", "shards" if shard else "comparisons", folder)


def merge(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Folder with the results of all shards.")
    ],
    verbose: Verbose = False,
    format: Formats = "text",
    records: Records = None,
) -> None:
    """Merge the shards of a comparison: 0 no regression, 1 regression, 2 not measured.

    Reads the records or the JSON of `mlpperf compare --shard` from every file in FOLDER. All shards
    have to be there, of the same versions and settings. A shard that ran more than once, also on
    different machines, is pooled by the ratios.
    """
    from ..engine.compare import merged, read_parts, record

    parts = read_parts(folder)
    result, measured = merged(parts)
    recording = recording_of(None, records)
    if not result.same:
        recording.keep_once(*recording.complete({**record(result), **measured}))
    conclude(result, recording, format, verbose, Explained())
