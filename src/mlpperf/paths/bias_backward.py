"""The bias neurons of the backward pass.

W_Nᵀ · δ_{N+1} has a first row for the bias neuron, which receives no error. The articles' program
gave the derivative a bias row too, by a copy, so that the two could be multiplied, and then cut the
row off again. Slicing the weights instead needs no copy and computes no row in vain; with the
cached derivative it is the whole of Step III (9.6 → 7.5 s for 35 epochs).

Shapes: weights W (m, n + 1), δ of the layer above (m, B), derivative D (n, B), δ (n, B).
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from ..agreement import Arrays
from ..articles.mlp.equations import Array
from ..articles.mlp.network import NetworkCase, batch, batch_cases
from ..articles.mlp.rungs import add_row_of_ones
from ..hotpath import Args, Cost, HotPath, Variant


def bias_row_added_and_cut(w: Array, delta_above: Array, d: Array) -> Arrays:
    """((Wᵀ·δ) ∘ [1; D])[1:]: a row is added, computed with, and cut off."""
    delta = w.T.dot(delta_above) * add_row_of_ones(d)  # (n + 1, m)·(m, B) ∘ (n + 1, B)
    return (delta[1:, :],)


def product_sliced(w: Array, delta_above: Array, d: Array) -> Arrays:
    """(Wᵀ·δ)[1:] ∘ D: the product still has the bias row, nothing else does (Step III)."""
    return (w.T.dot(delta_above)[1:, :] * d,)


def weights_sliced(w: Array, delta_above: Array, d: Array) -> Arrays:
    """W[:, 1:]ᵀ·δ ∘ D: the bias row is never computed."""
    return (w[:, 1:].T.dot(delta_above) * d,)


def weights_sliced_in_place(w: Array, delta_above: Array, d: Array, out: Array) -> Arrays:
    """The same into a buffer, multiplied in place."""
    np.matmul(w[:, 1:].T, delta_above, out=out)
    out *= d
    return (out,)


def with_buffer(w: Array, delta_above: Array, d: Array) -> Args:
    """A buffer for δ: once per training."""
    return w, delta_above, d, np.empty_like(d)


def inputs(case: NetworkCase, rng: Generator) -> Args:
    """Weights, δ and derivative around layer L1 of a real batch (log loss: δ_E = A_E − Y)."""
    real = batch(case, rng)
    delta = real.a[-1] - real.y
    for w, a in zip(real.weights[:1:-1], real.a[-2:0:-1], strict=True):  # down to layer L2
        delta = (w[:, 1:].T @ delta) * a * (1 - a)
    return real.weights[1], delta, real.a[0] * (1 - real.a[0])


def cost(case: NetworkCase) -> Cost:
    """One product, one element-wise product; weights, δ and derivative in, δ out."""
    n, m = case.layers[1:3]
    moved = (2 * n + m) * case.batch + m * (n + 1)
    return Cost(4 * moved, ((n, m, case.batch),), depth=m + 1, written=4 * n * case.batch)


PATH = HotPath(
    name="bias_backward",
    story=__doc__,
    reference=bias_row_added_and_cut,
    variants=(
        Variant(product_sliced),
        Variant(weights_sliced),
        Variant(weights_sliced_in_place, prepare=with_buffer),
    ),
    inputs=inputs,
    cases=batch_cases(1, 487, 500, 20_000),
    cost=cost,
)
