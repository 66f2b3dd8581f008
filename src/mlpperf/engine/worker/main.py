"""What a comparison does in a process of the measured project: look, prove, time a suite's series.

It reads its task from standard input, one line of JSON, and answers with a line for each series, so
that what is done is not lost if the process is. Whatever the project prints goes to standard error.
"""

from __future__ import annotations

import functools
import gc
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from .children import Children
from .dry_run import BrokenOffError, Touched, proven, touched
from .isolation import World, leave
from .lines import Line, begins
from .memory import keep_freed_memory
from .on_request import blocks_on_request
from .origins import Origins
from .rounds import FEWEST_ROUNDS, VERSIONS, Turns, blamed, blaming, set_aside
from .runner import Runner
from .suite import Copy, FailedError, Names, NotTimedError, SkippedError, told, why
from .task import Side, Task
from .timeout import TooLongError, at_most
from .tracing import calls_of, loop_times
from .watching import Watch

LOADS_MOST = 3  # copies of a version: where its code happens to lie in memory is averaged out
LOADING_SECONDS = 0.7  # that a process may spend on more than one copy of each


def main() -> None:
    """Do the task on standard input."""
    line = Line()
    works: dict[str, Callable[[Task], Iterable[dict[str, Any]]]] = {
        "look": _look,
        "prove": _prove,
        "time": _time,
        "value": _value,
        "trace": _trace,
        "touch": _touch,
    }

    def work(told: dict[str, Any]) -> Iterable[dict[str, Any]]:
        task = Task(**told)
        sys.path[:0] = task.path
        answers = _take_turns(task, line.ask) if task.kind == "turns" else works[task.kind](task)
        try:
            yield from answers
            check_origins(task)
        except MixedError as reason:
            yield {"refused": str(reason)}

    line.answer(work)


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
    root, copy_root = Path(side.root), Path(side.whole)
    folders = [Path(folder) for folder in side.folders]
    origins = _origins(task.home)
    if task.suite == "asv":
        from .asv_suite import AsvCopy

        folder = root / task.arguments[0]
        working = Path(tempfile.mkdtemp(dir=root.parent))
        world = World(copy_root, side.packages, [folder.parent, *folders], working, name, origins)
        series = [*task.series, *(session["series"] for session in task.sessions)]
        wanted = [names[0] for names in series]
        timeout = float(task.arguments[1]) if len(task.arguments) > 1 else 0.0
        timed = task.kind in ("time", "turns")  # others look at what a set-up runs
        copy: Copy = AsvCopy(world, folder, wanted, timeout, timed)
    else:
        from .pytest_suite import PytestCopy

        world = World(copy_root, side.packages, folders, root, name, origins)
        copy = PytestCopy(world, task.arguments)
    _worlds.setdefault(name, []).append(world)
    check_origins(task, name)
    return copy


_worlds: dict[str, list[World]] = {}  # of each version, the copies that are loaded


@functools.lru_cache(maxsize=1)
def _origins(home: str) -> Origins:
    origins = Origins(home)
    origins.install()
    return origins


def check_origins(task: Task, *names: str) -> None:
    """Check that each version has run its own files only.

    Raises
    ------
    MixedError
        If one has found modules of another one, of the working tree, or of an installed version.
    """
    for name in names or task.sides:
        others = [Side(**side) for other, side in task.sides.items() if other != name]
        folders = [Path(side.whole) for side in others]
        for world in _worlds.get(name, ()):
            if stray := world.strayed(folders):
                raise MixedError(_mixed(name, stray))


def _mixed(name: str, stray: str) -> str:
    return (
        f"{name} imports {stray}, which is none of its own files, so the versions cannot be told "
        "apart: remove what puts that on the path, or the installed copy of the project"
    )


def _look(task: Task) -> Iterator[dict[str, Any]]:
    """The series of each version, and what of them cannot be loaded."""
    for name in task.sides:
        try:
            copy = load(task, name)
        except MixedError as reason:
            yield {"refused": str(reason)}
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
    for names, following in zip(every, [*every[1:], None]):
        begins(names)
        yield names, following


