"""What README and docs say in figures, each block of it from the records in a folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..engine.calibrate.recorded import CALIBRATIONS, Calibration, alike, series_of
from ..engine.calibrate.show import CALIBRATION_COLUMNS, calibration_rows, sight
from ..engine.calibrate.trials import sights
from ..engine.history.races import race_result
from ..engine.history.reading import Record as TypedRecord
from ..engine.history.reading import read, record_of
from ..engine.report.draft import grouped
from ..engine.timing.machine import BUSY
from ..engine.timing.show import share_of_ceiling, speedup
from ..engine.words import percent, seconds
from .accuracy import show as accuracy_show
from .clusters.show import CLUSTER_COLUMNS, cluster_rows, elbow_found
from .mlp.show_ladder import GROWTH_COLUMNS, LADDER_COLUMNS, growth_rows, ladder_rows, ratio
from .peers import show as peer_table

Record = dict[str, Any]


def _markdown(columns: Sequence[str], rows: Sequence[Sequence[str]], left: int) -> str:
    """A table; all but the first `left` columns are numbers."""
    lines = ["| " + " | ".join(columns) + " |"]
    lines.append("|" + "|".join("---" if i < left else "---:" for i in range(len(columns))) + "|")
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


def _where(*records: Record) -> str:
    """Machine of the last of `records`, and versions of the code of all, in a sentence."""
    record = records[-1]
    machine, versions = record["machine"], record["versions"]
    hashes = dict.fromkeys(r["commit"]["hash"][:7] for r in records if r["commit"]["hash"])
    code = f"commit{'s' * (len(hashes) > 1)} {', '.join(hashes)}" if hashes else "no commit"
    return (
        f"{machine['processor']}, {record['threads']} threads, {machine['blas']}, "
        f"NumPy {versions['numpy']}, Python {machine['python']}; {record['time'][:10]}, {code}."
    )


def ladder(folder: Path) -> str:
    """Every batch size that was climbed: the newest record of every rung."""
    newest: dict[int, dict[str, Record]] = {}
    for record in read(folder, "ladders")[0]:
        newest.setdefault(record["batch_size"], {})[record["rung"]] = record
    parts = []
    for size, rungs in sorted(newest.items()):
        columns, rows = list(LADDER_COLUMNS), ladder_rows(list(rungs.values()))
        published = columns.index("articles")
        if not any(row[published] for row in rows):
            del columns[published]
            rows = [(*row[:published], *row[published + 1 :]) for row in rows]
        parts.append(f"Batch {size:,}:\n\n" + _markdown(columns, rows, left=2))
    return "\n\n".join([*parts, _where(record)])


def growth(folder: Path) -> str:
    """How the cost grows with samples and with nodes."""
    newest = {(r["samples"], *r["hidden"]): r for r in read(folder, "growth")[0]}
    return _markdown(GROWTH_COLUMNS, growth_rows(list(newest.values())), left=0)


def best_run(folder: Path) -> str:
    """The training run with the best test accuracy, as the command that repeats it."""
    finished = [
        r for r in read(folder, "trainings")[0] if r["epochs"][-1]["test_accuracy"] is not None
    ]
    best = max(finished, key=lambda r: float(r["epochs"][-1]["test_accuracy"]))
    settings, last = best["settings"], best["epochs"][-1]
    options = {
        "hidden": ",".join(map(str, settings["hidden"])),
        **{name: settings[name] for name in ("activation", "l2", "learning_rate", "decrease")},
        "init_factor": settings["init_factor"],
        "scaler": settings["scaler"],
        "epochs": settings["epochs"],
    }
    words = (f"--{name.replace('_', '-')} {value}" for name, value in options.items())
    spent = sum(e["seconds"] for e in best["epochs"])
    return (
        f"    mlpperf train {' '.join(words)}\n\n"
        f"reaches {percent(last['test_accuracy'])} of the test set "
        f"({percent(last['train_accuracy'])} of the training set) in {spent:.1f} s of training."
    )


LIBRARIES = ("tensorflow-cpu", "tensorflow", "scikit-learn", "torch", "jax")


def peers(folder: Path) -> str:
    """The newest contest of peers at every batch size, one device after the other."""
    newest = peer_table.contests(read(folder, "peers")[0], ("device", "batch_size"))
    parts, met = dict[str, list[str]](), dict[str, str]()
    for (device, size), contest in sorted(newest.items()):
        rows = _markdown(peer_table.COLUMNS, peer_table.rows(contest), left=3)
        verdict = peer_table.verdict(contest)
        notes = "\n".join(f"- {note}" for note in peer_table.notes(contest))
        told = f"Batch {size:,}{peer_table.on_gpu(contest)}:\n\n{rows}\n\n{verdict}\n\n{notes}"
        parts.setdefault(device, []).append(told)
        versions = contest[-1]["versions"]
        told = ", ".join(f"{name} {versions[name]}" for name in LIBRARIES if name in versions)
        met[device] = f"{_where(contest[-1])[:-1]}; {told}."
    return "\n\n".join(line for device in parts for line in (*parts[device], met[device]))


MODES = ("eager", "function", "xla", "converted")
OPERATIONS_COLUMNS = ("hot path", "batch", "device", "in TensorFlow", "fastest of NumPy", *MODES)


PATHS_COLUMNS = ("hot path", "fastest in NumPy", "speedup", "95 % interval", "of ceiling")


def paths(folder: Path) -> str:
    """The fastest variant of every hot path at the articles' batch, from the newest races."""
    newest: dict[tuple[str, str, str, int], Record] = {}
    for r in read(folder, "races")[0]:
        if r["case"] == "batch-500" and r["backend"] == "numpy":
            newest[r["path"], r["variant"], r["device"], r["threads"]] = r
    best: dict[str, Record] = {}
    for (path, *_), r in newest.items():
        usual = best.setdefault(path, r)
        if (r["speedup"]["median"] or 0) > (usual["speedup"]["median"] or 0):
            best[path] = r
    rows = []
    for path, r in best.items():
        result = race_result(r)
        rows.append((path, result.variant, *speedup(result), share_of_ceiling(result)))
    return f"{_markdown(PATHS_COLUMNS, rows, left=2)}\n\n{_where(r)}"


