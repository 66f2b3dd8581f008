"""What the training commands print, draw and record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import RenderableType

from ...engine.history.records import Commit, context, finite
from ...engine.terminal import new_table
from ...engine.words import percent, seconds, times
from ...errors import MlpperfError
from ..clusters.counts import FEWEST_POINTS, Elbow, elbow
from ..keras.models import STALL, KerasEpoch, stalls
from .ladder import Standing
from .phases import PhaseClock
from .settings import Settings
from .training import Epoch, Run

Record = dict[str, Any]
ARTICLE_SECONDS = {  # 35 epochs of batch 500 on an i7-6700K, as published
    "step_0": 49.5,
    "no_input_delta": 11.3,
    "bias_in_data": 9.6,
    "activation_cached": 7.5,
}


# --- one run ----------------------------------------------------------------------------------


def so_far(run: Run, epoch: Epoch) -> str:
    """One line for the progress bar."""
    rate = len(run.samples) / epoch.seconds
    known = [e.test_accuracy for e in run.history if e.test_accuracy is not None]
    accuracy = f", test {percent(known[-1])}" if known else ""
    left = (run.settings.epochs - epoch.epoch) * epoch.seconds
    return f"cost {epoch.cost:.4f}{accuracy}, {rate:,.0f} samples/s, {left:.0f} s left"


TRAINING_COLUMNS = (
    "epoch",
    "cost per sample",
    "regularisation",
    "error",
    "rate",
    "mean |W| per layer",
    "training set",
    "test set",
    "time",
)


def epochs(run: Run) -> RenderableType:
    """What every epoch recorded."""
    table = new_table(
        f"{run.rung.name} on {run.data.name}: {'-'.join(map(str, run.layers))}, "
        f"batch {run.settings.batch_size}",
        *TRAINING_COLUMNS,
        left=0,
    )
    for row in training_rows([asdict(e) for e in run.history]):
        table.add_row(*row)
    return table


def training_rows(epochs: Sequence[Record]) -> list[tuple[str, ...]]:
    """The cells of the table of a run, a row for each epoch."""
    return [
        (
            str(e["epoch"]),
            f"{e['cost']:.5f}",
            percent(e["penalty_share"]),
            f"{e['error']:.5f}",
            f"{e['learning_rate']:.4g}",
            " ".join(f"{w:.3f}" for w in e["mean_weights"]),
            percent(e["train_accuracy"]),
            percent(e["test_accuracy"]),
            seconds(e["seconds"]),
        )
        for e in epochs
    ]


def summary(run: Run) -> str:
    """One sentence about a finished run."""
    last = run.history[-1]
    spent = sum(e.seconds for e in run.history)
    return (
        f"{len(run.history)} epochs in {spent:.2f} s: {percent(last.train_accuracy)} of the "
        f"training set and {percent(last.test_accuracy)} of the test set are right."
    )


def as_record(run: Run) -> Record:
    """A run, finished or not, without when and where."""
    return {
        "rung": run.rung.name,
        "data": run.data.name,
        "settings": asdict(run.settings),
        "epochs": [asdict(e) for e in run.history],
    }


def phases(clock: PhaseClock) -> RenderableType:
    """Time per batch of every phase, and the parts of the backward pass per layer."""
    table = new_table("Time per batch", "phase", "layer", "time", left=2)
    found = clock.per_batch()
    for (label, layer), spent in found.items():
        if layer is None:
            table.add_row(label, "", seconds(spent))
            if label == "backward":
                for (part, n), its in sorted(
                    ((key, value) for key, value in found.items() if key[1] is not None),
                    key=lambda item: (-(item[0][1] or 0), item[0][0]),
                ):
                    table.add_row(f"  {part}", f"L{n}", seconds(its))
    return table


# --- Keras ------------------------------------------------------------------------------------


def keras_so_far(epoch: KerasEpoch) -> str:
    """One line for the progress bar."""
    return f"loss {epoch.loss:.4f}, test {percent(epoch.validation_accuracy)}"


KERAS_COLUMNS = (
    "epoch",
    "loss",
    "accuracy",
    "test loss",
    "test accuracy",
    "rate",
    "iterations",
    "time",
    "processor time",
)


def keras_epochs(name: str, history: Sequence[KerasEpoch]) -> RenderableType:
    """What every epoch of a Keras network recorded."""
    table = new_table(f"{name}, Keras", *KERAS_COLUMNS, left=0)
    for row in keras_rows([asdict(e) for e in history]):
        table.add_row(*row)
    return table


def keras_rows(epochs: Sequence[Record]) -> list[tuple[str, ...]]:
    """The cells of that table, a row for each epoch."""
    return [
        (
            str(e["epoch"]),
            f"{e['loss']:.5f}",
            percent(e["accuracy"]),
            f"{e['validation_loss']:.5f}",
            percent(e["validation_accuracy"]),
            f"{e['learning_rate']:.4g}",
            f"{e['iterations']:,}",
            seconds(e["seconds"]),
            seconds(e["processor_seconds"]),
        )
        for e in epochs
    ]


def keras_summary(history: list[KerasEpoch]) -> str:
    """Test accuracy, seconds per epoch, and which epochs stood idle."""
    later = sorted(e.seconds for e in (history[1:] or history))
    usual = later[len(later) // 2]
    stood = [str(e.epoch) for e in stalls(history)]
    idle = f" Epochs {', '.join(stood)} took more than {STALL:g} times that." if stood else ""
    return (
        f"{percent(history[-1].validation_accuracy)} of the test set are right; "
        f"{seconds(usual)} per epoch, median without the first.{idle}"
    )


# --- plots ------------------------------------------------------------------------------------


def _figure(columns: int) -> tuple[Any, Any]:
    """A figure that no window is needed for."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.5 * columns, 3.6), layout="constrained")
    return figure, figure.subplots(1, columns, squeeze=False)[0]


