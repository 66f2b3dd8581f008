"""The delta of the input layer.

Back propagation needs δ_N to get the gradient of the weights below layer N. Below the input layer
there are none, yet the articles' program went all the way down: a product with W_0ᵀ, the largest
there is, and a sigmoid over 785 × B inputs. Leaving both out, with the unused regularisers, took
35 epochs from about 34 s to 11.3 s (Step I b).

Here is the whole training step in float32; shapes as on the page of the whole step.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from ..agreement import Agreement, Arrays
from ..articles.mlp.equations import Array
from ..articles.mlp.network import HYPER, NetworkCase, Weights, batch_cases, step_cost, step_inputs
from ..articles.mlp.rungs import Float32
from ..hotpath import Args, HotPath, Variant


class FirstHidden(Float32):
    """Step I a, but for the lowest layer that gets a delta."""

    lowest = 1


def delta_to_input(x: Array, y: Array, index: Array, weights: Weights, momentum: Weights) -> Arrays:
    """Delta and derivative propagated down to layer 0."""
    return Float32(x, y, weights, HYPER, momentum).outcome(index)


def delta_to_first_hidden_layer(
    x: Array, y: Array, index: Array, weights: Weights, momentum: Weights
) -> Arrays:
    """Delta and derivative down to layer 1, which is all that the gradients need (Step I b)."""
    return FirstHidden(x, y, weights, HYPER, momentum).outcome(index)


def inputs(case: NetworkCase, rng: Generator) -> Args:
    """What a training step starts from, in float32."""
    return step_inputs(case, rng, np.float32)


PATH = HotPath(
    name="input_delta",
    story=__doc__,
    reference=delta_to_input,
    variants=(Variant(delta_to_first_hidden_layer, Agreement.IDENTICAL),),
    inputs=inputs,
    cases=batch_cases(1, 487, 500),
    cost=step_cost,
)
