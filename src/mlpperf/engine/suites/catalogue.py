"""The hot paths that the project in the current folder names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...errors import MlpperfError, check, missing
from ...hotpath import Case, HotPath
from ..worker.race import imported
from .pyproject import entries, project_name


def catalogue(folder: Path | None = None) -> tuple[HotPath, ...]:
    """The hot paths of `[tool.mlpperf] paths` in `folder`/pyproject.toml, if any.

    An entry such as `"package.module:PATHS"` is a tuple of `HotPath`s. The folder (by default the
    current one) and its `src` are importable while it is loaded: the project need not be installed.

    Raises `MlpperfError` if an entry cannot be imported, is no tuple of hot paths, or repeats a
    name.
    """
    here = folder or Path.cwd()
    paths = [path for entry in entries(here / "pyproject.toml") for path in _imported(entry, here)]
    names = [path.name for path in paths]
    for name in names:
        if names.count(name) > 1:
            raise MlpperfError(f"Two hot paths are called {name!r}; names must be unique.")
    return tuple(paths)


def hot_paths() -> tuple[HotPath, ...]:
    """The catalogue of the current folder, which has at least one hot path.

    Raises `MlpperfError` as `catalogue`, and if the project names none.
    """
    paths = catalogue()
    if not paths:
        here = Path.cwd()
        raise MlpperfError(
            f"{project_name(here)} has no hot paths: [tool.mlpperf] paths in "
            f"{here / 'pyproject.toml'} would name them (docs/hot-paths.md); "
            "`mlpperf list` shows the benchmarks that there are"
        )
    return paths


def _imported(entry: str, folder: Path) -> Sequence[HotPath]:
    try:
        paths = imported(entry, [str(folder), str(folder / "src")])
    except (Exception, SystemExit) as reason:  # an import may raise anything
        absent = missing(reason) if isinstance(reason, ModuleNotFoundError) else None
        sentence = f"[tool.mlpperf] paths: {entry!r} gives {reason!r}."
        raise absent or MlpperfError(sentence) from reason
    if not isinstance(paths, tuple | list) or not all(isinstance(p, HotPath) for p in paths):
        raise MlpperfError(f"[tool.mlpperf] paths: {entry!r} is not a tuple of HotPath.")
    return paths


def select(paths: Sequence[HotPath], names: Sequence[str]) -> tuple[HotPath, ...]:
    """The paths called `names`, in their order; all of them for no names.

    Raises `MlpperfError` for an unknown name, with the nearest ones.
    """
    known = {path.name: path for path in paths}
    check("hot path", names, known)
    return tuple(known[name] for name in names) or tuple(paths)


def select_cases(path: HotPath, names: Sequence[str]) -> tuple[Case, ...]:
    """The cases of `path` called `names` (all for no names); those it lacks are left out."""
    return tuple(case for case in path.cases if not names or case.name in names)
