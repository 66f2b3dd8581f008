"""The processes of a comparison, one at a time, and what they have found out on the way."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from ..compare.budget import BUDGET, SUITE_BUDGET, longest_proof
from ..suites.discovery import Suite
from ..suites.series import Series
from ..versions.environment import Guests
from ..versions.layout import import_folders, own_packages
from ..versions.own import Own
from ..versions.variables import new_home, variables
from ..versions.version import Version
from ..worker.protocol import (
    HOTPATH,
    DryRun,
    Inventory,
    LoopTimes,
    MemoryCounts,
    Message,
    Samples,
    Session,
    Side,
    Task,
    Value,
)
from .alternate import alternating
from .process import TaskWorker, WorkerError

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

    def messages(
        self, kind: str, sides: Sequence[str], suite: str = "", **task: Any
    ) -> Iterator[Message]:
        """Start a worker, and give its messages as they come.

        It is for the hot paths, or for a `suite`. One that hangs, dies or fails adds its last
        output to `trouble`; what it answered counts.
        """
        with self._noting_trouble(sides), self._started(kind, sides, suite, task) as worker:
            yield from worker

    def ask(
        self, kind: str, sides: Sequence[str], suite: str = "", **task: Any
    ) -> Iterator[dict[str, Any]]:
        """The same, as `as_before`."""
        for message in self.messages(kind, sides, suite, **task):
            yield as_before(message)

    def look(self, suite: str, sides: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
        """Have each version say what it has of a suite: all at a time, as none is timed.

        If the base has a suite of its own that differs, so does that (`own`). Of a process that
        hangs, dies or fails, the answer is that it is `broken`.
        """
        own = ["own"] if self._own and suite in self._own.suites else []
        with contextlib.ExitStack() as stack:
            workers = {
                side: stack.enter_context(self._started("discover", [side], suite, {}))
                for side in sides or ("base", "head", *own)
            }
            for side, worker in workers.items():
                try:
                    yield from map(as_before, worker)
                except WorkerError as reason:
                    self.trouble.append(str(reason))
                    yield {"version": side, "broken": str(reason)}

    def gives_own_files(self, suite: str, places: Sequence[str]) -> bool:
        """Give the base its own files at some places of a suite again; False if it has none."""
        if self._own is None or suite not in self._own.suites:
            return False
        return self._own.give_back(self.suites[suite], places, self._versions["base"].root)

    def started(self, kind: str, suite: str, **task: Any) -> TaskWorker:
        """A process for both versions that works while others do, and is heard later."""
        return self._started(kind, ["base", "head"], suite, task)

    def time(self, suite: str, sessions: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Have one process time both versions in turns; its answers as they come."""
        # Of a call that was quick when it was proven, and does not end now, as then.
        usual = SUITE_BUDGET[0] if self._budget is None else self._budget
        limit = longest_proof(usual, len(sessions)) + (0.0 if suite else COMPILING)
        return self.ask(
            "time", ["base", "head"], suite, sessions=list(map(_session, sessions)), longest=limit
        )

    def alternate(
        self, suite: str, sessions: Sequence[dict[str, Any]], once: bool = False
    ) -> Iterator[dict[str, Any]]:
        """The same by two processes, one for each version, which take turns block by block.

        `once`: each loads its version only once, as even copies of one may be in each other's way.
        """
        order = [_session(sessions[i]) for i in self._rng.permutation(len(sessions))]
        task = {"once": True} if once else {}
        random = Random(self._seed())
        with self._noting_trouble(()), contextlib.ExitStack() as stack:
            workers = {
                side: stack.enter_context(self._started("on_request", [side], suite, task))
                for side in self.shuffled(["base", "head"])
            }
            for worker in workers.values():
                worker.patience = self._patience(suite, order)
            yield from map(as_before, alternating(workers["base"], workers["head"], order, random))

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
    ) -> TaskWorker:
        guests = self._guests if suite else None
        python = guests.python if guests else self._pythons.get(sides[0], sys.executable)
        home = new_home(self._homes)
        patience = self._patience(suite, task.get("sessions", ()))
        return TaskWorker(
            self.task(kind, sides, suite, **task),
            python,
            patience,
            environment=variables(python, home),
            home=home,
        )

    def _patience(self, suite: str, sessions: Sequence[Session]) -> float:
        """Seconds without a sign of life after which a process counts as hanging.

        It gives one before each of the `sessions`; whatever happens in these is known by now.
        """
        usual = SUITE_BUDGET[0] if suite else BUDGET
        longest = 0.0
        for session in sessions:
            series = Series.of(session.series, suite)
            once = self.setup.get(series, 0.0) + max(
                self.calls.get(series, 0.0), self.whole.get(series, 0.0)
            )
            longest = max(longest, session.seconds + TIMES * once)
        silence = SILENCE if suite else COMPILING
        return silence + (usual if self._budget is None else self._budget) + longest

    def task(self, kind: str, sides: Sequence[str], suite: str, **task: Any) -> Task:
        """A task of a worker for the hot paths, or for a `suite`."""
        given = Task(
            KINDS.get(kind, kind),
            suite or HOTPATH,
            sides={side: self._side(side, suite) for side in sides},
            home=self._home,
            inputs=self._inputs,
            seed=self._seed(),
            **task,
        )
        if not (suite and self._guests):
            return given
        return replace(
            given,
            arguments=_arguments(self._suite(suite, sides), given),
            path=list(self._guests.packages["base" if sides[0] == "own" else sides[0]]),
            once=self._guests.compiled or given.once,
        )

    def _suite(self, suite: str, sides: Sequence[str]) -> Suite:
        return self._own.suites[suite] if self._own and "own" in sides else self.suites[suite]

    def _side(self, side: str, suite: str) -> Side:
        """A version, as a worker loads it."""
        version = self._own.version if self._own and side == "own" else self._versions[side]
        return Side(
            str(version.root),
            list(self._packages if suite else version.packages),
            [str(folder) for folder in import_folders(version.root, version.whole)],
            str(version.whole),
            [] if suite else list(version.entries),
        )

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


