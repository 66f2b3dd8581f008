"""The commands `accuracy` and `clusters`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ...devices import use
from ...engine.options import AsJson, Data, Device, Records, Threads
from ...errors import MlpperfError
from . import SEEDS, TARGETS

LIMIT = 600.0  # seconds


def accuracy(
    contender: Annotated[
        list[str] | None,
        typer.Option(
            "--contender", help="Repeatable; all by default. clusters_K takes K cluster distances."
        ),
    ] = None,
    target: Annotated[
        list[float] | None,
        typer.Option("--target", help="Test accuracy, repeatable; 0.95, 0.974, 0.978 by default."),
    ] = None,
    seeds: Annotated[int, typer.Option(help="Runs of each contender.")] = SEEDS,
    epochs: Annotated[
        int | None, typer.Option(help="Epochs at most; by default what suits each contender.")
    ] = None,
    limit: Annotated[float, typer.Option(help="Seconds of training at most.")] = LIMIT,
    data: Data = "mnist",
    device: Device = None,
    threads: Threads = None,
    as_json: AsJson = False,
    records: Records = None,
) -> None:
    """Seconds until the test accuracy holds a target: pixels, cluster distances, Keras, a CNN."""
    use(device, threads)
    from ...engine import terminal
    from ...engine.history.recording import Recording, json_text
    from ...engine.words import percent
    from ..clusters.loading import load
    from . import show
    from .contenders import CONTENDERS, contender_named
    from .course import INTERRUPTED, Course, check

    targets = sorted(set(target or TARGETS))
    check(targets, seeds, epochs, limit)
    chosen = [contender_named(name) for name in contender] if contender else list(CONTENDERS)
    recording = Recording("accuracy", "accuracies", records)
    loaded = load(data, progress=True)
    for each in chosen:
        each.check(loaded)
    with terminal.progress() as bar:
        task = bar.add_task("", total=seeds * len(chosen))

        def tell(course: Course) -> None:
            now = f"{course.seconds[-1]:.1f} s: {percent(course.accuracies[-1])}"
            what = f"{course.contender.name}, seed {course.seed}, {now}"
            bar.update(task, description=what, refresh=True)

        for seed in range(seeds):  # one after the other, so that a slow hour hits all alike
            for each in chosen:
                course = Course(each, seed, epochs or each.epochs, limit, targets[-1])
                try:
                    course.follow(data, tell)
                finally:
                    if course.accuracies or course.stopped != INTERRUPTED:
                        asked = {"data": data, "targets": targets}
                        recording.add({**asked, **course.as_record()})
                bar.update(task, advance=1, refresh=True)
    if as_json:
        typer.echo(json_text(recording.written))
        return
    console = terminal.console()
    console.print(show.table(recording.written))
    console.print(recording.told, soft_wrap=True)


def clusters(
    lowest: Annotated[int, typer.Option("--from", help="Fewest clusters.")] = 10,
    highest: Annotated[int, typer.Option("--to", help="Most clusters.")] = 170,
    step: Annotated[int, typer.Option(help="From one number of clusters to the next.")] = 10,
    seeds: Annotated[int, typer.Option(help="Runs for each number.")] = 3,
    scaler: Annotated[
        str, typer.Option(help="Images to length 1 (per_sample), standard, or none.")
    ] = "per_sample",
    sample: Annotated[
        int, typer.Option(help="Training images that the silhouette is averaged over.")
    ] = 2_000,
    data: Data = "mnist",
    device: Device = None,
    threads: Threads = None,
    plot: Annotated[Path, typer.Option(help="Where to draw it, .png.")] = Path("clusters.png"),
    as_json: AsJson = False,
    records: Records = None,
) -> None:
    """How many clusters? Seconds, inertia and silhouette over their number, and the elbow."""
    use(device, threads, numpy_only="The search for clusters")
    from ...engine import terminal
    from ...engine.history.recording import Recording, json_text
    from .. import plots
    from ..clusters import show
    from ..clusters.counts import check, measure
    from ..clusters.features import SCALERS
    from ..clusters.loading import load
    from ..mlp.settings import choose

    if step < 1 or seeds < 1:
        raise MlpperfError(f"--step and --seeds must be at least 1, not {step} and {seeds}.")
    choose("scaler of images", scaler, ["none", *SCALERS])
    recording = Recording("clusters", "clusters", records)
    loaded = load(data, progress=True)
    counts = range(lowest, highest + 1, step)
    check(counts, loaded, sample)
    with terminal.progress() as bar:
        task = bar.add_task("", total=seeds * len(counts))
        for seed in range(seeds):
            for count in counts:
                bar.update(task, description=f"{count} clusters, seed {seed}", refresh=True)
                kind = None if scaler == "none" else scaler
                found = measure(loaded, count, seed, kind, sample)
                recording.add({"data": data, **found})
                bar.update(task, advance=1, refresh=True)
    plots.draw_clusters(recording.written, plot)
    if as_json:
        typer.echo(json_text(recording.written))
        return
    console = terminal.console()
    console.print(show.clusters(recording.written))
    console.print(show.elbow_found(recording.written))
    console.print(f"Plot: {plot}\n{recording.told}", soft_wrap=True)
