"""What a process of a comparison proves: the contestants of two versions, and what they take."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ...agreement import Agreement, WrongResultError, compare
from ...errors import MlpperfError
from ...hotpath import Args, Case, HotPath, Variant, fresh, problem, proven
from . import arrays
from .lines import begins
from .protocol import QUANTITIES


def _grouped(series: Iterable[Sequence[str]]) -> dict[tuple[str, str], list[str]]:
    """The variants of each path and case."""
    groups: dict[tuple[str, str], list[str]] = {}
    for path, case, variant in series:
        groups.setdefault((path, case), []).append(variant)
    return groups


def contestant(path: HotPath, name: str) -> Variant:
    """The contestant of that name."""
    return next(variant for variant in path.contestants if variant.name == name)


def prove(
    versions: Mapping[str, Mapping[str, HotPath]], series: Iterable[Sequence[str]], folder: Path
) -> Iterator[dict[str, Any]]:
    """For each series: whether it is right in each version, how long and what memory it takes.

    The inputs are the head's, and are written to `folder`. If the versions have a process each, the
    head's is asked first.
    """
    for (name, case_name), variants in _grouped(series).items():
        begins((name, case_name, variants[0]))
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
                arrays.write(problem(first, case).inputs, folder, f"{name}-{case_name}")
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
            begins((name, case_name, variant))
            about = {"wrong": {"head": wrong}} if wrong else _proof(paths, case, variant, changed)
            yield {"series": (name, case_name, variant), "memory": {}, "together": False, **about}


def _written(folder: Path, name: str, case: Case, rng: np.random.Generator) -> Args:
    """The inputs that the process of the head has written."""
    return arrays.read(folder, name)


def _proof(paths: dict[str, HotPath], case: Case, name: str, changed: str) -> dict[str, Any]:
    """The head is proven like any variant, the base held against what the head's reference gives.

    `changed` is what is wrong if the two references differ. It is reported once, on the first
    contestant, and each version is then proven by its own reference.
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
    for calls in (1, 3):
        seen = memory_of({s: partial(sides[s][1].call, *ready[s]) for s in sides}, calls)
        least = {side: np.min(counts, axis=0).tolist() for side, counts in seen.items()}
        if len(least) < 2 or np.less_equal(least["head"], least["base"]).all():
            break
    return {side: dict(zip(QUANTITIES, counts, strict=True)) for side, counts in least.items()}


def memory_of(calls: Mapping[str, Callable[[], object]], number: int) -> dict[str, list[list[int]]]:
    """Peak bytes and allocations of so many calls of each side, in turns; nothing if uncounted."""
    order = [side for _ in range(number) for side in calls]
    found: dict[str, list[list[int]]] = {}
    for side, seen in zip(order, _traced([calls[side] for side in order]), strict=False):
        found.setdefault(side, []).append(seen)
    return found


# Bytes that are taken and freed between two calls, to tell in the list of all allocations where one
# ends and the next begins; no array has this size.
BETWEEN_CALLS = 314_159


def _traced(calls: Sequence[Callable[[], object]]) -> list[list[int]]:
    """Of each call, the peak of the bytes it has at a time, and how many allocations it makes.

    They are watched together, because beginning and ending that takes a twentieth of a second where
    many libraries are loaded: each of them has its functions exchanged.
    """
    try:
        from memray import AllocatorType, FileReader, Tracker
    except ImportError:  # there is none for Windows
        return []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "allocations"
        with Tracker(file):
            for call in calls:
                bytearray(BETWEEN_CALLS - 1)  # and a byte that ends it
                call()
        with FileReader(file) as reader:
            # Of what is freed the size is only told where it is given back to the system.
            records = [
                (record.address, 0 if record.allocator == AllocatorType.MUNMAP else record.size)
                for record in reader.get_allocation_records()
            ]
    return _counted(records)


def _counted(records: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Peak of the bytes, and number of allocations, of each call.

    `records` are the address and bytes of whatever was allocated, and no bytes of what was freed.
    """
    found: list[list[int]] = []
    held: dict[int, int] = {}  # bytes by address
    now = 0
    for address, size in records:
        now -= held.pop(address, 0)
        if size == BETWEEN_CALLS:
            found.append([0, 0])
            held, now = {}, 0
        elif size and found:
            held[address] = size
            now += size
            found[-1] = [max(found[-1][0], now), found[-1][1] + 1]
    return found
