"""The command to start with: `init`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import typer

from .workflow import UNKNOWN, WORKFLOW, workflow

FIRST_STEPS = """\
mlpperf finds performance regressions: it times two versions side by side.

  mlpperf init            list the benchmarks; write settings and a workflow
  mlpperf compare {base:<7} is the working tree slower than {base}?
  mlpperf report --open   what each commit changed, as pages in the browser

All commands: mlpperf --help
One of them: mlpperf compare --help
Completion in your shell: mlpperf --install-completion
"""

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..engine.suites.discovery import Suite


class Benchmarks(NamedTuple):
    """The benchmarks of a project.

    Attributes
    ----------
    top, below : the repository's folder, and the project's path below it.
    entries : entries of hot paths.
    suites : asv and pytest suites.
    """

    top: Path
    below: Path
    entries: Sequence[str]
    suites: Sequence[Suite]

    @property
    def kinds(self) -> list[str]:
        """Kinds of suites, as `[tool.mlpperf] suites` names them."""
        return [*(["hotpaths"] if self.entries else []), *(suite.kind for suite in self.suites)]

    @property
    def places(self) -> list[str]:
        """Where the benchmarks are, in words."""
        return [*self.entries, *(suite.place for suite in self.suites)]


def benchmarks(folder: Path) -> Benchmarks:
    """The benchmarks of the project that `folder` is in, among the files that git tracks.

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
    entries(top / below / "pyproject.toml")  # an error names this file, not the copy
    with scratch("versions") as temporary:
        version = checked_out(None, top, below, temporary / "copy")
        return Benchmarks(top, below, version.entries, discover(version.root))


def init() -> None:
    """List this project's benchmarks, and write settings and a GitHub workflow.

    Existing files and settings stay as they are.
    """
    from ..engine.files import append_to_all
    from ..engine.suites import show
    from ..engine.suites.pyproject import content_of, settings_added
    from ..engine.versions.environment import NEEDS

    project = benchmarks(Path.cwd())
    root = project.top / project.below
    if not project.kinds:
        show.no_hot_paths(root, ())
    for place in project.places:
        typer.echo(f"Found {place}")
    messages = [f"Note: {note}." for suite in project.suites for note in suite.notes]
    files: dict[Path, bytes] = {}
    pyproject, file = root / "pyproject.toml", project.top / WORKFLOW
    if not pyproject.is_file():
        messages.append("No pyproject.toml: all benchmarks will be compared.")
    elif "mlpperf" in content_of(pyproject).get("tool", {}):
        messages.append(f"{pyproject} has [tool.mlpperf] already.")
    else:
        settings = {"suites": project.kinds, "threshold": "0.5%"}
        files[pyproject] = settings_added(pyproject, settings)
        messages.append(f"Wrote [tool.mlpperf] to {pyproject}.")
    below = project.below.as_posix()
    if file.exists() or file.is_symlink():
        messages.append(f"{file} exists already.")
        if project.below.parts and below not in file.read_text("utf-8", "replace"):
            messages.append(f"It has no job in {below}: add one.")
    else:
        needs = dict.fromkeys(name for suite in project.suites for name in NEEDS[suite.kind])
        text = workflow(root, project.below, list(needs))
        files[file] = text.encode()
        messages.append(f"Wrote {file}.")
        if UNKNOWN in text:
            messages.append(f"Set MLPPERF in it to {UNKNOWN}.")
    append_to_all(files, project.top)
    for message in messages:
        typer.echo(message)
    typer.echo(f"Next: mlpperf compare {_usual_base(project.top)}")


def first_steps(folder: Path) -> str:
    """What `mlpperf` alone prints: the three commands that one needs first."""
    from ..engine.git import query

    is_repository = query("rev-parse", "--git-dir", folder=folder) is not None
    return FIRST_STEPS.format(base=_usual_base(folder) if is_repository else "main")


def _usual_base(top: Path) -> str:
    """The main branch: the remote's default, or one of the usual names, or HEAD."""
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
