"""The commands about all rungs: `ladder`, `sweep`, `growth`."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from ...devices import Setting, available_threads, use
from ...engine.options import AsJson, Device, Records, Threads
from ...errors import MlpperfError
from ..options import Data
from ..turns import QUICK_EPOCHS
from .commands import settings_given

Rungs = Annotated[list[str] | None, typer.Option("--rung", help="Only this rung; repeatable.")]

SWEPT_BATCH_SIZES = (100, 500, 2_000, 10_000, 20_000, 60_000)  # to MNIST's whole training set
# Nobody could read a plot with lines for all rungs and two numbers of threads. These four stand for
# the articles' first program, the last of their steps, and ours in NumPy and compiled.
SWEPT_RUNGS = ("step_0", "activation_cached", "samples_major_in_place", "zeros_skipped")


def ladder(
    rung: Rungs = None,
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
    memory: Annotated[
        bool, typer.Option(help="Measure peak memory, in a fresh process for each rung.")
    ] = True,
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
            if memory and not quick:
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


def sweep(
    rung: Rungs = None,
    batch_size: Annotated[
        list[int] | None,
        typer.Option("--batch-size", help="Batch size; repeatable (default: 100 to 60,000)."),
    ] = None,
    threads: Annotated[
        list[int] | None,
        typer.Option("--threads", help="Number of threads; repeatable (default: 1 and all)."),
    ] = None,
    device: Device = None,
    epochs: Annotated[int, typer.Option(help="Epochs of each rung.")] = QUICK_EPOCHS,
    data: Data = "mnist",
    records: Records = None,
) -> None:
    """Train every rung with several batch sizes and numbers of threads, each in its own process."""
    use(device, numpy_only="The ladder")
    from ...engine.history.records import records_folder

    counts = threads or sorted({1, available_threads()})
    settings = [Setting(threads=count) for count in counts]  # says what is wrong at once
    folder = records or records_folder()
    chosen = rung or SWEPT_RUNGS
    work = [(size, setting) for size in (batch_size or SWEPT_BATCH_SIZES) for setting in settings]
    written: list[dict[str, Any]] = []
    failed: list[str] = []
    from ...engine import terminal
    from ...engine.history.fields import shaped
    from . import show_ladder
    from .records import RungRecord

    with terminal.progress() as bar:
        task = bar.add_task("", total=len(work))
        for size, setting in work:
            what = f"batch {size}, {setting.threads} threads"
            bar.update(task, description=what, refresh=True)
            arguments = ["-m", "mlpperf", "ladder", f"--batch-size={size}", f"--epochs={epochs}"]
            arguments += ["--no-memory", f"--data={data}", "--json", f"--records={folder}"]
            arguments += [f"--rung={name}" for name in chosen]
            try:
                written += json.loads(setting.run(arguments)[0])
            except MlpperfError as reason:  # the others go on
                failed.append(f"{what}: {reason}")
            bar.update(task, advance=1, refresh=True)
    if written:
        console = terminal.console()
        swept = [shaped(record, RungRecord) for record in written]
        console.print(show_ladder.sweep(swept))
        console.print(f"Records: {folder / 'ladders.jsonl'}", soft_wrap=True)
    if failed:
        raise MlpperfError("; ".join(failed))


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
