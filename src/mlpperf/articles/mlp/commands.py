"""The command that trains one network: `train`; everything numerical is imported when it runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from ...devices import use
from ...engine.options import Device, Records, Threads, options_of
from ...errors import MlpperfError
from ..options import Data
from .settings import ARTICLE, Settings


@options_of(Settings)
def train(
    data: Data = "mnist",
    rung: Annotated[
        str | None, typer.Option(help="Rung that trains (default: the last one).")
    ] = None,
    device: Device = None,
    threads: Threads = None,
    weights: Annotated[Path | None, typer.Option(help="Start from these weights.")] = None,
    save: Annotated[Path | None, typer.Option(help="Write a checkpoint to this .npz.")] = None,
    resume: Annotated[
        Path | None, typer.Option(help="Continue from this checkpoint, and update it.")
    ] = None,
    phases: Annotated[bool, typer.Option("--phases", help="Show where the time went.")] = False,
    records: Records = None,
    **given: Any,
) -> None:
    """Train one network, with any setting and on any rung of the ladder."""
    epochs, batch_size = given.pop("epochs", None), given.pop("batch_size", None)
    if resume and (given or batch_size is not None or weights):
        raise MlpperfError("A resumed run keeps its settings: only --epochs can be changed.")
    use(device, threads, numpy_only="Training by a rung")
    from ...engine import terminal
    from ...engine.history.recording import Recording
    from ..clusters.loading import load
    from . import show
    from .checkpoints import checkpoint
    from .phases import PhaseClock
    from .training import Run, rung_named
    from .training import resume as go_on

    recording = Recording("training", "trainings", records)
    if resume:
        run = go_on(resume, load(checkpoint(resume).about.data, progress=True), epochs=epochs)
        save = save or resume
    else:
        start = checkpoint(weights).weights if weights else None
        settings = settings_given(batch_size, epochs, given)
        run = Run(load(data, progress=True), settings, rung_named(rung), weights=start)
    clock = PhaseClock(run.rung) if phases else None
    left = run.settings.epochs - len(run.history)
    if left < 1:
        raise MlpperfError(
            f"{resume} has its {len(run.history)} epochs already; ask for more with --epochs."
        )
    console = terminal.console()
    try:
        with terminal.progress() as bar:
            task = bar.add_task("training", total=left)
            for _ in range(left):
                epoch = run.epoch()
                if save:
                    run.save(save)
                bar.update(task, advance=1, description=show.so_far(run, epoch), refresh=True)
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
