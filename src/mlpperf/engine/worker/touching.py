"""Whether a series runs anything that changed: its set-up, its calls, or what comes after them."""

from __future__ import annotations

import contextlib
import gc
import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from .calls import Counts
from .clocks import time
from .counting import counted
from .execution import Execution, Place, by_function, in_common
from .isolation import leave
from .protocol import Names, Side
from .runner import Runner
from .suite import Copy, SeriesError, one_line, why
from .timeout import TooLongError, at_most
from .watching import IN_GARBAGE, RUNS, Watch

# To see what a series runs only now and then, such as when a buffer is full: calls at most, and
# seconds at most for all series of a version.
WATCHED_CALLS, WATCHED_SECONDS = 1000, 3.0
COUNTED = 60  # calls that are watched, which take as long as counting the bytecodes of one


class Reason(NamedTuple):
    """Why a series may run what is watched for.

    Attributes
    ----------
    why : in words; "" if it certainly does not.
    shared : later series may be touched by it, too.
    by_calls : each of its calls runs changed functions, and nothing else is known to.
    execution : what it executes, if nothing is known that it runs.
    """

    why: str
    shared: bool
    by_calls: bool
    execution: Execution | None = None


@dataclass(frozen=True)
class Touching:
    """Watches series, one after the other.

    Attributes
    ----------
    watch : notes what is run of what changed.
    longest : seconds after which a call is broken off.
    seconds : for which a series is called again.
    """

    watch: Watch
    longest: float
    seconds: float

    def reason(self, copy: Copy, names: Names, following: Names | None, side: Side) -> Reason:
        """Why a series of this version may run what is watched for.

        What its set-up runs may be shared, such as a fixture of a session. What only the first call
        runs may have filled a cache that others use, and so may what comes after the calls. An
        import is known by what it binds, and so touches nobody else. What fails, or takes too long,
        may run anything. If nothing was seen so far, it is called again for some time, and then
        what these calls have left is collected.
        """
        watch = self.watch
        gc.collect()  # what others have left
        watch.forget()
        try:
            with at_most(copy.timeout(names)), watch:
                runner = copy.begin(names, following)
        except (SeriesError, TooLongError) as reason:
            return Reason(watch.why or why(reason), bool(watch.why), by_calls=False)
        shared, imported = watch.why, watch.imported
        setup, execution = by_function(watch.entered, side.whole, own=True), None
        itself = ""
        try:
            with at_most(self.longest):
                watch.forget()
                with watch:
                    runner.block(())
                    entered = dict(watch.entered)
                imported = imported or watch.imported
                if not shared and (first := watch.why):
                    watch.forget()
                    with watch:
                        runner.block(())
                    itself, shared = watch.why, "" if watch.why else first
            always = bool(itself)
            if not (shared or itself):
                calls, itself, counts = self._call_again(runner, side)
                # What runs the suite does not do the same before the first call.
                own = in_common([entered, *calls], side.whole, own=True)
                execution = Execution(setup, own, in_common(calls, side.whole), counts)
        except BaseException as reason:  # which the dry run reports
            shared = shared or watch.why
            copy.give_up()
            return Reason(shared or one_line(reason), bool(shared), by_calls=False)
        finally:
            leave()
        watch.forget()
        with contextlib.suppress(SeriesError), watch:
            copy.end()
        if not (itself or shared):
            shared = watch.why
        by_calls = always and itself.startswith(RUNS) and not shared
        return Reason(shared or itself or imported, bool(shared), by_calls, execution)

    def _call_again(
        self, runner: Runner, side: Side
    ) -> tuple[Sequence[Mapping[Place, int]], str, Counts]:
        """Call it for some time, or until it fails, and collect what that has left.

        Gives how often each of the last two calls entered each function, why something that changed
        was run, and the bytecodes of a call if nothing was.
        """
        begun, least = time.perf_counter(), math.inf
        calls: deque[Mapping[Place, int]] = deque(maxlen=2)
        with at_most(self.longest + self.seconds), self.watch:
            runner.repeat_if_short(0.0)
            with contextlib.suppress(Exception):
                for _ in range(WATCHED_CALLS):
                    start = time.perf_counter()
                    if start - begun > self.seconds:
                        break
                    self.watch.entered.clear()
                    runner.block(())
                    least = min(least, time.perf_counter() - start)
                    calls.append(dict(self.watch.entered))
        counts = Counts(not_counted="counting it takes too long")
        if not (itself := self.watch.why):
            with self.watch:
                gc.collect()
            itself = self.watch.why and f"{self.watch.why}{IN_GARBAGE}"
        if not itself and COUNTED * least < self.seconds:
            with at_most(self.longest + self.seconds):
                counts = counted(runner, side.root, side.whole)
        return list(calls), itself, counts
