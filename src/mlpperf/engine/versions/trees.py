"""Compares all files of two versions of a repository."""

from __future__ import annotations

import io
import os
import re
import shutil
import sys
import tokenize
import unicodedata
from collections.abc import Collection, Iterator
from functools import cached_property, lru_cache
from pathlib import Path

from ..suites.pyproject import text_of
from .layout import BUILT, INSTALLER, PACKAGES, UNPACKED

# Files for git, a forge or an editor.
FORGE = {".github", ".gitlab", ".circleci", ".gitignore", ".gitattributes", ".mailmap"}
FORGE |= {".editorconfig", ".pre-commit-config.yaml", ".git-blame-ignore-revs", ".gitlab-ci.yml"}
# Prose at the top or in the documentation; harmless if no Python code mentions such files.
PROSE, PROSE_FOLDERS = {".md", ".rst"}, {"doc", "docs"}
LICENSES = {"LICENSE", "LICENCE", "COPYING", "AUTHORS", "NOTICE"}
BUILD_SCRIPTS = {"setup.py", "noxfile.py", "conf.py"}


class Trees:
    """The files of two versions of a repository, by their path below it."""

    def __init__(self, base: Path, head: Path) -> None:
        self._tops = {"base": base, "head": head}
        self.trees = {"base": _tree(base), "head": _tree(head)}
        one, other = self.trees.values()
        self.differ = [
            name
            for name in sorted(one.keys() | other.keys())
            if name not in one or name not in other or not _equal(one[name], other[name])
        ]
        self.missing = next((m for top in (base, head) for m in _missing_submodules(top)), "")

    def texts(self, name: str) -> dict[str, bytes]:
        """The content of a file in each version that has it."""
        return {s: read(tree[name]) for s, tree in self.trees.items() if name in tree}

    def python(self) -> Iterator[tuple[str, str, bytes]]:
        """The version, path and content of every Python file.

        A link is one, too, if it leads to a file that is not called one, such as a script.
        """
        for side, tree in self.trees.items():
            for name, file in tree.items():
                real = self.links[side].get(name, "")
                if name.endswith(".py") and not (real.endswith(".py") and real in tree):
                    yield side, name, read(file)

    @cached_property
    def links(self) -> dict[str, dict[str, str]]:
        """Where the links of each version lead, both by their path below it."""
        tops = {side: os.path.realpath(top) for side, top in self._tops.items()}
        return {
            side: {
                name: Path(os.path.relpath(os.path.realpath(file), tops[side])).as_posix()
                for name, file in tree.items()
                if file.is_symlink()
            }
            for side, tree in self.trees.items()
        }

    @cached_property
    def aliases(self) -> set[str]:
        """By what names Python files, and folders, are imported that a link calls otherwise."""
        every = [pair for links in self.links.values() for pair in links.items()]
        return {Path(name).stem for name, real in every if Path(name).stem != Path(real).stem}

    def modules(self, place: str, *, whole: bool = False) -> list[bytes]:
        """The content of each module or package whose place ends so, or is the `whole` place."""
        ends = (f"/{place}.py", f"/{place}/__init__.py")
        return [
            read(file)
            for tree in self.trees.values()
            for name, file in tree.items()
            if (f"/{name}" in ends if whole else f"/{name}".endswith(ends))
        ]

    def mentions(self, words: set[str], *also: str, among: Collection[str] | None = None) -> bool:
        """Whether a Python file, or one of these, mentions one of the words, and all of `also`.

        Build scripts do not count.
        """
        return any(
            not words.isdisjoint(known) and known.issuperset(also)
            for _, name, text in self.python()
            if Path(name).name not in BUILD_SCRIPTS
            if among is None or name in among
            if (known := words_of(text))
        )

    @cached_property
    def importable(self) -> set[str]:
        """By what names the first folder or file of the project's modules may be imported.

        A name of Python's own modules counts only outside packages, whose modules are imported by
        the name of the package, and if there is Python in it.
        """
        names = set()
        for tree in self.trees.values():
            packages = {Path(name).parent for name in tree if Path(name).name == "__init__.py"}
            for name in tree:
                path, python = Path(name), name.endswith(".py")
                for place in (path, *path.parents):
                    own = place.stem if python else place.name
                    outside = python and place.parent not in packages
                    if outside or own not in sys.stdlib_module_names:
                        names.add(own)
        return names

    def harmless(self, name: str, among: Collection[str] | None = None) -> bool:
        """Whether no benchmark can read a file; or none that runs only Python files of `among`."""
        file, top = Path(name), name.partition("/")[0]
        if top in FORGE:
            quoted = re.compile(rb"[\"'/\\]" + re.escape(top.encode()))
            texts = (text for _, n, text in self.python() if among is None or n in among)
            return not any(map(quoted.search, texts))
        stem = file.name.partition(".")[0]
        if not (file.suffix in PROSE or stem in LICENSES) or file.suffix == ".py":
            return False
        if top != name and top not in PROSE_FOLDERS:
            return False
        beside = (other for tree in self.trees.values() for other in tree)
        code = {Path(o).name for o in beside if Path(o).parent == file.parent and o.endswith(".py")}
        words = {file.suffix[1:] or stem, stem if stem in LICENSES else "", top} - {"", name}
        if code - BUILD_SCRIPTS - {"conftest.py"}:
            return False
        return not self.mentions(words, among=among)


