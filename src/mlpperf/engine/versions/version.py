"""A version of a project: the files of a commit or working tree in a folder of their own."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

from ..suites import pyproject
from .checkout import Missing, check_out, copy_tree
from .environment import Runtime, packages, requirements, unmet
from .imports import imports, module_files
from .layout import import_folders
from .repository import commit_named


@dataclass(frozen=True)
class Version:
    """A version of a project.

    Attributes
    ----------
    name : its name, as the user has written it.
    commit : its full hash; None for a working tree.
    root : the folder of the project's files.
    entries : the addresses of its hot paths, such as `package.module:PATHS`.
    packages : the project's packages, if one of them imports another or itself by name: then each
        copy has modules of its own under these names. Otherwise copies have different names.
    copy : the folder with the files of the whole repository, around `root`; None if that is `root`.
    home : the top of the user's repository, whose files must not be run.
    missing : the commits of submodules that are missing here, by their path.
    """

    name: str
    commit: str | None
    root: Path
    entries: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    copy: Path | None = None
    home: Path | None = None
    missing: Missing = field(default_factory=dict)

    @property
    def whole(self) -> Path:
        """The folder of the whole repository's files."""
        return self.copy or self.root


def checked_out(
    revision: str | None, top: Path, project: Path, into: Path, usual: Sequence[str] = ()
) -> Version:
    """Write a commit of the repository at `top`, or its working tree for None, to `into`.

    `usual` are entries of hot paths for a version that names none, if it has their packages.

    Raises
    ------
    MlpperfError
        If there is no such commit, or its files cannot be written.
    """
    commit = None if revision is None else commit_named(revision, top)
    into.mkdir()
    missing = copy_tree(top, into) if commit is None else check_out(commit, top, into)
    root = into / project
    name = revision or "the working tree"
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
        if compiled := extension_modules(version):
            reason = reason or f"{version.name} has extension modules: {compiled[0]}"
    return reason, Runtime(packages=folders)


def entries_of(root: Path, usual: Sequence[str] = (), whole: Path | None = None) -> tuple[str, ...]:
    """The entries of a version's hot paths: its own, or those of `usual` that it has."""
    named = pyproject.entries(root / "pyproject.toml")
    return tuple(named or (entry for entry in usual if _first_file(root, _module(entry), whole)))


def entry_file(version: Version, entry: str) -> Path | None:
    """The file of the module that an entry names."""
    return _first_file(version.root, _module(entry), version.copy)


def _module(entry: str) -> str:
    return entry.partition(":")[0]


def extension_modules(version: Version) -> list[str]:
    """Its compiled files, which a process can load only once."""
    files = (file.relative_to(version.root) for file in _sources(version))
    return [str(file) for file in files if file.name.endswith(tuple(EXTENSION_SUFFIXES))]


def packages_by_name(version: Version) -> tuple[str, ...]:
    """The packages of this version, if one of them imports another or itself by name."""
    own = _packages(version)
    imported = (name for file in _sources(version) for name in imports(file.read_bytes()).packages)
    return tuple(own) if any(name in own for name in imported) else ()


def _packages(version: Version) -> list[str]:
    """The packages of its hot paths, and the packages of the project that these import."""
    names = (_module(entry).partition(".")[0] for entry in version.entries)
    own = list(dict.fromkeys(names))
    for package in own:  # grows in the loop
        for file in _files(version, package):
            for name in imports(file.read_bytes()).packages:
                if name not in own and _first_file(version.root, name, version.copy):
                    own.append(name)
    return own


def _sources(version: Version) -> list[Path]:
    """The files of all packages of its hot paths."""
    return [file for package in _packages(version) for file in _files(version, package)]


def _files(version: Version, package: str) -> list[Path]:
    first = _first_file(version.root, package, version.copy)
    if first is None or first.name != "__init__.py":
        return [first] if first else []
    files = sorted(file for file in first.parent.rglob("*") if file.is_file())
    return [file for file in files if "__pycache__" not in file.parts]


def _first_file(root: Path, package: str, whole: Path | None = None) -> Path | None:
    """The file that is run when the package or module of that (dotted) name is imported."""
    folders = (root / "src", *import_folders(root, whole), root)
    return next(module_files(tuple(dict.fromkeys(folders)), package), None)
