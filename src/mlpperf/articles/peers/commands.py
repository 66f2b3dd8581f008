"""The commands whose trainings take turns: `ladder` and `peers`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...devices import Setting, use
from ...engine.options import AsJson, Device, Records, Threads
from ...errors import MlpperfError
from ..data.commands import Data
from . import COMPILING_EPOCHS, QUICK_EPOCHS

if TYPE_CHECKING:
    from ...engine.history.recording import Recording
    from ..data.datasets import Dataset

BatchSize = Annotated[int, typer.Option(help="Samples in a batch.")]
Epochs = Annotated[int | None, typer.Option(help="Epochs of each; seconds are always for 35.")]
QUICK = QUICK_EPOCHS + COMPILING_EPOCHS


def ladder(
    rung: Annotated[
        list[str] | None, typer.Option("--rung", help="Only this rung; repeatable.")
    ] = None,
    batch_size: BatchSize = 500,
    epochs: Epochs = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="Default: 0.001, but at most 2 ÷ batch size.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help=f"Train {QUICK} epochs.")] = False,
    data: Data = "mnist",
    device: Device = None,
    threads: Threads = None,
    as_json: AsJson = False,
    records: Records = None,
) -> None:
    """Train on every rung: seconds, gain, distance to the ceiling, accuracy, memory.

    They take turns, each in a fresh process.
    """
    use(device, threads, numpy_only="The ladder")
    from dataclasses import asdict

    from ...engine.history.recording import Recording
    from ..mlp import show_ladder
    from ..mlp.commands import settings_given
    from ..mlp.records import RungRecord
    from ..mlp.training import RUNGS, rung_named
    from .ladder import climb

    changed = {} if learning_rate is None else {"learning_rate": learning_rate}
    settings = settings_given(batch_size, None, changed)
    count = epochs if epochs is not None else QUICK if quick else settings.epochs
    rungs = [rung_named(name) for name in rung] if rung else list(RUNGS)
    recording = Recording("ladder", "ladders", records)
    loaded = _loaded(data, batch_size)
    about = {"data": data, "batch_size": batch_size, "epochs_timed_as": settings.epochs}
    about |= {"settings": asdict(settings)}
    _follow(
        lambda progress: climb(loaded, settings, rungs, epochs=count, progress=progress),
        recording,
        about,
    )
    climbed = recording.read(RungRecord)
    tables = (show_ladder.ladder(climbed), *show_ladder.parts(climbed))
    recording.show(*tables, show_ladder.sentence(climbed), as_json=as_json)


def peers(
    peer: Annotated[
        list[str] | None,
        typer.Option("--peer", help="Only this peer, beside the last rung; repeatable."),
    ] = None,
    batch_size: BatchSize = 500,
    epochs: Epochs = None,
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
    from ...engine.history.recording import Recording
    from ..mlp.settings import ARTICLE
    from . import PEERS, peer_named, show
    from .contest import contest
    from .records import PeerRecord

    chosen = [peer_named(name) for name in peer] if peer else list(PEERS)
    settings = ARTICLE.with_batch(batch_size)
    count = epochs if epochs is not None else QUICK if quick else settings.epochs
    recording = Recording("peers", "peers", records)
    _loaded(data, batch_size)
    _follow(
        lambda progress: contest(chosen, settings, data, epochs=count, progress=progress),
        recording,
        {"data": data, "batch_size": batch_size},
    )
    raced = recording.read(PeerRecord)
    on_gpu = Setting.current().device != "cpu"
    remarks = ["Peers without GPU support ran on the CPU."] * on_gpu
    recording.show(show.table(raced), show.verdict(raced), *remarks, as_json=as_json)


def _loaded(data: str, batch_size: int) -> Dataset:
    """The data set, downloaded before a process asks for it; raises if a batch does not fit."""
    from ..clusters.loading import load

    loaded = load(data, progress=True)
    if batch_size > (samples := len(loaded.train_images)):
        raise MlpperfError(f"A batch of {batch_size} does not fit the {samples} samples of {data}.")
    return loaded


def _follow(
    contest: Callable[[Callable[[str], None]], Iterator[list[dict[str, Any]]]],
    recording: Recording,
    about: dict[str, Any],
) -> None:
    """Record how all stand at the end of a contest, or as far as it came."""
    from ...engine import terminal

    standings: list[dict[str, Any]] = []
    try:
        with terminal.activity() as progress:
            for now in contest(progress):
                standings = now
    finally:
        recording.add(*({**about, **each} for each in standings))
