"""What is asked of a process of the measured project, as it reads it from standard input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Side:
    """A version.

    Attributes
    ----------
    root : the folder of its project.
    packages : the names of the packages that are the project's own.
    folders : where they lie.
    copy : the folder of the whole repository, if that is another one.
    """

    root: str
    packages: Sequence[str]
    folders: Sequence[str]
    copy: str = ""

    @property
    def whole(self) -> str:
        """The folder of the whole repository."""
        return self.copy or self.root


@dataclass(frozen=True)
class Task:
    """What is asked of a process.

    Attributes
    ----------
    kind : look (what do the versions have?), prove, time, take turns with another process, value
        (what do series give that measure no time?), trace (what does each series run?), or touch
        (which run anything that changed?).
    suite : `asv`, with the folder of its benchmarks relative to each version's root and, where its
        configuration has them, the seconds that one may take; or `pytest`, with its arguments.
    sides : the versions by name, `base` and `head` or one of them.
    home : the top of the user's repository, of which nothing is to be run.
    path : folders that are searched first, with what the environment lacks.
    once : nothing can be loaded more than once.
    series : what is to be proven.
    longest : seconds after which a call that is proven is broken off.
    repeat : how often it is called again then.
    changed : what comes of each file that differs, by its path below the versions' roots.
    sessions : what is to be timed: series, seconds, and whether a call takes `long`; then only one
        copy of each version is got ready for it. A series may be in several sessions, which are
        then at several moments.
    seed : of all random orders.
    """

    kind: str
    suite: str
    arguments: Sequence[str]
    sides: dict[str, dict[str, Any]]
    home: str = ""
    path: Sequence[str] = ()
    once: bool = False
    series: Sequence[Sequence[str]] = ()
    longest: float = 60.0
    repeat: int = 1
    changed: dict[str, dict[str, Any]] = field(default_factory=dict)
    sessions: Sequence[dict[str, Any]] = ()
    seed: int = 0
