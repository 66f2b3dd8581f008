"""The articles' ladder: five ways to train one network, each with one thing replaced.

| rung | what is replaced | 35 epochs of batch 500 in the articles |
|---|---|---|
| `Step0` | the program as it was: float64 | 49.5 s |
| `Float32` (I a) | float32 everywhere | about 34 s |
| `NoInputDelta` (I b) | no delta for the input layer, only the regularisers asked for | 11.3 s |
| `BiasInData` (II) | the bias column comes with the data | 9.6 s |
| `ActivationCached` (III) | derivative from the cached activation, slices of bias rows | 7.5 s |

What lies beyond stands in `in_place.py`, `team.py` and `threads.py`. Shapes are nodes × samples, B
samples in a batch: A_N (n(N), B) or with a first row of ones (n(N) + 1, B); W_N (n(N+1), n(N) + 1)
with the bias weights in column 0. With f the activation function, L the loss, λ1 and λ2 the
regularisers, η the learning rate and μ the momentum, one step computes

(1) Z_{N+1} = W_N · [1; A_N]                         forward
(2) A_{N+1} = f(Z_{N+1})
(3) δ_E     = ∂L/∂Z_E                                backward, from the output layer E
(4) δ_N     = (W_Nᵀ · δ_{N+1} ∘ [1; f'(Z_N)])[1:]
(5) G_N     = δ_{N+1} · [1; A_N]ᵀ + λ2·W_N + λ1·sign(W_N)     without the bias column
(6) M_N     ← η·G_N,  W_N ← W_N − (M_N + μ·M_N of the batch before)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from ...agreement import Arrays
from ..data.samples import Samples
from .equations import ACTIVATIONS, LOSSES, Array
from .settings import Settings

Weights = tuple[Array, ...]
Phase = tuple[str, int | None]  # its label, and the layer for t1 to t6


class BatchCosts(NamedTuple):
    """Loss and error of each batch of a pass over samples."""

    loss: Array  # of each batch, with its regularisation, (batches,)
    penalty: Array  # the regularisation in it, (batches,)
    error: Array  # mean of |Y − A| of each batch, (batches,)


def add_row_of_ones(a: Array) -> Array:
    """[1; A], (n, B) → (n + 1, B), a copy."""
    taller = np.ones((a.shape[0] + 1, a.shape[1]), dtype=a.dtype)
    taller[1:, :] = a
    return taller


class Step0:
    """Step 0: the articles' program as it was, in float64."""

    name: ClassVar[str] = "step_0"
    dtype: ClassVar[DTypeLike] = np.float64
    # The methods that a `PhaseClock` times, and what its table calls them.
    phases: ClassVar[dict[str, str]] = {
        "gather": "input",
        "forward": "forward",
        "cost": "cost",
        "error": "error",
        "backward": "backward",
        "t1_bias_row": "t1",
        "t2_derivative": "t2",
        "t3_product": "t3",
        "t4_delta": "t4",
        "t5_gradient": "t5",
        "t6_regularise": "t6",
        "update": "update",
    }
    # Where set, a rung that times its phases itself calls it with batches and seconds per phase.
    clock: Callable[[int, Mapping[Phase, float]], None] | None = None

    def __init__(
        self,
        x: Array,
        y: Array,
        weights: Sequence[Array],
        settings: Settings,
        momentum: Sequence[Array] | None = None,
    ) -> None:
        """Train on x (n, n(0)), scaled, and y (n(E), n), one-hot, both of the rung's dtype."""
        self.x, self.y = x, y
        self.settings, self.rate = settings, settings.learning_rate
        self.activation, self.loss = ACTIVATIONS[settings.activation], LOSSES[settings.loss]
        self.load(weights, momentum)

    @classmethod
    def missing(cls) -> str:
        """What this rung lacks here, in a sentence; empty if it can train."""
        return ""

    @classmethod
    def begin(cls, samples: Samples, weights: Sequence[Array], settings: Settings) -> Step0:
        """The rung at the start of a training run."""
        return cls(samples.scaled(cls.dtype), samples.one_hot(cls.dtype), weights, settings)

    def load(self, weights: Sequence[Array], momentum: Sequence[Array] | None = None) -> None:
        """Go on from these weights, and from this η·G of the batch before (default: 0)."""
        self.weights = [np.asarray(w, self.dtype) for w in weights]
        before = [np.zeros_like(w) for w in self.weights] if momentum is None else momentum
        self.momentum = [np.asarray(m, self.dtype) for m in before]

    def state(self) -> tuple[list[Array], list[Array]]:
        """Weights and momentum, (n(N+1), n(N) + 1) each."""
        return self.weights, self.momentum

    def close(self) -> None:
        """End what a rung holds beyond memory: the processes or threads of the last ones."""

    def train(self, order: Array) -> BatchCosts:
        """Train on the samples `order`, batch by batch; the last one may be short."""
        size = self.settings.batch_size
        costs = BatchCosts(*np.zeros((3, -(-len(order) // size))))
        for i, start in enumerate(range(0, len(order), size)):
            costs.loss[i], costs.penalty[i], costs.error[i] = self.step(order[start : start + size])
            self.advance()
        return costs

    def step(self, index: Array) -> tuple[float, float, float]:
        """One batch: loss, the regularisation in it, error; new weights wait for `advance`."""
        rows, labels = self.gather(index)
        z, a = self.forward(rows)
        loss, penalty = self.cost(a[-1], labels)
        error = self.error(a[-1], labels)
        gradients = self.backward(z, a, labels)
        self.update(gradients)
        return loss + penalty, penalty, error

    def advance(self) -> None:
        """Make the new weights, which `step` has computed, the current ones."""
        self.weights, self.momentum = self.new_weights, self.new_momentum

    def outcome(self, index: Array) -> Arrays:
        """A step as arrays: new weights, new momentum, loss, error; the rung stays as it was."""
        loss, _, error = self.step(index)
        values = (np.asarray(loss, self.dtype), np.asarray(error, self.dtype))
        return (*self.new_weights, *self.new_momentum, *values)

    def part_seconds(self) -> Mapping[tuple[str, int], float]:
        """Seconds of the last pass by part and layer; empty unless the rung measures them."""
        return {}

    # --- the phases ---------------------------------------------------------------------------

    def gather(self, index: Array) -> tuple[Array, Array]:
        """A_0 (n(0), B), a view in F order, and Y (n(E), B)."""
        return self.x[index].T, self.y[:, index]

    def forward(self, rows: Array) -> tuple[list[Array], list[Array]]:
        """All Z_N, without a bias row, and all A_N, with one but for the last; from layer 0 on."""
        return self._forward_from(rows, add_row_of_ones(rows))

    def _forward_from(self, z: Array, a: Array) -> tuple[list[Array], list[Array]]:
        zs, activations = [z], [a]
        for w in self.weights[:-1]:
            z = w @ a  # (1): (m, n + 1)·(n + 1, B) = (m, B)
            a = add_row_of_ones(self.activation.of(z))  # (2): (m + 1, B)
            zs.append(z)
            activations.append(a)
        z = self.weights[-1] @ a  # (n(E), n + 1)·(n + 1, B)
        zs.append(z)
        activations.append(ACTIVATIONS["sigmoid"].of(z))
        return zs, activations

    def cost(self, a: Array, y: Array) -> tuple[float, float]:
        """Loss without its regularisation, and that: ½·λ2·ΣW² + λ1·Σ|W|, no bias weights in it."""
        penalty = 0.0
        if self.settings.l2 > 0:
            squares = sum(np.sum(np.square(w[:, 1:])) for w in self.weights)
            penalty += 0.5 * self.settings.l2 * float(squares)
        if self.settings.l1 > 0:
            penalty += self.settings.l1 * float(sum(np.sum(np.abs(w[:, 1:])) for w in self.weights))
        return float(self.loss.of(a, y)), penalty

    def error(self, a: Array, y: Array) -> float:
        """Mean of |Y − A|."""
        return float(np.average(np.abs(y - a)))

    lowest: ClassVar[int] = 0  # the lowest layer for which a delta is computed

    def backward(self, z: list[Array], a: list[Array], y: Array) -> list[Array]:
        """G_N of every layer, by (3) to (5), from the output layer down."""
        delta = self.loss.delta(a[-1], y)
        gradients: list[Array] = []
        for n in reversed(range(len(self.weights))):
            above = delta
            if n >= self.lowest:
                biased = self.t1_bias_row(n, z)
                derivative = self.t2_derivative(n, biased)
                product = self.t3_product(n, above)
                delta = self.t4_delta(n, product, derivative)
            gradient = self.t5_gradient(n, above, a)
            self.t6_regularise(n, gradient)
            gradients.insert(0, gradient)
        return gradients

    def t1_bias_row(self, n: int, z: list[Array]) -> Array:
        """[1; Z_N]."""
        return add_row_of_ones(z[n])

    def t2_derivative(self, n: int, biased: Array) -> Array:
        """f'(Z_N), computed from Z again, (n + 1, B)."""
        return self.activation.derivative(biased)

    def t3_product(self, n: int, above: Array) -> Array:
        """W_Nᵀ · δ_{N+1}: (n + 1, m)·(m, B)."""
        return np.asarray(self.weights[n].T.dot(above))

    def t4_delta(self, n: int, product: Array, derivative: Array) -> Array:
        """(4): the row that the bias weights made in the product is cut off."""
        return (product * derivative)[1:, :]

    def t5_gradient(self, n: int, above: Array, a: list[Array]) -> Array:
        """(5) without regularisation: (m, B)·(B, n + 1)."""
        return np.asarray(np.dot(above, a[n].T))

    def t6_regularise(self, n: int, gradient: Array) -> None:
        """(5): both terms of the regularisation, even those whose factor is 0."""
        w = self.weights[n][:, 1:]
        gradient[:, 1:] += w * self.settings.l2 + np.sign(w) * self.settings.l1

    def update(self, gradients: list[Array]) -> None:
        """(6), in new arrays."""
        self.new_momentum = [self.rate * g for g in gradients]
        self.new_weights = [
            w - (step + self.settings.momentum * m)
            for w, step, m in zip(self.weights, self.new_momentum, self.momentum, strict=True)
        ]


class Float32(Step0):
    """Step I a: float32 everywhere, because twice as many numbers fit a register or cache line."""

    name = "float32"
    dtype = np.float32


class NoInputDelta(Float32):
    """Step I b: no delta for the input layer, which is not needed; only the terms asked for."""

    name = "no_input_delta"
    lowest = 1

    def t6_regularise(self, n: int, gradient: Array) -> None:
        """(5): only those terms of the regularisation whose factor is above 0."""
        w = self.weights[n][:, 1:]
        if self.settings.l2 > 0:
            gradient[:, 1:] += w * self.settings.l2
        if self.settings.l1 > 0:
            gradient[:, 1:] += np.sign(w) * self.settings.l1


class BiasInData(NoInputDelta):
    """Step II: the data have a bias column, so that no batch is copied to get one."""

    name = "bias_in_data"

    def __init__(self, x: Array, *rest: Any) -> None:
        """Train on x (n, n(0) + 1) with ones in column 0."""
        super().__init__(x, *rest)

    @classmethod
    def begin(cls, samples: Samples, weights: Sequence[Array], settings: Settings) -> Step0:
        """The rung at the start of a training run."""
        x = data_with_ones(samples.scaled(cls.dtype))
        return cls(x, samples.one_hot(cls.dtype), weights, settings)

    def forward(self, rows: Array) -> tuple[list[Array], list[Array]]:
        """The rows have their ones already."""
        return self._forward_from(rows[1:], rows)


class ActivationCached(BiasInData):
    """Step III: f' from the activation that is there already; slices instead of bias rows."""

    name = "activation_cached"

    def backward(self, z: list[Array], a: list[Array], y: Array) -> list[Array]:
        """G_N of every layer; A takes the place of Z, because f' can be had from it."""
        return super().backward(a, a, y)

    def t1_bias_row(self, n: int, z: list[Array]) -> Array:
        """A_N: its bias row is sliced off."""
        return z[n][1:, :]

    def t2_derivative(self, n: int, biased: Array) -> Array:
        """The derivative from A_N, (n, B)."""
        return self.activation.derivative_from_activation(biased)

    def t4_delta(self, n: int, product: Array, derivative: Array) -> Array:
        """(4), on the rows that are kept, instead of cutting off the bias row afterwards."""
        return product[1:, :] * derivative


def data_with_ones(x: Array) -> Array:
    """[1, x] in float32, (n, n(0)) → (n, n(0) + 1); made once per training."""
    biased = np.ones((len(x), x.shape[1] + 1), dtype=np.float32)
    biased[:, 1:] = x
    return biased
