"""Forward pass of the full set.

To know the accuracy after an epoch the articles' program sends all 60,000 training samples, or the
10,000 of the test set, through the network at once. With a copy against the memory order in front
of it that pass took about 40 % of an epoch: 35 epochs took 19.05 s with it and 11.3 s without
(Step I). A matching layout made it more than twice as fast (Step II).

A set need not be one batch: chunks whose intermediate results stay in the cache need no memory
traffic but the input itself.

Shapes: X (B, 784), weights W_N (n(N+1), n(N) + 1), result A_E (10, B).
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.random import Generator
from scipy.special import expit

from ..agreement import Arrays
from ..articles.mlp.equations import Array
from ..articles.mlp.network import NetworkCase, Weights, batch, batch_cases
from ..articles.mlp.rungs import add_row_of_ones
from ..hotpath import Args, Cost, HotPath, Variant
from .sigmoid import tanh_in_place

CHUNK = 1000  # samples: 3 MB of input and 0.5 MB of activations, within a core's L2 cache or close


def slow_layout(x: Array, weights: Weights) -> Arrays:
    """All samples at once, a C-ordered copy with a row of ones in front of every product."""
    a = x.T  # (n(0), B), a view in F order
    for w in weights:
        a = expit(w @ add_row_of_ones(a))  # (m, n + 1)·(n + 1, B)
    return (a,)


def matching_layout(x: Array, weights: Weights) -> Arrays:
    """The input's copy in F order, as Xᵀ lies; the rest as before (Step II)."""
    samples, features = x.shape
    extended = np.ones((features + 1, samples), dtype=x.dtype, order="F")
    extended[1:, :] = x.T
    a = expit(weights[0] @ extended)
    for w in weights[1:]:
        a = expit(w @ add_row_of_ones(a))
    return (a,)


def bias_broadcast(x: Array, weights: Weights) -> Arrays:
    """No copy and no row of ones: W[:, 1:] · A + W[:, 0]."""
    a = x.T
    for w in weights:
        a = expit(w[:, 1:] @ a + w[:, :1])  # (m, n)·(n, B) + (m, 1)
    return (a,)


def samples_major_tanh(x: Array, weights: Weights, buffers: Weights) -> Arrays:
    """Samples first, into buffers, and the sigmoid by tanh; all samples at once."""
    a = x
    for w, out in zip(weights, buffers, strict=True):
        np.matmul(a, w[:, 1:].T, out=out)  # (B, n)·(n, m)
        out += w[:, 0]
        tanh_in_place(out, out)
        a = out
    return (a.T,)


def chunked(x: Array, weights: Weights, result: Array, buffers: Weights) -> Arrays:
    """The same in chunks of samples that stay in the cache from the first layer to the last."""
    for start in range(0, len(x), CHUNK):
        rows = x[start : start + CHUNK]
        part = result[start : start + CHUNK]
        samples_major_tanh(rows, weights, (*(b[: len(rows)] for b in buffers), part))
    return (result.T,)


def with_buffers(x: Array, weights: Weights) -> Args:
    """Buffers for the activations of all samples: once per training."""
    return x, weights, tuple(np.empty((len(x), len(w)), dtype=x.dtype) for w in weights)


def with_chunk_buffers(x: Array, weights: Weights) -> Args:
    """Buffers for the result and for one chunk of hidden activations: once per training."""
    size = min(CHUNK, len(x))
    buffers = tuple(np.empty((size, len(w)), dtype=x.dtype) for w in weights[:-1])
    return x, weights, np.empty((len(x), len(weights[-1])), dtype=x.dtype), buffers


def inputs(case: NetworkCase, rng: Generator) -> Args:
    """Real samples and fresh weights."""
    real = batch(case, rng)
    return real.rows, real.weights


def cost(case: NetworkCase) -> Cost:
    """The products; samples and weights in, the output layer out."""
    nodes = list(pairwise(case.layers))
    moved = (case.layers[0] + case.layers[-1]) * case.batch + sum(m * (n + 1) for n, m in nodes)
    products = tuple((m, n, case.batch) for n, m in nodes)
    depth = sum(case.layers[:-1]) + 4 * len(nodes)
    return Cost(4 * moved, products, depth, written=4 * case.layers[-1] * case.batch)


PATH = HotPath(
    name="full_set_forward",
    story=__doc__,
    reference=slow_layout,
    variants=(
        Variant(matching_layout),
        Variant(bias_broadcast),
        Variant(samples_major_tanh, prepare=with_buffers),
        Variant(chunked, prepare=with_chunk_buffers),
    ),
    inputs=inputs,
    cases=batch_cases(1, 500, 997, 20_000, 60_000),
    cost=cost,
)
