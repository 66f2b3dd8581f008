"""Two versions that are about to be compared: their files, their suites, and what runs them."""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ...errors import MlpperfError, check
from ..inside import inside
from ..machine.environment import Environment, environment
from ..suites.discovery import ASV_CONFIGURATION, Suite, found
from ..suites.pyproject import project_name
from ..suites.settings import KINDS, Settings, settings
from ..words import SHORT
from .builds import build, complete, is_compiled
from .checkout import commit_named, merge_base
from .diff import OTHER_PACKAGES, Changes, changes, same_code
from .environment import Runtime, interpreter, packages, requirements, unmet
from .repository import source
from .version import Version, checked_out, coexistence


@dataclass(frozen=True)
class Pair:
    """Two versions, ready to be compared.

    Attributes
    ----------
    base, head : the versions.
    suites : what the head has besides hot paths.
    settings : what the head's project says of its comparisons.
    isolated : why each has processes of its own; nothing if they can share one.
    pythons : the interpreter of each one's hot paths, if it is not this one.
    guests : what runs its suites; None if there are none.
    own : the base as it was committed, if its benchmarks differ from the head's, and its suites.
    merge_base : the hash of the base, if it is the merge base of what was named and the head.
    """

    base: Version
    head: Version
    suites: tuple[Suite, ...] = ()
    settings: Settings = field(default_factory=Settings)
    isolated: str = ""
    pythons: dict[str, str] = field(default_factory=dict)
    guests: Runtime | None = None
    own: tuple[Version, tuple[Suite, ...]] | None = None
    merge_base: str = ""

    @property
    def same_code(self) -> bool:
        """Whether there is nothing to compare: no file differs that anything run can read."""
        return same_code(self.base, self.head, bool(self.suites))

    @property
    def environment(self) -> Environment:
        """That of the head's suites, or of its hot paths if there are none."""
        if self.guests:
            return environment(self.guests.python, tuple(self.guests.packages["head"]))
        return environment(self.pythons.get("head", sys.executable))

    @property
    def changes(self) -> Changes | None:
        """What differs, as far as it decides what needs to be timed; None if that is not asked.

        Processes of their own mean that more differs than what the project's source says.
        """
        if self.isolated:
            return None
        if requirements(self.base.root) != requirements(self.head.root):
            return Changes(OTHER_PACKAGES)
        if not self.suites:
            return Changes()
        return changes(self.base, self.head)


def pair(
    base: str | None,
    head: str | None,
    folder: Path,
    into: Path,
    *,
    usual: Sequence[str] = (),
    kinds: Sequence[str] = (),
    benchmarks: str | None = None,
    isolated: str = "",
    python: str | None = None,
    extra: Sequence[str] = (),
    exact: bool = True,
) -> Pair:
    """Two commits of the project that `folder` is in, written into the folder `into`.

    Or of the one that the asv suite there is about, if that is in a repository of its own.

    Parameters
    ----------
    base, head
        Revisions; None for the working tree.
    usual
        Entries of hot paths of a version that names none, as far as it has their packages.
    kinds
        Of suites; none for those that the project's settings say, or else all that are found.
    benchmarks
        The revision whose suites both get, if it is not the head.
    isolated
        A reason to give each version processes of its own.
    python
        The interpreter for suites; the project's own by default.
    extra
        Packages that these need besides.
    exact
        Take the base as it is named. Otherwise, if it and the head have gone different ways, their
        merge base is taken instead: what only the base has is no change of the head.

    Raises
    ------
    MlpperfError
        If there is no such commit, nothing to compare, a submodule differs and its commit is not
        here, or an environment cannot be made.
    """
    origin = source(folder, into)
    top, project = origin.top, origin.project
    head = head or origin.head
    common, said_of_it = "", ""
    if base is not None and not exact:
        common, said_of_it = _common(base, head, top)
    old = checked_out(common or base, top, project, into / "base", usual)
    old = replace(old, name=said_of_it or old.name)
    new = checked_out(head, top, project, into / "head", usual)
    _refuse_unknown_submodules(old, new)
    with_suites = new
    if origin.suites:
        with_suites = checked_out(benchmarks, origin.suites, Path(), into / "benchmarks")
    elif benchmarks:
        with_suites = checked_out(benchmarks, top, project, into / "benchmarks")
    said = settings(with_suites.root)
    check("kind of suite", kinds, KINDS)
    wanted = kinds or said.suites
    if "hotpaths" not in wanted:
        old, new = replace(old, entries=()), replace(new, entries=())
    suites, own = tuple(found(with_suites.root, wanted)), None
    before = found(old.root, wanted)
    if _differ(suites, before, with_suites.root, old.root):
        own = (checked_out(common or base, top, project, into / "own", usual), tuple(before))
    for suite in suites:
        for name in suite.files:
            for version in (old, new):
                if version.root != with_suites.root:
                    share(with_suites.root, version.root, name)
    if not suites and not (old.entries or new.entries):
        raise MlpperfError(
            f"{project_name(new.root)} has no benchmarks to compare: looked for hot paths in "
            f"[tool.mlpperf] paths, for {ASV_CONFIGURATION}, and for tests that use the benchmark "
            f"fixture ({', '.join(wanted)})."
        )
    pythons: dict[str, str] = {}
    if old.entries or new.entries:
        isolated, pythons = coexistence(old, new, into, isolated)
    made = Pair(old, new, suites, said, isolated, pythons, own=own, merge_base=common)
    return (
        _with_suites(made, top, into, interpreter(top / project, python), extra) if suites else made
    )


