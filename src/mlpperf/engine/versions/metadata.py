"""Completes the files of a commit with what an installed project has besides its code.

Code that asks `importlib.metadata` for its own version, or imports a file that holds the version,
finds both in an installed project, but neither in an export.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from ...errors import MlpperfError
from ..git import query
from ..inside import inside
from ..suites.pyproject import readable, table_at
from .layout import import_folders, project_named

VERSION_FILE = """# The version, where the build would write it.
__version__ = version = {version!r}
__version_tuple__ = version_tuple = {parts!r}
__commit_id__ = commit_id = None
"""


def complete(root: Path, commit: str | None, top: Path) -> str:
    """Write metadata and version files into the copy of a commit in `root`.

    The version, which is the result, is that of the configuration, or that of the last tag.

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
    return version


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
