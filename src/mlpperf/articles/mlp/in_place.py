"""Beyond the articles: the same network without a new array in the whole of training.

Shapes are samples × nodes here, so that a gathered batch needs no transpose: B samples of a batch,
A_N (B, n(N)), W_N (n(N+1), n(N)) and the bias b_N (n(N+1),) apart. All weights lie in one vector,
first the W_N, then the b_N; so do gradients and momentum. The equations are those of `rungs.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import ClassVar

import numpy as np

from ...agreement import Arrays
from ..data.samples import Samples
from .equations import Array, output_in_place
from .rungs import Float32
from .settings import Settings

# Samples that go through the network at a time. A batch that is larger is cut, so that rows and
# activations are still in the cache when the backward pass needs them.
CHUNK = 2500
LINE = 16  # numbers in a cache line
Allocate = Callable[[tuple[int, ...]], Array]


def allocate(shape: tuple[int, ...]) -> Array:
    """float32 zeros that begin a cache line, so that no vector register is filled from two."""
    size = 4 * math.prod(shape)
    room = np.zeros(size + 64, dtype=np.uint8)
    start = -room.ctypes.data % 64
    return room[start : start + size].view(np.float32).reshape(shape)


def padded(layers: Sequence[int], multiple: int) -> list[int]:
    """Nodes of every layer, those of hidden layers rounded up to a multiple of `multiple`."""
    hidden = [-(-nodes // multiple) * multiple for nodes in layers[1:-1]]
    return [layers[0], *hidden, layers[-1]]


class Flat:
    """All weights of a network, or all gradients, in one vector, and views of its parts.

    One operation on the vector then updates all layers. Weights of pixels that are 0 in every
    sample, outside the mask `used`, lie apart as `idle`: no product needs them, but regularisation
    still changes them. Between them and the biases lies what fills up the last cache line. Hidden
    layers are filled up to a multiple of `multiple` nodes; weights of the added ones are 0 and stay
    0. The W_N are as wide as the layer below has nodes, or as `columns` says, which leaves room for
    those that fill it up. With `across`, the weights of a pixel lie together, and not those of a
    node of the first hidden layer.
    """

    def __init__(
        self,
        layers: Sequence[int],
        used: Array,
        new: Allocate = allocate,
        multiple: int = 1,
        columns: Sequence[int] | None = None,
        *,
        across: bool = False,
    ) -> None:
        self.used, self.nodes = used, layers[1:]
        self.below = [int(used.sum()), *layers[1:-1]]
        widths = list(columns or self.below)
        rows = padded(layers, multiple)[1:]
        shapes: list[tuple[int, ...]] = [(m, n) for n, m in zip(widths, rows, strict=True)]
        shapes += [(layers[1], layers[0] - self.below[0])]
        used_up = sum(map(math.prod, shapes)) + sum(rows)
        shapes += [(-used_up % LINE,)] + [(m,) for m in rows]
        ends = np.cumsum([0, *map(math.prod, shapes)])
        if across:
            shapes[0] = shapes[0][::-1]
        self.vector = new((int(ends[-1]),))
        parts = zip(pairwise(ends.tolist()), shapes, strict=True)
        views = [self.vector[low:high].reshape(shape) for (low, high), shape in parts]
        count = len(layers) - 1
        if across:
            views[0] = views[0].T
        self.w, self.idle, self.b = views[:count], views[count], views[count + 2 :]
        self.weights = int(ends[count + 1])  # this many are weights, the rest biases

    def fill(self, weights: Sequence[Array]) -> None:
        """Copy from the articles' shapes, (n(N+1), n(N) + 1) with the bias in column 0."""
        below, *above = [given[:, 1:] for given in weights]
        for w, given in zip(self.w, [below[:, self.used], *above], strict=True):
            w[: len(given), : given.shape[1]] = given
        self.idle[...] = below[:, ~self.used]
        for b, given in zip(self.b, weights, strict=True):
            b[: len(given)] = given[:, 0]

    def in_layers(self, out: Sequence[Array] | None = None) -> list[Array]:
        """The weights in the articles' shapes, copied into `out` if that is given."""
        below = [len(self.used), *self.nodes[:-1]]
        shapes = [(m, n + 1) for n, m in zip(below, self.nodes, strict=True)]
        layers = [np.empty(s, self.vector.dtype) for s in shapes] if out is None else list(out)
        first = self.w[0][: self.nodes[0], : self.below[0]]
        if self.idle.size:
            layers[0][:, 1:][:, self.used], layers[0][:, 1:][:, ~self.used] = first, self.idle
        else:
            layers[0][:, 1:] = first
        for layer, w in zip(layers[1:], self.w[1:], strict=True):
            layer[:, 1:] = w[: len(layer), : layer.shape[1] - 1]
        for layer, b in zip(layers, self.b, strict=True):
            layer[:, 0] = b[: len(layer)]
        return layers