def _tree(top: Path) -> dict[str, Path]:
    """All files and links below a folder, without git's and those that running code writes."""
    files = (file.relative_to(top) for file in files_below(top, (".git", "__pycache__")))
    return {file.as_posix(): top / file for file in files if not _is_about(top, file)}


def files_below(top: Path, without: Collection[str] = ()) -> Iterator[Path]:
    """The files and links below a folder, without those of these names and what they hold."""
    for folder, folders, files in os.walk(top):
        names = sorted({*folders, *files}.difference(without))
        links = [name for name in folders if Path(folder, name).is_symlink()]
        folders[:] = [name for name in names if name in folders and name not in links]
        yield from (Path(folder, name) for name in names if name not in folders)


def _is_about(top: Path, file: Path) -> bool:
    """Whether a file is what we, pip or uv have noted in a copy about a package that is there.

    Entry points are in the configuration, from which we write them, or in what was built. What the
    repository itself has in such a folder is data.
    """
    folder, name = file.parent, file.name
    if folder.suffix != ".dist-info":
        return False
    if folder.parent.name == BUILT:
        return name in ("METADATA", "INSTALLER")
    if folder.parent == Path(PACKAGES):
        return name != "entry_points.txt"
    by = text_of((top / file).with_name("INSTALLER"))
    about = by in (INSTALLER, UNPACKED) and name in ("METADATA", "INSTALLER")
    return about or (by == INSTALLER and name == "entry_points.txt")


def _equal(one: Path, other: Path) -> bool:
    if one.is_symlink() or other.is_symlink():
        return one.is_symlink() and other.is_symlink() and one.readlink() == other.readlink()
    ours, theirs = one.stat(), other.stat()
    if ours.st_size != theirs.st_size or (ours.st_mode ^ theirs.st_mode) & 0o100:
        return False
    return one.read_bytes() == other.read_bytes()


@lru_cache(maxsize=8192)
def read(file: Path) -> bytes:
    """The content of a file; empty if it is a broken link or a link to a folder."""
    return file.read_bytes() if file.is_file() else b""


@lru_cache(maxsize=8192)
def words_of(text: bytes) -> frozenset[str]:
    """Every word of a text, parts of paths included."""
    if text.isascii():
        return frozenset(re.findall(r"\w+", text.decode()))
    return frozenset(re.findall(r"\w+", unicodedata.normalize("NFKC", _decoded(text))))


def _decoded(text: bytes) -> str:
    """A text by the encoding that it declares, as Python reads it."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(text).readline)
        return text.decode(encoding)
    except (SyntaxError, UnicodeDecodeError, LookupError):
        return text.decode(errors="replace")


def _missing_submodules(top: Path) -> Iterator[str]:
    """The submodules whose files are not there."""
    text = text_of(top / ".gitmodules")
    for name in re.findall(r"^\s*path\s*=\s*(.+?)\s*$", text, re.MULTILINE):
        if not any(entry.name != ".git" for entry in (top / name).glob("*")):
            yield name


def remove(path: Path) -> None:
    """Remove a folder with its content, a file, or a link, but not what a link leads to."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
