"""The pages of the history: what changed, and any two commits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..history.changes import Change
from ..history.listing import kind_of, place
from ..table import Badge, Cell, Table
from ..words import SHORT, by_percent, plain
from .blocks import Commits, Page, Prose, Section
from .draft import Draft, commits_of, none_yet

COMPARISONS_MOST = 200  # on the page


def changes_table(site: Draft, changes: Sequence[Change], up: str, title: str) -> Table:
    """A row for each change of curves of seconds."""
    assert site.material.history is not None
    subjects = site.material.history.subjects
    rows: list[Sequence[Cell]] = []
    for change in changes:
        curve, ratio = change.curve, change.ratio
        rows.append(
            [
                site.commit(change.commit),
                f"{change.date:%Y-%m-%d}",
                plain(subjects.get(change.commit, "")),
                site.page_of(curve.path, up),
                *(plain(text) for text in (curve.variant, curve.case, curve.quantity)),
                Badge(change.how, kind_of(change)),
                plain(place(curve)),
                by_percent(ratio.median),
                f"{by_percent(ratio.low)} … {by_percent(ratio.high)}",
            ]
        )
    columns = (
        *("commit", "date", "subject", "hot path", "variant", "case", "quantity"),
        *("direction", "where", "change", "95 % interval"),
    )
    return Table(title, columns, rows, text=range(9))


def compare(site: Draft) -> None:
    """Two commits to choose, and the verdicts of `mlpperf compare`."""
    m = site.material
    blocks: list[Any] = []
    if m.history is None or not m.points:
        blocks.append(none_yet("mlpperf race, asv run or pytest --benchmark-autosave"))
    else:
        subjects = m.history.subjects
        commits = [
            (commit, f"{commit[:SHORT]} {date:%Y-%m-%d} {plain(subjects.get(commit, ''))[:60]}")
            for commit, date in reversed(commits_of(m.points).values())
        ]
        blocks += [
            Prose(
                "Medians of the measurements of two commits, newer ÷ older. They come from "
                "different processes, which differ by some percent even for identical code; "
                "`mlpperf compare` loads both into one process, and has a verdict."
            ),
            Commits(commits, site.curves),
        ]
    sections = [Section("Any two commits", blocks)]
    if m.comparisons:
        cells: list[Sequence[Cell]] = []
        for record in reversed(m.comparisons[-COMPARISONS_MOST:]):
            kind = {0: "good", 1: "bad"}.get(record.exit_code, "plain")
            word = {0: "no regression", 1: "regression"}.get(record.exit_code, "not measured")
            badge = Badge(word, kind)
            cells.append([record.time[:10], record.base, record.head, badge, record.verdict])
        columns = ("date", "base", "head", "", "verdict")
        title = "Verdicts of `mlpperf compare`, newest first"
        if len(m.comparisons) > COMPARISONS_MOST:
            title += f"; the newest {COMPARISONS_MOST} of {len(m.comparisons):,}"
        table = Table(title, columns, cells, text=range(5))
        sections.append(Section("Comparisons", [table]))
    text = "Any two commits of the history."
    site.pages.append(Page("compare.html", "Compare", text, sections, "Compare"))
