"""Processes that answer what a test gives them."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from mlpperf.engine.compare.context import Context
from mlpperf.engine.pool.process import WorkerError
from mlpperf.engine.suites.discovery import Suite
from mlpperf.engine.suites.series import Selection
from mlpperf.engine.versions.pair import Pair
from mlpperf.engine.versions.version import Version
from mlpperf.engine.worker.protocol import Inventory, Samples, Session

SUITE = Suite("pytest", (), (), ("tests",), "tests")
PAIR = Pair(Version("old", "1", Path("old")), Version("new", "2", Path("new")), (SUITE,))


class FakePool:
    """A pool whose processes give these answers, one after the other.

    A string among the answers of a process is how it dies, or a `WorkerError`.
    """

    def __init__(self, processes: Sequence[Sequence[Any]]) -> None:
        self.processes = list(processes)
        self.asked: list[tuple[str, list[str], int]] = []
        self.series: list[Sequence[Any]] = []  # of each process but these
        self.sessions: list[Session] = []  # of all processes that time

    def shuffled(self, names: Sequence[str]) -> list[str]:
        return sorted(names)

    def discover(self, suite: str, sides: Sequence[str]) -> dict[str, Inventory]:
        return {inventory.side: inventory for inventory in self.processes.pop(0)}

    def run(
        self, kind: str, sides: Sequence[str], suite: str, **task: Any
    ) -> tuple[list[Any], WorkerError | None]:
        self.asked.append((kind, list(sides), len(task["series"])))
        self.series.append(task["series"])
        answers = self.processes.pop(0)
        answered = [a for a in answers if not isinstance(a, str | WorkerError)]
        deaths = [a for a in answers if isinstance(a, str | WorkerError)]
        lost = next(iter(deaths), None)
        return answered, WorkerError(lost) if isinstance(lost, str) else lost

    def time(self, suite: str, sessions: Sequence[Session], **about: Any) -> Iterator[Samples]:
        kind = "time apart" if about["apart"] else "time"
        self.asked.append((kind, ["base", "head"], len(sessions)))
        self.sessions += sessions
        for answer in self.processes.pop(0):
            if isinstance(answer, WorkerError):
                raise answer
            yield answer


@pytest.fixture
def warnings() -> list[str]:
    """What a comparison warns of."""
    return []


@pytest.fixture
def faked(warnings: list[str]) -> Callable[..., Context]:
    """What a stage works with: `faked([answer, ...], ...)` has a process for each list."""

    def made(*processes: Sequence[Any], pair: Pair = PAIR, **selected: Any) -> Context:
        pool: Any = FakePool(processes)
        return Context(pool, pair, Selection(**selected), warnings.append)

    return made
