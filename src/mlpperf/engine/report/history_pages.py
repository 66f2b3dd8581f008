"""The pages of the history: what changed, and any two commits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..history.changes import ALARMS, FEWEST, Change
from ..history.listing import kind_of, place
from ..levels.show import steps
from ..table import Badge, Cell, Table
from ..words import SHORT, by_percent, count, plain
from .blocks import Commits, Filters, Page, Prose, Section
from .draft import NO_CHANGE, Draft, commits_of, none_yet
from .level_pages import compared_section, levels_section

CHANGES_MOST = 1000  # on the page; the files have all
COMPARISONS_MOST = 200  # on the page
FILTERS = ("machine", "device", "path")  # of changes


def history(site: Draft) -> None:
    """All changes, with filters."""
    m = site.material
    if m.history is None:
        blocks: list[Any] = [none_yet("mlpperf race, asv run or pytest --benchmark-autosave")]
        verdict = "There is no history yet."
    else:
        verdict = f"{count(len(m.changes), 'change')} along the history, newest first."
        blocks = [
            Prose(
                "A change is a curve that stays at another level from some commit on, or drifts, "
                "by more than 1 %. Noise alone would show any change in the whole history with a "
                f"probability of at most {100 * ALARMS:.0f} %. Curves of fewer than {2 * FEWEST} "
                "commits are too short for a conclusion."
            )
        ]
        if m.changes:
            choices = {
                key: sorted({plain(getattr(change.curve, key)) for change in m.changes})
                for key in FILTERS
            }
            table = changes_table(site, m.changes[:CHANGES_MOST], "", "All changes", "changes")
            blocks += [Filters("changes", choices), table]
            if len(m.changes) > CHANGES_MOST:
                newest = f"The newest {CHANGES_MOST:,} of {len(m.changes):,}; the files have all."
                blocks.append(Prose(newest))
        else:
            blocks.append(Prose(NO_CHANGE))
    sections = [Section("What changed in seconds", blocks)]
    if levels := levels_section(site):
        assert m.levels is not None
        sections = [levels, *filter(None, [compared_section(site)]), *sections]
        number = count(len(steps(m.levels)), "step")
        levels_verdict = f"{number} along {count(len(m.levels.lineage), 'commit')}."
        verdict = levels_verdict if m.history is None else f"{levels_verdict} In seconds: {verdict}"
    site.pages.append(Page("history.html", "History", verdict, sections, "History"))


def changes_table(
    site: Draft, changes: Sequence[Change], up: str, title: str, name: str = ""
) -> Table:
    """A row for each change; the table called `name` offers all of them as files."""
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
    tags = [{key: plain(getattr(c.curve, key)) for key in FILTERS} for c in changes]
    table = Table(title, columns, rows, text=range(9), name=name, tags=tags)
    if not name:
        return table
    records = [
        {
            **change.curve._asdict(),
            "kind": change.kind,
            "direction": change.direction,
            "commit": change.commit,
            "date": change.date.isoformat(),
            "previous": change.previous,
            "ratio": change.ratio.median,
            "low": change.ratio.low,
            "high": change.ratio.high,
        }
        for change in site.material.changes
    ]
    return site.offer(name, replace(table, records=records))


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
