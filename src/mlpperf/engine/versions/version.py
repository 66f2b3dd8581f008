"""A version of a project: the files of a commit or working tree in a folder of their own."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

from ..suites import pyproject
from ..words import SHORT
from .checkout import Missing, check_out, copy_tree
from .environment import Runtime, packages, requirements, unmet
from .imports import imports, module_files
from .layout import import_folders
from .repository import commit_named


@dataclass(frozen=True)
class Release:
    """The release of a package that is a version, or that a version runs with.

    Attributes
    ----------
    name : of the package, as it is compared with others.
    asked : as the user has written it, such as `package==1.2`.
    requirements : its own.
    own : whether it is one of the project, whose files it replaces.
    """

    name: str
    asked: str
    requirements: tuple[str, ...] = ()
    own: bool = True


@dataclass(frozen=True)
class Version:
    """A version of a project.

    Attributes
    ----------
    name : its name, as the user has written it.
    commit : its full hash; None for a working tree or a release.
    root : the folder of the project's files.
    entries : the addresses of its hot paths, such as `package.module:PATHS`.
    packages : the project's packages, if one of them imports another or itself by name: then each
        copy has modules of its own under these names. Otherwise copies have different names.
    copy : the folder with the files of the whole repository, around `root`; None if that is `root`.
    home : the top of the user's repository, whose files must not be run.
    missing : the commits of submodules that are missing here, by their path.
    release : the release in it; None for a commit or a working tree.
    """

    name: str
    commit: str | None
    root: Path
    entries: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    copy: Path | None = None
    home: Path | None = None
    missing: Missing = field(default_factory=dict)
    release: Release | None = None

    @property
    def requirements(self) -> tuple[str, ...]:
        """The requirements of its project, and of its release."""
        if self.release is None:
            return requirements(self.root)
        others = () if self.release.own else requirements(self.root)
        return (*others, *self.release.requirements)

    @property
    def whole(self) -> Path:
        """The folder of the whole repository's files."""
        return self.copy or self.root


def checked_out(
    revision: str | None, top: Path, project: Path, into: Path, usual: Sequence[str] = ()
) -> Version:
    """Write a commit of the repository at `top`, or its working tree for None, to `into`.

    `usual` are entries of hot paths for a version that names none, if it has their packages.

    Raises `MlpperfError` if there is no such commit, or its files cannot be written.
    """
    commit = None if revision is None else commit_named(revision, top)
    into.mkdir()
    missing = copy_tree(top, into) if commit is None else check_out(commit, top, into)
    root = into / project
    # A whole hash is longer than a line of what is printed has room for.
    name = (commit[:SHORT] if commit and revision == commit else revision) or "the working tree"
    entries = entries_of(root, usual, into)
    version = Version(name, commit, root, entries, copy=into, home=top, missing=missing)
    return replace(version, packages=packages_by_name(version))


def coexistence(base: Version, head: Version, folder: Path, reason: str) -> tuple[str, Runtime]:
    """Why the hot paths of two versions cannot share a process, and what runs them.

    The reason is empty if they can; a given one is kept. If our packages do not meet the
    requirements of a version, all of these are installed together, in a folder of its own.
    """
    folders = {}
    for side, version in (("base", base), ("head", head)):
        if missing := unmet(version.root):
            into = folder / f"{side}-requirements"
            folders[side] = packages(sys.executable, requirements(version.root), into)
            reason = reason or f"{version.name} needs {', '.join(missing)}"
        for file in (file for files in _packages(version).values() for file in files):
            if file.name.endswith(tuple(EXTENSION_SUFFIXES)):
                place = file.relative_to(version.root)
                reason = reason or f"{version.name} has extension modules: {place}"
    return reason, Runtime(packages=folders)


def entries_of(root: Path, usual: Sequence[str] = (), whole: Path | None = None) -> tuple[str, ...]:
    """The entries of a version's hot paths: its own, or those of `usual` that it has."""
    named = pyproject.entries(root / "pyproject.toml")
    folders = _folders(root, whole)
    return tuple(named or (entry for entry in usual if _first_file(folders, entry)))


def packages_by_name(version: Version) -> tuple[str, ...]:
    """The packages of this version, if one of them imports another or itself by name."""
    own = _packages(version)
    imported = (name for files in own.values() for file in files for name in _imported(file))
    return tuple(own) if any(name in own for name in imported) else ()


def _packages(version: Version) -> dict[str, list[Path]]:
    """The files of the packages of its hot paths, and of the project's that these import."""
    folders = _folders(version.root, version.copy)
    names = list(dict.fromkeys(re.split("[.:]", entry)[0] for entry in version.entries))
    files = {}
    for package in names:  # grows in the loop
        first = _first_file(folders, package)
        files[package] = [first] if first else []
        if first and first.name == "__init__.py":
            below = sorted(file for file in first.parent.rglob("*") if file.is_file())
            files[package] = [file for file in below if "__pycache__" not in file.parts]
        imported = dict.fromkeys(name for file in files[package] for name in _imported(file))
        names += [n for n in imported if n not in names and _first_file(folders, n)]
    return files


def _imported(file: Path) -> Iterable[str]:
    """The packages that a file imports by name."""
    return imports(file.read_bytes()).packages if file.suffix == ".py" else ()


def _folders(root: Path, whole: Path | None) -> tuple[Path, ...]:
    """The folders from which the packages of a version are imported."""
    return tuple(dict.fromkeys((root / "src", *import_folders(root, whole), root)))


def _first_file(folders: tuple[Path, ...], entry: str) -> Path | None:
    """The file that is run when the module of an entry, or of a (dotted) name, is imported."""
    return next(module_files(folders, entry.partition(":")[0]), None)
