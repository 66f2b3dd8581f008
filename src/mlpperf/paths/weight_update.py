"""The weight update.

Gradient descent with the articles' momentum: W ← W − (η·G + μ·M), then M ← η·G, for each layer. As
written it makes four new arrays per layer; in place it needs none. Layers that lie in one flat
vector are updated by one call instead of one per layer. The articles measured 0.2 ms of the 2.8 ms
that a batch of 500 takes (Step III), and it is the same for a batch of any size.

Shapes: weights W, momentum M and gradient G of layer N are (n(N+1), n(N) + 1); W and M are changed.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.random import Generator

from ..agreement import Arrays
from ..articles.mlp.equations import Array
from ..articles.mlp.network import HYPER, NetworkCase, Weights, flatten, initial_weights
from ..hotpath import Args, Cost, HotPath, Variant

LAYERS = (
    (784, 70, 30, 10),
    (784, 200, 100, 50, 30, 10),  # the articles' larger network
    (784, 1000, 1000, 10),
    (784, 1, 1, 10),
)


def new_arrays(weights: Weights, momentum: Weights, gradients: Weights) -> Arrays:
    """W −= η·G + μ·M as the articles write it; M is replaced by the array of η·G."""
    steps = []
    for w, m, g in zip(weights, momentum, gradients, strict=True):
        step = HYPER.learning_rate * g
        w -= step + HYPER.momentum * m
        steps.append(step)
    return (*weights, *steps)


def in_place(weights: Weights, momentum: Weights, gradients: Weights) -> Arrays:
    """Four passes over W, M and G, no new array."""
    for w, m, g in zip(weights, momentum, gradients, strict=True):
        np.multiply(m, HYPER.momentum, out=m)
        w -= m
        np.multiply(g, HYPER.learning_rate, out=m)
        w -= m
    return (*weights, *momentum)


def flat_in_place(w: Array, m: Array, g: Array, weights: Weights, momentum: Weights) -> Arrays:
    """The same on one vector that holds all layers: one call instead of one per layer."""
    in_place((w,), (m,), (g,))
    return (*weights, *momentum)


def in_one_vector(weights: Weights, momentum: Weights, gradients: Weights) -> Args:
    """All layers in one vector each for W, M and G, seen through views: once per training.

    The backward pass then writes its gradients straight into the views of G.
    """
    (w, w_views), (m, m_views), (g, _) = map(flatten, (weights, momentum, gradients))
    return w, m, g, w_views, m_views


def inputs(case: NetworkCase, rng: Generator) -> Args:
    """Initial weights, and a momentum and gradients of the size that training has."""
    weights = initial_weights(case.layers, rng)
    gradients = tuple(rng.standard_normal(w.shape, dtype=np.float32) for w in weights)
    momentum = tuple(HYPER.learning_rate * g[::-1] for g in gradients)
    return weights, momentum, gradients


def cost(case: NetworkCase) -> Cost:
    """W, M and G in, W and M out, where they were."""
    size = 4 * sum(m * (n + 1) for n, m in pairwise(case.layers))
    return Cost(5 * size, depth=4, written=2 * size, in_place=True)


PATH = HotPath(
    name="weight_update",
    story=__doc__,
    reference=new_arrays,
    variants=(Variant(in_place), Variant(flat_in_place, prepare=in_one_vector)),
    inputs=inputs,
    cases=tuple(NetworkCase(500, layers) for layers in LAYERS),  # no array here knows the batch
    cost=cost,
    updates=(0, 1),
)
