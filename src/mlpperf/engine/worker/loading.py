"""Loads the versions of a task, each with its own files only."""

from __future__ import annotations

import gc
import importlib
import random
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from .clocks import time
from .independence import why_dependent
from .isolation import World
from .memory import get_memory_ready
from .origins import Origins
from .protocol import COMMANDS, HOTPATH, Side, Task
from .registrations import registered_with
from .rounds import set_aside
from .shared_state import of_collector
from .suite import Copy, MixedError

PACKAGES = str(Path(__file__).parents[3])  # the folder that this package is in
RUNNERS = {"asv": "asv_suite", "pytest": "pytest_suite"}
RUNNERS |= {HOTPATH: "hotpath_suite", COMMANDS: "command_suite"}
LOADS_MOST = 3  # copies of a version: where its code happens to lie in memory is averaged out
LOADING_SECONDS = 0.7  # that a process may spend on more than one copy of each


class DependentError(Exception):
    """Copies of a project with extension modules share what should be their own."""


class Versions:
    """Loads the versions of a task, and checks that each runs its own files only."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.worlds: dict[str, list[World]] = {name: [] for name in task.sides}
        self._origins: Origins | None = None
        if task.suite == HOTPATH:
            sys.dont_write_bytecode = False  # only the first process compiles a version's files

    def runner(self) -> Any:
        """The module that runs the suite and belongs to no version.

        `ModuleNotFoundError` is raised if the environment lacks what it needs.
        """
        return importlib.import_module(f".{RUNNERS[self.task.suite]}", __package__)

    def load(self, name: str) -> Copy:
        """A copy of a version's suite, with modules of its own; raises as `check` and `runner`."""
        task, side, runner = self.task, self.task.sides[name], self.runner()
        if task.compiled:
            into = Path(task.inputs, f"{name}.{len(self.worlds[name])}")
            side = with_own_files(side, into) if self.worlds[name] else side
        copy: Copy
        if task.suite == HOTPATH:
            world = self._world(name, side, runner.folders_of(side))
            copy = runner.HotPathCopy(world, side, task.inputs, given=task.kind == "time")
        elif task.suite == COMMANDS:
            copy = runner.CommandCopy(side, name, task.arguments, self._home())
            return copy
        elif task.suite == "asv":
            folder = Path(side.root) / task.arguments[0]
            working = Path(tempfile.mkdtemp(dir=Path(side.root).parent))
            world = self._world(name, side, [folder.parent, *map(Path, side.folders)], working)
            series = [*task.series, *(session.series for session in task.sessions)]
            wanted = [names[0] for names in series]
            timeout = float(task.arguments[1]) if len(task.arguments) > 1 else 0.0
            timed = task.kind in ("time", "on_request")  # others watch what a set-up runs
            copy = runner.AsvCopy(world, folder, wanted, timeout, timed)
        else:
            world = self._world(name, side, list(map(Path, side.folders)), Path(side.root))
            copy = runner.PytestCopy(world, task.arguments)
        self.worlds[name].append(world)
        self.check(name)
        return copy

    def _world(
        self, name: str, side: Side, folders: Sequence[Path], working: Path | None = None
    ) -> World:
        whole, compiled = Path(side.whole), self.task.compiled
        return World(whole, side.packages, folders, working, name, self._home(), compiled)

    def _home(self) -> Origins:
        if self._origins is None:
            others = [PACKAGES] if self.task.suite == HOTPATH else []
            self._origins = Origins(self.task.home, others)
            self._origins.install()
        return self._origins

    def all(self) -> dict[str, Copy]:
        """A copy of each; raises as `check_independence`."""
        copies = {name: self.load(name) for name in self.task.sides}
        self.check_independence()
        return copies

    def often(self, rng: random.Random) -> dict[str, list[Copy]]:
        """Copies of each to be timed, loaded in random order, as many as loading quickly allows.

        Of hot paths always as many: what takes long to load are libraries, which load only once.
        """
        task = self.task
        copies: dict[str, list[Copy]] = {name: [] for name in task.sides}
        collecting = of_collector()
        start = time.perf_counter()
        for name in rng.sample(list(copies), len(copies)):
            copies[name].append(self.load(name))
        once = time.perf_counter() - start
        quick = LOADS_MOST if task.suite == HOTPATH else int(LOADING_SECONDS / once)
        more = 0 if task.once else min(LOADS_MOST - 1, quick)
        for name in rng.sample(list(copies) * more, len(copies) * more):
            copies[name].append(self.load(name))
        self.check_independence()
        get_memory_ready()
        # A collection would hit one of a pair. A version alone keeps what it has set.
        if len(task.sides) > 1 or collecting == of_collector():
            gc.disable()
        set_aside()
        return copies

    def check(self, *names: str) -> None:
        """Check that some versions, or all, have run their own files only.

        `MixedError` is raised if one has imported modules of another one, of the working tree, or
        of an installed version.
        """
        for name in names or self.task.sides:
            own = self.task.sides[name].whole
            others = [Path(s.whole) for s in self.task.sides.values() if s.whole != own]
            for world in self.worlds[name]:
                if stray := world.strayed(others):
                    raise MixedError(name, stray)

    def check_independence(self) -> None:
        """Raise `DependentError` if copies with extension modules share what must be their own."""
        worlds = self._all_worlds()
        if self.task.compiled and len(worlds) > 1 and (why := why_dependent(worlds)):
            raise DependentError(why)

    def _all_worlds(self) -> list[World]:
        return [world for of_version in self.worlds.values() for world in of_version]

    def registered(self) -> str:
        """Where outside of the only version something of it is registered; "" if nowhere."""
        return registered_with(set().union(*(world.packages for world in self._all_worlds())))


def with_own_files(side: Side, into: Path) -> Side:
    """The version with a copy of its files at `into`, which is made unless it is there.

    Python and the loader know an extension module by its file, so each copy needs files of its own,
    not links.
    """
    whole = Path(side.whole)
    if not into.exists():
        unfinished = into.with_name(f"{into.name}.unfinished")
        shutil.copytree(whole, unfinished, symlinks=True)
        unfinished.rename(into)

    def moved(place: str) -> str:
        return str(into / Path(place).relative_to(whole))

    return replace(side, root=moved(side.root), folders=[*map(moved, side.folders)], copy=str(into))
