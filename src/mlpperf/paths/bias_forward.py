"""The bias neurons of the forward pass.

The articles' network has a bias neuron in every layer: a first row of ones in A_N, met by column 0
of W_N. Their program made that row anew in every layer of every batch: an array of ones with one
row more, and the activations copied into it. For the input layer the copy also runs against the
memory order (see the page on layout). Adding the bias once to the data, instead of to every batch,
was a large part of what took 35 epochs from 11.3 to 9.6 s (Step II).

Here are the three weighted inputs Z_{N+1} = W_N · [1; A_N] of one real batch, without the sigmoids
between them. Shapes: A_N (n(N), B), W_N (n(N+1), n(N) + 1), Z_{N+1} (n(N+1), B).
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.random import Generator

from ..agreement import Arrays
from ..articles.mlp.network import NetworkCase, Weights, batch, batch_cases
from ..articles.mlp.rungs import add_row_of_ones, data_with_ones
from ..backends import CONVERTED, EAGER, FUNCTION, XLA
from ..devices import tensorflow
from ..hotpath import Args, Cost, HotPath, Variant


def bias_concatenated(weights: Weights, activations: Weights) -> Arrays:
    """W · [1; A], the row of ones made anew for every layer and batch."""
    return tuple(w @ add_row_of_ones(a) for w, a in zip(weights, activations, strict=True))


def bias_column_prepared(weights: Weights, activations: Weights) -> Arrays:
    """The input's bias comes with the data; only the hidden layers still copy (Step II)."""
    first, *hidden = activations  # first: (n(0) + 1, B), with its row of ones
    return (
        weights[0] @ first,
        *(w @ add_row_of_ones(a) for w, a in zip(weights[1:], hidden, strict=True)),
    )


def bias_broadcast(weights: Weights, activations: Weights) -> Arrays:
    """W[:, 1:] · A + W[:, 0]: no row of ones anywhere, the bias weights are broadcast."""
    return tuple(
        w[:, 1:] @ a + w[:, :1] for w, a in zip(weights, activations, strict=True)
    )  # (m, n)·(n, B) + (m, 1)


def bias_broadcast_in_place(weights: Weights, activations: Weights, outs: Weights) -> Arrays:
    """The same into buffers, the bias added in place."""
    for w, a, z in zip(weights, activations, outs, strict=True):
        np.matmul(w[:, 1:], a, out=z)
        z += w[:, :1]
    return outs


def bias_row_preallocated(weights: Weights, extended: Weights, outs: Weights) -> Arrays:
    """W · [1; A] where [1; A] lives in a buffer: the sigmoid writes below the row of ones."""
    for w, a, z in zip(weights, extended, outs, strict=True):
        np.matmul(w, a, out=z)
    return outs


def tf_concat(weights: Any, activations: Any) -> Any:
    """W · [1; A] with `tf.concat`: the row of ones made anew for every layer and batch."""
    tf = tensorflow()
    rows = (tf.concat([tf.ones_like(a[:1]), a], axis=0) for a in activations)
    return tuple(tf.matmul(w, a) for w, a in zip(weights, rows, strict=True))


def tf_bias_add(weights: Any, activations: Any) -> Any:
    """W[:, 1:] · A + W[:, 0]: the bias weights are broadcast."""
    tf = tensorflow()
    return tuple(
        tf.matmul(w[:, 1:], a) + w[:, :1] for w, a in zip(weights, activations, strict=True)
    )


def with_bias_column(weights: Weights, activations: Weights) -> Args:
    """The input with its row of ones: once per training, with the data."""
    first, *hidden = activations
    return weights, (data_with_ones(first.T).T, *hidden)  # as gathered from such data


def with_buffers(weights: Weights, activations: Weights) -> Args:
    """Buffers for Z: once per training."""
    outs = tuple(
        np.empty((len(w), a.shape[1]), dtype=a.dtype)
        for w, a in zip(weights, activations, strict=True)
    )
    return weights, activations, outs


def with_bias_rows(weights: Weights, activations: Weights) -> Args:
    """Buffers for Z, and A in buffers that begin with a row of ones: once per training.

    In training nothing is copied into them: the sigmoid's output goes there (`out=`), and the
    input comes from data that have a bias column.
    """
    _, (first, *hidden) = with_bias_column(weights, activations)
    extended = (first, *map(add_row_of_ones, hidden))
    return weights, extended, with_buffers(weights, activations)[2]


def inputs(case: NetworkCase, rng: Generator) -> Args:
    """Weights and activations of a real batch; A_0 is the transpose of the gathered rows."""
    real = batch(case, rng)
    return real.weights, (real.rows.T, *real.a[:-1])


def cost(case: NetworkCase) -> Cost:
    """One product per layer; activations and weights in, weighted inputs out."""
    nodes = list(pairwise(case.layers))
    moved = sum((n + m) * case.batch + m * (n + 1) for n, m in nodes)
    products = tuple((m, n, case.batch) for n, m in nodes)
    written = 4 * sum(case.layers[1:]) * case.batch
    return Cost(4 * moved, products, depth=max(case.layers) + 1, written=written)


PATH = HotPath(
    name="bias_forward",
    story=__doc__,
    reference=bias_concatenated,
    variants=(
        Variant(bias_column_prepared, prepare=with_bias_column),
        Variant(bias_broadcast),
        Variant(bias_broadcast_in_place, prepare=with_buffers),
        Variant(bias_row_preallocated, prepare=with_bias_rows),
        *(Variant(tf_concat, backend=way) for way in (EAGER, FUNCTION)),
        *(Variant(tf_bias_add, backend=way) for way in (EAGER, FUNCTION, XLA, CONVERTED)),
    ),
    inputs=inputs,
    cases=batch_cases(1, 487, 500, 20_000),
    cost=cost,
)
