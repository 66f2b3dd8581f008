"""Two processes, one for each version, that take turns block by block.

Both are alive all the time, and one of them waits while the other runs; both do it on the same
processor, which is drawn. What else differs between two processes, by some 2 %, stays in the ratio:
only many pairs of them tell it from a change.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

from ..worker.processors import allowed
from ..worker.protocol import Begin, Block, Done, End, Failure, Request, Samples, Session
from ..worker.rounds import FEWEST_ROUNDS, PROCESSES, Turns
from ..worker.runner import Clock, Runner, nothing
from .process import TaskWorker


class _RequestError(Exception):
    """Why a worker could not do what was requested."""


class _Remote(Runner):
    """A contestant in another process."""

    def __init__(self, worker: TaskWorker) -> None:
        super().__init__(nothing)
        self._worker = worker

    def block(self, args: tuple[Any, ...] = (), clock: Clock = time.perf_counter_ns) -> float:
        """Seconds per call over a block of calls, by the clock of that process."""
        return _done(self._worker, Block(self.calls, self.warm)).seconds


def alternating(
    base: TaskWorker, head: TaskWorker, sessions: Sequence[Session], rng: Random
) -> Iterator[Samples]:
    """Time series in two processes that are about to be ready, one session after the other.

    Raises `WorkerError` if one of them hangs, dies or fails.
    """
    sides = {"base": base, "head": head}
    processors = sorted(allowed()) or [-1]
    for worker in sides.values():
        next(worker)
    for session in sessions:
        begin = Begin(session, rng.choice(processors))
        start = time.perf_counter()
        begun: list[TaskWorker] = []
        try:
            for side in rng.sample(list(sides), len(sides)):
                _done(sides[side], begin)
                begun.append(sides[side])
            contestants = [[_Remote(worker)] for worker in sides.values()]
            turns = Turns(
                contestants, lambda: [()] * len(sides), PROCESSES, rng, clock=time.perf_counter_ns
            )
            turns.go_on(session.seconds, FEWEST_ROUNDS)
            while begun:
                _done(begun.pop(), End())
        except _RequestError as reason:
            for worker in begun:
                worker.send(End())
                next(worker)
            yield Samples(session.series, failed=str(reason))
            continue
        overhead = time.perf_counter() - start - turns.spent
        yield Samples(
            session.series, dict(zip(sides, turns.times, strict=True)), turns.spent, overhead
        )
    for worker in sides.values():
        worker.finish()


def _done(worker: TaskWorker, request: Request) -> Done:
    worker.send(request)
    answer = next(worker, Failure("its process has ended"))
    if not isinstance(answer, Done):
        raise _RequestError(answer.why if isinstance(answer, Failure) else "it gave no answer")
    return answer
