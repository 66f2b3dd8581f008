"""The pages about whole trainings: batch sizes, peers, courses of training, time to accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from msgspec import structs

from ...engine.history.fields import known
from ...engine.history.reading import AnyRecord
from ...engine.report.addresses import file_name
from ...engine.report.blocks import Page, Plot, Prose, Section
from ...engine.report.draft import Draft, measured_where
from ...engine.table import Table, grouped, newest
from ...engine.words import count, percent
from ..accuracy import show as accuracy_show
from ..accuracy.records import CourseRecord
from ..clusters import plots as cluster_plots
from ..clusters import show as clusters_show
from ..clusters.records import ClustersRecord
from ..keras import show as keras_show
from ..keras.records import KerasRecord
from ..mlp import plots as mlp_plots
from ..mlp import show as mlp_show
from ..mlp import show_ladder
from ..mlp.records import GrowthRecord, RungRecord, TrainingRecord
from ..peers import show as peers_show
from ..peers.records import PeerRecord
from ..plots import Curves
from . import figures


def _page(
    site: Draft, file: str, name: str, verdict: str, sections: list[Section], command: str
) -> None:
    """Add a page, or one that names the command that makes its first records."""
    empty = not sections
    if empty:
        sections = [Section("How to measure it", [Prose(f"Run {command}.")])]
        verdict = "There are no records of this yet."
    site.pages.append(Page(file, name, verdict, sections, name, empty=empty))


def by_machine(records: Sequence[AnyRecord]) -> dict[str, list[AnyRecord]]:
    """The records of each machine and device, by their names; that of the newest record first."""
    groups = grouped(records, lambda record: f"{record.place.machine}; {record.device}")
    newest_first = sorted(groups, key=lambda name: groups[name][-1].time, reverse=True)
    return {name: groups[name] for name in newest_first}


def batches(site: Draft) -> None:
    """Seconds over batch sizes, and how the cost grows, for each machine."""
    sections, verdicts = [], []
    rungs = by_machine(show_ladder.on_the_ladder(site.material.of(RungRecord)))
    for number, (machine, here) in enumerate(rungs.items(), 1):
        table = show_ladder.sweep(here)
        if records := [r for r in table.records if r.seconds.median]:
            best = min(records, key=lambda r: known(r.seconds.median))
            verdicts.append(
                f"On {machine}, {best.rung} at batch {best.batch_size:,} on "
                f"{count(best.threads, 'thread')} is the fastest: "
                f"{best.seconds.median:.3g} s for 35 epochs."
            )
        sizes = {r.batch_size for r in table.records}
        alt = f"Seconds of 35 epochs at {len(sizes)} batch sizes; the table below has them."
        more = [Prose("`mlpperf ladder` with `--batch-size` and `--threads` measures more.")]
        plot = Plot(mlp_plots.batch_sizes(table.records), alt)
        file = _file("batch-sizes", number)
        blocks = [*more[: len(sizes) < 3], plot, *_measured(site, file, table)]
        sections.append(Section(f"Time over batch sizes on {machine}", blocks))
    growths = by_machine(site.material.of(GrowthRecord))
    for number, (machine, grown) in enumerate(growths.items(), 1):
        table = show_ladder.growth(grown)
        alt = "Time per sample as samples and hidden nodes grow, beside that of the bare products."
        plot = Plot(mlp_plots.growth(table.records), alt)
        blocks = [plot, *_measured(site, _file("growth", number), table)]
        sections.append(Section(f"Growth on {machine}", blocks))
    verdict = " ".join(verdicts[:1])
    command = "`mlpperf ladder`"
    _page(site, "batches.html", "Batch sizes", verdict, sections, command)


def _file(name: str, number: int) -> str:
    """The name of the files of a machine."""
    return name if number == 1 else f"{name}-{number}"


def _measured(site: Draft, name: str, table: Table) -> list[Any]:
    """A table with its files, and where its records were measured."""
    return [site.offer(name, table), measured_where(table.records)]


def peers(site: Draft) -> None:
    """The newest contest at every batch size."""
    setting = ("batch_size", "device", "threads", "place")
    contests = peers_show.contests(site.material.of(PeerRecord), setting)
    machines = list(dict.fromkeys(where.machine for *_, where in contests))
    newest_last = sorted(contests.items(), key=lambda item: item[1][0].time)
    shown = {(size, device): contest for (size, device, *_), contest in newest_last}
    verdicts = [
        f"Batch {size:,}, {device}: {peers_show.verdict(contest)}"
        for (size, device), contest in sorted(shown.items())
    ]
    sections = []
    for (size, device, threads, where), contest in sorted(contests.items()):
        name = f"Batch {size:,}, {device}, {count(threads, 'thread')}, on {where.machine}"
        alt = f"Seconds of 35 epochs for {len(contest)} peers; the table below has them."
        file = f"peers-{size}-{file_name(device)}-{threads}"
        plot = Plot(figures.peers(contest), alt)
        file = _file(file, machines.index(where.machine) + 1)
        sections.append(Section(name, [plot, *_measured(site, file, peers_show.table(contest))]))
    _page(site, "peers.html", "Peers", " ".join(verdicts), sections, "`mlpperf peers`")


def training(site: Draft) -> None:
    """Accuracy and loss over the epochs of every network: of Keras first, then of NumPy."""
    sections, best = [], []
    for r in newest(site.material.of(KerasRecord), lambda r: (r.network, r.device)):
        accuracy = percent(r.epochs[-1].validation_accuracy)
        best.append(f"{r.network} {accuracy}")
        file = f"training-{file_name(r.network)}-{file_name(r.device)}"
        after = f"After {count(len(r.epochs), 'epoch')}: {accuracy} of the test set are right."
        blocks = _epochs(site, r, file, keras_show.epochs(r.network, r.epochs), keras_show.CURVES)
        name = f"{r.network} in Keras, {r.device}"
        sections.append(Section(name, [Prose(after), *blocks]))
    for t in newest(site.material.of(TrainingRecord), lambda t: (t.rung, str(t.settings))):
        file = f"training-{len(sections) + 1}"
        title = mlp_show.title(t.rung, t.data, t.hidden)
        blocks = _epochs(site, t, file, mlp_show.epochs(title, t.epochs), mlp_show.CURVES)
        sections.append(Section(title, blocks))
    verdict = f"Right on the test set at the end: {', '.join(best)}." if best else ""
    command = "`mlpperf keras` or `mlpperf train`"
    _page(site, "training.html", "Training", verdict, sections, command)


def _epochs(
    site: Draft,
    record: KerasRecord | TrainingRecord,
    file: str,
    table: Table,
    curves: Sequence[Curves],
) -> list[Any]:
    """The plots and the table of one training."""
    plots = [Plot(one.draw(record.epochs), one.alt) for one in curves]
    return [*plots, site.offer(file, table), measured_where([record])]


def accuracy(site: Draft) -> None:
    """Seconds to a test accuracy, and how many clusters there should be."""
    sections, verdict = [], ""
    every = site.material.of(CourseRecord)
    for number, (machine, here) in enumerate(by_machine(every).items(), 1):
        table = accuracy_show.table(here)
        first = {row[0]: row for row in reversed(table.rows)}
        verdict = verdict or " ".join(
            f"{target}: {row[1]} is the soonest, in {row[3]} s."
            for target, row in sorted(first.items(), key=lambda one: str(one[0]))
            if not str(row[3]).startswith("not")
        )
        courses = table.records
        alt = (
            f"Test accuracy over the seconds of {len(courses)} courses; the table says when "
            "targets were held."
        )
        flat = [structs.replace(r, in_force=None, setting=None) for r in courses]
        blocks: list[Any] = [Plot(figures.courses(courses), alt)]
        blocks.append(site.offer(_file("accuracies", number), replace(table, records=flat)))
        blocks.append(measured_where(courses))
        sections.append(Section(f"Seconds until a test accuracy is held, on {machine}", blocks))
    clusters = by_machine(site.material.of(ClustersRecord))
    for number, (machine, records) in enumerate(clusters.items(), 1):
        blocks = [
            Plot(figure, f"{title} over the clusters; as below.")
            for title, figure in cluster_plots.figures(records).items()
        ]
        table = clusters_show.clusters(records)
        blocks += _measured(site, _file("clusters", number), table)
        sections.append(Section(f"Numbers of clusters, on {machine}", blocks))
    _page(site, "accuracy.html", "Time to accuracy", verdict, sections, "`mlpperf accuracy`")
