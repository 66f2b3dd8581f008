"""The commands about commits: `compare`, `calibrate`, `history`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import typer

from ..devices import Setting, gpu_fact, use
from ..engine.options import (
    AsJson,
    Asv,
    BySeries,
    Device,
    Formats,
    PytestBenchmark,
    Python,
    Records,
    SeriesPatterns,
    Suites,
    Threads,
    Verbose,
    With,
    revisions,
)
from ..engine.words import percentage
from ..errors import MlpperfError
from . import extensions
from .causes import explained
from .command_given import command_given
from .conclusion import compared, conclude
from .shards import ShardOption, recording_of


def compare(
    context: typer.Context,
    base: Annotated[
        str | None,
        typer.Argument(
            metavar="BASE",
            help="What to compare with: a commit, such as main; a release, such as 'numpy==2.2.0'; "
            "or a wheel (default, if only environments differ: the working tree).",
            show_default=False,
            autocompletion=revisions,
        ),
    ] = None,
    head: Annotated[
        str | None,
        typer.Argument(
            metavar="HEAD",
            help="Commit, release or wheel to judge (default: the working tree).",
            autocompletion=revisions,
        ),
    ] = None,
    series: SeriesPatterns = None,
    suite: Suites = None,
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
    python: Python = None,
    with_: With = None,
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
        bool,
        typer.Option("--all", help="Time every benchmark, even if it runs no changed code."),
    ] = False,
    accept: Annotated[
        list[str] | None,
        typer.Option("--accept", help="Benchmark that may be gone or undecided; repeatable."),
    ] = None,
    shard: ShardOption = None,
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
    device: Device = None,
    threads: Threads = None,
    verbose: Verbose = False,
    format: Formats = "text",
    records: Records = None,
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

    if base is None and not any((base_with, head_with, base_python, head_python)):
        raise MlpperfError(
            "BASE is missing: name a commit, such as main, or what differs, such as --head-with."
        )
    part = shard_of(shard) if shard else None
    recording = recording_of(part, records)
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


def calibrate(
    size: Annotated[
        list[str] | None,
        typer.Option(
            "--size", help="Slowdown, such as 2%; repeatable (default: 0, 1, 2, 3, 5 and 10 %)."
        ),
    ] = None,
    trials: Annotated[int, typer.Option(help="Comparisons for each size.")] = 3,
    budget: Annotated[
        float | None,
        typer.Option(help="Seconds of timing for each comparison (default: 130)."),
    ] = None,
    series: SeriesPatterns = None,
    suite: Suites = None,
    python: Python = None,
    with_: With = None,
    threads: Threads = None,
    as_json: AsJson = False,
    records: Records = None,
) -> None:
    """Slow the code down by known amounts, and count how many slowdowns `compare` detects.

    Slows down functions that the hot paths run; in a project without hot paths, functions that its
    tests or asv suite run. Takes three minutes for each trial of each size; less with --budget 60.
    """
    use(None, threads, numpy_only="What is calibrated")
    from ..engine import terminal
    from ..engine.calibrate import show
    from ..engine.calibrate.recorded import calibration_content
    from ..engine.calibrate.trials import SIZES, Trial, detection_rates
    from ..engine.calibrate.trials import calibrate as calibrated
    from ..engine.compare import BUDGET, SUITE_BUDGET
    from ..engine.history.recording import Recording
    from ..engine.machine.environment import environment
    from ..engine.suites.commands import COMMANDS
    from ..engine.suites.series import Selection
    from ..engine.versions.prepare import pair
    from ..engine.versions.revisions import Revisions
    from ..engine.versions.scratch import scratch

    recording = Recording("calibration", "calibrations", records)
    sizes = [percentage(text, "--size") for text in size] if size else list(SIZES)
    done: list[Trial] = []
    with scratch("mutants") as temporary, terminal.progress() as bar:
        (temporary / "versions").mkdir()
        wanted = Revisions(
            None,
            None,
            usual=extensions.hot_paths(),
            kinds=suite or (),
            python=python,
            extra=with_ or (),
        )
        made = pair(wanted, Path.cwd(), temporary / "versions")
        # Hot paths are slowed down if there are any, else what suites run.
        suites = [suite for suite in made.suites if suite.kind != COMMANDS]
        made = replace(made, suites=() if made.head.entries else tuple(suites))
        usual = SUITE_BUDGET[0] if made.suites else BUDGET
        seconds = usual if budget is None else budget
        task = bar.add_task("", total=trials * len(sizes))
        for trial in calibrated(
            made,
            Selection(series or made.settings.series),
            temporary,
            sizes=sizes,
            trials=trials,
            budget=seconds,
            progress=lambda text: bar.update(task, description=text, refresh=True),
        ):
            content = calibration_content(trial, "mlpperf", seconds, series or ())
            measured_in = environment(*made.interpreter).fields() if made.suites else {}
            recording.add({**content, **measured_in})
            done.append(trial)
            bar.update(task, advance=1, refresh=True)
    rates = detection_rates(done)
    recording.show(show.calibration(rates), show.detectable(rates), as_json=as_json)


def usual(folder: Path, pattern: str) -> Path | None:
    """`folder`, if it has files that match `pattern`."""
    return folder if any(folder.glob(pattern)) else None


def other_trackers(
    asv: Path | None, pytest_benchmark: Path | None
) -> tuple[Path | None, Path | None]:
    """Folders of asv's and pytest-benchmark's results: as given, or the usual ones."""
    return (
        asv or usual(Path(".asv/results"), "*/*-*.json"),  # but not machine.json
        pytest_benchmark or usual(Path(".benchmarks"), "**/*.json"),
    )


def history(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="SERIES", help="Series or hot paths (default: all)."),
    ] = None,
    series: BySeries = None,
    records: Records = None,
    asv: Asv = None,
    pytest_benchmark: PytestBenchmark = None,
    machine: Annotated[str | None, typer.Option(help="Only measurements of this host.")] = None,
    device: Annotated[
        str | None, typer.Option("--device", help="Only measurements on this device, such as cpu.")
    ] = None,
    format: Annotated[
        Literal["text", "json", "csv"],
        typer.Option("--format", help="text: only changes; json, csv: everything."),
    ] = "text",
) -> None:
    """Show which commits made a benchmark faster or slower, from everything measured so far.

    Combines comparisons of two commits, and series of seconds and ratios of single commits.
    """
    from ..engine import words
    from ..engine.compare import comparisons
    from ..engine.history import listing, table
    from ..engine.history.changes import changes
    from ..engine.history.records import records_folder
    from ..engine.levels import show
    from ..engine.levels.gathering import levels_here
    from ..engine.terminal import console

    folder, wanted = records or records_folder(), [*(names or ()), *(series or ())]
    made, damaged = comparisons(folder)
    levels = levels_here(made)
    if levels:
        levels.unreadable = damaged
    races = usual(folder, "races.jsonl")
    if records and not (levels or damaged or races):
        raise MlpperfError(f"There are no comparisons or races in {records}.")
    sources = races, *other_trackers(asv, pytest_benchmark)
    compared = [name for name in wanted if levels and show.known(levels, name)]
    if not any(sources) and levels and len(compared) < len(wanted):
        (first, *_) = (name for name in wanted if name not in compared)
        raise MlpperfError(f"No series that was compared is called {first!r}.")
    if levels and format == "text":
        console().print(show.text(levels, wanted), crop=False)
    measured = table.history(*sources)
    measured.unreadable.extend(damaged)
    if not levels:
        measured.refuse_empty()
    if len(measured.table):
        measured = measured.only(wanted, machine, device, compared)
    about = show.as_json(levels, wanted) if levels else None
    if format == "csv":
        typer.echo(listing.as_csv(measured, about), nl=False)
        for sentence in measured.unreadable:
            typer.echo(f"Skipped: {words.plain(sentence)}.", err=True)
        return
    steps = changes(measured.table)
    if format == "json":
        typer.echo(listing.as_json(steps, measured, about))
        return
    if steps:
        console().print(listing.listing(steps, measured), crop=False)
    if summary := listing.summary(steps, measured):
        typer.echo(summary)
