"""What a comparison does in a fresh process: prove two versions, or time them side by side.

Run as `python -m mlpperf.engine.compare.worker`, it reads its task from standard input, one line of
JSON, and answers with a line for each series (a contestant of a path at a case), so that what is
done is not lost if the process is. Whatever the versions print goes to standard error.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from ...agreement import Agreement, WrongResultError, arrays_in, compare, fingerprint
from ...devices import keep_freed_memory
from ...errors import MlpperfError
from ...hotpath import Args, Case, HotPath, Variant, fresh, problem, proven
from ..timing.race import MOVABLE, Contestant
from .versions import BrokenVersionError, Version, load

# Each version is loaded so often: where its code happens to lie in memory is averaged out.
LOADS = 3
# Seconds of a block at least: the shorter the blocks, the less comes between those of a pair, and
# the more pairs there are. Of blocks of 1 ms a pair scatters as much, and takes ten times longer.
BLOCK = 1e-4
LONG = 0.005  # calls of so many seconds do not depend on where their code and threads lie
STAY = 0.01  # seconds until arrays that can be elsewhere are


@dataclass(frozen=True)
class Task:
    """What is asked of a process.

    `kind`: look (what do the versions have?), prove or time. `versions`: folder and entries of each
    by name, `base` and `head` or one of them. `inputs`: the folder that proving writes the inputs
    to, and timing reads them from. `series`: as (path, case, variant); `together`: those of them
    whose versions can take the same prepared arguments. `seconds`: of timing, for each of `series`,
    in which one may be several times, so that it is timed at several moments. `seed`: of the order.
    """

    kind: str
    versions: dict[str, tuple[str, Sequence[str]]]
    inputs: str = ""
    series: Sequence[Sequence[str]] = ()
    together: Sequence[Sequence[str]] = ()
    seconds: Sequence[float] = ()
    seed: int = 0


def main() -> None:
    """Do the task on standard input."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # nothing else may be written there
    task = Task(**json.loads(sys.stdin.readline()))
    sys.dont_write_bytecode = False  # the versions are our own copies: only the first compiles them
    if len(task.versions) == 1:  # then whatever it imports by its own name is found, too
        ((root, _),) = task.versions.values()
        sys.path[:0] = [str(Path(root) / "src"), root]
    keep_freed_memory()
    work = {"look": _look, "prove": _prove, "time": _time}[task.kind]
    try:
        for answer in work(task):
            print(json.dumps(answer), file=replies, flush=True)
    except MlpperfError as reason:
        sys.exit(f"mlpperf: {reason}")


def _look(task: Task) -> Iterator[dict[str, Any]]:
    """The hot paths of each version, or why it has none."""
    for name in task.versions:
        try:
            paths = load(_version(task, name)).values()
            yield {"version": name, "paths": {path.name: _about(path) for path in paths}}
        except BrokenVersionError as reason:
            yield {"version": name, "broken": str(reason)}


def _version(task: Task, name: str) -> Version:
    root, entries = task.versions[name]
    return Version(name, None, Path(root), tuple(entries))


def _about(path: HotPath) -> dict[str, Any]:
    return {
        "version": path.version,
        "cases": [case.name for case in path.cases],
        "variants": {variant.name: variant.backend.name for variant in path.contestants},
    }


def _grouped(series: Iterable[Sequence[str]]) -> dict[tuple[str, str], list[str]]:
    """The variants of each path and case."""
    groups: dict[tuple[str, str], list[str]] = {}
    for path, case, variant in series:
        groups.setdefault((path, case), []).append(variant)
    return groups


def _contestant(path: HotPath, name: str) -> Variant:
    return next(variant for variant in path.contestants if variant.name == name)


