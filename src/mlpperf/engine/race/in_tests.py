"""Two benchmarks in one test, timed in turns: what the fixture `mlpperf_benchmark` gives."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

import numpy as np

from ...errors import MlpperfError
from ..statistics.blocks import quickest
from ..statistics.intervals import Interval, ratio_interval
from ..words import times
from ..worker.memory import without_collections
from ..worker.rounds import FUNCTIONS, Turns
from ..worker.runner import Clock, Runner
from .state import state

CONFIDENCE = 0.99  # each side of the interval fails in one test of 200
# One process is one sample: where its code and data lie may favour a function by as much as this.
LAYOUT = 0.05
SECONDS = 1.0
LAZY = ("__next__", "__anext__", "__await__")  # of a result that has not been worked out


class Benchmark:
    """A function with its arguments, called once and ready to be timed.

    Attributes
    ----------
    name : of the function.
    result : what that call returned.
    """

    def __init__(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        self.name: str = getattr(function, "__qualname__", repr(function))
        self._call = partial(function, *args, **kwargs) if args or kwargs else function
        before = state((function, args, kwargs))
        self.result = self._call()
        self._returned = state(self.result)
        self._used = ""
        if any(hasattr(self.result, name) for name in LAZY) and not hasattr(self.result, "read"):
            self._used = "returns what has yet to be run: let it use that up, such as by list()"
        elif before is None:
            self._used = "is given what can be read once only: give it what each call can read anew"
        elif before != state((function, args, kwargs)):
            self._used = (
                "changes what it is given: let it make new arguments in each call, or call it once "
                "before if further calls do the same work"
            )

    def call_again(self) -> None:
        """Fail the test if a further call is seen not to do what the first did."""
        import pytest

        if not self._used:
            result = self._call()
            if state(result) != self._returned and not _equal(result, self.result):
                self._used = (
                    "does not return the same in each call: give it what calls do not use up, and "
                    "no chance or time of day"
                )
        if self._used:
            pytest.fail(f"undecided: {self.name} {self._used}", pytrace=False)

    def faster_than(self, other: Benchmark, by: float = 1.0, seconds: float = SECONDS) -> Interval:
        """Fail the test unless this takes less time than `other`, by this factor at least.

        Both take turns in this process for some seconds. Returns how many times as fast this one
        is, with an interval. The test fails, too, if the interval contains `by`: that is undecided,
        as is what calls that use up their arguments would take.

        Raises `MlpperfError` if `other` is no benchmark, or `by` or `seconds` no positive number.
        """
        import pytest

        if not isinstance(other, Benchmark):
            name = getattr(other, "__name__", repr(other))
            raise MlpperfError(f"faster_than takes a benchmark: mlpperf_benchmark({name}, ...)")
        for name, value in (("by", by), ("seconds", seconds)):
            if not 0 < value < math.inf:
                raise MlpperfError(f"{name} must be a positive number, not {value!r}")
        for one in (self, other):
            one.call_again()
        speedup = how_many_times(self._call, other._call, seconds)
        for one in (self, other):
            one.call_again()
        size = f"{self.name} is {_shown(speedup)} times as fast as {other.name}"
        if speedup.high < by:
            pytest.fail(f"{size}, not {by:g} times", pytrace=False)
        if not speedup.low > by:
            pytest.fail(
                f"undecided: {size}, which neither shows nor excludes {by:g} times; more seconds "
                f"than {seconds:g} may decide it",
                pytrace=False,
            )
        return speedup


def how_many_times(
    fast: Callable[[], Any],
    slow: Callable[[], Any],
    seconds: float,
    *,
    clock: Clock = time.perf_counter_ns,
    pause: Callable[[float], object] = time.sleep,
) -> Interval:
    """The time of one function in times of the other, with an interval that includes `LAYOUT`."""
    with without_collections():
        turns = Turns(
            [[Runner(fast)], [Runner(slow)]],
            lambda: ((), ()),
            FUNCTIONS,
            Random(),
            clock=clock,
            pause=pause,
        )
        turns.go_on(seconds)
    below, above = map(quickest, turns.times)
    ratio = ratio_interval(np.asarray(above / below), CONFIDENCE)
    return Interval(ratio.median, ratio.low / (1 + LAYOUT), ratio.high * (1 + LAYOUT))


def _equal(one: Any, other: Any) -> bool:
    """Whether two objects say that they are equal."""
    try:
        return one is not other and bool(one == other)
    except Exception:  # of arrays, for example
        return False


def _shown(speedup: Interval) -> str:
    median, low, high = (
        times(value).rstrip("×") for value in (speedup.median, speedup.low, speedup.high)
    )
    return f"{median} ({low} to {high})" if math.isfinite(speedup.high) else median
