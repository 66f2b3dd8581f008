"""Prepares two versions for a comparison: their files, their suites, and what runs them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from pathlib import Path

import msgspec

from ...errors import MlpperfError, check
from ..suites.commands import COMMANDS, command_given
from ..suites.discovery import PLACES, Suite, discover, suite_of
from ..suites.policy import against_base
from ..suites.pyproject import project_name
from ..suites.settings import KINDS, Settings, settings
from ..words import SHORT
from .absent import ignored_modules, pointers
from .apart import Needs, check_given, differences, for_both, in_words, install_apart, why_separate
from .builds import Job, build_all, is_compiled
from .diff import OTHER_PACKAGES, Changes, changes, same_code
from .environment import (
    NEEDS,
    Runtime,
    check_version,
    interpreter,
    lacking,
    not_met,
    packages,
    unmet,
)
from .layout import (
    PACKAGES,
    built_from,
    extension_modules,
    import_folders,
    needed_projects,
    project_named,
)
from .metadata import complete, write_scripts
from .own import Own, differ, share
from .release import with_release
from .repository import Source, commit_named, is_release, merge_base, source
from .version import Version, checked_out, coexistence

Progress = Callable[[str], None]


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
    environments : the packages that differ as the user has asked, and Python; of each version.
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
    environments: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def same_code(self) -> bool:
        """Whether no file differs that a benchmark can read, and no package.

        In a working tree, a module that git ignores may be what has changed.
        """
        if self.environments or (self.head.commit is None and self._ignored):
            return False
        return same_code(self.base, self.head, bool(self.suites))

    @property
    def absent(self) -> dict[str, str]:
        """The files that benchmarks may use and a copy lacks, and why the result is unknown."""
        lacking_content = pointers(self.base.whole, self.head.whole)
        return {**self._ignored, **lacking_content}

    @cached_property
    def _ignored(self) -> dict[str, str]:
        return ignored_modules(self.head)

    @cached_property
    def sources(self) -> dict[str, dict[str, str]]:
        """Which file each built Python file comes from, by version; see `layout.built_from`."""
        return {side: built_from(getattr(self, side).root) for side in ("base", "head")}

    @property
    def interpreter(self) -> tuple[str, tuple[str, ...]]:
        """The interpreter of the head's suites, or else hot paths, and its folders of packages."""
        runtime = self.runtime or self.hot_paths
        folders = list(runtime.packages.get("head", ()))
        own = self.head.whole / PACKAGES
        return runtime.python, (*([str(own)] if own.is_dir() else []), *folders)

    @property
    def compiled(self) -> bool:
        """Whether a version has extension modules."""
        return bool(self.runtime and self.runtime.compiled)

    @property
    def runs_alike(self) -> bool:
        """Whether unchanged code takes as long in both: in one process, with the same packages."""
        return not self.isolated and self.base.requirements == self.head.requirements

    @property
    def changes(self) -> Changes | None:
        """What differs; None if that is unknown, as versions are compiled or share no process."""
        if self.isolated or self.compiled:
            return None
        if not self.runs_alike:
            return Changes(OTHER_PACKAGES)
        return changes(self.base, self.head) if self.suites else Changes()


def pair(
    wanted: Revisions, folder: Path, into: Path, progress: Progress = lambda text: None
) -> Pair:
    """Write two revisions of the project that `folder` is in below the folder `into`.

    Or of the project that the asv suite there names, if that has a repository of its own.
    `progress` gets a line about what takes long.

    Raises `MlpperfError` if there is no such commit, there are no benchmarks, a submodule differs
    and its commit is missing here, or an environment cannot be made.
    """
    for given in wanted.packages.values():
        check_given(given)
    origin = source(folder, into)
    head, common, description = wanted.head or origin.head, "", ""
    if wanted.base is not None and not (wanted.exact or wanted.releases):
        common, description = _merge_base(wanted.base, head, origin.top)
    # A release has no benchmarks: it is put into the files that these come from.
    around = head if not is_release(head) else origin.head
    if not origin.suites:
        around = wanted.benchmarks or around

    def checked(revision: str | None, name: str) -> Version:
        at = around if is_release(revision) else revision
        made = checked_out(at, origin.top, origin.project, into / name, wanted.usual)
        if revision is None or not is_release(revision):
            return made
        python = wanted.python_of(name, origin.top / origin.project)
        return with_release(made, revision, python, into / f"{name}-release")

    old_commit = common or wanted.base
    old = checked(old_commit, "base")
    old = replace(old, name=description or old.name)
    new = checked(head, "head")
    _refuse_unknown_submodules(old, new)
    suite_source = new
    if origin.suites:
        suite_source = checked_out(wanted.benchmarks, origin.suites, Path(), into / "benchmarks")
    elif wanted.benchmarks or new.release:
        suite_source = checked(around, "benchmarks")
    own_settings = settings(suite_source.root)
    if suite_source is new:  # else both have the policy of a third commit
        with_paths = ["hotpaths"] if new.entries else []
        policy = against_base(
            own_settings.policy,
            old.root,
            new.root,
            date.today(),
            lambda: [*with_paths, *(suite.kind for suite in discover(new.root))],
        )
        own_settings = msgspec.structs.replace(own_settings, policy=policy)
    check("kind of suite", wanted.kinds, KINDS)
    kinds = () if wanted.command else wanted.kinds or own_settings.suites
    # Hot paths run in our own environment, which is the same for both versions.
    only_hot_paths = new.entries and not wanted.only_commits
    if "hotpaths" not in kinds or not wanted.only_commits:
        old, new = replace(old, entries=()), replace(new, entries=())
    suites, own = tuple(discover(suite_source.root, kinds)), None
    if wanted.command:
        commands = command_given(wanted.command)
        suites = (suite_of(commands, f"the command {', '.join(commands)}"),)
    old_suites = discover(old.root, kinds) if kinds else []
    if not old.release and differ(suites, old_suites, suite_source.root, old.root):
        own = Own(checked(old_commit, "own"), {suite.kind: suite for suite in old_suites})
    for version in (old, new):
        if version.root != suite_source.root:
            for name in (name for suite in suites for name in suite.files):
                share(suite_source.root, version.root, name)
    has_hot_paths = old.entries or new.entries
    if not suites and only_hot_paths:
        raise MlpperfError(
            "Releases and environments are compared by tests and asv suites, and "
            f"{project_name(new.root)} has only hot paths: these run in mlpperf's own environment."
        )
    if not suites and not has_hot_paths:
        raise MlpperfError(
            f"{project_name(origin.top / origin.project)} has no benchmarks to compare: no "
            f"{', no '.join(PLACES[kind] for kind in kinds)}; `mlpperf compare BASE -- COMMAND` "
            "compares the run time of a command instead."
        )
    isolated, hot_paths = "as asked" if wanted.isolate else "", Runtime()
    if has_hot_paths:
        isolated, hot_paths = coexistence(old, new, into, isolated)
    made = Pair(old, new, suites, own_settings, isolated, hot_paths, own=own, merge_base=common)
    if not suites:
        return made
    return _with_runtime(made, wanted, origin, into, progress)


