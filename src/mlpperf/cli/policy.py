"""The commands about the verdict of a recorded comparison: `explain` and `accept`."""

from __future__ import annotations

import math
from datetime import date
from pathlib import Path
from textwrap import TextWrapper
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..engine.options import BySeries, Records, one_series
from ..errors import MlpperfError

if TYPE_CHECKING:
    from ..engine.compare import Comparison
    from ..engine.compare.finding import Finding
    from ..engine.suites.policy import Acceptance


TITLES = {
    "compared": "What was compared",
    "concluded": "What was concluded",
    "evidence": "Why",
    "causes": "Causes",
    "how": "How it was measured",
    "next": "What to do next",
}


def explain(
    record: Annotated[
        str,
        typer.Argument(
            metavar="RECORD",
            help="last, the start of the head's hash, or a file with the output of "
            "`mlpperf compare --format json`.",
        ),
    ] = "last",
    format: Annotated[Literal["text", "json"], typer.Option(help="text or json.")] = "text",
    records: Records = None,
) -> None:
    """Explain the verdict of a recorded comparison: the evidence for it, and what to do next."""
    import msgspec
    from rich.text import Text

    from ..engine import terminal
    from ..engine.compare.explanation import explanation
    from ..engine.compare.sentences import WHICH
    from ..engine.compare.whole import read_recorded, read_whole
    from ..engine.history.recording import json_text
    from ..engine.history.records import records_folder
    from ..engine.lines import SENTENCE

    if Path(record).is_file():
        result, causes = read_whole(Path(record))
    else:
        folder = records or records_folder()
        result, causes = read_recorded(folder, "" if record == "last" else record)
    if format == "json":
        typer.echo(json_text(msgspec.to_builtins(explanation(result, causes))))
        return
    explained = explanation(result, causes)
    console = terminal.console()
    indented = TextWrapper(
        min(console.width, SENTENCE),
        initial_indent="  ",
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    topics = {
        title: lines for topic, title in TITLES.items() if (lines := getattr(explained, topic))
    }
    for number, (title, lines) in enumerate(topics.items()):
        console.print(Text(f"\n{title}" if number else title, "bold"))
        filled = (f"  {one}" if one.startswith(WHICH) else indented.fill(one) for one in lines)
        console.print(*filled, sep="\n", soft_wrap=True)


def accept(
    because: Annotated[str, typer.Option(help="Why the regression is worth its price.")],
    name: Annotated[
        str | None,
        typer.Argument(metavar="SERIES", help="Benchmark that became worse, or a pattern."),
    ] = None,
    series: BySeries = None,
    until: Annotated[
        str | None, typer.Option(help="Last day on which it is accepted, such as 2030-12-31.")
    ] = None,
    records: Records = None,
) -> None:
    """Accept a regression of the last recorded comparison, up to its size there.

    Appends to .mlpperf-accepted.toml, which belongs into the repository. Later comparisons show the
    regression with its reason, and do not fail. Once the base has it, too, it counts no more.
    """
    from ..engine.compare.whole import read_recorded
    from ..engine.files import shown_path, write_whole
    from ..engine.history.records import records_folder
    from ..engine.suites.policy import ACCEPTED, appended
    from ..engine.suites.series import covers, fits
    from ..engine.versions.repository import project_folder
    from ..engine.words import plain

    because = plain(" ".join(because.split()))
    if not because:
        raise MlpperfError("--because takes a reason, not an empty text.")
    wanted = one_series(name, series) or ""
    if not wanted.strip():  # it would fit every name
        raise MlpperfError("Name the benchmark that became worse, or a pattern.")
    last_day = _day(until) if until is not None else None
    result, _ = read_recorded(records or records_folder())
    fitting = [one for one in result.regressions if covers(wanted, one.series)]
    fitting = fitting or [one for one in result.regressions if fits(wanted, one.series)]
    if not fitting:
        raise MlpperfError(
            f"The last recorded comparison, of {result.head} with {result.base}, has no "
            f"regression of {wanted!r}."
        )
    entries = [_acceptance(result, finding, because, last_day) for finding in fitting]
    top, project = project_folder(Path.cwd())
    root = top / project
    try:
        write_whole(root / ACCEPTED, appended(root, entries))
    except OSError as reason:
        why = reason.strerror or reason
        raise MlpperfError(f"{root / ACCEPTED} cannot be written ({why}).") from reason
    for entry in entries:
        most = f", up to +{100 * entry.slower:.4g} %" if entry.slower else ""
        typer.echo(f"Accepted: {entry.series}{most}{f', until {until}' if until else ''}.")
    typer.echo(f"Commit {shown_path(root / ACCEPTED)}.")


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise MlpperfError(f"--until takes a date such as 2030-12-31, not {text!r}.") from None
    if day < date.today():
        raise MlpperfError(f"--until takes a day to come, not {text}.")
    return day


def _acceptance(
    result: Comparison, finding: Finding, because: str, until: date | None
) -> Acceptance:
    """The acceptance of a regression, as large as it may be by its interval."""
    from ..engine.suites.policy import Acceptance

    name = finding.series.name
    if "head" in finding.wrong:
        raise MlpperfError(f"{name} is wrong, which cannot be accepted: {finding.wrong['head']}")
    if finding.slower and not math.isfinite(finding.change.high):
        raise MlpperfError(
            f"How much slower {name} is has no upper limit, so it is not accepted: a call takes "
            "too long to be timed. A larger --budget may time it, and smaller inputs do; with "
            f'"{name}" = "warn" in [tool.mlpperf.gate.series] it does not fail the comparison.'
        )
    memory = finding.memory.get("head", {}) if finding.grown else {}
    return Acceptance(
        name,
        because,
        slower=math.ceil(1e4 * (finding.change.high - 1)) / 1e4 if finding.slower else 0.0,
        bytecodes=finding.more_work if finding.work_rose else 0.0,
        peak_memory=memory.get("peak"),
        allocations=memory.get("allocations"),
        garbage=finding.garbage["head"] if finding.more_garbage else None,
        value=max(finding.values["head"]) if finding.risen else None,
        base=result.commits.get("base") or "",
        head=result.commits.get("head") or "",
        until=until,
    )
