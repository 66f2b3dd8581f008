"""Finds the code that differs between two versions.

It compares all files of the repository on disk, after both versions got the same suites. A
benchmark that runs no changed code in either version takes as long as before. A change whose effect
cannot be followed is reported as such, and then counts as run.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..suites.pyproject import text_of
from .configuration import builds
from .definitions import Definitions
from .following import Effect, Followed
from .imports import Reach, module_files
from .known_names import METADATA
from .layout import import_folders
from .trees import Trees, read
from .version import Version

OTHER_PACKAGES = "the project needs other packages"  # these may be slower themselves

# Files that are compiled or linked, or that a library opens without Python's open().
NATIVE = {".so", ".pyd", ".dll", ".dylib", ".a", ".o", ".c", ".cc", ".cpp", ".cxx", ".h", ".hpp"}
NATIVE |= {".pyx", ".pxd", ".pxi", ".rs", ".f", ".f90", ".go", ".cu", ".pyc", ".whl", ".egg"}
NATIVE |= {".zip", ".h5", ".hdf5", ".db", ".sqlite", ".sqlite3", ".parquet", ".feather", ".arrow"}
NATIVE |= {".nc", ".pth", ".onnx", ".ttf", ".otf"}


@dataclass(frozen=True)
class Changes:
    """The effect of each file that differs, by its path below the project; or why it is unknown."""

    unknown: str = ""
    effects: Mapping[str, Effect] = field(default_factory=dict)

    def to_json(self) -> dict[str, dict[str, Any]]:
        """The effects as a worker's task lists them."""
        return {name: asdict(effect) for name, effect in self.effects.items()}


def same_code(base: Version, head: Version, suites: bool = False) -> bool:
    """Whether two versions have the same files, except for files that no benchmark can read.

    False if they have neither `suites` nor hot paths, or if a module of hot paths is missing:
    then there was nothing to compare.
    """
    modules = [entry.partition(":")[0] for entry in base.entries]
    folders = (base.root / "src", base.root)
    files = [next(module_files(folders, module), None) for module in modules]
    if not (suites or files) or not all(files):
        return False
    try:
        both = _pair(base, head)
        return not both.missing and all(map(both.harmless, both.differ))
    except OSError:  # an unreadable file may hold anything
        return False


def same_paths(base: Version, head: Version, paths: Mapping[str, Sequence[str]]) -> set[str]:
    """The hot paths, given the files of their functions, that run and read the same in both.

    These files are named by their paths below the folder of the whole repository.
    """
    try:
        both = _pair(base, head)
        if both.missing or _metadata(base) != _metadata(head):
            return set()
        entries = {entry.partition(":")[0] for entry in (*base.entries, *head.entries)}
        reach = Reach(both)
        return {name for name, files in paths.items() if files and reach.same(files, entries)}
    except OSError:
        return set()


def _pair(base: Version, head: Version) -> Trees:
    read.cache_clear()  # files may have been written since
    return Trees(base.whole, head.whole)


def changes(base: Version, head: Version) -> Changes:
    """The changes between two versions of a repository.

    A function is changed if its source differs in more than comments, docstrings and line numbers.
    A changed import or constant at the top of a module changes every function that mentions its
    name, also in a string, and every function that may access any name.
    """
    try:
        return _changes(_pair(base, head), base, head)
    except OSError as reason:
        return Changes(f"a file cannot be read ({reason})")


def _changes(both: Trees, base: Version, head: Version) -> Changes:
    if both.missing:
        return Changes(f"the files of the submodule {both.missing} are not there")
    below = Path(os.path.relpath(base.root, base.whole))
    files: dict[str, set[str]] = {n: set() for n in both.differ if not both.harmless(n)}
    if why := next(filter(None, (_unfollowed(name, both) for name in files)), ""):
        return Changes(why)
    if _metadata(base) != _metadata(head):
        files[(below / "pyproject.toml").as_posix()] = METADATA
    effects, definitions = {}, Definitions(both)
    for name, known in files.items():
        effect = Followed(name, both, known, definitions).effect
        for places in (effect.lines, effect.tops):
            for side, of_side in places.items():
                places[side] = {_from(below, n): sorted(lines) for n, lines in of_side.items()}
        effect.unsure = {_from(below, n): why for n, why in effect.unsure.items()}
        effect.values = {_from(below, n): held for n, held in effect.values.items()}
        effects[_from(below, name)] = effect
    return Changes("", effects)


def _metadata(version: Version) -> list[str]:
    """What `importlib.metadata` knows about the project of a version, such as its number."""
    folder = import_folders(version.root)[0]
    return [text_of(file) for file in sorted(folder.glob("*.dist-info/METADATA"))]


def _from(folder: Path, name: str) -> str:
    """The path of a file of the repository, relative to a folder there."""
    return Path(os.path.relpath(name, folder)).as_posix()


def _unfollowed(name: str, both: Trees) -> str:
    """Why the effect of a change in such a file is unknown; empty if it can be followed."""
    file = Path(name)
    if any(tree[name].is_symlink() for tree in both.trees.values() if name in tree):
        return f"the link {name} changed"
    if builds(name, list(both.texts(name).values())):
        return f"{name} changed, which configures how the project is built"
    if file.suffix in NATIVE or ".so." in file.name:
        return f"{name} changed, which is not Python source"
    return ""
