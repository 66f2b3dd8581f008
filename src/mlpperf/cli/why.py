"""The command about the causes of a change: `why`, also after `compare`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..engine.options import Python, Records, Suites, With, revisions
from ..errors import MlpperfError
from . import extensions
from .commits import Format, compared

if TYPE_CHECKING:
    from ..engine.compare import Request
    from ..engine.history.recording import Recording
    from ..engine.suites.series import Series
    from ..engine.why import Causes


def why(
    series: Annotated[
        str | None,
        typer.Argument(
            metavar="SERIES",
            help="Name or pattern of the benchmark (default: all that became slower).",
        ),
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(
            help="Commit before the change (default: that of the last comparison with a change).",
            autocompletion=revisions,
        ),
    ] = None,
    head: Annotated[
        str | None,
        typer.Option(
            help="Commit after the change (default: the working tree, or that of the comparison).",
            autocompletion=revisions,
        ),
    ] = None,
    budget: Annotated[float | None, typer.Option(help="Seconds of timing (default: 60).")] = None,
    suite: Suites = None,
    python: Python = None,
    with_: With = None,
    format: Annotated[Format, typer.Option(help="text, markdown or json.")] = Format.TEXT,
    records: Records = None,
) -> None:
    """Show which functions made a benchmark slower: 0 explained, 2 not explained.

    Times versions that have only some parts of the change: each changed function is added to the
    base and taken out of the head. Explains the last recorded comparison with a change; with
    --base, compares first.
    """
    from ..engine.compare import Request
    from ..engine.history.recording import Recording
    from ..engine.why import changed_series, exit_code, latest
    from ..engine.why import record as record_of

    if head is not None and base is None:
        raise MlpperfError("--head needs --base, the commit before the change.")
    options: dict[str, Any] = {"kinds": suite or (), "python": python, "extra": with_ or ()}
    options["usual"] = extensions.hot_paths()
    recording = Recording("causes", "causes", records)
    if base is None:
        record, changed = latest(recording.file.parent, series)
        commits = record.commits["base"] or record.base, record.commits["head"]
    else:
        named = [series] if series else ()
        request = Request(base, head, series=named, exact=False, **options)
        result = compared(request, Recording("comparison", "comparisons", records))
        commits, changed = (result.commits["base"] or base, head), changed_series(result)
    causes = causes_of(Request(*commits, **options), changed, budget)
    recording.add(record_of(causes))
    show(causes, recording, format)
    if code := exit_code(causes):
        raise typer.Exit(code)


def causes_of(request: Request, changed: Sequence[Series], budget: float | None) -> Causes:
    """The causes of the changes of some series between two versions."""
    from ..engine import terminal
    from ..engine.race.race import check_budget
    from ..engine.versions.prepare import pair
    from ..engine.versions.scratch import scratch
    from ..engine.why import BUDGET, explain

    if not changed:
        raise MlpperfError("No benchmark is significantly slower or faster, so there is no cause.")
    seconds = BUDGET if budget is None else budget
    check_budget(seconds)
    with scratch("versions") as temporary, terminal.activity() as progress:
        progress("preparing both versions")
        versions = pair(request, Path.cwd(), temporary)
        return explain(versions, changed, budget=seconds, progress=progress)


def show(causes: Causes, recording: Recording, format: Format) -> None:
    """Print the causes."""
    from ..engine import terminal
    from ..engine.history.recording import json_text
    from ..engine.why import markdown, text

    if format is Format.JSON:
        typer.echo(json_text(recording.written[-1]))
    elif format is Format.MARKDOWN:
        typer.echo(markdown(causes), nl=False)
    else:
        terminal.console().print(text(causes), crop=False)
