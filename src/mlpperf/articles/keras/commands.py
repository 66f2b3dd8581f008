"""The command that trains a Keras network: `keras`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ...devices import tensorflow, use
from ...engine.options import Device, Records, Threads
from ...errors import check
from ..data.commands import Data


def keras(
    network: Annotated[
        str, typer.Argument(metavar="NETWORK", help="mlp, deep_mlp, cnn_2 or cnn_3.")
    ],
    epochs: Annotated[int | None, typer.Option(help="Passes over the training set.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Samples in a batch.")] = None,
    optimizer: Annotated[str | None, typer.Option(help="sgd, rmsprop, nadam or adamax.")] = None,
    momentum: Annotated[float | None, typer.Option(help="Momentum of sgd and rmsprop.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Learning rate at the start.")] = None,
    l2: Annotated[float | None, typer.Option(help="L2 penalty of the dense hidden layers.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of weights and order.")] = None,
    data: Data = "mnist",
    device: Device = None,
    threads: Threads = None,
    records: Records = None,
) -> None:
    """Train one of the articles' Keras networks with TensorFlow."""
    use(device, threads)
    from dataclasses import asdict, replace

    from ...engine import terminal
    from ...engine.history.recording import Recording
    from ..clusters.loading import load
    from . import models as keras_models
    from . import show, training

    check("network", [network], keras_models.NETWORKS)
    chosen = keras_models.NETWORKS[network]
    given: dict[str, Any] = {"epochs": epochs, "batch_size": batch_size, "optimizer": optimizer}
    given |= {"momentum": momentum, "learning_rate": learning_rate, "l2": l2, "seed": seed}
    chosen = replace(chosen, **{name: v for name, v in given.items() if v is not None})
    recording = Recording("keras", "keras", records)
    loaded = load(data, progress=True)
    tensorflow()
    history: list[Any] = []

    try:
        with terminal.progress() as bar:
            task = bar.add_task("compiling", total=chosen.epochs)

            def update(now: list[Any]) -> None:
                nonlocal history
                history = now
                bar.update(task, advance=1, description=show.keras_so_far(now[-1]), refresh=True)

            training.train(chosen, loaded, on_epoch=update)
    finally:
        if history:
            asked = {"network": network, "settings": asdict(chosen), "data": data}
            recording.add({**asked, "epochs": list(map(asdict, history))})
    console = terminal.console()
    console.print(show.epochs(network, history))
    console.print(show.keras_summary(history))
