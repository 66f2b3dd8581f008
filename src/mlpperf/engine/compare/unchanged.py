"""Which series run changed code: only these can have become slower.

A process of its own finds out while another one does the dry run. A series that it does not get to
counts as running changed code.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from typing import Any

from ..pool.process import WorkerError
from ..suites.series import Series
from ..versions.diff import Changes
from .context import Context
from .dry_run import by_suite

# Tracing may outlast the dry run by this share of its time, or by this number of seconds.
LONGER, LONGER_SECONDS = 0.75, 10.0
SLOWER = 3.0  # a traced call may take this many times as long


class Watched:
    """The processes that find out which series run changed code.

    Attributes
    ----------
    reasons : why each series may run changed code; "" if it certainly does not.
    """

    def __init__(self, workers: dict[str, Any]) -> None:
        self._workers, self._start = workers, time.monotonic()
        self.reasons: dict[Series, str] = {}

    @property
    def unchanged(self) -> set[Series]:
        """The series that certainly run no changed code."""
        return {series for series, why in self.reasons.items() if not why}

    @property
    def everywhere(self) -> str:
        """Why all series run changed code, as loading their suite does; "" if not all do."""
        reasons = set(self.reasons.values())
        why = next(iter(reasons), "")
        return why if len(reasons) == 1 and why.startswith("loading") else ""

    def wait(self) -> None:
        """Wait for their answers, a little longer than the dry run took."""
        spent = time.monotonic() - self._start
        end = self._start + spent + max(LONGER * spent, LONGER_SECONDS)
        for suite, worker in self._workers.items():
            with contextlib.suppress(WorkerError):
                worker.until = end
                for answer in worker:
                    self.reasons[Series.of(answer.series, suite)] = answer.why


@contextlib.contextmanager
def watching(
    context: Context, series: Sequence[Series], changes: Changes | None, longest: float
) -> Iterator[Watched]:
    """Meanwhile, find out which of the series run any of the `changes`; if None, do not.

    `longest`: seconds after which the dry run aborts a call.
    """
    with contextlib.ExitStack() as stack:
        workers = {}
        if changes and not changes.unknown:
            for suite, some in by_suite(one for one in series if one.suite).items():
                worker = context.pool.start(
                    "touch",
                    suite,
                    series=[one.names for one in some],
                    longest=SLOWER * longest,
                    changed=changes.to_json(),
                )
                workers[suite] = stack.enter_context(worker)
        yield Watched(workers)
