"""The dry run of hot paths: is each version right, how long is a call, and what memory it takes."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ...agreement import Agreement, WrongResultError, compare
from ...errors import MlpperfError
from ...hotpath import Args, Case, HotPath, fresh, problem, proven
from . import arrays
from .allocations import least_memory
from .calls import CallTime
from .clocks import time
from .hotpath_suite import Contestant, HotPathCopy
from .lines import begins
from .protocol import DryRun, Names
from .runner import Runner

CALLED_AGAIN = 2.0  # ratio of the seconds of both versions from which each is called again


def dry_run(
    copies: Mapping[str, HotPathCopy], series: Iterable[Names], folder: Path
) -> Iterator[DryRun]:
    """For each series: whether it is right in each version, how long a call is, and its memory.

    The inputs are the head's, and are written to `folder`. If each version has a process of its
    own, the head's runs first.
    """
    groups: dict[tuple[str, str], list[str]] = {}
    for path_name, case_name, variant in series:
        groups.setdefault((path_name, case_name), []).append(variant)
    for (name, case_name), variants in groups.items():
        begins((name, case_name, variants[0]))
        paths = {side: copy.paths[name] for side, copy in copies.items() if name in copy.paths}
        first = paths.get("head") or paths.get("base")
        cases = first.cases if first else ()
        case = next((case for case in cases if case.name == case_name), None)
        if not first or not case:
            yield from (DryRun((name, case_name, one)) for one in variants)  # unknown
            continue
        wrong = _written(first, case, folder) if "head" in paths else ""
        if "base" in paths:
            read = partial(_read, folder, f"{name}-{case_name}")
            if paths["base"].version != first.version:  # then nothing is to be compared
                del paths["base"]
            elif wrong or not arrays.exist(folder, f"{name}-{case_name}"):
                if "head" not in paths:  # whose own process gives the reason
                    yield from (DryRun((name, case_name, one)) for one in variants)
                    continue
                wrong = wrong or "its inputs could not be written"
            else:
                paths["base"] = replace(paths["base"], inputs=read)
        compared = len(paths) == 2 and not wrong
        changed = _changed(paths["head"], paths["base"], case) if compared else ""
        for variant in variants:
            one = (name, case_name, variant)
            begins(one)
            yield (
                DryRun(one, failed={"head": wrong})
                if wrong
                else _checked(paths, case, one, changed)
            )


def _written(path: HotPath, case: Case, folder: Path) -> str:
    """Write the inputs of the head; why there are none, if there are none."""
    try:
        arrays.write(problem(path, case).inputs, folder, f"{path.name}-{case.name}")
    except WrongResultError as reason:
        return str(reason)
    except MlpperfError:
        raise
    except Exception as reason:  # anything may go wrong in some commit
        return f"{path.name}: the inputs of {case.name} raised {reason!r}."
    return ""


def _read(folder: Path, name: str, case: Case, rng: np.random.Generator) -> Args:
    """The inputs that the process of the head has written."""
    return arrays.read(folder, name)


def _checked(paths: Mapping[str, HotPath], case: Case, series: Names, changed: str) -> DryRun:
    """The head is proven like any variant, the base compared with the head's reference.

    `changed` is what is wrong if the two references differ. It is reported once, on the first
    contestant, and each version is then proven by its own reference.
    """
    name = series[2]
    sides: dict[str, Contestant] = {
        side: (paths[side], variant)
        for side in ("head", "base")
        if side in paths
        for variant in paths[side].contestants
        if variant.name == name
    }
    failed: dict[str, str] = {}
    ready: dict[str, Args] = {}
    shared, error, tolerance = False, math.nan, math.nan
    for side, (path, variant) in sides.items():
        try:
            if "head" in ready and not changed:
                ready[side], shared = _as_head(sides, ready["head"], case)
            else:
                proof, ready[side] = proven(path, variant, case)
                if side == "head":
                    error, tolerance = proof.error, proof.tolerance
        except WrongResultError as reason:
            failed[side] = str(reason)
        if side == "head" and changed and name == path.contestants[0].name:
            failed.setdefault("head", changed)
    if failed or not ready:
        return DryRun(series, failed=failed, error=error, tolerance=tolerance)
    calls = {side: partial(sides[side][1].call, *args) for side, args in ready.items()}
    return DryRun(
        series,
        took={side: CallTime(seconds, seconds) for side, seconds in _seconds(calls).items()},
        shares_arguments=shared,
        memory=least_memory({side: Runner(call) for side, call in calls.items()}),
        error=error,
        tolerance=tolerance,
    )


def _seconds(calls: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """Seconds of a call of each version; the shorter of two calls if they differ plainly."""
    seconds = dict.fromkeys(calls, math.inf)
    for _ in range(2):
        for side, call in calls.items():
            start = time.perf_counter_ns()
            call()
            seconds[side] = min(seconds[side], (time.perf_counter_ns() - start) * 1e-9)
        if max(seconds.values()) < CALLED_AGAIN * min(seconds.values()):
            break
    return seconds


def _changed(head: HotPath, base: HotPath, case: Case) -> str:
    """What is wrong if the base's reference gives something else than the head's."""
    inputs, _, expected = problem(head, case)
    try:
        before = base.reference(*fresh(base, inputs))
        compare(before, expected, Agreement.REASSOCIATED, head.cost(case).depth)
    except Exception as reason:  # anything may go wrong in some commit
        why = str(reason) if isinstance(reason, WrongResultError) else f"it raised {reason!r}"
        return (
            f"{head.name}/{case.name}: the reference gives something else than before; "
            f"if that is meant, raise the path's version ({why})."
        )
    return ""


def _as_head(sides: Mapping[str, Contestant], given: Args, case: Case) -> tuple[Args, bool]:
    """The base's arguments, and whether they are `given`, those of the head.

    `WrongResultError` is raised if the base's contestant is wrong.
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
        return [type(args).__name__, str(args.dtype), args.shape, args.strides]
    if isinstance(args, int | float | str | None):
        return [type(args).__name__, repr(args)]
    return object()
