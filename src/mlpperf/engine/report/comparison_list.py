"""The page of comparisons: the newest in a list, and any two commits of the history."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..compare import ComparisonRecord
from ..history.curves import Points
from ..table import Anchor, Badge, Cell, Table, grouped
from ..words import SHORT, count, plain
from . import addresses
from .blocks import Commits, Page, Prose, Section
from .comparison_page import sides, verdict_of
from .draft import Draft, commits_of, none_yet
from .gather import changed_something

COMPARISONS_MOST = 200  # on the page
OUTCOMES = {0: Badge("no regression", "good"), 1: Badge("regression", "bad")}


def comparison_list(site: Draft) -> None:
    """The comparisons, newest first, those of each machine together; then two commits to choose."""
    records = site.material.comparisons
    sections = []
    if records:
        changed = sum(map(changed_something, records))
        show = "shows" if changed == 1 else "show"
        verdict = f"{count(len(records), 'comparison')}; {changed:,} {show} a change."
        differing = [record for record in records if not record.same]
        newest = list(reversed(differing[-COMPARISONS_MOST:]))
        for where, here in grouped(newest, lambda record: record.place).items():
            sections.append(Section(f"On {plain(str(where))}", [listed(site, here)]))
        if len(differing) > COMPARISONS_MOST:
            verdict += f" The newest {COMPARISONS_MOST} are listed."
        if same := len(records) - len(differing):
            verdict += f" Versions with the same code are not listed: {same:,}."
    else:
        verdict = "No two versions have been compared yet."
        sections.append(Section("Comparisons", [none_yet("`mlpperf compare BASE`")]))
    several = any(len(points) > 1 for points in site.material.points)
    if several:
        sections.append(Section("Any two commits", _two_commits(site)))
    empty = not records and not several
    site.pages.append(Page("compare.html", "Compare", verdict, sections, "Compare", empty=empty))


def listed(site: Draft, records: Sequence[ComparisonRecord]) -> Table:
    """A row for each comparison, which leads to its page."""
    rows: list[Sequence[Cell]] = []
    for record in records:
        base, head = sides(record)
        versions, href = f"{base} → {head}", site.address(addresses.comparison(record))
        outcome = OUTCOMES.get(record.exit_code, Badge("not judged", "note"))
        rows.append(
            [
                record.time[:10],
                Anchor(versions, href) if href else versions,
                Badge("same code", "plain") if record.same else outcome,
                "" if record.same else _what(record, base, head),
            ]
        )
    columns = ("date", "versions", "result", "what changed")
    return Table("Newest first", columns, rows, text=range(4))


def _what(record: ComparisonRecord, base: str, head: str) -> str:
    """The verdict without what stands beside it."""
    text = verdict_of(record)
    beginnings = (
        f"No regression at {head} against {base}",
        f"No regression at {head}",
        f"Regression at {head}",
    )
    for beginning in beginnings:
        if text.startswith(beginning):
            return text.removeprefix(beginning).lstrip(":;., ")
    return text


def _two_commits(site: Draft) -> list[Any]:
    """Two commits to choose; at first the newest two of which the same thing was measured."""
    material = site.material
    assert material.history is not None
    subjects = material.history.subjects
    commits = [
        (commit, f"{commit[:SHORT]} {date:%Y-%m-%d} {plain(subjects.get(commit, ''))[:60]}")
        for commit, date in reversed(commits_of(material.points).values())
    ]
    text = (
        "Medians of the measurements of two commits, newer ÷ older. They come from different "
        "processes, which differ by several percent even for identical code; `mlpperf compare` "
        "times both commits side by side, and gives a verdict."
    )
    return [Prose(text), Commits(commits, site.curves, _comparable(material.points))]


def _comparable(curves: Sequence[Points]) -> tuple[str, str]:
    """The newest two commits of one curve, the older one first; empty if no curve has two."""
    several = [points for points in curves if len(points) > 1]
    newest = max(several, key=lambda points: tuple(points.places[[-1, -2]]), default=None)
    return (newest.commits[-2], newest.commits[-1]) if newest else ("", "")
