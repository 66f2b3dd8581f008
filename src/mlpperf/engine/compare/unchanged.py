"""Which series run anything that changed: only these can have become slower.

A process of its own finds out, while another one proves; what it does not get done counts as
touched.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence

from ..pool.pool import Crew
from ..pool.process import TaskWorker, WorkerError
from ..statistics.verdicts import Judgement, Verdict
from ..suites.series import Series
from ..versions.diff import Changes
from ..worker.protocol import Touch
from .budget import longest_proof
from .result import Comparison

# How much longer than the proof this may take, as a share of it, or in seconds if that is more:
# calls that are traced are slow.
LONGER, LONGER_SECONDS = 0.75, 10.0
SLOWER = 3.0  # so many times slower they may be


class Watched:
    """The processes that are finding out.

    Attributes
    ----------
    touched : of each series about which one has answered, why it may run anything that changed;
        nothing if it surely does not.
    """

    def __init__(self, workers: dict[str, TaskWorker]) -> None:
        self._workers, self._start = workers, time.monotonic()
        self.touched: dict[Series, str] = {}

    @property
    def untouched(self) -> set[Series]:
        """Those that surely run nothing that changed."""
        return {series for series, why in self.touched.items() if not why}

    @property
    def pending(self) -> bool:
        """Whether there are any."""
        return bool(self._workers)

    def wait(self) -> None:
        """Hear what they have found out, and leave them a little more time to do so."""
        spent = time.monotonic() - self._start
        end = self._start + spent + max(LONGER * spent, LONGER_SECONDS)
        for suite, worker in self._workers.items():
            with contextlib.suppress(WorkerError, StopIteration):
                while True:
                    worker.until = end
                    answer = next(worker)
                    if isinstance(answer, Touch):
                        self.touched[Series.of(answer.series, suite)] = answer.why


@contextlib.contextmanager
def watching(
    crew: Crew, result: Comparison, series: Sequence[Series], changes: Changes | None
) -> Iterator[Watched]:
    """Have it found out, meanwhile, which of the series run anything of the `changes`.

    None: nobody wants to know.
    """
    with contextlib.ExitStack() as stack:
        workers = {}
        if changes and not changes.unknown:
            longest = SLOWER * longest_proof(result.budget, len(result.findings))
            task = {"longest": longest, "changed": changes.told}
            for suite in crew.suites:
                names = [one[:3] for one in series if one.suite == suite]
                worker = crew.started("touch", suite, series=names, **task)
                workers[suite] = stack.enter_context(worker)
        watched = Watched(workers)
        yield watched
        reasons = set(watched.touched.values())
        if len(reasons) == 1 and (why := next(iter(reasons))).startswith("loading"):
            result.everywhere = result.everywhere or why


def leave_out_untouched(crew: Crew, result: Comparison, untouched: set[Series]) -> None:
    """Note of those that run through that there is nothing to time."""
    for series in untouched & crew.calls.keys():
        finding = result.findings[series]
        if not (finding.untimed or finding.wrong):
            finding.untimed = Judgement(Verdict.UNTOUCHED)
            del crew.calls[series]