def _save(figure: Any, path: Path) -> None:
    try:
        figure.savefig(path, dpi=120)
    except (OSError, ValueError) as reason:
        raise MlpperfError(f"The plot cannot be written to {path} ({reason}).") from reason


def draw_training(run: Run, path: Path) -> None:
    """Cost, error and accuracies over the epochs.

    Raises
    ------
    MlpperfError
        If the file cannot be written.
    """
    figure, (cost, error, accuracy) = _figure(3)
    numbers = [e.epoch for e in run.history]
    cost.plot(numbers, [e.cost for e in run.history])
    cost.set(title="Cost per sample", xlabel="epoch", yscale="log")
    error.plot(numbers, [e.error for e in run.history])
    error.set(title="Mean |Y − A|", xlabel="epoch", yscale="log")
    for name, label in (("train_accuracy", "training set"), ("test_accuracy", "test set")):
        known = [(e.epoch, 100 * getattr(e, name)) for e in run.history if getattr(e, name)]
        accuracy.plot(*zip(*known, strict=True) if known else ([], []), marker="o", label=label)
    accuracy.set(title="Accuracy in %", xlabel="epoch")
    accuracy.legend()
    for axes in (cost, error, accuracy):
        axes.grid(alpha=0.3)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set_xlim(0.5, numbers[-1] + 0.5)
    _save(figure, path)


def draw_sweep(records: Sequence[Record], path: Path) -> None:
    """Seconds of 35 epochs over the batch size, a line for each rung and thread count.

    Raises
    ------
    MlpperfError
        If the file cannot be written.
    """
    figure, (axes,) = _figure(1)
    figure.set_size_inches(10, 5)
    rungs = list(dict.fromkeys(r["rung"] for r in records))  # a colour each
    counts = sorted({r["threads"] for r in records}, reverse=True)  # a line style each
    styles = ("-", "--", ":", "-.")
    for rung, count in dict.fromkeys((r["rung"], r["threads"]) for r in records):
        line = [
            (r["batch_size"], r["seconds"]["median"])
            for r in records
            if (r["rung"], r["threads"]) == (rung, count) and r["seconds"]["median"]
        ]
        label = f"{rung}, {count} thread{'s' * (count > 1)}"
        style = {"color": f"C{rungs.index(rung)}", "linestyle": styles[counts.index(count) % 4]}
        axes.plot(*zip(*sorted(line), strict=True), marker="o", label=label, **style)
    axes.set(
        title="35 epochs: who gains from bigger batches?",
        xlabel="samples in a batch",
        ylabel="seconds",
        xscale="log",
        yscale="log",
    )
    axes.grid(alpha=0.3, which="both")
    figure.legend(loc="outside right upper")
    _save(figure, path)


# --- clusters ---------------------------------------------------------------------------------