class FlatWeights(Float32):
    """A rung whose weights lie in one vector, and its momentum in another."""

    now: Flat
    momentum_now: Flat

    def load(self, weights: Sequence[Array], momentum: Sequence[Array] | None = None) -> None:
        """Go on from these weights, and from this η·G of the batch before (default: 0)."""
        self.now.fill(weights)
        if momentum is None:
            self.momentum_now.vector[...] = 0
        else:
            self.momentum_now.fill(momentum)

    def state(self) -> tuple[list[Array], list[Array]]:
        """Weights and momentum in the articles' shapes."""
        return self.now.in_layers(), self.momentum_now.in_layers()


class InPlace(FlatWeights):
    """Samples first, every result into a buffer, sigmoid by tanh, all weights in one vector."""

    name = "samples_major_in_place"
    multiple: ClassVar[int] = 1  # of nodes in a hidden layer
    phases: ClassVar[dict[str, str]] = {
        "collect": "input",
        "activate": "forward",
        "measure": "cost",  # and error
        "propagate": "backward",
        "t3_into": "t3",
        "t4_into": "t4",  # with the derivative, t2
        "t5_into": "t5",
        "descend": "update",  # with the regularisation, t6
    }

    def __init__(
        self,
        x: Array,
        y: Array,
        weights: Sequence[Array],
        settings: Settings,
        momentum: Sequence[Array] | None = None,
        *,
        used: Array | None = None,
        scale: tuple[Array, Array] | None = None,
        share: int = 1,
        new: Allocate = allocate,
    ) -> None:
        """Train on x (n, n(0)) and one-hot labels y (n(E), n).

        With `used`, x holds only the pixels that this mask of all n(0) marks; the others are 0.
        With `scale`, a (factor, offset) per pixel, the network sees factor·x + offset. This object
        works on one part in `share` of every batch; `new` makes the arrays that others have to see.
        """
        self.layers = layers = [weights[0].shape[1] - 1, *(len(w) for w in weights)]
        self.used = np.ones(layers[0], dtype=bool) if used is None else used

        def flat(new: Allocate = new) -> Flat:
            return Flat(layers, self.used, new, self.multiple)

        rows = min(CHUNK, -(-min(settings.batch_size, len(x)) // share))
        self.rows = np.empty((rows, x.shape[1]), dtype=x.dtype)
        self.input = self.rows if x.dtype == np.float32 else allocate(self.rows.shape)
        self.labels = allocate((rows, len(y)))
        # Nodes that fill a layer up have A = f(0), which no product reads, and δ = 0.
        widths = padded(layers, self.multiple)[1:]
        self.a = [allocate((rows, n)) for n in widths]
        self.delta = [allocate((rows, n)) for n in widths]
        self.ones = np.ones(rows, dtype=np.float32)
        self.now, self.next = flat(), flat()
        self.momentum_now, self.momentum_next = flat(), flat()
        self.gradient, self.part = flat(), flat(allocate)
        self.term = allocate(self.now.vector.shape)
        self.scale = None if scale is None else [np.asarray(s, np.float32) for s in scale]
        self.folded_now, self.folded_next = (new(self.now.w[0].shape) for _ in range(2))
        self.gradients = [self.gradient]  # one for each process that shares the batch
        super().__init__(x, np.ascontiguousarray(y.T), weights, settings, momentum)
        self.outputs = [each.in_layers() for each in (self.now, self.momentum_now)]

    @classmethod
    def begin(cls, samples: Samples, weights: Sequence[Array], settings: Settings) -> InPlace:
        """The rung at the start of a training run."""
        return cls(samples.scaled(np.float32), samples.one_hot(np.float32), weights, settings)

    def load(self, weights: Sequence[Array], momentum: Sequence[Array] | None = None) -> None:
        """Go on from these weights and momentum."""
        super().load(weights, momentum)
        if self.scale:
            np.multiply(self.now.w[0], self.scale[0], out=self.folded_now)

    def advance(self) -> None:
        """Make the new weights the ones to go on from."""
        self.now, self.next = self.next, self.now
        self.momentum_now, self.momentum_next = self.momentum_next, self.momentum_now
        self.folded_now, self.folded_next = self.folded_next, self.folded_now

    def outcome(self, index: Array) -> Arrays:
        """A step as arrays: new weights, new momentum, loss, error; the rung stays as it was."""
        loss, _, error = self.step(index)
        weights, momentum = self.outputs
        new = (*self.next.in_layers(weights), *self.momentum_next.in_layers(momentum))
        return (*new, np.asarray(np.float32(loss)), np.asarray(np.float32(error)))

    def step(self, index: Array) -> tuple[float, float, float]:
        """One batch: loss, the regularisation in it, error; new weights wait for `advance`."""
        loss, error = self.differentiate(index)
        penalty = self.descend(0, len(self.now.b[0]))
        return loss + penalty, penalty, error / (len(index) * self.labels.shape[1])

    def differentiate(self, index: Array) -> tuple[float, float]:
        """Loss and Σ|Y − A| over the samples `index`, chunk by chunk; fills `gradient`."""
        loss = error = 0.0
        first = self.first_layer()
        for start in range(0, len(index), len(self.ones)):
            x, y = self.collect(index[start : start + len(self.ones)])
            a = self.activate(x, first)
            chunk_loss, chunk_error = self.measure(a[-1], y)
            loss, error = loss + chunk_loss, error + chunk_error
            self.propagate(a, self.part if start else self.gradient)
            if start:
                self.gradient.vector += self.part.vector
        if not len(index):
            self.gradient.vector[...] = 0
        return loss, error

    def first_layer(self) -> tuple[Array, Array]:
        """Weights and bias that do to the gathered rows what W_0 and b_0 do to scaled ones."""
        if self.scale is None:
            return self.now.w[0], self.now.b[0]
        # W·(factor·x + offset) + b = (W∘factor)·x + (W·offset + b)
        return self.folded_now, self.now.w[0] @ self.scale[1] + self.now.b[0]

    def collect(self, index: Array) -> tuple[Array, Array]:
        """Rows (B, n(0)) and their labels (B, n(E))."""
        rows = self.rows[: len(index)]
        np.take(self.x, index, axis=0, out=rows, mode="clip")
        x = self.input[: len(index)]
        if self.input is not self.rows:
            np.copyto(x, rows)
        y = self.labels[: len(index)]
        np.take(self.y, index, axis=0, out=y, mode="clip")
        return x, y

    def activate(self, x: Array, first: tuple[Array, Array]) -> list[Array]:
        """A_0 … A_E."""
        activations = [x]
        layers = [first, *zip(self.now.w[1:], self.now.b[1:], strict=True)]
        for (w, b), buffer in zip(layers, self.a, strict=True):
            a = buffer[: len(x)]
            np.matmul(activations[-1][:, : w.shape[1]], w.T, out=a)  # (1): (B, n)·(n, m)
            a += b
            if buffer is self.a[-1]:
                output_in_place(a)
            else:
                self.activation.in_place(a)  # (2)
            activations.append(a)
        return activations

    def measure(self, a: Array, y: Array) -> tuple[float, float]:
        """Loss and Σ|Y − A| from A_E and Y; writes (3) into the last delta, and over Y."""
        self.loss.delta_into(a, y, self.delta[-1][: len(a)])
        loss, error = self.loss.in_place(a, y)
        return float(loss), float(error)

    def propagate(self, a: list[Array], gradient: Flat) -> None:
        """(4) and (5), without regularisation, into `gradient`; overwrites the activations."""
        delta = self.delta[-1][: len(a[0])]
        for n in reversed(range(len(self.now.w))):
            self.t5_into(n, delta, a[n], gradient)
            if n > 0:
                delta = self.t3_into(n, delta)
                self.t4_into(n, delta, a[n])

    def t3_into(self, n: int, above: Array) -> Array:
        """δ_{N+1}·W_N: (B, m)·(m, n)."""
        w, delta = self.now.w[n], self.delta[n - 1][: len(above)]
        np.matmul(above, w, out=delta[:, : w.shape[1]])
        return delta

    def t4_into(self, n: int, delta: Array, a: Array) -> None:
        """(4): δ becomes δ ∘ f'; overwrites A."""
        self.activation.chain(delta, a)

    def t5_into(self, n: int, above: Array, a: Array, gradient: Flat) -> None:
        """(5): (m, B)·(B, n) for the weights, and the sum of δ over samples for the bias."""
        np.matmul(above.T, a[:, : gradient.w[n].shape[1]], out=gradient.w[n])
        np.matmul(self.ones[: len(above)], above, out=gradient.b[n])

    def descend(self, low: int, high: int) -> float:
        """(5) and (6) for rows `low` to `high` of W_0, and with its last row for all other layers.

        Gives the regularisation of the weights that it updates.
        """
        settings, width = self.settings, self.now.w[0].shape[1]
        last = high == len(self.now.b[0])
        part = slice(low * width, self.now.vector.size if last else high * width)
        w, step, term = self.now.vector[part], self.momentum_next.vector[part], self.term[part]
        first, *others = self.gradients
        if others:
            np.add(first.vector[part], others[0].vector[part], out=step)
            for other in others[1:]:
                step += other.vector[part]
        else:
            np.copyto(step, first.vector[part])
        if self.scale:  # ∂L/∂W = ∂L/∂(W∘factor) ∘ factor + (Σδ)·offsetᵀ
            gradient, outer = self.momentum_next.w[0][low:high], self.folded_next[low:high]
            gradient *= self.scale[0]
            sums = sum((g.b[0][low:high] for g in others), first.b[0][low:high])
            np.multiply(sums[:, None], self.scale[1], out=outer)
            gradient += outer
        step *= self.rate
        count = self.now.weights - part.start if last else len(w)
        penalty = self._regularise(w[:count], step[:count], term[:count])
        np.multiply(self.momentum_now.vector[part], settings.momentum, out=term)
        new = self.next.vector[part]
        np.subtract(w, term, out=new)
        new -= step
        if self.scale:
            np.multiply(self.next.w[0][low:high], self.scale[0], out=self.folded_next[low:high])
        return penalty

    def _regularise(self, w: Array, step: Array, term: Array) -> float:
        """Add η·(λ2·W + λ1·sign(W)) to the step; gives what these weights add to the loss."""
        l1, l2 = self.settings.l1, self.settings.l2
        penalty = 0.0
        if l2 > 0:
            np.multiply(w, self.rate * l2, out=term)
            step += term
            penalty += 0.5 * l2 * float(np.dot(w, w))
        if l1 > 0:
            np.sign(w, out=term)
            penalty += l1 * float(np.dot(w, term))
            term *= self.rate * l1
            step += term
        return penalty


class BytesFolded(InPlace):
    """Grey values are gathered as bytes, and the scaling is folded into the first weights."""

    name = "bytes_folded"

    @classmethod
    def begin(cls, samples: Samples, weights: Sequence[Array], settings: Settings) -> InPlace:
        """The rung at the start of a training run; a copy only where a scaler is not affine."""
        scale = samples.scaling.affine
        x: Array = samples.images if scale else samples.scaled(np.float32)
        return cls(x, samples.one_hot(np.float32), weights, settings, scale=scale)


class UsedPixels(InPlace):
    """Pixels that are 0 in every sample, 67 of MNIST's 784, are left out of every product."""

    name = "used_pixels"

    @classmethod
    def begin(cls, samples: Samples, weights: Sequence[Array], settings: Settings) -> InPlace:
        """The rung at the start of a training run: scaled data without those pixels."""
        used = samples.scaling.used_pixels(samples.images)
        x = samples.scaling(samples.images, np.float32, used)
        return cls(x, samples.one_hot(np.float32), weights, settings, used=used)


class PaddedLayers(UsedPixels):
    """Hidden layers are filled up to multiples of 8 nodes, the widths that products like best."""

    name = "padded_layers"
    multiple = 8
