"""What the files of a hot path import, and whether any of it differs between two versions.

A hot path whose functions lie in files that are the same, and import nothing of the project but
files that are the same, is as quick as it was. Comments and docstrings do not count.
"""

from __future__ import annotations

import hashlib
import inspect
import os
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from ...hotpath import HotPath
from .sources import UNREADABLE, imports, module_files, outlined

UNREAD = (".py", ".pyi", ".typed", ".md", ".rst")  # endings of files beside that are no data


def files_of(path: HotPath, root: Path) -> list[str] | None:
    """The files below `root` that the functions of a hot path are in; None if it cannot be said."""
    functions: list[Callable[..., Any]] = [path.reference, path.inputs, path.cost]
    for variant in path.variants:
        functions += [variant.fn, variant.prepare]
    found = set()
    for function in functions:
        while isinstance(function, partial):
            function = function.func
        code = getattr(inspect.unwrap(function), "__code__", None)
        if code is None:
            return None
        file = Path(code.co_filename)
        if file.is_relative_to(root):  # others are not the project's
            found.add(file.relative_to(root).as_posix())
    return sorted(found)


def same(base: Path, head: Path, files: Iterable[str]) -> bool:
    """Whether some files, and all that they import, are the same below two roots.

    Comments, docstrings and places do not count.
    """
    files = list(files)
    one, other = (fingerprint(root, files) for root in (base, head))
    return one is not None and one == other


def fingerprint(root: Path, files: Iterable[str]) -> str | None:
    """A digest of some files below `root` and of all that they import; None if that is anything."""
    closure = reached(root, files)
    if closure is None:
        return None
    digest = hashlib.sha256()
    for file in sorted(closure):
        digest.update(f"{file.relative_to(root).as_posix()}\0".encode())
        digest.update(_essence(file.read_bytes()) if file.suffix == ".py" else file.read_bytes())
    return digest.hexdigest()


@lru_cache(maxsize=4096)
def _essence(source: bytes) -> bytes:
    """A file without comments, docstrings and places; as it is, if it cannot be read."""
    try:
        return repr([(p.kind, p.within, p.name, p.text) for p in outlined(source).parts]).encode()
    except UNREADABLE:
        return source


def reached(root: Path, files: Iterable[str]) -> set[Path] | None:
    """Some files below `root`, what they import, and the data beside it; None if that is anything.

    If any of it reads files, by whatever name, that is all data there is. Of the packages that
    these are in, `__init__.py` is run too; but what that imports does not matter to who does not
    get it from there.
    """
    followed: set[Path] = set()
    left = [root / name for name in files]
    while left:
        file = left.pop()
        if file in followed or not file.is_file():
            continue
        followed.add(file)
        imported = imports(file.read_bytes())
        if imported.anything:
            return None
        left += [found for one in imported.found for found in _found(root, file, *one)]
    reads = any(imports(file.read_bytes()).reads for file in followed)
    folders = [root] if reads else {file.parent for file in followed}
    beside = {other for folder in folders for other in _data(folder, reads)}
    packages = {
        folder / "__init__.py"
        for file in followed
        for folder in file.parents
        if folder.is_relative_to(root) and (folder / "__init__.py").is_file()
    }
    return followed | beside | packages


def _data(folder: Path, below: bool) -> Iterator[Path]:
    """The files in a folder, or also `below`, that are data."""
    for place, folders, names in os.walk(folder):
        hidden = [name for name in folders if name[0] == "." or name == "__pycache__"]
        folders[:] = sorted(set(folders) - set(hidden)) if below else []
        files = (Path(place, name) for name in names)
        yield from (file for file in files if file.suffix not in UNREAD and file.is_file())


def _found(root: Path, file: Path, module: str, names: Iterable[str]) -> Iterator[Path]:
    """The files that an import of a file means, as far as they are the project's."""
    level, names = len(module) - len(module.lstrip(".")), list(names)
    folders = [file.parents[level - 1]] if level else [root / "src", root, file.parent]
    for folder in folders:
        submodules = [list(module_files([folder], f"{module.lstrip('.')}.{n}")) for n in names]
        of_names = [found[0] for found in submodules if found]
        yield from of_names
        if len(of_names) < len(names) or not names:  # something is got from the module itself
            yield from module_files([folder], module.lstrip("."))
