"""The processes of a comparison, one at a time, and what they have found out on the way."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from ...errors import MlpperfError
from ..compare.budget import BUDGET, SUITE_BUDGET, longest_proof
from ..suites.discovery import Suite
from ..suites.series import Series
from ..versions.environment import Guests
from ..versions.layout import import_folders, own_packages
from ..versions.own import Own
from ..versions.variables import new_home, variables
from ..versions.version import Version
from .alternate import alternating
from .process import Worker, WorkerError, started, suite_worker

# Seconds without a sign of life, besides those of the budget, after which a process counts as
# hanging. A hot path may be compiled meanwhile; a suite says what may take long.
SILENCE, COMPILING = 30.0, 90.0
TIMES = 12  # that a series which is timed is set up and called at least, in all its copies


class Crew:
    """The processes that do the work.

    Attributes
    ----------
    together : the series whose versions can take the same arguments; known when they are proven.
    loading : seconds that each place of a suite takes to load, by the kind of suite and the side.
    calls : seconds of a call of each series; known when they are proven, too.
    whole : the same with what prepares each call, where anything does.
    setup : seconds that it takes to get each series ready in a copy, if that is known.
    took : seconds of a call of each series in each version.
    apart : series whose versions are in each other's way, so that each needs its own process.
    broken_off : series with calls so long that they were not waited for.
    trouble : a sentence for each process that hung, died or failed.
    failed : whether the last process did.
    lost : how it did, and what it was doing; None if it came to its end.
    """

    def __init__(
        self,
        versions: dict[str, Version],
        pythons: dict[str, str],
        inputs: str,
        trouble: list[str],
        seed: int | None,
        suites: Sequence[Suite] = (),
        guests: Guests | None = None,
        own: Own | None = None,
        budget: float | None = None,
    ) -> None:
        self._own = own
        self._versions, self._pythons, self._inputs = versions, pythons, inputs
        self._homes = inputs
        self.suites, self._guests = {suite.kind: suite for suite in suites}, guests
        self.trouble = trouble
        self.together: set[Series] = set()
        self.calls: dict[Series, float] = {}
        self.whole: dict[Series, float] = {}
        self.setup: dict[Series, float] = {}
        self.took: dict[Series, Mapping[str, float]] = {}
        self.apart: set[Series] = set()
        self.loading: dict[tuple[str, str], Mapping[str, float]] = {}
        self.broken_off: set[Series] = set()
        self.failed = False
        self.lost: WorkerError | None = None
        self._budget = budget
        self._rng = np.random.default_rng(seed)

    @property
    def has_hot_paths(self) -> bool:
        """Whether a version has any."""
        return any(version.entries for version in self._versions.values())

    def root(self, side: str) -> Path:
        """The folder of a version."""
        return self._versions[side].root

    def shuffled(self, names: Sequence[str]) -> list[str]:
        """`names` in random order."""
        return [str(name) for name in self._rng.permutation(names)]

    def told(
        self, sides: Sequence[str]
    ) -> dict[str, tuple[str, str, Sequence[str], Sequence[str]]]:
        """What a process is told of these versions."""
        chosen = {side: self._versions[side] for side in sides}
        return {s: (str(v.root), str(v.whole), v.entries, v.packages) for s, v in chosen.items()}

    def ask(
        self, kind: str, sides: Sequence[str], suite: str = "", **task: Any
    ) -> Iterator[dict[str, Any]]:
        """Start a process, and give its answers as they come.

        It is the hot paths', or that of a `suite`. One that hangs, dies or fails adds its last
        words to `trouble`; what it answered counts.
        """
        with self._noting_trouble(sides), self._started(kind, sides, suite, task) as worker:
            yield from map(_accepted, worker)

    def look(self, suite: str, sides: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
        """Have each version say what it has of a suite: all at a time, as none is timed.

        If the base has a suite of its own that differs, so does that (`own`). Of a process that
        hangs, dies or fails, the answer is that it is `broken`.
        """
        own = ["own"] if self._own and suite in self._own.suites else []
        with contextlib.ExitStack() as stack:
            workers = {
                side: stack.enter_context(self._started("look", [side], suite, {}))
                for side in sides or ("base", "head", *own)
            }
            for side, worker in workers.items():
                try:
                    yield from map(_accepted, worker)
                except WorkerError as reason:
                    self.trouble.append(str(reason))
                    yield {"version": side, "broken": str(reason)}

    def gives_own_files(self, suite: str, places: Sequence[str]) -> bool:
        """Give the base its own files at some places of a suite again; False if it has none."""
        if self._own is None or suite not in self._own.suites:
            return False
        return self._own.give_back(self.suites[suite], places, self._versions["base"].root)

    def started(self, kind: str, suite: str, **task: Any) -> Worker:
        """A process for both versions that works while others do, and is heard later."""
        return self._started(kind, ["base", "head"], suite, task)

    def time(self, suite: str, sessions: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Have one process time both versions in turns; its answers as they come."""
        # Of a call that was quick when it was proven, and does not end now, as then.
        usual = SUITE_BUDGET[0] if self._budget is None else self._budget
        limit = {"longest": longest_proof(usual, len(sessions))} if suite else {}
        return self.ask("time", ["base", "head"], suite, sessions=sessions, **limit)

    def alternate(
        self, suite: str, sessions: Sequence[dict[str, Any]], once: bool = False
    ) -> Iterator[dict[str, Any]]:
        """The same by two processes, one for each version, which take turns block by block.

        `once`: each loads its version only once, as even copies of one may be in each other's way.
        """
        order = [sessions[i] for i in self._rng.permutation(len(sessions))]
        task = {"once": True} if once else {}
        random = Random(self._seed())
        with self._noting_trouble(()), contextlib.ExitStack() as stack:
            workers = {
                side: stack.enter_context(self._started("turns", [side], suite, task))
                for side in self.shuffled(["base", "head"])
            }
            for worker in workers.values():
                worker.patience = self._patience(suite, sessions)
            yield from alternating(workers["base"], workers["head"], order, random)

    @contextlib.contextmanager
    def _noting_trouble(self, sides: Sequence[str]) -> Iterator[None]:
        """Add the last words of a process that hangs, dies or fails to `trouble`.

        One that has a single version was running that.
        """
        self.failed, self.lost = False, None
        try:
            yield
        except WorkerError as reason:
            if len(sides) == 1:
                (reason.side,) = sides
            self.failed, self.lost = True, reason
            self.trouble.append(str(reason))

    def _started(
        self, kind: str, sides: Sequence[str], suite: str, task: Mapping[str, Any]
    ) -> Worker:
        guests = self._guests if suite else None
        python = guests.python if guests else self._pythons.get(sides[0], sys.executable)
        home = new_home(self._homes)
        patience = self._patience(suite, task.get("sessions", ()))
        where: Any = {"environment": variables(python, home), "home": home}
        if guests:
            told = self._guest_task(guests, kind, sides, suite, task)
            return suite_worker(told, python, patience, **where)
        line = {
            "kind": kind,
            "versions": self.told(sides),
            "inputs": self._inputs,
            "home": self._home,
            "seed": self._seed(),
            **task,
        }
        return started("mlpperf.engine.worker.hotpath_worker", line, python, patience, **where)

    def _patience(self, suite: str, sessions: Sequence[Mapping[str, Any]]) -> float:
        """Seconds without a sign of life after which a process counts as hanging.

        It gives one before each of the `sessions`; whatever happens in these is known by now.
        """
        usual = SUITE_BUDGET[0] if suite else BUDGET
        longest = 0.0
        for session in sessions:
            series = Series.of(session["series"], suite)
            once = self.setup.get(series, 0.0) + max(
                self.calls.get(series, 0.0), self.whole.get(series, 0.0)
            )
            longest = max(longest, session["seconds"] + TIMES * once)
        silence = SILENCE if suite else COMPILING
        return silence + (usual if self._budget is None else self._budget) + longest

    def _guest_task(
        self,
        guests: Guests,
        kind: str,
        sides: Sequence[str],
        suite: str,
        task: Mapping[str, Any],
    ) -> dict[str, Any]:
        """What a process in the project's environment is told."""
        return {
            "kind": kind,
            "suite": suite,
            "arguments": _arguments(self._suite(suite, sides), task),
            "sides": {side: self._as_told(side) for side in sides},
            "path": guests.packages["base" if sides[0] == "own" else sides[0]],
            "once": guests.compiled,
            "home": self._home,
            "seed": self._seed(),
            **task,
        }

    def _suite(self, suite: str, sides: Sequence[str]) -> Suite:
        return self._own.suites[suite] if self._own and "own" in sides else self.suites[suite]

    def _as_told(self, side: str) -> dict[str, Any]:
        """A version, as a guest knows it."""
        version = self._own.version if self._own and side == "own" else self._versions[side]
        return {
            "root": str(version.root),
            "copy": str(version.whole),
            "packages": self._packages,
            "folders": [str(folder) for folder in import_folders(version.root, version.whole)],
        }

    @property
    def _home(self) -> str:
        """The top of the user's repository, of which nothing is to be run."""
        return next((str(v.home) for v in self._versions.values() if v.home), "")

    @cached_property
    def _packages(self) -> tuple[str, ...]:
        """The packages of the project, in any of the versions."""
        folders = (import_folders(v.root, v.whole) for v in self._versions.values())
        return own_packages(folder for of_version in folders for folder in of_version)

    def _seed(self) -> int:
        return int(self._rng.integers(2**31))


def _accepted(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer, unless it says that nothing can follow from what is measured.

    Raises
    ------
    MlpperfError
        If a version has run files that are not its own.
    """
    if "refused" in answer:
        raise MlpperfError(answer["refused"])
    return answer


def _arguments(suite: Suite, task: Mapping[str, Any]) -> list[str]:
    """What the suite is run with: of its files with tests only those with series of the task."""
    series = [*task.get("series", ()), *(one["series"] for one in task.get("sessions", ()))]
    wanted = {names[0] for names in series} or suite.tests
    return [given for given in suite.arguments if given not in suite.tests or given in wanted]