def _with_suites(made: Pair, top: Path, into: Path, python: str, extra: Sequence[str]) -> Pair:
    """The same, with all that its suites need."""
    sides = {"base": made.base, "head": made.head}
    isolated, compiled = made.isolated, False
    for version in sides.values():
        complete(version.root, version.commit, top)
        if why := is_compiled(version.root):
            isolated = isolated or f"{version.name} has {why}"
            build(version.root, python)
            compiled = True
    missing = {side: unmet(version.root, python) for side, version in sides.items()}
    if missing["base"] != missing["head"]:
        isolated = isolated or "they need different packages"
    kinds = [suite.kind for suite in made.suites]

    def lacked(side: str, name: str) -> list[str]:
        return packages(python, kinds, [*missing[side], *extra], into / name)

    if isolated:
        found_in = {side: lacked(side, f"{side}-packages") for side in sides}
    else:
        found_in = dict.fromkeys(sides, lacked("head", "packages"))
    return replace(made, isolated=isolated, guests=Runtime(python, found_in, compiled))


def _differ(suites: Sequence[Suite], others: Sequence[Suite], root: Path, other_root: Path) -> bool:
    """Whether the suites of two versions differ in any file."""
    if [suite.files for suite in suites] != [suite.files for suite in others]:
        return bool(others)
    return any(
        _digest(root / name) != _digest(other_root / name)
        for suite in suites
        for name in suite.files
    )


def _digest(place: Path) -> list[tuple[str, bytes]]:
    """A file, or all files in a folder, by name."""
    files = sorted(place.rglob("*")) if place.is_dir() else [place]
    return [
        (str(file.relative_to(place)), hashlib.sha256(file.read_bytes()).digest())
        for file in files
        if file.is_file()
    ]


def _common(base: str, head: str | None, top: Path) -> tuple[str, str]:
    """The merge base of two revisions that have gone different ways, and what it is called.

    Nothing, if one of the two comes after the other. The working tree comes after its commit.
    """
    ends = commit_named(base, top), commit_named(head or "HEAD", top)
    found, several = merge_base(*ends, top)
    if found == ends[0] or (head is not None and found == ends[1]):
        return "", ""
    which = f"one of {several} merge bases" if several > 1 else "the merge base"
    return found, f"{found[:SHORT]}, {which} of {base} and {head or 'HEAD'}"


def _refuse_unknown_submodules(base: Version, head: Version) -> None:
    """Raise if a submodule differs, and it cannot be known how.

    One that is not here, at the same commit on both sides, is none that anybody needs here.
    """
    for path in sorted({*base.missing, *head.missing}):
        if base.missing.get(path) != head.missing.get(path):
            commit = base.missing.get(path) or head.missing[path]
            raise MlpperfError(
                f"The submodule {path} differs between {base.name} and {head.name}, and its commit "
                f"{commit[:SHORT]} is not here: git submodule update --init --recursive gets that "
                f"of the working tree, and git -C {path} fetch the others."
            )


def share(source: Path, target: Path, name: str) -> None:
    """Give a version a file or folder of the suite's, `name`, instead of its own.

    It is written in the place itself, not in what a link there leads to.
    """
    given = inside(source, name, "A file of the suite")
    own = target / given.relative_to(source)
    try:
        for folder in reversed(own.relative_to(target).parents[:-1]):
            if (target / folder).is_symlink() or (target / folder).is_file():
                (target / folder).unlink()
        if own.is_symlink() or own.is_file():
            own.unlink()
        elif own.is_dir():
            shutil.rmtree(own)
        own.parent.mkdir(parents=True, exist_ok=True)
        if given.is_dir():
            shutil.copytree(given, own, symlinks=True)
        else:
            shutil.copy(given, own)
    except OSError as reason:
        raise MlpperfError(f"{given} cannot be copied to {own}: {reason}.") from reason
