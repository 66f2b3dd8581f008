"""The commands that show what was measured: `history`, `report`, `export` and `serve`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..engine.options import Asv, BySeries, PytestBenchmark, Records
from ..errors import MlpperfError
from . import extensions

if TYPE_CHECKING:
    from ..engine.report.draft import Content

Out = Annotated[
    Path | None, typer.Option("--out", help="Folder of the report (default: .mlpperf/report).")
]


def _usual(folder: Path, pattern: str) -> Path | None:
    """`folder`, if it has files that match `pattern`."""
    return folder if any(folder.glob(pattern)) else None


def _other_trackers(
    asv: Path | None, pytest_benchmark: Path | None
) -> tuple[Path | None, Path | None]:
    """Folders of asv's and pytest-benchmark's results: as given, or the usual ones."""
    return (
        asv or _usual(Path(".asv/results"), "*/*-*.json"),  # but not machine.json
        pytest_benchmark or _usual(Path(".benchmarks"), "**/*.json"),
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
    races = _usual(folder, "races.jsonl")
    sources = races, *_other_trackers(asv, pytest_benchmark)
    if made and not (levels or damaged or any(sources)):
        raise MlpperfError(show.no_levels(len(made)))
    if records and not (levels or damaged or races):
        raise MlpperfError(f"There are no comparisons or races in {records}.")
    compared = [name for name in wanted if levels and show.known(levels, name)]
    if not any(sources) and levels and len(compared) < len(wanted):
        (first, *_) = (name for name in wanted if name not in compared)
        raise MlpperfError(f"No benchmark that was compared is called {first!r}.")
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


@dataclass(frozen=True)
class _Site:
    """A report: its folder, and its sources as they are given."""

    out: Path | None
    records: Path | None
    asv: Path | None
    pytest_benchmark: Path | None

    @property
    def folder(self) -> Path:
        from ..engine.history.records import records_folder

        return self.out or records_folder() / "report"

    def sources(self) -> tuple[Path | None, Path | None, Path | None]:
        """Folders of mlpperf's, asv's and pytest-benchmark's results, as far as they exist."""
        from ..engine.history.records import records_folder

        records = self.records or _usual(records_folder(), "*.jsonl")
        return records, *_other_trackers(self.asv, self.pytest_benchmark)

    def files(self) -> list[Path]:
        """Files that the report is built from."""
        patterns = ("*.jsonl", "**/*.json", "**/*.json")
        return [
            file
            for folder, pattern in zip(self.sources(), patterns, strict=True)
            if folder
            for file in ([folder] if folder.is_file() else folder.glob(pattern))
        ]

    def build(self) -> Path:
        """Write the report; returns its first page."""
        from ..engine.report import gather, site
        from ..engine.suites.catalogue import catalogue
        from ..engine.suites.pyproject import project_name
        from ..engine.worker.memory import without_collections

        if self.records is not None and not self.records.is_dir():
            raise MlpperfError(f"There is no folder {self.records}.")
        content = _content()
        with without_collections():  # which would take a sixth of the time and free little
            material = gather.gather(*self.sources(), content.kinds)
            if material.empty:
                typer.echo(gather.NO_RECORDS)
            return site.write(self.folder, material, catalogue(), project_name(Path.cwd()), content)


def _content() -> Content:
    """Kinds of records and pages that extensions add to this project's report."""
    from ..engine.report.draft import Content

    every: list[Content] = list(extensions.parts("report"))
    return Content(
        kinds=tuple(kind for content in every for kind in content.kinds),
        pages=tuple(page for content in every for page in content.pages),
        lead=lambda site: next(filter(None, (content.lead(site) for content in every)), None),
        usual_case=next((content.usual_case for content in every if content.usual_case), ""),
    )


def report(
    out: Out = None,
    open_: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
    records: Records = None,
    asv: Asv = None,
    pytest_benchmark: PytestBenchmark = None,
) -> None:
    """Write the report: static pages that need no server and no network."""
    page = _Site(out, records, asv, pytest_benchmark).build()
    typer.echo(f"Report: {page}")
    if open_ and typer.launch(page.resolve().as_uri()):
        raise MlpperfError(f"No browser could be started; open {page} yourself")


def export(
    out: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder for the files.")],
    records: Records = None,
    asv: Asv = None,
    pytest_benchmark: PytestBenchmark = None,
) -> None:
    """Write all results to comparisons.parquet and measurements.parquet.

    A row for each series of each comparison, and one for each time or other measured value.
    """
    from ..engine import words
    from ..engine.compare import comparisons
    from ..engine.history.table import history
    from ..engine.report import export as parquet

    folder, asv, pytest_benchmark = _Site(out, records, asv, pytest_benchmark).sources()
    made, damaged = comparisons(folder) if folder else ([], [])
    races = _usual(folder, "races.jsonl") if folder else None
    frames = {}
    if made:
        frames["comparisons"] = parquet.comparisons_frame(made)
    measured = history(races, asv, pytest_benchmark)
    damaged = [*damaged, *measured.unreadable]
    if len(measured.table):
        frames["measurements"] = parquet.measurements_frame(measured.table)
    if not frames:
        why = f"{damaged[0]} ({len(damaged)} damaged)" if damaged else "no comparisons or races yet"
        raise MlpperfError(f"There is nothing to export: {why}")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as reason:
        raise MlpperfError(f"{out} cannot be made: {reason.strerror}") from reason
    for name, frame in frames.items():
        file = out / f"{name}.parquet"
        parquet.write(frame, file)
        typer.echo(
            f"{file}: {words.count(len(frame), 'row')}, {words.count(len(frame.columns), 'column')}"
        )
    for sentence in damaged:
        typer.echo(f"Skipped: {words.plain(sentence)}.", err=True)


def serve(
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.")] = 0,
    open_: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
    out: Out = None,
    records: Records = None,
    asv: Asv = None,
    pytest_benchmark: PytestBenchmark = None,
) -> None:
    """Serve the report on 127.0.0.1 and rebuild it when records change. Ctrl-C ends it."""
    from ..engine.report.serve import HOST
    from ..engine.report.serve import serve as served

    if not 0 <= port < 1 << 16:
        raise MlpperfError(f"A port is a number from 0 to 65535, not {port}.")
    site = _Site(out, records, asv, pytest_benchmark)
    with served(site.folder, port, site.build, site.files) as server:
        site.build()
        address = f"http://{HOST}:{server.server_address[1]}/"
        typer.echo(f"Serving {site.folder} at {address}; Ctrl-C ends it.")
        if open_:
            typer.launch(address)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            typer.echo("Ended.")
