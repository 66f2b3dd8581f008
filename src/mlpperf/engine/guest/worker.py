"""What a comparison does in a process of the measured project: look, prove, time a suite's series.

It reads its task from standard input, one line of JSON, and answers with a line for each series, so
that what is done is not lost if the process is. Whatever the project prints goes to standard error.
"""

from __future__ import annotations

import gc
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .alternation import blocks_on_request
from .blocks import Runner
from .copies import Copy, FailedError, Names, NotTimedError, told, why
from .memory import keep_freed_memory
from .proofs import BrokenOffError, Took, Touched, proven, touched
from .rounds import FEWEST_ROUNDS, VERSIONS, Turns, set_aside
from .tracing import Watch, calls_of, loop_times
from .worlds import World, leave

LOADS_MOST = 3  # copies of a version: where its code happens to lie in memory is averaged out
LOADING_SECONDS = 0.7  # that a process may spend on more than one copy of each


@dataclass(frozen=True)
class Side:
    """A version: its folder, the packages that are its own, and the folders they are found in."""

    root: str
    packages: Sequence[str]
    folders: Sequence[str]


@dataclass(frozen=True)
class Task:
    """What is asked of a process.

    Attributes
    ----------
    kind : look (what do the versions have?), prove, time, take turns with another process, value
        (what do series give that measure no time?), trace (what does each series run?), or touch
        (which run anything that changed?).
    suite : `asv`, with the folder of its benchmarks relative to each version's root and, where its
        configuration has them, the seconds that one may take; or `pytest`, with its arguments.
    sides : the versions by name, `base` and `head` or one of them.
    path : folders that are searched first, with what the environment lacks.
    once : nothing can be loaded more than once.
    series : what is to be proven.
    longest : seconds after which a call that is proven is broken off.
    changed : the lines that changed, by version and file below its root.
    sessions : what is to be timed: series, seconds, and whether a call takes `long`; then only one
        copy of each version is got ready for it. A series may be in several sessions, which are
        then at several moments.
    seed : of all random orders.
    """

    kind: str
    suite: str
    arguments: Sequence[str]
    sides: dict[str, dict[str, Any]]
    path: Sequence[str] = ()
    once: bool = False
    series: Sequence[Sequence[str]] = ()
    longest: float = 60.0
    changed: dict[str, dict[str, Sequence[Sequence[int]]]] = field(default_factory=dict)
    sessions: Sequence[dict[str, Any]] = ()
    seed: int = 0


