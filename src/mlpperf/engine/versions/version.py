"""Two versions of a package, side by side in one process.

A version is a folder that holds the files of a commit. If its modules import each other relatively,
its packages are loaded under other names than their own, as often as one likes: whatever they load,
now or at their first call, is of the same version. If they import each other by name, each copy is
a world, whose modules are there only while it is its turn.
"""

from __future__ import annotations

import importlib
import importlib.util
import itertools
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from types import ModuleType
from typing import Any

from ...agreement import Agreement
from ...backends import NUMPY
from ...errors import MlpperfError
from ...hotpath import HotPath, Variant, as_given
from ..suites import pyproject
from ..worker.isolation import World
from ..worker.origins import Origins
from .checkout import Missing, check_out, copy_tree
from .environment import environment, unmet
from .imports import imports, module_files
from .layout import import_folders
from .repository import commit_named

_numbers = itertools.count()


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


class BrokenVersionError(MlpperfError):
    """A version whose hot paths cannot be loaded."""


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


def coexistence(
    base: Version, head: Version, folder: Path, reason: str
) -> tuple[str, dict[str, str]]:
    """Why two versions cannot share a process (empty if they can), and their interpreters.

    A version whose requirements are not met here gets an environment in `folder`. A given `reason`
    is kept.
    """
    pythons = {}
    for side, version in (("base", base), ("head", head)):
        if missing := unmet(version.root):
            pythons[side] = environment(version.root, folder / f"{side}-environment")
            reason = reason or f"{version.name} needs {', '.join(missing)}"
        if compiled := extension_modules(version):
            reason = reason or f"{version.name} has extension modules: {compiled[0]}"
    return reason, pythons


def entries_of(root: Path, usual: Sequence[str] = (), whole: Path | None = None) -> tuple[str, ...]:
    """The entries of a version's hot paths: its own, or those of `usual` that it has."""
    named = pyproject.entries(root / "pyproject.toml")
    return tuple(named or (entry for entry in usual if _first_file(root, _module(entry), whole)))


def _module(entry: str) -> str:
    return entry.partition(":")[0]


def extension_modules(version: Version) -> list[str]:
    """Its compiled files, which a process can load only once."""
    files = (file.relative_to(version.root) for file in _sources(version))
    return [str(file) for file in files if file.name.endswith(tuple(EXTENSION_SUFFIXES))]


def packages_by_name(version: Version) -> tuple[str, ...]:
    """The packages of this version, if one of them imports another or itself by name."""
    packages = _packages(version)
    imported = (name for file in _sources(version) for name in imports(file.read_bytes()).packages)
    return tuple(packages) if any(name in packages for name in imported) else ()


def _packages(version: Version) -> list[str]:
    """The packages of its hot paths, and the packages of the project that these import."""
    names = (_module(entry).partition(".")[0] for entry in version.entries)
    packages = list(dict.fromkeys(names))
    for package in packages:  # grows in the loop
        for file in _files(version, package):
            for name in imports(file.read_bytes()).packages:
                if name not in packages and _first_file(version.root, name, version.copy):
                    packages.append(name)
    return packages


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


class MixedError(MlpperfError):
    """A version has run files that are not its own."""


def load(version: Version, origins: Origins | None = None) -> dict[str, HotPath]:
    """The hot paths of `version` by name, from packages loaded anew.

    `origins` is what is taken from its copy instead of the user's working tree.

    Raises
    ------
    BrokenVersionError
        If it does not import, or holds something else than hot paths.
    MixedError
        If modules of the project come from elsewhere than its copy.
    """
    loader = _Loader(version, origins)
    found: dict[str, HotPath] = {}
    for entry in version.entries:
        for path in loader.entry(entry):
            if path.name in found:
                raise BrokenVersionError(f"two hot paths are called {path.name!r}.")
            found[path.name] = path
    if stray := loader.strayed():
        raise MixedError(f"{version.name} imports {stray}, which is none of its own files.")
    return found


