"""The commands that compare versions: `compare`, and `merge` for comparisons made in shards."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..devices import Setting, gpu_fact, use
from ..engine import options
from ..engine.words import percentage
from ..errors import MlpperfError
from . import extensions
from .command_given import command_given
from .conclusion import Explained, compared, conclude, explained


def compare(
    context: typer.Context,
    base: Annotated[
        str | None,
        typer.Argument(
            metavar="BASE",
            help="What to compare with: a commit, such as main; a release, such as 'numpy==2.2.0'; "
            "or a wheel (default, if only environments differ: the working tree).",
            show_default=False,
            autocompletion=options.revisions,
        ),
    ] = None,
    head: Annotated[
        str | None,
        typer.Argument(
            metavar="HEAD",
            help="Commit, release or wheel to judge (default: the working tree).",
            autocompletion=options.revisions,
        ),
    ] = None,
    series: options.SeriesPatterns = None,
    suite: options.Suites = None,
    benchmarks: Annotated[
        str | None, typer.Option(help="Commit whose suites time both versions (default: HEAD).")
    ] = None,
    threshold: Annotated[
        str | None, typer.Option(help="Smallest slowdown to report (default: 0.5%).")
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option(help="Seconds of timing (default: 130 for hot paths; 155 to 300 for suites)."),
    ] = None,
    python: options.Python = None,
    with_: options.With = None,
    base_with: Annotated[
        list[str] | None,
        typer.Option(help="Package for BASE only, such as 'numpy==2.2.0'; repeatable."),
    ] = None,
    head_with: Annotated[
        list[str] | None, typer.Option(help="Package for HEAD only; repeatable.")
    ] = None,
    base_python: Annotated[
        str | None, typer.Option(help="Python for BASE only, such as 3.12, or its path.")
    ] = None,
    head_python: Annotated[str | None, typer.Option(help="Python for HEAD only.")] = None,
    isolate: Annotated[
        bool,
        typer.Option(
            "--isolate",
            help="Run each version in its own process; only larger changes are detected.",
        ),
    ] = False,
    all_: Annotated[
        bool, typer.Option("--all", help="Time every benchmark, even if it runs no changed code.")
    ] = False,
    accept: Annotated[
        list[str] | None,
        typer.Option("--accept", help="Benchmark that may be gone or undecided; repeatable."),
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="N/OF",
            help="Compare one part of the benchmarks, such as 2/8; `mlpperf merge` gives the "
            "verdict.",
        ),
    ] = None,
    exact: Annotated[
        bool, typer.Option("--exact", help="Compare with BASE itself, not with the merge base.")
    ] = False,
    why: Annotated[
        bool | None,
        typer.Option(
            "--why/--no-why",
            help="Name the functions that made it slower (default: if enough budget is left).",
        ),
    ] = None,
    device: options.Device = None,
    threads: options.Threads = None,
    verbose: options.Verbose = False,
    format: options.Formats = "text",
    records: options.Records = None,
) -> None:
    """Compare the speed of HEAD and BASE: 0 no regression, 1 regression, 2 not measured.

    Runs the project's benchmarks: hot paths, an asv suite, and tests that use the benchmark
    fixture. Both versions take turns in one process, and in several processes. A wrong result and
    a higher memory use are regressions, too. If BASE and HEAD have diverged, HEAD is compared with
    their merge base. Releases and environments, such as another NumPy, are compared likewise.
    With a command after --, such as -- mytool --help, its run time is compared instead.
    """
    if device and device.startswith("gpu:") and not gpu_fact(device, "name"):
        raise MlpperfError(f"There is no {device} here: nvidia-smi does not report it.")
    use(device, threads)
    from ..engine.compare import Request, shard_of
    from ..engine.history.recording import Recording

    if base is None and not any((base_with, head_with, base_python, head_python)):
        raise MlpperfError(
            "BASE is missing: name a commit, such as main, or what differs, such as --head-with."
        )
    part = shard_of(shard) if shard else None
    # Those of shards have a file of their own, which no history reads.
    recording = Recording("comparison", "shards" if part else "comparisons", records)
    request = Request(
        base,
        head,
        series=series or (),
        backends=["numpy"] if Setting.current().device == "cpu" else ["tensorflow"],
        usual=extensions.hot_paths(),
        kinds=suite or (),
        benchmarks=benchmarks,
        threshold=percentage(threshold, "--threshold") if threshold else None,
        budget=budget,
        python=python,
        extra=with_ or (),
        isolate=isolate,
        everything=all_,
        accept=accept or (),
        shard=part,
        exact=exact,
        pythons={"base": base_python or "", "head": head_python or ""},
        packages={"base": base_with or (), "head": head_with or ()},
        command=command_given(context, suite),
    )
    result = compared(request, recording)
    causes = explained(result, request, False if recording.lost else why, records)
    conclude(result, recording, format, verbose, causes)


def merge(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Folder with the results of all shards.")
    ],
    verbose: options.Verbose = False,
    format: options.Formats = "text",
    records: options.Records = None,
) -> None:
    """Merge the shards of a comparison: 0 no regression, 1 regression, 2 not measured.

    Reads the records or the JSON of `mlpperf compare --shard` from every file in FOLDER. All shards
    have to be there, of the same versions and settings. A shard that ran more than once, also on
    different machines, is pooled by the ratios.
    """
    from ..engine.compare import merged, read_parts, record
    from ..engine.history.recording import Recording

    result, measured = merged(read_parts(folder))
    recording = Recording("comparison", "comparisons", records)
    if not result.same:
        recording.keep_once(*recording.complete({**record(result), **measured}))
    conclude(result, recording, format, verbose, Explained())
