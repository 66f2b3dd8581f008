"""The command that measures the time to an accuracy: `accuracy`."""

from __future__ import annotations

from typing import Annotated

import typer

from ...devices import use
from ...engine.options import AsJson, Device, Records, Threads
from ..data.commands import Data
from . import SECONDS_MAX, SEEDS, TARGETS


def accuracy(
    contender: Annotated[
        list[str] | None,
        typer.Option(
            "--contender", help="Only this one, such as clusters_70 for 70 clusters; repeatable."
        ),
    ] = None,
    target: Annotated[
        list[float] | None,
        typer.Option("--target", help="Test accuracy; repeatable (default: 0.95, 0.974, 0.978)."),
    ] = None,
    seeds: Annotated[
        int, typer.Option(help="Trainings of each contender, each with its own seed.")
    ] = SEEDS,
    epochs: Annotated[
        int | None, typer.Option(help="Most epochs (default: as suits each contender).")
    ] = None,
    limit: Annotated[float, typer.Option(help="Most seconds of training.")] = SECONDS_MAX,
    data: Data = "mnist",
    device: Device = None,
    threads: Threads = None,
    as_json: AsJson = False,
    records: Records = None,
) -> None:
    """Measure the seconds until the test accuracy reaches a target and stays there."""
    use(device, threads)
    from ...engine import terminal
    from ...engine.history.recording import Recording
    from ...engine.words import percent
    from ..clusters.loading import load
    from . import show
    from .contenders import CONTENDERS, contender_named
    from .course import INTERRUPTED, Course, check_rules
    from .records import CourseRecord

    targets = sorted(set(target or TARGETS))
    check_rules(targets, seeds, epochs, limit)
    chosen = [contender_named(name) for name in contender] if contender else list(CONTENDERS)
    recording = Recording("accuracy", "accuracies", records)
    loaded = load(data, progress=True)
    for each in chosen:
        each.check(loaded)
    with terminal.progress() as bar:
        task = bar.add_task("", total=seeds * len(chosen))

        def update(course: Course) -> None:
            now = f"{course.seconds[-1]:.1f} s: {percent(course.accuracies[-1])}"
            what = f"{course.contender.name}, seed {course.seed}, {now}"
            bar.update(task, description=what, refresh=True)

        for seed in range(seeds):  # all contenders with one seed, so that a slow hour slows all
            for each in chosen:
                course = Course(each, seed, epochs or each.epochs, limit, targets[-1])
                try:
                    course.follow(data, update)
                finally:
                    if course.accuracies or course.stopped != INTERRUPTED:
                        asked = {"data": data, "targets": targets}
                        recording.add({**asked, **course.as_record()})
                bar.update(task, advance=1, refresh=True)
    recording.show(show.table(recording.read(CourseRecord)), as_json=as_json)
