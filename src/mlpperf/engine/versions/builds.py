"""Completes the files of a commit: writes into a copy what a build would have written there.

Extension modules are compiled. Code that asks `importlib.metadata` for its own version, or imports
a file that holds the version, finds both in an installed project, but neither in an export.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from ...errors import MlpperfError
from ..git import query
from ..inside import inside
from ..suites.pyproject import readable, table_at
from .environment import install
from .layout import BUILT, import_folders, project_named

# Build backends that compile; others may, if a configuration asks for it.
COMPILING = ("maturin", "mesonpy", "scikit_build_core", "setuptools_rust", "py_build_cmake")
EXTENSION = re.compile(r"\bext_modules\b|\bExtension\(|\bcythonize\b|\bcffi_modules\b|ext-modules")
VERSION_FILE = """# The version, where the build would write it.
__version__ = version = {version!r}
__version_tuple__ = version_tuple = {parts!r}
__commit_id__ = commit_id = None
"""


def is_compiled(root: Path) -> str:
    """Why a project has extension modules, by its configuration; empty if it has none."""
    backend = str(table_at(readable(root), "build-system").get("build-backend", ""))
    if backend.partition(".")[0] in COMPILING:
        return f"extension modules, built by {backend}"
    for name in ("setup.py", "setup.cfg", "pyproject.toml"):
        file = root / name
        if file.is_file() and EXTENSION.search(file.read_text(encoding="utf-8", errors="replace")):
            return f"extension modules, by its {name}"
    return ""


def build(root: Path, python: str) -> None:
    """Build the project in `root` into the folder where `import_folders` looks for it."""
    folder = root / BUILT
    _remove(folder)  # whatever a commit has in its place
    install(python, ["--no-deps", "--target", str(folder)], [str(root)], f"The project in {root}")
    # The sources lack the extension modules, so they must not be imported instead.
    for package in (entry for entry in folder.iterdir() if (root / entry.name).is_dir()):
        for source in (root / package.name).rglob("*"):
            target = folder / source.relative_to(root)
            if source.is_file() and not target.exists():  # such as tests inside the package
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, target)
        _remove(root / package.name)
        # Relative, so that a copy of the folder leads to its own.
        (root / package.name).symlink_to(Path(BUILT, package.name), target_is_directory=True)


def _remove(path: Path) -> None:
    """Remove a folder with its content, a file, or a link, but not what a link leads to."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def complete(root: Path, commit: str | None, top: Path) -> None:
    """Write metadata and version files into the copy of a commit in `root`.

    The version is that of the configuration, or that of the last tag.

    Raises
    ------
    MlpperfError
        If the configuration names a file outside of the project, or an invalid name.
    """
    content = readable(root)
    project = table_at(content, "project")
    name = " ".join(project_named(root).split())
    version = " ".join(str(project.get("version") or _last_tag(commit, top)).split())
    try:
        for setting, place in _version_files(table_at(content, "tool")):
            file = inside(root, place, setting)
            if file.parent.is_dir() and not (file.exists() or file.is_symlink()):
                parts = tuple(int(p) if p.isdecimal() else p for p in version.split("."))
                text = VERSION_FILE.format(version=version, parts=parts)
                file.write_text(text, encoding="utf-8")
        if name:
            folder = import_folders(root)[0]
            info = f"{re.sub(r'[-_.]+', '_', name)}-{version}.dist-info"
            about = inside(folder, info, "The folder of the project's metadata")
            if about.parent != folder:
                raise MlpperfError(f"No project can be called {name!r}, version {version!r}.")
            about.mkdir(exist_ok=True)
            text = f"Metadata-Version: 2.1\nName: {canonicalize_name(name)}\nVersion: {version}\n"
            (about / "METADATA").write_text(text, encoding="utf-8")
    except OSError as reason:
        raise MlpperfError(f"The copy in {root} cannot be completed: {reason}.") from reason


def _last_tag(commit: str | None, top: Path) -> str:
    """The version that the last tag before a commit names; 0 if none does."""
    describe = ("describe", "--tags", "--abbrev=0", "--match", "*[0-9]*", commit or "HEAD")
    try:
        return str(Version(re.sub(r"^\D*", "", query(*describe, folder=top) or "0")))
    except InvalidVersion:
        return "0"


def _version_files(tools: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The settings that name a file for the version, and that file."""
    for *names, key in (
        ("setuptools_scm", "version_file"),
        ("setuptools_scm", "write_to"),
        ("hatch", "build", "hooks", "vcs", "version-file"),
        ("pdm", "version", "write_to"),
    ):
        place = table_at(tools, *names).get(key)
        if isinstance(place, str):
            yield f"[tool.{'.'.join(names)}] {key}", place