def _prove(task: Task) -> Iterator[dict[str, Any]]:
    """For each series: whether it is right in each version, how long and what memory it takes.

    The inputs are the head's. If the versions have a process each, it is asked first.
    """
    versions = {name: load(_version(task, name)) for name in task.versions}
    folder = Path(task.inputs)
    for (name, case_name), variants in _grouped(task.series).items():
        paths = {side: found[name] for side, found in versions.items() if name in found}
        first = paths.get("head") or paths.get("base")
        case = (
            next((case for case in first.cases if case.name == case_name), None) if first else None
        )
        if not first or not case:
            continue
        wrong = ""
        if "head" in paths:
            try:
                write(problem(first, case).inputs, folder, f"{name}-{case_name}")
            except WrongResultError as reason:
                wrong = str(reason)
            except MlpperfError:
                raise
            except Exception as reason:  # anything may go wrong in some commit
                wrong = f"{name}: the inputs of {case_name} raised {reason!r}."
        if "base" in paths:
            if paths["base"].version != first.version:  # then nothing is to be compared
                del paths["base"]
            else:
                written = partial(_written, folder, f"{name}-{case_name}")
                paths["base"] = replace(paths["base"], inputs=written)
        changed = "" if wrong or len(paths) < 2 else _changed(paths["head"], paths["base"], case)
        for variant in variants:
            about = {"wrong": {"head": wrong}} if wrong else _proof(paths, case, variant, changed)
            yield {"series": (name, case_name, variant), "memory": {}, "together": False, **about}


def _written(folder: Path, name: str, case: Case, rng: np.random.Generator) -> Args:
    """The inputs that the process of the head has written."""
    return read(folder, name)


def _proof(paths: dict[str, HotPath], case: Case, name: str, changed: str) -> dict[str, Any]:
    """The head is proven like any variant; the base is held against what the head's gives.

    Unless the reference has `changed`: that is wrong, and told of the first contestant.
    """
    sides: _Sides = {
        side: (paths[side], variant)
        for side in ("head", "base")
        if side in paths
        for variant in paths[side].contestants
        if variant.name == name
    }
    wrong: dict[str, str] = {}
    ready: dict[str, Args] = {}
    found: dict[str, Any] = {"wrong": wrong}
    for side, (path, variant) in sides.items():
        try:
            if "head" in ready and not changed:
                ready[side], found["together"] = _held(sides, ready["head"], case)
            else:
                proof, ready[side] = proven(path, variant, case)
                found = {"error": proof.error, "tolerance": proof.tolerance} | found
        except WrongResultError as reason:
            wrong[side] = str(reason)
        if side == "head" and changed and name == path.contestants[0].name:
            wrong.setdefault("head", changed)
    if ready and not wrong:
        start = time.perf_counter_ns()
        sides[side][1].call(*ready[side])
        found["seconds"] = (time.perf_counter_ns() - start) * 1e-9
        found["memory"] = _memory(sides, ready)
    return found


_Sides = dict[str, tuple[HotPath, Variant]]


def _changed(head: HotPath, base: HotPath, case: Case) -> str:
    """What is wrong if the base's reference gives something else than the head's."""
    inputs, _, expected = problem(head, case)
    try:
        before = base.reference(*fresh(base, inputs))
        compare(before, expected, Agreement.REASSOCIATED, head.cost(case).depth)
    except Exception as reason:  # anything may go wrong in some commit
        said = str(reason) if isinstance(reason, WrongResultError) else f"it raised {reason!r}"
        return (
            f"{head.name}/{case.name}: the reference gives something else than before; "
            f"if that is meant, raise the path's version ({said})."
        )
    return ""


def _held(sides: _Sides, given: Args, case: Case) -> tuple[Args, bool]:
    """The base's arguments, proven right, and whether they are `given`, those of the head.

    Raises
    ------
    WrongResultError
        If the base's contestant is wrong.
    """
    (head, _), (path, variant) = sides["head"], sides["base"]
    inputs, _, expected = problem(head, case)

    def agrees(args: Args) -> None:
        result = variant.backend.arrays(variant.call(*args))
        compare(result, expected, variant.agreement, head.cost(case).depth)

    try:
        args = variant.ready(*fresh(path, inputs))
        if _form(args) == _form(given):
            with contextlib.suppress(Exception):  # then they are not the same arguments
                agrees(given)
                return given, True
        agrees(args)
    except Exception as reason:
        text = str(reason) if isinstance(reason, WrongResultError) else f"raised {reason!r}"
        what = f"{path.name}/{variant.name}/{case.name} is wrong: {text}."
        raise WrongResultError(what) from reason
    return args, False


