"""The figures of README and docs, each block of them from the records in a folder."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path

from mlpperf.articles.accuracy import show as accuracy_show
from mlpperf.articles.accuracy.records import CourseRecord
from mlpperf.articles.clusters import show as clusters_show
from mlpperf.articles.clusters.records import ClustersRecord
from mlpperf.articles.keras.records import KerasRecord
from mlpperf.articles.mlp import show_ladder
from mlpperf.articles.mlp.records import GrowthRecord, RungRecord, TrainingRecord
from mlpperf.articles.mlp.show_ladder import ratio
from mlpperf.articles.peers import show as peers_show
from mlpperf.articles.peers.records import PeerRecord
from mlpperf.engine.history.fields import known
from mlpperf.engine.history.races import RaceRecord
from mlpperf.engine.race.show import best, share_of_ceiling, speedup
from mlpperf.engine.table import Table, newest
from mlpperf.engine.words import percent, seconds, times
from readme_headline import headline
from readme_samples import SAMPLES
from readme_tables import machine, markdown, on_the_last_machine, records, where
from readme_tracker import (
    calibration,
    example,
    experiments,
    gauntlet,
    histories,
    hunt,
    regressions,
    scale,
)


def _measured(table: Table) -> str:
    """A table, and where its records were measured."""
    return f"{table.to_markdown()}\n\n{where(*table.records)}"


def ladder(folder: Path) -> str:
    """The ladder at every batch size, and where the time of its last rungs goes."""
    parts = []
    for size, every in show_ladder.by_batch(records(folder, RungRecord)).items():
        rungs = on_the_last_machine(every)
        parts.append(f"Batch {size:,}:\n\n{show_ladder.ladder(rungs).to_markdown()}")
        for table in show_ladder.parts(rungs):
            parts.append(f"{table.title}:\n\n{table.to_markdown()}")
        parts.append(where(*rungs))
    return "\n\n".join(parts)


PRECISION_COLUMNS = (
    *("batch", "seconds of 35 epochs", "shared_by_threads ÷ this", "training set", "test set"),
)


def precision(folder: Path) -> str:
    """A former experiment in lower precision, a table for each machine."""
    every = records(folder, RungRecord)
    rungs = show_ladder.on_the_ladder(every)
    by_machine: dict[Hashable, list[RungRecord]] = {}
    for r in every:
        if r not in rungs:
            by_machine.setdefault(machine(r), []).append(r)
    parts = []
    for of in by_machine.values():
        rows = [
            (
                f"{r.batch_size:,}",
                show_ladder.interval_digits(r.seconds),
                ratio(r.gain),
                percent(r.train_accuracy, 1),
                percent(r.test_accuracy, 1),
            )
            for r in of
        ]
        parts += [markdown(PRECISION_COLUMNS, rows, left=0), where(*of)]
    return "\n\n".join(parts)


def growth(folder: Path) -> str:
    """How the cost grows with samples and with nodes."""
    return _measured(show_ladder.growth(on_the_last_machine(records(folder, GrowthRecord))))


def best_run(folder: Path) -> str:
    """The training run with the best test accuracy, as the command that repeats it."""
    finished = [
        r for r in records(folder, TrainingRecord) if r.epochs[-1].test_accuracy is not None
    ]
    best = max(finished, key=lambda r: known(r.epochs[-1].test_accuracy))
    settings, last = best.settings, best.epochs[-1]
    options = {
        "hidden": ",".join(map(str, best.hidden)),
        **{name: settings[name] for name in ("activation", "l2", "learning_rate", "decrease")},
        "init_factor": settings["init_factor"],
        "scaler": settings["scaler"],
        "epochs": settings["epochs"],
    }
    words = (f"--{name.replace('_', '-')} {value}" for name, value in options.items())
    spent = sum(e.seconds for e in best.epochs)
    return (
        f"    mlpperf train {' '.join(words)}\n\n"
        f"reaches {percent(last.test_accuracy)} of the test set "
        f"({percent(last.train_accuracy)} of the training set) in {spent:.1f} s of training.\n\n"
        f"{where(best)}"
    )


def on_gpu(contest: Sequence[PeerRecord]) -> str:
    """`, on` and the name of the GPU on which a peer ran; else empty."""
    gpus = ((r.in_force or {}).get("gpu") for r in contest)
    name = next(filter(None, gpus), None)
    return f", on {name}" if name else ""


LIBRARIES = ("tensorflow-cpu", "tensorflow", "scikit-learn", "torch", "jax")


def peers(folder: Path) -> str:
    """The newest contest of peers at every batch size, one device after the other."""
    contests = peers_show.contests(records(folder, PeerRecord), ("device", "batch_size"))
    parts, measured = dict[str, list[str]](), dict[str, str]()
    for (device, size), contest in sorted(contests.items()):
        title = f"Batch {size:,}{on_gpu(contest)}:"
        table = peers_show.table(contest).to_markdown()
        parts.setdefault(device, []).extend([title, peers_show.verdict(contest), table])
        versions = contest[-1].versions
        libraries = ", ".join(f"{name} {versions[name]}" for name in LIBRARIES if name in versions)
        measured[device] = f"{where(*contest)}\n\n*{libraries}.*"
    return "\n\n".join(line for device in parts for line in (*parts[device], measured[device]))


MODES = ("eager", "function", "xla", "converted")
OPERATIONS_COLUMNS = ("hot path", "batch", "device", "in TensorFlow", "fastest of NumPy", *MODES)


COMPILED_COLUMNS = (
    "hot path",
    "case",
    "compiled",
    "fastest in NumPy ÷ this",
    "reference ÷ this",
    "of ceiling",
    "compiled in",
)


def paths(folder: Path) -> str:
    """The fastest variant of every hot path at the articles' batch, from the newest races."""
    every = [r for r in records(folder, RaceRecord) if r.backend == "numpy"]
    raced = newest(
        on_the_last_machine([r for r in every if r.case == "batch-500"]),
        lambda r: (r.path, r.variant, r.device, r.threads),
    )
    return f"{best([r.result for r in raced]).to_markdown()}\n\n{where(*raced)}"


