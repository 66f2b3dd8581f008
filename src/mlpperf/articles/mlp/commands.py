"""The command that trains one network: `train`; everything numerical is imported when it runs."""

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
