"""The commands that train by one rung: `train`, and `growth` with networks of many sizes."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import typer

from ...devices import use
from ...engine.options import Device, Records, Threads, options_of
from ..data.commands import Data
from .settings import ARTICLE, Settings


@options_of(Settings)
def train(
    data: Data = "mnist",
    rung: Annotated[
        str | None, typer.Option(help="Rung that trains (default: the last one).")
    ] = None,
    device: Device = None,
    threads: Threads = None,
    phases: Annotated[bool, typer.Option("--phases", help="Show where the time went.")] = False,
    records: Records = None,
    **given: Any,
) -> None:
    """Train one network, with any setting and on any rung of the ladder."""
    epochs, batch_size = given.pop("epochs", None), given.pop("batch_size", None)
    use(device, threads, numpy_only="Training by a rung")
    from ...engine import terminal
    from ...engine.history.recording import Recording
    from ..clusters.loading import load
    from . import show
    from .phases import PhaseClock
    from .training import Run, rung_named

    recording = Recording("training", "trainings", records)
    settings = settings_given(batch_size, epochs, given)
    kind = rung_named(rung)
    run = Run(load(data, progress=True), settings, kind)
    clock = PhaseClock(run.rung) if phases else None
    console = terminal.console()
    try:
        with terminal.progress() as bar:
            task = bar.add_task("training", total=settings.epochs)
            for _ in range(settings.epochs):
                now = show.so_far(run, run.epoch())
                bar.update(task, advance=1, description=now, refresh=True)
    finally:
        run.rung.close()
        if run.history:
            recording.add(show.as_record(run))
    title = show.title(run.rung.name, run.data.name, run.settings.hidden)
    console.print(show.epochs(title, run.history))
    if clock:
        console.print(show.phases(clock))
    console.print(show.summary(run))


def settings_given(batch_size: int | None, epochs: int | None, changed: dict[str, Any]) -> Settings:
    """The articles' settings, with `changed` and the others in their place where they are given."""
    settings = ARTICLE if batch_size is None else ARTICLE.with_batch(batch_size)
    if epochs is not None:
        changed = {**changed, "epochs": epochs}
    return replace(settings, **changed)


def growth(
    samples: Annotated[
        list[int] | None,
        typer.Option("--samples", help="Samples; repeatable (default: 10⁴, 10⁵, 10⁶)."),
    ] = None,
    nodes: Annotated[
        list[int] | None,
        typer.Option(
            "--nodes", help="Nodes of one hidden layer; repeatable (default: 70 to 1,000)."
        ),
    ] = None,
    rung: Annotated[
        str | None, typer.Option(help="Rung that trains (default: the last one).")
    ] = None,
    device: Device = None,
    threads: Threads = None,
    records: Records = None,
) -> None:
    """Measure how the cost grows with samples and with hidden nodes, on synthetic data."""
    use(device, threads, numpy_only="The ladder")
    from ...engine import terminal
    from ...engine.history.recording import Recording
    from . import show_ladder
    from .growth import grow
    from .records import GrowthRecord
    from .training import rung_named

    recording = Recording("growth", "growth", records)
    kind = rung_named(rung)
    sizes = samples or [10_000, 100_000, 1_000_000]
    widths = nodes or [70, 200, 500, 1_000]
    with terminal.progress() as bar:
        task = bar.add_task("", total=len(sizes) + len(widths))
        for point in grow(kind, sizes, widths):
            recording.add({"rung": kind.name, **point})
            bar.update(task, advance=1, refresh=True)
    terminal.console().print(show_ladder.growth(recording.read(GrowthRecord)))
