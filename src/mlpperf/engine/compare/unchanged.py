"""Which series run changed code: only these can have become slower.

A process of its own finds out while another one does the dry run. A series that it does not get to
counts as running changed code.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ..pool.process import WorkerError
from ..suites.commands import COMMANDS
from ..suites.series import Series
from ..versions.diff import Changes
from ..worker.watching import WHEN_LOADED
from .context import Context
from .dry_run import by_suite

# Tracing may outlast the dry run by this share of its time, or by this number of seconds.
LONGER, LONGER_SECONDS = 0.75, 10.0
SLOWER = 3.0  # a traced call may take this many times as long


@contextlib.contextmanager
def watching(
    context: Context, series: Sequence[Series], changes: Changes | None, longest: float
) -> Iterator[Callable[[], dict[Series, str]]]:
    """Meanwhile, find out which of the series run any of the `changes`; if None, do not.

    Yields what waits for the answers, a little longer than the dry run took: why each series may
    run changed code, or "" if it certainly does not. `longest`: seconds after which the dry run
    aborts a call.
    """
    start = time.monotonic()
    with contextlib.ExitStack() as stack:
        workers: dict[str, Any] = {}
        if changes and not changes.unknown:
            for suite, some in by_suite(series).items():
                if suite in ("", COMMANDS):  # what a command runs is not seen from here
                    continue
                task = {"series": [one.names for one in some], "longest": SLOWER * longest}
                worker = context.pool.start("touch", suite, changed=changes.to_json(), **task)
                workers[suite] = stack.enter_context(worker)

        def reasons() -> dict[Series, str]:
            spent, answers = time.monotonic() - start, {}
            for suite, worker in workers.items():
                with contextlib.suppress(WorkerError):
                    worker.until = start + spent + max(LONGER * spent, LONGER_SECONDS)
                    for answer in worker:
                        answers[Series.of(answer.series, suite)] = answer.why
            return answers

        yield reasons


def reason_for_all(reasons: Mapping[Series, str]) -> str:
    """Why all series run changed code, as loading their suite does; "" if not all do."""
    why = next(iter(reasons.values()), "")
    return why if why.endswith(WHEN_LOADED) and set(reasons.values()) == {why} else ""
