"""Which files of a suite both versions share: the benchmarks, their helpers and their data.

Whatever is shared is no longer the base's own, so no code of the project may be among it. What is
not surely the suite's counts as code.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property, lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from .mentions import WORD

# Folders that build tools leave out of a project's packages, unless its configuration names them.
SURELY_ASIDE = re.compile("tests?|benchmarks?|asv_bench")
ASIDE = re.compile("testing|bench|perf|docs?|examples?|scripts?|tools")
# The same if it is known that the project's packages are others.
ASIDE_BY_NAME = re.compile(r"\w*(bench|tests?|perf)\w*")
# Folders inside a package that hold tests.
OF_TESTS = ("test", "tests", "benchmark", "benchmarks", "bench", "perf", "asv_bench")
# Of the configuration of builds: what names packages, and what there does not.
NAMES_PACKAGES = {"packages", "py-modules", "python-packages", "module", "module-name", "wheel"}
NAMES_OTHERS = {"exclude", "where", "from", "package-dir", "force-include", "sources"}
NOT_IMPORTED = {"setup.py", "conftest.py", "noxfile.py", "tasks.py", "dodo.py", "runtests.py"}


class Project:
    """The files of a project, and which of them are its code.

    Parameters
    ----------
    root
        Its folder.
    files
        All files of Python below.
    """

    def __init__(self, root: Path, files: Iterable[Path]) -> None:
        self._root = root
        self._files = [PurePosixPath(file.relative_to(root).as_posix()) for file in files]
        self._used: dict[PurePosixPath, bool] = {}
        self._text = lru_cache(maxsize=None)(self._read)

    def shared(self, tests: Sequence[str]) -> Iterator[str]:
        """What both versions have to share for some files of benchmarks, by paths below the root.

        Of the folders around each, the outermost that is the suite's; else the file, with those
        beside it that it mentions and no code does. And every conftest.py above.
        """
        suite = frozenset(map(PurePosixPath, tests))
        for name in sorted(suite):
            folders = [one for one in reversed(name.parents) if one.name]
            whole = next((one for one in folders if self.is_of_suite(one)), None)
            yield (whole or name).as_posix()
            if whole is None:
                yield from self._data(name, suite)
            for above in (whole or name).parents:
                if (self._root / above / "conftest.py").is_file():
                    yield (above / "conftest.py").as_posix()

    def is_of_suite(self, folder: PurePosixPath) -> bool:
        """Whether a folder is the suite's with all that is in it, and no code uses it."""
        if not self._is_aside(folder) or self.is_used(folder):
            return False
        surely = len(folder.parts) == 1 and SURELY_ASIDE.fullmatch(folder.name)
        return bool(surely) or not self._times_its_own(folder)

    def is_package(self, name: str) -> bool:
        """Whether a top-level package or module is the project's by its name or configuration."""
        return name.lower() in self._named

    def is_used(self, place: PurePosixPath) -> bool:
        """Whether code imports from a folder or file: any module outside of it and of tests."""
        if place not in self._used:
            name = re.escape(place.stem)
            imports = re.compile(
                rf"^\s*(?:from|import)\s(?:[^\n(#]*\([^)]*?|[^\n#]*?)\b{name}\b"
                rf"|(?:import_module|__import__)\([^)]*\b{name}\b",
                re.M,
            )
            self._used[place] = any(
                imports.search(self._text(file))
                for file in self._files
                if place not in (file, *file.parents) and not self._is_a_test(file)
            )
        return self._used[place]

    def _is_aside(self, folder: PurePosixPath) -> bool:
        """Whether a folder is none of the project's packages, by its name and the configuration."""
        if len(folder.parts) > 1:
            inside = folder.parts[:-1] in (("src",), ("lib",), ("python",))
            return folder.name in (("test", "tests") if inside else OF_TESTS)
        if self.is_package(folder.name):
            return False
        patterns = [SURELY_ASIDE, ASIDE, *([ASIDE_BY_NAME] if self._packages else [])]
        return any(pattern.fullmatch(folder.name) for pattern in patterns)

    def _times_its_own(self, folder: PurePosixPath) -> bool:
        """Whether a test in a folder may time what a module there has: then that is code."""
        inside = {file.stem for file in self._files if folder in file.parents}
        return any(
            timed_modules(self._text(file)) & inside
            for file in self._files
            if folder in file.parents and WORD.search(self._text(file))
        )

    def _is_a_test(self, file: PurePosixPath) -> bool:
        """Whether a file is no code: what it imports is not code for that reason."""
        if file.name in NOT_IMPORTED or re.match(r"test_|.*_test\.py", file.name):
            return True
        return any(self._is_aside(one) for one in file.parents if one.name)

    @cached_property
    def _named(self) -> frozenset[str]:
        """What the configuration of builds calls the project and its packages, in small letters."""
        try:
            content = tomllib.loads(self._text(PurePosixPath("pyproject.toml")))
        except ValueError:  # told elsewhere
            content = {}
        project = content.get("project")
        found = [str(project.get("name", ""))] if isinstance(project, dict) else []
        found += _packages_named(content.get("tool"))
        for file in ("setup.cfg", "setup.py"):
            said = re.findall(
                r"\b(?:name|packages|py_modules)\s*=\s*(\[[^]]*\]|[^\n]*(?:\n[ \t]+\S+)*)",
                self._text(PurePosixPath(file)),
            )
            found += re.findall(r"[\w./-]+", " ".join(said))
        parts = (re.split(r"[.*]", name.strip("/").rpartition("/")[2])[0] for name in found)
        return frozenset(part.lower().replace("-", "_") for part in parts if part)

    @cached_property
    def _packages(self) -> frozenset[str]:
        """The top-level packages that are surely the project's."""
        below = {p.parts for p in self._files}
        in_source = {parts[1] for parts in below if parts[0] == "src" and len(parts) > 1}
        tops = {parts[0] for parts in below if len(parts) > 1 and parts[1:] == ("__init__.py",)}
        return frozenset(in_source) | {
            name
            for name in tops
            if self.is_package(name)
            or not any(p.fullmatch(name) for p in (SURELY_ASIDE, ASIDE, ASIDE_BY_NAME))
        }

    def _data(self, test: PurePosixPath, suite: frozenset[PurePosixPath]) -> Iterator[str]:
        """Data beside a test that it mentions by name, and no code does."""
        said = self._text(test)
        for entry in sorted((self._root / test.parent).iterdir()):
            name = re.compile(rf"(?<![\w.-]){re.escape(entry.name)}(?![\w.-])")
            is_code = entry.suffix == ".py" or (entry.is_dir() and any(entry.rglob("*.py")))
            if is_code or entry.is_symlink() or not name.search(said):
                continue
            others = (one for one in self._files if one not in suite)
            if not any(name.search(self._text(one)) for one in others):
                yield (test.parent / entry.name).as_posix()

    def _read(self, file: PurePosixPath) -> str:
        try:
            return (self._root / file).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""


