"""Packages that only one of two versions has, such as another release of a dependency.

They are installed into a folder of that version's copy. So their modules belong to the version as
its own do: a process can hold those of both, and all their files are compared and traced. What both
environments have alike, and uses nothing that differs, stays common.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from ...errors import MlpperfError
from .environment import asked, install, installed
from .layout import PACKAGES, extension_modules, import_folders, package_of
from .release import NO_PACKAGES
from .version import Version

# What runs the benchmarks of both versions, and is common to them.
HARNESS = {"pytest", "pluggy", "iniconfig", "greenlet", "asv-runner"}
INSTALLERS = {"pip", "setuptools", "wheel"}  # no benchmark is about these
NAMED_MOST = 3  # packages in the name of a version
Held = dict[str, Distribution]


@dataclass(frozen=True)
class Needs:
    """What one version needs that the other may have otherwise.

    Attributes
    ----------
    python : its interpreter.
    given : packages that the user has named for it.
    missing : requirements of its project that its interpreter's packages do not meet.
    """

    python: str
    given: Sequence[str]
    missing: Sequence[str]


def check_given(given: Sequence[str]) -> None:
    """Check that packages for one version are named so that pip and uv can install them.

    Raises `MlpperfError` for what is no requirement, or for what runs the benchmarks of both
    versions.
    """
    for text in given:
        try:
            Requirement(text)
        except InvalidRequirement as reason:
            raise MlpperfError(
                f"{text!r} is no package that one version can have; write NAME==VERSION."
            ) from reason
        if for_both([text]):
            raise MlpperfError(
                f"{package_of(text)} runs the benchmarks of both versions, which cannot have two "
                "of it; --with names one for both."
            )


def for_both(extra: Sequence[str]) -> list[str]:
    """Those of some packages that run the benchmarks of both versions."""
    return [text for text in extra if package_of(text) in HARNESS]


def install_apart(versions: Mapping[str, Version], needs: Mapping[str, Needs]) -> None:
    """Install what each version needs into its own folder, and there only what may differ.

    A package that only one version has there is installed for the other one as its interpreter has
    it.

    Raises `MlpperfError` if packages cannot be installed, for example because their requirements
    conflict.
    """
    for side, version in versions.items():
        _install(version, needs[side])
    held = {side: _held(version) for side, version in versions.items()}
    every = {name for of_side in held.values() for name in of_side}
    for side, version in versions.items():
        here = installed(needs[side].python)
        pins = [f"{n}=={here[n]}" for n in sorted(every - held[side].keys()) if n in here]
        if pins:
            options = ["--no-deps", "--target", str(version.whole / PACKAGES)]
            install(needs[side].python, options, pins, f"{', '.join(pins)}, for {version.name},")
    held = {side: _held(version) for side, version in versions.items()}
    for name in _common(held, [installed(needs[side].python) for side in versions]):
        for side, version in versions.items():
            _remove(held[side][name], version.whole / PACKAGES)


def _install(version: Version, needs: Needs) -> None:
    """Install what a version needs, other packages as its interpreter has them if possible."""
    folder = version.whole / PACKAGES
    named = set(map(package_of, needs.given))
    release = version.release.name if version.release and not version.release.own else ""
    # A requirement of the project about what is given may contradict it.
    about = [text for text in version.requirements if package_of(text) in named]
    wanted = list(dict.fromkeys([*needs.given, *needs.missing, *about]))
    wanted = [text for text in wanted if package_of(text) != release]
    if not wanted:
        return
    fixed = {package_of(text) for text in wanted}
    pins = [f"{n}=={v}" for n, v in installed(needs.python).items() if n not in fixed]
    constraints = version.whole.with_name(f"{version.whole.name}-constraints.txt")
    constraints.write_text("\n".join(pins), encoding="utf-8")
    options, what = ["--target", str(folder)], ", ".join(wanted)
    try:
        install(needs.python, [*options, "--constraint", str(constraints)], wanted, what)
    except MlpperfError:
        install(needs.python, options, wanted, what)
    own = {version.release.name} if version.release else set()
    for name, about_it in _held(version).items():
        if name in HARNESS | own - {release}:
            _remove(about_it, folder)
        elif name in map(package_of, needs.given):
            _refuse_hidden(about_it, version)


def _refuse_hidden(package: Distribution, version: Version) -> None:
    """Raise if the project has a module of a package, as its own is imported first."""
    places = [at for at in import_folders(version.root, version.whole) if at.name != PACKAGES]
    for file in package.files or ():
        of_package = file.suffix == ".py" and file.parts[0] not in NO_PACKAGES
        if of_package and any((at / file).is_file() for at in places):
            name, number = package.metadata["Name"], package.version
            raise MlpperfError(
                f"{name} {number} would not be used: the project has {file}, too, and its own is "
                f"imported first. A release of the project is a version of its own: compare "
                f"'{name}=={number}'."
            )


def _held(version: Version) -> Held:
    """The packages that only this version has."""
    folder = version.whole / PACKAGES
    return {canonicalize_name(d.metadata["Name"]): d for d in distributions(path=[str(folder)])}


def _common(held: Mapping[str, Held], environments: Sequence[Mapping[str, str]]) -> list[str]:
    """The packages that both environments have as both versions do, and that use no others."""
    base, head = held.values()
    same = {
        name
        for name in base.keys() & head.keys()
        if {base[name].version} == {head[name].version} == {here.get(name) for here in environments}
    }
    apart = (base.keys() | head.keys()) - same
    used = {name: set(map(package_of, base[name].requires or ())) for name in same}
    while new := {name for name in same - apart if apart & used[name]}:
        apart |= new
    return sorted(same - apart)


def _remove(package: Distribution, folder: Path) -> None:
    """Remove the files of a package below a folder, and the folders that are empty then."""
    files = [folder / file for file in package.files or () if ".." not in file.parts]
    for file in files:
        file.unlink(missing_ok=True)
    above = {place for file in files for place in file.parents if folder in place.parents}
    for place in sorted(above, key=lambda place: len(place.parts), reverse=True):
        with contextlib.suppress(OSError):  # another package has files there
            place.rmdir()


def why_separate(versions: Mapping[str, Version], pythons: Sequence[str]) -> str:
    """Why two versions cannot share a process with these packages; empty if they can."""
    if len(set(pythons)) > 1:
        return "each has its own Python"
    for version in versions.values():
        for file in extension_modules(version.whole / PACKAGES):
            name = file.relative_to(version.whole / PACKAGES).parts[0].partition(".")[0]
            return f"{name}, of which each has its own, has extension modules"
    return ""


def differences(
    versions: Mapping[str, Version], needs: Mapping[str, Needs]
) -> dict[str, dict[str, str]]:
    """The packages that differ between two versions, and Python; of each version by name.

    Empty if all are the same.
    """
    pythons = _pythons({side: need.python for side, need in needs.items()})
    every = {}
    for side, version in versions.items():
        held = {name: package.version for name, package in _held(version).items()}
        every[side] = {"Python": pythons[side], **installed(needs[side].python), **held}
    base, head = every.values()
    releases = [version.release for version in versions.values() if version.release]
    own = {release.name for release in releases if release.own}
    every_name = (base.keys() | head.keys()) - own - INSTALLERS
    names = sorted(name for name in every_name if base.get(name) != head.get(name))
    if not names:
        return {}
    return {side: {n: of[n] for n in names if n in of} for side, of in every.items()}


def _pythons(interpreters: Mapping[str, str]) -> dict[str, str]:
    """The version of the Python of each side; with its place if only that differs."""
    expression = "sys.version.split()[0] + ('t' if 't' in getattr(sys, 'abiflags', '') else '')"
    known = {python: str(asked(python, expression)) for python in set(interpreters.values())}
    versions = {side: known[python] for side, python in interpreters.items()}
    places = {side: str(Path(python).resolve()) for side, python in interpreters.items()}
    if len(set(places.values())) > 1 and len(set(versions.values())) == 1:
        return {side: f"{version} ({places[side]})" for side, version in versions.items()}
    return versions


def in_words(packages: Mapping[str, str]) -> str:
    """The packages of a version that differ, such as `numpy 2.2.0 and pandas 2.3.0`."""
    named = [f"{name} {version}" for name, version in packages.items()]
    if more := len(named) - NAMED_MOST:
        named = [*named[:NAMED_MOST], f"{more} more"] if more > 0 else named
    return " and ".join(filter(None, [", ".join(named[:-1]), *named[-1:]]))
