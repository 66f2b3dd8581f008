"""Two processes, one for each version, that take turns block by block.

Both are alive all the time, and one of them waits while the other runs; both do it on the same
processor, which is drawn. What else differs between two processes, by some 2 %, stays in the ratio:
only many pairs of them tell it from a change.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

from ..worker.rounds import FEWEST_ROUNDS, PROCESSES, Turns
from ..worker.runner import Clock, Runner
from .process import Worker


class _FailedThereError(Exception):
    """What a process has asked for cannot be done, in its words."""


class _Remote(Runner):
    """A contestant in another process."""

    def __init__(self, worker: Worker) -> None:
        super().__init__(self._once)
        self._worker = worker

    def _once(self) -> None:
        self.block()

    def block(self, args: tuple[Any, ...] = (), clock: Clock = time.perf_counter_ns) -> float:
        """Seconds per call over a block of calls, by the clock of that process."""
        said = _answer(self._worker, {"calls": self.calls, "warm": self.warm})
        return float(said["seconds"])


def alternating(
    base: Worker, head: Worker, sessions: Sequence[dict[str, Any]], rng: Random
) -> Iterator[dict[str, Any]]:
    """Time series in two processes that are about to be ready; an answer for each session.

    Raises
    ------
    WorkerError
        If one of them hangs, dies or fails.
    """
    sides = {"base": base, "head": head}
    known = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    for worker in sides.values():
        next(worker)
    for session in sessions:
        processor = rng.choice(known) if known else None
        begin = {"begin": session["series"], "long": session["long"], "processor": processor}
        start = time.perf_counter()
        begun: list[Worker] = []
        try:
            for side in rng.sample(list(sides), len(sides)):
                _answer(sides[side], begin)
                begun.append(sides[side])
            contestants = [[_Remote(worker)] for worker in sides.values()]
            turns = Turns(
                contestants, lambda: [()] * len(sides), PROCESSES, rng, clock=time.perf_counter_ns
            )
            turns.go_on(session["seconds"], FEWEST_ROUNDS)
            while begun:
                _answer(begun.pop(), {"end": True})
        except _FailedThereError as reason:
            for worker in begun:
                worker.tell(json.dumps({"end": True}))
                next(worker)
            yield {"series": session["series"], "failed": str(reason)}
            continue
        yield {
            "series": session["series"],
            "seconds": dict(zip(sides, turns.times, strict=True)),
            "spent": turns.spent,
            "other": time.perf_counter() - start - turns.spent,
        }


def _answer(worker: Worker, request: dict[str, Any]) -> dict[str, Any]:
    worker.tell(json.dumps(request))
    answer = next(worker, {"failed": "its process has ended"})
    if "failed" in answer:
        raise _FailedThereError(answer["failed"])
    return answer