def _prove(task: Task) -> Iterator[dict[str, Any]]:
    """For each series and version: whether it runs through, and how long a call takes."""
    copies = {name: load(task, name) for name in task.sides}
    children = Children()
    for names, following in _in_turn(task.series):
        answer: dict[str, Any] = {
            "quantity": next(iter(copies.values())).quantity(names),
            **{key: {} for key in ("failed", "untimed", "skipped", "broken_off", "took")},
        }
        for name, copy in copies.items() if answer["quantity"] == "time" else ():
            children.forget()
            try:
                others = [Side(**o).whole for other, o in task.sides.items() if other != name]
                took = proven(copy, names, following, task.longest, task.repeat, others)
                if why_unknown := children.unknown:
                    raise NotTimedError(why_unknown)
                answer["took"][name] = took._asdict()
            except BrokenOffError:
                answer["broken_off"][name] = task.longest
            except SkippedError as reason:
                answer["skipped"][name] = str(reason)
            except NotTimedError as reason:
                answer["untimed"][name] = str(reason)
            except FailedError as reason:
                answer["failed"][name] = str(reason)
            if stray := children.strayed:
                raise MixedError(_mixed(name, stray))
        yield {"series": names, **answer}


def _value(task: Task) -> Iterator[dict[str, Any]]:
    """What series of the only version give that measure no time."""
    (name,) = task.sides
    copy = load(task, name)
    for names, _ in _in_turn(task.series):
        try:
            value, unit = copy.value(names)
        except FailedError as reason:
            yield {"series": names, "failed": str(reason)}
        except NotTimedError as reason:
            skipped = isinstance(reason, SkippedError)
            yield {"series": names, "skipped" if skipped else "untimed": str(reason)}
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
    """Whether each series may run anything that changed, in either version, and why.

    What is run while the suite is loaded is shared by all series.
    """
    watch = Watch(task.changed, {name: side["root"] for name, side in task.sides.items()})
    with watch:
        copies = {name: load(task, name) for name in task.sides}
    shared = watch.loaded()
    for names, following in _in_turn(task.series):
        reason = shared
        for copy in copies.values() if not shared else ():
            found, because = touched(copy, names, following, task.longest, watch)
            reason = reason or because
            shared = shared or (because if found is Touched.SHARED else "")
        yield {"series": names, "touched": bool(reason), "why": reason}


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
    """Seconds of each series in each version, by blocks that alternate.

    Where a version fails, the answer says which, if that is known.
    """
    rng = random.Random(task.seed)
    copies = _loaded(task, rng)
    sides = list(copies)
    sessions = rng.sample(list(task.sessions), len(task.sessions))
    chosen = [
        [rng.sample(loads, 1) if session["long"] else loads for loads in copies.values()]
        for session in sessions
    ]
    every = [[copy for side in sides for copy in side] for sides in chosen]
    for number, session in enumerate(sessions):
        names, start = _names(session["series"]), time.perf_counter()
        begins(names)
        begun = _Begun()
        try:
            for copy in rng.sample(every[number], len(every[number])):
                later = (i for i in range(number + 1, len(sessions)) if copy in every[i])
                following = next((_names(sessions[i]["series"]) for i in later), None)
                with blaming(next(i for i, side in enumerate(copies.values()) if copy in side)):
                    begun.begin(copy, names, following)
            contestants = [[begun.runners[id(copy)] for copy in side] for side in chosen[number]]
            set_aside()
            with at_most(session["seconds"] + task.longest) as limit:
                rounds = Turns(contestants, lambda: [()] * len(copies), VERSIONS, rng)
                rounds.go_on(session["seconds"], FEWEST_ROUNDS)
            begun.end()
        except BaseException as reason:  # what is called may fail at the hundredth time
            begun.give_up()
            which = blamed(reason)
            too_long = f"its calls did not end within {limit.seconds:.0f} s"
            yield {
                "series": names,
                "failed": too_long if isinstance(reason, TooLongError) else why(reason),
                "side": "" if which is None else sides[which],
            }
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
        begins(names)
        for copy in rng.sample(copies, 1 if long else len(copies)):
            begun.begin(copy, _names(names), None)
        set_aside()
        return list(begun.runners.values())

    return blocks_on_request(begin, begun.end, begun.give_up, ask, rng)
