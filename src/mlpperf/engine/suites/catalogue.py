"""Which hot paths there are: those that the project in the current folder names."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from ...errors import MlpperfError, check, missing
from ...hotpath import Case, HotPath


def catalogue(folder: Path | None = None, usual: Sequence[str] = ()) -> tuple[HotPath, ...]:
    """The hot paths that `[tool.mlpperf] paths` in `folder`/pyproject.toml names.

    An entry such as `"package.module:PATHS"` is a tuple of `HotPath`s. The folder and its `src`
    are importable meanwhile, so the project need not be installed. A project that names none has
    the `usual` entries.

    Raises
    ------
    MlpperfError
        If an entry cannot be imported, is no tuple of hot paths, or repeats a name.
    """
    return tuple(path for _, path in sources(folder, usual))


def sources(folder: Path | None = None, usual: Sequence[str] = ()) -> list[tuple[str, HotPath]]:
    """The paths of `catalogue`, each with the entry that names the tuple it is in."""
    here = folder or Path.cwd()
    named = entries(here / "pyproject.toml") or usual
    found = [(entry, path) for entry in named for path in _imported(entry, here)]
    names = [path.name for _, path in found]
    for name in names:
        if names.count(name) > 1:
            raise MlpperfError(f"Two hot paths are called {name!r}; names must be unique.")
    return found


def entries(pyproject: Path) -> list[str]:
    """The entries of `[tool.mlpperf] paths`, such as `"package.module:PATHS"`; none without file.

    Raises
    ------
    MlpperfError
        If the file cannot be read, or holds something else there.
    """
    try:
        entries = content_of(pyproject).get("tool", {}).get("mlpperf", {}).get("paths", [])
    except AttributeError:  # [tool] or [tool.mlpperf] is no table
        entries = None
    if not isinstance(entries, list) or not all(isinstance(e, str) for e in entries):
        raise MlpperfError(
            f'{pyproject}: [tool.mlpperf] paths must be a list such as ["package.module:PATHS"].'
        )
    return entries


def project_name(folder: Path) -> str:
    """The name that `folder`/pyproject.toml gives the project, or else the folder's own."""
    project = content_of(folder / "pyproject.toml").get("project")
    name = project.get("name") if isinstance(project, dict) else None
    return name if isinstance(name, str) else folder.resolve().name


def content_of(pyproject: Path) -> dict[str, Any]:
    """What a pyproject.toml says; nothing if there is none.

    Raises
    ------
    MlpperfError
        If it cannot be read.
    """
    if not pyproject.is_file():
        return {}
    try:
        return tomllib.loads(pyproject.read_text(encoding="utf-8"))
    except (ValueError, OSError) as reason:
        raise MlpperfError(f"{pyproject} cannot be read: {reason}.") from reason


def _imported(entry: str, folder: Path) -> Sequence[HotPath]:
    module, _, attribute = entry.partition(":")
    before = sys.path.copy()
    sys.path[:0] = [str(folder), str(folder / "src")]
    try:
        found = getattr(import_module(module), attribute or "PATHS")
    except ModuleNotFoundError as reason:
        raise missing(reason) or _not_imported(entry, reason) from reason
    except (Exception, SystemExit) as reason:  # anything may go wrong in somebody else's module
        raise _not_imported(entry, reason) from reason
    finally:
        sys.path[:] = before
    if not isinstance(found, tuple | list) or not all(isinstance(p, HotPath) for p in found):
        raise MlpperfError(f"[tool.mlpperf] paths: {entry!r} is not a tuple of HotPath.")
    return found


def _not_imported(entry: str, reason: BaseException) -> MlpperfError:
    return MlpperfError(f"[tool.mlpperf] paths: {entry!r} gives {reason!r}.")


def select(paths: Sequence[HotPath], names: Sequence[str]) -> tuple[HotPath, ...]:
    """The paths called `names`, in their order; all of them for no names.

    Raises
    ------
    MlpperfError
        For an unknown name, with the nearest ones.
    """
    known = {path.name: path for path in paths}
    check("hot path", names, known)
    return tuple(known[name] for name in names) or tuple(paths)


def select_cases(path: HotPath, names: Sequence[str]) -> tuple[Case, ...]:
    """The cases of `path` called `names` (all for no names); those it lacks are left out."""
    return tuple(case for case in path.cases if not names or case.name in names)
