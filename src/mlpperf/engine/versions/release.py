"""A release as a version: what a wheel holds, in the files that the benchmarks come from.

The packages of a release of the project take the place of the project's own, so that the two can be
compared file by file. The packages of any other release are installed for that version alone.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.metadata import Distribution, distributions
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from ...errors import MlpperfError
from ..suites.pyproject import readable, table_at
from .environment import install, marked
from .layout import (
    PACKAGES,
    UNPACKED,
    import_folders,
    needed_projects,
    package_of,
    packages_in,
    project_named,
)
from .trees import remove
from .version import Release, Version

MODULES = {".py", ".pyi", ".so", ".pyd"}
# What some wheels hold beside their packages, and projects have in the same place.
NO_PACKAGES = {"tests", "test", "testing", "docs", "doc", "benchmarks", "examples", "scripts"}
NO_PACKAGES |= {"conftest", "setup", "bin", "Scripts", "share", "include"}
HINT = (
    "A release is written NAME==VERSION, as in the package index, or is the file of a wheel for "
    "this Python and system"
)


def with_release(version: Version, revision: str, python: str, into: Path) -> Version:
    """A version with a release in place of the project's packages, or beside them.

    `into` is a new folder, for what the wheel holds.

    Raises `MlpperfError` if there is no such release or file, it does not fit the interpreter, or
    it needs another project of the repository.
    """
    file = Path(revision)
    if file.suffix == ".whl" and not file.is_file():
        raise MlpperfError(f"There is no wheel {revision}.")
    wanted = str(file.absolute()) if file.suffix == ".whl" else revision
    try:
        install(python, ["--no-deps", "--target", str(into)], [wanted], revision)
    except MlpperfError as reason:
        raise MlpperfError(f"{reason} {HINT}.") from reason
    (about,) = distributions(path=[str(into)])
    listed, number = about.metadata["Name"], about.version  # it is about to be moved
    name = canonicalize_name(listed)
    folders = import_folders(version.root)
    of_project = name == canonicalize_name(project_named(version.root))
    own = of_project or any(
        (folder / f"{stem}{end}").exists()
        for folder in folders
        for stem in set(map(_stem, into.iterdir())) - NO_PACKAGES
        for end in ("", ".py")
    )
    needed = tuple(_requirements(about, version.root, revision, python))
    release = Release(name, revision, needed, own)
    _refuse_siblings(version, release)
    if own:
        _replace_packages(into, folders, version.root)
    else:
        shutil.move(into, version.whole / PACKAGES)
    title = f"{listed} {number}"
    return replace(version, name=title, commit=None, at=None, entries=(), release=release)


def _requirements(about: Distribution, root: Path, revision: str, python: str) -> Iterator[str]:
    """What a release requires, with the extras that are asked for or that the project names."""
    extras = {"", *map(str, table_at(readable(root), "tool", "mlpperf").get("extras", []))}
    with contextlib.suppress(InvalidRequirement):  # the file of a wheel
        extras |= Requirement(revision).extras
    for text in about.requires or ():
        needed = Requirement(text)
        marker, needed.marker = needed.marker, None
        if marker is None or any(marker.evaluate({**marked(python), "extra": e}) for e in extras):
            yield str(needed)


def _refuse_siblings(version: Version, release: Release) -> None:
    """Raise if a release of the project needs another project of the repository."""
    needed = set(map(package_of, release.requirements))
    siblings = needed_projects(version.root, version.whole) if release.own else []
    for name in map(project_named, siblings):
        if canonicalize_name(name) in needed:
            raise MlpperfError(
                f"{release.name} needs {name}, another project of this repository, of which no "
                "release can be chosen: compare commits instead."
            )


def _replace_packages(wheel: Path, folders: Sequence[Path], root: Path) -> None:
    """Put what a wheel holds where a project has the same packages, and remove these."""
    for about in wheel.glob("*.dist-info"):
        for file in about.iterdir():
            if file.name not in ("METADATA", "entry_points.txt"):  # a commit has no other
                remove(file)
        (about / "INSTALLER").write_text(UNPACKED, encoding="utf-8")
    held = set(map(_stem, wheel.iterdir())) - NO_PACKAGES
    places: dict[str, Path] = {}
    for folder in folders:
        here = [entry for entry in folder.iterdir() if _stem(entry) in held]
        places = {_stem(entry): folder for entry in here} | places
        # A folder of packages only may have others that the release does not have.
        others = set(packages_in(folder)) if here and folder != root else set()
        for entry in folder.iterdir():
            if entry in here or _stem(entry) in others:
                remove(entry)
    for entry in wheel.iterdir():
        if (stem := _stem(entry)) not in NO_PACKAGES:
            shutil.move(entry, places.get(stem, folders[0]) / entry.name)


def _stem(entry: Path) -> str:
    """The package that a folder or module belongs to; the whole name of any other file."""
    is_part = entry.suffix in MODULES or (entry.is_dir() and entry.suffix in ("", ".libs"))
    return entry.name.partition(".")[0] if is_part else entry.name
