"""What the files of a hot path import, and whether any of it differs between two versions.

A hot path whose functions lie in files that are the same, and import nothing of the project but
files that are the same, is as quick as it was. Comments and docstrings do not count.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from ...hotpath import HotPath
from .changed import HARMLESS

DYNAMIC = ("import_module", "__import__", "exec", "eval")  # whoever calls these imports anything


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
    """Whether some files, and all that they import, are the same below two roots."""
    files = list(files)
    one, other = (fingerprint(root, files) for root in (base, head))
    return one is not None and one == other


def fingerprint(root: Path, files: Iterable[str]) -> str | None:
    """A digest of some files below `root` and of all that they import; None if that is anything."""
    digest = hashlib.sha256()
    closure = reached(root, files)
    if closure is None:
        return None
    for file in sorted(closure):
        digest.update(f"{file.relative_to(root).as_posix()}\0".encode())
        digest.update(_essence(file.read_bytes()) if file.suffix == ".py" else file.read_bytes())
    return digest.hexdigest()


def reached(root: Path, files: Iterable[str]) -> set[Path] | None:
    """Some files below `root`, what they import, and the data beside it; None if that is anything.

    Of the packages that these are in, `__init__.py` is run too; but what that imports does not
    matter to who does not get it from there.
    """
    followed: set[Path] = set()
    left = [root / name for name in files]
    while left:
        file = left.pop()
        if file in followed or not file.is_file():
            continue
        followed.add(file)
        imported = _imports(file.read_bytes())
        if imported is None:
            return None
        left += [found for one in imported for found in _found(root, file, *one)]
    beside = {
        other
        for file in followed
        for other in file.parent.iterdir()
        if other.is_file() and other.suffix != ".py" and not other.name.endswith(HARMLESS)
    }
    packages = {
        folder / "__init__.py"
        for file in followed
        for folder in file.parents
        if folder.is_relative_to(root) and (folder / "__init__.py").is_file()
    }
    return followed | beside | packages


Imported = tuple[str, int, tuple[str, ...]]  # module, how many folders up, names


@lru_cache(maxsize=4096)  # most files are those of the other version, too
def _imports(source: bytes) -> tuple[Imported, ...] | None:
    """What a file imports, also late; None if it may import anything, or is no Python."""
    try:
        nodes = list(ast.walk(ast.parse(source)))
    except (SyntaxError, ValueError):
        return None
    found: list[Imported] = []
    for node in nodes:
        if isinstance(node, ast.Import):
            found += [(alias.name, 0, ()) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = tuple(alias.name for alias in node.names)
            found.append((node.module or "", node.level, names))
        elif isinstance(node, ast.Call):
            called = node.func
            name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            if name in DYNAMIC and not (isinstance(called, ast.Attribute) and name == "eval"):
                return None
    return tuple(found)


def _found(
    root: Path, file: Path, module: str, level: int, names: tuple[str, ...]
) -> Iterator[Path]:
    """The files that an import of a file means, as far as they are the project's."""
    folders = [file.parents[level - 1]] if level else [root / "src", root, file.parent]
    parts = module.split(".") if module else []
    for folder in folders:
        place = folder.joinpath(*parts)
        submodules = [list(_files(place / name)) for name in names]
        of_names = [found[0] for found in submodules if found]
        yield from of_names
        if len(of_names) < len(names) or not names:  # something is got from the module itself
            yield from _files(place)


def _files(place: Path) -> Iterator[Path]:
    """The file of a module or package."""
    for file in (place / "__init__.py", place.with_name(f"{place.name}.py")):
        if file.is_file():
            yield file


@lru_cache(maxsize=4096)
def _essence(source: bytes) -> bytes:
    """A file without comments, docstrings and places."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:]
    return ast.dump(tree).encode()
