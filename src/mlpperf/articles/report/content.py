"""The pages of the articles, and the first section of the overview."""

from __future__ import annotations

from ...engine.report.blocks import Plot, Prose, Section
from ...engine.report.draft import Content, Draft, Lead, measured_where
from ...engine.table import newest
from ..accuracy.records import CourseRecord
from ..clusters.records import ClustersRecord
from ..keras.records import KerasRecord
from ..mlp import plots, show_ladder
from ..mlp.records import GrowthRecord, RungRecord, TrainingRecord
from ..mlp.settings import ARTICLE
from ..peers.records import PeerRecord
from . import training_pages


def lead(site: Draft) -> Lead | None:
    """The ladder at the articles' batch size, or at the smallest that was measured."""
    rungs = training_pages.by_machine(show_ladder.on_the_ladder(site.material.of(RungRecord)))
    if not rungs:
        return None
    ladders = show_ladder.by_batch(next(iter(rungs.values())))
    size = ARTICLE.batch_size if ARTICLE.batch_size in ladders else min(ladders)
    here = ladders[size]
    raced = [r for r in site.material.of(PeerRecord) if r.batch_size == size]
    raced = [r for r in raced if r.place == here[-1].place]
    rivals = [
        (r.peer, r.seconds.median)
        for r in newest(raced, lambda r: r.peer)
        if r.seconds.median and r.peer != "last_rung"
    ]
    best = min(rivals, key=lambda rival: rival[1], default=None)
    last, sentence = here[-1], ""
    if last.total_gain.median:
        gain = f"{last.total_gain.median:.1f}×"
        sentence = f"{last.rung} trains {gain} as fast as {here[0].rung}."
    return Lead(sentence, _ladder_section(site, here, best))


def _ladder_section(site: Draft, here: list[RungRecord], best: tuple[str, float] | None) -> Section:
    alt = f"Seconds of 35 epochs for the {len(here)} rungs of the ladder; the table below has them."
    text = (
        "Every rung is one idea of the articles, or of ours after them, and keeps those before it. "
        "The ceiling is the time of every product of the network by itself, in the layout and on "
        "the threads in which it is fastest, at the best of several measurements."
    )
    plot = Plot(plots.ladder(here, best), alt)
    tables = [site.offer("ladder", show_ladder.ladder(here)), *show_ladder.parts(here)]
    return Section("The ladder", [Prose(text), plot, *tables, measured_where(here)])


CONTENT = Content(
    kinds=(
        RungRecord,
        GrowthRecord,
        KerasRecord,
        TrainingRecord,
        CourseRecord,
        ClustersRecord,
        PeerRecord,
    ),
    pages=(
        ("batches.html", "Batch sizes", training_pages.batches),
        ("peers.html", "Peers", training_pages.peers),
        ("training.html", "Training", training_pages.training),
        ("accuracy.html", "Time to accuracy", training_pages.accuracy),
    ),
    lead=lead,
    usual_case=f"batch-{ARTICLE.batch_size}",
)