def _form(args: Any) -> Any:
    """Types, shapes and strides: what must be equal if two versions take the same arguments."""
    if isinstance(args, tuple | list):
        return [type(args).__name__, *map(_form, args)]
    if isinstance(args, np.ndarray):
        return [str(args.dtype), args.shape, args.strides]
    return args if isinstance(args, int | float | str | None) else object()


def _memory(sides: _Sides, ready: dict[str, Args]) -> dict[str, Any]:
    """Peak bytes and allocations of one call of each side; the least of three, if they rose."""
    least: dict[str, list[int]] = {}
    for _ in range(3):
        for side, (_, variant) in sides.items():
            seen = _traced(partial(variant.call, *ready[side]))
            if seen is None:
                return {}
            least[side] = [min(pair) for pair in zip(least.get(side, seen), seen, strict=True)]
        if len(least) == 1 or all(
            old >= new for old, new in zip(least["base"], least["head"], strict=True)
        ):
            break
    return {side: {"peak": peak, "allocations": count} for side, (peak, count) in least.items()}


def _traced(call: Callable[[], object]) -> list[int] | None:
    """Peak of the bytes that a call has allocated at a time, and how many allocations it makes."""
    try:
        from memray import FileReader, Tracker
    except ImportError:  # there is none for Windows
        return None
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "allocations"
        with Tracker(file):
            call()
        with FileReader(file) as reader:
            about = reader.metadata
    return [about.peak_memory, about.total_allocations]


def _time(task: Task) -> Iterator[dict[str, Any]]:
    """Seconds of each series in each version, by blocks that alternate in random order."""
    rng = np.random.default_rng(task.seed)
    loaded: dict[str, list[dict[str, HotPath]]] = {name: [] for name in task.versions}
    for name in rng.permutation(LOADS * list(task.versions)):
        loaded[name].append(load(_version(task, str(name))))
    together = {tuple(series) for series in task.together}
    moments: dict[tuple[str, str, int], list[tuple[str, float]]] = {}
    met: Counter[tuple[str, ...]] = Counter()
    for (path, case, variant), limit in zip(task.series, task.seconds, strict=True):
        met[path, case, variant] += 1
        moments.setdefault((path, case, met[path, case, variant]), []).append((variant, limit))
    groups = list(moments.items())
    gc.disable()  # a collection would hit one of a pair
    gc.freeze()  # and the next ones need not look at modules
    for i in rng.permutation(len(groups)):
        (path, case, _), variants = groups[i]
        inputs = read(Path(task.inputs), f"{path}-{case}")
        for j in rng.permutation(len(variants)):
            variant, limit = variants[j]
            series = (path, case, variant)
            sides = {
                name: [(paths[path], _contestant(paths[path], variant)) for paths in loads]
                for name, loads in loaded.items()
            }
            start = time.perf_counter_ns()
            seconds, spent = _pairs(sides, inputs, series in together, limit, rng)
            rest = (time.perf_counter_ns() - start) * 1e-9 - spent
            yield {"series": series, "seconds": seconds, "spent": spent, "rest": rest}
        del inputs
        gc.collect()
        gc.freeze()  # nor at what a call has imported


