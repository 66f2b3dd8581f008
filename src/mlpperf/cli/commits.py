"""The commands about commits: `compare`, `calibrate`, `history`."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ..devices import Setting, use
from ..engine.options import (
    AsJson,
    Asv,
    Device,
    Paths,
    PytestBenchmark,
    Python,
    Records,
    SeriesPatterns,
    Suites,
    Threads,
    With,
)
from ..engine.words import percentage
from ..errors import MlpperfError
from . import extensions


class Format(StrEnum):
    """How a comparison is written."""

    TEXT = "text"
    MARKDOWN = "markdown"
    JSON = "json"


def compare(
    base: Annotated[
        str, typer.Argument(metavar="BASE", help="The commit to compare with, such as main.")
    ],
    head: Annotated[
        str | None,
        typer.Argument(
            metavar="HEAD", help="The commit to judge; the files as they are by default."
        ),
    ] = None,
    paths: Paths = None,
    case: Annotated[
        list[str] | None, typer.Option("--case", help="Only this case; repeatable.")
    ] = None,
    backend: Annotated[
        list[str] | None, typer.Option("--backend", help="numpy, numba or tensorflow; repeatable.")
    ] = None,
    suite: Suites = None,
    series: SeriesPatterns = None,
    benchmarks: Annotated[
        str | None, typer.Option(help="The commit whose suites both get; HEAD's by default.")
    ] = None,
    threshold: Annotated[
        str | None, typer.Option(help="The smallest slowdown that is told; 0.5% by default.")
    ] = None,
    budget: Annotated[
        float | None, typer.Option(help="Seconds for all that is timed; 130 by default, or more.")
    ] = None,
    python: Python = None,
    with_: With = None,
    isolate: Annotated[
        bool, typer.Option("--isolate", help="A process for each version; its sight is coarser.")
    ] = False,
    same: Annotated[
        bool, typer.Option("--same", help="Measure even if the code is the same, as a check.")
    ] = False,
    full: Annotated[
        bool, typer.Option("--full", help="Time also what runs nothing that changed.")
    ] = False,
    accept: Annotated[
        list[str] | None,
        typer.Option("--accept", help="A benchmark that may be gone or unjudged; repeatable."),
    ] = None,
    exact: Annotated[
        bool, typer.Option("--exact", help="Compare with BASE itself, not with the merge base.")
    ] = False,
    device: Device = None,
    threads: Threads = None,
    format: Annotated[Format, typer.Option(help="text, markdown or json.")] = Format.TEXT,
    records: Records = None,
) -> None:
    """Decide whether HEAD is slower than BASE: 0 no regression, 1 regression, 2 not measured.

    By the benchmarks that the project has: hot paths, an asv suite, and tests that use the
    benchmark fixture. If BASE and HEAD have gone different ways, HEAD is compared with their merge
    base. Both versions of the code take turns in one process, several times; and what is wrong, or
    takes more memory, is a regression too.
    """
    use(device, threads)
    from ..engine import terminal
    from ..engine.compare import render
    from ..engine.compare.request import Request, carry_out
    from ..engine.compare.result import Comparison
    from ..engine.history.recording import Recording, json_text

    recording = Recording("comparison", "comparisons", records)
    request = Request(
        base,
        head,
        paths=paths or (),
        cases=case or (),
        backends=backend or (["numpy"] if Setting.current().device == "cpu" else ["tensorflow"]),
        series=series or (),
        usual=extensions.hot_paths(),
        # Who names hot paths, cases or libraries wants nothing else.
        kinds=suite or (["hotpaths"] if paths or case or backend else ()),
        benchmarks=benchmarks,
        threshold=percentage(threshold, "--threshold") if threshold else None,
        budget=budget,
        python=python,
        extra=with_ or (),
        isolate=isolate,
        same=same,
        full=full,
        accept=accept or (),
        exact=exact,
    )

    found: list[Comparison] = []

    def keep(result: Comparison) -> None:
        found.append(result)
        if not result.same:  # that two versions have the same code is told, but not recorded
            recording.add(render.record(result))

    with terminal.progress() as bar:
        task = bar.add_task("", total=None)
        try:
            carry_out(request, keep, lambda text: bar.update(task, description=text, refresh=True))
        except KeyboardInterrupt:  # what is known by now is recorded, and shown
            if not found:
                raise
    (result,) = found
    if format is Format.JSON:
        (record,) = recording.written or recording.complete(render.record(result))
        typer.echo(json_text(record))
    elif format is Format.MARKDOWN:
        typer.echo(render.markdown(result), nl=False)
    else:
        terminal.console().print(render.text(result))
    if os.environ.get("GITHUB_ACTIONS") == "true":
        for line in render.github_lines(result):
            typer.echo(line, err=True)
    if result.interrupted:  # whatever was found so far: not all was looked at
        raise KeyboardInterrupt
    if result.exit_code == 2:
        raise MlpperfError(render.verdict(result))
    if result.exit_code:
        raise typer.Exit(result.exit_code)


def calibrate(
    size: Annotated[
        list[str] | None,
        typer.Option("--size", help="A slowdown such as 2%; repeatable. 0, 1, 2, 3, 5, 10 %."),
    ] = None,
    trials: Annotated[int, typer.Option(help="Comparisons for each size.")] = 3,
    paths: Paths = None,
    case: Annotated[
        list[str] | None, typer.Option("--case", help="Only this case; repeatable.")
    ] = None,
    budget: Annotated[
        float | None, typer.Option(help="Seconds for the timing of a comparison; 130 by default.")
    ] = None,
    suite: Suites = None,
    series: SeriesPatterns = None,
    python: Python = None,
    with_: With = None,
    against: Annotated[
        str | None, typer.Option(help="Calibrate another tracker: asv, or pytest-benchmark.")
    ] = None,
    threads: Threads = None,
    as_json: AsJson = False,
    records: Records = None,
) -> None:
    """Put slowdowns of known size into the code, and count how many `compare` finds.

    Into a function of every hot path; in a project without any, into functions that its tests or
    asv suite run. Three minutes for each trial of each size; less with --budget 60.
    """
    use(None, threads, numpy_only="What is calibrated")
    import numpy as np

    from ..engine import terminal
    from ..engine.calibrate import show
    from ..engine.calibrate.planted import SuiteMutator, traced
    from ..engine.calibrate.recorded import calibration_content
    from ..engine.calibrate.suite_trackers import suite_tracker
    from ..engine.calibrate.trackers import TRACKERS
    from ..engine.calibrate.trials import SIZES, Trial, sights
    from ..engine.calibrate.trials import calibrate as calibrated
    from ..engine.compare.budget import BUDGET, SUITE_BUDGET
    from ..engine.history.recording import Recording, json_text
    from ..engine.suites.series import Selection
    from ..engine.versions.prepare import pair
    from ..engine.versions.scratch import scratch
    from ..errors import check

    check("tracker", [against] if against else [], TRACKERS)
    recording = Recording("calibration", "calibrations", records)
    sizes = [percentage(text, "--size") for text in size] if size else list(SIZES)
    done: list[Trial] = []
    with scratch("mutants") as temporary, terminal.progress() as bar:
        hot_paths = ["hotpaths"] if paths or case else ()
        folder = temporary / "versions"
        folder.mkdir()
        made = pair(
            None,
            None,
            Path.cwd(),
            folder,
            usual=extensions.hot_paths(),
            kinds=suite or hot_paths,
            python=python,
            extra=with_ or (),
        )
        selection = Selection(paths or (), case or (), series=series or made.settings.series)
        task = bar.add_task("", total=trials * len(sizes))
        mutator = None
        # One kind at a time: hot paths have functions of their own to slow down.
        suites = () if made.head.entries else made.suites
        tracker = TRACKERS[against] if against else None
        if against and made.guests and suites:
            suites = tuple(suite for suite in suites if suite.kind == against.partition("-")[0])
            tracker = suite_tracker(against, suites, made.guests)
        if made.guests and suites:
            bar.update(task, description="what do the benchmarks run?", refresh=True)
            rng = np.random.default_rng()
            trace = traced(made.head, suites, made.guests, int(rng.integers(2**31)))
            mutator = SuiteMutator(made.head, trace, rng)
        usual_seconds = SUITE_BUDGET[0] if mutator else BUDGET
        seconds = usual_seconds if budget is None else budget
        for trial in calibrated(
            made.head,
            selection,
            temporary,
            sizes=sizes,
            trials=trials,
            budget=seconds,
            tracker=tracker,
            mutator=mutator,
            suites=suites,
            guests=made.guests,
            isolated=made.isolated,
            progress=lambda text: bar.update(task, description=text, refresh=True),
        ):
            content = calibration_content(trial, against or "mlpperf", seconds, case or ())
            measured_in = made.environment.fields() if suites else {}
            recording.add({**content, **measured_in})
            done.append(trial)
            bar.update(task, advance=1, refresh=True)
    if as_json:
        typer.echo(json_text(recording.written))
        return
    console = terminal.console()
    console.print(show.calibration(sights(done)))
    typer.echo(show.detectable(sights(done)))
    console.print(recording.location, soft_wrap=True)


def usual(folder: Path, pattern: str) -> Path | None:
    """`folder`, if there is anything in it to read."""
    return folder if any(folder.glob(pattern)) else None


def other_trackers(
    asv: Path | None, pytest_benchmark: Path | None
) -> tuple[Path | None, Path | None]:
    """Where results of asv and pytest-benchmark are: as given, or where they usually are."""
    return (
        asv or usual(Path(".asv/results"), "*/*-*.json"),  # not what it knows about the machine
        pytest_benchmark or usual(Path(".benchmarks"), "**/*.json"),
    )


class TableFormat(StrEnum):
    """How the history is written."""

    TEXT = "text"
    JSON = "json"
    CSV = "csv"


def history(
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="PATH", help="Only of these; all by default."),
    ] = None,
    records: Records = None,
    asv: Asv = None,
    pytest_benchmark: PytestBenchmark = None,
    machine: Annotated[str | None, typer.Option(help="Only of this host.")] = None,
    device: Annotated[
        str | None, typer.Option("--device", help="Only on this device, such as cpu.")
    ] = None,
    format: Annotated[
        TableFormat, typer.Option("--format", help="text: what changed; json, csv: everything.")
    ] = TableFormat.TEXT,
) -> None:
    """Show which commits made something faster or slower, from all that was measured so far.

    By comparisons of two commits at a time, whose levels do not drift; and by seconds and ratios.
    """
    from ..engine import words
    from ..engine.compare.records import comparisons
    from ..engine.history import listing, table
    from ..engine.history.changes import changes
    from ..engine.history.records import records_folder
    from ..engine.levels import show
    from ..engine.levels.gathering import levels_here
    from ..engine.terminal import console

    folder, wanted = records or records_folder(), paths or ()
    made, damaged = comparisons(folder)
    levels = levels_here(made)
    if levels:
        levels.unreadable = damaged
    races = usual(folder, "races.jsonl") if levels else records or usual(folder, "races.jsonl")
    sources = races, *other_trackers(asv, pytest_benchmark)
    compared = [name for name in wanted if levels and show.known(levels, name)]
    if not any(sources) and levels and len(compared) < len(wanted):
        (first, *_) = (name for name in wanted if name not in compared)
        raise MlpperfError(f"No series that was compared is called {first!r}.")
    if levels and format is TableFormat.TEXT:
        console().print(show.text(levels, wanted))
    found = table.read_history(*sources) if levels else table.history(*sources)
    if len(found.table):
        found = found.only(wanted, machine, device, compared)
    found.unreadable.extend(damaged)
    about = show.as_json(levels, wanted) if levels else None
    if format is TableFormat.CSV:
        typer.echo(listing.as_csv(found, about), nl=False)
        for sentence in found.unreadable:
            typer.echo(f"Skipped: {words.plain(sentence)}.", err=True)
        return
    told = changes(found.table)
    if format is TableFormat.JSON:
        typer.echo(listing.as_json(told, found, about))
        return
    if told:
        console().print(listing.listing(told, found))
    typer.echo(listing.summary(told, found))
