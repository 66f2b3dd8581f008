"""What the files of a commit lack to be a project: what is written when it is built.

Code that asks `importlib.metadata` for its own version, or imports a file in which that stands,
finds both in an installed project, and neither in the files of a commit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from ...errors import MlpperfError
from ..git import git
from ..inside import inside
from .layout import import_folders, project_named, pyproject, table_at

VERSION_FILE = """# The version, where the build would write it.
__version__ = version = {version!r}
__version_tuple__ = version_tuple = {parts!r}
__commit_id__ = commit_id = None
"""


def complete(root: Path, commit: str | None, top: Path) -> None:
    """Write what a build would have written, into the copy of a commit in `root`.

    The version is what the project says itself, or its last tag.

    Raises
    ------
    MlpperfError
        If its configuration names a place outside of the project, or no name of a project.
    """
    content = pyproject(root)
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
            called = f"{re.sub(r'[-_.]+', '_', name)}-{version}.dist-info"
            about = inside(folder, called, "What the project is called when installed")
            if about.parent != folder:
                raise MlpperfError(f"No project can be called {name!r}, version {version!r}.")
            about.mkdir(exist_ok=True)
            said = f"Metadata-Version: 2.1\nName: {canonicalize_name(name)}\nVersion: {version}\n"
            (about / "METADATA").write_text(said, encoding="utf-8")
    except OSError as reason:
        raise MlpperfError(f"The copy in {root} cannot be completed: {reason}.") from reason


def _last_tag(commit: str | None, top: Path) -> str:
    """The version that the last tag before a commit names; 0 if none does."""
    try:
        asked = ("describe", "--tags", "--abbrev=0", "--match", "*[0-9]*", commit or "HEAD")
        tag = git(*asked, folder=top).decode().strip()
        return str(Version(re.sub(r"^\D*", "", tag)))
    except (MlpperfError, InvalidVersion):
        return "0"


def _version_files(tools: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The settings by which tools that take the version from git write it, and where to."""
    for *names, key in (
        ("setuptools_scm", "version_file"),
        ("setuptools_scm", "write_to"),
        ("hatch", "build", "hooks", "vcs", "version-file"),
        ("pdm", "version", "write_to"),
    ):
        place = table_at(tools, *names).get(key)
        if isinstance(place, str):
            yield f"[tool.{'.'.join(names)}] {key}", place