def _pairs(
    sides: dict[str, list[tuple[HotPath, Variant]]],
    inputs: Args,
    together: bool,
    seconds: float,
    rng: np.random.Generator,
) -> tuple[dict[str, list[float]], float]:
    """Seconds per call of each side, and those that the pairs took.

    A side is a contestant as often as its version is loaded.

    A value for each pair of blocks, one of each side, in the reverse order of the pair before, so
    that what changes steadily meanwhile hits all sides alike. Versions that can take the same
    arguments get the same arrays, so that nothing depends on where each has its own. If calls are
    long, the first ones count, too.
    """
    clock = time.perf_counter_ns
    order = [str(name) for name in rng.permutation(list(sides))]

    def prepared(name: str) -> Args:
        path, variant = sides[name][0]
        return variant.ready(*fresh(path, inputs))

    if together:
        args = dict.fromkeys(order, prepared("head"))
    else:
        args = {name: prepared(name) for name in order}
    runners = {name: [Contestant(variant) for _, variant in sides[name]] for name in order}
    firsts = {name: loads[0] for name, loads in runners.items()}
    found = {name: [first.block(args[name], clock)] for name, first in firsts.items()}
    if LONG <= max(times[0] for times in found.values()) < 10 * LONG:  # it may start threads
        for name, first in firsts.items():
            found[name].append(first.block(args[name], clock))
    long = max(min(times) for times in found.values()) >= LONG
    if not long:
        found = {name: [] for name in order}
        for name, first in firsts.items():
            first.calibrate(args[name], clock, BLOCK)
    # Of the slower one: if a version takes a thousand times longer, that is to be told in time.
    calls = min(first.calls for first in firsts.values())
    for name, loads in runners.items():
        if long:
            del loads[1:]
        for runner in loads:
            # Both versions do the same: what one leaves in the cache is no advantage to either.
            runner.calls, runner.warm = calls, False
            if runner is not firsts[name]:
                runner.variant.call(*args[name])  # what compiles does it now
    movable = not together and sum(a.nbytes for a in arrays_in(inputs)) <= MOVABLE
    start = moved = clock()
    for pairs in count(1):
        order.reverse()
        for name in order:
            runner = runners[name][rng.integers(len(runners[name]))]
            found[name].append(runner.block(args[name], clock))
        now = clock()
        spent = (now - start) * 1e-9
        if spent + spent / pairs / 2 > seconds:
            break
        if movable and (now - moved) * 1e-9 > STAY:
            # Each has its own arrays: at other addresses, so that those average out.
            args = {name: prepared(name) for name in order}
            moved = clock()
    return found, spent


def write(inputs: Args, folder: Path, name: str) -> None:
    """Write the inputs of a case to `folder`; an array that is there already is not written again.

    Raises
    ------
    MlpperfError
        If that fails, for example because the disk is full.
    """

    def written(value: Any) -> Any:
        if isinstance(value, tuple | list):
            return [written(item) for item in value]
        if not isinstance(value, np.ndarray):
            return value.item() if isinstance(value, np.generic) else value
        order = "F" if value.flags.f_contiguous and not value.flags.c_contiguous else "C"
        shape = "x".join(map(str, value.shape))
        file = f"{fingerprint(value)[0]:016x}-{value.dtype}-{shape}-{order}.npy"
        if not (folder / file).exists():
            np.save(folder / file, value)
        return {"array": file}

    try:
        _listed(folder, name).write_text(json.dumps(written(inputs)), encoding="utf-8")
    except (OSError, TypeError) as reason:
        raise MlpperfError(
            f"The inputs of {name} cannot be kept in {folder}: {reason}."
        ) from reason


def read(folder: Path, name: str) -> Args:
    """The inputs that `write` has written, read-only."""

    def found(value: Any) -> Any:
        if isinstance(value, list):
            return tuple(found(item) for item in value)
        return _array(folder / value["array"]) if isinstance(value, dict) else value

    inputs = json.loads(_listed(folder, name).read_text(encoding="utf-8"))
    return tuple(found(value) for value in inputs)


def _listed(folder: Path, name: str) -> Path:
    """The file for inputs of that name, which may hold anything."""
    return folder / f"{quote(name, safe='')}.json"


@cache
def _array(file: Path) -> NDArray[Any]:
    """The file itself as an array: processes share it, and nothing is read that is not used."""
    array: NDArray[Any] = np.load(file, mmap_mode="r").view(np.ndarray)
    return array


if __name__ == "__main__":
    main()
