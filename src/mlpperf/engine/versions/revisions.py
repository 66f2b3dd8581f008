"""What a user compares: two revisions of a project, and the copies of them that are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from ...errors import MlpperfError
from ..words import SHORT
from .environment import interpreter
from .release import with_release
from .repository import Source, commit_named, is_release, merge_base
from .version import Version, checked_out


@dataclass(frozen=True)
class Revisions:
    """Two revisions of a project, and how to prepare them.

    Attributes
    ----------
    base, head : revisions; None for the working tree. Or releases, such as `package==1.2`, or the
        files of wheels.
    usual : entries of hot paths for a version that names none, if it has their packages.
    kinds : of suites; by default those of the project's settings, or all.
    benchmarks : the revision whose suites both versions get; by default the head.
    python, extra : the interpreter for suites, and packages to install for them.
    pythons, packages : the same for one version only, by version (base, head).
    command : the words of the one command that is timed, instead of the project's benchmarks.
    isolate : give each version processes of its own.
    exact : compare with the base itself. Otherwise, if base and head have diverged, with their
        merge base: commits that only the base has are no change of the head.
    """

    base: str | None
    head: str | None
    usual: Sequence[str] = ()
    kinds: Sequence[str] = ()
    benchmarks: str | None = None
    python: str | None = None
    extra: Sequence[str] = ()
    isolate: bool = False
    exact: bool = True
    pythons: Mapping[str, str] = field(default_factory=dict)
    packages: Mapping[str, Sequence[str]] = field(default_factory=dict)
    command: Sequence[str] = ()

    @property
    def releases(self) -> bool:
        """Whether one of them is a release."""
        return is_release(self.base) or is_release(self.head)

    @property
    def only_commits(self) -> bool:
        """Whether nothing but the commit differs: no release, and no environment."""
        return not (self.releases or any(self.pythons.values()) or any(self.packages.values()))

    def python_of(self, side: str, project: Path) -> str:
        """The interpreter of a version."""
        if given := self.pythons.get(side):
            return interpreter(project, given, f"--{side}-python")
        return interpreter(project, self.python)


@dataclass(frozen=True)
class Copies:
    """Writes copies of the revisions of a project below the folder `into`."""

    wanted: Revisions
    origin: Source
    into: Path

    def both(self) -> tuple[Version, Version]:
        """The copies of base and head.

        Raises `MlpperfError` if there is no such commit, or if a submodule differs and its commit
        is missing here.
        """
        common, description = self._common
        base = self.written(common or self.wanted.base, "base")
        base = replace(base, name=description or base.name)
        head = self.written(self._head, "head")
        _refuse_unknown_submodules(base, head)
        return base, head

    def written(self, revision: str | None, name: str) -> Version:
        """The copy of a revision, in a folder of this name."""
        top, project = self.origin.top, self.origin.project
        at = self._around if is_release(revision) else revision
        made = checked_out(at, top, project, self.into / name, self.wanted.usual)
        if revision is None or not is_release(revision):
            return made
        python = self.wanted.python_of(name, top / project)
        return with_release(made, revision, python, self.into / f"{name}-release")

    def own(self) -> Version:
        """Another copy of the base, for suites that differ from the head's."""
        return self.written(self.merge_base or self.wanted.base, "own")

    def with_suites(self, head: Version) -> Version:
        """The copy that has the suites: `head`, or that of another revision or repository."""
        chosen, apart = self.wanted.benchmarks, self.origin.suites
        if apart:
            return checked_out(chosen, apart, Path(), self.into / "benchmarks")
        return self.written(self._around, "benchmarks") if chosen or head.release else head

    @property
    def merge_base(self) -> str:
        """The hash of the base, if it is a merge base."""
        return self._common[0]

    @property
    def _head(self) -> str | None:
        return self.wanted.head or self.origin.head

    @property
    def _around(self) -> str | None:
        """The revision into whose files a release is put, as it has no benchmarks."""
        head = self.origin.head if is_release(self._head) else self._head
        return head if self.origin.suites else self.wanted.benchmarks or head

    @cached_property
    def _common(self) -> tuple[str, str]:
        """The merge base and its description, if it stands for the base; else empty."""
        base = self.wanted.base
        if base is None or self.wanted.exact or self.wanted.releases:
            return "", ""
        return _merge_base(base, self._head, self.origin.top)


def _merge_base(base: str, head: str | None, top: Path) -> tuple[str, str]:
    """The merge base of two revisions that have diverged, and its description; empty if not.

    The working tree (None) comes after its commit.
    """
    ends = commit_named(base, top), commit_named(head or "HEAD", top)
    commit, several = merge_base(*ends, top)
    if commit == ends[0] or (head is not None and commit == ends[1]):
        return "", ""
    which = f"one of {several} merge bases" if several > 1 else "the merge base"
    return commit, f"{commit[:SHORT]}, {which} of {base} and {head or 'HEAD'}"


def _refuse_unknown_submodules(base: Version, head: Version) -> None:
    """Raise if a submodule is at different commits and one of them is missing here.

    A missing submodule at the same commit on both sides is ignored.
    """
    for path in sorted({*base.missing, *head.missing}):
        if base.missing.get(path) != head.missing.get(path):
            commit = base.missing.get(path) or head.missing[path]
            raise MlpperfError(
                f"The submodule {path} differs between {base.name} and {head.name}, and its commit "
                f"{commit[:SHORT]} is not here: git submodule update --init --recursive gets that "
                f"of the working tree, and git -C {path} fetch the others."
            )
