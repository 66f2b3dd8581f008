"""Memory order of the input batch.

A batch is gathered as rows of the data, (B, 784) in C order; its transpose, which the network
wants, is a view in F order. Copying that view into a new C-ordered array strides through memory,
one element per cache line. For big batches this single statement dominated the articles'
forward pass (Step II). The copy is cheap when the target has the matching order, and it is not
needed at all: BLAS multiplies transposed operands as they lie. So does TensorFlow, which otherwise
copies for every transpose.

Here is the weighted input of layer L1, Z = W · [1; Xᵀ]. Shapes: gathered rows X (B, n),
W (m, n + 1) with the bias weights in column 0, Z (m, B).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.random import Generator

from ..agreement import Arrays
from ..articles.mlp.equations import Array
from ..articles.mlp.network import NetworkCase, batch, batch_cases
from ..articles.mlp.rungs import add_row_of_ones, data_with_ones
from ..backends import CONVERTED, EAGER, FUNCTION, XLA
from ..devices import tensorflow
from ..hotpath import Args, Cost, HotPath, Variant


def copied_to_c_order(rows: Array, w: Array) -> Arrays:
    """[1; Xᵀ] as a new C-ordered array: the copy runs against the memory order of Xᵀ."""
    return (w @ add_row_of_ones(rows.T),)


def copied_to_f_order(rows: Array, w: Array) -> Arrays:
    """The same copy into an F-ordered array: both sides are read and written in memory order."""
    samples, features = rows.shape
    extended = np.ones((features + 1, samples), dtype=rows.dtype, order="F")
    extended[1:, :] = rows.T
    return (w @ extended,)


def transposed_view(rows: Array, w: Array) -> Arrays:
    """W[:, 1:] · Xᵀ + W[:, 0] without any copy: BLAS reads the rows as a transposed operand."""
    return (w[:, 1:] @ rows.T + w[:, :1],)


def samples_major(rows: Array, w: Array) -> Arrays:
    """X · W[:, 1:]ᵀ + W[:, 0]ᵀ, samples first as the data lie; Z is the transposed view of it."""
    return ((rows @ w[:, 1:].T + w[:, 0]).T,)


def samples_major_in_place(rows: Array, w: Array, out: Array) -> Arrays:
    """The same into a buffer (B, m), the bias added in place."""
    np.matmul(rows, w[:, 1:].T, out=out)
    out += w[:, 0]
    return (out.T,)


def samples_major_bias_in_product(rows: Array, w: Array, out: Array) -> Arrays:
    """X · Wᵀ with the bias column in the data: one BLAS call and nothing else."""
    np.matmul(rows, w.T, out=out)
    return (out.T,)


def tf_transpose(rows: Any, w: Any) -> Any:
    """`tf.transpose`, which copies, and then the product."""
    tf = tensorflow()
    return (tf.matmul(w[:, 1:], tf.transpose(rows)) + w[:, :1],)


def tf_transpose_b(rows: Any, w: Any) -> Any:
    """The product reads its second operand as transposed."""
    return (tensorflow().matmul(w[:, 1:], rows, transpose_b=True) + w[:, :1],)


def tf_samples_major(rows: Any, w: Any) -> Any:
    """Samples first as the data lie, and Z transposed: less to copy where n is larger than m."""
    tf = tensorflow()
    return (tf.transpose(tf.matmul(rows, w[:, 1:], transpose_b=True) + w[:, 0]),)


def with_buffer(rows: Array, w: Array) -> Args:
    """A samples-major buffer for Z: once per training."""
    return rows, w, np.empty((len(rows), len(w)), dtype=rows.dtype)


def with_bias_column(rows: Array, w: Array) -> Args:
    """A buffer for Z, and rows with a bias column: once per training, with the data."""
    return data_with_ones(rows), w, np.empty((len(rows), len(w)), dtype=rows.dtype)


def inputs(case: NetworkCase, rng: Generator) -> Args:
    """Gathered rows of a real batch and the weights of layer L0."""
    real = batch(case, rng)
    return real.rows, real.weights[0]


def cost(case: NetworkCase) -> Cost:
    """One product; rows and weights in, weighted inputs out."""
    n, m = case.layers[:2]
    moved = (n + m) * case.batch + m * (n + 1)
    return Cost(4 * moved, ((m, n, case.batch),), depth=n + 1, written=4 * m * case.batch)


PATH = HotPath(
    name="layout",
    story=__doc__,
    reference=copied_to_c_order,
    variants=(
        Variant(copied_to_f_order),
        Variant(transposed_view),
        Variant(samples_major),
        Variant(samples_major_in_place, prepare=with_buffer),
        Variant(samples_major_bias_in_product, prepare=with_bias_column),
        *(Variant(tf_transpose, backend=way) for way in (EAGER, FUNCTION)),
        *(Variant(tf_transpose_b, backend=way) for way in (EAGER, FUNCTION, XLA, CONVERTED)),
        Variant(tf_samples_major, backend=EAGER),
    ),
    inputs=inputs,
    cases=batch_cases(1, 487, 500, 20_000),
    cost=cost,
)
