"""Which packages the benchmarks import, and where the project lists them.

A CI job has to install them: with the project's own dependencies, an extra, a dependency group, a
file of requirements, or an environment of tox.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from ...errors import MlpperfError
from ..suites.discovery import Suite
from ..suites.pyproject import content_of, ini, table_at, text_of
from .environment import asked, interpreter
from .imports import imports
from .layout import import_folders, own_packages, package_of

# Modules that come with mlpperf's worker or with the plugins whose place it takes.
PROVIDED = {"asv", "asv_runner", "greenlet", "mlpperf", "pytest", "pytest_benchmark"}
PYTHONS = ("3.13", "3.12", "3.11", "3.14")  # that run mlpperf, the preferred one first
REQUIREMENTS = ("requirements*.txt", "requirements/*.txt", "*requirements.txt")
Source = tuple[str, str, frozenset[str]]  # its kind and name, and the packages it lists


@dataclass(frozen=True)
class Declared:
    """What has to be installed for the benchmarks.

    Attributes
    ----------
    installable : whether the project itself can be installed.
    extras, groups, files : of the project, that list packages which the benchmarks import.
    requirements : of tox, for the same.
    unlisted : modules that the benchmarks import, and that nothing lists.
    python : a version of Python that the project supports; empty if mlpperf runs on none of them.
    """

    installable: bool
    extras: Sequence[str] = ()
    groups: Sequence[str] = ()
    files: Sequence[str] = ()
    requirements: Sequence[str] = ()
    unlisted: Sequence[str] = ()
    python: str = PYTHONS[0]


def declared(root: Path, suites: Sequence[Suite]) -> Declared:
    """What the benchmarks of the project in `root` need: raises `MlpperfError` for a bad file."""
    content = content_of(root / "pyproject.toml")
    build = any(key in content for key in ("project", "build-system"))
    installable = build or any((root / name).is_file() for name in ("setup.py", "setup.cfg"))
    modules = _imported(root, suites)
    providers = _installed(root) if modules else {}
    # A package may have another name than its module, which only an environment knows.
    wanted = {
        module: {canonicalize_name(name) for name in [module, *providers.get(module, ())]}
        for module in modules
    }
    sources = list(_sources(root, content))
    if not installable and (root / "requirements.txt").is_file():
        sources.insert(
            0,
            ("own", "requirements.txt", _packages(text_of(root / "requirements.txt").splitlines())),
        )
    chosen: dict[str, list[str]] = {"own": [], "extra": [], "group": [], "file": [], "tox": []}
    chosen["extra"] += map(str, table_at(content, "tool", "mlpperf").get("extras", []))
    for kind, name, packages in sources:
        served = [module for module, names in wanted.items() if names & packages]
        if (served or (kind == "own" and name)) and name not in chosen[kind]:
            chosen[kind].append(name)
        for module in served:
            del wanted[module]
    return Declared(
        installable,
        chosen["extra"],
        chosen["group"],
        [*filter(None, chosen["own"]), *chosen["file"]],
        chosen["tox"],
        list(wanted),
        _python(table_at(content, "project").get("requires-python")),
    )


def _python(supported: object) -> str:
    try:
        versions = SpecifierSet(supported if isinstance(supported, str) else "")
    except InvalidSpecifier:
        return PYTHONS[0]
    # The latest patch release of each is meant, whatever its number.
    return next((one for one in PYTHONS if versions.contains(f"{one}.99")), "")


def _imported(root: Path, suites: Sequence[Suite]) -> list[str]:
    """The modules of other packages that the files of the suites import."""
    own = set(own_packages(import_folders(root))) | PROVIDED | set(sys.stdlib_module_names)
    given = [root / name for suite in suites for name in suite.files]
    files = [one for at in given for one in ([at] if at.is_file() else at.rglob("*.py"))]
    beside = {part for file in files for part in (file.stem, *file.relative_to(root).parts[:-1])}
    modules: dict[str, None] = {}
    for file in sorted(set(files)):
        if file.suffix == ".py":
            modules |= dict.fromkeys(imports(file.read_bytes()).packages)
    return [module for module in modules if module not in own | beside]


def _installed(root: Path) -> dict[str, list[str]]:
    """The packages that provide each module, in the project's environment; empty if unknown."""
    try:
        known = asked(interpreter(root), "getattr(metadata, 'packages_distributions', dict)()")
    except MlpperfError:
        return {}
    return dict(known)


def _sources(root: Path, content: dict[str, Any]) -> Iterator[Source]:
    """The lists of packages, those first that are installed anyway."""
    project = table_at(content, "project")
    yield "own", "", _packages(project.get("dependencies"))
    for name, listed in table_at(project, "optional-dependencies").items():
        yield "extra", name, _packages(listed)
    groups = table_at(content, "dependency-groups")
    for name in groups:
        yield "group", name, _packages(list(_of_group(name, groups, ())))
    for file in sorted({file for pattern in REQUIREMENTS for file in root.glob(pattern)}):
        yield "file", file.relative_to(root).as_posix(), _packages(text_of(file).splitlines())
    for text in _of_tox(root / "tox.ini"):
        yield "tox", text, _packages([text])


def _of_group(name: str, groups: dict[str, Any], seen: Sequence[str]) -> Iterator[object]:
    listed = groups.get(name)
    for entry in listed if isinstance(listed, list) and name not in seen else ():
        other = entry.get("include-group") if isinstance(entry, dict) else None
        yield from _of_group(other, groups, [*seen, name]) if isinstance(other, str) else [entry]


def _of_tox(file: Path) -> list[str]:
    """The packages that environments of tox list, without options and factors."""
    tox = ini(file)
    texts = [tox.get(section, "deps", fallback="") for section in tox.sections()]
    lines = [line.strip() for text in texts for line in text.splitlines()]
    return [line for line in dict.fromkeys(lines) if re.fullmatch(r"[\w.-]+[\w.,<>=!~\[\]]*", line)]


def _packages(listed: object) -> frozenset[str]:
    """The names of the packages in a list of requirements."""
    texts: Iterable[object] = listed if isinstance(listed, list) else ()
    return frozenset(package_of(text) for text in texts if isinstance(text, str)) - {""}
