"""Worlds: several copies of a project in one process, each with modules of its own.

A project that imports itself by its own name finds whatever is in `sys.modules` under that name. So
the modules of a copy are there only while it is its turn, and its folders are then the first to be
searched. Absolute and lazy imports, pickles and type hints find the modules of their own copy.

What lies elsewhere stays common to all: the standard library, installed packages, and what these
keep in registers of their own (`registrations`). Modules of the same names that somebody else has
imported, such as another version that is installed, are out of the way meanwhile.

Each version has a temporary folder of its own, so that none reads what another one has left there.

Extension modules need files of their own in each copy. What pybind11 and nanobind keep for a whole
process moves with the copy (`registers`). What else two copies share is found by `independence`.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
import pkgutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, TypeVar

from .lines import SIDE, turn_of
from .origins import CHILD, COPY, HOME, Origins, attributes_of, is_standard, scripts_first
from .registers import OUTER, Registers
from .registrations import attribute

Returned = TypeVar("Returned")
TEMPORARY = ("TMPDIR", "TEMP", "TMP")
# Variables that lead the processes which a copy starts to its files.
LEADING = ("PYTHONPATH", HOME, COPY, "PATH", *TEMPORARY)


class World:
    """A copy of a project.

    Parameters
    ----------
    root : its folder: whatever is imported from there is its own.
    packages : names of top-level packages and modules that are the project's own.
    folders : where these lie; by default in `root` or in `src` below it.
    working : the current folder while it is its turn; as it is for None.
    side : the version that it is a copy of, `base` or `head`.
    origins : what is to be taken from this copy instead of the user's working tree.
    compiled : it has extension modules, whose registers belong to it.

    Attributes
    ----------
    current : the world whose turn it is; None outside of all.
    modules : its own by name, as they were when its last turn ended.
    root, side : as given.
    """

    current: ClassVar[World | None] = None

    def __init__(
        self,
        root: Path,
        packages: Sequence[str],
        folders: Sequence[Path] = (),
        working: Path | None = None,
        side: str = "",
        origins: Origins | None = None,
        compiled: bool = False,
    ) -> None:
        usual = [folder for folder in (root / "src", root) if folder.is_dir()]
        self._origins = origins or Origins("")
        named = [str(root / place) for place in self._origins.named]
        path = [*map(str, folders or usual), *filter(os.path.isdir, named)]
        self._path = list(dict.fromkeys(path))
        _import_standard(self._path)
        self.root, self._below = str(root), str(root) + os.sep
        self._registers = Registers() if compiled else None
        self._variables: dict[str, str | None] = {}
        self._outer: dict[str, str | None] = {}
        self._temporary: str | None = None
        self._outer_temporary = ""
        self._working, self._outside = working and str(working), ""
        self._packages = frozenset(packages)
        self.side, self._turn = side, side.encode().ljust(SIDE)[:SIDE]
        self.modules: dict[str, ModuleType] = {}
        self._others: dict[str, ModuleType] = {}
        # New modules are noticed by their number: to look at all of them takes a hundred times
        # longer than to exchange a few.
        self._seen_within = self._seen_outside = self._seen_finders = -1

    @property
    def packages(self) -> set[str]:
        """The top-level packages and modules that these belong to."""
        return {name.partition(".")[0] for name in self.modules}

    def enter(self) -> None:
        """Let it be this world's turn; whose turn it was before is over."""
        if World.current is self:
            return
        if World.current:
            World.current._leave()
        turn_of(self._turn)
        if len(sys.modules) != self._seen_outside:
            self._others = {name: m for name, m in [*sys.modules.items()] if self._is_own(name, m)}
        for name in self._others:
            del sys.modules[name]
        sys.modules.update(self.modules)
        if self._registers:
            self._registers.put()
        sys.path[:0] = self._path
        self._origins.copy = self.root
        self._lead_children()
        if self._working:
            self._outside = os.getcwd()
            os.chdir(self._working)
        self._seen_within = len(sys.modules)
        World.current = self

    def _lead_children(self) -> None:
        """Let processes that are started from now on run this copy's files."""
        self._outer = {name: os.environ.get(name) for name in LEADING}
        if not self._variables:
            given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
            theirs = [place for place in given if place and not self._origins.is_home(place)]
            path = os.pathsep.join([CHILD, *self._path, *theirs])
            search = scripts_first(self.root, sys.executable)
            self._temporary = temporary_of(self.side)
            leading = (path, self._origins.home, self.root, search)
            self._variables = dict(zip(LEADING, (*leading, *[self._temporary] * len(TEMPORARY))))
        _put(self._variables)
        self._outer_temporary = tempfile.gettempdir()
        tempfile.tempdir = self._temporary

    def _leave(self) -> None:
        if len(sys.modules) != self._seen_within:
            self.modules = {name: m for name, m in [*sys.modules.items()] if self._is_own(name, m)}
        for name in self.modules:
            sys.modules.pop(name, None)
        sys.modules.update(self._others)
        # Code may do with the path as it likes: pytest puts the folders of tests there. A relative
        # one means this copy's, and importing remembers where the first copy's was.
        sys.path[:] = [
            os.path.abspath(place) if _is_relative(place) else place for place in sys.path
        ]
        if len(sys.path_importer_cache) != self._seen_finders:
            for place in list(filter(_is_relative, sys.path_importer_cache)):
                del sys.path_importer_cache[place]
            self._seen_finders = len(sys.path_importer_cache)
        self._path = [place for place in sys.path if self._is_below(place)]
        sys.path[:] = [place for place in sys.path if not self._is_below(place)]
        if self._working:
            os.chdir(self._outside)
        self._origins.copy = ""
        self._variables = {name: os.environ.get(name) for name in LEADING}
        _put(self._outer)
        self._temporary, tempfile.tempdir = tempfile.tempdir, self._outer_temporary
        self._seen_outside = len(sys.modules)
        World.current = None

    def _is_below(self, place: object) -> bool:
        return isinstance(place, str) and (place + os.sep).startswith(self._below)

    def _is_own(self, name: str, module: ModuleType) -> bool:
        """Whether a module belongs to the project, by its name or by where it lies."""
        if name.partition(".")[0] in self._packages:
            return True
        # Without its own code: to ask a lazy module imports others.
        shown = attributes_of(module)
        file, folders = shown.get("__file__"), shown.get("__path__")
        if not folders:  # thousands of modules are asked at every turn that follows an import
            return isinstance(file, str) and file.startswith(self._below)
        return any(map(self._is_below, [file, *folders]))  # a namespace package has no file

    def strayed(self, elsewhere: Sequence[Path] = ()) -> str | None:
        """Which module of the project is not this copy's, and where it lies; None if none is.

        `elsewhere` are the folders of other copies. It is nobody's turn afterwards.
        """
        leave()
        others = tuple(f"{folder}{os.sep}" for folder in elsewhere)
        for name, module in self.modules.items():
            file = str(attribute(module, "__file__") or "")
            if file.startswith(others) or self._is_installed(name, file):
                return f"{name} from {file}"
        self._origins.copy = self.root
        try:
            for name, file in self._origins.strayed(
                [*self.modules.values(), *sys.modules.values()]
            ):
                return f"{name} from {file}"
        finally:
            self._origins.copy = ""
        return None

    def _is_installed(self, name: str, file: str) -> bool:
        """Whether a module of a package of this copy comes from an installed version of it."""
        package = name.partition(".")[0]
        if not file or package not in self._packages or self._is_below(os.path.dirname(file)):
            return False
        own = self.modules.get(package)
        # A namespace package may have other parts elsewhere.
        is_here = any(os.path.isfile(os.path.join(p, package, "__init__.py")) for p in self._path)
        return is_here or own is None or bool(getattr(own, "__file__", None))

    def inside(self, function: Callable[..., Returned]) -> Callable[..., Returned]:
        """`function`, called in this world; whose turn it was before has it again afterwards."""

        @functools.wraps(function)
        def called(*args: Any, **named: Any) -> Returned:
            before = World.current
            self.enter()
            try:
                return function(*args, **named)
            finally:
                if before:
                    before.enter()
                else:
                    leave()

        called.lives_in = self, function  # type: ignore[attr-defined]
        return called


