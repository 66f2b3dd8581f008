"""The command to start with: `init`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import typer

from .. import __version__
from .workflow import INCLUDED, UNKNOWN, State, generated

FIRST_STEPS = """\
mlpperf finds performance regressions: it times two versions side by side.

  mlpperf init            list the benchmarks; write settings and workflows
  mlpperf compare {base:<7} is the working tree slower than {base}?
  mlpperf report --open   what each commit changed, as pages in the browser

All commands: mlpperf --help
One of them: mlpperf compare --help
Completion in your shell: mlpperf --install-completion
"""
Ci = Literal["github", "gitlab"]
OPEN = 'MLPPERF: ""'  # in a workflow that lacks the address of mlpperf

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
    """The benchmarks that are compared of the project that `folder` is in, in files of git.

    Raises `MlpperfError` outside a git repository, or if a configuration cannot be read.
    """
    from ..engine.suites.discovery import discover
    from ..engine.suites.pyproject import entries
    from ..engine.suites.settings import settings
    from ..engine.versions.repository import project_folder
    from ..engine.versions.scratch import scratch
    from ..engine.versions.version import checked_out

    top, below = project_folder(folder)
    entries(top / below / "pyproject.toml")  # an error names this file, not the copy
    kinds = settings(top / below).suites
    with scratch("versions") as temporary:
        version = checked_out(None, top, below, temporary / "copy")
        hot_paths = version.entries if "hotpaths" in kinds else ()
        return Benchmarks(top, below, hot_paths, discover(version.root, kinds))


def init(
    ci: Annotated[
        Ci | None,
        typer.Option("--ci", help="github or gitlab (default: as the repository uses it)."),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit with 1 if a file is out of date.")
    ] = False,
) -> None:
    """List this project's benchmarks, and write settings and workflows for pull requests.

    Settings, and workflows that were edited or are not from this command, stay as they are. Above
    several projects of one repository, each that has benchmarks gets its own.
    """
    from ..engine.files import write_all
    from ..engine.git import query
    from ..engine.versions.repository import main_branch

    folder = Path.cwd()
    set_ups = [SetUp(one, ci) for one in _projects(folder)]
    top = set_ups[0].project.top
    messages = [message for one in set_ups for message in one.messages]
    if check:
        late = [message for one in set_ups for message in one.out_of_date]
        for message in late or ["Everything that mlpperf init wrote is up to date."]:
            typer.echo(message)
        raise typer.Exit(1 if late else 0)
    write_all({file: text for one in set_ups for file, text in one.contents.items()}, top)
    for message in messages:
        typer.echo(message)
    base = main_branch(top)
    on_it = query("symbolic-ref", "--quiet", "--short", "HEAD", folder=top) == base
    if on_it and query("rev-parse", "--verify", "--quiet", "HEAD~1", folder=top):
        base = "HEAD~1"  # the branch has nothing to be compared with in itself
    typer.echo(f"Next: mlpperf compare {base}")


def _projects(folder: Path) -> list[Benchmarks]:
    """The project around `folder`; those below it if it holds only other projects.

    Raises `MlpperfError` if none has benchmarks.
    """
    from ..engine.suites import show
    from ..engine.suites.pyproject import content_of
    from ..engine.versions.layout import PROJECT_FILES, projects_in
    from ..engine.versions.repository import project_folder

    top, below = project_folder(folder)
    root = top / below
    has_own = any((root / name).is_file() for name in PROJECT_FILES[1:])
    if not has_own and not {"project", "build-system"} & content_of(root / "pyproject.toml").keys():
        others = [benchmarks(one) for one in projects_in(root) if one != root]
        if with_benchmarks := [one for one in others if one.kinds]:
            return with_benchmarks
    own = benchmarks(folder)
    if not own.kinds:
        show.no_hot_paths(root, ())
    return [own]


class SetUp:
    """What `init` writes for one project, and what it prints about that.

    Attributes
    ----------
    contents : the new content of each file that it writes.
    messages : what was detected and written, a sentence each.
    out_of_date : which files are missing or out of date, a sentence each.
    """

    def __init__(self, project: Benchmarks, ci: Ci | None) -> None:
        self.project = project
        self.contents: dict[Path, bytes] = {}
        self.out_of_date: list[str] = []
        self.messages = [f"Found {place}" for place in project.places]
        for suite in project.suites:
            unseen = [f"{place}: {why}" for place, why in suite.unseen.items()]
            self.messages += [f"Note: {note}." for note in (*suite.notes, *unseen)]
        self._settings(project.top / project.below / "pyproject.toml")
        self._workflows(ci or _service(project.top))

    def _settings(self, pyproject: Path) -> None:
        from ..engine.files import shown_path
        from ..engine.suites.pyproject import content_of, settings_added

        name = shown_path(pyproject)
        if not pyproject.is_file():
            self.messages.append("No pyproject.toml: all benchmarks will be compared.")
        elif "mlpperf" in content_of(pyproject).get("tool", {}):
            self.messages.append(f"{name} has [tool.mlpperf] already.")
        else:
            settings = {"suites": self.project.kinds, "threshold": "0.5%"}
            self.contents[pyproject] = settings_added(pyproject, settings)
            self.messages.append(f"Wrote [tool.mlpperf] to {name}.")
            self.out_of_date.append(f"{name} has no [tool.mlpperf].")

    def _workflows(self, ci: Ci) -> None:
        from ..engine.files import shown_path
        from ..engine.versions.declared import declared
        from ..engine.versions.environment import NEEDS

        top, below = self.project.top, self.project.below
        packages = declared(top / below, self.project.suites)
        needs = dict.fromkeys(name for suite in self.project.suites for name in NEEDS[suite.kind])
        if packages.unlisted:
            modules = ", ".join(packages.unlisted)
            self.messages.append(
                f"Nothing lists the packages of what the benchmarks import: {modules}. Add them to "
                "the step that installs."
            )
        if not packages.python:
            self.messages.append(
                "mlpperf runs on no Python that requires-python allows: name the project's own "
                "with `mlpperf compare --python`."
            )
        is_open = False
        files = generated(top, below, list(needs), packages, ci)
        for one in files:
            (state, version), name = one.state(), shown_path(one.file)
            if state in (State.MISSING, State.OUTDATED):
                self.contents[one.file] = one.content()
                is_open |= OPEN in self.contents[one.file].decode()
                self.messages.append(f"Wrote {name}.")
            elif state is State.CURRENT:
                is_open |= OPEN in one.file.read_text("utf-8", "replace")
                self.messages.append(f"{name} is up to date.")
            else:
                self.messages.append(f"{name} {state.value}, and stays as it is.")
            is_late = state is State.EDITED and version != __version__
            if is_late or state in (State.MISSING, State.OUTDATED):
                by = f" (written by mlpperf {version})" if version else ""
                self.out_of_date.append(f"{name} {state.value}{by}.")
        if is_open:
            self.messages.append(f"Set MLPPERF in each workflow to {UNKNOWN}.")
        pipeline = top / ".gitlab-ci.yml"
        text = pipeline.read_text("utf-8", "replace") if pipeline.is_file() else INCLUDED
        if ci == "gitlab" and INCLUDED not in text:
            name = shown_path(pipeline)
            self.messages.append(f"Add to {name}: include: [{{local: {INCLUDED}}}]")
            self.out_of_date.append(f"{name} does not include {INCLUDED}.")


def first_steps(folder: Path) -> str:
    """What `mlpperf` alone prints: the three commands that one needs first."""
    from ..engine.git import query
    from ..engine.versions.repository import main_branch

    is_repository = query("rev-parse", "--git-dir", folder=folder) is not None
    return FIRST_STEPS.format(base=main_branch(folder) if is_repository else "main")


def _service(top: Path) -> Ci:
    """GitLab if the repository has its configuration or its address; else GitHub."""
    from ..engine.git import query

    remotes = query("remote", "--verbose", folder=top) or ""
    is_gitlab = (top / ".gitlab-ci.yml").is_file() and not (top / ".github").is_dir()
    return "gitlab" if is_gitlab or "gitlab" in remotes else "github"
