"""A version's hot paths, which are a suite like the others.

This needs NumPy and this package's vocabulary, which the environments of other suites may lack.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import itertools
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from ...agreement import Agreement, arrays_in
from ...backends import NUMPY
from ...hotpath import Args, HotPath, Variant, as_given, fresh, problem
from . import arrays, protocol
from .contest import MOVABLE, runner_of
from .isolation import World
from .origins import Origins
from .protocol import Names, Side
from .runner import Runner
from .suite import Copy, FailedError

_numbers = itertools.count()
Contestant = tuple[HotPath, Variant]


class BrokenVersionError(FailedError):
    """A version whose hot paths cannot be loaded."""


class HotPathCopy(Copy):
    """A version's hot paths, from packages loaded anew.

    If its packages import each other relatively, they are loaded under other names than their own:
    whatever they load, now or at their first call, is of the same version. If they import each
    other by name, each copy has modules of its own, which are there only while it is its turn.

    Parameters
    ----------
    name
        Of the side.
    inputs
        The folder that the dry run writes the inputs to.
    given
        What `begin` gives gets its arguments when it is called, from `arguments`.

    Raises
    ------
    BrokenVersionError
        If it does not import, or holds something else than hot paths.
    """

    def __init__(
        self,
        side: Side,
        name: str,
        origins: Origins | None = None,
        inputs: str = "",
        given: bool = False,
    ) -> None:
        self._root, self._inputs, self._given = Path(side.root), inputs, given
        folders = list(map(Path, side.folders))
        self._folders = dict.fromkeys([self._root / "src", *folders, self._root])
        self.world = None
        if side.packages:
            self.world = World(Path(side.whole), side.packages, folders, None, name, origins)
        self._aliases: dict[str, str] = {}  # of the packages that are loaded under new names
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
        imported = self.world.inside(self._imported) if self.world else self._imported
        try:
            paths = getattr(imported(module), attribute or "PATHS")
            return [adopted(path, self.world) for path in paths]
        except (Exception, SystemExit) as reason:  # anything may go wrong in some commit
            raise BrokenVersionError(f"{entry!r} gives {reason!r}.") from reason

    def _imported(self, module: str) -> ModuleType:
        package, _, below = module.partition(".")
        if self.world:
            if self._file_of(module) is None:  # another project's might be imported
                raise ModuleNotFoundError(f"there is no module {module!r}")
            return importlib.import_module(module)
        if package not in self._aliases:
            self._aliases[package] = self._under_new_name(package)
        return importlib.import_module(".".join(filter(None, (self._aliases[package], below))))

    def _under_new_name(self, package: str) -> str:
        """Load a package under a new name, and give that."""
        file = self._file_of(package)
        if file is None:
            raise ModuleNotFoundError(f"there is no package {package!r}")
        alias = f"{package}_version_{next(_numbers)}"
        inside = [str(file.parent)] if file.name == "__init__.py" else None
        spec = importlib.util.spec_from_file_location(
            alias, file, submodule_search_locations=inside
        )
        assert spec is not None
        assert spec.loader is not None
        sys.modules[alias] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return alias

    def _file_of(self, module: str) -> Path | None:
        """The file that is run when a module or package of that (dotted) name is imported."""
        for folder in self._folders:
            place = folder.joinpath(*module.split("."))
            for file in (place / "__init__.py", place.with_name(f"{place.name}.py")):
                if file.is_file():
                    return file
        return None

    @property
    def contents(self) -> dict[str, protocol.HotPath]:
        """What has to be known of each hot path to compare it."""
        return {
            path.name: protocol.HotPath(
                path.version,
                _files_of(path, self._root),
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
    """The files below `root` that the functions of a hot path are in; none if that is unknown."""
    functions: list[Callable[..., Any]] = [path.reference, path.inputs, path.cost]
    for variant in path.variants:
        functions += [variant.fn, variant.prepare]
    files = set()
    for function in functions:
        while isinstance(function, partial):
            function = function.func
        code = getattr(inspect.unwrap(function), "__code__", None)
        if code is None:
            return []
        file = Path(code.co_filename)
        if file.is_relative_to(root):  # others are not the project's
            files.add(file.relative_to(root).as_posix())
    return sorted(files)


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
