"""Discovers the suites of a project: asv suites, tests that use the `benchmark` fixture, commands.

Nothing of the project is imported: an asv suite is recognised by its configuration, and tests by
their text.
"""

from __future__ import annotations

import contextlib
import json
import os
import posixpath
import re
import shlex
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

import json5

from ...errors import MlpperfError
from ..inside import inside
from .collecting import configuration, options, tests
from .commands import COMMANDS, TABLE, Commands, commands_in
from .pyproject import text_of
from .settings import settings
from .shared import Project

ASV_CONFIGURATION = "asv.conf.json"
# Where benchmarks are looked for, by kind of suite.
PLACES = {
    "hotpaths": "hot paths in [tool.mlpperf] paths",
    "asv": ASV_CONFIGURATION,
    "pytest": "test that uses the benchmark fixture",
    COMMANDS: f"command in {TABLE}",
}
# The definition of an asv benchmark, by its name.
ASV_BENCHMARK = re.compile(
    r"def (time|timeraw|track|mem|peakmem)(_|[A-Z])|class (Time|Timeraw|Track|Mem|PeakMem)|_name ="
)
DOCTEST = re.compile(r"(?:>>>|\.\.\.).*\bgetfixture\(\s*[\"'](?:benchmark|codspeed)")
HIDDEN = re.compile(r"\.")
# Hidden folders in which no configuration of the project lies.
OF_TOOLS = re.compile(r"\.(git|hg|svn|tox|nox|eggs|venv|env|cache|.*_cache|.*-env)$")
DOCTEST_FILES = (".py", ".txt", ".rst", ".md")


@dataclass(frozen=True)
class Suite:
    """Benchmarks of one kind.

    Attributes
    ----------
    kind : asv, pytest or commands.
    arguments : for asv, the folder of benchmarks and, if configured, the timeout in seconds; for
        pytest, options, `--`, and files; for commands, all of them as JSON.
    tests : the arguments that are files with tests.
    files : files and folders of the suite, below the project; both versions get the head's.
    place : a description of its place.
    notes : sentences about what is left out, and why.
    unseen : what holds benchmarks that cannot be timed, below the project, and why.
    """

    kind: str
    arguments: tuple[str, ...]
    tests: tuple[str, ...]
    files: tuple[str, ...]
    place: str
    notes: tuple[str, ...] = ()
    unseen: Mapping[str, str] = field(default_factory=dict)


def discover(root: Path, kinds: Collection[str] = ("asv", "pytest", COMMANDS)) -> list[Suite]:
    """The suites of these `kinds` of the project in the folder `root`.

    Raises `MlpperfError` if a configuration cannot be read, or its folder is missing or outside of
    the project.
    """
    files = list(_files(root, ".py"))
    project = Project(root, files)
    suites = _asv(root, files, project) if "asv" in kinds else []
    suites += _pytest(root, files, project) if "pytest" in kinds else []
    commands = commands_in(settings(root).commands) if COMMANDS in kinds else {}
    suites += [suite_of(commands, f"{TABLE}: {', '.join(commands)}")] if commands else []
    if suites and "pytest" in kinds:  # there may be no other test for pytest
        suites[-1] = replace(suites[-1], unseen={**suites[-1].unseen, **_doctests(root)})
    return suites


def _doctests(root: Path) -> dict[str, str]:
    """The files whose doctests ask for the benchmark fixture, and why these are not timed."""
    files = (file for file in _files(root, *DOCTEST_FILES) if DOCTEST.search(text_of(file)))
    why = "its doctests use the benchmark fixture and cannot be timed; make them test functions"
    return {file.relative_to(root).as_posix(): why for file in files}


def suite_of(commands: Commands, place: str) -> Suite:
    """The suite of some commands."""
    return Suite(COMMANDS, (json.dumps(commands),), (), (), place)


def _files(root: Path, *suffixes: str, hidden: bool = False) -> Iterator[Path]:
    """All files with these suffixes, in order, without environments and other repositories.

    `hidden`: those in hidden folders, too, except for what tools keep there.
    """
    for folder, folders, names in os.walk(root):
        if folder != str(root) and "pyvenv.cfg" in names:
            folders.clear()
            continue
        left_out = OF_TOOLS.match if hidden else HIDDEN.match
        folders[:] = sorted(one for one in folders if one != "__pycache__" and not left_out(one))
        yield from (Path(folder, name) for name in sorted(names) if name.endswith(suffixes))


def asv_configuration(root: Path) -> tuple[Path, dict[str, Any]] | None:
    """The asv configuration nearest to `root`, and its content; None without any.

    Raises `MlpperfError` if it cannot be read.
    """
    for file in _asv_configurations(root)[:1]:
        try:
            return file, _table(file)
        except (OSError, ValueError, TypeError, RecursionError) as reason:
            raise MlpperfError(f"{file.relative_to(root)} cannot be read: {reason}.") from reason
    return None


