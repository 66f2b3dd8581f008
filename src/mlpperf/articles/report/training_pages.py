"""Whole trainings: batch sizes, peers, courses of training, time to accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ...engine.report.blocks import Page, Plot, Prose, Section, Table, rows
from ...engine.report.draft import Draft, file_name, measured_where, newest_of, none_yet
from ...engine.report.gather import Fields as Record
from ...engine.words import count, percent
from ..accuracy import show as accuracy_show
from ..clusters.show import CLUSTER_COLUMNS, cluster_rows, elbow_found
from ..keras.show import KERAS_COLUMNS, keras_rows
from ..mlp.show import TRAINING_COLUMNS, training_rows
from ..mlp.show_ladder import GROWTH_COLUMNS, SWEEP_COLUMNS, growth_rows, sweep_rows
from ..peers import show as peers_show
from . import figures


def batches(site: Draft) -> None:
    """Seconds over batch sizes, and how the cost grows."""
    found = newest_of(
        site.material.kinds["ladders"], lambda r: (r["batch_size"], r["rung"], r["threads"])
    )
    sections = []
    verdict = "There is no record of the ladder yet."
    if found:
        sizes = sorted({r["batch_size"] for r in found})
        best = min((r for r in found if r["seconds"]["median"]), key=_median, default=None)
        if best:
            verdict = (
                f"{best['rung']} at batch {best['batch_size']:,} on "
                f"{count(best['threads'], 'thread')} is the fastest: "
                f"{best['seconds']['median']:.3g} s for 35 epochs."
            )
        alt = f"Seconds of 35 epochs at {len(sizes)} batch sizes; the table below has them."
        table = Table(
            "Seconds of 35 epochs, with 95 % intervals in brackets",
            SWEEP_COLUMNS,
            rows(sweep_rows(found)),
            data=site.keep("batch-sizes", found),
        )
        blocks: list[Any] = [Plot(figures.batch_sizes(found), alt), table, measured_where(found)]
        if len(sizes) < 3:
            blocks.insert(0, Prose("`mlpperf sweep` measures more batch sizes and threads."))
        sections.append(Section("Who gains from bigger batches?", blocks))
    else:
        sections.append(Section("Batch sizes", [none_yet("`mlpperf ladder` or `mlpperf sweep`")]))
    grown = newest_of(site.material.kinds["growth"], lambda r: (r["samples"], *r["hidden"]))
    if grown:
        alt = "Time per sample as samples and hidden nodes grow, beside that of the bare products."
        table = Table(
            "How the cost grows with samples and nodes",
            GROWTH_COLUMNS,
            rows(growth_rows(grown)),
            left=0,
            data=site.keep("growth", grown),
        )
        sections.append(
            Section("Growth", [Plot(figures.growth(grown), alt), table, measured_where(grown)])
        )
    site.pages.append(Page("batches.html", "Batch sizes", verdict, sections, "Batch sizes"))


def _median(record: Record) -> float:
    return float(record["seconds"]["median"])


def peers(site: Draft) -> None:
    """The newest contest at every batch size."""
    records = site.material.kinds["peers"]
    newest = peers_show.contests(records, ("batch_size", "device", "threads"))
    sections, verdicts = [], []
    for (size, device, threads), contest in sorted(newest.items()):
        name = f"Batch {size:,}, {device}, {count(threads, 'thread')}"
        verdicts.append(f"Batch {size:,}, {device}: {peers_show.verdict(contest)}")
        table = Table(
            f"{name}: medians, with 95 % intervals in brackets",
            peers_show.COLUMNS,
            rows(peers_show.rows(contest)),
            left=3,
            data=site.keep(f"peers-{size}-{file_name(device)}-{threads}", contest),
        )
        alt = f"Seconds of 35 epochs for {len(contest)} peers; the table below has them."
        notes = [Prose(note, quiet=True) for note in peers_show.notes(contest)]
        plot = Plot(figures.peers(contest), alt)
        sections.append(Section(name, [plot, table, *notes, measured_where(contest)]))
    if not sections:
        sections.append(Section("Peers", [none_yet("`mlpperf peers`")]))
    verdict = " ".join(verdicts) or "There is no record of peers yet."
    site.pages.append(Page("peers.html", "Peers", verdict, sections, "Peers"))


def training(site: Draft) -> None:
    """Accuracy and loss over the epochs of every network: of Keras first, then of NumPy."""
    kinds = site.material.kinds
    sections, best = [], []
    for r in newest_of(kinds["keras"], lambda r: (r["network"], r["device"])):
        accuracy = percent(r["epochs"][-1]["validation_accuracy"])
        best.append(f"{r['network']} {accuracy}")
        told = f"After {count(len(r['epochs']), 'epoch')}: {accuracy} of the test set are right."
        file = f"training-{file_name(r['network'])}-{file_name(r['device'])}"
        curves = [
            _Curves("Accuracy", "accuracy in %", _sets("accuracy", "validation_accuracy"), 100),
            _Curves("Loss", "loss", _sets("loss", "validation_loss")),
        ]
        table = KERAS_COLUMNS, keras_rows(r["epochs"])
        name = f"{r['network']} in Keras, {r['device']}"
        sections.append(_epochs_section(site, r, name, file, curves, table, Prose(told)))
    for r in newest_of(kinds["trainings"], lambda r: (r["rung"], str(r["settings"]))):
        file = f"training-{len(sections) + 1}"
        curves = [
            _Curves("Cost per sample", "cost per sample", {"cost": "cost"}),
            _Curves("Accuracy", "accuracy in %", _sets("train_accuracy", "test_accuracy"), 100),
        ]
        table = TRAINING_COLUMNS, training_rows(r["epochs"])
        hidden = "-".join(map(str, r["settings"]["hidden"]))
        name = f"{r['rung']} in NumPy, hidden layers {hidden}"
        sections.append(_epochs_section(site, r, name, file, curves, table))
    verdict = f"Right on the test set at the end: {', '.join(best)}." if best else ""
    if not sections:
        sections.append(Section("Training", [none_yet("`mlpperf keras` or `mlpperf train`")]))
        verdict = "There is no record of a training yet."
    site.pages.append(Page("training.html", "Training", verdict, sections, "Training"))


class _Curves(NamedTuple):
    """A plot over the epochs: what it shows, its axis, and the names of its lines by their keys."""

    what: str
    axis: str
    lines: dict[str, str]
    scale: float = 1.0


def _sets(train: str, test: str) -> dict[str, str]:
    """Two lines, by the keys of their values in a record."""
    return {train: "training set", test: "test set"}


def _epochs_section(
    site: Draft,
    record: Record,
    name: str,
    file: str,
    curves: Sequence[_Curves],
    table: tuple[Sequence[str], Sequence[Sequence[str]]],
    *first: Prose,
) -> Section:
    """One training, epoch by epoch: `first`, then plots, then a table, kept as `file` as well."""
    epochs = record["epochs"]
    plots = [
        Plot(
            figures.curves(epochs, drawn.lines, drawn.axis, drawn.scale),
            f"{drawn.what}{_on_both(drawn.lines)} over the epochs; as in the table.",
        )
        for drawn in curves
    ]
    columns, cells = table
    told = Table(
        f"{name}, epoch by epoch", columns, rows(cells), left=0, data=site.keep(file, epochs)
    )
    return Section(name, [*first, *plots, told, measured_where([record])])


def _on_both(lines: dict[str, str]) -> str:
    return " on training and test set" if len(lines) > 1 else ""


def accuracy(site: Draft) -> None:
    """Seconds to a test accuracy, and how many clusters there should be."""
    sections = []
    verdict = "There is no record of the time to an accuracy yet."
    courses = accuracy_show.newest(site.material.kinds["accuracies"])
    if courses:
        cells = accuracy_show.rows(courses)
        columns = accuracy_show.COLUMNS
        first = {row[0]: row for row in reversed(cells)}
        verdict = " ".join(
            f"{target}: {row[1]} is the soonest, in {row[3]} s."
            for target, row in sorted(first.items())
            if not row[3].startswith("not")
        )
        alt = (
            f"Test accuracy over the seconds of {len(courses)} courses; the table says when "
            "targets were held."
        )
        flat = [{k: v for k, v in r.items() if k not in ("in_force", "setting")} for r in courses]
        sections.append(
            Section(
                "Seconds until the test accuracy holds a target",
                [
                    Plot(figures.courses(courses), alt),
                    Table(
                        "The soonest first; medians, with intervals over the seeds in brackets",
                        columns,
                        rows(cells),
                        left=2,
                        data=site.keep("accuracies", flat),
                    ),
                    *(Prose(note, quiet=True) for note in accuracy_show.notes(courses)),
                    measured_where(courses),
                ],
            )
        )
    else:
        sections.append(Section("Time to accuracy", [none_yet("`mlpperf accuracy`")]))
    counts = site.material.kinds["clusters"]
    if counts:
        plots = [
            Plot(
                figures.cluster_counts(counts, name, title), f"{title} over the clusters; as below."
            )
            for name, title in (
                ("fit_seconds", "seconds of the fit"),
                ("inertia", "inertia"),
                ("silhouette", "silhouette"),
            )
        ]
        table = Table(
            "How many clusters? Median (lowest–highest) over the seeds",
            CLUSTER_COLUMNS,
            rows(cluster_rows(counts)),
            left=0,
            data=site.keep("clusters", counts),
        )
        sample = counts[-1]["silhouette_samples"]
        told = Prose(f"{elbow_found(counts)} The silhouette is that of {sample:,} training images.")
        sections.append(
            Section("How many clusters?", [told, *plots, table, measured_where(counts)])
        )
    site.pages.append(
        Page("accuracy.html", "Time to accuracy", verdict, sections, "Time to accuracy")
    )
