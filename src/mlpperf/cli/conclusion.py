"""How a comparison ends, for every command that compares: its record, causes, output, exit code."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ..engine.options import Format
from ..errors import MlpperfError

if TYPE_CHECKING:
    from ..engine.compare import Comparison, Request
    from ..engine.history.recording import Recording
    from ..engine.suites.series import Series
    from ..engine.why import Causes

SECONDS_LEAST = 30.0  # of the budget of a comparison that have to be left for the causes


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


@dataclass(frozen=True)
class Explained:
    """What `compare` shows of causes: these, and why they are unknown or not recorded.

    Nothing without a slowdown.
    """

    causes: Causes | None = None
    sentence: str = ""

    def in_json(self, comparison: dict[str, Any]) -> dict[str, Any]:
        """The record of the comparison, with the causes, and with the sentence as a warning."""
        from ..engine.history.records import finite
        from ..engine.why import record

        warnings = [*comparison["trouble"], *filter(None, [self.sentence])]
        causes = {"causes": finite(record(self.causes))} if self.causes else {}
        return {**comparison, "trouble": warnings, **causes}

    def in_markdown(self) -> str:
        """What follows the comparison."""
        from ..engine.why import markdown

        causes = "\n" + markdown(self.causes) if self.causes else ""
        return causes + (f"\n- {self.sentence}\n" if self.sentence else "")

    def in_text(self) -> list[Any]:
        """The same on a terminal."""
        from ..engine.why import text

        causes = [text(self.causes, samples=False)] if self.causes else []
        return [*causes, *filter(None, [self.sentence])]


def explained(
    result: Comparison, request: Request, wanted: bool | None, records: Path | None
) -> Explained:
    """The causes of what became slower in a comparison, which are recorded.

    They are measured if that is wanted or, for None, if enough of the budget is left.
    """
    from ..engine.history.recording import Recording
    from ..engine.why import changed_series, record

    slower = [finding for finding in result.regressions if finding.slower]
    if not slower or result.interrupted or result.shard or wanted is False:
        return Explained()
    if not any(finding.processes for finding in slower):
        return Explained(sentence="The causes are unknown: a call takes too long to be timed.")
    left = result.budget - result.total
    if wanted is None and (left < SECONDS_LEAST or result.isolated):
        hint = "`mlpperf why` names the functions that made it slower."
        return Explained(sentence="" if result.isolated else hint)
    base = result.commits["base"] or result.base
    exact = replace(request, base=base, head=result.commits["head"], exact=True)
    try:
        causes = causes_of(exact, changed_series(result), left if wanted is None else None)
    except KeyboardInterrupt:  # the comparison has come to its end, and is shown
        return Explained(sentence="The causes are unknown: interrupted.")
    except MlpperfError as reason:  # the comparison is none the worse for it
        return Explained(sentence=f"The causes are unknown: {str(reason).rstrip('.')}.")
    try:
        Recording("causes", "causes", records).add(record(causes))
    except MlpperfError as reason:  # the regression is shown all the same
        return Explained(causes, f"The causes were not recorded: {str(reason).rstrip('.')}.")
    return Explained(causes)


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
