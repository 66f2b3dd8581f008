"""The derivative of the sigmoid.

The articles' backward pass called the sigmoid on Z a second time, with a bias row added to Z first
so that the result fitted the weights. But A = σ(Z) is still there from the forward pass and
σ'(Z) = A·(1 − A). For batches of 15,000 this one statement took two thirds of the backward pass;
without it and the bias rows, 35 epochs fell from 9.6 to 7.5 s (batch 500) and from 8.7 to 6.7 s
(batch 20,000) (Step III).

Shapes: Z, A and the derivative D are (nodes, B).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.random import Generator
from scipy.special import expit

from ..agreement import Agreement, Arrays
from ..articles.mlp.equations import Array
from ..articles.mlp.network import NetworkCase, batch, batch_cases
from ..articles.mlp.rungs import add_row_of_ones
from ..backends import CONVERTED, EAGER, FUNCTION, XLA
from ..hotpath import Args, Cost, HotPath, Variant
from ..parallel import in_parallel


def recomputed_with_bias_row(z: Array, a: Array) -> Arrays:
    """σ(Z)·(1 − σ(Z)) from Z with a bias row, which is cut off again; A is not used."""
    s = expit(add_row_of_ones(z))  # (nodes + 1, B)
    d = s * (1.0 - s)
    return (d[1:],)


def from_activation(z: Array, a: Array) -> Arrays:
    """A·(1 − A) from the cached activation (Step III); Z is not used."""
    return (a * (1.0 - a),)


def from_activation_in_place(z: Array, a: Array, out: Array) -> Arrays:
    """The same in one buffer."""
    np.subtract(1.0, a, out=out)
    out *= a
    return (out,)


def from_activation_threaded(z: Array, a: Array, out: Array) -> Arrays:
    """The same with the rows shared among threads."""
    in_parallel(from_activation_in_place, z, a, out)
    return (out,)


def tf_derivative(z: Any, a: Any) -> Any:
    """A·(1 − A) in tensors: two operations, which XLA makes one loop of."""
    return (a * (1.0 - a),)


def with_buffer(z: Array, a: Array) -> Args:
    """A buffer for D: once per training."""
    return z, a, np.empty_like(a)


def inputs(case: NetworkCase, rng: Generator) -> Args:
    """Z and A of layer L1 for a real batch."""
    real = batch(case, rng)
    return real.z[0], real.a[0]


def cost(case: NetworkCase) -> Cost:
    """A in, D out; a difference and a product, behind the sigmoid's own rounding."""
    size = 4 * case.layers[1] * case.batch
    return Cost(2 * size, depth=4, written=size)


PATH = HotPath(
    name="derivative",
    story=__doc__,
    reference=recomputed_with_bias_row,
    variants=(
        Variant(from_activation, Agreement.IDENTICAL),
        Variant(from_activation_in_place, Agreement.IDENTICAL, with_buffer),
        Variant(from_activation_threaded, Agreement.IDENTICAL, with_buffer),
        *(Variant(tf_derivative, backend=way) for way in (EAGER, FUNCTION, XLA, CONVERTED)),
    ),
    inputs=inputs,
    cases=batch_cases(1, 487, 500, 20_000),
    cost=cost,
)
