"""Starts the worker processes of a comparison."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from ..suites.commands import COMMANDS
from ..suites.discovery import Suite
from ..versions.absent import ignored_in
from ..versions.environment import Runtime
from ..versions.layout import PACKAGES, extension_modules, import_folders, own_packages
from ..versions.metadata import write_scripts
from ..versions.pair import Pair
from ..versions.variables import new_home, variables
from ..versions.version import Version
from ..worker.protocol import HOTPATH, Inventory, Samples, Session, Side, Task
from .alternate import alternating
from .process import DependentError, LateError, TaskWorker, WorkerError

# Seconds without a sign of life, besides those of the budget, after which a process counts as
# hanging. A hot path may be compiled meanwhile; a suite reports what may take long.
SILENCE, COMPILING = 30.0, 90.0


class Pool:
    """Starts the worker processes of a comparison.

    Parameters
    ----------
    inputs : a folder for the inputs of hot paths, copies of versions, and for what processes leave.
    warn : takes a sentence about each process that hung, died or failed.
    patience : seconds without a sign of life that are in order, such as the budget.
    seed : of all random orders.
    """

    def __init__(
        self,
        pair: Pair,
        inputs: Path,
        warn: Callable[[str], None],
        patience: float,
        seed: int | None = None,
    ) -> None:
        self._pair, self._own = pair, pair.own
        self._versions = {"base": pair.base, "head": pair.head}
        if self._own:
            self._versions["own"] = self._own.version
        self._suites = {suite.kind: suite for suite in pair.suites}
        self._inputs, self._warn, self._patience = inputs, warn, patience
        self._rng = np.random.default_rng(seed)

    def add(self, side: str, version: Version) -> None:
        """Take a further version, made of base and head, which runs where these run."""
        self._sides[side] = replace(side_of(version), packages=self._sides["head"].packages)
        if self._pair.runtime:
            write_scripts(version.root, version.whole, self._pair.runtime.python)

    def shuffled(self, names: Sequence[str]) -> list[str]:
        """`names` in random order."""
        return [str(name) for name in self._rng.permutation(names)]

    def discover(self, suite: str, sides: Sequence[str]) -> dict[str, Inventory]:
        """The series of each version; all processes run at a time, as nothing is timed."""
        inventories = {}
        with contextlib.ExitStack() as stack:
            workers = {
                side: stack.enter_context(self.start("discover", [side], suite)) for side in sides
            }
            for side, worker in workers.items():
                broken = "loading its suite ends the process"
                inventories[side] = Inventory(side, broken={"": broken})
                try:
                    for answer in worker:
                        inventories[side] = answer
                    whole = f"{self._sides[side].whole}/"
                    inventories[side] = _with_last_words(inventories[side], worker, whole)
                except WorkerError as reason:
                    self._warn(str(reason))
                    inventories[side] = Inventory(side, broken={"": str(reason)})
        return inventories

    def check_sharing(self, suite: str, alone: Mapping[str, Inventory]) -> None:
        """Load both versions of a compiled project into one process, as often as for timing.

        `alone`: what each has in a process of its own.

        Raises `DependentError` if they cannot share a process.
        """
        sides = self.shuffled(["base", "head"])
        with self._watched(sides, suite), self.start("discover", sides, suite) as worker:
            for answer in worker:
                expected = alone[answer.side]
                lost = answer.broken.keys() - expected.broken.keys()
                if lost or answer.series != expected.series:
                    why = answer.broken[min(lost)] if lost else "it has other benchmarks"
                    raise DependentError(f"beside another copy, {why}")

    def run(
        self, kind: str, sides: Sequence[str], suite: str, until: float = math.inf, **task: Any
    ) -> tuple[list[Any], WorkerError | None]:
        """The answers of one process, as `Task` has them; and how it died, if it did.

        It is ended at the moment `until`, by `time.monotonic`.

        Raises `DependentError` if it holds two versions of a compiled project, and dies or finds
        that it must not.
        """
        answers: list[Any] = []
        try:
            with self._watched(sides, suite), self.start(kind, sides, suite, **task) as worker:
                worker.until = until
                answers.extend(worker)
        except WorkerError as lost:
            return answers, lost
        return answers, None

    def time(
        self,
        suite: str,
        sessions: Sequence[Session],
        *,
        longest: float,
        expected: float,
        apart: bool = False,
        once: bool = False,
    ) -> Iterator[Samples]:
        """Samples of each session, by one process with both versions, which take turns.

        Calls that take `longest` seconds more than their session are aborted, and a session may
        take `expected` seconds without a sign of life. `apart`: each version has a process, and
        these take turns block by block; `once`: each is loaded only once, as even copies of one
        version may be in each other's way.

        Raises `WorkerError` if a process hangs, dies or fails, or `DependentError` if both versions
        of a compiled project are in it. That is raised, too, if these share what should be their
        own.
        """
        sides = self.shuffled(["base", "head"])
        if not apart or suite == COMMANDS:
            # A hot path may be compiled at its first call in a process.
            most = longest if suite else COMPILING + longest
            task = {"sessions": list(sessions), "longest": most}
            with self._watched(sides, suite), self.start("time", sides, suite, **task) as worker:
                worker.patience += expected
                yield from worker
            return
        order = [sessions[i] for i in self._rng.permutation(len(sessions))]
        random, once_only = Random(self._seed()), {"once": True} if once else {}
        with self._watched(sides), contextlib.ExitStack() as stack:
            workers = {
                side: stack.enter_context(self.start("on_request", [side], suite, **once_only))
                for side in sides
            }
            for worker in workers.values():
                worker.patience += expected
            yield from alternating(workers["base"], workers["head"], order, random)

    @contextlib.contextmanager
    def _watched(self, sides: Sequence[str], shared: str = "") -> Iterator[None]:
        """Report a process that hangs, dies or fails; one with a single version was running it.

        If several versions of the suite `shared` are in it, that may be why.
        """
        try:
            yield
        except LateError:
            raise
        except WorkerError as reason:
            if len(sides) > 1 and shared not in ("", COMMANDS) and self._runtime(shared).compiled:
                how = str(reason).replace("A process", "a process", 1)
                raise DependentError(f"with both in it, {how}") from reason
            if len(sides) == 1:
                (reason.side,) = sides
            self._warn(str(reason))
            raise

    def _runtime(self, suite: str) -> Runtime:
        return (self._pair.runtime if suite else None) or self._pair.hot_paths

    @cached_property
    def _packages_are_compiled(self) -> bool:
        """Whether a version has packages of its own with extension modules, such as a NumPy.

        Many of these do not bear to be loaded twice in a process.
        """
        versions = self._versions.values()
        return any(extension_modules(version.whole / PACKAGES) for version in versions)

    def start(self, kind: str, sides: Sequence[str], suite: str, **task: Any) -> TaskWorker:
        """A process that works on a task while others do; its reader waits for it."""
        runtime = self._runtime(suite)
        side = _environment_of(sides[0])
        packages, python = runtime.packages.get(side, ()), runtime.python_of(side)
        about: dict[str, Any] = {"path": list(packages), "compiled": runtime.compiled}
        about["once"] = len(sides) == 1 and (runtime.compiled or self._packages_are_compiled)
        if suite:
            owner = self._own.suites if self._own and "own" in sides else self._suites
            about["arguments"] = _arguments(owner[suite], task)
        if suite == COMMANDS:  # nothing of the project is loaded into the worker itself
            about["arguments"].append(json.dumps({name: self._leading(name) for name in sides}))
            about |= {"compiled": False, "once": True}
        if kind == "dry_run":
            about["ignored"] = self._ignored
        about |= {"inputs": str(self._inputs), "home": self._home, "seed": self._seed(), **task}
        described = {side: self._sides[side] for side in sides}
        home = new_home(str(self._inputs))
        return TaskWorker(
            Task(kind, suite or HOTPATH, sides=described, **about),
            python,
            (SILENCE if suite else COMPILING) + self._patience,
            environment=variables(python, home),
            home=home,
        )

    def _leading(self, name: str) -> list[str]:
        """What leads a version's commands to its files: interpreter, scripts and packages."""
        side = _environment_of(name)
        runtime = self._runtime(COMMANDS)
        return [runtime.python_of(side), *runtime.packages.get(side, ())]

    @property
    def _home(self) -> str:
        """The top of the user's repository, of which nothing is to be run."""
        return next((str(v.home) for v in self._versions.values() if v.home), "")

    @cached_property
    def _ignored(self) -> list[str]:
        """What git ignores there, so that no version has it."""
        return ignored_in(Path(self._home)) if self._home else []

    @cached_property
    def _sides(self) -> dict[str, Side]:
        """The versions as workers load them; each has the packages of base and head."""
        sides = {side: side_of(version) for side, version in self._versions.items()}
        packages = list(dict.fromkeys([*sides["base"].packages, *sides["head"].packages]))
        return {side: replace(of, packages=packages) for side, of in sides.items()}

    def _seed(self) -> int:
        return int(self._rng.integers(2**31))


