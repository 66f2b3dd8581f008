"""Builds the projects that have extension modules, unless a wheel of the same sources is kept.

A build always begins with nothing but the files of its version. A build folder that is kept from
one version to the next would save time, but setuptools does not compile again for a changed header,
and no backend for a file that its configuration does not name: the old object would be timed for
the new source. ccache keeps objects by their content, and is supported.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import MlpperfError
from ..inside import inside
from ..suites.build_settings import USUAL, BuildSettings
from ..suites.pyproject import ini, readable, table_at, text_of
from .build_cache import Kept, building, entry_name, group_folder, keep, look_up, trim
from .build_environment import Backend, build_variables, origin, prepared
from .build_inputs import copied_files, inventory, members, mentions, sources_below
from .build_process import Commands, run_all
from .layout import BUILT, SOURCES, own_folders, package_of
from .scratch import scratch
from .sources import UNREADABLE, parsed
from .syntax import last_name
from .trees import remove

FORMAT = 1  # of the kept wheels; a higher one makes all wheels that were kept before useless
# Settings and arguments of `setup` that name extension modules, and what makes these.
EXTENSIONS = {"ext_modules", "ext-modules", "cffi_modules", "rust_extensions", "cythonize"}
EXTENSION = re.compile(rf"\b({'|'.join(EXTENSIONS)}|\w*Extension)\b")
# Packages of a build that only compiled projects need, whatever their backend.
COMPILERS = {"cython", "pybind11", "nanobind", "cffi", "setuptools-rust", "hatch-cython"}
COMPILERS |= {"hatch-mypyc", "mypy", "scikit-build", "cmake"}
# Variables with the version for backends that ask git, of which a copy has nothing.
VERSIONS = ("SETUPTOOLS_SCM_PRETEND_VERSION", "PDM_BUILD_SCM_VERSION")


@dataclass(frozen=True)
class Job:
    """A project to be built.

    Attributes
    ----------
    name : of its version, for messages.
    root : the folder of its files.
    whole : the folder of the repository's files around it, which a build may read.
    version : what a backend that asks git for the version shall use.
    """

    name: str
    root: Path
    whole: Path
    version: str = ""


def is_compiled(root: Path, settings: BuildSettings = USUAL) -> bool:
    """Whether a project has extension modules, by its configuration."""
    backend, tools = Backend.of(root), table_at(readable(root), "tool")
    needs = COMPILERS.intersection(map(package_of, backend.requires))
    if settings.commands or needs or backend.compiles or _names_extensions(tools):
        return True
    sections = ini(root / "setup.cfg")
    if any(EXTENSIONS & {*sections.options(name)} for name in sections.sections()):
        return True
    script = table_at(tools, "poetry").get("build", "")
    script = script.get("script") if isinstance(script, dict) else script
    files = [root / "setup.py"]
    if isinstance(script, str) and script:
        files.append(inside(root, script, "The build script in [tool.poetry]"))
    return any(_makes_extensions(text_of(file)) for file in files)


def _names_extensions(table: object) -> bool:
    """Whether tables of a pyproject.toml have a setting that names extension modules."""
    if isinstance(table, list):
        return any(map(_names_extensions, table))
    if not isinstance(table, dict):
        return False
    named = any(value for key, value in table.items() if key in EXTENSIONS)
    return named or any(map(_names_extensions, table.values()))


def _makes_extensions(script: str) -> bool:
    """Whether a script such as setup.py makes extension modules, or gives them to `setup`.

    If it cannot be read, whether it mentions them.
    """
    try:
        return any(map(_is_of_extensions, ast.walk(parsed(script.encode()))))
    except UNREADABLE:
        return bool(EXTENSION.search(script))


def _is_of_extensions(node: ast.AST) -> bool:
    if isinstance(node, ast.keyword):  # other than `ext_modules=[]`
        empty = isinstance(node.value, ast.List | ast.Tuple) and not node.value.elts
        nothing = isinstance(node.value, ast.Constant) and not node.value.value
        return node.arg in EXTENSIONS and not (empty or nothing)
    if isinstance(node, ast.alias):  # else its name is where it is used
        return bool(node.asname and EXTENSION.fullmatch(node.name.rpartition(".")[2]))
    if isinstance(node, ast.Constant):  # a key of arguments
        return isinstance(node.value, str) and node.value in EXTENSIONS
    called = isinstance(node, ast.Call) and last_name(node.func)
    set_ = isinstance(node, ast.Attribute) and node.attr in EXTENSIONS
    return bool(set_ or (called and EXTENSION.fullmatch(called)))


def build_all(
    jobs: Sequence[Job],
    python: str,
    settings: BuildSettings,
    progress: Callable[[str], None] = lambda text: None,
) -> None:
    """Build projects into the folders where `import_folders` looks for them.

    Nothing but that folder changes below a root: builds run in copies.

    Raises `MlpperfError` if a build fails or does not end in time, or something that it needs
    cannot be installed.
    """
    with scratch("build") as work:
        about = origin(python, build_variables(python, work, settings.environment))
        own = (settings.packages, settings.commands, settings.config_settings)
        group = group_folder([FORMAT, about, *own])
        builds = [_Build(job, python, settings, group, work / str(i)) for i, job in enumerate(jobs)]
        if not all(one.is_kept() for one in builds):
            progress("waiting for another build of the same version")
            with building(group, (entry_name(one.files) for one in builds)):
                _build_missing(builds, progress)
            trim(1e9 * settings.cache_limit)
        for one in builds:
            progress(f"installing {one.job.name}")
            assert one.kept is not None  # it was built, if it was not there
            unpack(one.kept.wheel, one.job.root, one.job.whole, one.kept.copied)


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


class _Build:
    """One build, in a folder of its own, `work`; `group` is that of its wheel."""

    def __init__(
        self, job: Job, python: str, settings: BuildSettings, group: Path, work: Path
    ) -> None:
        self.job, self.python, self.settings, self.work = job, python, settings, work
        self.group = group
        (work / "temporary").mkdir(parents=True)
        # ccache, where it is used, then knows a file in another folder.
        given = {"CCACHE_BASEDIR": str(work), "CCACHE_NOHASHDIR": "1"}
        variables = build_variables(python, work / "temporary", {**given, **settings.environment})
        self.files = {**inventory(job.whole), "(version)": job.version}
        self.named = mentions(job.whole, self.files, "\n".join(map(" ".join, settings.commands)))
        versions = dict.fromkeys(VERSIONS, job.version) if job.version else {}
        self.variables = {**versions, **variables}
        self.backend = Backend.of(job.root)
        self.kept: Kept | None = None
        self.environment = "", ""  # its interpreter, and its name and state

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
        return all(
            path.endswith(".py") or self.named.is_aside(path)
            for path in self.files.keys() | other.files.keys()
            if self.files.get(path) != other.files.get(path)
        )

    def is_kept(self) -> bool:
        """Look the wheel up."""
        self.kept = self.kept or look_up(self.group, self.files, self.named, self.work)
        return self.kept is not None

    def preparation(self) -> Commands:
        """What asks the backend for further requirements; it may write into the copy."""
        self._copy()
        self.prepare()
        return self._commands([self._hook(requires=str(self.work / "requires.json"))])

    def prepare(self) -> None:
        """Make the environment of the build, with what the backend has asked for."""
        answer = self.work / "requires.json"
        more = map(str, json.loads(answer.read_bytes()) if answer.is_file() else [])
        wanted = [*self.backend.requires, *self.settings.packages, *more]
        what = f"What the build of {self.job.name} requires"
        self.environment = prepared(self.group, self.python, wanted, what)

    def commands(self) -> Commands:
        """What builds the wheel."""
        self._copy()
        (self.work / "wheels").mkdir()
        if self.hooks:
            return self._commands([self._hook(wheels=str(self.work / "wheels"))])
        places = {"source": str(self._source), "wheels": str(self.work / "wheels")}
        places["python"] = self.environment[0]
        given = self.settings.commands
        return self._commands([[word.format_map(places) for word in words] for words in given])

    def _hook(self, **task: str) -> list[str]:
        return self.backend.command(
            self.environment[0], self._source, self.settings.config_settings, **task
        )

    def _commands(self, commands: Sequence[Sequence[str]]) -> Commands:
        binaries = str(Path(self.environment[0]).parent)
        path = os.pathsep.join([binaries, self.variables.get("PATH", os.defpath)])
        variables = {**self.variables, "PATH": path}
        return Commands(self.job.name, commands, self._source, variables, self.work / "log")

    @property
    def _source(self) -> Path:
        """The project's folder in the copy that is built."""
        return self.work / "source" / self.job.root.relative_to(self.job.whole)

    def _copy(self) -> None:
        """Copy all files, so that nothing that a build writes is left in the version."""
        into = self.work / "source"
        shutil.rmtree(into, ignore_errors=True)
        shutil.copytree(self.job.whole, into, symlinks=True, ignore=shutil.ignore_patterns(BUILT))

    def keep(self) -> None:
        """Keep the wheel that was built."""
        wheels = sorted((self.work / "wheels").glob("*.whl"))
        if len(wheels) != 1:
            names = ", ".join(wheel.name for wheel in wheels) or "none"
            raise MlpperfError(
                f"The build of {self.job.name} must make one wheel; it made {names}."
            )
        copied = copied_files(wheels[0], self.job.whole, self.job.root, self.named)
        self.kept = Kept(wheels[0], copied)
        keep(self.group, self.kept, self.files, self.environment[1])


