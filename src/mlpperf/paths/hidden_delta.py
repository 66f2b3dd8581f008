"""The delta of a hidden layer.

Going back through a hidden layer, the articles multiply what the product with the weights gives by
the derivative of the sigmoid: δ = (Wᵀ·δ above) ∘ A·(1 − A). `derivative.py` is about that
derivative by itself; here it need not exist. NumPy makes three passes, over up to three arrays
each; a loop that Numba compiles reads both arrays once, and writes the delta where the product was.

Shapes: product P (nodes + 1, B), whose first row belongs to the bias and is not needed;
activations A and delta (nodes, B). P is changed.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from ..agreement import Agreement, Arrays
from ..articles.mlp.equations import Array
from ..articles.mlp.kernels import ONE
from ..articles.mlp.network import NetworkCase, batch, batch_cases
from ..backends import COMPILED
from ..compiled import kernel
from ..hotpath import Args, Cost, HotPath, Variant
from ..parallel import in_parallel


def derivative_apart(p: Array, a: Array) -> Arrays:
    """The derivative in an array, the product with it in another (Step III)."""
    derivative = a * (1.0 - a)
    return (p[1:] * derivative,)


def in_place(a: Array, term: Array, delta: Array) -> Arrays:
    """Three passes, no new array: δ ∘ A, then ∘ (1 − A)."""
    np.subtract(1.0, a, out=term)
    term *= a
    delta *= term
    return (delta,)


def in_place_threaded(a: Array, term: Array, delta: Array) -> Arrays:
    """The same with the rows shared among threads."""
    in_parallel(in_place, a, term, delta)
    return (delta,)


@kernel
def one_pass(a: Array, delta: Array) -> Arrays:
    """δ·A·(1 − A), one pass over A and δ."""
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            delta[i, j] *= a[i, j] * (ONE - a[i, j])
    return (delta,)


def with_buffer(p: Array, a: Array) -> Args:
    """The product without its first row, and a buffer: once per training."""
    return a, np.empty_like(a), p[1:]


def with_loops_compiled(p: Array, a: Array) -> Args:
    """The product without its first row; the loop compiled or from Numba's cache: once."""
    args = a, p[1:]
    one_pass.compile_for(*args)
    return args


def inputs(case: NetworkCase, rng: Generator) -> Args:
    """A product of the size that training has, and A of layer L1 for a real batch."""
    a = batch(case, rng).a[0]
    return rng.standard_normal((len(a) + 1, a.shape[1]), dtype=np.float32), a


def cost(case: NetworkCase) -> Cost:
    """P and A in, δ out, where P was; a difference and two products."""
    size = 4 * case.layers[1] * case.batch
    return Cost(3 * size, depth=3, written=size, in_place=True)


PATH = HotPath(
    name="hidden_delta",
    story=__doc__,
    reference=derivative_apart,
    variants=(
        Variant(in_place, Agreement.IDENTICAL, with_buffer),
        Variant(in_place_threaded, Agreement.IDENTICAL, with_buffer),
        *(Variant(one_pass, prepare=with_loops_compiled, backend=way) for way in COMPILED),
    ),
    inputs=inputs,
    cases=batch_cases(1, 487, 500, 20_000),
    cost=cost,
    updates=(0,),
)
