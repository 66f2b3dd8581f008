"""Which benchmarks a project has already: asv suites, and tests that use the `benchmark` fixture.

Nothing of the project is imported: asv suites are known by their configuration, and tests by the
arguments and marks of their functions.
"""

from __future__ import annotations

import ast
import configparser
import os
import posixpath
import shlex
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import json5

from ...errors import MlpperfError
from ..guest.copies import FIXTURES, MARKS
from ..inside import inside
from ..words import count

ASV_CONFIGURATION = "asv.conf.json"
# Of the options that a project always gives to pytest, those that decide how tests are loaded. The
# others are about reports, coverage, other processes, or which tests to leave out.
KEPT_OPTIONS = (
    "--import-mode",
    "--asyncio-mode",
    "--ds",
    "--dc",
    "--rootdir",
    "--confcutdir",
    "-p",
)


@dataclass(frozen=True)
class Suite:
    """Benchmarks of one kind.

    Attributes
    ----------
    kind : asv or pytest.
    arguments : what it is run with: asv's folder of benchmarks, or options and files of pytest.
    tests : those of the arguments that are files with tests.
    files : files and folders of the suite below the project's. Both versions have the head's.
    place : where it is, for people.
    """

    kind: str
    arguments: tuple[str, ...]
    tests: tuple[str, ...]
    files: tuple[str, ...]
    place: str


def found(root: Path) -> list[Suite]:
    """The suites of the project in the folder `root`.

    Raises
    ------
    MlpperfError
        If a configuration cannot be read.
    """
    return [*_asv(root), *_pytest(root)]


def _files(root: Path, suffix: str) -> Iterator[Path]:
    """All files whose names end like that, in order, but none of what is hidden."""
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if name[:1] != "." and name != "__pycache__")
        yield from (Path(folder, name) for name in sorted(names) if name.endswith(suffix))


def asv_configuration(root: Path) -> tuple[Path, dict[str, Any]] | None:
    """The configuration of asv that lies highest in `root`, and what it says; None without any.

    Raises
    ------
    MlpperfError
        If it cannot be read.
    """
    files = [file for file in _files(root, ASV_CONFIGURATION) if file.is_file()]  # and no pipe
    for file in sorted(files, key=lambda file: len(file.parts))[:1]:
        try:
            content = json5.loads(file.read_text(encoding="utf-8"))
            if not isinstance(content, dict):
                raise TypeError("it is no table")
        except (OSError, ValueError, TypeError) as reason:
            raise MlpperfError(f"{file.relative_to(root)} cannot be read: {reason}.") from reason
        return file, content
    return None


def _asv(root: Path) -> list[Suite]:
    """The suite of the configuration that lies highest."""
    configuration = asv_configuration(root)
    if configuration is None:
        return []
    file, content = configuration
    given = content.get("benchmark_dir", "benchmarks")
    named = f"{file.relative_to(root)}: benchmark_dir"
    below = given
    if isinstance(given, str) and given.strip():  # relative to the configuration
        below = posixpath.join(file.parent.relative_to(root).as_posix(), given)
    folder = inside(root, below, named, or_root=True)
    if not folder.is_dir():
        raise MlpperfError(f"{file.relative_to(root)}: there is no folder {given!r}.")
    below = PurePosixPath(os.path.relpath(folder, root)).as_posix()
    shared = (below, file.relative_to(root).as_posix())
    return [Suite("asv", (below,), (), shared, f"asv: {below}")]


def _pytest(root: Path) -> list[Suite]:
    """The tests that use the fixture, if there are any."""
    files = [file for file in _files(root, ".py") if _is_timed(file)]
    if not files:
        return []
    tests = [file.relative_to(root).as_posix() for file in files]
    options = _kept(_options(root))
    shared = tuple(dict.fromkeys(_of_tests(root, files)))
    where = tests[0] if len(tests) == 1 else f"{count(len(tests), 'file')} such as {tests[0]}"
    place = f"pytest, with the benchmark fixture: {where}"
    return [Suite("pytest", (*options, *tests), tuple(tests), shared, place)]


def _is_timed(file: Path) -> bool:
    """Whether a test in it uses the fixture, or is marked."""
    try:
        source = file.read_bytes()
        if b"benchmark" not in source:
            return False
        nodes = list(ast.walk(ast.parse(source)))
    except (OSError, SyntaxError, ValueError):
        return False
    functions = [n for n in nodes if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    return any(_takes_fixture(function) or _is_marked(function) for function in functions)


def _takes_fixture(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether it is a test that does; a function with such an argument may be anything."""
    given = function.args
    names = {argument.arg for argument in (*given.posonlyargs, *given.args, *given.kwonlyargs)}
    is_fixture = any("fixture" in ast.dump(decorator) for decorator in function.decorator_list)
    return bool(names & set(FIXTURES)) and (is_fixture or "test" in function.name.lower())


def _is_marked(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    for decorator in function.decorator_list:
        mark = decorator.func if isinstance(decorator, ast.Call) else decorator
        if isinstance(mark, ast.Attribute) and mark.attr in MARKS:
            return ast.dump(mark.value).count("'mark'") > 0
    return False


def _of_tests(root: Path, files: Iterable[Path]) -> Iterator[str]:
    """What both versions have to share: the tests, and what lies in the folders around them.

    That is the folder of tests below the project's, as fixtures and data may lie anywhere in it,
    unless that is a package which holds the project's own code, too.
    """
    for file in files:
        top, *below = file.relative_to(root).parts
        if below and (top in ("test", "tests", "testing") or "bench" in top):
            yield top
            continue
        yield file.relative_to(root).as_posix()
        for folder in file.parents:
            if (folder / "conftest.py").is_file():
                yield (folder / "conftest.py").relative_to(root).as_posix()
            if folder == root:
                break


def _options(root: Path) -> list[str]:
    """What the project always gives to pytest, by the first configuration that is pytest's."""
    for name, section in (
        ("pytest.toml", "pytest"),
        (".pytest.toml", "pytest"),
        ("pytest.ini", "pytest"),
        (".pytest.ini", "pytest"),
        ("pyproject.toml", "tool.pytest"),
        ("tox.ini", "pytest"),
        ("setup.cfg", "tool:pytest"),
    ):
        try:
            text = (root / name).read_text(encoding="utf-8")
            if name.endswith(".toml"):
                content: dict[str, Any] = tomllib.loads(text)
                for part in section.split("."):
                    content = content[part]
                content = content.get("ini_options", content)
            else:
                parser = configparser.ConfigParser(interpolation=None, strict=False)
                parser.read_string(text)
                content = dict(parser[section])
        except (OSError, ValueError, KeyError, AttributeError, configparser.Error):
            continue
        given = content.get("addopts", [])
        return shlex.split(given) if isinstance(given, str) else [str(option) for option in given]
    return []


def _kept(options: Sequence[str]) -> Iterator[str]:
    """Those that decide how tests are loaded, with their values."""
    for number, option in enumerate(options):
        name, has_value, value = option.partition("=")
        if name in KEPT_OPTIONS:
            if not has_value:
                value = options[number + 1] if number + 1 < len(options) else ""
            if name != "-p" or not value.startswith("no:"):
                yield from (name, value)
        elif option[:2] == "-p" and option[:5] != "-pno:" and len(option) > 2:
            yield option
