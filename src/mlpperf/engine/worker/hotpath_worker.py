"""What a comparison does in a fresh process: prove two versions, or time them side by side.

It reads its task from standard input, one line of
JSON, and answers with a line for each series (a contestant of a path at a case), so that what is
done is not lost if the process is. Whatever the versions print goes to standard error.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator

from ...agreement import arrays_in
from ...devices import keep_freed_memory
from ...hotpath import Args, HotPath, Variant, fresh
from ..pool.process import HERE, serve
from ..versions.imports import files_of
from ..versions.version import BrokenVersionError, MixedError, Version, load
from . import arrays
from .contest import MOVABLE, random_order, runner_of
from .hotpath_proof import contestant, memory_of, prove
from .isolation import leave
from .lines import begins
from .on_request import blocks_on_request
from .origins import Origins
from .rounds import FEWEST_ROUNDS, VERSIONS, Turns
from .runner import Runner

# Each version is loaded so often: where its code happens to lie in memory is averaged out.
LOADS = 3

Loads = list[tuple[HotPath, Variant]]  # a contestant as often as its version is loaded


@dataclass(frozen=True)
class Task:
    """What is asked of a process.

    Attributes
    ----------
    kind : look (what do the versions have?), prove, time, take turns with another process, or count
        the memory of so many `calls` of each version.
    versions : folder, folder of the whole repository, entries and packages of each by name, `base`
        and `head` or one of them.
    home : the top of the user's repository, of which nothing is to be run.
    inputs : the folder that proving writes the inputs to, and timing reads them from.
    series : what is to be proven, as (path, case, variant).
    sessions : what is to be timed: series, seconds, and whether its versions can take the same
        prepared arguments (`together`). A series may be in several, which are then at several
        moments.
    seed : of the order.
    """

    kind: str
    versions: dict[str, tuple[str, str, Sequence[str], Sequence[str]]]
    home: str = ""
    inputs: str = ""
    series: Sequence[Sequence[str]] = ()
    calls: int = 0
    sessions: Sequence[dict[str, Any]] = ()
    seed: int = 0


def main() -> None:
    """Do the task on standard input."""
    sys.dont_write_bytecode = False  # the versions are our own copies: only the first compiles them
    keep_freed_memory()
    serve(lambda task, line: work(Task(**task), line.ask))


def work(task: Task, ask: Callable[[], Any]) -> Iterator[dict[str, Any]]:
    """Do the task, an answer for each series; who takes turns is told by `ask` what to do."""
    if task.kind == "turns":
        return _take_turns(task, ask)
    works = {"look": _look, "prove": _prove, "time": _time, "memory": _count_memory}
    return works[task.kind](task)


def _version(task: Task, name: str) -> Version:
    root, whole, entries, packages = task.versions[name]
    home = Path(task.home) if task.home else None
    return Version(name, None, Path(root), tuple(entries), tuple(packages), Path(whole), home)


@lru_cache(maxsize=1)
def _origins(home: str) -> Origins:
    origins = Origins(home, [HERE])
    origins.install()
    return origins


def _look(task: Task) -> Iterator[dict[str, Any]]:
    """The hot paths of each version, or why it has none."""
    for name in task.versions:
        try:
            version = _version(task, name)
            paths = load(version, _origins(task.home)).values()
            about = {path.name: _about(path, version.root) for path in paths}
            yield {"version": name, "paths": about}
        except MixedError as reason:
            yield {"refused": str(reason)}
        except BrokenVersionError as reason:
            yield {"version": name, "broken": str(reason)}


def _about(path: HotPath, root: Path) -> dict[str, Any]:
    return {
        "version": path.version,
        "files": files_of(path, root),
        "cases": [case.name for case in path.cases],
        "variants": {variant.name: variant.backend.name for variant in path.contestants},
    }


def _prove(task: Task) -> Iterator[dict[str, Any]]:
    """For each series: whether it is right in each version, how long and what memory it takes."""
    versions = {name: load(_version(task, name), _origins(task.home)) for name in task.versions}
    return prove(versions, task.series, Path(task.inputs))


def _count_memory(task: Task) -> Iterator[dict[str, Any]]:
    """What calls of each series take in each version, after one that is not counted."""
    rng = np.random.default_rng(task.seed)
    names = [str(name) for name in rng.permutation(list(task.versions))]
    versions = {name: load(_version(task, name), _origins(task.home)) for name in names}
    for path, case, variant in task.series:
        begins((path, case, variant))
        inputs = arrays.read(Path(task.inputs), f"{path}-{case}")
        calls = {}
        for name, paths in versions.items():
            chosen = contestant(paths[path], variant)
            calls[name] = partial(chosen.call, *chosen.ready(*fresh(paths[path], inputs)))
            calls[name]()
        yield {"series": (path, case, variant), "memory": memory_of(calls, task.calls)}


def _loaded(task: Task, rng: Generator) -> dict[str, list[dict[str, HotPath]]]:
    """Each version several times, in random order."""
    loaded: dict[str, list[dict[str, HotPath]]] = {name: [] for name in task.versions}
    for name in rng.permutation(LOADS * list(task.versions)):
        loaded[str(name)].append(load(_version(task, str(name)), _origins(task.home)))
    gc.disable()  # a collection would hit one of a pair
    gc.freeze()  # and the next ones need not look at modules
    return loaded


def _time(task: Task) -> Iterator[dict[str, Any]]:
    """Seconds of each series in each version, by blocks that alternate."""
    rng = np.random.default_rng(task.seed)
    loaded = _loaded(task, rng)
    for i in rng.permutation(len(task.sessions)):
        session = task.sessions[i]
        path, case, variant = session["series"]
        begins(session["series"])
        inputs = arrays.read(Path(task.inputs), f"{path}-{case}")
        sides = {
            name: [(paths[path], contestant(paths[path], variant)) for paths in loads]
            for name, loads in loaded.items()
        }
        start = time.perf_counter()
        found = _rounds(sides, inputs, session["together"], session["seconds"], rng)
        other = time.perf_counter() - start - found.spent
        yield {
            "series": session["series"],
            "seconds": dict(zip(sides, found.times, strict=True)),
            "spent": found.spent,
            "other": other,
        }
        del inputs
        gc.collect()
        gc.freeze()  # nor at what a call has imported


def _rounds(
    sides: dict[str, Loads], inputs: Args, together: bool, seconds: float, rng: Generator
) -> Turns:
    """Rounds in which each side runs once.

    Versions that can take the same arguments get the same arrays, so that nothing depends on where
    each has its own. Otherwise these move from time to time, so that their addresses average out.
    """

    def prepared(name: str) -> Args:
        path, variant = sides[name][0]
        return variant.ready(*fresh(path, inputs))

    once: list[Args] = []
    movable = not together and sum(a.nbytes for a in arrays_in(inputs)) <= MOVABLE

    def give() -> list[Args]:
        if together:
            once[:] = once or [prepared("head")] * len(sides)
        elif movable or not once:
            once[:] = map(prepared, sides)
        return once

    try:
        runners = [[runner_of(variant) for _, variant in loads] for loads in sides.values()]
        turns = Turns(runners, give, VERSIONS, random_order(rng), clock=time.perf_counter_ns)
        turns.go_on(seconds, FEWEST_ROUNDS)
    finally:
        leave()
    return turns


def _take_turns(task: Task, ask: Callable[[], Any]) -> Iterator[dict[str, Any]]:
    """Time a block whenever asked, while the other version's process waits."""
    rng = np.random.default_rng(task.seed)
    (loads,) = _loaded(task, rng).values()

    def begin(series: Sequence[str], long: bool) -> list[Runner]:
        name, case, variant = series
        begins(series)
        inputs = arrays.read(Path(task.inputs), f"{name}-{case}")
        runners = []
        for paths in loads[:1] if long else loads:
            chosen = contestant(paths[name], variant)
            runner = runner_of(chosen)
            args = chosen.ready(*fresh(paths[name], inputs))
            runner.call = partial(runner.call, *args)
            runners.append(runner)
        return runners

    return blocks_on_request(begin, leave, leave, ask, random_order(rng), time.perf_counter_ns)


if __name__ == "__main__":
    main()