def _with_runtime(
    made: Pair, wanted: Revisions, origin: Source, into: Path, progress: Progress
) -> Pair:
    """The pair with its projects built, and with the packages that its suites need."""
    sides = {"base": made.base, "head": made.head}
    project = origin.top / origin.project
    pythons = {side: wanted.python_of(side, project) for side in sides}
    compiled, jobs = False, dict[str, list[Job]]()
    own = [("base", made.own.version)] if made.own else []
    for side, version in [*sides.items(), *own]:
        check_version(version.root, pythons[side])
        if version.release and version.release.own:
            compiled |= any(map(extension_modules, import_folders(version.root)))
            continue
        number = complete(version.root, version.commit, origin.top)
        if is_compiled(version.root, made.settings.build):
            compiled = True
            job = Job(side, version.root, version.whole, number)
            jobs.setdefault(pythons[side], []).append(job)
    for python, of_python in jobs.items():
        build_all(of_python, python, made.settings.build, progress)
    if any(suite.kind == COMMANDS for suite in made.suites):
        for side, version in sides.items():
            write_scripts(version.root, version.whole, pythons[side])
    isolated = made.isolated
    missing = {side: _missing(version, pythons[side]) for side, version in sides.items()}
    modules = [module for suite in made.suites for module in NEEDS[suite.kind]]
    apart = missing["base"] != missing["head"] or not wanted.only_commits
    needs = {
        side: Needs(python, wanted.packages.get(side, ()), [*missing[side], *wanted.extra])
        for side, python in pythons.items()
    }
    if apart:
        install_apart(sides, needs)
        isolated = isolated or why_separate(sides, list(pythons.values()))
    others = for_both(wanted.extra) if apart else [*missing["head"], *wanted.extra]
    folders = {
        python: packages(python, [*lacking(python, modules), *others], into / f"packages-{number}")
        for number, python in enumerate(dict.fromkeys(pythons.values()))
    }
    runtime = Runtime(
        pythons["head"],
        {side: folders[python] for side, python in pythons.items()},
        compiled,
        pythons["base"],
    )
    if made.own and (made.base.whole / PACKAGES).is_dir():
        (made.own.version.whole / PACKAGES).symlink_to(made.base.whole / PACKAGES)
    made = replace(made, isolated=isolated, runtime=runtime)
    return made if wanted.only_commits else _named(made, differences(sides, needs))


def _missing(version: Version, python: str) -> list[str]:
    """The requirements of a version that an interpreter's packages do not meet."""
    siblings = needed_projects(version.root, version.whole)
    if not version.release:
        return unmet(version.root, python, siblings)
    present = [*map(project_named, siblings), version.release.name]
    return not_met(version.requirements, python, present)


def _named(made: Pair, environments: Mapping[str, Mapping[str, str]]) -> Pair:
    """The pair with the packages that differ, also in the names of the versions.

    If there are packages that both have, these only.
    """
    if not environments:
        return made

    common = set.intersection(*(set(packages) for packages in environments.values()))

    def named(version: Version, side: str) -> Version:
        own = {version.release.name} if version.release else set()
        others = {n: v for n, v in environments[side].items() if n not in own}
        others = {n: v for n, v in others.items() if n in common} or others
        name = f"{version.name} with {in_words(others)}" if others else version.name
        return replace(version, name=name)

    base, head = named(made.base, "base"), named(made.head, "head")
    return replace(made, environments=environments, base=base, head=head)


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
