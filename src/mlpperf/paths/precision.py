"""Precision.

NumPy makes float64 arrays by default, and the articles' program never asked for others. In
float32 every vector register and cache line holds twice as many numbers. Asking for float32
wherever an array is created took the program from 6 to 3.1 times the time of Keras (Step I a).

Here is the whole training step of the articles' first program in both precisions; shapes as on the
page of the whole step. The cast happens once, when the data are loaded.
"""

from __future__ import annotations

from ..agreement import Agreement, Arrays
from ..articles.mlp.equations import Array
from ..articles.mlp.network import HYPER, Weights, batch_cases, step_cost, step_inputs
from ..articles.mlp.rungs import Float32
from ..hotpath import HotPath, Variant
from .whole_step import cast_to_float32, step_0


def float64(x: Array, y: Array, index: Array, weights: Weights, momentum: Weights) -> Arrays:
    """The whole step in float64."""
    return step_0(x, y, index, weights, momentum)


def float32(x: Array, y: Array, index: Array, weights: Weights, momentum: Weights) -> Arrays:
    """The same step on float32 arrays; every result stays float32."""
    return Float32(x, y, weights, HYPER, momentum).outcome(index)


PATH = HotPath(
    name="precision",
    story=__doc__,
    reference=float64,
    variants=(Variant(float32, Agreement.FLOAT32, cast_to_float32),),
    inputs=step_inputs,
    cases=batch_cases(1, 487, 500),
    cost=step_cost,
)
