"""Files that a copy lacks, so that benchmarks may not run as they run for the user.

Modules of the working tree that git ignores are in no version: a generator may have written them,
and code may have something else in their place if they are missing. Of some files, a version has
only a Git LFS pointer, a small text in place of the content.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

from ..git import git
from .imports import imports
from .known_names import IMPORTING
from .layout import BUILT
from .trees import Trees, files_below, read, words_of
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

    Why each makes a result unknown, by its path. Only what a Python file of the version imports by
    name counts: environments and caches do not.
    """
    if version.home is None:
        return {}
    texts = {f: read(f) for f in files_below(version.whole, (BUILT,)) if f.suffix == ".py"}
    return {
        name: "git ignores it, so neither version has this module, which the project imports; "
        "commit it, or let the build backend generate it"
        for name in ignored_in(version.home)
        if _is_module(version.home / name) and _lacks(version, version.whole / name, texts)
    }


def ignored_in(home: Path) -> list[str]:
    """The files and folders of a working tree that git ignores, by their path below it."""
    listing = ("ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--directory")
    entries = git(*listing, folder=home).split(b"\0")
    return [os.fsdecode(entry).rstrip("/") for entry in entries if entry]


def _is_module(place: Path) -> bool:
    """Whether a file or folder can be imported."""
    if place.is_dir():
        within = "**/*.py" if (place.parent / "__init__.py").exists() else "*.py"
        return place.name.isidentifier() and next(place.glob(within), None) is not None
    return place.name.endswith((".py", *EXTENSION_SUFFIXES))


def _lacks(version: Version, place: Path, texts: Mapping[Path, bytes]) -> bool:
    """Whether a file imports the module at `place`, which the version lacks."""
    stem = place.name.partition(".")[0]
    if stem in VERSIONS or not any(
        _imports(file, text, place.parent, stem)
        for file, text in texts.items()
        if stem.encode() in text
    ):
        return False
    built = (file.parent for file in (version.root / BUILT).rglob(f"{stem}.*"))
    entries = (entry for folder in (place.parent, *built) for entry in folder.glob("*"))
    return all(entry.name.partition(".")[0] != stem for entry in entries)


def _imports(file: Path, text: bytes, folder: Path, stem: str) -> bool:
    """Whether a file may import a module called `stem` in a folder, also by a text.

    Beside it, any import of this name may be meant; elsewhere, the name of its package precedes it.
    """
    imported, beside = imports(text), file.parent == folder
    by_text = bool(imported.computed & IMPORTING) and stem in words_of(text)
    if beside:
        named = {n for module, names in imported.modules for n in (*module.split("."), *names)}
        return by_text or stem in named
    modules = ((m if m.endswith(".") else f"{m}.", names) for m, names in imported.modules)
    dotted = [f".{module}{name}." for module, names in modules for name in names or "-"]
    above = "." * (len(file.parts) - len(folder.parts))
    at_top = not (folder / "__init__.py").exists() and stem not in sys.stdlib_module_names
    return any(
        f".{folder.name}.{stem}." in one
        or (folder in file.parents and one.startswith(f".{above}{stem}."))
        or (at_top and one.startswith(f".{stem}."))
        for one in dotted
    ) or (by_text and folder.name in words_of(text))


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
