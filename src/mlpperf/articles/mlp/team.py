"""Every batch is shared by as many processes as there are threads.

A BLAS with several threads shares out each product by itself: at every layer all threads wait for
the slowest, and whatever lies between two products runs on one thread. Here each process, with one
BLAS thread, takes its share of a batch's samples through the whole network, and afterwards its
share of the rows of W_0 through the update. So they have to wait for each other twice per batch.

Threads would do the same in theory. But they hand Python's interpreter lock to each other some
forty times a step, just when all of them need it, and that costs half as much as the step itself.

Processes are forked, so that they see the data without a copy. What they write for each other lies
in shared memory.
"""

from __future__ import annotations

import contextlib
import mmap
import multiprocessing
import os
import time
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...devices import threads
from ...errors import MlpperfError
from ...parallel import blas
from ..data.samples import Samples
from .equations import Array
from .in_place import Flat, PaddedLayers
from .rungs import BatchCosts
from .settings import Settings

# Looks at a flag, some milliseconds in all, between two questions whether the others are alive:
# asking takes a call of the system, for which a meeting that goes well should not wait.
LOOKS_BETWEEN_CHECKS = 20_000
STOP, TRAIN = 0, 1  # commands to a member over its pipe
DEAD = "A process that shared the batches has died."


def shared(shape: tuple[int, ...], dtype: Any = np.float32) -> Array:
    """Zeros in memory that forked processes share."""
    count = int(np.prod(shape))
    memory = mmap.mmap(-1, max(count * np.dtype(dtype).itemsize, 1))
    return np.frombuffer(memory, dtype=dtype, count=count).reshape(shape)


class Team(PaddedLayers):
    """Processes share every batch, each with one BLAS thread of its own."""

    name = "shared_by_processes"

    def __init__(
        self,
        x: Array,
        y: Array,
        weights: Sequence[Array],
        settings: Settings,
        momentum: Sequence[Array] | None = None,
        members: int = 1,
        **how: Any,
    ) -> None:
        """As `InPlace`, with `members` processes, this one included."""
        super().__init__(x, y, weights, settings, momentum, share=members, new=shared, **how)
        self.members, self.me = members, 0
        self.gradients += [
            Flat(self.layers, self.used, shared, self.multiple) for _ in range(members - 1)
        ]
        batches = -(-len(x) // settings.batch_size)
        self.costs = shared((members, 3, batches), np.float64)
        self.order = shared((len(x),), np.int64)
        self.rate_now = shared((1,), np.float64)
        # For each member how often it has come to a meeting, and whether it failed; a cache line
        # (8 numbers) each, so that a member that writes does not slow those that look.
        self.meetings = shared((members, 8), np.int64)
        self.others: list[tuple[Any, Any]] = []  # process, our end of its pipe
        self.parent = os.getpid()
        context = multiprocessing.get_context("fork")
        for me in range(1, members):
            ours, theirs = context.Pipe()
            process = context.Process(target=self._serve, args=(me, theirs, ours), daemon=True)
            # Python warns of forking with threads. Those of BLAS are idle, and the child uses none.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                process.start()
            theirs.close()
            self.others.append((process, ours))

    @classmethod
    def begin(cls, samples: Samples, weights: Sequence[Array], settings: Settings) -> Team:
        """The rung at the start of a training run."""
        used = samples.scaling.used_pixels(samples.images)
        x, y = samples.scaling(samples.images, np.float32, used), samples.one_hot(np.float32)
        return cls(x, y, weights, settings, used=used, members=threads())

    def train(self, order: Array) -> BatchCosts:
        """Train on the samples `order`, batch by batch; an error if another process has died."""
        self.order[: len(order)] = order
        self.rate_now[0] = self.rate
        try:
            for _, pipe in self.others:
                pipe.send((TRAIN, len(order)))
        except OSError as reason:
            raise MlpperfError(DEAD) from reason
        self._train(len(order))
        costs = self.costs.sum(axis=0)[:, : -(-len(order) // self.settings.batch_size)]
        return BatchCosts(*costs)

    def close(self) -> None:
        """Let the other processes end, by force if they do not within a second."""
        for process, pipe in self.others:
            with contextlib.suppress(OSError):  # it is dead already
                pipe.send((STOP, 0))
            process.join(timeout=1)
            process.kill()
            pipe.close()
        self.others = []

    def __del__(self) -> None:
        if getattr(self, "others", None) and self.parent == os.getpid():
            self.close()

    def _serve(self, me: int, pipe: Any, parents: Any) -> None:
        """Train in a forked process, whenever asked to, until it is stopped or left alone."""
        for end in (parents, *(end for _, end in self.others)):
            end.close()
        self.me, self.others = me, []
        self.gradient = self.gradients[me]
        try:
            while True:
                what, count = pipe.recv()
                if what == STOP:
                    break
                self.rate = float(self.rate_now[0])
                self._train(count)
        except (EOFError, KeyboardInterrupt):
            pass
        finally:
            self.meetings[me, 1] = 1
            os._exit(0)  # what would be cleaned up at exit belongs to the parent

    def _train(self, count: int) -> None:
        """The part that this process has in a pass over the first `count` samples of `order`."""
        size = self.settings.batch_size
        nodes = len(self.now.b[0])
        low, high = (nodes * (self.me + i) // self.members for i in (0, 1))
        limit = blas().limit(limits=1 if self.members > 1 else None)
        with limit, np.errstate(over="ignore", invalid="ignore"):  # `Run` finds what diverges
            for i, start in enumerate(range(0, count, size)):
                length = min(size, count - start)
                share = [start + length * (self.me + j) // self.members for j in (0, 1)]
                loss, error = self.differentiate(self.order[share[0] : share[1]])
                self._meet()
                penalty = self.descend(low, high)
                self.costs[self.me, :, i] = (
                    loss + penalty,
                    penalty,
                    error / (length * self.labels.shape[1]),
                )
                self.advance()
                self._meet()

    def _meet(self) -> None:
        """Wait until every other member has come to as many meetings as this one."""
        if self.members == 1:
            return
        self.meetings[self.me, 0] += 1
        mine = self.meetings[self.me, 0]
        for other in range(self.members):
            looks = 0
            while self.meetings[other, 0] < mine:
                looks += 1
                if looks % LOOKS_BETWEEN_CHECKS == 0:
                    self._check_alive()
                    time.sleep(0)

    def _check_alive(self) -> None:
        if self.me:
            if os.getppid() != self.parent:
                os._exit(1)
        elif self.meetings[:, 1].any() or not all(p.is_alive() for p, _ in self.others):
            raise MlpperfError(DEAD)