def operations(folder: Path) -> str:
    """Speedups of TensorFlow's variants over the reference, beside the fastest of NumPy's."""
    newest = {
        (r["path"], r["case"], r["variant"], r["device"]): r for r in read(folder, "races")[0]
    }
    best: dict[tuple[str, str], Record] = {}
    table: dict[tuple[str, str, str, str], dict[str, Record]] = {}
    for (path, case, variant, device), r in newest.items():
        if r["backend"] == "numpy":
            usual = best.setdefault((path, case), r)
            if r["speedup"]["median"] > usual["speedup"]["median"]:
                best[path, case] = r
        else:
            function, _, mode = variant.rpartition("_")
            table.setdefault((path, case, device, function), {})[mode] = r
    rows = []
    for (path, case, device, function), found in table.items():
        numpy = best.get((path, case))
        fastest = f"{ratio(numpy['speedup'])} ({numpy['variant']})" if numpy else "–"
        cells = [ratio(found[m]["speedup"]) if m in found else "" for m in MODES]
        size = f"{int(case.removeprefix('batch-')):,}" if case[6:].isdigit() else case
        rows.append((path, size, device, function, fastest, *cells))
    gpu = any(device != "cpu" for _, _, device, _ in table)
    lines = [_markdown(OPERATIONS_COLUMNS, rows, left=5), _where(r)]
    if not gpu:
        lines.append("There is no record of a GPU yet; `mlpperf race --device gpu:0` makes one.")
    return "\n\n".join(lines)


KERAS_COLUMNS = ("network", "device", "epochs", "batch", "test set", "best epoch", "time per epoch")


