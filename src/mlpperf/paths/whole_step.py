"""The whole training step.

One batch on its way through the articles' program: gather, forward pass, loss and error, backward
pass, update. Step 0 is the program as it was, in float64; each rung replaces one thing in the
rung before it:

* Step I a: float32 everywhere (49.5 s → about 34 s for 35 epochs of batch 500)
* Step I b: no delta for the input layer, only the regularisers that are asked for (→ 11.3 s)
* Step II: the bias column comes with the data (→ 9.6 s)
* Step III: derivative from the cached activation, slices instead of bias rows (→ 7.5 s)
* beyond: samples first, every result into a buffer, the sigmoid by tanh, one flat weight vector

Shapes: data x (n, 784), y one-hot (10, n), indices (B,); weights and momentum of layer N are
(n(N+1), n(N) + 1) and stay as they are, so that every call does the same work. The step
returns new weights, new momentum, the loss with its regularisation, and the averaged error.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy.special import expit

from ..agreement import Agreement, Arrays
from ..hotpath import Args, Case, HotPath, Variant
from ..mlp.network import HYPER, Array, Weights, flatten, step_cost, step_inputs
from .bias_forward import add_bias_row
from .regularisation import active_terms, all_terms, decay_vector
from .sigmoid import exp_in_place, tanh_in_place


class Activations(NamedTuple):
    """Per layer from 0: Z_N without, A_N with a bias row; the last A has none."""

    z: Weights
    a: Weights


@dataclass(frozen=True)
class Pieces:
    """What a rung is made of; the next rung replaces one of them."""

    forward: Callable[[Array, Weights], Activations]
    backward: Callable[[Activations, Array, Weights], list[Array]]
    regularise: Callable[[Weights, Weights], Arrays]


def run(
    pieces: Pieces, x: Array, y: Array, index: Array, weights: Weights, momentum: Weights
) -> Arrays:
    """One training step made of `pieces`."""
    rows = x[index].T  # (n(0), B), a view in F order
    labels = y[:, index]  # (n(E), B)
    passed = pieces.forward(rows, weights)
    loss, error = loss_and_error(passed.a[-1], labels, weights)
    gradients = pieces.backward(passed, labels, weights)
    pieces.regularise(tuple(gradients), weights)
    return (*update(weights, momentum, gradients), loss, error)


def update(weights: Weights, momentum: Weights, gradients: list[Array]) -> Arrays:
    """W − (η·G + μ·M) and the new momentum η·G, for each layer."""
    steps = [HYPER.learning_rate * g for g in gradients]
    moved = (
        w - (step + HYPER.momentum * m) for w, m, step in zip(weights, momentum, steps, strict=True)
    )
    return (*moved, *steps)


def loss_and_error(a: Array, y: Array, weights: Weights) -> tuple[Array, Array]:
    """Log loss + λ2/2·ΣW² + λ1·Σ|W| without bias weights, and the mean of |Y − A|."""
    loss = -np.sum(y * np.log(a) + (1.0 - y) * np.log(1.0 - a))
    if HYPER.l2 > 0:
        loss += 0.5 * HYPER.l2 * sum(np.sum(np.square(w[:, 1:])) for w in weights)
    if HYPER.l1 > 0:
        loss += HYPER.l1 * sum(np.sum(np.abs(w[:, 1:])) for w in weights)
    return np.asarray(loss), np.asarray(np.average(np.abs(y - a)))


def forward_with_bias_rows(rows: Array, weights: Weights) -> Activations:
    """A bias row is concatenated to the activations of every layer but the last."""
    return _forward_from(rows, add_bias_row(rows), weights)


def forward_from_biased_input(rows: Array, weights: Weights) -> Activations:
    """The input has its row of ones already (Step II); hidden layers are as before."""
    return _forward_from(rows[1:], rows, weights)


def _forward_from(z: Array, a: Array, weights: Weights) -> Activations:
    zs, activations = [z], [a]
    for w in weights:
        z = w @ a  # (m, n + 1)·(n + 1, B)
        a = expit(z)
        if w is not weights[-1]:
            a = add_bias_row(a)
        zs.append(z)
        activations.append(a)
    return Activations(tuple(zs), tuple(activations))


def delta_to_input(passed: Activations, y: Array, weights: Weights) -> list[Array]:
    """Delta and derivative down to layer 0, whose delta nobody needs."""
    return _backward(passed, y, weights, lowest=0)


def delta_to_first_hidden(passed: Activations, y: Array, weights: Weights) -> list[Array]:
    """Delta and derivative down to layer 1 (Step I b)."""
    return _backward(passed, y, weights, lowest=1)


def _backward(passed: Activations, y: Array, weights: Weights, lowest: int) -> list[Array]:
    """G_N = δ_{N+1} · A_Nᵀ and δ_N = (W_Nᵀ · δ_{N+1} ∘ [1; σ'(Z_N)])[1:], from δ_E = A_E − Y."""
    delta = passed.a[-1] - y  # log loss and sigmoid: the derivative cancels
    gradients: list[Array] = []
    for n in reversed(range(len(weights))):
        gradients.insert(0, np.dot(delta, passed.a[n].T))  # (m, B)·(B, n + 1)
        if n >= lowest:
            s = expit(add_bias_row(passed.z[n]))
            d = s * (1.0 - s)  # (n + 1, B)
            delta = (weights[n].T.dot(delta) * d)[1:, :]  # (n + 1, m)·(m, B) ∘ (n + 1, B)
    return gradients


def cached_activations(passed: Activations, y: Array, weights: Weights) -> list[Array]:
    """Derivative from the cached activation, bias rows sliced off (Step III)."""
    delta = passed.a[-1] - y
    gradients: list[Array] = []
    for n in reversed(range(len(weights))):
        gradients.insert(0, np.dot(delta, passed.a[n].T))
        if n >= 1:
            a = passed.a[n][1:, :]
            delta = weights[n].T.dot(delta)[1:, :] * a * (1.0 - a)
    return gradients


STEP_0 = Pieces(forward_with_bias_rows, delta_to_input, all_terms)
STEP_1B = replace(STEP_0, backward=delta_to_first_hidden, regularise=active_terms)
STEP_2 = replace(STEP_1B, forward=forward_from_biased_input)
STEP_3 = replace(STEP_2, backward=cached_activations)


def step_0(x: Array, y: Array, index: Array, weights: Weights, momentum: Weights) -> Arrays:
    """Step 0: the articles' program as it was, float64."""
    return run(STEP_0, x, y, index, weights, momentum)


def float32(x: Array, y: Array, index: Array, weights: Weights, momentum: Weights) -> Arrays:
    """Step I a: the same in float32."""
    return run(STEP_0, x, y, index, weights, momentum)


def no_input_delta(x: Array, y: Array, index: Array, weights: Weights, momentum: Weights) -> Arrays:
    """Step I b: no delta for the input layer, no term of a regulariser that is off."""
    return run(STEP_1B, x, y, index, weights, momentum)


def bias_in_data(x: Array, y: Array, index: Array, weights: Weights, momentum: Weights) -> Arrays:
    """Step II: the data have a bias column, so the batch is not copied to get one."""
    return run(STEP_2, x, y, index, weights, momentum)


def activation_cached(
    x: Array, y: Array, index: Array, weights: Weights, momentum: Weights
) -> Arrays:
    """Step III: derivative from the cached activation, slices instead of bias rows."""
    return run(STEP_3, x, y, index, weights, momentum)


class Workspace(NamedTuple):
    """Everything that a step writes to, allocated once; samples first, B × nodes."""

    rows: Array  # (B, n(0))
    y: Array  # (B, n(E))
    a: Weights  # A_1 … A_E
    delta: Weights  # δ_1 … δ_E
    d: Weights  # σ'(Z_1) … σ'(Z_E−1)
    ones: Array  # (B,)
    w: Array  # all weights as one vector
    m: Array  # momentum
    g: Array  # gradients
    new_w: Array
    new_m: Array
    decay: Array  # λ2, 0 for bias weights
    term: Array
    weights: Weights  # views of the vectors, one per layer
    gradients: Weights
    new_weights: Weights
    new_momentum: Weights


def samples_major_in_place(x: Array, y: Array, index: Array, work: Workspace) -> Arrays:
    """Beyond: samples first, every result into a buffer, sigmoid by tanh, flat weight vector."""
    np.take(x, index, axis=0, out=work.rows, mode="clip")
    np.take(y, index, axis=0, out=work.y, mode="clip")
    inputs = (work.rows, *work.a[:-1])
    for rows, w, a in zip(inputs, work.weights, work.a, strict=True):
        np.matmul(rows, w[:, 1:].T, out=a)  # (B, n)·(n, m)
        a += w[:, 0]
        # ½·tanh + ½ rounds a small A to 0, whose logarithm the loss could not use.
        activate = exp_in_place if a is work.a[-1] else tanh_in_place
        activate(a, a)

    delta = np.subtract(work.a[-1], work.y, out=work.delta[-1])
    p = work.y  # |A + (Y − 1)|: A at the label, 1 − A elsewhere
    p -= 1.0
    p += work.a[-1]
    np.abs(p, out=p)
    error = 1.0 - p.mean()
    loss = -np.log(p, out=p).sum()

    for n in reversed(range(len(work.weights))):
        gradient, w = work.gradients[n], work.weights[n]
        np.matmul(delta.T, inputs[n], out=gradient[:, 1:])  # (m, B)·(B, n)
        np.matmul(delta.T, work.ones, out=gradient[:, 0])  # Σ over samples
        if n >= 1:
            a, d = work.a[n - 1], work.d[n - 1]
            np.subtract(1.0, a, out=d)
            d *= a
            delta = np.matmul(delta, w[:, 1:], out=work.delta[n - 1])  # (B, m)·(m, n)
            delta *= d

    np.multiply(work.w, work.decay, out=work.term)  # λ2·W
    loss += 0.5 * np.dot(work.w, work.term)
    np.add(work.g, work.term, out=work.g)
    np.multiply(work.g, HYPER.learning_rate, out=work.new_m)
    np.multiply(work.m, HYPER.momentum, out=work.term)
    np.subtract(work.w, work.term, out=work.new_w)
    np.subtract(work.new_w, work.new_m, out=work.new_w)
    return (*work.new_weights, *work.new_momentum, np.asarray(loss), np.asarray(error))


def cast_to_float32(x: Array, y: Array, index: Array, weights: Weights, momentum: Weights) -> Args:
    """Everything in float32: once per training, when the data are loaded."""
    single = [tuple(a.astype(np.float32) for a in layers) for layers in (weights, momentum)]
    return x.astype(np.float32), y.astype(np.float32), index, *single


def with_bias_column(x: Array, y: Array, index: Array, weights: Weights, momentum: Weights) -> Args:
    """float32, and a column of ones in front of the data: once per training."""
    biased = np.ones((len(x), x.shape[1] + 1), dtype=np.float32)
    biased[:, 1:] = x
    return biased, *cast_to_float32(x, y, index, weights, momentum)[1:]


def with_workspace(x: Array, y: Array, index: Array, weights: Weights, momentum: Weights) -> Args:
    """float32, labels as rows, and the workspace: once per training."""
    x, y, index, weights, momentum = cast_to_float32(x, y, index, weights, momentum)
    w, weight_views = flatten(weights)
    m, _ = flatten(momentum)
    g, gradient_views = flatten(momentum)
    new_w, new_weight_views = flatten(weights)
    new_m, new_momentum_views = flatten(momentum)

    def buffers(widths: tuple[int, ...]) -> Weights:
        return tuple(np.empty((len(index), n), dtype=np.float32) for n in widths)

    widths = tuple(len(layer) for layer in weights)
    (rows, labels) = buffers((x.shape[1], len(y)))
    work = Workspace(
        rows=rows,
        y=labels,
        a=buffers(widths),
        delta=buffers(widths),
        d=buffers(widths[:-1]),
        ones=np.ones(len(index), dtype=np.float32),
        w=w,
        m=m,
        g=g,
        new_w=new_w,
        new_m=new_m,
        decay=decay_vector(weights),
        term=np.empty_like(w),
        weights=weight_views,
        gradients=gradient_views,
        new_weights=new_weight_views,
        new_momentum=new_momentum_views,
    )
    return x, np.ascontiguousarray(y.T), index, work


PATH = HotPath(
    name="whole_step",
    story=__doc__,
    reference=step_0,
    variants=(
        Variant(float32, Agreement.FLOAT32, cast_to_float32),
        Variant(no_input_delta, Agreement.FLOAT32, cast_to_float32),
        Variant(bias_in_data, Agreement.FLOAT32, with_bias_column),
        Variant(activation_cached, Agreement.FLOAT32, with_bias_column),
        Variant(samples_major_in_place, Agreement.FLOAT32, with_workspace),
    ),
    inputs=step_inputs,
    cases=(Case(1), Case(487), Case(500), Case(20_000)),
    cost=step_cost,
)
