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
from .layout import import_folders, project_named, pyproject

VERSION_FILE = """# The version, where the build would write it.
__version__ = version = {version!r}
__version_tuple__ = version_tuple = {parts!r}
__commit_id__ = commit_id = None
"""


def complete(root: Path, commit: str | None, top: Path) -> None:
    """Write what a build would have written, into the copy of a commit in `root`.

    The version is what the project says itself, or its last tag.
    """
    content = pyproject(root)
    project = content.get("project", {})
    name = project_named(root)
    version = str(project.get("version") or _last_tag(commit, top))
    for place in _version_files(content.get("tool", {})):
        file = root / place
        if not file.exists() and file.parent.is_dir():
            parts = tuple(int(p) if p.isdigit() else p for p in version.split("."))
            file.write_text(VERSION_FILE.format(version=version, parts=parts), encoding="utf-8")
    if name:
        folder = import_folders(root)[0]
        about = folder / f"{re.sub(r'[-_.]+', '_', str(name))}-{version}.dist-info"
        about.mkdir(exist_ok=True)
        said = f"Metadata-Version: 2.1\nName: {canonicalize_name(str(name))}\nVersion: {version}\n"
        (about / "METADATA").write_text(said, encoding="utf-8")


def _last_tag(commit: str | None, top: Path) -> str:
    """The version that the last tag before a commit names; 0 if none does."""
    try:
        asked = ("describe", "--tags", "--abbrev=0", "--match", "*[0-9]*", commit or "HEAD")
        tag = git(*asked, folder=top).decode().strip()
        return str(Version(re.sub(r"^\D*", "", tag)))
    except (MlpperfError, InvalidVersion):
        return "0"


def _version_files(tools: dict[str, Any]) -> Iterator[str]:
    """Where tools that take the version from git write it."""
    scm = tools.get("setuptools_scm", {})
    hooks = tools.get("hatch", {}).get("build", {}).get("hooks", {})
    pdm = tools.get("pdm", {}).get("version", {})
    for place in (
        scm.get("version_file"),
        scm.get("write_to"),
        hooks.get("vcs", {}).get("version-file"),
        pdm.get("write_to"),
    ):
        if isinstance(place, str):
            yield place
