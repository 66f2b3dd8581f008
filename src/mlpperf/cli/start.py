"""The command that a project begins with: `init`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import typer

from .workflow import UNKNOWN, WORKFLOW, workflow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..engine.suites.discovery import Suite


class Benchmarks(NamedTuple):
    """What a project has to compare.

    Attributes
    ----------
    top, below : of the repository, and the path of the project's folder below it.
    entries : of its hot paths.
    suites : its other benchmarks.
    """

    top: Path
    below: Path
    entries: Sequence[str]
    suites: Sequence[Suite]

    @property
    def kinds(self) -> list[str]:
        """The names that [tool.mlpperf] suites has for them."""
        return [*(["hotpaths"] if self.entries else []), *(suite.kind for suite in self.suites)]

    @property
    def places(self) -> list[str]:
        """Where they are, for people."""
        return [*self.entries, *(suite.place for suite in self.suites)]


def benchmarks(folder: Path) -> Benchmarks:
    """What the project that `folder` is in has: of its files, those that git does not ignore.

    Raises
    ------
    MlpperfError
        Outside a git repository, or if a configuration cannot be read.
    """
    from ..engine.suites.discovery import discover
    from ..engine.suites.pyproject import entries
    from ..engine.versions.repository import project_folder
    from ..engine.versions.scratch import scratch
    from ..engine.versions.version import checked_out

    top, below = project_folder(folder)
    entries(top / below / "pyproject.toml")  # what is wrong with it is wrong there, not in a copy
    with scratch("versions") as temporary:
        version = checked_out(None, top, below, temporary / "copy")
        return Benchmarks(top, below, version.entries, discover(version.root))


def init() -> None:
    """Show which benchmarks this project has, and write settings and a workflow for GitHub.

    What is there already stays as it is.
    """
    from ..engine.files import append_to_all
    from ..engine.suites import show
    from ..engine.suites.pyproject import content_of, settings_added
    from ..engine.versions.environment import NEEDS

    found = benchmarks(Path.cwd())
    root = found.top / found.below
    if not found.kinds:
        show.no_hot_paths(root, ())
    for place in found.places:
        typer.echo(f"Found {place}")
    said: list[str] = []
    files: dict[Path, bytes] = {}
    pyproject, file = root / "pyproject.toml", found.top / WORKFLOW
    if not pyproject.is_file():
        said.append("No pyproject.toml: everything that is found will be compared.")
    elif "mlpperf" in content_of(pyproject).get("tool", {}):
        said.append(f"{pyproject}: [tool.mlpperf] is there already.")
    else:
        settings = {"suites": found.kinds, "threshold": "0.5%"}
        files[pyproject] = settings_added(pyproject, settings)
        said.append(f"{pyproject}: [tool.mlpperf] is written.")
    if file.exists() or file.is_symlink():
        said.append(f"{file} is there already.")
        if found.below.parts and found.below.as_posix() not in file.read_text("utf-8", "replace"):
            said.append(f"It has no job in {found.below.as_posix()}: add one.")
    else:
        needs = dict.fromkeys(name for suite in found.suites for name in NEEDS[suite.kind])
        text = workflow(root, found.below, list(needs))
        files[file] = text.encode()
        said.append(f"{file} is written.")
        if UNKNOWN in text:
            said.append(f"Write into its line MLPPERF {UNKNOWN}: it is not known here.")
    append_to_all(files, found.top)
    for sentence in said:
        typer.echo(sentence)
    typer.echo(f"Next: mlpperf compare {_usual_base(found.top)}")


def _usual_base(top: Path) -> str:
    """The branch that others start from: the remote's, or one of the usual names, or HEAD."""
    from ..engine.git import query

    def is_there(reference: str) -> bool:
        return bool(query("rev-parse", "--verify", "--quiet", reference, folder=top))

    remote = query("symbolic-ref", "--short", "refs/remotes/origin/HEAD", folder=top) or ""
    names = [remote.removeprefix("origin/"), "main", "master", "trunk", "develop"]
    for name in filter(None, names):
        if is_there(f"refs/heads/{name}"):
            return name
    if remote and is_there(f"refs/remotes/{remote}"):
        return remote
    return query("symbolic-ref", "--quiet", "--short", "HEAD", folder=top) or "HEAD"
