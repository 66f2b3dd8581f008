"""Which benchmarks a project has already: asv suites, and tests that use the `benchmark` fixture.

Nothing of the project is imported: asv suites are known by their configuration, and tests by their
text, until pytest has collected them.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import json5

from ...errors import MlpperfError
from ..inside import inside
from ..words import count
from .collecting import configuration, options, tests
from .settings import settings
from .shared import Project

ASV_CONFIGURATION = "asv.conf.json"
# What asv takes for a benchmark by its name, as a function or method is written.
ASV_BENCHMARK = re.compile(
    r"def (time|timeraw|track|mem|peakmem)(_|[A-Z])|class (Time|Timeraw|Track|Mem|PeakMem)|_name ="
)


@dataclass(frozen=True)
class Suite:
    """Benchmarks of one kind.

    Attributes
    ----------
    kind : asv or pytest.
    arguments : what it is run with: asv's folder of benchmarks, and seconds that one may take if
        the configuration has them; or options of pytest, and its files after a `--`.
    tests : those of the arguments that are files with tests.
    files : files and folders of the suite below the project's. Both versions have the head's.
    place : where it is, for people.
    notes : sentences about what is left out, and why.
    """

    kind: str
    arguments: tuple[str, ...]
    tests: tuple[str, ...]
    files: tuple[str, ...]
    place: str
    notes: tuple[str, ...] = ()


def found(root: Path, kinds: Collection[str] = ("asv", "pytest")) -> list[Suite]:
    """The suites of these `kinds` of the project in the folder `root`.

    Raises
    ------
    MlpperfError
        If a configuration cannot be read, or names a folder that is not there or lies outside.
    """
    files = list(_files(root, ".py"))
    project = Project(root, files)
    suites = _asv(root, files, project) if "asv" in kinds else []
    return suites + (_pytest(root, files, project) if "pytest" in kinds else [])


def _files(root: Path, *suffixes: str) -> Iterator[Path]:
    """All files whose names end like that, in order, but none of what is hidden or installed."""
    for folder, folders, names in os.walk(root):
        if folder != str(root) and "pyvenv.cfg" in names:
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if name[:1] != "." and name != "__pycache__")
        yield from (Path(folder, name) for name in sorted(names) if name.endswith(suffixes))


def asv_configuration(root: Path) -> tuple[Path, dict[str, Any]] | None:
    """The configuration of asv that lies highest in `root`, and what it says; None without any.

    Raises
    ------
    MlpperfError
        If it cannot be read.
    """
    for file in _asv_configurations(root)[:1]:
        try:
            content = json5.loads(file.read_text(encoding="utf-8-sig"))
            if not isinstance(content, dict):
                raise TypeError("it is no table")
        except (OSError, ValueError, TypeError, RecursionError) as reason:
            raise MlpperfError(f"{file.relative_to(root)} cannot be read: {reason}.") from reason
        return file, content
    return None


def _asv_configurations(root: Path) -> list[Path]:
    """The one that lies highest first."""
    files = _files(root, ASV_CONFIGURATION, f"{ASV_CONFIGURATION}c")
    return sorted(
        # What is neither a file nor a link to one, such as a pipe, would be waited for.
        (file for file in files if file.name.startswith(ASV_CONFIGURATION) and file.is_file()),
        key=lambda file: len(file.parts),
    )


def _asv(root: Path, files: list[Path], project: Project) -> list[Suite]:
    """The suite of the configuration that lies highest."""
    configured = asv_configuration(root)
    if configured is None:
        return []
    file, content = configured
    place = file.relative_to(root).as_posix()
    given = content.get("benchmark_dir", "benchmarks")
    named: object = given
    if isinstance(given, str) and given.strip():  # relative to the configuration
        named = posixpath.join(file.parent.relative_to(root).as_posix(), given)
    folder = inside(root, named, f"{place}: benchmark_dir", or_root=True)
    below = PurePosixPath(folder.resolve().relative_to(root.resolve()).as_posix())
    if not folder.is_dir():
        raise MlpperfError(
            f"{place}: there is no folder {given!r}; `--suite pytest` leaves that suite out."
        )
    others = [one.relative_to(root).as_posix() for one in _asv_configurations(root)[1:]]
    notes = [f"{one} is left out: {place} lies nearer to the project's folder" for one in others]
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
    told = (str(float(limit)),) if isinstance(limit, int | float) else ()
    arguments = (below.as_posix(), *told)
    return [Suite("asv", arguments, (), (*shared, place), f"asv: {below}", tuple(notes))]


def _asv_files(
    root: Path, below: PurePosixPath, files: list[Path], project: Project
) -> Iterator[str]:
    """The files with benchmarks of a folder that holds code, too: those that no code imports."""
    for file in files:
        name = PurePosixPath(file.relative_to(root).as_posix())
        folders = [one for one in name.parents if one.name]
        in_code = folders and not any(map(project.is_of_suite, folders))
        if below not in name.parents or in_code or project.is_used(name):
            continue
        if ASV_BENCHMARK.search(file.read_text(encoding="utf-8", errors="replace")):
            yield name.as_posix()


def _pytest(root: Path, files: list[Path], project: Project) -> list[Suite]:
    """The tests that may be timed, if there are any."""
    said = configuration(root)
    names, note = tests(root, files, said)
    if not names:
        return []
    given = tuple(options(said, settings(root).pytest_options))
    shared = tuple(dict.fromkeys(project.shared(names)))
    where = names[0] if len(names) == 1 else f"{count(len(names), 'file')} such as {names[0]}"
    place = f"pytest, with the benchmark fixture: {where}"
    arguments = (*given, "--", *names)
    return [Suite("pytest", arguments, tuple(names), shared, place, (note,) if note else ())]
