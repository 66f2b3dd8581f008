"""The command that trains a Keras network: `keras`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ...devices import tensorflow, use
from ...engine.options import Device, GpuMemory, Inter, LogPlacement, Records, Threads, Xla
from ...errors import check
from ..options import Data


def keras(
    network: Annotated[
        str, typer.Argument(metavar="NETWORK", help="mlp, deep_mlp, cnn (or cnn_2), or cnn_3.")
    ],
    epochs: Annotated[int | None, typer.Option(help="Passes over the training set.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Samples in a batch.")] = None,
    optimizer: Annotated[str | None, typer.Option(help="sgd, rmsprop, nadam or adamax.")] = None,
    momentum: Annotated[float | None, typer.Option(help="Of sgd and rmsprop.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="At the start.")] = None,
    l2: Annotated[float | None, typer.Option(help="Of the dense hidden layers.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of the weights and the order.")] = None,
    data: Data = "mnist",
    device: Device = None,
    threads: Threads = None,
    inter: Inter = None,
    gpu_memory: GpuMemory = None,
    xla: Xla = None,
    log_placement: LogPlacement = None,
    plot: Annotated[
        Path | None, typer.Option(help="Draw loss and accuracy after every epoch, .png.")
    ] = None,
    window: Annotated[bool, typer.Option("--window", help="Show the plot as it grows.")] = False,
    records: Records = None,
) -> None:
    """Train one of the articles' Keras networks; TensorFlow needed."""
    use(device, threads, inter=inter, gpu_memory=gpu_memory, xla=xla, log_placement=log_placement)
    from dataclasses import asdict, replace

    from ...engine import terminal
    from ...engine.history.recording import Recording
    from ..clusters.loading import load
    from . import models as keras_models
    from . import show, training
    from .live_plot import LivePlot

    networks = {**keras_models.NETWORKS, "cnn": keras_models.CNN_2}
    check("network", [network], networks)
    chosen = networks[network]
    given: dict[str, Any] = {"epochs": epochs, "batch_size": batch_size, "optimizer": optimizer}
    given |= {"momentum": momentum, "l2": l2, "seed": seed}
    changed = {k: v for k, v in given.items() if v is not None}
    if learning_rate is not None:
        changed["schedule"] = replace(chosen.schedule, rate=learning_rate)
    chosen = replace(chosen, **changed)
    recording = Recording("keras", "keras", records)
    loaded = load(data, progress=True)
    tensorflow()
    drawn = LivePlot(plot, show=window) if plot or window else None
    history: list[Any] = []
    try:
        with terminal.progress() as bar:
            task = bar.add_task("compiling", total=chosen.epochs)

            def update(so_far: list[Any]) -> None:
                nonlocal history
                history = so_far
                if drawn:
                    drawn(so_far)
                bar.update(task, advance=1, description=show.keras_so_far(so_far[-1]), refresh=True)

            training.train(chosen, loaded, on_epoch=update)
    finally:
        if history:
            asked = {"network": network, "settings": asdict(chosen), "data": data}
            recording.add({**asked, "epochs": [asdict(epoch) for epoch in history]})
    console = terminal.console()
    console.print(show.keras_epochs(network, history))
    console.print(show.keras_summary(history))
