"""How a comparison ends, for every command that compares: its record, its output, its exit code."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import typer

from ..engine.options import Format
from ..errors import MlpperfError
from .causes import Explained

if TYPE_CHECKING:
    from ..engine.compare import Comparison, Request
    from ..engine.history.recording import Recording


def compared(request: Request, recording: Recording) -> Comparison:
    """Carry out and record a comparison; of an interrupted one, what was measured until then.

    If it cannot be recorded, `conclude` shows it before it fails.
    """
    from ..engine import terminal
    from ..engine.compare import carry_out, render

    kept: list[Comparison] = []

    def keep(result: Comparison) -> None:
        kept.append(result)
        if result.shard or not result.same:
            try:
                recording.add(render.record(result))
            except MlpperfError as reason:
                recording.lost = reason

    with terminal.activity() as progress:
        try:
            carry_out(request, keep, progress)
        except KeyboardInterrupt:
            if not kept:
                raise
    (result,) = kept
    return result


def conclude(
    result: Comparison, recording: Recording, format: Format, verbose: bool, why: Explained
) -> None:
    """Show a comparison and the causes of a slowdown, and end with its exit code."""
    from ..engine import terminal
    from ..engine.compare import render
    from ..engine.compare.sentences import verdict
    from ..engine.history.recording import json_text

    if result.shard:
        _conclude_shard(result, recording, format)
        return
    if format == "json":
        (record,) = recording.written or recording.complete(render.record(result))
        typer.echo(json_text(why.in_json(record)))
    elif format == "markdown":
        typer.echo(render.markdown(result) + why.in_markdown(), nl=False)
    else:
        terminal.console().print(render.text(result, verbose, why.in_text()), crop=False)
    if os.environ.get("GITHUB_ACTIONS") == "true":
        for line in render.github_lines(result):
            typer.echo(line, err=True)
    if recording.lost:
        raise recording.lost
    if result.interrupted:  # not everything was judged, whatever was measured
        raise KeyboardInterrupt
    if result.exit_code == 2 and format != "text":  # the text ends with it
        raise MlpperfError(verdict(result))
    if result.exit_code:
        raise typer.Exit(result.exit_code)


def _conclude_shard(result: Comparison, recording: Recording, format: Format) -> None:
    """Show how far a shard came; its exit code is 0 whatever it measured: `merge` judges that."""
    from ..engine import terminal
    from ..engine.compare.sentences import verdict
    from ..engine.history.recording import json_text
    from ..engine.words import count

    if recording.lost:
        raise recording.lost
    if format == "json":
        typer.echo(json_text(recording.written[-1]))
    else:
        shard = str(result.shard).capitalize()
        sentence = (
            f"{shard} timed {count(len(result.timed), 'benchmark')} in {result.total:.0f} s; "
            "the verdict is that of `mlpperf merge`, with all shards."
        )
        terminal.console().print(sentence, soft_wrap=True)
        terminal.console().print(recording.location, soft_wrap=True)
    if result.interrupted:
        raise KeyboardInterrupt
    if "base" in result.broken:
        raise MlpperfError(verdict(result))
