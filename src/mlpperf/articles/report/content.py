"""All that the articles add to the report, as data."""

from __future__ import annotations

from typing import Any

from ...engine.history.fields import shaped
from ...engine.history.records import Origin
from ...engine.report.blocks import Plot, Prose, Section, Table, rows
from ...engine.report.draft import Content, Draft, Lead, Records, measured_where, newest_of
from ..mlp.show_ladder import (
    LADDER_COLUMNS,
    PARTS_COLUMNS,
    ladder_rows,
    on_the_ladder,
    parts_rows,
)
from . import figures, training_pages
from .kinds import KINDS

Record = dict[str, Any]


def lead(site: Draft) -> Lead | None:
    """The ladder at the articles' batch size, or at the one that was climbed."""
    kinds = site.material.kinds
    every = on_the_ladder(kinds["ladders"])
    ladders = newest_of(every, lambda r: (r["batch_size"], r["rung"]))
    climbed = [r for r in ladders if r["batch_size"] == figures.BATCH] or ladders
    if not climbed:
        return None
    size = climbed[0]["batch_size"]
    here = [r for r in climbed if r["batch_size"] == size]
    where = shaped(here[-1], Origin).place
    raced = [
        r for r in kinds["peers"] if r["batch_size"] == size and shaped(r, Origin).place == where
    ]
    rivals = [
        r
        for r in newest_of(raced, lambda r: r["peer"])
        if r["seconds"]["median"] and r["peer"] != "last_rung"
    ]
    best = min(rivals, key=lambda r: float(r["seconds"]["median"]), default=None)
    last, sentence = climbed[-1], ""
    if last["total_gain"]["median"]:
        sentence = (
            f"{last['rung']} trains {last['total_gain']['median']:.1f}× as fast as "
            f"{climbed[0]['rung']}."
        )
    return Lead(sentence, _ladder_section(site, here, best))


def _ladder_section(site: Draft, here: Records, best: Record | None) -> Section:
    size = here[0]["batch_size"]
    plot = Plot(
        figures.ladder(here, best),
        f"Seconds of 35 epochs for the {len(here)} rungs of the ladder; the table below has them.",
    )
    table = Table(
        f"The ladder at batch {size:,}: medians, with 95 % intervals in brackets",
        LADDER_COLUMNS,
        rows(ladder_rows(here)),
        left=2,
        data=site.keep("ladder", here),
    )
    text = (
        "Every rung is one idea of the articles, or of ours after them, and keeps those before it. "
        "The floor is what the bare matrix products of the last rung take here in the same epochs. "
        "The ceiling of speed is stricter: every product of the network by itself, in the layout "
        "and on the threads in which it is quickest, at the best of several looks."
    )
    parts = [
        Table(
            f"Where the time of {record['rung']} goes: what separates it from the quickest "
            f"products, which take {record['ceiling']:.2f} s",
            PARTS_COLUMNS,
            rows(parts_rows(record)),
            left=1,
        )
        for record in here
        if record.get("parts")
    ]
    return Section("The ladder", [Prose(text), plot, table, *parts, measured_where(here)])


CONTENT = Content(
    kinds=KINDS,
    pages=(
        ("batches.html", "Batch sizes", training_pages.batches),
        ("peers.html", "Peers", training_pages.peers),
        ("training.html", "Training", training_pages.training),
        ("accuracy.html", "Time to accuracy", training_pages.accuracy),
    ),
    lead=lead,
    usual_case=f"batch-{figures.BATCH}",
)
