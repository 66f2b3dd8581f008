"""Follows imports to all files that a hot path runs, and compares them between two versions.

A hot path runs no changed code if the files of its functions are the same, and import only files of
the project that are the same. Comments and docstrings do not count.
"""

from __future__ import annotations

import ast
import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from .known_names import IMPORTING
from .sources import UNREADABLE, outlined, parsed
from .syntax import last_name

# Calls that read files: all data of the project may then be read.
READING = {"open", "read_text", "read_bytes", "iterdir", "glob", "rglob", "listdir", "scandir"}
READING |= {"walk", "loadtxt", "genfromtxt", "fromfile", "memmap", "CDLL", "LoadLibrary", "load"}
NO_DATA = (".py", ".pyi", ".typed", ".md", ".rst")


@dataclass(frozen=True)
class Imports:
    """The imports of a file, those inside functions included.

    Attributes
    ----------
    modules : each module, with a dot for every folder up, and the names imported from it.
    anything : whether it may import modules that its text does not name.
    reads : whether it may read data.
    """

    modules: Sequence[tuple[str, Sequence[str]]] = ()
    anything: bool = True
    reads: bool = True

    @property
    def packages(self) -> list[str]:
        """The package of each absolute import."""
        packages = dict.fromkeys(module.partition(".")[0] for module, _ in self.modules)
        return list(filter(None, packages))


@lru_cache(maxsize=8192)
def imports(source: bytes) -> Imports:
    """The imports of a source; perhaps anything, if it cannot be parsed."""
    modules: list[tuple[str, Sequence[str]]] = []
    calls: set[str] = set()
    try:
        nodes = list(ast.walk(parsed(source)))
    except UNREADABLE:
        return Imports()
    for node in nodes:
        if isinstance(node, ast.Import):
            modules += [(alias.name, ()) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = tuple(alias.name for alias in node.names)
            modules.append(("." * node.level + (node.module or ""), names))
        elif isinstance(node, ast.Call):
            name = last_name(node.func)
            if isinstance(node.func, ast.Name) or name not in ("eval", "exec"):
                calls.add(name)
    return Imports(modules, not calls.isdisjoint(IMPORTING), not calls.isdisjoint(READING))


def module_files(folders: Iterable[Path], module: str) -> Iterator[Path]:
    """The files in some folders that an import of a (dotted) module or package may run."""
    for folder in folders:
        place = folder.joinpath(*filter(None, module.split(".")))
        for file in (place / "__init__.py", place.with_name(f"{place.name}.py")):
            if file.is_file():
                yield file


def same(base: Path, head: Path, files: Sequence[str]) -> bool:
    """Whether some files below two folders, and all files that they import, have the same code.

    False if an import cannot be followed.
    """
    closure = reached(base, files)
    if closure is None or closure != reached(head, files):
        return False
    return all(_code(base / name) == _code(head / name) for name in closure)


def reached(root: Path, files: Iterable[str]) -> set[str] | None:
    """Some files below `root`, all files that they import, and their data.

    None if an import cannot be followed. Data are files in the same folders, or all of the project
    if any of the code reads files. The `__init__.py` of each package is included, but not what it
    imports in turn.
    """
    code: set[Path] = set()
    left = [root / name for name in files]
    reads = False
    while left:
        file = left.pop()
        if file in code or not file.is_file():
            continue
        code.add(file)
        imported = imports(file.read_bytes())
        if imported.anything or not file.is_relative_to(root):
            return None
        reads = reads or imported.reads
        left += [one for module in imported.modules for one in _imported(root, file, *module)]
    folders = [root] if reads else {file.parent for file in code}
    data = {file for folder in folders for file in _data(folder, reads)}
    packages = {
        folder / "__init__.py"
        for file in code
        for folder in file.parents
        if folder.is_relative_to(root) and (folder / "__init__.py").is_file()
    }
    return {file.relative_to(root).as_posix() for file in code | data | packages}


def _code(file: Path) -> object:
    """The code of a file without comments, docstrings and line numbers; of data, all of it."""
    source = file.read_bytes()
    with contextlib.suppress(*UNREADABLE):
        if file.suffix == ".py":
            parts = outlined(source).parts
            return [(part.kind, part.within, part.name, part.text) for part in parts]
    return source


def _data(folder: Path, below: bool) -> Iterator[Path]:
    """The data files in a folder, and `below` it on request."""
    for place, folders, names in os.walk(folder):
        hidden = [name for name in folders if name[0] == "." or name == "__pycache__"]
        folders[:] = sorted(set(folders) - set(hidden)) if below else []
        files = (Path(place, name) for name in names)
        yield from (file for file in files if file.suffix not in NO_DATA and file.is_file())


def _imported(root: Path, file: Path, module: str, names: Sequence[str]) -> Iterator[Path]:
    """The files of the project that an import in a file may run."""
    level = len(module) - len(module.lstrip("."))
    folders = [file.parents[level - 1]] if level else [root / "src", root, file.parent]
    for folder in folders:
        submodules = [list(module_files([folder], f"{module.lstrip('.')}.{n}")) for n in names]
        of_names = [files[0] for files in submodules if files]
        yield from of_names
        if len(of_names) < len(names) or not names:  # an attribute of the module itself
            yield from module_files([folder], module.lstrip("."))
