"""Prepares two versions for a comparison: their files, their suites, and what runs them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ...errors import MlpperfError, check
from ..suites.discovery import ASV_CONFIGURATION, Suite, discover
from ..suites.pyproject import project_name
from ..suites.settings import KINDS, Settings, settings
from ..words import SHORT
from .builds import build, complete, is_compiled
from .diff import OTHER_PACKAGES, Changes, changes, same_code
from .environment import (
    NEEDS,
    Runtime,
    check_version,
    interpreter,
    lacking,
    packages,
    requirements,
    unmet,
)
from .ignored import ignored_modules
from .layout import needed_projects
from .own import Own, differ, share
from .pointers import pointers
from .repository import commit_named, merge_base, source
from .version import Version, checked_out, coexistence


@dataclass(frozen=True)
class Revisions:
    """Two revisions of a project, and how to prepare them.

    Attributes
    ----------
    base, head : revisions; None for the working tree.
    usual : entries of hot paths for a version that names none, if it has their packages.
    kinds : of suites; by default those of the project's settings, or all.
    benchmarks : the revision whose suites both versions get; by default the head.
    python, extra : the interpreter for suites, and packages to install for them.
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


@dataclass(frozen=True)
class Pair:
    """Two versions, ready to be compared.

    Attributes
    ----------
    base, head : the versions.
    suites : the suites of the head, hot paths not included.
    settings : those of the head's project.
    isolated : why each version has processes of its own; empty if they share one.
    hot_paths : what runs the hot paths.
    runtime : what runs the other suites; None without any.
    own : the base's own suites, if they differ from the head's.
    merge_base : the hash of the base, if it is a merge base.
    """

    base: Version
    head: Version
    suites: tuple[Suite, ...] = ()
    settings: Settings = field(default_factory=Settings)
    isolated: str = ""
    hot_paths: Runtime = field(default_factory=Runtime)
    runtime: Runtime | None = None
    own: Own | None = None
    merge_base: str = ""

    @property
    def same_code(self) -> bool:
        """Whether no file differs that a benchmark can read.

        In a working tree, a module that git ignores may be what has changed.
        """
        unseen = self.head.commit is None and ignored_modules(self.head)
        return not unseen and same_code(self.base, self.head, bool(self.suites))

    @property
    def absent(self) -> dict[str, str]:
        """The files that benchmarks may use and a copy lacks, and why the result is unknown."""
        lacking_content = pointers(self.base.whole, self.head.whole)
        return {**ignored_modules(self.head), **lacking_content}

    @property
    def interpreter(self) -> tuple[str, tuple[str, ...]]:
        """The interpreter of the head's suites, or else hot paths, and its folders of packages."""
        runtime = self.runtime or self.hot_paths
        return runtime.python, tuple(runtime.packages.get("head", ()))

    @property
    def runs_alike(self) -> bool:
        """Whether unchanged code takes as long in both: in one process, with the same packages."""
        return not self.isolated and requirements(self.base.root) == requirements(self.head.root)

    @property
    def changes(self) -> Changes | None:
        """What differs; None if versions have processes of their own, which may differ in more."""
        if self.isolated:
            return None
        if not self.runs_alike:
            return Changes(OTHER_PACKAGES)
        return changes(self.base, self.head) if self.suites else Changes()


def pair(wanted: Revisions, folder: Path, into: Path) -> Pair:
    """Write two revisions of the project that `folder` is in below the folder `into`.

    Or of the project that the asv suite there names, if that has a repository of its own.

    Raises
    ------
    MlpperfError
        If there is no such commit, there are no benchmarks, a submodule differs and its commit is
        missing here, or an environment cannot be made.
    """
    origin = source(folder, into)
    head, common, description = wanted.head or origin.head, "", ""
    if wanted.base is not None and not wanted.exact:
        common, description = _merge_base(wanted.base, head, origin.top)

    def checked(revision: str | None, name: str) -> Version:
        return checked_out(revision, origin.top, origin.project, into / name, wanted.usual)

    old_commit = common or wanted.base
    old = checked(old_commit, "base")
    old = replace(old, name=description or old.name)
    new = checked(head, "head")
    _refuse_unknown_submodules(old, new)
    suite_source = new
    if origin.suites:
        suite_source = checked_out(wanted.benchmarks, origin.suites, Path(), into / "benchmarks")
    elif wanted.benchmarks:
        suite_source = checked(wanted.benchmarks, "benchmarks")
    own_settings = settings(suite_source.root)
    check("kind of suite", wanted.kinds, KINDS)
    kinds = wanted.kinds or own_settings.suites
    if "hotpaths" not in kinds:
        old, new = replace(old, entries=()), replace(new, entries=())
    suites, own = tuple(discover(suite_source.root, kinds)), None
    old_suites = discover(old.root, kinds)
    if differ(suites, old_suites, suite_source.root, old.root):
        own = Own(checked(old_commit, "own"), {suite.kind: suite for suite in old_suites})
    for version in (old, new):
        if version.root != suite_source.root:
            for name in (name for suite in suites for name in suite.files):
                share(suite_source.root, version.root, name)
    has_hot_paths = old.entries or new.entries
    if not suites and not has_hot_paths:
        raise MlpperfError(
            f"{project_name(new.root)} has no benchmarks to compare: looked for hot paths in "
            f"[tool.mlpperf] paths, for {ASV_CONFIGURATION}, and for tests that use the benchmark "
            f"fixture ({', '.join(kinds)})."
        )
    isolated, hot_paths = "as asked" if wanted.isolate else "", Runtime()
    if has_hot_paths:
        isolated, hot_paths = coexistence(old, new, into, isolated)
    made = Pair(old, new, suites, own_settings, isolated, hot_paths, own=own, merge_base=common)
    if not suites:
        return made
    python = interpreter(origin.top / origin.project, wanted.python)
    return _with_runtime(made, origin.top, into, python, wanted.extra)


def _with_runtime(made: Pair, top: Path, into: Path, python: str, extra: Sequence[str]) -> Pair:
    """The pair with its projects built, and with the packages that its suites need."""
    sides = {"base": made.base, "head": made.head}
    isolated, compiled = made.isolated, False
    for version in sides.values():
        check_version(version.root, python)
        complete(version.root, version.commit, top)
        if why := is_compiled(version.root):
            isolated = isolated or f"{version.name} has {why}"
            build(version.root, python)
            compiled = True
    missing = {
        side: unmet(version.root, python, needed_projects(version.root, version.whole))
        for side, version in sides.items()
    }
    if missing["base"] != missing["head"]:
        isolated = isolated or "they need different packages"
    needs = [module for suite in made.suites for module in NEEDS[suite.kind]]
    wanted = [*lacking(python, needs), *extra]

    def added(side: str, name: str) -> list[str]:
        return packages(python, [*missing[side], *wanted], into / name)

    if isolated:
        folders = {side: added(side, f"{side}-packages") for side in sides}
    else:
        folders = dict.fromkeys(sides, added("head", "packages"))
    return replace(made, isolated=isolated, runtime=Runtime(python, folders, compiled))


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
