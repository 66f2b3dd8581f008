"""Two versions of a package, side by side in one process.

A version is a folder that holds the files of a commit. Its package is loaded under another name
than its own, as often as one likes; since its modules import each other relatively, whatever they
load, now or at their first call, is of the same version.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
import itertools
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ...agreement import Agreement
from ...backends import NUMPY
from ...errors import MlpperfError
from ...hotpath import HotPath, Variant, as_given
from ..suites.catalogue import entries
from .checkouts import check_out, commit_named, copy_tree, environment, requirements, unmet

_numbers = itertools.count()


@dataclass(frozen=True)
class Version:
    """A version of a project.

    Attributes
    ----------
    name : what it is called, as its user has written it.
    commit : its full hash; None for a working tree.
    root : the folder with its files.
    entries : which hot paths it has, such as `package.module:PATHS`.
    """

    name: str
    commit: str | None
    root: Path
    entries: tuple[str, ...] = ()


class BrokenVersionError(MlpperfError):
    """A version whose hot paths cannot be loaded."""


def checked_out(
    revision: str | None, top: Path, project: Path, into: Path, usual: Sequence[str] = ()
) -> Version:
    """The files of a commit of the repository at `top`, or of its working tree for None, in `into`.

    `usual` are the entries of a version that names none, as far as it has their packages.

    Raises
    ------
    MlpperfError
        If there is no such commit, or its files cannot be written.
    """
    commit = None if revision is None else commit_named(revision, top)
    into.mkdir()
    if commit is None:
        copy_tree(top, into)
    else:
        check_out(commit, top, into)
    root = into / project
    return Version(revision or "the working tree", commit, root, entries_of(root, usual))


def coexistence(
    base: Version, head: Version, folder: Path, reason: str
) -> tuple[str, dict[str, str]]:
    """Why two versions cannot live in one process ("" if they can), and the interpreters they need.

    An environment is made in `folder` for a version whose requirements are not met here. `reason`
    is one that is given already.

    Raises
    ------
    MlpperfError
        If an environment cannot be made.
    """
    pythons = {}
    for side, version in (("base", base), ("head", head)):
        if missing := unmet(version.root):
            pythons[side] = environment(version.root, folder / f"{side}-environment")
            reason = reason or f"{version.name} needs {', '.join(missing)}"
        if absolute := absolute_imports(version):
            reason = reason or f"{version.name} imports itself by its own name: {absolute[0]}"
    return reason, pythons


def entries_of(root: Path, usual: Sequence[str] = ()) -> tuple[str, ...]:
    """Which hot paths a version has: what it names itself, or those of `usual` that are in it."""
    named = entries(root / "pyproject.toml")
    return tuple(named or (entry for entry in usual if _first_file(root, _module(entry))))


def _module(entry: str) -> str:
    return entry.partition(":")[0]


def same_code(one: Version, other: Version) -> bool:
    """Whether two versions have the same packages and requirements, to the last byte.

    Two that have none, for example because an entry is misspelt, have not.
    """
    return bool(_sources(one)) and _digest(one) == _digest(other)


def _digest(version: Version) -> str:
    digest = hashlib.sha256(repr((version.entries, requirements(version.root))).encode())
    for file in _sources(version):
        digest.update(str(file.relative_to(version.root)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def absolute_imports(version: Version) -> list[str]:
    """Where a package of this version imports itself by its name, which would find another one."""
    packages = set(_packages(version))
    return [
        f"{file.relative_to(version.root)}, line {line}"
        for file in _sources(version)
        for name, line in _absolute(file.read_bytes())
        if name in packages
    ]


@lru_cache(maxsize=4096)  # most files are those of the other version, too
def _absolute(source: bytes) -> tuple[tuple[str, int], ...]:
    """The package of each absolute import in a file, and its line."""
    try:
        nodes = list(ast.walk(ast.parse(source)))
    except (SyntaxError, ValueError):  # told when it is loaded, or no Python
        return ()
    found = []
    for node in nodes:
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module or ""]
        packages = dict.fromkeys(name.partition(".")[0] for name in names)
        found += [(package, getattr(node, "lineno", 0)) for package in packages]
    return tuple(found)


def _packages(version: Version) -> list[str]:
    """Those that its hot paths are in, and those of the same project that these import."""
    names = (_module(entry).partition(".")[0] for entry in version.entries)
    found = list(dict.fromkeys(names))
    for package in found:  # which grows meanwhile
        for file in _files(version.root, package):
            for name, _ in _absolute(file.read_bytes()):
                if name not in found and _first_file(version.root, name):
                    found.append(name)
    return found


def _sources(version: Version) -> list[Path]:
    """The files of all its packages."""
    packages = _packages(version)
    return [file for package in packages for file in _files(version.root, package)]


def _files(root: Path, package: str) -> list[Path]:
    first = _first_file(root, package)
    if first is None or first.name != "__init__.py":
        return [first] if first else []
    files = sorted(file for file in first.parent.rglob("*") if file.is_file())
    return [file for file in files if "__pycache__" not in file.parts]


def _first_file(root: Path, package: str) -> Path | None:
    """The file that is run when the package or module of that (dotted) name is imported."""
    for folder in (root / "src", root):
        below = folder.joinpath(*package.split("."))
        for file in (below / "__init__.py", below.with_name(f"{below.name}.py")):
            if file.is_file():
                return file
    return None


def load(version: Version) -> dict[str, HotPath]:
    """The hot paths of `version` by name, from packages loaded anew under a new name.

    Raises
    ------
    BrokenVersionError
        If it does not import, or holds something else than hot paths.
    """
    packages: dict[str, str] = {}
    found: dict[str, HotPath] = {}
    for entry in version.entries:
        for path in _load_entry(version.root, entry, packages):
            if path.name in found:
                raise BrokenVersionError(f"two hot paths are called {path.name!r}.")
            found[path.name] = path
    return found


def _load_entry(root: Path, entry: str, packages: dict[str, str]) -> list[HotPath]:
    """The hot paths of an entry; `packages` are those that are loaded, with their new names."""
    module, _, attribute = entry.partition(":")
    package, _, below = module.partition(".")
    try:
        if package not in packages:
            packages[package] = _load_package(root, package)
        alias = ".".join(filter(None, (packages[package], below)))
        paths = getattr(importlib.import_module(alias), attribute or "PATHS")
        return [adopted(path) for path in paths]
    except (Exception, SystemExit) as reason:  # anything may go wrong in some commit
        raise BrokenVersionError(f"{entry!r} gives {reason!r}.") from reason


def entry_files(version: Version) -> Iterator[tuple[Path, str, dict[str, HotPath]]]:
    """For each entry of a version: the file and the name of its tuple, and its hot paths by name.

    Raises
    ------
    BrokenVersionError
        If it does not import.
    """
    for entry in version.entries:
        paths = _load_entry(version.root, entry, {})
        if file := _first_file(version.root, _module(entry)):
            attribute = entry.partition(":")[2] or "PATHS"
            yield file, attribute, {path.name: path for path in paths}


def _load_package(root: Path, package: str) -> str:
    """Load a package under a new name, and give that."""
    file = _first_file(root, package)
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


def adopted(path: Any) -> HotPath:
    """A hot path of some version, in this version's terms: its functions, our classes.

    Only what every version has is relied on: functions, inputs, cases, cost.
    """

    def variant(theirs: Any) -> Variant:
        agreement = Agreement[theirs.agreement.name]
        backend = getattr(theirs, "backend", NUMPY)
        return Variant(
            theirs.fn,
            agreement,
            getattr(theirs, "prepare", as_given),
            NUMPY if isinstance(backend, str) else backend,
        )

    return HotPath(
        name=path.name,
        story=path.story,
        reference=path.reference,
        variants=tuple(variant(theirs) for theirs in path.variants),
        inputs=path.inputs,
        cases=tuple(path.cases),
        cost=path.cost,
        updates=tuple(getattr(path, "updates", ())),
        version=path.version,
    )
