"""The commands about all rungs: `ladder` and `growth`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ...devices import use
from ...engine.options import AsJson, Device, Records, Threads
from ..data.commands import Data
from ..turns import QUICK_EPOCHS
from .commands import settings_given


def ladder(
    rung: Annotated[
        list[str] | None, typer.Option("--rung", help="Only this rung; repeatable.")
    ] = None,
    batch_size: Annotated[int, typer.Option(help="Samples in a batch.")] = 500,
    epochs: Annotated[
        int | None, typer.Option(help="Epochs of each rung; seconds are always for 35.")
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="Default: 0.001, but at most 2 ÷ batch size.")
    ] = None,
    quick: Annotated[
        bool,
        typer.Option("--quick", help=f"Train {QUICK_EPOCHS} epochs, and measure no memory."),
    ] = False,
    data: Data = "mnist",
    device: Device = None,
    threads: Threads = None,
    as_json: AsJson = False,
    records: Records = None,
) -> None:
    """Train on every rung in turns: seconds, gain, distance to the ceiling, accuracy, memory."""
    use(device, threads, numpy_only="The ladder")
    from ...engine import terminal
    from ...engine.history.recording import Recording, json_text
    from ..clusters.loading import load
    from . import show_ladder
    from .ladder import climb
    from .memory import peak_memory
    from .records import RungRecord
    from .training import RUNGS, rung_named

    changed = {} if learning_rate is None else {"learning_rate": learning_rate}
    settings = settings_given(batch_size, None, changed)
    count = epochs if epochs is not None else QUICK_EPOCHS if quick else settings.epochs
    rungs = [rung_named(name) for name in rung] if rung else list(RUNGS)
    recording = Recording("ladder", "ladders", records)
    standings: list[dict[str, Any]] = []
    memories: dict[str, int] = {}
    try:
        loaded = load(data, progress=True)
        with terminal.activity() as update:
            for now in climb(loaded, settings, rungs, epochs=count, progress=update):
                standings = now
            if not quick:
                for each in rungs:
                    update(f"memory of {each.name}")
                    memories[each.name] = peak_memory(each.name, batch_size, data)
    finally:
        recording.add(*show_ladder.as_records(standings, settings, data, memories))
    if as_json:
        typer.echo(json_text(recording.written))
        return
    console = terminal.console()
    climbed = recording.read(RungRecord)
    for table in (show_ladder.ladder(climbed), *show_ladder.parts(climbed)):
        console.print(table)
    console.print(show_ladder.sentence(climbed), soft_wrap=True)
    console.print(recording.location, soft_wrap=True)


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
