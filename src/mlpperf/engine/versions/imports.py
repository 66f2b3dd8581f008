"""Follows imports to all files that a hot path runs, and compares them between two versions.

A hot path runs no changed code if the files of its functions are the same, and import only files of
the project that are the same. Comments and docstrings do not count. Packages of others may read any
data, so all data have to be the same, unless these files only compute.
"""

from __future__ import annotations

import ast
import os
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from .known_names import BY_DOCSTRING, IMPORTERS, IMPORTING, LOADERS
from .sources import UNREADABLE, outlined, parsed
from .syntax import imported_by_name, is_text, last_name
from .trees import Trees, read, words_of

LOOKS = "find_spec"  # for a module, which it does not run
FILES = {".py", "-m"}  # in strings: Python that is read as a text, or run by another process
BY_NAME = LOADERS | BY_DOCSTRING  # packages that may use more of what is there than the code
COMPUTED = IMPORTING | IMPORTERS | BY_NAME | FILES
# Packages that read no data, other than by these names.
COMPUTING = {
    "__future__",
    "abc",
    "cmath",
    "collections",
    "contextlib",
    "copy",
    "dataclasses",
    "enum",
}
COMPUTING |= {"functools", "itertools", "math", "mlpperf", "numba", "numbers", "numpy", "operator"}
COMPUTING |= {"random", "re", "statistics", "string", "sys", "time", "types", "typing", "warnings"}
COMPUTING |= {"bisect", "heapq", "typing_extensions"}
READS = re.compile("open|read|load|fromfile|memmap|genfromtxt|fromregex|DataSource")
Module = tuple[str, Sequence[str]]


@dataclass(frozen=True)
class Imports:
    """The imports of a file, those inside functions included.

    Attributes
    ----------
    modules : each module, with a dot for every folder up, and the names imported from it.
    computed : what may import, read or run modules that the text does not name.
    reads : whether it has one of the names that read data.
    """

    modules: Sequence[Module] = ()
    computed: frozenset[str] = frozenset(COMPUTED)
    reads: bool = True

    @property
    def packages(self) -> list[str]:
        """The package of each absolute import."""
        packages = dict.fromkeys(module.partition(".")[0] for module, _ in self.modules)
        return list(filter(None, packages))


@lru_cache(maxsize=8192)
def imports(source: bytes) -> Imports:
    """The imports of a source; perhaps anything, if it cannot be parsed."""
    try:
        nodes = list(ast.walk(parsed(source)))
    except UNREADABLE:
        return Imports()
    modules = [module for node in nodes for module in _modules(node)]
    followed = {id(node.func) for node in nodes if isinstance(node, ast.Call) and _modules(node)}
    followed |= {id(node.value) for node in nodes if is_text(node)}
    attributes = (node for node in nodes if isinstance(node, ast.Attribute))
    followed |= {id(node.value) for node in attributes if last_name(node.value) in IMPORTERS}
    computed = {sign for node in nodes if id(node) not in followed for sign in _signs(node)}
    computed |= BY_NAME & {module.partition(".")[0] for module, _ in modules}
    names = {name for node in nodes for name in _names(node)}
    return Imports(modules, frozenset(computed & COMPUTED), any(map(READS.search, names)))


def _names(node: ast.AST) -> Iterable[str]:
    """What a node calls something by, other than in strings."""
    if isinstance(node, ast.alias):
        return re.findall(r"\w+", node.name)
    return (last_name(node),) if isinstance(node, ast.Name | ast.Attribute) else ()


def _modules(node: ast.AST) -> Sequence[Module]:
    """The modules that a statement or call imports; those around one, too, if it binds them."""
    if isinstance(node, ast.Import):
        whole = [alias.name for alias in node.names]
        bound = [alias.name.split(".") for alias in node.names if not alias.asname]
        above = [".".join(parts[:number]) for parts in bound for number in range(1, len(parts))]
        return [(module, ()) for module in (*whole, *above)]
    if isinstance(node, ast.ImportFrom):
        names = tuple(alias.name for alias in node.names)
        return [("." * node.level + (node.module or ""), names)]
    named = imported_by_name(node) if isinstance(node, ast.Call) else ""
    return [(named, ())] if named else []


def _signs(node: ast.AST) -> Iterable[str]:
    """The names in a node that may be among `COMPUTED`, whether they are called or handed on."""
    if isinstance(node, ast.Attribute):
        return () if node.attr in ("eval", "exec") else (node.attr,)  # such as of a data frame
    if isinstance(node, ast.Name):
        return (node.id,)
    if isinstance(node, ast.alias):
        return (node.name,) if node.asname else ()
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value, *re.findall(r"\.py\b", node.value)
    return ()


def module_files(folders: Iterable[Path], module: str) -> Iterator[Path]:
    """The files in some folders that an import of a (dotted) module or package may run."""
    for folder in folders:
        place = folder.joinpath(*filter(None, module.split(".")))
        for file in (place / "__init__.py", place.with_name(f"{place.name}.py")):
            if file.is_file():
                yield file


