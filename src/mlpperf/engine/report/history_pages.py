"""What changed along the history, and any two commits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..history.changes import ALARMS, FEWEST, Change
from ..history.listing import place
from ..levels.show import steps
from ..words import SHORT, by_percent, count, plain
from .blocks import Badge, Cell, Commits, Filters, Page, Prose, Row, Section, Table, rows
from .draft import Draft, commits_of, kind_of, none_yet
from .level_pages import compared_section, levels_section

TOLD = 1000  # changes on the page; their files have all
COMPARISONS = 200  # decisions on the page


def history(site: Draft) -> None:
    """Everything that changed, with filters."""
    m = site.material
    told = m.changes
    if m.history is None:
        blocks: list[Any] = [none_yet("mlpperf race, asv run or pytest --benchmark-autosave")]
        verdict = "There is no history yet."
    else:
        verdict = f"{count(len(told), 'change')} along the history, newest first."
        blocks = [
            Prose(
                "A change is told where a curve runs at another level from some commit on, or "
                "drifts, by more than 1 %. Noise alone would show any in the whole history with a "
                f"probability of at most {100 * ALARMS:.0f} %. Curves of fewer than {2 * FEWEST} "
                "commits are too short to tell."
            )
        ]
        if told:
            choices = {
                what: sorted({plain(getattr(change.curve, what)) for change in told})
                for what in ("machine", "device", "path")
            }
            table = changes_table(site, told[:TOLD], "", "Everything that changed", "changes")
            blocks += [Filters("changes", choices), table]
            if len(told) > TOLD:
                blocks.append(Prose(f"The newest {TOLD:,} of {len(told):,}; the files have all."))
        else:
            blocks.append(Prose("Nothing changed, as far as the history can tell."))
    sections = [Section("What changed in seconds", blocks)]
    if levels := levels_section(site):
        assert m.levels is not None
        sections = [levels, *filter(None, [compared_section(site)]), *sections]
        number = count(len(steps(m.levels)), "step")
        levels_verdict = f"{number} along {count(len(m.levels.lineage), 'commit')}."
        verdict = levels_verdict if m.history is None else f"{levels_verdict} In seconds: {verdict}"
    site.pages.append(Page("history.html", "History", verdict, sections, "History"))


CHANGE_COLUMNS = (
    *("commit", "date", "what its author wrote", "hot path", "variant", "case", "what"),
    *("how", "where", "by", "95 % interval"),
)


def changes_table(
    site: Draft, told: Sequence[Change], up: str, caption: str, name: str = ""
) -> Table:
    """A row for each change; the table called `name` has all of them in its files."""
    assert site.material.history is not None
    subjects = site.material.history.subjects
    found = []
    for change in told:
        curve, ratio = change.curve, change.ratio
        cells: list[Cell] = [
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
        about = {key: plain(getattr(curve, key)) for key in ("machine", "device", "path")}
        found.append(Row(cells, about))
    data = ""
    if name:
        every = [
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
        data = site.keep(name, every)
    return Table(caption, CHANGE_COLUMNS, found, left=9, data=data, name=name)


def compare(site: Draft) -> None:
    """Two commits to choose, and what `mlpperf compare` has decided."""
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
                "Medians of what was measured of two commits, newer ÷ older. They come from "
                "different processes, which differ by some percent even for identical code; "
                "`mlpperf compare` loads both into one process and decides."
            ),
            Commits(commits, site.curves),
        ]
    sections = [Section("Any two commits", blocks)]
    if m.comparisons:
        cells: list[Sequence[Cell]] = []
        for record in reversed(m.comparisons[-COMPARISONS:]):
            kind = {0: "good", 1: "bad"}.get(record.exit_code, "plain")
            word = {0: "no regression", 1: "regression"}.get(record.exit_code, "not measured")
            badge = Badge(word, kind)
            cells.append([record.time[:10], record.base, record.head, badge, record.verdict])
        columns = ("date", "base", "head", "", "verdict")
        caption = "What `mlpperf compare` decided, newest first"
        if len(m.comparisons) > COMPARISONS:
            caption += f"; the newest {COMPARISONS} of {len(m.comparisons):,}"
        table = Table(caption, columns, rows(cells), left=5)
        sections.append(Section("Comparisons", [table]))
    text = "Two commits, as far as the history has them."
    site.pages.append(Page("compare.html", "Compare", text, sections, "Compare"))
