"""The loss and the averaged error of a batch.

The articles follow two figures per batch: the log loss, −Σ [Y·log A + (1 − Y)·log(1 − A)], and the
mean of |Y − A|; 0.31 and 0.16 ms of the 2.8 ms that a batch of 500 takes (Step III). Y is dense
one-hot, so half of all logarithms are multiplied by zero: for Y in {0, 1} the term is the one
log p with p = |A + (Y − 1)|, and |Y − A| = 1 − p.

NumPy makes a pass over an array of that size for each operation; a loop that Numba compiles makes
one in all. Nor does it need a logarithm for every element, because Σ log p is the logarithm of a
product. To keep that within the range of float32, p = m·2ⁿ is taken apart: the exponents n are
added up, the mantissas 1 ≤ m < 2 multiplied.

Shapes: A and Y are (10, B); loss and error are single numbers.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.random import Generator

from ..agreement import Arrays
from ..articles.mlp.equations import Array
from ..articles.mlp.kernels import (
    ONE,
    TINY,
    ZERO,
    Scalar,
    exponent,
    logarithm,
    mantissa,
    require_float32,
)
from ..articles.mlp.network import NetworkCase, batch, batch_cases
from ..backends import NUMBA
from ..compiled import summing_kernel
from ..hotpath import Args, Cost, HotPath, Variant


def dense_one_hot(a: Array, y: Array) -> Arrays:
    """Both logarithms of every element, and the error from scratch."""
    loss = -np.sum(y * np.log(a) + (1.0 - y) * np.log(1.0 - a))
    error = np.average(np.abs(y - a))
    return np.asarray(loss), np.asarray(error)


def one_log_per_element(a: Array, y: Array) -> Arrays:
    """−Σ log|A + (Y − 1)|; the error from scratch.

    Y − 1 first: (A + Y) − 1 would round away a small A, the output of a confident mistake.
    """
    loss = -np.sum(np.log(np.abs(a + (y - 1.0))))
    return np.asarray(loss), np.asarray(np.average(np.abs(y - a)))


def shared_temporaries(a: Array, y_minus_1: Array, p: Array) -> Arrays:
    """P = |A + (Y − 1)| in one buffer: its mean gives the error, its logarithms the loss."""
    np.add(a, y_minus_1, out=p)
    np.abs(p, out=p)
    error = 1.0 - p.mean()
    np.log(p, out=p)
    return np.asarray(-p.sum()), np.asarray(error)


def label_indexed(a: Array, labels: Array, columns: Array, p: Array) -> Arrays:
    """The one-hot matrix never exists: log(1 − A) everywhere, then corrected at the labels."""
    at_label = a[labels, columns]  # (B,)
    np.subtract(1.0, a, out=p)
    total = a.sum() + (1 - 2 * at_label).sum()  # Σ|Y − A|
    p[labels, columns] = at_label
    np.log(p, out=p)
    return np.asarray(-p.sum()), np.asarray(total / np.float32(a.size))


LN2 = math.log(2)
ROWS_MULTIPLIED = 64  # mantissas below 2, whose product float32 holds


@summing_kernel
def log_and_distance(a: Array, labels: Array, product: Array) -> tuple[Scalar, Scalar]:
    """Σ log p and Σ (1 − p) over all of A; `product` (B,) holds products of mantissas meanwhile."""
    logs: Scalar = 0.0
    distance: Scalar = 0.0
    product[:] = ONE
    for k in range(a.shape[0]):
        exponents, apart = 0, ZERO
        for j in range(a.shape[1]):
            p = a[k, j] if labels[j] == k else ONE - a[k, j]
            apart += ONE - p
            p = max(p, TINY)
            exponents += exponent(p)
            product[j] *= mantissa(p)
        logs, distance = logs + LN2 * exponents, distance + apart
        if k % ROWS_MULTIPLIED == ROWS_MULTIPLIED - 1 or k == a.shape[0] - 1:
            for j in range(a.shape[1]):
                logs += logarithm(product[j])
                product[j] = ONE
    return logs, distance


def one_pass(a: Array, labels: Array, product: Array) -> Arrays:
    """Both sums in one compiled pass over A, with a logarithm for every column."""
    logs, distance = log_and_distance(a, labels, product)
    loss = np.nan if np.isnan(distance) else -logs  # a product of mantissas cannot be NaN
    return np.asarray(loss, a.dtype), np.asarray(distance / a.size, a.dtype)


def with_buffer(a: Array, y: Array) -> Args:
    """Y − 1 with the data and a buffer: once per training."""
    return a, y - 1.0, np.empty_like(a)


def with_labels(a: Array, y: Array) -> Args:
    """The labels as they come with the data, and a buffer: once per training."""
    return a, y.argmax(axis=0), np.arange(a.shape[1]), np.empty_like(a)


def with_loops_compiled(a: Array, y: Array) -> Args:
    """Labels and a buffer, and the loop compiled or from Numba's cache: once per training."""
    require_float32(one_pass.__name__, a)
    args = a, y.argmax(axis=0).astype(np.int32), np.empty(a.shape[1], dtype=a.dtype)
    log_and_distance.compile_for(*args)
    return args


def inputs(case: NetworkCase, rng: Generator) -> Args:
    """Output and one-hot labels of a real batch."""
    real = batch(case, rng)
    return real.a[-1], real.y


def cost(case: NetworkCase) -> Cost:
    """A and the labels in; NumPy sums blocks of 128 elements and adds these in pairs.

    The logarithms take several times as long as reading A.
    """
    elements = case.layers[-1] * case.batch
    depth = 128 + elements.bit_length()
    return Cost(4 * (elements + case.batch), depth=depth, limit="log")


PATH = HotPath(
    name="loss_and_error",
    story=__doc__,
    reference=dense_one_hot,
    variants=(
        Variant(one_log_per_element),
        Variant(shared_temporaries, prepare=with_buffer),
        Variant(label_indexed, prepare=with_labels),
        Variant(one_pass, prepare=with_loops_compiled, backend=NUMBA),
    ),
    inputs=inputs,
    cases=batch_cases(1, 487, 500, 20_000, 60_000),
    cost=cost,
)