def compiled(folder: Path) -> str:
    """Every compiled variant at the articles' batches, beside the fastest of NumPy's."""
    every = [
        r
        for r in records(folder, RaceRecord)
        if r.device == "cpu" and r.backend in ("numpy", "numba") and not r.wrong
    ]
    newest = {(r.path, r.case, r.variant): r for r in on_the_last_machine(every)}
    least: dict[tuple[str, str], float] = {}
    for (path, case, _), r in newest.items():
        if r.backend == "numpy":
            least[path, case] = min(least.get((path, case), math.inf), known(r.seconds))
    # The first case of a path that is raced is the one for which it is compiled.
    compiling: dict[str, float] = {}
    for (path, *_), r in newest.items():
        if r.backend == "numba":
            compiling[path] = max(compiling.get(path, 0.0), r.result.preparation)
    rows = []
    for (path, case, variant), r in newest.items():
        if r.backend == "numba" and case != "batch-1":
            result = r.result
            over_numpy = times(least[path, case] / result.seconds)
            over_reference, _ = speedup(result)
            ratios = (over_numpy, over_reference, share_of_ceiling(result))
            first = (path, case.removeprefix("batch-"), variant)
            rows.append((*first, *ratios, seconds(compiling[path])))
    return f"{markdown(COMPILED_COLUMNS, rows, left=3)}\n\n{where(*newest.values())}"


def operations(folder: Path) -> str:
    """Speedups of TensorFlow's variants over the reference, beside the fastest of NumPy's."""
    every = on_the_last_machine(records(folder, RaceRecord))
    newest = {(r.path, r.case, r.variant, r.device): r for r in every}
    best: dict[tuple[str, str], RaceRecord] = {}
    table: dict[tuple[str, str, str, str], dict[str, RaceRecord]] = {}
    for (path, case, variant, device), r in newest.items():
        if r.backend == "numpy":
            usual = best.setdefault((path, case), r)
            if known(r.speedup.median) > known(usual.speedup.median):
                best[path, case] = r
        elif r.backend == "tensorflow":
            function, _, mode = variant.rpartition("_")
            table.setdefault((path, case, device, function), {})[mode] = r
    rows = []
    for (path, case, device, function), modes in table.items():
        numpy = best.get((path, case))
        fastest = f"{ratio(numpy.speedup)} ({numpy.variant})" if numpy else "–"
        cells = [ratio(modes[m].speedup) if m in modes else "" for m in MODES]
        size = f"{int(case.removeprefix('batch-')):,}" if case[6:].isdigit() else case
        rows.append((path, size, device, function, fastest, *cells))
    gpu = any(device != "cpu" for _, _, device, _ in table)
    lines = [markdown(OPERATIONS_COLUMNS, rows, left=5), where(*newest.values())]
    if not gpu:
        lines.append("There is no record of a GPU yet; `mlpperf race --device gpu:0` makes one.")
    return "\n\n".join(lines)


KERAS_COLUMNS = ("network", "device", "epochs", "batch", "test set", "best epoch", "time per epoch")


def keras(folder: Path) -> str:
    """The newest run of every Keras network on every device."""
    every = on_the_last_machine(records(folder, KerasRecord))
    newest = {(r.network, r.device): r for r in every}
    rows = []
    for (network, device), r in newest.items():
        seen = [e.validation_accuracy for e in r.epochs]
        later = sorted(e.seconds for e in r.epochs[1:] or r.epochs)
        size = str(r.settings["batch_size"])
        cells = (percent(seen[-1]), percent(max(seen)), seconds(later[len(later) // 2]))
        rows.append((network, device, str(len(seen)), size, *cells))
    return markdown(KERAS_COLUMNS, rows, left=2) + "\n\n" + where(*newest.values())


def accuracy(folder: Path) -> str:
    """Seconds to each target accuracy: the newest run of every contender and seed."""
    return _measured(accuracy_show.table(on_the_last_machine(records(folder, CourseRecord))))


def clusters(folder: Path) -> str:
    """How many clusters: seconds, inertia and silhouette over their number."""
    return _measured(clusters_show.clusters(on_the_last_machine(records(folder, ClustersRecord))))


# What stands between the markers of one name, from the records in a folder.
Block = Callable[[Path], str]
BLOCKS: dict[str, Block] = {
    "headline": headline,
    "hot paths": paths,
    "compiled": compiled,
    "ladder": ladder,
    "lower precision": precision,
    "growth": growth,
    "best run": best_run,
    "peers": peers,
    "operations": operations,
    "keras": keras,
    "accuracy": accuracy,
    "clusters": clusters,
    "calibration": calibration,
    "gauntlet": gauntlet,
    "hunt": hunt,
    "regressions": regressions,
    "experiments": experiments,
    "scale": scale,
    "histories": histories,
    "example": example,
    **SAMPLES,
}
