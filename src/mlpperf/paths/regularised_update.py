"""The regularised weight update.

All that happens to the weights after a batch: the term of the regulariser is added to the gradient,
gradient descent with momentum takes its step, and the loss gets what the weights contribute to it.
`regularisation.py` and `weight_update.py` have the halves by themselves, as the articles' program
does. On one vector that holds all layers, NumPy makes seven passes; a loop that Numba compiles
reads weights, momentum and gradient once.

Shapes: weights W, momentum M and gradient G of layer N are (n(N+1), n(N) + 1), and all of them are
changed; the bias weights in column 0 are not regularised. The penalty ½·λ2·ΣW², of the weights
before the step, is a single number.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from ..agreement import Arrays
from ..articles.mlp.equations import Array
from ..articles.mlp.kernels import ZERO, Scalar
from ..articles.mlp.network import HYPER, NetworkCase, Weights, flatten
from ..backends import NUMBA
from ..compiled import summing_kernel
from ..hotpath import Args, Cost, HotPath, Variant
from ..parallel import in_parallel
from .regularisation import active_terms, decay_vector
from .weight_update import LAYERS, in_place, inputs, new_arrays

RATE, SHARE = np.float32(HYPER.learning_rate), np.float32(HYPER.momentum)


def halves(weights: Weights, momentum: Weights, gradients: Weights) -> Arrays:
    """One after the other, as the articles' program does after Step I."""
    penalty = 0.5 * HYPER.l2 * sum(np.sum(np.square(w[:, 1:])) for w in weights)
    active_terms(gradients, weights)
    return (*new_arrays(weights, momentum, gradients), np.asarray(penalty, weights[0].dtype))


def flat_in_place(
    w: Array, m: Array, g: Array, decay: Array, term: Array, weights: Weights, momentum: Weights
) -> Arrays:
    """All layers in one vector, λ2 (0 for biases) in another: seven passes, no new array."""
    np.multiply(w, decay, out=term)
    penalty = 0.5 * np.dot(w, term)
    g += term
    in_place((w,), (m,), (g,))
    return (*weights, *momentum, np.asarray(penalty, w.dtype))


@summing_kernel
def descend(w: Array, m: Array, g: Array, decay: Array) -> Scalar:
    """W and M after the step, in one pass over all; gives ΣλW²."""
    total = ZERO
    for i in range(w.size):
        value = w[i]
        pull = decay[i] * value
        total += pull * value
        step = RATE * (g[i] + pull)
        w[i] = value - (step + SHARE * m[i])
        m[i] = step
    return total


def one_pass(
    w: Array, m: Array, g: Array, decay: Array, weights: Weights, momentum: Weights
) -> Arrays:
    """The same in one compiled pass."""
    penalty = 0.5 * descend(w, m, g, decay)
    return (*weights, *momentum, np.asarray(penalty, w.dtype))


def one_pass_threaded(
    w: Array, m: Array, g: Array, decay: Array, weights: Weights, momentum: Weights
) -> Arrays:
    """The same with the vectors shared among threads."""
    sums: list[float] = []
    in_parallel(lambda *part: sums.append(descend(*part)), w, m, g, decay)
    return (*weights, *momentum, np.asarray(0.5 * sum(sorted(sums)), w.dtype))


def in_one_vector(weights: Weights, momentum: Weights, gradients: Weights) -> Args:
    """All layers in one vector each for W, M, G and λ2, and a buffer: once per training."""
    (w, w_views), (m, m_views), (g, _) = map(flatten, (weights, momentum, gradients))
    return w, m, g, decay_vector(weights), np.empty_like(w), w_views, m_views


def with_loops_compiled(weights: Weights, momentum: Weights, gradients: Weights) -> Args:
    """The same without a buffer, and the loop compiled or from Numba's cache: once per training."""
    *vectors, _, w_views, m_views = in_one_vector(weights, momentum, gradients)
    descend.compile_for(*vectors)
    return *vectors, w_views, m_views


def cost(case: NetworkCase) -> Cost:
    """W, M and G in, W and M out, where they were; sums of blocks for the penalty.

    NumPy sums blocks of 128 elements and adds these in pairs.
    """
    size = 4 * sum(m * (n + 1) for n, m in pairwise(case.layers))
    return Cost(5 * size, depth=128 + size.bit_length(), written=2 * size, in_place=True)


PATH = HotPath(
    name="regularised_update",
    story=__doc__,
    reference=halves,
    variants=(
        Variant(flat_in_place, prepare=in_one_vector),
        Variant(one_pass, prepare=with_loops_compiled, backend=NUMBA),
        Variant(one_pass_threaded, prepare=with_loops_compiled, backend=NUMBA),
    ),
    inputs=inputs,
    cases=tuple(NetworkCase(500, layers) for layers in LAYERS),  # no array here knows the batch
    cost=cost,
    updates=(0, 1, 2),
)
