"""Two versions that are about to be compared: their files, their suites, and what runs them."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ...errors import MlpperfError, check
from ..suites.catalogue import project_name
from ..suites.found import ASV_CONFIGURATION, Suite, found
from ..suites.settings import KINDS, Settings, settings
from .builds import build, is_compiled
from .changed import OTHER_PACKAGES, Changes, changes
from .checkouts import requirements, unmet
from .elsewhere import source
from .guests import Guests, interpreter, packages
from .identity import complete
from .versions import Version, checked_out, coexistence, same_code


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
    """

    base: Version
    head: Version
    suites: tuple[Suite, ...] = ()
    settings: Settings = field(default_factory=Settings)
    isolated: str = ""
    pythons: dict[str, str] = field(default_factory=dict)
    guests: Guests | None = None

    @property
    def same_code(self) -> bool:
        """Whether there is nothing to compare: to the last byte."""
        return same_code(self.base, self.head, bool(self.suites))

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
        shared = [name for suite in self.suites for name in suite.files]
        return changes(self.base, self.head, shared)


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

    Raises
    ------
    MlpperfError
        If there is no such commit, nothing to compare, or an environment cannot be made.
    """
    origin = source(folder, into)
    top, project = origin.top, origin.project
    old = checked_out(base, top, project, into / "base", usual)
    new = checked_out(head or origin.head, top, project, into / "head", usual)
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
    suites = tuple(found(with_suites.root, wanted))
    for suite in suites:
        for name in suite.files:
            for version in (old, new):
                if version.root != with_suites.root:
                    _share(with_suites.root / name, version.root / name)
    if not suites and not (old.entries or new.entries):
        raise MlpperfError(
            f"{project_name(new.root)} has no benchmarks to compare: looked for hot paths in "
            f"[tool.mlpperf] paths, for {ASV_CONFIGURATION}, and for tests that use the benchmark "
            f"fixture ({', '.join(wanted)})."
        )
    pythons: dict[str, str] = {}
    if old.entries or new.entries:
        isolated, pythons = coexistence(old, new, into, isolated)
    made = Pair(old, new, suites, said, isolated, pythons)
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
    return replace(made, isolated=isolated, guests=Guests(python, found_in, compiled))


def _share(source: Path, target: Path) -> None:
    """Give the base a file or folder of the head's suite, instead of its own."""
    try:
        if target.is_dir():
            shutil.rmtree(target)
        if source.is_dir():
            shutil.copytree(source, target, symlinks=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    except OSError as reason:
        raise MlpperfError(f"{source} cannot be copied to {target}: {reason}.") from reason
