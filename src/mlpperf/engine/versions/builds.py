"""Builds the projects that have extension modules, unless a wheel of the same sources is kept.

A build always begins with nothing but the files of its version. A build folder that is kept from
one version to the next would save time, but setuptools does not compile again for a changed header,
and no backend for a file that its configuration does not name: the old object would be timed for
the new source. ccache keeps objects by their content, and is supported.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import MlpperfError
from ..suites.build_settings import USUAL, BuildSettings
from .build_backend import Backend, compiling_backend
from .build_cache import Kept, building, entry_name, group_folder, keep, look_up, trim
from .build_environment import build_variables, origin, prepared
from .build_inputs import Mentions, copied_files, inventory, mentions
from .build_process import Commands, run_all
from .layout import BUILT
from .scratch import scratch
from .unpack import unpack

FORMAT = 1  # of the kept wheels; a higher one makes all wheels that were kept before useless
EXTENSION = re.compile(r"\bext_modules\b|\bExtension\(|\bcythonize\b|\bcffi_modules\b|ext-modules")
# Variables with the version for backends that ask git, of which a copy has nothing.
VERSIONS = ("SETUPTOOLS_SCM_PRETEND_VERSION", "PDM_BUILD_SCM_VERSION")


@dataclass(frozen=True)
class Job:
    """A project to be built.

    Attributes
    ----------
    name : of its version, for messages.
    root : the folder of its files.
    whole : the folder of the repository's files around it; None if that is `root`.
    version : what a backend that asks git for the version shall use.
    """

    name: str
    root: Path
    whole: Path | None = None
    version: str = ""

    @property
    def top(self) -> Path:
        """The folder with all files that a build may read."""
        return self.whole or self.root


def is_compiled(root: Path, settings: BuildSettings = USUAL) -> str:
    """Why a project has to be built, by its configuration; empty if it has no extension modules."""
    if backend := compiling_backend(root):
        return f"extension modules, built by {backend}"
    for name in ("setup.py", "setup.cfg", "pyproject.toml"):
        file = root / name
        if file.is_file() and EXTENSION.search(file.read_text(encoding="utf-8", errors="replace")):
            return f"extension modules, by its {name}"
    return "extension modules, by [tool.mlpperf.build] command" if settings.commands else ""


def build(
    root: Path,
    python: str,
    settings: BuildSettings = USUAL,
    progress: Callable[[str], None] = lambda text: None,
) -> Path:
    """Build the project in `root`; the result is the folder in it with all that was installed."""
    build_all([Job(root.name, root)], python, settings, progress)
    return root / BUILT


def build_all(
    jobs: Sequence[Job],
    python: str,
    settings: BuildSettings,
    progress: Callable[[str], None] = lambda text: None,
) -> None:
    """Build projects into the folders where `import_folders` looks for them.

    Nothing but that folder changes below a root: builds run in copies.

    Raises
    ------
    MlpperfError
        If a build fails or does not end in time, or something that it needs cannot be installed.
    """
    with scratch("build") as work:
        builds = [_Build.of(job, python, settings, work / str(i)) for i, job in enumerate(jobs)]
        if not all(one.is_kept() for one in builds):
            progress("waiting for another build of the same version")
            with building((one.group, entry_name(one.files)) for one in builds):
                _build_missing(builds, progress)
            trim(settings.cache_limit)
        for one in builds:
            progress(f"installing {one.job.name}")
            one.install()


def _build_missing(builds: Sequence[_Build], progress: Callable[[str], None]) -> None:
    """Build what is not kept, side by side where that helps; a wheel may then serve the others."""
    while missing := [one for one in builds if not one.is_kept()]:
        batch = missing[:1]
        if missing[0].runs_alone and _processors() > 1:
            batch += [one for one in missing[1:] if not one.may_share(missing[0])]
        names = " and ".join(one.job.name for one in batch)
        done = len(builds) - len(missing) + len(batch)
        text = f"building {names}: {done} of {len(builds)}"
        limit = batch[0].settings.timeout
        run_all([one.preparation() for one in batch if one.hooks], limit, progress, text)
        for one in batch:
            progress(f"{text}, its build requirements")
            one.prepare()
        run_all([one.commands() for one in batch], limit, progress, text)
        for one in batch:
            one.keep()


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass
class _Build:
    """One build, in a folder of its own, `work`."""

    job: Job
    python: str
    settings: BuildSettings
    work: Path
    files: Mapping[str, str]
    named: Mentions
    backend: Backend
    variables: Mapping[str, str]
    group: Path
    kept: Kept | None = None
    environment: tuple[str, str] = "", ""

    @classmethod
    def of(cls, job: Job, python: str, settings: BuildSettings, work: Path) -> _Build:
        work.mkdir()
        (work / "temporary").mkdir()
        # ccache, where it is used, then knows a file in another folder.
        given = {"CCACHE_BASEDIR": str(work), "CCACHE_NOHASHDIR": "1"}
        variables = build_variables(python, work / "temporary", {**given, **settings.environment})
        about = origin(python, {**variables, "CCACHE_BASEDIR": ""})
        group = group_folder([FORMAT, about, settings.packages, settings.commands, settings.config])
        files = {**inventory(job.top), "(version)": job.version}
        named = mentions(job.top, files, "\n".join(map(" ".join, settings.commands)))
        if job.version:
            variables |= {name: job.version for name in VERSIONS if name not in variables}
        backend = Backend.of(job.root)
        return cls(job, python, settings, work, files, named, backend, variables, group)

    @property
    def hooks(self) -> bool:
        """Whether the build backend builds the wheel, rather than commands of the settings."""
        return not self.settings.commands

    @property
    def runs_alone(self) -> bool:
        """Whether the build leaves processors free."""
        return self.hooks and not self.backend.compiles

    def may_share(self, other: _Build) -> bool:
        """Whether only Python files and files that no build reads differ from another version."""
        return self.group == other.group and all(
            path.endswith(".py") or self.named.is_aside(path)
            for path in self.files.keys() | other.files.keys()
            if self.files.get(path) != other.files.get(path)
        )

    def is_kept(self) -> bool:
        """Look the wheel up."""
        self.kept = self.kept or look_up(self.group, self.files, self.named, self.work)
        return self.kept is not None

    def _prepared(self, more: Sequence[str] = ()) -> tuple[str, str]:
        wanted = [*self.backend.requires, *self.settings.packages, *more]
        what = f"What the build of {self.job.name} requires"
        return prepared(self.group, self.python, wanted, what)

    def preparation(self) -> Commands:
        """What asks the backend for further requirements; it may write into the copy."""
        self._copy()
        self.environment = self._prepared()
        return self._commands([self._hook(requires=str(self.work / "requires.json"))])

    def prepare(self) -> None:
        """Make the environment of the build."""
        answer = self.work / "requires.json"
        more = json.loads(answer.read_bytes()) if answer.is_file() else []
        self.environment = self._prepared(list(map(str, more)))

    def commands(self) -> Commands:
        """What builds the wheel."""
        self._copy()
        (self.work / "wheels").mkdir()
        if self.hooks:
            return self._commands([self._hook(wheels=str(self.work / "wheels"))])
        places = {
            "python": self.environment[0],
            "source": str(self._source),
            "wheels": str(self.work / "wheels"),
        }
        return self._commands(
            [[word.format_map(places) for word in command] for command in self.settings.commands]
        )

    def _hook(self, **task: str) -> list[str]:
        return self.backend.command(self.environment[0], self._source, self.settings.config, **task)

    def _commands(self, commands: Sequence[Sequence[str]]) -> Commands:
        binaries = str(Path(self.environment[0]).parent)
        path = os.pathsep.join([binaries, self.variables.get("PATH", os.defpath)])
        variables = {**self.variables, "PATH": path}
        return Commands(self.job.name, commands, self._source, variables, self.work / "log")

    @property
    def _source(self) -> Path:
        """The project's folder in the copy that is built."""
        return self.work / "source" / self.job.root.relative_to(self.job.top)

    def _copy(self) -> None:
        """Copy all files, so that nothing that a build writes is left in the version."""
        into = self.work / "source"
        shutil.rmtree(into, ignore_errors=True)
        shutil.copytree(self.job.top, into, symlinks=True, ignore=shutil.ignore_patterns(BUILT))

    def keep(self) -> None:
        """Keep the wheel that was built."""
        wheels = sorted((self.work / "wheels").glob("*.whl"))
        if len(wheels) != 1:
            names = ", ".join(wheel.name for wheel in wheels) or "none"
            raise MlpperfError(
                f"The build of {self.job.name} must make one wheel; it made {names}."
            )
        copied = copied_files(wheels[0], self.job.top, self.job.root, self.named)
        self.kept = Kept(wheels[0], copied)
        keep(self.group, self.kept, self.files, self.environment[1])

    def install(self) -> None:
        """Install the wheel, with the Python files of this version."""
        assert self.kept is not None  # `build_all` has built it
        unpack(self.kept.wheel, self.job.root, self.job.top, self.kept.copied)
