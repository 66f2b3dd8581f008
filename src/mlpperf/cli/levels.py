"""The commands about many commits: `backfill`, `bisect`."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..engine import options
from ..errors import MlpperfError
from . import extensions

if TYPE_CHECKING:
    from ..engine.compare import Request
    from ..engine.levels.lineage import Lineage


def backfill(
    commits: Annotated[
        str | None,
        typer.Argument(metavar="A..B", help="From A to B, or to HEAD (default: all commits)."),
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="Only commits since a date: 2026-10-01 or '2 weeks'.")
    ] = None,
    every: Annotated[int, typer.Option(help="Only every N-th commit, and tagged ones.")] = 1,
    series: options.SeriesPatterns = None,
    suite: options.Suites = None,
    budget: Annotated[
        float | None,
        typer.Option(help="Seconds of timing for each comparison (default: as `compare`)."),
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(help="Start no comparison after this time (default: no limit).")
    ] = None,
    again: Annotated[
        bool,
        typer.Option(
            "--again", help="Repeat comparisons that failed, and doubtful ones of an older mlpperf."
        ),
    ] = False,
    python: options.Python = None,
    with_: options.With = None,
    records: options.Records = None,
) -> None:
    """Compare the commits of a branch with each other until the effect of each is known.

    Compares each commit with its parent, newest first, and with tags and every tenth commit where
    that adds most. Ctrl-C ends it without loss: the same command continues from there.
    """
    import time

    from ..engine import terminal
    from ..engine.history.recording import Recording
    from ..engine.levels import show
    from ..engine.levels.backfill import backfill as filled
    from ..engine.levels.gathering import gathered
    from ..engine.levels.measuring import Here
    from ..engine.levels.planning import Plan

    if every < 1:
        raise MlpperfError(f"--every takes a number from 1 on, not {every}.")
    if minutes is not None and not minutes >= 0:
        raise MlpperfError(f"--minutes takes a number from 0 on, not {minutes:g}.")
    recording = Recording("comparison", "comparisons", records)
    whole, suites = _lineage(commits, since)
    lineage = whole.thinned(every)
    asked = {"python": python, "extra": with_ or (), "kinds": suite or (), "budget": budget}
    request = _request(lineage, series=series or (), **asked)
    levels = gathered(recording.file.parent, lineage, again, asked=request.asked, suites=suites)
    plan = Plan(levels, request.selected, again)
    console = terminal.console()
    end = None if minutes is None else time.monotonic() + 60 * minutes
    with terminal.activity() as progress:
        here = Here(lineage, request, recording, progress)
        console.print(show.beginning(plan), soft_wrap=True)
        for compared in filled(plan, here, lambda: end is not None and time.monotonic() >= end):
            left = len(plan.parents_left())
            console.print(show.line(compared, lineage, left), soft_wrap=True)
    console.print(recording.location, soft_wrap=True)
    if plan.next_question() is not None:
        console.print("Some comparisons are left; the same command continues with them.")
    console.print(show.text(plan.levels), crop=False)


def bisect(
    name: options.Slower = None,
    series: options.BySeries = None,
    good: Annotated[
        str,
        typer.Option(
            help="Commit before the slowdown, such as a tag.",
            show_default=False,
            autocompletion=options.revisions,
        ),
    ] = "",
    bad: Annotated[
        str, typer.Option(help="Commit after the slowdown.", autocompletion=options.revisions)
    ] = "HEAD",
    confidence: Annotated[
        str, typer.Option(help="Confidence that the named commit is the right one.")
    ] = "99%",
    budget: Annotated[
        float | None,
        typer.Option(help="Seconds of timing for each comparison (default: 25 for one benchmark)."),
    ] = None,
    suite: options.Suites = None,
    python: options.Python = None,
    with_: options.With = None,
    records: options.Records = None,
) -> None:
    """Find the commit that made a benchmark slower.

    Without SERIES, finds it for every benchmark that is slower at the bad commit than at the good
    one. Uses earlier comparisons, too.
    """
    from dataclasses import replace

    from ..engine import terminal
    from ..engine.history.recording import Recording
    from ..engine.levels import show
    from ..engine.levels.bisection import Hunt, first_pair, hunt, targets
    from ..engine.levels.gathering import gathered
    from ..engine.levels.measuring import SECONDS_OF_ONE, Here
    from ..engine.levels.planning import Plan
    from ..engine.suites.series import THRESHOLD
    from ..engine.suites.settings import settings
    from ..engine.versions.repository import project_folder
    from ..engine.words import percentage

    if not good:
        raise MlpperfError(
            "--good is missing: name a commit before the slowdown, such as your last release."
        )
    wanted, share = options.one_series(name, series), percentage(confidence, "--confidence")
    if not 0.5 <= share < 1:
        raise MlpperfError(f"The confidence must lie between 50 and 100 %, not at {confidence}.")
    recording = Recording("comparison", "comparisons", records)
    lineage, suites = _lineage(f"{good}..{bad}")
    seconds = budget if budget is not None or wanted is None else SECONDS_OF_ONE
    asked = {"python": python, "extra": with_ or (), "kinds": suite or (), "budget": seconds}
    request = _request(lineage, series=[wanted] if wanted else (), **asked)
    counting = {"asked": request.asked, "suites": suites}
    plan = Plan(gathered(recording.file.parent, lineage, strict=True, **counting))
    console = terminal.console()
    with terminal.activity() as progress:

        def here(request: Request) -> Here:
            return Here(lineage, request, recording, progress)

        top, below = project_folder(Path.cwd())
        threshold = settings(top / below).threshold
        least = THRESHOLD if threshold is None else threshold
        whole = first_pair(plan, here(request), wanted, least)
        slower = targets(whole, wanted)
        target = Hunt(plan, slower, share)
        if slower:
            seconds = budget or show.seconds_for(len(slower))
            request = replace(request, series=[one.name for one in slower], budget=seconds)
            console.print(show.cost(target, seconds), soft_wrap=True)
            for compared in hunt(target, here(request)):
                console.print(show.line(compared, lineage), soft_wrap=True)
    console.print(recording.location, soft_wrap=True)
    for sentence in show.outcome(target, whole, wanted):
        console.print(sentence, soft_wrap=True)
    if unknown := show.unjudged(target, whole, wanted):
        console.print(unknown, soft_wrap=True)
        if not any(map(target.steps, slower)):
            raise typer.Exit(2)


def _request(lineage: Lineage, **asked: Any) -> Request:
    """What is asked of each comparison: the newest commit's suites for all of them."""
    from ..engine.compare import Request

    first, last = lineage[0].hash, lineage[-1].hash
    return Request(first, last, benchmarks=last, usual=extensions.hot_paths(), **asked)


def _lineage(commits: str | None, since: str | None = None) -> tuple[Lineage, Collection[str]]:
    """Commits of the project's repository, or of the one that `asv.conf.json` names.

    And whose suites count in recorded comparisons: those of the branch that is checked out.
    """
    from ..engine.levels.lineage import chosen
    from ..engine.levels.lineage import lineage as branch
    from ..engine.versions.repository import source
    from ..engine.versions.scratch import scratch

    with scratch("repository") as folder:
        top = source(Path.cwd(), folder).top
        return chosen(commits, top, since), branch(None, top).places
