"""The regularisation of the gradient.

The articles' program added the L1 and the L2 term to every gradient, also where their factors were
zero: a `sign` and a product over all weights, for nothing. Only the terms that were asked for
remain after Step I; with λ1 = 0 and λ2 = 0.01 that is the L2 term. The cost does not depend on the
batch: for 500 samples it is a visible share of a step, for 20,000 it is not.

Shapes: gradient G and weights W of layer N are (n(N+1), n(N) + 1). Column 0 holds the bias weights,
which are not regularised; G is changed.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.random import Generator

from ..agreement import Agreement, Arrays
from ..articles.mlp.equations import Array
from ..articles.mlp.network import HYPER, NetworkCase, Weights, flatten, initial_weights
from ..hotpath import Args, Cost, HotPath, Variant
from .weight_update import LAYERS


def all_terms(
    gradients: Weights, weights: Weights, l1: float = HYPER.l1, l2: float = HYPER.l2
) -> Arrays:
    """G += λ2·W + λ1·sign(W), whatever λ1 and λ2 are."""
    for g, w in zip(gradients, weights, strict=True):
        g[:, 1:] += w[:, 1:] * l2 + np.sign(w[:, 1:]) * l1
    return gradients


def active_terms(
    gradients: Weights, weights: Weights, l1: float = HYPER.l1, l2: float = HYPER.l2
) -> Arrays:
    """Only the terms whose factor is positive (Step I)."""
    for g, w in zip(gradients, weights, strict=True):
        if l2 > 0:
            g[:, 1:] += w[:, 1:] * l2
        if l1 > 0:
            g[:, 1:] += np.sign(w[:, 1:]) * l1
    return gradients


def active_terms_in_buffer(
    gradients: Weights,
    weights: Weights,
    buffers: Weights,
    l1: float = HYPER.l1,
    l2: float = HYPER.l2,
) -> Arrays:
    """The same, the term computed in a buffer."""
    for g, w, term in zip(gradients, weights, buffers, strict=True):
        if l2 > 0:
            np.multiply(w[:, 1:], l2, out=term)
            g[:, 1:] += term
        if l1 > 0:
            np.sign(w[:, 1:], out=term)
            term *= l1
            g[:, 1:] += term
    return gradients


def flat_with_decay_vector(g: Array, w: Array, decay: Array, term: Array, views: Weights) -> Arrays:
    """All layers in one vector, λ2 (0 for biases) in another: two calls for the whole network."""
    np.multiply(w, decay, out=term)
    g += term
    return views


def with_buffers(gradients: Weights, weights: Weights) -> Args:
    """A buffer per layer: once per training."""
    return gradients, weights, tuple(np.empty_like(g[:, 1:]) for g in gradients)


def in_one_vector(gradients: Weights, weights: Weights) -> Args:
    """All layers in one vector, and λ2 as a vector with zeros for the biases: once per training."""
    g, views = flatten(gradients)
    w, _ = flatten(weights)
    return g, w, decay_vector(weights), np.empty_like(g), views


def decay_vector(weights: Weights) -> Array:
    """λ2 for every weight and 0 for every bias weight, in the order of the flat vector."""
    factors = tuple(np.full_like(w, HYPER.l2) for w in weights)
    for f in factors:
        f[:, 0] = 0
    return flatten(factors)[0]


def inputs(case: NetworkCase, rng: Generator) -> Args:
    """Gradients of the size that training has, and initial weights."""
    weights = initial_weights(case.layers, rng)
    return tuple(rng.standard_normal(w.shape, dtype=np.float32) for w in weights), weights


def cost(case: NetworkCase) -> Cost:
    """W and G in, G out, where it was; a product and a sum for each of the terms."""
    size = 4 * sum(m * n for n, m in pairwise(case.layers))
    return Cost(3 * size, depth=4, written=size, in_place=True)


PATH = HotPath(
    name="regularisation",
    story=__doc__,
    reference=all_terms,
    variants=(
        Variant(active_terms, Agreement.IDENTICAL),
        Variant(active_terms_in_buffer, Agreement.IDENTICAL, with_buffers),
        Variant(flat_with_decay_vector, prepare=in_one_vector),
    ),
    inputs=inputs,
    cases=tuple(NetworkCase(500, layers) for layers in LAYERS),  # no array here knows the batch
    cost=cost,
    updates=(0,),
)
