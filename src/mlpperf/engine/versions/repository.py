"""The repository whose commits are compared: the one we are in, or the one that its suite is about.

An asv suite may have a repository of its own; its configuration then names that of the project.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import MlpperfError
from ..git import git, query
from ..inside import inside
from ..suites.discovery import asv_configuration
from .checkout import project_folder


@dataclass(frozen=True)
class Source:
    """Where versions come from.

    Attributes
    ----------
    top, project : of the repository, and the path of the project's folder below it.
    suites : the top of the repository that the suites are in, if it is another one.
    head : the commit to judge if nobody says; None for the working tree.
    """

    top: Path
    project: Path
    suites: Path | None = None
    head: str | None = None


def source(folder: Path, into: Path) -> Source:
    """The repository that `folder` is in, or the one that its asv suite names.

    That is a folder, or an address, from which it is cloned into `into`.

    Raises
    ------
    MlpperfError
        Outside a repository or project, or if the other repository cannot be had.
    """
    top = query("rev-parse", "--show-toplevel", folder=folder)
    named = _named(Path(top)) if top else None
    if not (top and named):
        return Source(*project_folder(folder))
    address, branches, below = named
    if not Path(address).is_dir():
        clone = into / "repository"
        try:
            git("clone", "--quiet", "--template=", "--", address, str(clone))
            # Branches get their own names, in this clone and nowhere else.
            every = "+refs/heads/*:refs/heads/*"
            fetch = (f"--git-dir={clone / '.git'}", "fetch", "--quiet", "--update-head-ok")
            git(*fetch, "origin", every, folder=clone)
        except MlpperfError as reason:
            raise MlpperfError(
                f"The repository of the project, {address}, cannot be cloned ({reason})."
            ) from reason
        return Source(*_project(clone, below), Path(top), next(iter(branches), "HEAD"))
    return Source(*_project(Path(address), below), Path(top))


def _project(top: Path, below: object) -> tuple[Path, Path]:
    """The project in the folder that asv's configuration names, `repo_subdir`, of a repository."""
    return project_folder(inside(top, below, "repo_subdir") if below else top)


def _named(top: Path) -> tuple[str, Sequence[str], object] | None:
    """The repository that the suite below `top` is about, if it is another.

    With its branches, and the folder of its project, as the configuration names them.
    """
    configuration = asv_configuration(top)
    if configuration is None:
        return None
    file, content = configuration
    address, below = str(content.get("repo", "")), content.get("repo_subdir")
    listed = content.get("branches")
    branches = [str(name) for name in listed] if isinstance(listed, list) else []
    folder = file.parent / address
    if address and not folder.is_dir() and ("://" in address or "@" in address):
        return address, branches, below
    where = query("rev-parse", "--show-toplevel", folder=folder) if folder.is_dir() else None
    if where is None or Path(where).resolve() == top.resolve():
        return None
    return where, branches, below
