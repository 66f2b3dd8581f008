"""The command that trains one network: `train`; everything numerical is imported when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...devices import use
from ...engine.options import Device, Records, Threads
from ...errors import MlpperfError
from ..options import Data

if TYPE_CHECKING:
    from .settings import Settings


def train(
    data: Data = "mnist",
    rung: Annotated[
        str | None, typer.Option(help="The rung that trains; by default the last one.")
    ] = None,
    hidden: Annotated[
        str | None, typer.Option(help="Nodes of the hidden layers, such as 70,30.")
    ] = None,
    activation: Annotated[str | None, typer.Option(help="sigmoid, tanh or relu.")] = None,
    loss: Annotated[str | None, typer.Option(help="log or mse.")] = None,
    l1: Annotated[float | None, typer.Option(help="Factor of Σ|W|.")] = None,
    l2: Annotated[float | None, typer.Option(help="Factor of ½·ΣW².")] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="By default 0.001, but at most 2 ÷ batch size.")
    ] = None,
    decrease: Annotated[
        float | None, typer.Option(help="After epoch e, from 0, the rate shrinks by this times e.")
    ] = None,
    momentum: Annotated[float | None, typer.Option(help="Share of the step before.")] = None,
    init: Annotated[str | None, typer.Option(help="sqrt_nodes or constant.")] = None,
    init_factor: Annotated[float | None, typer.Option(help="Of the initial interval.")] = None,
    scaler: Annotated[str | None, typer.Option(help="standard, minmax or per_sample.")] = None,
    shuffle: Annotated[bool | None, typer.Option(help="Draw new batches every epoch.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="500 by default.")] = None,
    epochs: Annotated[int | None, typer.Option(help="35 by default.")] = None,
    predict_every: Annotated[
        int | None, typer.Option(help="Epochs between two predictions of both sets; 0: at the end.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of the weights and the order.")] = None,
    device: Device = None,
    threads: Threads = None,
    weights: Annotated[Path | None, typer.Option(help="Start from these weights.")] = None,
    save: Annotated[Path | None, typer.Option(help="Keep a checkpoint here, .npz.")] = None,
    resume: Annotated[
        Path | None, typer.Option(help="Go on from this checkpoint, and keep it up to date.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Cost, error and accuracy, as HTML.")] = None,
    phases: Annotated[bool, typer.Option("--phases", help="Say where the time went.")] = False,
    records: Records = None,
) -> None:
    """Train one network with any setting, on any rung of the ladder."""
    given = {
        "activation": activation,
        "loss": loss,
        "l1": l1,
        "l2": l2,
        "learning_rate": learning_rate,
        "decrease": decrease,
        "momentum": momentum,
        "init": init,
        "init_factor": init_factor,
        "scaler": scaler,
        "shuffle": shuffle,
        "predict_every": predict_every,
        "seed": seed,
        "hidden": None if hidden is None else _nodes(hidden),
    }
    changed = {name: value for name, value in given.items() if value is not None}
    if resume and (changed or batch_size is not None or weights):
        raise MlpperfError("A resumed run keeps its settings: only --epochs can be changed.")
    use(device, threads, numpy_only="Training by a rung")
    from ...engine import terminal
    from ...engine.history.recording import Recording
    from ..clusters.loading import load
    from ..plots import check_plot
    from ..plots import save as save_plot
    from . import show
    from .phases import PhaseClock
    from .training import Run, load_weights, rung_named, trained_on
    from .training import resume as go_on

    check_plot(plot)
    recording = Recording("training", "trainings", records)
    if resume:
        run = go_on(resume, load(trained_on(resume), progress=True), epochs=epochs)
        save = save or resume
    else:
        start = load_weights(weights) if weights else None
        settings = settings_given(batch_size, epochs, changed)
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
        record = show.as_record(run)
        if run.history:
            recording.add(record)
            if plot:
                save_plot([curves.draw(record["epochs"]) for curves in show.CURVES], plot)
    console.print(show.epochs(record))
    if clock:
        console.print(show.phases(clock))
    console.print(show.summary(run))


def settings_given(batch_size: int | None, epochs: int | None, changed: dict[str, Any]) -> Settings:
    """The articles' settings, with `changed` and the others in their place where they are given."""
    from dataclasses import replace

    from .settings import ARTICLE

    settings = ARTICLE if batch_size is None else ARTICLE.with_batch(batch_size)
    if epochs is not None:
        changed = {**changed, "epochs": epochs}
    return replace(settings, **changed)


def _nodes(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise MlpperfError(f"--hidden must be numbers such as 70,30, not {text!r}.") from None
