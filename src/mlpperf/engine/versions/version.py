"""A version of a project: the files of a commit or working tree in a folder of their own."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..suites import pyproject
from ..words import SHORT, WORKING_TREE
from .checkout import Missing, check_out, copy_tree, unchanged_commit
from .environment import Runtime, packages, requirements, unmet
from .imports import module_files
from .layout import extension_modules, import_folders
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
    at : of a working tree, the full hash of the commit whose files it has, if none was changed.
    root : the folder of the project's files.
    entries : the addresses of its hot paths, such as `package.module:PATHS`.
    copy : the folder with the files of the whole repository, around `root`; None if that is `root`.
    home : the top of the user's repository, whose files must not be run.
    missing : the commits of submodules that are missing here, by their path.
    release : the release in it; None for a commit or a working tree.
    """

    name: str
    commit: str | None
    root: Path
    entries: tuple[str, ...] = ()
    copy: Path | None = None
    home: Path | None = None
    missing: Missing = field(default_factory=dict)
    release: Release | None = None
    at: str | None = None

    @property
    def hash(self) -> str | None:
        """The full hash of the commit whose files it has; None if they are not those of one."""
        return self.commit or self.at

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
    at = unchanged_commit(top) if commit is None else None
    root = into / project
    # A whole hash is longer than a line of what is printed has room for.
    name = (commit[:SHORT] if commit and revision == commit else revision) or WORKING_TREE
    entries = entries_of(root, usual, into)
    return Version(name, commit, root, entries, copy=into, home=top, missing=missing, at=at)


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
        for place in import_folders(version.root, version.whole):
            for file in extension_modules(place):
                name = file.relative_to(version.whole)
                reason = reason or f"{version.name} has extension modules: {name}"
    return reason, Runtime(packages=folders)


def entries_of(root: Path, usual: Sequence[str] = (), whole: Path | None = None) -> tuple[str, ...]:
    """The entries of a version's hot paths: its own, or those of `usual` that it has."""
    named = pyproject.entries(root / "pyproject.toml")
    folders = dict.fromkeys((root / "src", *import_folders(root, whole), root))
    there = (e for e in usual if any(module_files(folders, e.partition(":")[0])))
    return tuple(named or there)
