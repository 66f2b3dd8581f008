"""The zeros of the first layer.

The products of the first layer with its samples, forward for Z and backward for the gradient, are
nine tenths of all operations of a training step. Four in five of MNIST's grey values are 0, but
that is hard to see once they are standardised: a pixel that is 0 has become −μ/σ. The network can
as well be given factor·v + offset of a grey value v. What the offsets contribute is the same for
all samples of a batch, and of the rest only those v count that are not 0. A loop over these is
compiled: it reads samples where they lie, without gathering them, and keeps the sum of a sample, or
its delta, in registers from its first value to its last. A BLAS multiplies everything, but with
every unit of the processor at work. Which is quicker depends on both.

Shapes: standardised data x (n, pixels), indices (B,), weights W (m, pixels) without the bias, delta
δ (B, m), grey values (n, pixels) with mean and deviation of every pixel; results Z = X·Wᵀ (B, m)
and G = δᵀ·X (m, pixels) for the gathered X (B, pixels).
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from ..agreement import Arrays
from ..articles.mlp.equations import Array
from ..articles.mlp.network import NetworkCase, batch_cases, initial_weights, training_set
from ..articles.mlp.nonzero import LANES, Nonzero, gradient_nonzero, multiply_nonzero, nonzero
from ..backends import NUMBA
from ..hotpath import Args, Cost, HotPath, Variant

VALUES_SHARE = 0.19  # of MNIST's grey values; the others are 0
Grey = tuple[Array, Array, Array]  # values, mean, deviation


def gathered(x: Array, index: Array, w: Array, delta: Array, grey: Grey) -> Arrays:
    """Samples are gathered and multiplied whole."""
    rows = x[index]
    return rows @ w.T, delta.T @ rows  # (B, n)·(n, m), (m, B)·(B, n)


def gathered_into_buffers(
    x: Array, index: Array, w: Array, delta: Array, rows: Array, z: Array, gradient: Array
) -> Arrays:
    """The same without a new array."""
    np.take(x, index, axis=0, out=rows, mode="clip")
    np.matmul(rows, w.T, out=z)
    np.matmul(delta.T, rows, out=gradient)
    return z, gradient


def zeros_skipped(
    samples: Nonzero,
    index: Array,
    factor: Array,
    offset: Array,
    w: Array,
    delta: Array,
    z: Array,
    gradient: Array,
    nodes: int,
) -> Arrays:
    """Only values that are not 0, one by one, on one thread; weights lie pixel by pixel."""
    multiply_nonzero(samples, index, factor, offset, w, z)
    gradient_nonzero(samples, index, factor, offset, delta, delta.sum(axis=0), gradient)
    return z[:, :nodes], gradient[:, :nodes].T


def with_buffers(x: Array, index: Array, w: Array, delta: Array, grey: Grey) -> Args:
    """A buffer for the samples and for each result: once per training."""
    rows, z = np.empty((len(index), x.shape[1]), x.dtype), np.empty_like(delta)
    return x, index, w, delta, rows, z, np.empty_like(w)


def with_loops_compiled(x: Array, index: Array, w: Array, delta: Array, grey: Grey) -> Args:
    """What is not 0, weights and deltas of whole registers, and the loops compiled: once."""
    images, mean, deviation = grey
    samples, nodes = nonzero(images), len(w)
    factor = 1 / np.where(deviation == 0, 1, deviation)  # constant pixels become 0
    scaling = factor.astype(x.dtype), (-mean * factor).astype(x.dtype)
    width = -(-nodes // LANES) * LANES

    def filled_up(array: Array) -> Array:
        wider = np.zeros((len(array), width), array.dtype)
        wider[:, :nodes] = array
        return wider

    across, deltas = filled_up(w.T), filled_up(delta)
    z, gradient = np.zeros_like(deltas), np.zeros_like(across)
    multiply_nonzero.compile_for(samples, index, *scaling, across, z)
    gradient_nonzero.compile_for(samples, index, *scaling, deltas, z[0], gradient)
    return samples, index, *scaling, across, deltas, z, gradient, nodes


def inputs(case: NetworkCase, rng: Generator) -> Args:
    """The training set, the indices of a random batch, fresh weights, and a delta."""
    full = training_set(case)
    index = rng.permutation(len(full.x))[: case.batch]
    w = np.ascontiguousarray(initial_weights(case.layers, rng)[0][:, 1:])
    delta = rng.standard_normal((case.batch, len(w)), dtype=np.float32)
    return full.x, index, w, delta, (full.images, full.mean, full.deviation)


def cost(case: NetworkCase) -> Cost:
    """Two products of the values that are not 0; these, weights and deltas in, both results out."""
    pixels, nodes = case.layers[:2]
    values = max(1, round(VALUES_SHARE * pixels))
    products = ((nodes, values, case.batch), (nodes, case.batch, values))
    written = 4 * (nodes * case.batch + nodes * pixels)
    return Cost(values * case.batch + 2 * written, products, pixels + case.batch, written)


PATH = HotPath(
    name="skipped_zeros",
    story=__doc__,
    reference=gathered,
    variants=(
        Variant(gathered_into_buffers, prepare=with_buffers),
        Variant(zeros_skipped, prepare=with_loops_compiled, backend=NUMBA),
    ),
    inputs=inputs,
    cases=batch_cases(1, 487, 500, 20_000),
    cost=cost,
)
