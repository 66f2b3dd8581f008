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
from typing import Any

from ..pool.process import WorkerError
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


@contextlib.contextmanager
def watching(
    context: Context, series: Sequence[Series], changes: Changes | None, longest: float
) -> Iterator[Callable[[], Touched]]:
    """Meanwhile, find out which of the series run any of the `changes`; if None, do not.

    Yields what waits for the answers, a little longer than the dry run took. `longest`: seconds
    after which the dry run aborts a call.
    """
    start, suites = time.monotonic(), by_suite(series)
    with contextlib.ExitStack() as stack:
        workers: dict[str, Any] = {}
        if changes and not changes.unknown:
            for suite, some in suites.items():
                if suite in ("", COMMANDS):  # what a command runs is not seen from here
                    continue
                task = {"series": [one.names for one in some], "longest": SLOWER * longest}
                worker = context.pool.start(
                    "touch", SIDES, suite, changed=changes.to_json(), **task
                )
                workers[suite] = stack.enter_context(worker)

        def touched() -> Touched:
            spent, known = time.monotonic() - start, Touched()
            for suite, worker in workers.items():
                left = len(suites[suite])
                with contextlib.suppress(WorkerError):
                    worker.until = start + spent + max(LONGER * spent, LONGER_SECONDS)
                    for answer in worker:
                        one = Series.of(answer.series, suite)
                        if isinstance(answer, Extents):
                            known.extents[one] = answer
                            continue
                        known.reasons[one], left = answer.why, left - 1
                        if not left:
                            worker.until = time.monotonic() + max(spent, FOLLOWED_SECONDS)
            return known

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
