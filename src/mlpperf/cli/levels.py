"""The commands about many commits: `backfill`, `bisect`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..engine.options import Paths, Python, Records, SeriesPatterns, Suites, With
from ..errors import MlpperfError
from . import extensions

if TYPE_CHECKING:
    from ..engine.levels.lineage import Lineage


def backfill(
    commits: Annotated[
        str | None,
        typer.Argument(metavar="A..B", help="From A on, up to B or HEAD; all by default."),
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="Only commits since then, such as 2026-10-01 or '2 weeks'.")
    ] = None,
    every: Annotated[
        int, typer.Option(help="Only every so many-th commit, and those with tags.")
    ] = 1,
    paths: Paths = None,
    suite: Suites = None,
    series: SeriesPatterns = None,
    budget: Annotated[
        float | None, typer.Option(help="Seconds for the timing of a comparison; as `compare`.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(help="Start no comparison after so long; until all is known.")
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Try again what could not be compared before.")
    ] = False,
    scheduler: Annotated[
        str | None, typer.Option(help="Of Dask, whose workers compare; this machine by default.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Start so many here instead; they measure in turns.")
    ] = None,
    python: Python = None,
    with_: With = None,
    records: Records = None,
) -> None:
    """Compare the commits of a branch with each other, until it is known what each changed.

    Each with the one before, newest first, and with tags and every tenth commit where that says
    more than is known. Ctrl-C ends it, and nothing is lost: the same command goes on from there.
    """
    import contextlib
    import time

    from ..engine import terminal
    from ..engine.compare.request import Request
    from ..engine.history.recording import Recording
    from ..engine.levels import show
    from ..engine.levels.backfill import Workers
    from ..engine.levels.backfill import backfill as filled
    from ..engine.levels.gathering import gathered
    from ..engine.levels.lineage import chosen
    from ..engine.levels.measuring import Here
    from ..engine.levels.planning import Plan

    for option, number in (("--every", every), ("--workers", workers)):
        if number is not None and number < 1:
            raise MlpperfError(f"{option} takes a number from 1 on, not {number}.")
    if scheduler and workers:
        raise MlpperfError("--workers starts a scheduler here; leave out --scheduler, or it.")
    recording = Recording("comparison", "comparisons", records)
    lineage = _lineage(lambda top: chosen(commits, top, since).thinned(every))
    request = Request(
        lineage[0].hash,
        lineage[-1].hash,
        paths=paths or (),
        series=series or (),
        usual=extensions.hot_paths(),
        kinds=suite or (["hotpaths"] if paths else ()),
        benchmarks=lineage[-1].hash,
        budget=budget,
        python=python,
        extra=with_ or (),
    )
    plan = Plan(gathered(recording.file.parent, lineage), request.selected, again)
    console = terminal.console()
    end = None if minutes is None else time.monotonic() + 60 * minutes
    with terminal.progress() as bar, contextlib.ExitStack() as stack:
        task = bar.add_task("", total=None)
        who: Workers
        if scheduler is None and workers is None:
            who = Here(
                lineage,
                request,
                recording,
                lambda text: bar.update(task, description=text, refresh=True),
            )
        else:
            from ..engine.levels import distributed

            address = scheduler or stack.enter_context(distributed.local(workers or 1))
            client = stack.enter_context(distributed.connected(address, lineage))
            who = distributed.Cluster(client, lineage, request, recording)
        console.print(show.beginning(plan), soft_wrap=True)
        for compared in filled(plan, who, lambda: end is not None and time.monotonic() >= end):
            left = len(plan.parents_left())
            console.print(show.line(compared, lineage, left), soft_wrap=True)
    console.print(show.text(plan.levels))
    if plan.next_question() is not None:
        console.print("Not all is known yet; the same command goes on from here.")
    console.print(recording.location, soft_wrap=True)


def bisect(
    series: Annotated[
        str | None,
        typer.Argument(
            metavar="SERIES", help="Its name or a pattern; all that became slower by default."
        ),
    ] = None,
    good: Annotated[
        str, typer.Option(help="A commit before, such as a tag.", show_default=False)
    ] = "",
    bad: Annotated[str, typer.Option(help="A commit after.")] = "HEAD",
    confidence: Annotated[str, typer.Option(help="That it is the commit that is named.")] = "99%",
    budget: Annotated[
        float | None, typer.Option(help="Seconds for the timing of a comparison; 25 for a series.")
    ] = None,
    suite: Suites = None,
    python: Python = None,
    with_: With = None,
    records: Records = None,
) -> None:
    """Find the commit since which a benchmark is slower.

    Without a name: everything that is slower at the bad commit than at the good one, and since when
    each. What was compared before counts, too.
    """
    from dataclasses import replace

    from ..engine import terminal
    from ..engine.compare.request import Request
    from ..engine.history.recording import Recording
    from ..engine.levels import show, show_bisection
    from ..engine.levels.bisection import Hunt, first_pair, hunt, targets
    from ..engine.levels.gathering import gathered
    from ..engine.levels.lineage import chosen
    from ..engine.levels.measuring import SECONDS_OF_ONE, Here
    from ..engine.levels.planning import Plan
    from ..engine.words import percentage

    if not good:
        raise MlpperfError("--good names a commit before it was slower, such as a tag.")
    sure = percentage(confidence, "--confidence")
    if not 0.5 <= sure < 1:
        raise MlpperfError(f"The confidence must lie between 50 and 100 %, not at {confidence}.")
    recording = Recording("comparison", "comparisons", records)
    lineage = _lineage(lambda top: chosen(f"{good}..{bad}", top))
    plan = Plan(gathered(recording.file.parent, lineage))
    request = Request(
        lineage[0].hash,
        lineage[-1].hash,
        series=[series] if series else (),
        usual=extensions.hot_paths(),
        kinds=suite or (),
        benchmarks=lineage[-1].hash,
        budget=budget if budget is not None or series is None else SECONDS_OF_ONE,
        python=python,
        extra=with_ or (),
    )
    console = terminal.console()
    with terminal.progress() as bar:
        task = bar.add_task("", total=None)

        def here(request: Request) -> Here:
            def progress(text: str) -> None:
                bar.update(task, description=text, refresh=True)

            return Here(lineage, request, recording, progress)

        whole = first_pair(plan, here(request), series)
        found = targets(whole, series)
        target = Hunt(plan, found, sure)
        if found:
            seconds = budget or show_bisection.seconds_for(len(found))
            request = replace(request, series=[one.name for one in found], budget=seconds)
            console.print(show_bisection.cost(target, seconds), soft_wrap=True)
            for compared in hunt(target, here(request)):
                console.print(show.line(compared, lineage), soft_wrap=True)
    for sentence in show_bisection.outcome(target, whole):
        console.print(sentence, soft_wrap=True)
    console.print(recording.location, soft_wrap=True)


def _lineage(choose: Callable[[Path], Lineage]) -> Lineage:
    """The commits of the project's repository, or of the one that its asv suite is about."""
    from ..engine.versions.repository import source
    from ..engine.versions.scratch import scratch

    with scratch("repository") as folder:
        return choose(source(Path.cwd(), folder).top)