CLUSTER_MEASURES: dict[str, tuple[str, Callable[[float], str]]] = {  # and how each is written
    "fit_seconds": ("fit", seconds),
    "transform_seconds": ("transformation", seconds),
    "inertia": ("inertia", lambda value: f"{value:,.0f}" if value > 999 else f"{value:.4g}"),
    "silhouette": ("silhouette", "{:.4f}".format),
}
CLUSTER_COLUMNS = ("clusters", "seeds", *(title for title, _ in CLUSTER_MEASURES.values()))


def by_count(records: Sequence[Record]) -> dict[int, list[Record]]:
    """The last record of every seed, for every number of clusters."""
    newest = {(r["clusters"], r["seed"]): r for r in records}
    groups: dict[int, list[Record]] = {}
    for (count, _), record in sorted(newest.items()):
        groups.setdefault(count, []).append(record)
    return groups


def spread_of(group: Sequence[Record], name: str) -> tuple[float, float, float] | None:
    """Median, lowest and highest over the seeds."""
    values = sorted(r[name] for r in group if r[name] is not None)
    return (median(values), values[0], values[-1]) if values else None


def cluster_rows(records: Sequence[Record]) -> list[tuple[str, ...]]:
    """The cells of the table, a row for each number of clusters: median (lowest–highest)."""
    rows = []
    for count, group in by_count(records).items():
        cells = []
        for name, (_, written) in CLUSTER_MEASURES.items():
            spread = spread_of(group, name)
            if spread is None:
                cells.append("–")
                continue
            middle, low, high = map(written, spread)
            cells.append(middle if len(group) == 1 else f"{middle} ({low}–{high})")
        rows.append((str(count), str(len(group)), *cells))
    return rows


def clusters(records: Sequence[Record]) -> RenderableType:
    """Seconds, inertia and silhouette of every number of clusters."""
    first = records[0]
    title = (
        f"Clusters of {first['data']}, images scaled: {first['scaler'] or 'none'}; "
        f"silhouette of {first['silhouette_samples']:,} training images"
    )
    table = new_table(title, *CLUSTER_COLUMNS, left=0)
    for row in cluster_rows(records):
        table.add_row(*row)
    return table


def _elbow(records: Sequence[Record]) -> Elbow | None:
    groups = by_count(records)
    return elbow(list(groups), [median(r["inertia"] for r in group) for group in groups.values()])


def elbow_found(records: Sequence[Record]) -> str:
    """Where the median inertia bends, and whether to believe it."""
    found = _elbow(records)
    if found is None:
        return f"An elbow is looked for in {2 * FEWEST_POINTS - 1} numbers of clusters or more."
    if found.whole is None:
        return "The inertia has no elbow."
    if found.clear:
        return f"The inertia has its elbow at K = {found.whole}, also when only half is looked at."
    half = "nowhere" if found.half is None else f"at {found.half}"
    return (
        f"No clear elbow: the inertia bends most at K = {found.whole}, but over the lower half of "
        f"the range {half}; it flattens steadily, and no number of clusters is marked out."
    )


def draw_clusters(records: Sequence[Record], path: Path) -> None:
    """Seconds, inertia and silhouette over the number of clusters, with the range over the seeds.

    Raises
    ------
    MlpperfError
        If the file cannot be written.
    """
    figure, axes = _figure(3)
    groups = by_count(records)
    labels = {"fit_seconds": "seconds of the fit", "inertia": "inertia", "silhouette": "silhouette"}
    for ax, (name, label) in zip(axes, labels.items(), strict=True):
        found = [(count, spread) for count, g in groups.items() if (spread := spread_of(g, name))]
        counts = [count for count, _ in found]
        middle, low, high = ([spread[i] for _, spread in found] for i in range(3))
        ax.plot(counts, middle, marker="o")
        ax.fill_between(counts, low, high, alpha=0.25)
        ax.set(xlabel="clusters K", ylabel=label)
        ax.grid(alpha=0.3)
    bend = _elbow(records)
    if bend and bend.whole is not None:
        axes[1].axvline(bend.whole, linestyle="--" if bend.clear else ":", color="grey")
        axes[1].set_title("elbow" if bend.clear else "strongest bend, no clear elbow")
    _save(figure, path)


# --- the ladder -------------------------------------------------------------------------------


