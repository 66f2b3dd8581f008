"""The whole training step.

One batch on its way through the articles' program: gather, forward pass, loss and error, backward
pass, update. Step 0 is the program as it was, in float64; each rung replaces one thing in the
rung before it:

* Step I a: float32 everywhere (49.5 s → about 34 s for 35 epochs of batch 500)
* Step I b: no delta for the input layer, only the regularisers that are asked for (→ 11.3 s)
* Step II: the bias column comes with the data (→ 9.6 s)
* Step III: derivative from the cached activation, slices instead of bias rows (→ 7.5 s)
* beyond: samples first, every result into a buffer, the sigmoid by tanh, one flat weight vector
* compiled: one pass over each array, nothing of Python between two products, threads of its own
* TensorFlow: the same step by its tape, called from Python or compiled as a whole

The code is that of the ladder, `mlp/rungs.py`, `mlp/in_place.py` and `mlp/threads.py`, which trains
with it for whole epochs. Shapes: data x (n, 784), y one-hot (10, n), indices (B,); weights and
momentum of layer N are (n(N+1), n(N) + 1) and stay as they are, so that every call does the same
work. The step returns new weights, new momentum, the loss with its regularisation, and the averaged
error.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..agreement import Agreement, Arrays
from ..articles.mlp.equations import Array
from ..articles.mlp.in_place import InPlace
from ..articles.mlp.network import HYPER, Weights, batch_cases, step_cost, step_inputs
from ..articles.mlp.rungs import (
    ActivationCached,
    BiasInData,
    Float32,
    NoInputDelta,
    Step0,
    data_with_ones,
)
from ..articles.mlp.tensor_step import step
from ..articles.mlp.threads import Threads
from ..backends import EAGER, FUNCTION, NUMBA_MULTIPLYING, XLA
from ..devices import tensorflow, threads
from ..hotpath import Args, HotPath, Variant


def step_0(x: Array, y: Array, index: Array, weights: Weights, momentum: Weights) -> Arrays:
    """Step 0: the articles' program as it was, float64."""
    return Step0(x, y, weights, HYPER, momentum).outcome(index)


def float32(x: Array, y: Array, index: Array, weights: Weights, momentum: Weights) -> Arrays:
    """Step I a: the same in float32."""
    return Float32(x, y, weights, HYPER, momentum).outcome(index)


def no_input_delta(x: Array, y: Array, index: Array, weights: Weights, momentum: Weights) -> Arrays:
    """Step I b: no delta for the input layer, no term of a regulariser that is off."""
    return NoInputDelta(x, y, weights, HYPER, momentum).outcome(index)


def bias_in_data(x: Array, y: Array, index: Array, weights: Weights, momentum: Weights) -> Arrays:
    """Step II: the data have a bias column, so the batch is not copied to get one."""
    return BiasInData(x, y, weights, HYPER, momentum).outcome(index)


def activation_cached(
    x: Array, y: Array, index: Array, weights: Weights, momentum: Weights
) -> Arrays:
    """Step III: derivative from the cached activation, slices instead of bias rows."""
    return ActivationCached(x, y, weights, HYPER, momentum).outcome(index)


def samples_major_in_place(rung: InPlace, index: Array) -> Arrays:
    """Beyond: samples first, every result into a buffer, sigmoid by tanh, flat weight vector.

    Copying the results into the articles' shapes, which training does not need, is timed too.
    """
    return rung.outcome(index)


def compiled_threads(rung: Threads, index: Array) -> Arrays:
    """Loops that Numba compiles; threads share the batch, each with products of its own.

    As an epoch of a single batch, so that starting and ending one is timed, too, and copying the
    results into the articles' shapes.
    """
    return rung.outcome(index)


def tf_tape(x: Any, y: Any, index: Any, weights: Any, momentum: Any) -> Any:
    """Rows gathered, loss recorded on a `GradientTape`, weights updated; y is (n, 10) here."""
    tf = tensorflow()
    rows, labels = tf.gather(x, index), tf.gather(y, index)
    done = step(rows, labels, weights, momentum, HYPER.learning_rate, HYPER)
    return (*done.weights, *done.momentum, done.loss, done.error)


def cast_to_float32(x: Array, y: Array, index: Array, weights: Weights, momentum: Weights) -> Args:
    """Everything in float32: once per training, when the data are loaded."""
    single = [tuple(a.astype(np.float32) for a in layers) for layers in (weights, momentum)]
    return x.astype(np.float32), y.astype(np.float32), index, *single


def with_bias(x: Array, y: Array, index: Array, weights: Weights, momentum: Weights) -> Args:
    """float32, and a column of ones in front of the data: once per training."""
    return data_with_ones(x), *cast_to_float32(x[:0], y, index, weights, momentum)[1:]


def with_label_rows(x: Array, y: Array, index: Array, weights: Weights, momentum: Weights) -> Args:
    """float32, and labels as rows: once per training."""
    x, y, *rest = cast_to_float32(x, y, index, weights, momentum)
    return x, np.ascontiguousarray(y.T), *rest


def with_workspace(x: Array, y: Array, index: Array, weights: Weights, momentum: Weights) -> Args:
    """float32, labels as rows, and a buffer for every result: once per training."""
    x, y, index, weights, momentum = cast_to_float32(x, y, index, weights, momentum)
    settings = replace(HYPER, batch_size=len(index))
    return InPlace(x, y, weights, settings, momentum), index


def with_threads(x: Array, y: Array, index: Array, weights: Weights, momentum: Weights) -> Args:
    """float32, labels as numbers, buffers and threads, and loops compiled or from Numba's cache.

    Once per training; to compile the whole step takes some seconds.
    """
    x, y, index, weights, momentum = cast_to_float32(x, y, index, weights, momentum)
    settings = replace(HYPER, batch_size=len(index))
    rung = Threads(x, y.argmax(axis=0), weights, settings, momentum, members=threads())
    rung.compile()
    return rung, index


PATH = HotPath(
    name="whole_step",
    story=__doc__,
    reference=step_0,
    variants=(
        Variant(float32, Agreement.FLOAT32, cast_to_float32),
        Variant(no_input_delta, Agreement.FLOAT32, cast_to_float32),
        Variant(bias_in_data, Agreement.FLOAT32, with_bias),
        Variant(activation_cached, Agreement.FLOAT32, with_bias),
        Variant(samples_major_in_place, Agreement.FLOAT32, with_workspace),
        Variant(compiled_threads, Agreement.FLOAT32, with_threads, NUMBA_MULTIPLYING),
        *(
            Variant(tf_tape, Agreement.FLOAT32, with_label_rows, way)
            for way in (EAGER, FUNCTION, XLA)
        ),
    ),
    inputs=step_inputs,
    cases=batch_cases(1, 487, 500, 20_000),
    cost=step_cost,
)
