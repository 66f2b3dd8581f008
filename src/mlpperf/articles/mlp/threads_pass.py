"""What each thread of the last rung does in a pass over the samples, compiled as a whole.

It takes its share of the samples of a batch through the network, with products on one BLAS thread,
and then its share of all weights through the update. It holds no interpreter lock from the first
batch to the last. The equations are those of `rungs.py`, the shapes those of `in_place.py`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...compiled import kernel
from .equations import Array
from .kernels import ZERO, Scalar, activate, chain, descend, gather, output
from .meetings import System, meet, now
from .nonzero import Nonzero, gradient_nonzero, multiply_nonzero

# What the time of a pass is spent on; rows of `Shared.nanoseconds`.
PARTS = ("gather", "forward", "activation", "cost", "gradient", "delta", "chain", "update", "wait")
GATHER, FORWARD, ACTIVATION, COST, GRADIENT, DELTA, CHAIN, UPDATE, WAIT = range(len(PARTS))
UPDATED_AT_ONCE = 1024  # weights; their gradients stay in the first cache


class Shared(NamedTuple):
    """What all threads see; P pixels are used.

    Attributes
    ----------
    x, nonzero : samples (n, P), bytes or floats; or, if there are none, what in them is not 0.
    labels : their classes (n,).
    factor, offset : the network sees factor·x + offset, (P,) each.
    order : of the samples in this pass.
    nodes, widths : of all layers, as they are, and with what fills them up in memory.
    weights, momentum : vectors in the order of `Flat`, W_0 across.
    gradients : such a vector for each thread.
    costs : loss, the regularisation in it, and error, (threads, 3, batches).
    meetings : as `meet` wants them.
    nanoseconds : what they spend on each part, (threads, parts, layers).
    """

    x: Array
    nonzero: Nonzero
    labels: Array
    factor: Array
    offset: Array
    order: Array
    nodes: Array
    widths: Array
    weights: Array
    momentum: Array
    gradients: Array
    costs: Array
    meetings: Array
    nanoseconds: Array


class Own(NamedTuple):
    """The buffers of one thread, for the samples of one chunk.

    Attributes
    ----------
    rows : the samples, (chunk, width of layer 0); what fills them up is 0.
    activations, deltas : of all layers from A_1 and δ_1 on, one after the other.
    gradient : of a chunk, a vector in the order of `Flat`.
    time : where the clock writes.
    """

    rows: Array
    activations: Array
    deltas: Array
    gradient: Array
    time: Array


class Numbers(NamedTuple):
    """Settings, and how many samples are trained on; `regularised` weights come before others."""

    samples: int
    batch: int
    rate: Scalar
    l1: Scalar
    l2: Scalar
    momentum: Scalar
    activation: int
    loss: int
    regularised: int


@kernel
def matrix(vector: Array, start: int, rows: int, columns: int) -> Array:
    """A part of a vector as a matrix."""
    return vector[start : start + rows * columns].reshape(rows, columns)


@kernel
def lap(before: int, part: int, n: int, spent: Array, own: Own, system: System) -> int:
    """Add the time since `before` to a part and layer of `spent`; gives the time now."""
    after = now(own.time, system)
    spent[part, n] += after - before
    return after  # type: ignore[no-any-return]


@kernel
def multiply_first(index: Array, shared: Shared, own: Own, a: Array) -> None:
    """(1) for the first layer, without the bias: (B, n)·(n, m)."""
    w = matrix(shared.weights, 0, shared.widths[0], shared.widths[1])
    if len(shared.x):
        np.dot(own.rows[: len(index)], w, a)
    else:
        multiply_nonzero(shared.nonzero, index, shared.factor, shared.offset, w, a)


@kernel
def differentiate_first(
    index: Array, shared: Shared, own: Own, delta: Array, total: Array, to: Array
) -> None:
    """(5) for the first layer: (n, B)·(B, m), into the vector `to`; `total` is the sum of δ."""
    gradient = matrix(to, 0, shared.widths[0], shared.widths[1])
    if len(shared.x):
        np.dot(own.rows[: len(index)].T, delta, gradient)
    else:
        gradient_nonzero(
            shared.nonzero, index, shared.factor, shared.offset, delta, total, gradient
        )


@kernel
def differentiate(
    index: Array,
    shared: Shared,
    own: Own,
    numbers: Numbers,
    system: System,
    spent: Array,
    to: Array,
) -> tuple[Scalar, Scalar]:
    """Loss and Σ|Y − A| over the samples `index`; the vector `to` becomes their gradient."""
    w, widths, rows, last = shared.weights, shared.widths, len(index), len(shared.widths) - 2
    # Where W_N, b_N and A_{N+1} begin; N goes up through the layers and down again.
    w_at, b_at, a_at = 0, w.size - widths[1:].sum(), 0
    to[b_at:] = ZERO
    clock = now(own.time, system)
    if len(shared.x):
        gather(shared.x, index, shared.factor, shared.offset, own.rows)
    below = own.rows[:rows]
    clock = lap(clock, GATHER, 0, spent, own, system)
    for n in range(last + 1):
        inner, outer = widths[n], widths[n + 1]
        a = matrix(own.activations, a_at, rows, outer)
        if n:
            np.dot(below, matrix(w, w_at, outer, inner).T, a)  # (1): (B, n)·(n, m)
        else:
            multiply_first(index, shared, own, a)
        clock = lap(clock, FORWARD, n, spent, own, system)
        if n < last:
            activate(a, w[b_at : b_at + outer], shared.nodes[n + 1], numbers.activation)  # (2)
            clock = lap(clock, ACTIVATION, n, spent, own, system)
            w_at, b_at, a_at = w_at + outer * inner, b_at + outer, a_at + len(own.rows) * outer
            below = a
    z = matrix(own.activations, a_at, rows, widths[-1])
    delta = matrix(own.deltas, a_at, rows, widths[-1])
    costs = output(z, w[b_at:], shared.labels[index], numbers.loss, delta, to[b_at:])  # (3)
    clock = lap(clock, COST, last, spent, own, system)
    for n in range(last, 0, -1):
        inner, outer = widths[n], widths[n + 1]
        a_at -= len(own.rows) * inner
        a = matrix(own.activations, a_at, rows, inner)
        np.dot(delta.T, a, matrix(to, w_at, outer, inner))  # (5): (m, B)·(B, n)
        clock = lap(clock, GRADIENT, n, spent, own, system)
        under = matrix(own.deltas, a_at, rows, inner)
        np.dot(delta, matrix(w, w_at, outer, inner), under)  # (4): (B, m)·(m, n)
        clock = lap(clock, DELTA, n, spent, own, system)
        w_at, b_at, delta = w_at - inner * widths[n - 1], b_at - inner, under
        chain(delta, a, numbers.activation, to[b_at : b_at + inner])  # (4)
        clock = lap(clock, CHAIN, n, spent, own, system)
    differentiate_first(index, shared, own, delta, to[b_at : b_at + widths[1]], to)
    lap(clock, GRADIENT, 0, spent, own, system)
    return costs  # type: ignore[no-any-return]


@kernel
def update(
    first: int, last: int, shared: Shared, own: Own, numbers: Numbers, l1: Scalar, l2: Scalar
) -> Scalar:
    """(5) and (6) for the weights `first` to `last`; gives their regularisation."""
    penalty = ZERO
    for low in range(first, last, UPDATED_AT_ONCE):
        high = min(low + UPDATED_AT_ONCE, last)
        gradient = own.gradient[: high - low]
        gradient[:] = shared.gradients[0, low:high]
        for other in range(1, len(shared.gradients)):
            gradient += shared.gradients[other, low:high]
        w, momentum = shared.weights[low:high], shared.momentum[low:high]
        penalty += descend(w, momentum, gradient, numbers.rate, l1, l2, numbers.momentum)
    return penalty


@kernel
def train_share(me: int, shared: Shared, own: Own, numbers: Numbers, system: System) -> None:
    """The part of thread `me` in a pass over the first samples of `order`."""
    members, chunk, size = len(shared.meetings), len(own.rows), shared.weights.size
    mine, spent = shared.gradients[me], shared.nanoseconds[me]
    first, last = size * me // members, size * (me + 1) // members
    middle = min(max(numbers.regularised, first), last)
    for i in range(-(-numbers.samples // numbers.batch)):
        start = i * numbers.batch
        length = min(numbers.batch, numbers.samples - start)
        low, high = start + length * me // members, start + length * (me + 1) // members
        loss = error = 0.0
        if low == high:  # fewer samples than threads
            mine[:] = ZERO
        for begin in range(low, high, chunk):
            index = shared.order[begin : min(begin + chunk, high)]
            to = mine if begin == low else own.gradient
            costs = differentiate(index, shared, own, numbers, system, spent, to)
            loss, error = loss + costs[0], error + costs[1]
            if begin > low:
                clock = now(own.time, system)
                mine += own.gradient
                lap(clock, GRADIENT, 0, spent, own, system)
        clock = now(own.time, system)
        meet(me, 2 * i + 1, shared.meetings, system)
        clock = lap(clock, WAIT, 0, spent, own, system)
        penalty = update(first, middle, shared, own, numbers, numbers.l1, numbers.l2)
        update(middle, last, shared, own, numbers, ZERO, ZERO)
        shared.costs[me, 0, i] = loss + penalty
        shared.costs[me, 1, i] = penalty
        shared.costs[me, 2, i] = error / (length * shared.nodes[-1])
        clock = lap(clock, UPDATE, 0, spent, own, system)
        meet(me, 2 * i + 2, shared.meetings, system)
        lap(clock, WAIT, 0, spent, own, system)
