"""The commits of a history in order: a branch along its first parents."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

from ...errors import MlpperfError
from ..git import git, unshallow
from ..history.fields import writable
from ..history.table import COMMITS
from ..history.table import time as moment
from ..versions.repository import commit_named
from ..words import SHORT, count

EVERY_TENTH = 10  # commits between two anchors, where no tag is one
FORMAT = (*COMMITS[:-1], f"{COMMITS[-1]}%x00%an")


@dataclass(frozen=True)
class Commit:
    """A commit of the history.

    Attributes
    ----------
    hash : the whole hash.
    time : seconds since 1970.
    subject : the first line of its message.
    tags : names of its tags.
    author : the name of its author.
    """

    hash: str
    time: int
    subject: str = ""
    tags: tuple[str, ...] = ()
    author: str = ""

    @property
    def short(self) -> str:
        """The abbreviated hash."""
        return self.hash[:SHORT]

    @property
    def date(self) -> datetime:
        """When it was made."""
        return moment(self.time)

    def __str__(self) -> str:
        return f"{self.short} {self.subject}".rstrip()


@dataclass(frozen=True)
class Lineage:
    """Commits, each the child of the one before; the place of a commit is its index."""

    commits: tuple[Commit, ...]

    @cached_property
    def places(self) -> dict[str, int]:
        """The place of each hash."""
        return {commit.hash: place for place, commit in enumerate(self.commits)}

    def __len__(self) -> int:
        return len(self.commits)

    def __getitem__(self, place: int) -> Commit:
        return self.commits[place]

    def after(self, place: int) -> Lineage:
        """The part from `place` on."""
        return Lineage(self.commits[place:])

    def thinned(self, every: int) -> Lineage:
        """The first commit, the last one, those with tags, and every n-th of the others."""
        last = len(self) - 1
        kept = [
            commit
            for place, commit in enumerate(self.commits)
            if place in (0, last) or commit.tags or place % every == 0
        ]
        return Lineage(tuple(kept))

    def anchors(self) -> list[int]:
        """Places with which others are compared besides their parents: tags, and every tenth."""
        places = [0]
        for place, commit in enumerate(self.commits):
            if place and (commit.tags or place - places[-1] >= EVERY_TENTH):
                places.append(place)
        return places


def lineage(head: str | None, folder: Path) -> Lineage:
    """All commits along the first parents of `head` (the one checked out, for None).

    Raises `MlpperfError` if there is no such commit, or no git.
    """
    commit = commit_named(head or "HEAD", folder)
    # Not `git log`, whose output depends on the user's settings, such as for signatures.
    output = git("rev-list", "--first-parent", "--reverse", *FORMAT, commit, folder=folder)
    tags = _tags(folder)
    lines = (line.split("\0") for line in output.decode(errors="replace").split("\n"))
    fields = (line for line in lines if len(line) == 4)  # the others hold the hash only
    return Lineage(
        tuple(
            Commit(name, writable(when), subject, tags.get(name, ()), author)
            for name, when, subject, author in fields
        )
    )


def _tags(folder: Path) -> dict[str, tuple[str, ...]]:
    """The tags of each commit that has any."""
    names = "--format=%(objectname) %(*objectname) %(refname:short)"
    output = git("for-each-ref", names, "refs/tags", folder=folder).decode(errors="replace")
    tags: dict[str, tuple[str, ...]] = {}
    for line in filter(None, output.split("\n")):
        own, of, name = line.split(" ", 2)  # an annotated tag is an object of its own
        tags[of or own] = (*tags.get(of or own, ()), name)
    return tags


def chosen(asked: str | None, folder: Path, since: str | None = None) -> Lineage:
    """The commits of `A..B`; of `A`, up to the one checked out; since a date, or all of them.

    Raises `MlpperfError` if there is no such commit, none in between, or A is not on the way to B.
    """
    first, _, last = (asked or "").partition("..")
    if last.startswith("."):
        raise MlpperfError(f"A range is written A..B, with two dots, not {asked!r}.")
    every = lineage(last or None, folder)
    if since:
        return _since(every, since, folder)
    if not first:
        return every
    start = commit_named(first, folder)
    place = every.places.get(start)
    if place is None:
        raise MlpperfError(_no_way(start, every, first, last or "HEAD", folder))
    if place == len(every) - 1:
        raise MlpperfError(f"There are no commits in {first}..{last or 'HEAD'}: both are the same.")
    return every.after(place)


def _no_way(start: str, every: Lineage, first: str, last: str, folder: Path) -> str:
    """Why there is no range from `first` to `last`."""
    if every[-1].hash in lineage(start, folder).places:
        return f"{first} comes after {last}; exchange the two."
    if clause := unshallow(folder):
        return f"{first} is not before {last} here; {clause}."
    return (
        f"{first} is not one of the first parents of {last}: it was on another branch, or history "
        "was rewritten. See git log --first-parent."
    )


def _since(every: Lineage, since: str, folder: Path) -> Lineage:
    """From the last commit before a date on."""
    output = git("rev-parse", f"--since={since}", folder=folder).decode().strip()
    oldest = int(output.removeprefix("--max-age="))
    newer = [place for place, commit in enumerate(every.commits) if commit.time >= oldest]
    if not newer:
        last = every[-1]
        raise MlpperfError(f"There are no commits since {since}; the last one is {last}.")
    part = every.after(max(newer[0] - 1, 0))
    if len(part) < 2:
        raise MlpperfError(f"There is only {count(len(part), 'commit')} since {since}.")
    return part
