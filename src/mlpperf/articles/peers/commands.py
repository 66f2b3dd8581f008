"""The command `peers`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ...devices import Setting, use
from ...engine.options import AsJson, Device, Records, Threads
from ...errors import MlpperfError
from ..data.commands import Data
from ..turns import COMPILING_EPOCHS, QUICK_EPOCHS

QUICK = QUICK_EPOCHS + COMPILING_EPOCHS


def peers(
    peer: Annotated[
        list[str] | None,
        typer.Option("--peer", help="Only this peer, beside the last rung; repeatable."),
    ] = None,
    batch_size: Annotated[int, typer.Option(help="Samples in a batch.")] = 500,
    epochs: Annotated[
        int | None, typer.Option(help="Epochs of each peer; seconds are always for 35.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help=f"Train {QUICK} epochs.")] = False,
    data: Data = "mnist",
    device: Device = None,
    threads: Threads = None,
    as_json: AsJson = False,
    records: Records = None,
) -> None:
    """Train the articles' network with the last rung and with Keras, PyTorch, JAX and others.

    They take turns, each in a fresh process. Libraries that are not installed are named.
    """
    use(device, threads)
    from ...engine import terminal
    from ...engine.history.recording import Recording, json_text
    from ..clusters.loading import load
    from ..mlp.settings import ARTICLE
    from . import PEERS, peer_named, show
    from .contest import contest
    from .records import PeerRecord

    chosen = [peer_named(name) for name in peer] if peer else list(PEERS)
    settings = ARTICLE.with_batch(batch_size)
    count = epochs if epochs is not None else QUICK if quick else settings.epochs
    recording = Recording("peers", "peers", records)
    samples = len(load(data, progress=True).train_images)
    if batch_size > samples:
        raise MlpperfError(f"A batch of {batch_size} does not fit the {samples} samples of {data}.")
    standings: list[dict[str, Any]] = []
    try:
        with terminal.activity() as update:
            for now in contest(chosen, settings, data, epochs=count, progress=update):
                standings = now
    finally:
        asked = {"data": data, "batch_size": batch_size}
        recording.add(*({**asked, **each} for each in standings))
    if as_json:
        typer.echo(json_text(recording.written))
        return
    console = terminal.console()
    peers = recording.read(PeerRecord)
    console.print(show.table(peers))
    console.print(show.verdict(peers))
    if Setting.current().device != "cpu":
        console.print("Peers without GPU support ran on the CPU.")
    console.print(recording.location, soft_wrap=True)