class Reach:
    """Compares what hot paths may run or read in two versions of a repository."""

    def __init__(self, both: Trees) -> None:
        self._both = both
        self._modules = [_Modules(both, side) for side in both.trees]
        python = (name for name in both.differ if name.endswith(".py"))
        # What looks for a module matters if one version lacks it.
        one_sided = any(len(both.texts(name)) < 2 for name in python)
        self._unknown = COMPUTED if one_sided else COMPUTED - {LOOKS}

    def same(self, files: Sequence[str], entries: Iterable[str] = ()) -> bool:
        """Whether some files, all that they import, all data and the modules of entries are alike.

        False if an import cannot be followed. Data do not matter to files that only compute.
        """
        one, other = (modules.reached(files, self._unknown) for modules in self._modules)
        if one is None or one != other:
            return False
        reads = any(modules.reads(one) for modules in self._modules)
        for modules in self._modules:
            one |= {file for entry in entries for file in modules.files(entry.replace(".", "/"))}
        return all(self._alike(name, one, reads) for name in self._both.differ)

    def _alike(self, name: str, reached: set[str], reads: bool) -> bool:
        """Whether it does not matter to some files that another one differs.

        `reads`: they may read data.
        """
        if not (name.endswith(".py") or name in reached):
            return not reads or self._both.harmless(name, reached)
        texts = [_code(text) for text in self._both.texts(name).values()]
        return name not in reached or (len(texts) == 2 and texts[0] == texts[1])


def _code(source: bytes) -> object:
    """The code of a file without comments, docstrings and line numbers."""
    try:
        return [(one.kind, one.within, one.name, one.text) for one in outlined(source).parts]
    except UNREADABLE:
        return source


class _Modules:
    """The Python files of a version, by all names by which they may be imported.

    Any folder may be one that modules are looked for in: `sys.path` is known only when code runs.
    """

    def __init__(self, both: Trees, side: str) -> None:
        self._tree, self._links = both.trees[side], both.links[side]
        self._folders = {Path(name).name for name in self._links if self._tree[name].is_dir()}
        self._known: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for name in self._tree:
            if name.endswith(".py"):
                place = name.removesuffix(".py").removesuffix("/__init__")
                self._known[place.rpartition("/")[2]].append((place, name))

    def reached(self, files: Iterable[str], unknown: Iterable[str]) -> set[str] | None:
        """Some files and all files that they import; None if an import cannot be followed.

        The `__init__.py` of each package is included, but not what it imports in turn.
        """
        code, left = set[str](), list(files)
        while left:
            name = left.pop()
            if name in code:
                continue
            real = self._links.get(name, name)
            if name not in self._tree or real not in self._tree:
                return None
            code |= {name, real}
            imported = imports(read(self._tree[name]))
            if not imported.computed.isdisjoint(unknown):
                return None
            for module, names in imported.modules:
                if not self._folders.isdisjoint((*module.split("."), *names)):
                    return None  # it may lie behind a link
                left += self._imported(name, module, names)
        packages = {f"{folder}/__init__.py" for file in code for folder in Path(file).parents}
        return code | (packages & self._tree.keys())

    def reads(self, files: Iterable[str]) -> bool:
        """Whether some files may read data."""
        read_by = [imports(read(self._tree[name])) for name in files if name in self._tree]
        packages = {package for one in read_by for package in one.packages}
        others = {package for package in packages - COMPUTING if not self.files(package)}
        return bool(others) or any(one.reads for one in read_by)

    def files(self, place: str, exactly: bool = False) -> list[str]:
        """The files of a module or package whose place is this one, or ends so.

        Modules with a name of Python's own are not imported from the folder of a package.
        """
        called = self._known[Path(place).name]
        if exactly:
            return [name for own, name in called if own == place]
        standard = place.partition("/")[0] in sys.stdlib_module_names
        return [
            name
            for own, name in called
            if f"/{own}".endswith(f"/{place}")
            and not (standard and f"{own.removesuffix(place)}__init__.py" in self._tree)
        ]

    def _imported(self, file: str, module: str, names: Sequence[str]) -> Iterator[str]:
        """The files that an import in a file may run, but not those of the packages around it."""
        place, level = module.lstrip(".").replace(".", "/"), len(module) - len(module.lstrip("."))
        if level:
            place = os.path.normpath(os.path.join(file, "../" * level, place))  # noqa: PTH118
        own = self.files(place, level > 0)
        words = set[str]().union(*(words_of(read(self._tree[name])) for name in own))
        whole = not names or "*" in names
        for name in words if "*" in names else names:
            files = self.files(os.path.normpath(f"{place}/{name}"), level > 0)
            yield from files
            whole |= not files or name in words  # it may be an attribute of the module itself
        if whole:
            yield from own
