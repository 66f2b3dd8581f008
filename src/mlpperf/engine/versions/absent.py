"""Files that a copy lacks, so that benchmarks may not run as they run for the user.

Modules of the working tree that git ignores are in no version: a generator may have written them,
and code may have something else in their place if they are missing. Of some files, a version has
only a Git LFS pointer, a small text in place of the content.
"""

from __future__ import annotations

import os
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

from ..git import git
from .imports import imports
from .known_names import IMPORTING
from .layout import BUILT
from .trees import Trees, read, words_of
from .version import Version

# Files with a version in them, which projects read with a fallback.
VERSIONS = {"_version", "version", "__version__", "_version_info", "__about__"}
POINTER = b"version https://git-lfs.github.com/spec/v1\n"
LONGEST = 1024  # bytes of a pointer
NO_CONTENT = (
    "git checked out its Git LFS pointer instead of its content; install git-lfs, and run "
    "git lfs fetch --all"
)


def ignored_modules(version: Version) -> dict[str, str]:
    """The modules in the user's working tree that a version lacks and may import.

    Why each makes a result unknown, by its path. Only what a Python file in the same folder of the
    version imports by name counts: environments and caches do not.
    """
    if version.home is None:
        return {}
    return {
        name: "git ignores it, so neither version has this module, which the project imports; "
        "commit it, or let the build backend generate it"
        for name in ignored_in(version.home)
        if _is_module(version.home / name) and _lacks(version, version.whole / name)
    }


def ignored_in(home: Path) -> list[str]:
    """The files and folders of a working tree that git ignores, by their path below it."""
    listing = ("ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--directory")
    entries = git(*listing, folder=home).split(b"\0")
    return [os.fsdecode(entry).rstrip("/") for entry in entries if entry]


def _is_module(place: Path) -> bool:
    """Whether a file or folder can be imported."""
    if place.is_dir():
        return place.name.isidentifier() and next(place.glob("*.py"), None) is not None
    return place.name.endswith((".py", *EXTENSION_SUFFIXES))


def _lacks(version: Version, place: Path) -> bool:
    """Whether a file beside `place` imports the module of that name, which the version lacks."""
    stem = place.name.partition(".")[0]
    if stem in VERSIONS or not any(_imports(f, stem) for f in place.parent.glob("*.py")):
        return False
    built = (file.parent for file in (version.root / BUILT).rglob(f"{stem}.*"))
    entries = (entry for folder in (place.parent, *built) for entry in folder.glob("*"))
    return all(entry.name.partition(".")[0] != stem for entry in entries)


def _imports(file: Path, stem: str) -> bool:
    """Whether a file imports a module or name called `stem`, or may do so by a text."""
    text = read(file)
    imported = imports(text)
    named = {n for module, names in imported.modules for n in (*module.split("."), *names)}
    return stem in named or (bool(imported.computed & IMPORTING) and stem in words_of(text))


def pointers(base: Path, head: Path) -> dict[str, str]:
    """The files that are pointers in a copy, if benchmarks may read them, and what to do.

    A benchmark may read a file that differs, or one whose name or suffix is in a Python file.
    """
    both = Trees(base, head)
    names = [
        name
        for tree in both.trees.values()
        for name, file in tree.items()
        if not file.is_symlink()
        and file.stat().st_size <= LONGEST
        and read(file).startswith(POINTER)
    ]
    return {
        name: NO_CONTENT
        for name in sorted(set(names))
        if name in both.differ or both.mentions({Path(name).stem, Path(name).suffix[1:]} - {""})
    }
