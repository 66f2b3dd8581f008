"""A version's hot paths, which are a suite like the others.

This needs NumPy and this package's vocabulary, which the environments of other suites may lack.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from inspect import isfunction
from pathlib import Path
from typing import Any

import numpy as np

from ...agreement import Agreement, arrays_in
from ...backends import NUMPY
from ...hotpath import Args, HotPath, Variant, as_given, fresh, problem
from . import arrays, protocol
from .contest import MOVABLE, runner_of
from .isolation import World
from .protocol import Names, Side
from .runner import Runner
from .suite import Copy, FailedError

# The functions of a backend, and values that call nothing.
WAYS = ("compiled", "given", "arrays", "wait")
DATA = (int, float, complex, str, bytes, np.generic, np.ndarray)
PLAIN = (*DATA, type(None), np.dtype)
Contestant = tuple[HotPath, Variant]


class BrokenVersionError(FailedError):
    """A version whose hot paths cannot be loaded."""


class HotPathCopy(Copy):
    """A version's hot paths, imported in a world of their own.

    Raises `BrokenVersionError` if it does not import, or holds something else than hot paths.

    Parameters
    ----------
    inputs : the folder that the dry run writes the inputs to.
    given : what `begin` gives gets its arguments when it is called, from `arguments`.
    """

    def __init__(self, world: World, side: Side, inputs: str = "", given: bool = False) -> None:
        self._whole, self._inputs, self._given = Path(side.whole), inputs, given
        self._world, self._folders = world, folders_of(side)
        self.paths: dict[str, HotPath] = {}
        self.broken: dict[str, str] = {}
        self.loading: dict[str, float] = {}
        for entry in side.entries:
            for path in self._load(entry):
                if path.name in self.paths:
                    raise BrokenVersionError(f"two hot paths are called {path.name!r}.")
                self.paths[path.name] = path
        self.series: list[Names] = [
            (path.name, case.name, variant.name)
            for path in self.paths.values()
            for case in path.cases
            for variant in path.contestants
        ]

    def _load(self, entry: str) -> list[HotPath]:
        module, _, attribute = entry.partition(":")
        try:
            if not self._has(module):  # another project's might be imported
                raise ModuleNotFoundError(f"there is no module {module!r}")
            imported = self._world.inside(importlib.import_module)(module)
            paths = getattr(imported, attribute or "PATHS")
            return [adopted(path, self._world) for path in paths]
        except (Exception, SystemExit) as reason:  # anything may go wrong in some commit
            raise BrokenVersionError(f"{entry!r} gives {reason!r}.") from reason

    def _has(self, module: str) -> bool:
        """Whether a module or package of that (dotted) name is one of the version's."""
        places = (folder.joinpath(*module.split(".")) for folder in self._folders)
        return any(
            (place / "__init__.py").is_file() or place.with_name(f"{place.name}.py").is_file()
            for place in places
        )

    @property
    def contents(self) -> dict[str, protocol.HotPath]:
        """What has to be known of each hot path to compare it."""
        return {
            path.name: protocol.HotPath(
                path.version,
                _files_of(path, self._whole),
                {variant.name: variant.backend.name for variant in path.contestants},
            )
            for path in self.paths.values()
        }

    def contestant(self, series: Names) -> Contestant:
        """A hot path and its variant."""
        path = self.paths[series[0]]
        return path, next(v for v in path.contestants if v.name == series[2])

    def prepared(self, series: Names) -> Args:
        """New arguments for a series."""
        path, variant = self.contestant(series)
        args: Args = variant.ready(*fresh(path, self.inputs(series)))
        return args

    def inputs(self, series: Names) -> Args:
        """The inputs of a series, as the dry run has written them."""
        path, case, _ = series
        if self._inputs:
            return arrays.read(Path(self._inputs), f"{path}-{case}")
        page = self.paths[path]
        return problem(page, next(c for c in page.cases if c.name == case)).inputs

    def begin(self, series: Names, following: Names | None) -> Runner:
        """Get `series` ready, and give what it calls."""
        runner = runner_of(self.contestant(series)[1])
        if not self._given:
            runner.call = partial(runner.call, *self.prepared(series))
        return runner


