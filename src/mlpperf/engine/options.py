"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Device = Annotated[
    str | None, typer.Option("--device", help="cpu (the default), or gpu:N as CUDA numbers them.")
]
Threads = Annotated[
    int | None, typer.Option(help="Threads that share the work; every processor by default.")
]
Inter = Annotated[
    int | None, typer.Option(help="Operations that TensorFlow runs at a time; as --threads.")
]
GpuMemory = Annotated[
    str | None, typer.Option(help="What TensorFlow takes of it: growth, all, or a number of MB.")
]
Xla = Annotated[
    bool | None, typer.Option("--xla/--no-xla", help="Hand all that is possible to XLA.")
]
LogPlacement = Annotated[
    bool | None,
    typer.Option("--log-placement", help="Write where every operation of TensorFlow runs."),
]


def _one_by_one(values: list[str] | None) -> list[str]:
    """What was listed with commas, or in several options."""
    return [name for listed in values or () for name in listed.split(",")]


Paths = Annotated[
    list[str] | None,
    typer.Option(
        "--paths", "--path", callback=_one_by_one, help="Only these hot paths: a,b or repeated."
    ),
]
Suites = Annotated[
    list[str] | None, typer.Option("--suite", help="Only hotpaths, asv or pytest; repeatable.")
]
SeriesPatterns = Annotated[
    list[str] | None,
    typer.Option("--series", help="Only those whose name has this in it, or fits '*a*b'."),
]
Python = Annotated[
    str | None, typer.Option(help="What runs tests and asv suites; the project's own Python.")
]
With = Annotated[list[str] | None, typer.Option("--with", help="A package that they need besides.")]
Records = Annotated[Path | None, typer.Option(help="Folder for the records; .mlpperf by default.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the records instead.")]
Asv = Annotated[
    Path | None, typer.Option(help="asv's results; .asv/results by default, if it is there.")
]
PytestBenchmark = Annotated[
    Path | None,
    typer.Option(help="A file or folder of its JSON; .benchmarks by default, if it is there."),
]
