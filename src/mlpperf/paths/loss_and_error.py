"""The loss and the averaged error of a batch.

The articles follow two figures per batch: the log loss, −Σ [Y·log A + (1 − Y)·log(1 − A)], and the
mean of |Y − A|; 0.31 and 0.16 ms of the 2.8 ms that a batch of 500 takes (Step III). Y is dense
one-hot, so half of all logarithms are multiplied by zero: for Y in {0, 1} the term is the one
log p with p = |A + (Y − 1)|, and |Y − A| = 1 − p.

Shapes: A and Y are (10, B); loss and error are single numbers.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from ..agreement import Arrays
from ..articles.mlp.equations import Array
from ..articles.mlp.network import NetworkCase, batch
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


def with_buffer(a: Array, y: Array) -> Args:
    """Y − 1 with the data and a buffer: once per training."""
    return a, y - 1.0, np.empty_like(a)


def with_labels(a: Array, y: Array) -> Args:
    """The labels as they come with the data, and a buffer: once per training."""
    return a, y.argmax(axis=0), np.arange(a.shape[1]), np.empty_like(a)


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
    ),
    inputs=inputs,
    cases=(
        NetworkCase(1),
        NetworkCase(487),
        NetworkCase(500),
        NetworkCase(20_000),
        NetworkCase(60_000),
    ),
    cost=cost,
)
