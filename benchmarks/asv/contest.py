"""What is done with a contestant of whichever commit is installed: proven, prepared, timed in turn.

Of the package this needs a tuple of hot paths, and `proven`, `problem` and `fresh` of `hotpath`,
which every commit has. How to time is repeated here, in short, because it must be the same for all.
"""

from __future__ import annotations

import copy
import ctypes
import gc
import os
import random
import time
import tracemalloc
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

CASES = "MLPPERF_ASV_CASES"  # the variable that says which cases are measured
QUICK = "batch-500"  # the one that is by default; a path that lacks it runs its first one

BLOCK = 1e-3  # least seconds between two looks at the clock
WARM = 0.02  # blocks shorter than this begin with a call that is not timed
BUDGET = 0.15  # seconds of rounds for a ratio, in each of several processes
ROUNDS = (5, 25)  # at least, and at most
MOVABLE = 1 << 25  # bytes of inputs up to which they move to other addresses again and again
HEAP_BLOCKS = 60  # of memory held meanwhile, so that temporaries move as well
PAGE = 4096  # bytes; allocations are counted in pages, not to report a few Python objects

Call = Callable[[], Any]


def measured(cases: Sequence[str]) -> Sequence[str]:
    """Those of the `cases` of a path that `MLPPERF_ASV_CASES` asks for."""
    asked = os.environ.get(CASES) or (QUICK if QUICK in cases else cases[0])
    return cases if asked == "all" else [case for case in cases if case in asked.split(",")]


def check_cases(known: Sequence[str]) -> None:
    """Refuse an unknown case in `MLPPERF_ASV_CASES`: it would measure nothing, silently."""
    for name in filter(None, os.environ.get(CASES, "").split(",")):
        if name not in {"all", *known}:
            raise SystemExit(f"{CASES}: there is no case {name!r}; there are {', '.join(known)}.")


def keep_freed_memory() -> None:
    """Tell glibc to keep what this process frees: fresh pages cost a factor that varies."""
    mmap_threshold, trim_threshold = -3, -1  # M_MMAP_THRESHOLD and M_TRIM_THRESHOLD of malloc.h
    with suppress(AttributeError, OSError, TypeError):  # not glibc
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(mmap_threshold, 1 << 30)
        mallopt(trim_threshold, (1 << 31) - 1)