def timed_modules(text: str) -> set[str]:
    """Modules from which a file of tests imports what it times, or perhaps does."""
    try:
        nodes = list(ast.walk(ast.parse(text)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set(re.findall(r"\w+", text))
    functions = {n.name: n for n in nodes if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)}
    calls = [node for node in nodes if isinstance(node, ast.Call) and _means_one(node.func)]
    timed: list[ast.AST] = [argument for call in calls for argument in call.args[:1]]
    timed += [k.value for c in calls for k in c.keywords if k.arg in ("target", "function")]
    attributes = [node for node in nodes if isinstance(node, ast.Attribute)]
    marked = any(WORD.search(one.attr) and "'mark'" in ast.dump(one) for one in attributes)
    timed += [f for f in functions.values() if marked or any(map(_means_one, f.decorator_list))]
    names: set[str] = set()
    while timed:
        node = timed.pop()
        new = {one.id for one in ast.walk(node) if isinstance(one, ast.Name)} - names
        names |= new
        timed += [functions[name] for name in new if name in functions]
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import | ast.ImportFrom):
            module = (getattr(node, "module", "") or "").split(".")
            for alias in node.names:
                if (alias.asname or alias.name.partition(".")[0]) in names or alias.name == "*":
                    found |= {*module, *alias.name.split(".")}
    return found


def _means_one(function: ast.AST) -> bool:
    """Whether what is called, or decorates, is the fixture of a benchmark."""
    return bool(WORD.search(ast.unparse(function)))


def _packages_named(content: Any, inside: bool = False) -> Iterator[str]:
    """The names of packages in a configuration of builds."""
    if isinstance(content, dict):
        for key, value in content.items():
            if key not in NAMES_OTHERS:
                yield from _packages_named(value, inside or key in NAMES_PACKAGES)
    elif isinstance(content, list):
        for value in content:
            yield from _packages_named(value, inside)
    elif inside and isinstance(content, str):
        yield content
