"""The suites that the base has of its own, where they differ from the head's.

Both versions run the head's benchmarks. What these do not load at the base, it runs by its own
files; and what only its own files have is gone at the head.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..suites.discovery import Suite
from .prepare import share
from .version import Version


@dataclass(frozen=True)
class Own:
    """The base as it was committed, and its suites by kind."""

    version: Version
    suites: Mapping[str, Suite]

    def give_back(self, suite: Suite, places: Sequence[str], root: Path) -> bool:
        """Write the base's own files at some places of a suite to `root` again.

        All files of the suite if a place names none. False if it has none of them.
        """
        files = [_file(suite, place) for place in places]
        if not all((self.version.root / name).is_file() for name in files):
            files = [name for name in suite.files if (self.version.root / name).exists()]
        for name in files:
            share(self.version.root, root, name)
        return bool(files)


def _file(suite: Suite, place: str) -> str:
    """The file of a suite that a place of it stands for, below the project's folder."""
    if suite.kind != "asv":
        return place.partition("::")[0] or "."
    return f"{suite.arguments[0]}/{place.replace('.', '/')}.py"