def _table(file: Path) -> dict[str, Any]:
    content = json5.loads(file.read_text(encoding="utf-8-sig"))
    if not isinstance(content, dict):
        raise TypeError("it is no table")
    return content


def _asv_configurations(root: Path) -> list[Path]:
    """All asv configurations, the nearest to `root` first, and those in hidden folders last."""
    names = (ASV_CONFIGURATION, f"{ASV_CONFIGURATION}c")
    every = _files(root, *names, hidden=True)
    # Opening a pipe would block.
    files = (file for file in every if file.name in names and file.is_file())

    def distance(file: Path) -> tuple[bool, int]:
        parts = file.relative_to(root).parts
        return any(map(HIDDEN.match, parts)), len(parts)

    return sorted(files, key=distance)


def _asv(root: Path, files: list[Path], project: Project) -> list[Suite]:
    """The suite of the asv configuration nearest to `root`."""
    configured = asv_configuration(root)
    if configured is None:
        return []
    file, content = configured
    place = file.relative_to(root).as_posix()
    given = content.get("benchmark_dir", "benchmarks")
    folder_name: object = given
    if isinstance(given, str) and given.strip():  # relative to the configuration
        folder_name = posixpath.join(file.parent.relative_to(root).as_posix(), given)
    folder = inside(root, folder_name, f"{place}: benchmark_dir", or_root=True)
    below = PurePosixPath(folder.resolve().relative_to(root.resolve()).as_posix())
    if not folder.is_dir():
        raise MlpperfError(
            f"{place}: there is no folder {given!r}; `--suite pytest` leaves that suite out."
        )
    notes = []
    shared = [below.as_posix()]
    top = below.parts[0] if below.parts else ""
    of_code = not top or top == "src" or project.is_package(top) or project.is_used(below)
    if of_code and not (len(below.parts) > 1 and project.is_of_suite(below)):
        shared = list(_asv_files(root, below, files, project))
        notes.append(
            f"{place}: benchmark_dir {given!r} holds the project's own code, too; both versions "
            f"share {', '.join(shared) or 'no file'}"
        )
    limit = content.get("default_benchmark_timeout")
    timeout = (str(float(limit)),) if isinstance(limit, int | float) else ()
    arguments = (below.as_posix(), *timeout)
    others = [one for one in _asv_configurations(root)[1:] if _has_others(root, one, folder)]
    names = [one.relative_to(root).as_posix() for one in others]
    unseen = {
        one: f"{place} lies nearer to the project's folder, and only its benchmarks are compared; "
        f"if that is enough, add --accept {shlex.quote(one)}"
        for one in names
    }
    return [Suite("asv", arguments, (), (*shared, place), f"asv: {below}", tuple(notes), unseen)]


def _has_others(root: Path, configuration: Path, compared: Path) -> bool:
    """Whether an asv configuration names another folder than `compared`, with benchmarks."""
    given: object = None
    with contextlib.suppress(OSError, ValueError, TypeError, RecursionError):
        given = _table(configuration).get("benchmark_dir")
    name = given if isinstance(given, str) else "benchmarks"
    folder = Path(os.path.normpath(configuration.parent / name))
    if folder == compared or root not in (folder, *folder.parents):
        return False
    return any(ASV_BENCHMARK.search(text_of(file)) for file in folder.rglob("*.py"))


def _asv_files(
    root: Path, below: PurePosixPath, files: list[Path], project: Project
) -> Iterator[str]:
    """The files of benchmarks in a folder that also holds code: no code imports them."""
    for file in files:
        name = PurePosixPath(file.relative_to(root).as_posix())
        folders = [one for one in name.parents if one.name]
        in_code = folders and not any(map(project.is_of_suite, folders))
        if below not in name.parents or in_code or project.is_used(name):
            continue
        if ASV_BENCHMARK.search(file.read_text(encoding="utf-8", errors="replace")):
            yield name.as_posix()


def _pytest(root: Path, files: list[Path], project: Project) -> list[Suite]:
    """The tests that may be benchmarks, if there are any."""
    pytest_settings = configuration(root)
    names, note, unseen = tests(root, files, pytest_settings)
    names = names or list(unseen)
    if not names:
        return []
    given = tuple(options(root, pytest_settings, names, settings(root).pytest_options))
    shared = tuple(dict.fromkeys(project.shared(names)))
    where = names[0] if len(names) == 1 else f"perhaps {len(names)} files such as {names[0]}"
    place = f"pytest, with the benchmark fixture: {where}"
    arguments = (*given, "--", *names)
    notes = (note,) if note else ()
    return [Suite("pytest", arguments, tuple(names), shared, place, notes, unseen)]