def _arguments(suite: Suite, task: Task) -> list[str]:
    """What the suite is run with: of its files with tests only those with series of the task."""
    series = [*task.series, *(session.series for session in task.sessions)]
    wanted = {names[0] for names in series} or suite.tests
    return [given for given in suite.arguments if given not in suite.tests or given in wanted]


# --- what the judge still reads as dictionaries ---------------------------------------------------

KINDS = {"look": "discover", "prove": "dry_run"}


def _session(given: Mapping[str, Any]) -> Session:
    return Session(given["series"], given["seconds"], given["long"], given.get("together", False))


def as_before(message: Message) -> dict[str, Any]:
    """A message as a dictionary with other keys."""
    if isinstance(message, Inventory):
        if message.broken.keys() == {""}:
            return {"version": message.side, "broken": message.broken[""]}
        paths = {
            name: {
                "version": about.version,
                "files": about.files or None,
                "cases": list(dict.fromkeys(one[1] for one in message.series if one[0] == name)),
                "variants": about.backends,
            }
            for name, about in message.hot_paths.items()
        }
        return {
            "version": message.side,
            "series": message.series,
            "trouble": message.broken,
            "loading": message.import_seconds,
            "paths": paths,
        }
    answer = asdict(message)
    if isinstance(message, DryRun):
        answer["took"] = {
            side: {
                "seconds": took.call,
                "whole": took.total,
                "setup": took.setup,
                "foreign": took.foreign,
            }
            for side, took in message.took.items()
        }
        answer |= {"broken_off": message.aborted, "wrong": message.failed}
        answer["together"] = message.shares_arguments
        if message.took:
            answer["seconds"] = list(message.took.values())[-1].call
    elif isinstance(message, Samples):
        answer |= {"spent": message.timed_seconds, "other": message.overhead_seconds}
        answer["side"] = message.failed_side
        if not message.failed:
            del answer["failed"]
    elif isinstance(message, Value):
        if message.failed or message.untimed or message.skipped:
            del answer["value"]
        del answer["unit" if "value" not in answer else "failed"]
        answer = {key: value for key, value in answer.items() if value != ""} | (
            {"unit": message.unit} if "value" in answer else {}
        )
    elif isinstance(message, MemoryCounts):
        answer["memory"] = message.calls
    elif isinstance(message, LoopTimes):
        answer["loop"] = message.seconds
    return answer
