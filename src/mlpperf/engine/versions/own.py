"""Files of suites: both versions run the head's benchmarks, and the base may have others.

The base runs its own files of benchmarks that the head's files do not load. Benchmarks that only
these files have are gone in the head.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import MlpperfError
from ..inside import inside
from ..suites.discovery import Suite
from .trees import remove
from .version import Version


@dataclass(frozen=True)
class Own:
    """The base as it was committed, and its suites by kind."""

    version: Version
    suites: Mapping[str, Suite]

    def file(self, suite: Suite, path: str) -> str:
        """The file of the series of a suite at a path, below the project's folder."""
        names = [file_of(suite, place) for place in (path, path.rpartition(".")[0])]
        return next((name for name in names if (self.version.root / name).is_file()), names[0])

    def give_back(self, suite: Suite, places: Sequence[str], root: Path) -> list[str]:
        """Copy the base's own files at some places of a suite to `root` again.

        All files of the suite if a place is not a file. The result are the places of which the base
        has files; what only the head has is new.
        """
        files = {place: [file_of(suite, place)] for place in places}
        if not all((root / name).is_file() for (name,) in files.values()):
            files = {place: list(suite.files) for place in places}
        theirs = {
            place: [name for name in names if (self.version.root / name).exists()]
            for place, names in files.items()
        }
        for name in dict.fromkeys(name for names in theirs.values() for name in names):
            share(self.version.root, root, name)
        return [place for place, names in theirs.items() if names]


def file_of(suite: Suite, place: str) -> str:
    """The file of a place of a suite, below the project's folder."""
    if suite.kind != "asv":
        return place.partition("::")[0] or "."
    return f"{suite.arguments[0]}/{place.replace('.', '/')}.py"


def differ(suites: Sequence[Suite], others: Sequence[Suite], root: Path, other_root: Path) -> bool:
    """Whether the `others` exist, and differ from the suites in any file, option or command."""
    if [(one.arguments, one.files) for one in suites] != [
        (one.arguments, one.files) for one in others
    ]:
        return bool(others)
    return bool(differing(suites, root, other_root))


def differing(suites: Sequence[Suite], root: Path, other_root: Path) -> list[str]:
    """The files of suites that differ between two folders, or are in one of them only."""
    files: set[str] = set()
    for name in (name for suite in suites for name in suite.files):
        for top in (root, other_root):
            below = ((top / name), *(top / name).rglob("*"))
            files |= {file.relative_to(top).as_posix() for file in below if file.is_file()}
    return sorted(file for file in files if _content(root / file) != _content(other_root / file))


def _content(file: Path) -> bytes | None:
    return file.read_bytes() if file.is_file() else None


def share(source: Path, target: Path, name: str) -> None:
    """Replace a file or folder of a version by that of the suite with the same `name`.

    A link in its place is replaced, not followed.
    """
    given = inside(source, name, "A file of the suite")
    own = target / given.relative_to(source)
    try:
        for folder in reversed(own.relative_to(target).parents[:-1]):
            if (target / folder).is_symlink() or (target / folder).is_file():
                (target / folder).unlink()
        remove(own)
        own.parent.mkdir(parents=True, exist_ok=True)
        if given.is_dir():
            shutil.copytree(given, own, symlinks=True)
        else:
            shutil.copy(given, own)
    except OSError as reason:
        why = reason.strerror or reason
        raise MlpperfError(f"{given} cannot be copied to {own} ({why}).") from reason