def folders_of(side: Side) -> list[Path]:
    """The folders in which the modules of a version's hot paths are looked for."""
    root = Path(side.root)
    places = dict.fromkeys((root / "src", *map(Path, side.folders), root))
    return [place for place in places if place.is_dir()]


def arguments(
    copies: Mapping[str, HotPathCopy], series: Names, shared: bool
) -> Callable[[], Sequence[Args]]:
    """What gives a copy of each version new arguments for a series.

    Versions that can share their arguments get the same arrays, so that nothing depends on where
    each has its own. Otherwise these move from time to time, so that their addresses average out.
    """
    once: list[Args] = []
    size = sum(array.nbytes for array in arrays_in(copies[next(iter(copies))].inputs(series)))
    movable = not shared and size <= MOVABLE

    def give() -> list[Args]:
        if shared:
            once[:] = once or [copies["head"].prepared(series)] * len(copies)
        elif movable or not once:
            once[:] = [copy.prepared(series) for copy in copies.values()]
        return once

    return give


def _files_of(path: HotPath, root: Path) -> list[str]:
    """The files below `root` that the functions of a hot path are in; none if that is unknown.

    What a function was made with, such as another one that it calls, counts as one of them.
    """
    left: list[Any] = [path.reference, path.inputs, path.cost]
    for variant in path.variants:
        ways = (getattr(variant.backend, name, None) for name in WAYS)
        left += [variant.fn, variant.prepare, *ways]
    files, known = set(), set[int]()
    while left:
        value = left.pop()
        if isinstance(value, (tuple, list)):
            left += value
        elif not isinstance(value, PLAIN) and id(value) not in known:
            known.add(id(value))
            function = _inmost(value, root)
            file = _file_of(function)
            if file.is_relative_to(root):
                files.add(file.relative_to(root).as_posix())
            try:
                parts = _parts_of(function)
            except ValueError:  # it has a variable without a value
                return []
            # A number or an array may be made in a file that nobody knows of.
            if not (parts or file.name) or any(isinstance(part, DATA) for part in parts):
                return []
            left += [*parts, getattr(function, "__wrapped__", None)]
    return sorted(files)


def _inmost(value: Any, root: Path) -> Any:
    """What is within the wrappers that lie outside of `root`, such as that of a version."""
    while callable(value) and hasattr(value, "__wrapped__"):
        if _file_of(value).is_relative_to(root):
            break
        value = value.__wrapped__
    return value


def _file_of(function: Any) -> Path:
    return Path(getattr(getattr(function, "__code__", None), "co_filename", ""))


def _parts_of(value: Any) -> list[Any]:
    """What something that may be called has from where it was made."""
    if isinstance(value, partial):
        return [value.func, *value.args, *value.keywords.values()]
    if isinstance(value, type):
        functions = [f for kind in value.__mro__ for f in vars(kind).values() if isfunction(f)]
        return [f for f in functions if f.__code__.co_filename[0] != "<"]  # as of data classes
    if inspect.ismethod(value):
        return [value.__self__]
    if not isfunction(value):
        return []
    cells = [cell.cell_contents for cell in value.__closure__ or ()]
    nested = "<locals>" in value.__qualname__  # else the file of the function has its defaults
    named = (value.__kwdefaults__ or {}).values()
    return [*cells, *((value.__defaults__ or ()) if nested else ()), *(named if nested else ())]


def adopted(path: Any, world: World | None = None) -> HotPath:
    """A hot path of some version, in this version's terms: its functions, our classes.

    Only what every version has is relied on: functions, inputs, cases, cost. They are called in
    their `world`, if they have one.
    """

    def here(function: Callable[..., Any]) -> Callable[..., Any]:
        return world.inside(function) if world else function

    def variant(theirs: Any) -> Variant:
        agreement = Agreement[theirs.agreement.name]
        backend = getattr(theirs, "backend", NUMPY)
        return Variant(
            here(theirs.fn),
            agreement,
            here(getattr(theirs, "prepare", as_given)),
            NUMPY if isinstance(backend, str) else backend,
        )

    return HotPath(
        name=path.name,
        story=path.story,
        reference=here(path.reference),
        variants=tuple(variant(theirs) for theirs in path.variants),
        inputs=here(path.inputs),
        cases=tuple(path.cases),
        cost=here(path.cost),
        updates=tuple(getattr(path, "updates", ())),
        version=path.version,
    )