def ladder_records(
    standings: Sequence[Standing],
    settings: Settings,
    data: str,
    memories: dict[str, int],
    commit: Commit,
) -> list[Record]:
    """A record for each rung."""
    common = {
        **context("ladder", commit),
        "data": data,
        "batch_size": settings.batch_size,
        "epochs_timed_as": settings.epochs,
        "settings": asdict(settings),
    }
    return [finite({**common, **asdict(s), "peak_memory": memories.get(s.rung)}) for s in standings]


def interval_digits(interval: Record) -> str:
    """`3.85 (3.63–5.28)`, in seconds."""
    low, high = interval["low"], interval["high"]
    if interval["median"] is None:
        return "–"
    bounds = f" ({low:.3g}–{high:.3g})" if low and high else ""
    return f"{interval['median']:.3g}{bounds}"


def ratio(interval: Record) -> str:
    """`9.7×`, with no more digits than its interval supports."""
    if interval["median"] is None:
        return "–"
    low, high = interval["low"] or 0.0, interval["high"]
    spread = (high - low) / (2 * interval["median"]) if high else 1.0
    return times(interval["median"], spread)


LADDER_COLUMNS = (
    "rung",
    "what is replaced",
    "seconds of 35 epochs",
    "articles",
    "gain",
    "in total",
    "÷ floor",
    "training set",
    "test set",
    "peak memory",
)


def ladder_rows(records: Sequence[Record]) -> list[tuple[str, ...]]:
    """The cells of the ladder's table, a row for each rung."""
    rows: list[tuple[str, ...]] = []
    for i, r in enumerate(records):
        published = ARTICLE_SECONDS.get(r["rung"]) if r["batch_size"] == 500 else None
        memory = r["peak_memory"]
        rows.append(
            (
                r["rung"],
                r["stopped"] or r["what"],
                interval_digits(r["seconds"]),
                f"{published:g}" if published else "",
                ratio(r["gain"]) if i else "",
                ratio(r["total_gain"]) if i else "",
                ratio(r["over_floor"]),
                percent(r["train_accuracy"], 1),
                percent(r["test_accuracy"], 1),
                f"{memory / 1e6:.0f} MB" if memory else "–",
            )
        )
    return rows


def ladder(records: Sequence[Record]) -> RenderableType:
    """Seconds, gains, share of the floor, accuracy and memory of every rung."""
    first = records[0]
    title = (
        f"The ladder at batch {first['batch_size']}, {first['threads']} threads, {first['data']}"
    )
    table = new_table(title, *LADDER_COLUMNS, left=2)
    table.columns[1].no_wrap = False
    for row in ladder_rows(records):
        table.add_row(*row)
    return table


SWEEP_COLUMNS = ("rung", "threads", "batch", "seconds of 35 epochs", "÷ floor")


def sweep(records: Sequence[Record]) -> RenderableType:
    """Seconds of 35 epochs for every rung, thread count and batch size."""
    table = new_table("Batch sizes", *SWEEP_COLUMNS)
    for row in sweep_rows(records):
        table.add_row(*row)
    return table


def sweep_rows(records: Sequence[Record]) -> list[tuple[str, ...]]:
    """The cells of that table, a row for each rung, thread count and batch size."""
    return [
        (
            r["rung"],
            str(r["threads"]),
            f"{r['batch_size']:,}",
            r["stopped"] or interval_digits(r["seconds"]),
            ratio(r["over_floor"]),
        )
        for r in sorted(records, key=lambda r: (r["rung"], r["threads"], r["batch_size"]))
    ]


GROWTH_COLUMNS = (
    "samples",
    "hidden nodes",
    "time per sample",
    "bare products",
    "of the GEMM peak",
)


def growth_rows(records: Sequence[Record]) -> list[tuple[str, ...]]:
    """The cells of the table of growth, a row for each point."""
    return [
        (
            f"{r['samples']:,}",
            "-".join(map(str, r["hidden"])),
            seconds(r["seconds_per_sample"]),
            seconds(r["floor_per_sample"]),
            percent(r["peak_share"], 0),
        )
        for r in records
    ]


def growth(records: Sequence[Record]) -> RenderableType:
    """Time per sample as samples and hidden nodes grow."""
    table = new_table("How the cost grows", *GROWTH_COLUMNS, left=0)
    for row in growth_rows(records):
        table.add_row(*row)
    return table
