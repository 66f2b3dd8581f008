"""The last rungs: compiled, and every batch shared by as many threads as the BLAS has.

What NumPy needs several passes for takes one here (`kernels.py`), and what it does between two
products happens without Python: a thread runs a whole epoch without the interpreter lock
(`threads_pass.py`). So threads share a batch as the processes of `team.py` do, which hand that lock
to each other at no time, and nothing is forked: these rungs run wherever Numba does.

Grey values are gathered as bytes, and become scaled numbers on their way from memory.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, ClassVar

import numpy as np

from ...agreement import Arrays
from ...compiled import Kernel, numba
from ...devices import threads
from ...errors import MlpperfError
from ...parallel import blas, together
from ..data.samples import Samples
from . import kernels
from .equations import Array
from .in_place import Flat, FlatWeights, allocate, padded
from .meetings import system
from .nonzero import LANES, nonzero, nothing
from .rungs import BatchCosts, Phase
from .settings import Settings
from .threads_pass import PARTS, Numbers, Own, Shared, train_share

ACTIVATIONS = {"sigmoid": kernels.SIGMOID, "tanh": kernels.TANH, "relu": kernels.RELU}
# What the articles call the parts.
PHASES = {
    "gather": "input",
    "forward": "forward",
    "activation": "forward",
    "cost": "cost",
    "gradient": "t5",
    "delta": "t3",
    "chain": "t4",
    "update": "update",
    "wait": "waiting",
}
LOSSES = {"log": kernels.LOG_LOSS, "mse": kernels.SQUARES}


class Threads(FlatWeights):
    """Loops that Numba compiles, one pass over each array; threads share every batch."""

    name = "shared_by_threads"
    phases: ClassVar[dict[str, str]] = {}  # the compiled pass times them
    # Hidden layers and pixels are filled up to multiples of these.
    multiple: ClassVar[int] = 8
    pixels_multiple: ClassVar[int] = 16
    # Samples that a thread takes through the network at a time, at least. Their rows, 720 kB of
    # MNIST, are then still in the cache of its processor when the backward pass needs them. But
    # every chunk also goes over all weights and their gradient, which costs more where these lie
    # in no cache: a chunk has a sample more for each of these weights.
    chunk: ClassVar[int] = 250
    weights_for_sample: ClassVar[int] = 1000

    def __init__(
        self,
        x: Array,
        labels: Array,
        weights: Sequence[Array],
        settings: Settings,
        momentum: Sequence[Array] | None = None,
        *,
        used: Array | None = None,
        scale: tuple[Array, Array] | None = None,
        members: int = 1,
    ) -> None:
        """Train on x (n, P), bytes or floats, and the classes `labels` (n,).

        x holds only the pixels that the mask `used` of all n(0) marks; the others are 0. With
        `scale`, a (factor, offset) per pixel of x, the network sees factor·x + offset. `members`
        threads share every batch, this one included. Raises `MlpperfError` if Numba is not
        installed or does not load.
        """
        numba()
        self.members, self.settings, self.rate = members, settings, settings.learning_rate
        layers = [weights[0].shape[1] - 1, *(len(w) for w in weights)]
        self.used = np.ones(layers[0], dtype=bool) if used is None else used
        pixels = x.shape[1]
        widths = padded(layers, self.multiple)
        widths[0] = -(-pixels // self.pixels_multiple) * self.pixels_multiple
        self.now, self.momentum_now = (
            Flat(layers, self.used, multiple=self.multiple, columns=widths[:-1], across=True)
            for _ in range(2)
        )
        size, batch = self.now.vector.size, min(settings.batch_size, len(x))
        factor, offset = scale or (np.ones(pixels), np.zeros(pixels))
        self.shared = Shared(
            x=x,
            nonzero=nothing(x.dtype),
            labels=labels.astype(np.int64),
            factor=factor.astype(np.float32),
            offset=offset.astype(np.float32),
            order=np.zeros(len(x), np.int64),
            nodes=np.array([pixels, *layers[1:]]),
            widths=np.array(widths),
            weights=self.now.vector,
            momentum=self.momentum_now.vector,
            gradients=allocate((members, size)),
            costs=np.zeros((members, 3, -(-len(x) // batch))),
            meetings=np.zeros((members, 8), np.int64),
            nanoseconds=np.zeros((members, len(PARTS), len(weights)), np.int64),
        )
        chunk = max(self.chunk, size // self.weights_for_sample)
        chunk = min(chunk, -(-batch // members))
        inner = chunk * sum(widths[1:])
        self.own = [
            Own(
                rows=allocate((chunk, widths[0])),
                activations=allocate((inner,)),
                deltas=allocate((inner,)),
                gradient=allocate((size,)),
                time=np.zeros(2, np.int64),
            )
            for _ in range(members)
        ]
        self.system = system()
        self.others = ThreadPoolExecutor(max(members - 1, 1), thread_name_prefix="mlpperf-rung")
        self.load(weights, momentum)

    @classmethod
    def missing(cls) -> str:
        """What this rung lacks here, in a sentence; empty if it can train."""
        try:
            numba()
        except MlpperfError as reason:
            return str(reason)
        return ""

    @classmethod
    def begin(cls, samples: Samples, weights: Sequence[Array], settings: Settings) -> Threads:
        """The rung at the start of a training run; images are scaled only if they have to be."""
        used = samples.scaling.used_pixels(samples.images)
        scale = samples.scaling.affine
        if scale:
            x = np.ascontiguousarray(samples.images[:, used])
            scale = (scale[0][used], scale[1][used])
        else:
            x = samples.scaling(samples.images, np.float32, used)
        members = threads()
        return cls(x, samples.labels, weights, settings, used=used, scale=scale, members=members)

    def close(self) -> None:
        """Let the threads end."""
        self.others.shutdown()

    def train(self, order: Array) -> BatchCosts:
        """Train on the samples `order`, batch by batch; the last one may be short."""
        self.shared.order[: len(order)] = order
        self.shared.meetings[...] = 0
        self.shared.nanoseconds[...] = 0
        self.together(train_share, self.numbers(len(order)), self.system)
        batches = -(-len(order) // self.settings.batch_size)
        costs = BatchCosts(*self.shared.costs.sum(axis=0)[:, :batches])
        if self.clock:
            self.clock(batches, self.phase_seconds())
        return costs

    def part_seconds(self) -> dict[tuple[str, int], float]:
        """Seconds of the last pass by part (one of `PARTS`) and layer, the mean of all threads."""
        mean = self.shared.nanoseconds.mean(axis=0) / 1e9
        return {
            (part, n): float(mean[i, n])
            for i, part in enumerate(PARTS)
            for n in range(len(mean[i]))
        }

    def phase_seconds(self) -> dict[Phase, float]:
        """The same by the phases that the articles print."""
        phases: defaultdict[Phase, float] = defaultdict(float)
        for (part, n), spent in self.part_seconds().items():
            label = PHASES[part]
            if not label.startswith("t"):
                phases[label, None] += spent
            elif spent:  # there is no delta of layer 0
                phases[label, n] += spent
                phases["backward", None] += spent
        return phases

    def together(self, work: Kernel, *rest: Any) -> None:
        """Let every thread do its part of `work`, with one BLAS thread each; this one, too."""
        parts = [partial(work, me, self.shared, own, *rest) for me, own in enumerate(self.own)]
        with blas().limit(limits=1 if self.members > 1 else None):
            together(self.others, parts)

    def compile(self) -> None:
        """Compile what `train` calls, or take it from Numba's cache."""
        parts = (0, self.shared, self.own[0], self.numbers(0), self.system)
        train_share.compile_for(*parts)

    def numbers(self, count: int) -> Numbers:
        """The settings for a pass over `count` samples."""
        s = self.settings
        return Numbers(
            samples=count,
            batch=s.batch_size,
            rate=np.float32(self.rate),
            l1=np.float32(s.l1),
            l2=np.float32(s.l2),
            momentum=np.float32(s.momentum),
            activation=ACTIVATIONS[s.activation],
            loss=LOSSES[s.loss],
            regularised=self.now.weights,
        )

    def outcome(self, index: Array) -> Arrays:
        """A step as arrays: new weights, new momentum, loss, error; the rung stays as it was."""
        vectors = (self.now.vector, self.momentum_now.vector)
        before = [vector.copy() for vector in vectors]
        costs = self.train(index)
        weights, momentum = self.state()
        for vector, old in zip(vectors, before, strict=True):
            vector[...] = old
        values = (np.asarray(np.float32(cost[0])) for cost in (costs.loss, costs.error))
        return (*weights, *momentum, *values)


class ZerosSkipped(Threads):
    """Grey values that are 0, four of five, are skipped by the products of the first layer."""

    name = "zeros_skipped"
    # One by one, a fifth of MNIST's values takes half the time of all together in a BLAS. Samples
    # with a larger share of values that are not 0 than this are multiplied whole.
    values_share_max: ClassVar[float] = 0.4

    def __init__(self, x: Array, *rest: Any, **how: Any) -> None:
        """As `Threads`; keeps only those values of x that are not 0, if they are few."""
        super().__init__(x, *rest, **how)
        few = np.count_nonzero(x) <= self.values_share_max * x.size and x.dtype.kind in "uf"
        if few and self.shared.widths[1] % LANES == 0:
            self.shared = self.shared._replace(x=x[:0], nonzero=nonzero(x))
