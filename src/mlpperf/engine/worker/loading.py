"""Loads the versions of a task, each with its own files only."""

from __future__ import annotations

import gc
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from .isolation import World
from .memory import get_memory_ready
from .origins import Origins
from .protocol import HOTPATH, Task
from .rounds import set_aside
from .shared_state import of_collector
from .suite import Copy

PACKAGES = str(Path(__file__).parents[3])  # the folder that this package is in
LOADS_MOST = 3  # copies of a version: where its code happens to lie in memory is averaged out
LOADING_SECONDS = 0.7  # that a process may spend on more than one copy of each


class MixedError(Exception):
    """A version has run files that are not its own."""

    def __init__(self, name: str, stray: str) -> None:
        super().__init__(
            f"{name} imports {stray}, which is none of its own files, so the versions cannot be "
            "distinguished: remove what puts that on the path, or the installed copy of the project"
        )


class Versions:
    """Loads the versions of a task, and checks that each runs its own files only."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self._worlds: dict[str, list[World]] = {name: [] for name in task.sides}
        self._origins: Origins | None = None
        if task.suite == HOTPATH:
            sys.dont_write_bytecode = False  # only the first process compiles a version's files

    def load(self, name: str) -> Copy:
        """A copy of a version's suite, with modules of its own.

        Raises
        ------
        ModuleNotFoundError
            If the environment lacks what runs the suite.
        MixedError
            If it has imported modules of another version.
        """
        task, side = self.task, self.task.sides[name]
        if task.suite == HOTPATH:
            from .hotpath_suite import HotPathCopy

            hot_paths = HotPathCopy(side, name, self._home(), task.inputs, task.kind == "time")
            copy: Copy = hot_paths
            world = hot_paths.world
        elif task.suite == "asv":
            from .asv_suite import AsvCopy

            folder = Path(side.root) / task.arguments[0]
            working = Path(tempfile.mkdtemp(dir=Path(side.root).parent))
            world = self._world(name, [folder.parent, *map(Path, side.folders)], working)
            series = [*task.series, *(session.series for session in task.sessions)]
            wanted = [names[0] for names in series]
            timeout = float(task.arguments[1]) if len(task.arguments) > 1 else 0.0
            timed = task.kind in ("time", "on_request")  # others watch what a set-up runs
            copy = AsvCopy(world, folder, wanted, timeout, timed)
        else:
            from .pytest_suite import PytestCopy

            world = self._world(name, list(map(Path, side.folders)), Path(side.root))
            copy = PytestCopy(world, task.arguments)
        if world:
            self._worlds[name].append(world)
            self.check(name)
        return copy

    def _world(self, name: str, folders: Sequence[Path], working: Path) -> World:
        side = self.task.sides[name]
        return World(Path(side.whole), side.packages, folders, working, name, self._home())

    def _home(self) -> Origins:
        if self._origins is None:
            others = [PACKAGES] if self.task.suite == HOTPATH else []
            self._origins = Origins(self.task.home, others)
            self._origins.install()
        return self._origins

    def all(self) -> dict[str, Copy]:
        """A copy of each."""
        return {name: self.load(name) for name in self.task.sides}

    def only(self) -> tuple[str, Copy]:
        """The only version, and a copy of it."""
        (name,) = self.task.sides
        return name, self.load(name)

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
        get_memory_ready()
        # A collection would hit one of a pair. A version alone keeps what it has set.
        if len(task.sides) > 1 or collecting == of_collector():
            gc.disable()
        set_aside()
        return copies

    def check(self, *names: str) -> None:
        """Check that some versions, or all, have run their own files only.

        Raises
        ------
        MixedError
            If one has imported modules of another one, of the working tree, or of an installed
            version.
        """
        for name in names or self.task.sides:
            others = [Path(side.whole) for other, side in self.task.sides.items() if other != name]
            for world in self._worlds[name]:
                if stray := world.strayed(others):
                    raise MixedError(name, stray)
