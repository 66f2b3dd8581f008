"""Which series run changed code: only these can have become slower.

A process of its own finds out while another one does the dry run. A series that it does not get to
counts as running changed code.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ..pool.process import TaskWorker, WorkerError
from ..statistics.verdicts import Judgement, Verdict
from ..suites.commands import COMMANDS
from ..suites.series import Series
from ..versions.diff import Changes
from ..worker.protocol import Extents
from ..worker.watching import IN_GARBAGE, WHEN_LOADED
from .context import SIDES, Context
from .dry_run import by_suite

# Tracing may outlast the dry run by this share of its time, or by this number of seconds.
LONGER, LONGER_SECONDS = 0.75, 20.0
# The calls that run changed functions are then followed through these, for as long as the dry run
# took, or for this number of seconds if that is more.
FOLLOWED_SECONDS = 30.0
# Reasons that say what a benchmark does; others have a subject.
PREDICATE = re.compile(r"(runs|reads|lists|asks|starts|connects|imports|makes) ")
SLOWER = 3.0  # a traced call may take this many times as long
ASV = "asv"
# If this many modules of benchmarks run changed code as they are loaded, what they import does.
ALIKE = 3


@dataclass
class Touched:
    """Which series run changed code.

    Attributes
    ----------
    reasons : why each may run some; "" if it certainly does not.
    extents : what of a call lies within changed functions, where only calls run these.
    """

    reasons: dict[Series, str] = field(default_factory=dict)
    extents: dict[Series, Extents] = field(default_factory=dict)


@dataclass
class _Watch:
    """Processes that find out which series run any of the `changes`.

    `longest`: seconds after which a call is broken off.
    """

    context: Context
    changes: Changes
    longest: float
    touched: Touched = field(default_factory=Touched)

    def start(self, suite: str, series: Sequence[Series]) -> TaskWorker:
        """A process for some series of a suite."""
        task = {"series": [one.names for one in series], "longest": self.longest}
        changed = self.changes.to_json()
        return self.context.pool.start("touch", SIDES, suite, changed=changed, **task)

    def read(self, worker: TaskWorker, series: Sequence[Series], until: float, more: float) -> None:
        """Note its answers: which series run changed code until then, the extents for `more`."""
        left, worker.until = len(series), until
        with contextlib.suppress(WorkerError):
            for answer in worker:
                one = Series.of(answer.series, series[0].suite)
                if isinstance(answer, Extents):
                    self.touched.extents[one] = answer
                    continue
                self.touched.reasons[one], left = answer.why, left - 1
                if not left:
                    worker.until = time.monotonic() + more

    def by_module(self, series: Sequence[Series], until: float, more: float) -> None:
        """Ask again module by module if loading them all runs changed code.

        asv loads for each benchmark the module that it is in, and no other one.
        """
        modules: dict[str, list[Series]] = {}
        for one in series:
            modules.setdefault(one.path.partition(".")[0], []).append(one)
        if len(modules) == 1 or not reason_for_all({s: self.touched.reasons[s] for s in series}):
            return
        before, alike = self.touched.reasons[series[0]], 0
        for some in modules.values():
            if time.monotonic() < until and alike < ALIKE:
                with self.start(ASV, some) as worker:
                    self.read(worker, some, until, more)
                alike += self.touched.reasons[some[0]] == before


@contextlib.contextmanager
def watching(
    context: Context, series: Sequence[Series], changes: Changes | None, longest: float
) -> Iterator[Callable[[], Touched]]:
    """Meanwhile, find out which of the series run any of the `changes`; if None, do not.

    Yields what waits for the answers, a little longer than the dry run took. `longest`: seconds
    after which the dry run aborts a call.
    """
    if not changes or changes.unknown:
        yield Touched
        return
    start, suites = time.monotonic(), by_suite(series)
    watch = _Watch(context, changes, SLOWER * longest)
    with contextlib.ExitStack() as stack:
        workers = {
            suite: stack.enter_context(watch.start(suite, some))
            for suite, some in suites.items()
            if suite not in ("", COMMANDS)  # what a command runs is not seen from here
        }

        def touched() -> Touched:
            spent = time.monotonic() - start
            longer, more = max(LONGER * spent, LONGER_SECONDS), max(spent, FOLLOWED_SECONDS)
            for suite, worker in workers.items():
                watch.read(worker, suites[suite], start + spent + longer, more)
                if suite == ASV and watch.touched.reasons.keys() >= {*suites[suite]}:
                    watch.by_module(suites[suite], time.monotonic() + longer, more)
            return watch.touched

        yield touched


def reason_for_all(reasons: Mapping[Series, str]) -> str:
    """Why all series run changed code, as loading their suite does; "" if not all do."""
    why = next(iter(reasons.values()), "")
    if not why.endswith(WHEN_LOADED) or set(reasons.values()) != {why}:
        return ""
    clause = why.removesuffix(WHEN_LOADED)
    return f"loading the suite {clause}" if PREDICATE.match(clause) else why


def not_to_be_timed(reason: str | None) -> Judgement | None:
    """The verdict on a series by why it may run changed code, if timing it would show nothing."""
    if reason == "":
        return Judgement(Verdict.UNCHANGED_CODE)
    if reason and reason.endswith(IN_GARBAGE):
        return Judgement(Verdict.NOT_TIMED, because=f"it {reason}, which is not timed")
    return None