def main() -> None:
    """Do the task on standard input."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    questions = os.fdopen(os.dup(0), encoding="utf-8")
    os.dup2(2, 1)  # nothing else may be written there
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)  # nor read
    os.close(nothing)

    def ask() -> Any:
        return json.loads(questions.readline() or "null")

    task = Task(**ask())
    sys.path[:0] = task.path
    os.environ.pop("PYTEST_ADDOPTS", None)  # is meant for the user's own runs
    works: dict[str, Callable[[Task], Iterable[dict[str, Any]]]] = {
        "look": _look,
        "prove": _prove,
        "time": _time,
        "value": _value,
        "trace": _trace,
        "touch": _touch,
    }
    ours = os.getpid()
    answers = _take_turns(task, ask) if task.kind == "turns" else works[task.kind](task)
    for answer in answers:
        if os.getpid() != ours:  # a child that the project has forked, and that has not ended
            os._exit(1)
        print(json.dumps(answer), file=replies, flush=True)
    replies.close()
    # Threads and exit handlers that the project has left have no say any more.
    sys.stderr.flush()
    os._exit(0)


class MixedError(Exception):
    """A version has found modules of another one."""


def load(task: Task, name: str) -> Copy:
    """A copy of a version's suite, in a world of its own.

    Raises
    ------
    ModuleNotFoundError
        If the environment lacks what runs the suite.
    MixedError
        If it has found modules of another version.
    """
    side = Side(**task.sides[name])
    root, folders = Path(side.root), [Path(folder) for folder in side.folders]
    if task.suite == "asv":
        from .asv_suite import AsvCopy

        folder = root / task.arguments[0]
        working = Path(tempfile.mkdtemp(dir=root.parent))
        world = World(root, side.packages, [folder.parent, *folders], working)
        series = [*task.series, *(session["series"] for session in task.sessions)]
        wanted = [names[0] for names in series]
        timeout = float(task.arguments[1]) if len(task.arguments) > 1 else 0.0
        timed = task.kind in ("time", "turns")  # others look at what a set-up runs
        copy: Copy = AsvCopy(world, folder, wanted, timeout, timed)
    else:
        from .pytest_suite import PytestCopy

        world = World(root, side.packages, folders, root)
        copy = PytestCopy(world, task.arguments)
    others = [Path(one["root"]) for other, one in task.sides.items() if other != name]
    if stray := world.strayed(others):
        raise MixedError(f"{name} imports {stray} of the other version, so both would be the same")
    return copy


def _look(task: Task) -> Iterator[dict[str, Any]]:
    """The series of each version, and what of them cannot be loaded."""
    for name in task.sides:
        try:
            copy = load(task, name)
        except BaseException as reason:  # anything may go wrong in some commit
            yield {"version": name, "broken": told(reason)}
        else:
            about = {"trouble": copy.broken, "loading": copy.loading}
            yield {"version": name, "series": copy.series, **about}


def _names(names: Sequence[str]) -> Names:
    where, case, function = names
    return where, case, function


def _in_turn(sessions: Iterable[Sequence[str]]) -> Iterator[tuple[Names, Names | None]]:
    """Each series, and the one that comes next."""
    every = [_names(names) for names in sessions]
    following: list[Names | None] = [*every[1:], None]
    return iter(zip(every, following))


def _prove(task: Task) -> Iterator[dict[str, Any]]:
    """For each series: whether each version runs it through, and how long a call takes.

    What is broken off in one version is not tried in the other.
    """
    copies = {name: load(task, name) for name in task.sides}
    for names, following in _in_turn(task.series):
        failed: dict[str, str] = {}
        untimed: dict[str, str] = {}
        took: list[Took] = []
        broken_off = False
        quantity = next(iter(copies.values())).quantity(names)
        for name, copy in copies.items() if quantity == "time" else ():
            try:
                took.append(proven(copy, names, following, task.longest))
            except BrokenOffError:
                broken_off = True
                break
            except NotTimedError as reason:
                untimed[name] = str(reason)
            except FailedError as reason:
                failed[name] = str(reason)
        about: dict[str, Any] = {"failed": failed, "untimed": untimed, "broken_off": broken_off}
        for of_what, seconds in zip(Took._fields, zip(*(took or [Took(0.0, 0.0, 0.0)]))):
            about[of_what] = max(seconds)
        yield {"series": names, "quantity": quantity, **about}


def _value(task: Task) -> Iterator[dict[str, Any]]:
    """What series of the only version give that measure no time."""
    (name,) = task.sides
    copy = load(task, name)
    for names, _ in _in_turn(task.series):
        try:
            value, unit = copy.value(names)
        except (FailedError, NotTimedError) as reason:
            failed = isinstance(reason, FailedError)
            yield {"series": names, "failed" if failed else "untimed": str(reason)}
        else:
            yield {"series": names, "value": value, "unit": unit}


def _trace(task: Task) -> Iterator[dict[str, Any]]:
    """What one call of each series runs in the only version there is."""
    (name,) = task.sides
    copy, root = load(task, name), task.sides[name]["root"]
    yield {"loop": loop_times()}
    for names, following in _in_turn(task.series):
        try:
            runner = copy.begin(names, following)
            try:
                yield {"series": names, "calls": calls_of(runner, root)}
            finally:
                leave()
                copy.end()
        except (FailedError, NotTimedError):
            continue


def _touch(task: Task) -> Iterator[dict[str, Any]]:
    """Whether each series runs anything that changed, in either version.

    What is run while the suite is loaded is shared by all series.
    """
    lines = {
        str(Path(task.sides[name]["root"], file)): of_file
        for name, files in task.changed.items()
        for file, of_file in files.items()
    }
    watch = Watch(lines)
    with watch:
        copies = {name: load(task, name) for name in task.sides}
    shared = watch.ran  # plugins of pytest start processes, too
    for names, following in _in_turn(task.series):
        seen = [Touched.SHARED] if shared else []
        for copy in copies.values() if not shared else ():
            seen.append(touched(copy, names, following, task.longest, watch))
        shared = shared or Touched.SHARED in seen
        yield {"series": names, "touched": any(one is not Touched.NO for one in seen)}


def _loaded(task: Task, rng: random.Random) -> dict[str, list[Copy]]:
    """Copies of each version, loaded in random order, as many as loading quickly allows."""
    copies: dict[str, list[Copy]] = {name: [] for name in task.sides}
    start = time.perf_counter()
    for name in rng.sample(list(copies), len(copies)):
        copies[name].append(load(task, name))
    once = time.perf_counter() - start
    more = 0 if task.once else min(LOADS_MOST - 1, int(LOADING_SECONDS / once))
    for name in rng.sample(list(copies) * more, len(copies) * more):
        copies[name].append(load(task, name))
    keep_freed_memory()
    gc.disable()  # a collection would hit one of a pair
    set_aside()
    return copies


def _time(task: Task) -> Iterator[dict[str, Any]]:
    """Seconds of each series in each version, by blocks that alternate."""
    rng = random.Random(task.seed)
    copies = _loaded(task, rng)
    sessions = rng.sample(list(task.sessions), len(task.sessions))
    chosen = [
        [rng.sample(loads, 1) if session["long"] else loads for loads in copies.values()]
        for session in sessions
    ]
    every = [[copy for side in sides for copy in side] for sides in chosen]
    for number, session in enumerate(sessions):
        names, start = _names(session["series"]), time.perf_counter()
        begun = _Begun()
        try:
            for copy in rng.sample(every[number], len(every[number])):
                later = (i for i in range(number + 1, len(sessions)) if copy in every[i])
                following = next((_names(sessions[i]["series"]) for i in later), None)
                begun.begin(copy, names, following)
            contestants = [[begun.runners[id(copy)] for copy in side] for side in chosen[number]]
            set_aside()
            rounds = Turns(contestants, lambda: [()] * len(copies), VERSIONS, rng)
            rounds.go_on(session["seconds"], FEWEST_ROUNDS)
            begun.end()
        except BaseException as reason:  # what is called may fail at the hundredth time
            begun.give_up()
            yield {"series": names, "failed": why(reason)}
            continue
        yield {
            "series": names,
            "seconds": dict(zip(copies, rounds.times)),
            "spent": rounds.spent,
            "other": time.perf_counter() - start - rounds.spent,
        }
        set_aside()


class _Begun:
    """Copies in which the same series is ready, and what each calls."""

    def __init__(self) -> None:
        self.runners: dict[int, Runner] = {}
        self._ready: list[Copy] = []

    def begin(self, copy: Copy, names: Names, following: Names | None) -> None:
        """Get the series ready in a copy."""
        self.runners[id(copy)] = copy.begin(names, following)
        self._ready.append(copy)

    def end(self) -> None:
        """Let all come to their end."""
        leave()
        self.runners.clear()
        while self._ready:
            self._ready.pop().end()

    def give_up(self) -> None:
        """The same after a failure, which has been told."""
        leave()
        self.runners.clear()
        while self._ready:
            self._ready.pop().give_up()


def _take_turns(task: Task, ask: Callable[[], Any]) -> Iterator[dict[str, Any]]:
    """Time a block whenever asked, while another process with another version waits."""
    rng = random.Random(task.seed)
    (copies,) = _loaded(task, rng).values()
    begun = _Begun()

    def begin(names: Sequence[str], long: bool) -> list[Runner]:
        for copy in rng.sample(copies, 1 if long else len(copies)):
            begun.begin(copy, _names(names), None)
        set_aside()
        return list(begun.runners.values())

    return blocks_on_request(begin, begun.end, begun.give_up, ask, rng)