def keras(folder: Path) -> str:
    """The newest run of every Keras network on every device."""
    newest = {(r["network"], r["device"]): r for r in read(folder, "keras")[0]}
    rows = []
    for (network, device), r in newest.items():
        seen = [e["validation_accuracy"] for e in r["epochs"]]
        later = sorted(e["seconds"] for e in r["epochs"][1:] or r["epochs"])
        size = str(r["settings"]["batch_size"])
        cells = (percent(seen[-1]), percent(max(seen)), seconds(later[len(later) // 2]))
        rows.append((network, device, str(len(seen)), size, *cells))
    return _markdown(KERAS_COLUMNS, rows, left=2) + "\n\n" + _where(r)


def accuracy(folder: Path) -> str:
    """Seconds to each target accuracy: the newest run of every contender and seed."""
    found = read(folder, "accuracies")[0]
    table = _markdown(accuracy_show.COLUMNS, accuracy_show.rows(found), left=2)
    notes = "\n".join(f"- {note}" for note in accuracy_show.notes(found))
    return f"{table}\n\n{notes}\n\n{_where(found[-1])}"


def clusters(folder: Path) -> str:
    """How many clusters: seconds, inertia and silhouette over their number."""
    found = read(folder, "clusters")[0]
    table = _markdown(CLUSTER_COLUMNS, cluster_rows(found), left=0)
    return f"{table}\n\n{elbow_found(found)}\n\n{_where(found[-1])}"


def calibration(folder: Path) -> str:
    """What each tracker found at every size of slowdown, with the command that repeats it."""
    parts = []
    for found in grouped(_calibrations(folder), alike).values():
        r = found[-1].fields
        words = ["mlpperf calibrate", *(f"--case {case}" for case in r["cases"])]
        if r["tracker"] == "mlpperf":
            words.append(f"--budget {r['budget']:g}")
        else:
            words.append(f"--against {r['tracker']}")
        told = f"`{' '.join(words)}`"
        if r["busy"] > BUSY:
            told += ", while other processes kept the machine busy"
        table = sights([record.content.trial for record in found])
        rows = _markdown(CALIBRATION_COLUMNS, calibration_rows(table), left=1)
        parts.append(f"{told}, {series_of(found)} series:\n\n{rows}")
        if any(line.found.of for line in table):
            parts.append(sight(table))
        parts.append(_where(*(record.fields for record in found)))
    return "\n\n".join(parts)


def _calibrations(folder: Path) -> list[TypedRecord[Calibration]]:
    return [record_of(fields, CALIBRATIONS) for fields in read(folder, "calibrations")[0]]


GAUNTLET_COLUMNS = (
    *("project, head", "what changed, by its author", "measured"),
    *("slower", "faster", "unchanged", "undecided", "untouched", "time"),
)


def gauntlet(folder: Path) -> str:
    """Comparisons of public projects: the newest of each pair, and of suites with themselves."""
    found = read(folder, "gauntlet")[0]
    pairs = {(r["project"], r["base"], r["head"]): r for r in found if r["kind"] == "pair"}
    rows = [
        (
            f"{r['project']} {r['head']}",
            f"{r['what']}: {r['expected']}",
            _as_meant(r),
            *(str(len(r[side])) for side in ("slower", "faster")),
            *(str(r.get(verdict, "–")) for verdict in ("unchanged", "undecided", "untouched")),
            seconds(r["seconds"]) if r["seconds"] else "–",
        )
        for r in pairs.values()
    ]
    same: dict[str, list[Record]] = {}
    for r in found:
        if r["kind"] == "same":
            same.setdefault(r["project"], []).append(r)
    told = [
        f"{project} {sum(bool(r['slower'] or r['faster']) for r in of)} of {len(of)}"
        for project, of in same.items()
    ]
    parts = [_markdown(GAUNTLET_COLUMNS, rows, left=3)]
    others = {
        (r["project"], r["base"], r["head"], r["kind"]): r
        for r in found
        if r["kind"] not in ("pair", "same")
    }
    if others:
        parts.append("The same pairs by other trackers, which tell changes of 5 %:")
        parts.append(_markdown(BESIDE_COLUMNS, [_beside(r) for r in others.values()], left=4))
    if told:
        parts.append(f"Comparisons of the same commit with an alarm: {', '.join(told)}.")
    return "\n\n".join([*parts, _where(*found)])


BESIDE_COLUMNS = (*GAUNTLET_COLUMNS[:2], "tracker", "what it says", "time")


def _beside(record: Record) -> tuple[str, ...]:
    """What another tracker says of a pair: how many series changed, and those that are meant."""
    meant = {s: sum(record["told"] in name for name in record[s]) for s in ("slower", "faster")}
    told = record["verdict"]
    if any(meant.values()) and record["expected"] != "nothing":
        told += f"; of what is meant {meant['slower']} and {meant['faster']}"
    return (
        f"{record['project']} {record['head']}",
        f"{record['what']}: {record['expected']}",
        record["kind"],
        told,
        seconds(record["seconds"]) if record["seconds"] else "–",
    )


def _as_meant(record: Record) -> str:
    """By how much the series changed that the author means: the range of what was decided."""
    every = {**record["slower"], **record["faster"]}
    changes = sorted(100 * (r[0] - 1) for name, r in every.items() if record["told"] in name)
    if not changes or record["expected"] == "nothing":
        return "nothing" if not every else "something"
    low, high = (f"{change:+.1f}" for change in (changes[0], changes[-1]))
    return f"{low} %" if len(changes) == 1 else f"{low} to {high} %"


SCALE_COLUMNS = ("rows", "commits", "records", "report", "memory", "history page")


def scale(folder: Path) -> str:
    """What the newest report of each made history took, the smallest first."""
    newest = {r["rows"]: r for r in read(folder, "scales")[0]}
    rows = [
        (
            f"{r['rows']:,}",
            f"{r['commits']:,}",
            f"{r['file'] / 1e9:.1f} GB",
            f"{r['seconds']:.0f} s",
            f"{r['memory'] / 1e9:.1f} GB",
            f"{r['history_page'] / 1e6:.1f} MB",
        )
        for _, r in sorted(newest.items())
    ]
    return f"{_markdown(SCALE_COLUMNS, rows, left=0)}\n\n{_where(*newest.values())}"


HEADLINE_COLUMNS = ("what", "figure", "where", "when")


def headline(folder: Path) -> str:
    """The figures that say most, a row each: the ladder, the fastest peer, what is noticed."""
    rows: list[tuple[str, ...]] = []

    def tell(what: str, figure: str, record: Record) -> None:
        rows.append((what, figure, record["machine"]["processor"], record["time"][:10]))

    last: dict[int, Record] = {}
    for record in read(folder, "ladders")[0]:
        last[record["batch_size"]] = record
    for size, r in sorted(last.items()):
        if r["total_gain"]["median"]:
            tell(f"last rung against the first program, batch {size:,}", ratio(r["total_gain"]), r)
        if floor := r["over_floor"]["median"]:
            what = f"its share of the speed of the bare matrix products, batch {size:,}"
            tell(what, percent(1 / floor, 0), r)
    newest = peer_table.contests(read(folder, "peers")[0], ("device", "batch_size"))
    for (_, size), contest in sorted(newest.items()):
        timed = [r for r in contest if r["peer"] != "last_rung" and r["seconds"]["median"]]
        if timed:
            r = min(timed, key=lambda r: float(r["seconds"]["median"]))
            what = f"time of the fastest peer, {r['peer']}, ÷ that of the last rung, batch {size:,}"
            tell(f"{what}{peer_table.on_gpu(contest)}", ratio(r["over_last_rung"]), r)
    for found in grouped(_calibrations(folder), alike).values():
        r = found[-1].fields
        if r["tracker"] != "mlpperf" or r["cases"]:
            continue
        for line in sights([record.content.trial for record in found]):
            what = "comparisons of equal code with a false alarm"
            if line.size:
                what = f"slowdowns of {100 * line.size:g} % that `compare` found"
            rate = line.found if line.size else line.alarms
            if rate.of and line.size in (0.0, 0.01, 0.02):
                tell(what, f"{rate.hits} of {rate.of}", r)
    return _markdown(HEADLINE_COLUMNS, rows, left=1)


# What stands between the markers of one name, from the records in a folder.
Block = Callable[[Path], str]
BLOCKS: dict[str, Block] = {
    "headline": headline,
    "hot paths": paths,
    "ladder": ladder,
    "growth": growth,
    "best run": best_run,
    "peers": peers,
    "operations": operations,
    "keras": keras,
    "accuracy": accuracy,
    "clusters": clusters,
    "calibration": calibration,
    "gauntlet": gauntlet,
    "scale": scale,
}