class _Loader:
    """Loads the packages of a version anew: in a world of their own, or under new names."""

    def __init__(self, version: Version, origins: Origins | None = None) -> None:
        self._root, self._whole, self._world = version.root, version.copy, None
        if version.packages:
            folders = import_folders(version.root, version.whole)
            packages, side = version.packages, version.name
            self._world = World(version.whole, packages, folders, None, side, origins)
        self._aliases: dict[str, str] = {}  # of the packages that are loaded under new names

    def entry(self, entry: str) -> list[HotPath]:
        """The hot paths of an entry.

        Raises
        ------
        BrokenVersionError
            If it does not import, or holds something else than hot paths.
        """
        module, _, attribute = entry.partition(":")
        imported = self._world.inside(self._imported) if self._world else self._imported
        try:
            paths = getattr(imported(module), attribute or "PATHS")
            return [adopted(path, self._world) for path in paths]
        except (Exception, SystemExit) as reason:  # anything may go wrong in some commit
            raise BrokenVersionError(f"{entry!r} gives {reason!r}.") from reason

    def strayed(self) -> str | None:
        """A module of the project that comes from elsewhere, and where it lies, if one is known."""
        return self._world.strayed() if self._world else None

    def _imported(self, module: str) -> ModuleType:
        package, _, below = module.partition(".")
        if self._world:
            # Another project's might be found.
            if _first_file(self._root, module, self._whole) is None:
                raise ModuleNotFoundError(f"there is no module {module!r}")
            return importlib.import_module(module)
        if package not in self._aliases:
            self._aliases[package] = _load_package(self._root, package, self._whole)
        return importlib.import_module(".".join(filter(None, (self._aliases[package], below))))


def entry_files(version: Version) -> Iterator[tuple[Path, str, dict[str, HotPath]]]:
    """For each entry of a version: the file and the name of its tuple, and its hot paths by name.

    Raises
    ------
    BrokenVersionError
        If it does not import.
    """
    loader = _Loader(version)
    for entry in version.entries:
        paths = loader.entry(entry)
        if file := _first_file(version.root, _module(entry), version.copy):
            attribute = entry.partition(":")[2] or "PATHS"
            yield file, attribute, {path.name: path for path in paths}


def _load_package(root: Path, package: str, whole: Path | None) -> str:
    """Load a package under a new name, and give that."""
    file = _first_file(root, package, whole)
    if file is None:
        raise ModuleNotFoundError(f"there is no package {package!r}")
    alias = f"{package}_version_{next(_numbers)}"
    inside = [str(file.parent)] if file.name == "__init__.py" else None
    spec = importlib.util.spec_from_file_location(alias, file, submodule_search_locations=inside)
    assert spec is not None
    assert spec.loader is not None
    sys.modules[alias] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return alias


def adopted(path: Any, world: World | None = None) -> HotPath:
    """A hot path of some version, in this version's terms: its functions, our classes.

    Only what every version has is relied on: functions, inputs, cases, cost. They are called in
    their `world`, if they have one.
    """
    here = world.inside if world else _same

    def variant(theirs: Any) -> Variant:
        agreement = Agreement[theirs.agreement.name]
        backend = getattr(theirs, "backend", NUMPY)
        return Variant(
            here(theirs.fn),
            agreement,
            here(getattr(theirs, "prepare", as_given)),
            NUMPY if isinstance(backend, str) else backend,
        )

    return HotPath(
        name=path.name,
        story=path.story,
        reference=here(path.reference),
        variants=tuple(variant(theirs) for theirs in path.variants),
        inputs=here(path.inputs),
        cases=tuple(path.cases),
        cost=here(path.cost),
        updates=tuple(getattr(path, "updates", ())),
        version=path.version,
    )


def _same(function: Callable[..., Any]) -> Callable[..., Any]:
    return function