def temporary_of(side: str) -> str:
    """The folder for temporary files of a version, in that of this process."""
    folder = os.path.join(common_temporary(), side)
    os.makedirs(folder, exist_ok=True)
    return folder


def common_temporary() -> str:
    """The folder for temporary files of this process, whoever's turn it is."""
    return World.current._outer_temporary if World.current else tempfile.gettempdir()


def _put(variables: Mapping[str, str | None]) -> None:
    """Set environment variables; those that are None are taken away."""
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        elif os.environ.get(name) != value:
            os.environ[name] = value


def _import_standard(folders: Sequence[str]) -> None:
    """Import the modules of the standard library whose names a project has in its folders, too.

    What else runs here, such as pytest, would otherwise get the project's `queue` or `random`.
    """
    # pkgutil, since what lists a folder otherwise counts as the project's code (`absent`).
    names = {module.name for module in pkgutil.iter_modules(folders)}
    # Many projects have a package of this name, and nothing that runs here needs Python's.
    for name in sorted(names - {"test", ""} - sys.modules.keys()):
        with contextlib.suppress(Exception):  # it is no module
            origin = importlib.util.find_spec(name).origin or ""  # type: ignore[union-attr]
            if is_standard(origin):
                importlib.import_module(name)


def _is_relative(place: object) -> bool:
    """Whether it is a folder below the current one; not that one itself, which is ''."""
    return isinstance(place, str) and bool(place) and not os.path.isabs(place)


def leave() -> None:
    """Let it be nobody's turn; modules are then as they were before the first world."""
    if World.current:
        World.current._leave()
    if Registers.current:
        OUTER.put()


def lives_in(
    function: Callable[..., Any],
) -> tuple[World | None, Callable[..., Any]]:
    """The world that a function is called in, and the function itself, which does not enter it.

    None, and the function as it is, if it is not one that `World.inside` gave.
    """
    lives: tuple[World | None, Callable[..., Any]] = getattr(function, "lives_in", (None, function))
    return lives
