"""A page for each commit that changed a benchmark: what it changed, its message and its files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice, pairwise
from typing import Any

from markupsafe import Markup

from .. import git
from ..table import Badge, Cell, Table
from ..words import SHORT, by_percent, count, plain, seconds
from . import addresses
from .blocks import Entry, Page, Prose, Section
from .draft import Draft, Planned
from .events import Event

PAGES_MOST = 2000  # commits with a page of their own, the newest
DETAILS_MOST = 500  # of these, commits with their message and files, which git takes time for
ROWS_MOST = 500  # benchmarks on a page
FILES_MOST = 100  # changed files on a page
NAMED = 3  # benchmarks in the sentence
SHOWN = 4  # changes of a commit in a list of commits
# Of each commit its hash, author and message; the lines of its files follow.
FORMAT = ("--encoding=UTF-8", "--format=%x00%H%x00%an%x00%B%x00")
CHANGES = ("-r", "--root", "--numstat", "--diff-merges=first-parent")


@dataclass(frozen=True)
class Details:
    """What git has of a commit.

    Attributes
    ----------
    author : its name.
    message : the message without its first line.
    files : of each changed file the number of added lines, that of removed ones, and the name.
    """

    author: str
    message: str
    files: Sequence[Sequence[str]]


def planned(site: Draft) -> list[Planned]:
    """The pages of the newest commits that changed anything."""
    groups = dict(islice(site.by_commit.items(), PAGES_MOST))
    details = _details([*groups][:DETAILS_MOST])
    older = dict(pairwise(groups))
    newer = {before: after for after, before in older.items()}
    return [
        Planned(
            addresses.commit(commit),
            commit[:SHORT],
            "",
            partial(
                _page,
                events=events,
                about=details.get(commit),
                near=(older.get(commit), newer.get(commit)),
            ),
        )
        for commit, events in groups.items()
    ]


def _page(
    site: Draft, events: Sequence[Event], about: Details | None, near: tuple[str | None, str | None]
) -> None:
    """`near`: the nearest older and newer commits that changed something, if there are any."""
    first = events[0]
    hash_ = first.commit
    short = plain(hash_[:SHORT])
    date = f"{first.date:%Y-%m-%d}"
    blocks: list[Any] = [_identity(site, hash_, date, about)]
    blocks.append(changed(site, events[:ROWS_MOST], f"Changes of {short}, regressions first"))
    if len(events) > ROWS_MOST:
        blocks.append(Prose(f"The first {ROWS_MOST} of {len(events):,}; the history has all."))
    if any(event.in_range for event in events):
        text = "Where a range is given, one commit of it, or all of them, made the change."
        blocks.append(Prose(text))
    if any(event.paired for event in events):
        again = f"`mlpperf compare {short}^ {short} --exact` measures this commit again."
        blocks.append(Prose(again, quiet=True))
    why = [*_causes(site, hash_), *_message(about, short)]
    sections = [Section("What it changed", blocks), Section("Why", why)]
    links = [
        (text, site.link(commit[:SHORT], addresses.commit(commit)))
        for text, commit in zip(("before it", "after it"), near, strict=True)
        if commit
    ]
    if links:
        every = [Markup('{}: <a href="{}">{}</a>').format(t, a.href, a.text) for t, a in links]
        beside = Markup("; ").join(every)
        text = Markup("<p>The nearest commits that changed something: {}.</p>").format(beside)
        sections.append(Section("Before and after", [Prose(text)]))
    clauses = "; ".join(one.clause(one.ratio.median) for one in events[:NAMED])
    more = "; and others" if len(events) > NAMED else ""
    page = Page(
        addresses.commit(hash_),
        plain(first.subject) or f"Commit {short}",
        f"{summary(events)}: {clauses}{more}.",
        sections,
        about=f"commit {short}, {date}: {summary(events)}",
    )
    site.pages.append(page)


def _identity(site: Draft, commit: str, date: str, about: Details | None) -> Prose:
    """Hash, date and author, and a link to the diff."""
    forge = site.commit(commit)
    name = Markup("<code>{}</code>").format(plain(commit[:SHORT]))
    by = f" by {plain(about.author)}" if about and about.author else ""
    diff = Markup('; <a href="{}">the diff</a>').format(forge.href) if forge.href else ""
    return Prose(Markup("<p>Commit {} of {}{}{}.</p>").format(name, date, by, diff))


def _causes(site: Draft, commit: str) -> Iterator[Prose]:
    """Which parts of the commit made the difference, or the command that measures that."""
    levels = site.material.levels
    at = levels.lineage.places.get(commit) if levels else None
    if levels is None or at is None:
        return
    for link in levels.links:
        file = addresses.comparison(link.record)
        causes = site.material.causes.get(file)
        if causes and (link.base, link.head) == (at - 1, at):
            yield from (Prose(plain(sentence)) for sentence in causes.verdict)
            more = '<p>The lines are on <a href="{}#causes">the page of the comparison</a>.</p>'
            if site.address(file):
                yield Prose(Markup(more).format(file))
            return
    short = commit[:SHORT]
    yield Prose(f"`mlpperf why --base {short}^ --head {short}` measures which functions did it.")


def _message(about: Details | None, short: str) -> Iterator[Any]:
    """The rest of the message, and the changed files."""
    if about is None:
        yield Prose(f"Its message and files are not known here; `git show {short}` may show them.")
        return
    if about.message:
        lines = "\n".join(plain(line) for line in about.message.splitlines())
        yield Prose(Markup('<p class="message">{}</p>').format(lines))
    if about.files:
        rows: list[Sequence[Cell]] = [[name, f"+{a}", f"−{b}"] for a, b, name in about.files]
        title = f"{count(len(rows), 'changed file')}; `git show {short}` shows the diff"
        if len(rows) > FILES_MOST:
            title = f"The first {FILES_MOST} of {title}"
        yield Table(title, ("file", "added lines", "removed lines"), rows[:FILES_MOST])
    else:
        yield Prose("It changed no file.")


def _details(commits: Sequence[str]) -> dict[str, Details]:
    """The details of the commits that git knows; only whole hashes are handed to git."""
    wanted = [commit for commit in commits if addresses.HASH.fullmatch(commit)]
    if not wanted:
        return {}
    lines = "\n".join([*wanted, ""])
    output = git.query("diff-tree", "--stdin", *CHANGES, *FORMAT, stdin=lines) or ""
    parts = iter(output.split("\0")[1:])
    details = {}
    for name, author, message, changes in zip(parts, parts, parts, parts, strict=False):
        rows = [line.split("\t", 2) for line in changes.splitlines()]
        files = [[plain(cell) for cell in row] for row in rows if len(row) == 3]
        rest = message.strip("\n").partition("\n")[2].strip("\n")
        details[name] = Details(author, rest, files)
    return details


# --- events in tables and lists ---


def changed(site: Draft, events: Sequence[Event], title: str, *, dated: bool = False) -> Table:
    """A row for each event; if `dated`, with its commit."""
    several = len({event.machine for event in events}) > 1
    ranges = dated or any(event.in_range for event in events)
    rows: list[Sequence[Cell]] = []
    for event in events:
        row: list[Cell] = [site.benchmark_of(event), event.direction, event.change]
        row += [*([] if dated else [_before(event)]), _today(event)]
        if ranges:
            row.append(site.link(event.where, addresses.commit(event.commit)))
        if dated:
            row.append(plain(f"{event.date:%Y-%m-%d} {event.subject}".rstrip()))
        if several:
            row.append(event.machine or "all machines")
        if not dated:
            row.append(_compared(site, event))
        rows.append(row)
    columns = ["benchmark", "", "change (95 % interval)", *["a call before"] * (not dated), "today"]
    numbers = range(3, len(columns))
    columns += ["since"] * ranges + ["message"] * dated + ["on"] * several
    columns += ["measured"] * (not dated)
    return Table(title, columns, rows, text={*range(len(columns))} - {*numbers})


def _before(event: Event) -> str:
    """Seconds of a call before the change."""
    outcome = event.compared.outcomes.find(event.series) if event.compared else None
    times = outcome.seconds if outcome else {}
    return seconds(times["base"]) if "base" in times else "–"


def _today(event: Event) -> Cell:
    """What is left of a change at the newest commit, beside the level before it."""
    if event.net > 0 and (event.open or not event.worse):
        return by_percent(event.net)
    if event.net > 0:
        return Badge("no longer", "good")
    return Badge("still", "bad") if event.open else "–"


def _compared(site: Draft, event: Event) -> Cell:
    """A link to the comparison across the change."""
    if event.compared is None:
        return "by seconds" if not event.paired else "–"
    page = site.link("comparison", addresses.comparison(event.compared))
    return page if page.href else event.compared.time[:10]


def summary(events: Sequence[Event]) -> str:
    """Such as `2 slower, 1 faster`."""
    numbers = Counter(event.direction.text.replace("more m", "with more m") for event in events)
    return ", ".join(f"{number:,} {word}" for word, number in numbers.items())


def entry(site: Draft, events: Sequence[Event]) -> Entry:
    """A commit in a list, by its events."""
    first = events[0]
    page = addresses.commit(first.commit)
    rows: list[Sequence[Cell]] = [
        [
            event.direction,
            site.benchmark_of(event),
            Badge(event.change),
            *([Badge(f"since {event.where}")] if event.in_range else []),
        ]
        for event in events[:SHOWN]
    ]
    more = f"and {len(events) - SHOWN:,} more: {summary(events)}"
    tags = {
        "change": {event.direction.text for event in events},
        "suite": {event.suite for event in events},
        "machine": {event.machine for event in events} - {""},
    }
    return Entry(
        f"{first.date:%Y-%m-%d}",
        site.link(plain(first.subject) or "(no message)", page),
        site.commit(first.commit),
        rows,
        site.link(more, page) if len(events) > SHOWN else None,
        {name: "\n".join(sorted(values)) for name, values in tags.items()},
    )