def side_of(version: Version) -> Side:
    """A version, as a worker loads it."""
    folders = import_folders(version.root, version.whole)
    return Side(
        str(version.root),
        list(own_packages(folders)),
        list(map(str, folders)),
        str(version.whole),
        list(version.entries),
    )


def _environment_of(name: str) -> str:
    """The version in whose environment a side runs: further ones, made of both, in the head's."""
    return "base" if name in ("own", "base") else "head"


def _arguments(suite: Suite, task: Mapping[str, Any]) -> list[str]:
    """The suite's arguments, without the files that have no series of the task."""
    series = [*task.get("series", ()), *(session.series for session in task.get("sessions", ()))]
    wanted = {names[0] for names in series} or suite.tests
    return [given for given in suite.arguments if given not in suite.tests or given in wanted]


def _with_last_words(inventory: Inventory, worker: TaskWorker, whole: str) -> Inventory:
    """A module that ends Python has often printed why, and what to do.

    The name of the folder `whole`, in which a copy is, tells nothing.
    """
    broken = {place: why.replace(whole, "") for place, why in inventory.broken.items()}
    ends = [file for file, why in broken.items() if "SystemExit" in why]
    if ends and (last := worker.last_line()):
        broken[ends[-1]] += f"; its last output: {last}"
    return replace(inventory, broken=broken)
