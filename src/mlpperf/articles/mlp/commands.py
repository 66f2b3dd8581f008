"""The commands that train: `train`, `ladder`, `sweep` and `growth`.

As in `cli.py`, everything numerical is imported by the command that needs it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...devices import Setting, available_threads, tensorflow, use
from ...engine.options import (
    AsJson,
    Data,
    Device,
    GpuMemory,
    Inter,
    LogPlacement,
    Records,
    Threads,
    Xla,
)
from ...errors import MlpperfError

if TYPE_CHECKING:
    from .ladder import Standing
    from .settings import Settings

QUICK_EPOCHS = 6  # the fewest that give an interval
BATCH_SIZES = [100, 500, 2_000, 10_000, 20_000, 60_000]

Rungs = Annotated[
    list[str] | None, typer.Option("--rung", help="Only this rung; repeatable. All by default.")
]


def train(
    data: Data = "mnist",
    rung: Annotated[str, typer.Option(help="The rung that trains.")] = "shared_by_processes",
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
    plot: Annotated[Path | None, typer.Option(help="Draw cost, error and accuracy, .png.")] = None,
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
    from ...engine.history.records import append, context, current_commit, finite, records_folder
    from ..data.datasets import load
    from . import show
    from .phases import PhaseClock
    from .training import Run, load_weights, rung_named, trained_on
    from .training import resume as go_on

    folder = records or records_folder()
    commit = current_commit()
    append([], folder, "trainings")
    if resume:
        run = go_on(resume, load(trained_on(resume), progress=True), epochs=epochs)
        save = save or resume
    else:
        start = load_weights(weights) if weights else None
        settings = _settings(batch_size, epochs, changed)
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
            append(
                [finite({**context("training", commit), **show.as_record(run)})],
                folder,
                "trainings",
            )
            if plot:
                show.draw_training(run, plot)
    console.print(show.epochs(run))
    if clock:
        console.print(show.phases(clock))
    console.print(show.summary(run))


def keras(
    network: Annotated[str, typer.Argument(help="mlp, deep_mlp, cnn (or cnn_2), or cnn_3.")],
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
    from ...engine.history.records import append, context, current_commit, finite, records_folder
    from ..data.datasets import load
    from ..keras import models as keras_models
    from . import show
    from .settings import choose

    networks = {**keras_models.NETWORKS, "cnn": keras_models.CNN_2}
    chosen = networks[choose("network", network, networks)]
    given: dict[str, Any] = {"epochs": epochs, "batch_size": batch_size, "optimizer": optimizer}
    given |= {"momentum": momentum, "l2": l2, "seed": seed}
    changed = {k: v for k, v in given.items() if v is not None}
    if learning_rate is not None:
        changed["schedule"] = replace(chosen.schedule, rate=learning_rate)
    chosen = replace(chosen, **changed)
    folder, commit = records or records_folder(), current_commit()
    append([], folder, "keras")
    loaded = load(data, progress=True)
    tensorflow()
    drawn = keras_models.LivePlot(plot, show=window) if plot or window else None
    history: list[Any] = []
    try:
        with terminal.progress() as bar:
            task = bar.add_task("compiling", total=chosen.epochs)

            def tell(so_far: list[Any]) -> None:
                nonlocal history
                history = so_far
                if drawn:
                    drawn(so_far)
                bar.update(task, advance=1, description=show.keras_so_far(so_far[-1]), refresh=True)

            keras_models.train(chosen, loaded, on_epoch=tell)
    finally:
        if history:
            record: dict[str, Any] = {"network": network, "settings": asdict(chosen), "data": data}
            record["epochs"] = [asdict(e) for e in history]
            append([finite({**context("keras", commit), **record})], folder, "keras")
    console = terminal.console()
    console.print(show.keras_epochs(network, history))
    console.print(show.keras_summary(history))


def ladder(
    rung: Rungs = None,
    batch_size: Annotated[int, typer.Option(help="Samples in a batch.")] = 500,
    epochs: Annotated[
        int | None, typer.Option(help="Epochs of each rung; seconds are for 35 in any case.")
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="By default 0.001, but at most 2 ÷ batch size.")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help=f"{QUICK_EPOCHS} epochs, no memory.")
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
    """Train all rungs in turns: seconds, gain, share of the floor, accuracy, memory."""
    use(device, threads, numpy_only="The ladder")
    from ...engine import terminal
    from ...engine.history.records import append, current_commit, records_folder
    from ..data.datasets import load
    from . import show
    from .ladder import climb
    from .memory import peak_memory
    from .training import RUNGS, rung_named

    changed = {} if learning_rate is None else {"learning_rate": learning_rate}
    settings = _settings(batch_size, None, changed)
    count = epochs if epochs is not None else QUICK_EPOCHS if quick else settings.epochs
    rungs = [rung_named(name) for name in rung] if rung else list(RUNGS)
    folder = records or records_folder()
    commit = current_commit()
    append([], folder, "ladders")
    standings: list[Standing] = []
    memories: dict[str, int] = {}
    written: list[dict[str, Any]] = []
    try:
        with terminal.progress() as bar:
            task = bar.add_task("ladder", total=None)

            def tell(text: str) -> None:
                bar.update(task, description=text, refresh=True)

            for now in climb(
                load(data, progress=True), settings, rungs, epochs=count, progress=tell
            ):
                standings = now
            if memory and not quick:
                for each in rungs:
                    tell(f"memory of {each.name}")
                    memories[each.name] = peak_memory(each.name, batch_size, data)
    finally:
        if standings:
            written = show.ladder_records(standings, settings, data, memories, commit)
            append(written, folder, "ladders")
    if as_json:
        typer.echo(json.dumps(written, indent=2, ensure_ascii=False))
        return
    console = terminal.console()
    console.print(show.ladder(written))
    console.print(f"Records: {folder / 'ladders.jsonl'}", soft_wrap=True)


def sweep(
    rung: Rungs = None,
    batch_size: Annotated[
        list[int] | None, typer.Option("--batch-size", help="Repeatable; 100 to 60,000 by default.")
    ] = None,
    threads: Annotated[
        list[int] | None, typer.Option("--threads", help="Repeatable; 1 and all by default.")
    ] = None,
    device: Device = None,
    epochs: Annotated[int, typer.Option(help="Epochs of each rung.")] = QUICK_EPOCHS,
    data: Data = "mnist",
    plot: Annotated[Path, typer.Option(help="Where to draw it, .png.")] = Path("sweep.png"),
    records: Records = None,
) -> None:
    """Batch sizes × threads × rungs: who gains from bigger batches? A process per setting."""
    use(device, numpy_only="The ladder")
    from ...engine.history.records import records_folder

    counts = threads or sorted({1, available_threads()})
    settings = [Setting(threads=count) for count in counts]  # says what is wrong at once
    folder = records or records_folder()
    chosen = rung or [
        "step_0",
        "activation_cached",
        "samples_major_in_place",
        "shared_by_processes",
    ]
    work = [(size, setting) for size in (batch_size or BATCH_SIZES) for setting in settings]
    written: list[dict[str, Any]] = []
    failed: list[str] = []
    from ...engine import terminal
    from . import show

    with terminal.progress() as bar:
        task = bar.add_task("", total=len(work))
        for size, setting in work:
            what = f"batch {size}, {setting.threads} threads"
            bar.update(task, description=what, refresh=True)
            arguments = [
                "-m",
                "mlpperf",
                "ladder",
                "--batch-size",
                str(size),
                "--epochs",
                str(epochs),
                "--no-memory",
            ]
            arguments += ["--data", data, "--json", "--records", str(folder)]
            arguments += [a for r in chosen for a in ("--rung", r)]
            try:
                written += json.loads(setting.run(arguments)[0])
            except MlpperfError as reason:  # the others go on
                failed.append(f"{what}: {reason}")
            bar.update(task, advance=1, refresh=True)
    if written:
        console = terminal.console()
        console.print(show.sweep(written))
        show.draw_sweep(written, plot)
        console.print(f"Plot: {plot}\nRecords: {folder / 'ladders.jsonl'}", soft_wrap=True)
    if failed:
        raise MlpperfError("; ".join(failed))


def growth(
    samples: Annotated[
        list[int] | None, typer.Option("--samples", help="Repeatable; 10⁴, 10⁵, 10⁶ by default.")
    ] = None,
    nodes: Annotated[
        list[int] | None,
        typer.Option(
            "--nodes", help="Of a single hidden layer, repeatable; 70 to 1,000 by default."
        ),
    ] = None,
    rung: Annotated[str, typer.Option(help="The rung that trains.")] = "shared_by_processes",
    device: Device = None,
    threads: Threads = None,
    records: Records = None,
) -> None:
    """How the cost grows with samples and with hidden nodes, on synthetic data."""
    use(device, threads, numpy_only="The ladder")
    from ...engine import terminal
    from ...engine.history.records import append, context, current_commit, finite, records_folder
    from . import show
    from .ladder import grow
    from .training import rung_named

    folder, commit = records or records_folder(), current_commit()
    append([], folder, "growth")
    kind = rung_named(rung)
    sizes = samples or [10_000, 100_000, 1_000_000]
    widths = nodes or [70, 200, 500, 1_000]
    written: list[dict[str, Any]] = []
    with terminal.progress() as bar:
        task = bar.add_task("", total=len(sizes) + len(widths))
        for point in grow(kind, sizes, widths):
            record = finite({**context("growth", commit), "rung": rung, **point})
            append([record], folder, "growth")
            written.append(record)
            bar.update(task, advance=1, refresh=True)
    terminal.console().print(show.growth(written))


def _settings(batch_size: int | None, epochs: int | None, changed: dict[str, Any]) -> Settings:
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
