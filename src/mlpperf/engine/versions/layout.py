"""Locates the packages of a project, whatever its layout.

In this order: the folders that its build configuration names, `src` or the project's own folder,
and the projects of the same repository that it depends on. Editable installs and `PYTHONPATH` may
add folders: the worker reads these (`worker.origins`).
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path, PurePosixPath

from packaging.utils import canonicalize_name

from ..suites.pyproject import ini, readable, table_at, text_of

BUILT = "mlpperf-built"  # the folder in a project's own that holds what was built
SOURCES = "mlpperf-sources.json"  # in there: which file of the repository each file was made from
PACKAGES = "mlpperf-packages"  # the folder in a copy with packages that only this version has
INSTALLER = "mlpperf"  # in a file of this name, of metadata that were not built
UNPACKED = "mlpperf, of a release"  # likewise, of metadata that a release has brought
PROJECT_FILES = ("pyproject.toml", "setup.py", "setup.cfg")
DEEPEST = 5  # levels of folders in which other projects of a repository are looked for
# Settings below `tool` with folders of packages; the one called `packages` names these themselves.
FOLDERS = (
    "setuptools.packages.find.where",
    *("hatch.build.targets.wheel.packages", "hatch.build.targets.wheel.sources"),
    *("hatch.build.targets.sdist.packages", "hatch.build.targets.sdist.sources"),
    *("hatch.build.sources", "hatch.build.dev-mode-dirs"),
    *("poetry.packages", "pdm.build.package-dir", "maturin.python-source"),
    *("uv.build-backend.module-root", "scikit-build.wheel.packages"),
    "pytest.ini_options.pythonpath",
)
IGNORED = {"node_modules", "__pycache__", "site-packages", BUILT, PACKAGES}


def import_folders(root: Path, copy: Path | None = None) -> tuple[Path, ...]:
    """The folders with the packages of the project in `root`; the first is the project's own.

    `copy` is the folder of the whole repository that holds `root`. The packages of a project that
    was built are where they were installed. Packages that only this version has come last.
    """
    folders = [root / BUILT]
    if not folders[0].is_dir():
        projects = (root, *needed_projects(root, copy or root))
        folders = [folder for one in projects for folder in own_folders(one)]
    apart = (copy or root) / PACKAGES
    return tuple(dict.fromkeys([*folders, *([apart] if apart.is_dir() else [])]))


def built_from(root: Path) -> dict[str, str]:
    """Which file each Python file of a built project comes from; empty for one that is not built.

    Both paths are below the folder of the whole repository.
    """
    file = root / BUILT / SOURCES
    sources: dict[str, str] = json.loads(file.read_bytes()) if file.is_file() else {}
    return sources


def in_repository(name: str, sources: Mapping[str, str]) -> str:
    """A name that begins with `file:`, with the file that this was built from, or installed as.

    `sources` are those of `built_from`.
    """
    file, colon, rest = name.partition(":")
    return f"{sources.get(file, file).removeprefix(f'{PACKAGES}/')}{colon}{rest}"


def needed_projects(root: Path, copy: Path) -> list[Path]:
    """The folders of the projects in a repository that the one in `root` depends on."""
    projects = list(projects_in(copy))
    needed = [other for other in projects if other != root and _needs(root, other)]
    for other in needed:  # grows by the projects that these depend on
        needed += [one for one in projects if one not in (root, *needed) and _needs(other, one)]
    return needed


def own_packages(folders: Iterable[Path]) -> tuple[str, ...]:
    """The names of the top-level packages and modules in some folders."""
    return tuple(dict.fromkeys(name for folder in folders for name in packages_in(folder)))


def packages_in(folder: Path) -> Iterator[str]:
    """The packages in a folder; one without an `__init__.py` needs a Python file below it."""
    for entry in sorted(folder.iterdir()) if folder.is_dir() else ():
        name = entry.name if entry.is_dir() else entry.stem
        if not name.isidentifier() or name in sys.stdlib_module_names or name in IGNORED:
            continue
        if entry.suffix == ".py" if entry.is_file() else next(entry.rglob("*.py"), None):
            yield name


def extension_modules(folder: Path) -> list[Path]:
    """The compiled modules below a folder, which a process can load only once."""
    suffixes = tuple(EXTENSION_SUFFIXES)
    return sorted(file for file in folder.rglob("*") if file.name.endswith(suffixes))


def own_folders(project: Path) -> list[Path]:
    """The folders that the packages of one project are in."""
    places = [project / place for place in _configured(project)]
    top = project.resolve()
    folders = [at for at in places if at.is_dir() and at.resolve().is_relative_to(top)]
    source = project / "src"
    if source.is_dir() and any(packages_in(source)):
        folders.append(source)
    return list(dict.fromkeys(folders)) or [project]


def projects_in(copy: Path) -> Iterator[Path]:
    """The folders of all projects in a repository."""
    for folder, folders, files in os.walk(copy):
        depth = len(Path(folder).relative_to(copy).parts)
        keep = [name for name in folders if name[:1] != "." and name not in IGNORED]
        folders[:] = sorted(keep) if depth < DEEPEST else []
        if any(name in files for name in PROJECT_FILES):
            yield Path(folder)


def _needs(project: Path, other: Path) -> bool:
    """Whether a project depends on another one of its repository, or is only its workspace."""
    content = readable(project)
    about, poetry = table_at(content, "project"), table_at(content, "tool", "poetry")
    if not about and not poetry and not any((project / n).is_file() for n in PROJECT_FILES[1:]):
        return other.is_relative_to(project)
    optional = table_at(about, "optional-dependencies")
    groups = table_at(content, "dependency-groups")
    lists = [about.get("dependencies"), *optional.values(), *groups.values()]
    names = {package_of(text) for texts in lists for text in _names(texts)}
    names |= {canonicalize_name(name) for name in table_at(poetry, "dependencies")}
    for group in table_at(poetry, "group").values():
        names |= {canonicalize_name(name) for name in table_at(group, "dependencies")}
    names |= {canonicalize_name(name) for name in table_at(content, "tool", "uv", "sources")}
    names |= set(map(package_of, _listed_for_setup(project)))
    return canonicalize_name(project_named(other)) in names


def _listed_for_setup(project: Path) -> Iterator[str]:
    """The requirements in setup.cfg; every text in setup.py, and every line of files for pip."""
    parser = ini(project / "setup.cfg")
    for name in ("install_requires", "setup_requires", "tests_require"):
        yield from parser.get("options", name, fallback="").splitlines()
    if parser.has_section("options.extras_require"):
        for name in parser.options("options.extras_require"):
            yield from parser.get("options.extras_require", name).splitlines()
    text = re.sub(r"\bname\s*=\s*([\"'])[^\"']*\1", "", text_of(project / "setup.py"))
    for quoted in re.findall(r"\"([^\"]+)\"|'([^']+)'", text):
        yield from "".join(quoted).splitlines()
    for file in project.glob("*requirements*.txt"):
        yield from text_of(file).splitlines()


def package_of(requirement: str) -> str:
    """The package that a requirement is about; empty for what is no requirement."""
    name = re.match(r"\s*([A-Za-z0-9][\w.-]*)", requirement)
    return canonicalize_name(name[1]) if name else ""


def project_named(project: Path) -> str:
    """The name of a project in its pyproject.toml, setup.cfg or setup.py; empty if none has it."""
    content = readable(project)
    for table in (table_at(content, "project"), table_at(content, "tool", "poetry")):
        if isinstance(table.get("name"), str):
            return str(table["name"])
    for file in ("setup.cfg", "setup.py"):
        named = r"(?:^|\bsetup\(|,)\s*name\s*=\s*[\"']?([\w.-]+)"
        if match := re.search(named, text_of(project / file), re.M):
            return match[1]
    return ""


def _configured(project: Path) -> Iterator[str]:
    """The folders of packages in the configuration of build backends and of pytest."""
    tool = table_at(readable(project), "tool")
    for package, source in table_at(tool, "setuptools", "package-dir").items():
        yield _above(str(source)) if package else str(source)
    for setting in FOLDERS:
        *keys, last = setting.split(".")
        listed = table_at(tool, *keys).get(last)
        for one in listed if isinstance(listed, list) else ():
            if isinstance(one, dict):  # of Poetry
                yield str(one.get("from", "."))
        yield from map(_above, _names(listed)) if last == "packages" else _names(listed)
    yield from _of_setup_files(project)


def _of_setup_files(project: Path) -> Iterator[str]:
    parser = ini(project / "setup.cfg")
    for line in parser.get("options", "package_dir", fallback="").splitlines():
        package, equals, place = line.partition("=")
        if equals:
            yield _above(place.strip()) if package.strip() else place.strip()
    yield from _names(parser.get("options.packages.find", "where", fallback=None))
    text = text_of(project / "setup.py")
    yield from re.findall(r"package_dir\s*=\s*\{\s*[\"'][\"']\s*:\s*[\"']([^\"']+)", text)
    yield from re.findall(r"find(?:_namespace)?_packages\(\s*(?:where\s*=\s*)?[\"']([^\"']+)", text)


def _above(place: str) -> str:
    """The parent of a package's folder."""
    return str(PurePosixPath(place).parent)


def _names(value: object) -> list[str]:
    if isinstance(value, str):
        return value.split()
    if isinstance(value, dict):
        return list(map(str, value))
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