def unpack(wheel: Path, root: Path, whole: Path, copied: Mapping[str, str]) -> None:
    """Put what can be imported of a wheel into the folder of `root` for that.

    The files of the wheel that `copied` names, by their paths below `whole`, come from there.
    """
    folder = root / BUILT
    remove(folder)  # whatever a commit has in its place
    folder.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        for member, name in members(archive):
            target = inside(folder, member, f"A file of {wheel.name}")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(archive.read(name))
    for path, member in copied.items():
        source, target = whole / path, folder / member
        if not source.is_file():  # a test that this version does not have
            target.unlink(missing_ok=True)
        elif target.read_bytes() != source.read_bytes():
            shutil.copyfile(source, target)
    _note_sources(root, whole)
    _hide_sources(root)


def _note_sources(root: Path, whole: Path) -> None:
    """Write down which file each Python file that was built comes from, by paths below `whole`."""
    built, sources_of = root / BUILT, sources_below(root, whole)
    sources = {}
    for file in built.rglob("*.py"):
        places = sources_of(file.relative_to(built).as_posix())
        same = [place for place in places if (whole / place).read_bytes() == file.read_bytes()]
        if same or places:
            sources[file.relative_to(whole).as_posix()] = min(same or places, key=len)
    (built / SOURCES).write_text(json.dumps(sources), encoding="utf-8")


def _hide_sources(root: Path) -> None:
    """Replace the packages of the project by what was built, with all other files that they have.

    The sources lack the extension modules, so they must not be imported instead: the folder of a
    test, or pytest's `pythonpath`, may come first.
    """
    root = root.resolve()
    built = root / BUILT
    for folder in dict.fromkeys([root, *(one.resolve() for one in own_folders(root))]):
        if folder.resolve().is_relative_to(built):  # in a package that is hidden already
            continue
        for package in (entry for entry in built.iterdir() if (folder / entry.name).is_dir()):
            hidden = folder / package.name
            for source in hidden.rglob("*"):
                target = built / source.relative_to(folder)
                if source.is_file() and not target.exists():  # such as tests inside the package
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(source, target)
            remove(hidden)
            # Relative, so that a copy of the folder leads to its own.
            hidden.symlink_to(os.path.relpath(package, folder), target_is_directory=True)
