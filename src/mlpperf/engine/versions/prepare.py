"""Prepares two versions for a comparison: their files, their suites, and what runs them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import msgspec

from ...errors import MlpperfError, check
from ..suites.commands import command_given
from ..suites.discovery import PLACES, Suite, discover, suite_of
from ..suites.policy import against_base
from ..suites.pyproject import project_name
from ..suites.settings import KINDS, Settings, settings
from .apart import Needs, check_given, differences, for_both, in_words, install_apart, why_separate
from .builds import Job, build_all, is_compiled
from .environment import NEEDS, Runtime, check_version, lacking, not_met, packages, unmet
from .layout import PACKAGES, extension_modules, import_folders, needed_projects, project_named
from .metadata import complete, write_scripts
from .own import Own, differ, share
from .pair import Pair
from .repository import Source, source
from .revisions import Copies, Revisions
from .version import Version, coexistence

Progress = Callable[[str], None]


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
    copies = Copies(wanted, origin, into)
    base, head = copies.both()
    beside = [one.release.name for one in (base, head) if one.release and not one.release.own]
    check_given(beside)
    suites_from = copies.with_suites(head)
    chosen = _settings(suites_from, base, head)
    check("kind of suite", wanted.kinds, KINDS)
    kinds = () if wanted.command else wanted.kinds or chosen.suites
    suites = _suites(suites_from, kinds, wanted.command)
    own = _own(suites, suites_from, base, kinds, copies)
    for version in (base, head):
        if version.root != suites_from.root:
            for name in (name for suite in suites for name in suite.files):
                share(suites_from.root, version.root, name)
    hot_paths = "hotpaths" in kinds and bool(base.entries or head.entries)
    if not (suites or (hot_paths and wanted.only_commits)):
        raise MlpperfError(_nothing_to_compare(head, kinds, origin))
    isolated, runtime = "as asked" if wanted.isolate else "", Runtime()
    # Hot paths run in our own environment, which is the same for both versions.
    if hot_paths and wanted.only_commits:
        isolated, runtime = coexistence(base, head, into, isolated)
    else:
        base, head = replace(base, entries=()), replace(head, entries=())
    made = Pair(
        *(base, head, suites, chosen, isolated, runtime),
        own=own,
        merge_base=copies.merge_base,
        benchmarks=(suites_from.hash or "") if wanted.benchmarks else "",
    )
    return _with_runtime(made, wanted, origin, into, progress) if suites else made


def _settings(suites_from: Version, base: Version, head: Version) -> Settings:
    """The project's settings; its policy is compared with the base's where the head has both."""
    made = settings(suites_from.root)
    with_paths = ["hotpaths"] if head.entries else []
    policy = against_base(
        made.policy,
        base.root,
        suites_from.root,  # which may be a third commit, with its policy
        date.today(),
        lambda: [*with_paths, *(suite.kind for suite in discover(head.root))],
    )
    return msgspec.structs.replace(made, policy=policy)


def _suites(version: Version, kinds: Sequence[str], command: Sequence[str]) -> tuple[Suite, ...]:
    """The suites of these kinds in a version, or that of the one command that was given."""
    if not command:
        return tuple(discover(version.root, kinds))
    commands = command_given(command)
    return (suite_of(commands, f"the command {', '.join(commands)}"),)


def _own(
    suites: Sequence[Suite],
    suites_from: Version,
    base: Version,
    kinds: Sequence[str],
    copies: Copies,
) -> Own | None:
    """The base's own suites, if they differ."""
    theirs = discover(base.root, kinds) if kinds else []
    if base.release or not differ(suites, theirs, suites_from.root, base.root):
        return None
    return Own(copies.own(), {suite.kind: suite for suite in theirs})


def _nothing_to_compare(head: Version, kinds: Sequence[str], origin: Source) -> str:
    """Why a project has nothing that could be compared."""
    if "hotpaths" in kinds and head.entries:
        return (
            "Releases and environments are compared by tests and asv suites, and "
            f"{project_name(head.root)} has only hot paths: these run in mlpperf's own environment."
        )
    return (
        f"{project_name(origin.top / origin.project)} has no benchmarks to compare: no "
        f"{', no '.join(PLACES[kind] for kind in kinds)}; `mlpperf compare BASE -- COMMAND` "
        "compares the run time of a command instead."
    )


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
    for side, version in [*sides.items(), *own]:
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
