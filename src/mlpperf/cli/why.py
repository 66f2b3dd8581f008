"""The command about the causes of a change: `why`."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..engine import options
from ..errors import MlpperfError
from . import extensions
from .command_given import command_given
from .conclusion import causes_of, compared

if TYPE_CHECKING:
    from ..engine.compare import ComparisonRecord
    from ..engine.suites.series import Series


def why(
    context: typer.Context,
    name: options.Slower = None,
    series: options.BySeries = None,
    base: Annotated[
        str | None,
        typer.Option(
            help="Commit before the change (default: that of the last comparison with a change).",
            autocompletion=options.revisions,
        ),
    ] = None,
    head: Annotated[
        str | None,
        typer.Option(
            help="Commit after the change (default: the working tree, or that of the comparison).",
            autocompletion=options.revisions,
        ),
    ] = None,
    budget: Annotated[float | None, typer.Option(help="Seconds of timing (default: 60).")] = None,
    suite: options.Suites = None,
    python: options.Python = None,
    with_: options.With = None,
    format: options.Formats = "text",
    records: options.Records = None,
) -> None:
    """Show which functions made a benchmark slower: 0 explained, 2 not explained.

    Times versions that have only some parts of the change: each changed function is added to the
    base and taken out of the head. Explains the last recorded comparison with a change; with
    --base, compares first. A command after --, such as -- mytool --help, is examined likewise.
    """
    from ..engine import terminal
    from ..engine.compare import Request
    from ..engine.history.recording import Recording, json_text
    from ..engine.why import changed_series, exit_code, latest, markdown, text
    from ..engine.why import record as record_of

    if head is not None and base is None:
        raise MlpperfError("--head needs --base, the commit before the change.")
    words, wanted = command_given(context, suite), options.one_series(name, series)
    if words and wanted:
        raise MlpperfError("A benchmark and a command after -- exclude each other.")
    asked: dict[str, Any] = {"kinds": suite or (), "python": python, "extra": with_ or ()}
    asked |= {"usual": extensions.hot_paths(), "command": words}
    recording = Recording("causes", "causes", records)
    if base is None:
        record, changed = latest(recording.file.parent, shlex.join(words) or wanted)
        asked["command"] = words or _recorded_command(record, changed)
        was = record.asked
        recorded = {"python": was.python, "extra": was.packages, "benchmarks": was.benchmarks}
        asked |= {name: value for name, value in recorded.items() if value and not asked.get(name)}
        commits = record.commits["base"] or record.base, record.commits["head"]
    else:
        named = [wanted] if wanted else ()
        request = Request(base, head, series=named, exact=False, **asked)
        before = Recording("comparison", "comparisons", records)
        result = compared(request, before)
        if before.lost:
            raise before.lost
        commits, changed = (result.commits["base"] or base, head), changed_series(result)
    causes = causes_of(Request(*commits, **asked), changed, budget)
    recording.add(record_of(causes))
    if format == "json":
        typer.echo(json_text(recording.written[-1]))
    elif format == "markdown":
        typer.echo(markdown(causes), nl=False)
    else:
        terminal.console().print(text(causes), crop=False)
    if code := exit_code(causes):
        raise typer.Exit(code)


def _recorded_command(record: ComparisonRecord, changed: Sequence[Series]) -> list[str]:
    """The words of the command that followed -- in a recorded comparison; none of another one."""
    from ..engine.suites.commands import COMMANDS
    from ..engine.suites.settings import settings
    from ..engine.versions.repository import project_folder

    name = changed[0].variant
    if changed[0].suite != COMMANDS or name not in record.selected:
        return []
    top, below = project_folder(Path.cwd())
    return [] if name in settings(top / below).commands else shlex.split(name)