class Contest:
    """A hot path as it was frozen, of which one contestant at one case is measured per process.

    It is what a benchmark class has for `skip_params`: asv asks before it measures whether the
    parameters are `in` there. They are if the commit lacks something, and otherwise everything is
    ready afterwards. A `setup` that raises NotImplementedError would do the same, but a benchmark
    that has one is called once per sample, which is too short to be timed.
    """

    def __init__(self, name: str, frozen: dict[str, Any], *, prove_first: bool = True) -> None:
        self.name, self.frozen = name, frozen
        self.cases = measured(frozen["cases"])
        self._prove_first = prove_first
        self._answers: dict[tuple[str, ...], bool] = {}

    def __contains__(self, params: tuple[str, ...]) -> bool:
        """Whether asv is to skip these parameters.

        Raises
        ------
        WrongResultError
            Of the package, if the contestant does not compute what the reference computes; asv then
            reports a failure, and nothing is timed.
        """
        if params not in self._answers:
            try:
                self._prepare(*params)
                self._answers[params] = False
            except NotImplementedError as reason:
                print(f"n/a: {reason}")  # shown by --show-stderr
                self._answers[params] = True
        return self._answers[params]

    def path(self) -> Any:
        """The hot path in the package that is installed.

        Raises
        ------
        NotImplementedError
            If it is not there, or has other inputs than the frozen one.
        """
        module, _, attribute = self.frozen["source"].partition(":")
        try:
            paths = getattr(import_module(module), attribute or "PATHS", ())
        except ModuleNotFoundError as reason:
            if not f"{module}.".startswith(f"{reason.name}."):
                raise  # it is there and lacks something itself
            raise NotImplementedError(f"this commit has no {module}") from reason
        path = _named(self.name, paths)
        if path.version != self.frozen["version"]:
            raise NotImplementedError(f"this commit has version {path.version} of {self.name}")
        return path

    def _prepare(self, contestant: str, case_name: str) -> None:
        if case_name not in self.cases:
            raise NotImplementedError(f"{CASES} does not ask for {case_name}")
        path = self.path()
        self._variant, case = _named(contestant, path.contestants), _named(case_name, path.cases)
        try:
            from mlpperf.hotpath import fresh, problem, proven
        except ImportError as reason:
            raise NotImplementedError(f"this commit cannot prove anything ({reason})") from reason
        keep_freed_memory()
        self._path, self._fresh = path, fresh
        self.prove: Call = partial(proven, path, self._variant, case)
        if self._prove_first:
            self.prove()
            self._inputs = problem(path, case).inputs
        else:
            self._inputs = path.inputs(case, np.random.default_rng(case.batch))
        arrays = list(_arrays(self._inputs))
        self._movable = sum(a.nbytes for a in arrays) <= MOVABLE and all(
            a.flags.forc
            for a in arrays  # a copy of another view would lose its strides
        )
        self._held: list[Any] = []
        (self.work,) = self._works(self._variant)

    def move(self) -> None:
        """Give `work` new arguments at new addresses, if they are small enough for that.

        Where arrays lie changes the speed of some kernels by a third, alike within a process; moved
        for every sample, that is noise between samples and not a difference between commits.
        """
        if self._movable:
            (self.work,) = self._works(self._variant)

    def _works(self, *variants: Any) -> list[Call]:
        inputs = self._inputs
        if self._movable:
            # Without these blocks, temporaries would fill the same holes every time.
            sizes = (int(2 ** random.uniform(10, 21)) for _ in range(HEAP_BLOCKS))
            self._held = [np.empty(size, dtype=np.uint8) for size in sizes]
            inputs = copy.deepcopy(inputs)
        return [partial(_call(v), *_ready(v)(*self._fresh(self._path, inputs))) for v in variants]

    def relative_times(self) -> list[float]:
        """Contestant ÷ reference, round by round, in random order within each."""
        pair = self._variant, self._path.contestants[0]
        works = self._works(*pair)
        calls = [_calls(work) for work in works]
        ratios: list[float] = []
        start = time.perf_counter()
        gc.disable()  # a collection would hit one of the two
        try:
            while len(ratios) < ROUNDS[1] and (
                len(ratios) < ROUNDS[0] or time.perf_counter() - start < BUDGET
            ):
                if self._movable:
                    works = self._works(*pair)
                seconds = [0.0, 0.0]
                for i in random.sample((0, 1), 2):
                    seconds[i] = _block(works[i], *calls[i])
                ratios.append(seconds[0] / seconds[1])
        finally:
            gc.enable()
        # An odd number of them, so that the median, which asv prints in full, is one of them.
        return [float(f"{ratio:.4g}") for ratio in ratios[(len(ratios) + 1) % 2 :]]

    def allocated(self) -> int:
        """Largest number of bytes that one call holds at a time, in whole pages."""
        tracemalloc.start()
        try:
            self.work()
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        return -(-peak // PAGE) * PAGE

    def preload(self) -> None:
        """Draw the inputs once, so that the data they come from are loaded in this process."""
        with suppress(Exception):  # whatever is wrong, each benchmark says itself
            path = self.path()
            for case in path.cases:
                if case.name in self.cases:
                    path.inputs(case, np.random.default_rng(case.batch))


def _named(name: str, things: Sequence[Any]) -> Any:
    for thing in things:
        if thing.name == name:
            return thing
    raise NotImplementedError(f"this commit has no {name}")


def _call(variant: Any) -> Callable[..., Any]:
    """What is timed; before there were backends, that was the function itself."""
    return getattr(variant, "call", variant.fn)


def _ready(variant: Any) -> Callable[..., Any]:
    return getattr(variant, "ready", variant.prepare)


def _arrays(inputs: Any) -> Any:
    if isinstance(inputs, np.ndarray):
        yield inputs
    elif isinstance(inputs, tuple | list):
        for item in inputs:
            yield from _arrays(item)


def _calls(work: Call) -> tuple[int, bool]:
    """How many calls make a block, and whether one that is not timed goes before it."""
    calls = 1
    while (elapsed := _block(work, calls, warm=False) * calls) < BLOCK:
        calls *= min(10, max(2, int(1.2 * BLOCK / max(elapsed, 1e-9)) + 1))
    return calls, elapsed < WARM


def _block(work: Call, calls: int, warm: bool) -> float:
    """Seconds per call over a block of calls."""
    if warm:
        work()
    start = time.perf_counter_ns()
    for _ in range(calls):
        work()
    return (time.perf_counter_ns() - start) * 1e-9 / calls
