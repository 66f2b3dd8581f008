"""Selects the files that both versions share: benchmarks, their helpers and their data.

Both versions get the head's, so no code of the project may be among them. In doubt, a file is code.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property, lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from .mentions import WORD, parsed
from .pyproject import readable, table_at, text_of

# Top-level folders that are no packages, unless the configuration names them.
SURELY_ASIDE = re.compile("tests?|benchmarks?|asv_bench")
ASIDE = re.compile("testing|bench|perf|docs?|examples?|scripts?|tools")
# The same, if other folders are known to be the project's packages.
ASIDE_BY_NAME = re.compile(r"\w*(bench|tests?|perf)\w*")
# Folders inside a package that hold tests.
OF_TESTS = ("test", "tests", "benchmark", "benchmarks", "bench", "perf", "asv_bench")
# Keys in the configuration of builds whose values are packages, and keys below whose are not.
NAMES_PACKAGES = {"packages", "py-modules", "python-packages", "module", "module-name", "wheel"}
NAMES_OTHERS = {"exclude", "where", "from", "package-dir", "force-include", "sources"}
NOT_IMPORTED = {"setup.py", "conftest.py", "noxfile.py", "tasks.py", "dodo.py", "runtests.py"}


class Project:
    """The files of a project, and which of them are its code.

    Parameters
    ----------
    root : its folder.
    files : all files of Python below.
    """

    def __init__(self, root: Path, files: Iterable[Path]) -> None:
        self._root = root
        self._files = [PurePosixPath(file.relative_to(root).as_posix()) for file in files]
        self._used: dict[PurePosixPath, bool] = {}
        self._text = lru_cache(maxsize=None)(lambda file: text_of(root / file))

    def shared(self, tests: Sequence[str]) -> Iterator[str]:
        """The files and folders that both versions share for some files of benchmarks.

        For each file, the outermost folder around it that belongs to the suite; or else the file,
        and data beside it that only tests mention. And every conftest.py above.
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
        """Whether a folder belongs to the suite with all its files, and no code uses it."""
        if not self._is_aside(folder) or self.is_used(folder):
            return False
        surely = len(folder.parts) == 1 and SURELY_ASIDE.fullmatch(folder.name)
        return bool(surely) or not self._times_its_own(folder)

    def is_package(self, name: str) -> bool:
        """Whether the configuration names a top-level package or module as the project's."""
        return name.lower() in self._named

    def is_used(self, place: PurePosixPath) -> bool:
        """Whether code outside of a folder or file, and of tests, imports from it."""
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
        """Whether a folder is no package of the project, by its name and the configuration."""
        if len(folder.parts) > 1:
            inside = folder.parts[:-1] in (("src",), ("lib",), ("python",))
            return folder.name in (("test", "tests") if inside else OF_TESTS)
        if self.is_package(folder.name):
            return False
        patterns = [SURELY_ASIDE, ASIDE, *([ASIDE_BY_NAME] if self._packages else [])]
        return any(pattern.fullmatch(folder.name) for pattern in patterns)

    def _times_its_own(self, folder: PurePosixPath) -> bool:
        """Whether a test in a folder may time a module there: then that is code."""
        inside = {file.stem for file in self._files if folder in file.parents}
        return any(
            timed_modules(self._text(file)) & inside
            for file in self._files
            if folder in file.parents and WORD.search(self._text(file))
        )

    def _is_a_test(self, file: PurePosixPath) -> bool:
        """Whether a file is a test or a script, whose imports need not be code."""
        if file.name in NOT_IMPORTED or re.match(r"test_|.*_test\.py", file.name):
            return True
        return any(self._is_aside(one) for one in file.parents if one.name)

    @cached_property
    def _named(self) -> frozenset[str]:
        """The names of the project and its packages in the configuration, in lower case."""
        content = readable(self._root)
        names = [str(table_at(content, "project").get("name", ""))]
        names += _packages_named(content.get("tool"))
        for file in ("setup.cfg", "setup.py"):
            values = re.findall(
                r"\b(?:name|packages|py_modules)\s*=\s*(\[[^]]*\]|[^\n]*(?:\n[ \t]+\S+)*)",
                self._text(PurePosixPath(file)),
            )
            names += re.findall(r"[\w./-]+", " ".join(values))
        parts = (re.split(r"[.*]", name.strip("/").rpartition("/")[2])[0] for name in names)
        return frozenset(part.lower().replace("-", "_") for part in parts if part)

    @cached_property
    def _packages(self) -> frozenset[str]:
        """The top-level packages that certainly are the project's."""
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
        """Data beside a test that the test mentions by name, and no code does."""
        text = self._text(test)
        for entry in sorted((self._root / test.parent).iterdir()):
            name = re.compile(rf"(?<![\w.-]){re.escape(entry.name)}(?![\w.-])")
            is_code = entry.suffix == ".py" or (entry.is_dir() and any(entry.rglob("*.py")))
            if is_code or entry.is_symlink() or not name.search(text):
                continue
            others = (one for one in self._files if one not in suite)
            if not any(name.search(self._text(one)) for one in others):
                yield (test.parent / entry.name).as_posix()


def timed_modules(text: str) -> set[str]:
    """The modules from which a file of tests imports code that it may time."""
    module = parsed(text)
    if module is None:
        return set(re.findall(r"\w+", text))
    nodes = list(ast.walk(module))
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
    modules: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import | ast.ImportFrom):
            origin = (getattr(node, "module", "") or "").split(".")
            for alias in node.names:
                if (alias.asname or alias.name.partition(".")[0]) in names or alias.name == "*":
                    modules |= {*origin, *alias.name.split(".")}
    return modules


def _means_one(function: ast.AST) -> bool:
    """Whether a called function or a decorator is a benchmark's fixture."""
    return bool(WORD.search(ast.unparse(function)))


def _packages_named(content: Any, inside: bool = False) -> Iterator[str]:
    """The packages in a configuration of builds."""
    if isinstance(content, dict):
        for key, value in content.items():
            if key not in NAMES_OTHERS:
                yield from _packages_named(value, inside or key in NAMES_PACKAGES)
    elif isinstance(content, list):
        for value in content:
            yield from _packages_named(value, inside)
    elif inside and isinstance(content, str):
        yield content
