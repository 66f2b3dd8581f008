"""TensorFlow's step beside NumPy's: gradients, ten steps in a row, and where sigmoids saturate.

Each check is shown to notice a step that is wrong.
"""

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import DTypeLike

from mlpperf.agreement import Agreement, Arrays, compare, tolerance
from mlpperf.articles.mlp.equations import Array
from mlpperf.articles.mlp.network import (
    ARTICLE_LAYERS,
    HYPER,
    NetworkCase,
    initial_weights,
    step_cost,
    step_inputs,
    training_set,
)
from mlpperf.articles.mlp.rungs import ActivationCached, Step0, data_with_ones
from mlpperf.articles.mlp.settings import Settings
from mlpperf.articles.mlp.tensor_step import outputs, step
from mlpperf.devices import tensorflow

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # of TensorFlow's own imports
    pytest.mark.skipif(
        importlib.util.find_spec("tensorflow") is None,
        reason="TensorFlow is not installed: pip install 'mlpperf[tensorflow]'",
    ),
]

# A momentum and a regulariser that show if they get lost.
SETTINGS = replace(HYPER, momentum=0.5, l2=0.05)
NETWORKS = [(6, 5, 4, 3), (2, 1, 2), (1, 1, 1, 1), (7, 6, 5, 4, 3), ARTICLE_LAYERS]
Step = Callable[[Array, Array, Array, Sequence[Array], Sequence[Array], Settings], Arrays]


# --- four ways to take a step, with the same arguments and results --------------------------------


def by_numpy(x: Array, y: Array, index: Array, weights: Any, momentum: Any, s: Settings) -> Arrays:
    """New weights, new momentum, loss, error, in float64."""
    return Step0(x, y, weights, s, momentum).outcome(index)


def by_numpy_in_float32(
    x: Array, y: Array, index: Array, weights: Any, momentum: Any, s: Settings
) -> Arrays:
    rung = ActivationCached(data_with_ones(x), y.astype(np.float32), weights, s, momentum)
    return rung.outcome(index)


def by_tensorflow(dtype: DTypeLike) -> Step:
    def run(x: Array, y: Array, index: Array, weights: Any, momentum: Any, s: Settings) -> Arrays:
        tf = tensorflow()

        def tensors(arrays: Sequence[Array]) -> tuple[Any, ...]:
            return tuple(tf.constant(a.astype(dtype)) for a in arrays)

        rows, labels = tensors((x[index], y[:, index].T))
        done = step(rows, labels, tensors(weights), tensors(momentum), s.learning_rate, s)
        tensors = (*done.weights, *done.momentum, done.loss, done.error)
        return tuple(np.asarray(tensor) for tensor in tensors)

    return run


DOUBLE, SINGLE = by_tensorflow(np.float64), by_tensorflow(np.float32)


# --- one step ------------------------------------------------------------------------------------


class Start:
    """Where a step begins: float64, one batch, and a momentum."""

    def __init__(self, batch: int, layers: tuple[int, ...]) -> None:
        case = NetworkCase(batch, layers, data="synthetic")
        self.layers, self.depth = layers, step_cost(case).depth
        self.inputs = step_inputs(case, np.random.default_rng(batch))

    def gradients(self, way: Step, settings: Settings = SETTINGS) -> Arrays:
        """dLoss/dW of every layer: the new momentum of a step is η·G."""
        count = len(self.layers) - 1
        out = way(*self.inputs, settings)
        return tuple(m / settings.learning_rate for m in out[count : 2 * count])


def check_by_norm(gradients: Arrays, expected: Arrays) -> None:
    """The largest difference of every array, relative to the norm of the array."""
    for layer, (g, e) in enumerate(zip(gradients, expected, strict=True)):
        assert g.shape == e.shape
        assert g.dtype == e.dtype == np.float64
        error = np.linalg.norm(g - e) / np.linalg.norm(e)
        assert error <= 1e-12, f"layer {layer} is off by {error:.2g} of its norm"


@pytest.mark.parametrize("layers", NETWORKS, ids=str)
@pytest.mark.parametrize("batch", [1, 17, 500])
def test_gradients_in_float64_are_those_of_the_articles_program(
    batch: int, layers: tuple[int, ...]
) -> None:
    start = Start(batch, layers)
    check_by_norm(start.gradients(DOUBLE), start.gradients(by_numpy))


@pytest.mark.parametrize("layers", NETWORKS, ids=str)
@pytest.mark.parametrize("batch", [1, 17, 500])
def test_a_step_in_float32_is_that_of_the_articles_program_within_its_rounding(
    batch: int, layers: tuple[int, ...]
) -> None:
    start = Start(batch, layers)
    expected = by_numpy(*start.inputs, SETTINGS)
    proof = compare(SINGLE(*start.inputs, SETTINGS), expected, Agreement.FLOAT32, start.depth)
    assert proof.used <= 1


@pytest.mark.parametrize("settings", [replace(SETTINGS, l2=0.0), replace(SETTINGS, momentum=0.0)])
def test_a_step_without_a_regulariser_or_momentum(settings: Settings) -> None:
    start = Start(17, (6, 5, 4, 3))
    expected, got = (way(*start.inputs, settings) for way in (by_numpy, DOUBLE))
    compare(got, expected, Agreement.REASSOCIATED, start.depth)


# --- steps that are wrong, for the checks to find -------------------------------------------------


def changed(way: Step, **settings: Any) -> Step:
    return lambda *args: way(*args[:-1], replace(args[-1], **settings))


def no_regularisation(way: Step) -> Step:
    return changed(way, l2=0.0)


def a_digit_wrong(way: Step) -> Step:
    return changed(way, l2=SETTINGS.l2 * 1.01)


def last_sample_ignored(way: Step) -> Step:
    return lambda x, y, index, *rest: way(x, y, index[:-1], *rest)


def regularised_bias(way: Step) -> Step:
    def wrong(*args: Any) -> Arrays:
        out, weights, settings = way(*args), args[3], args[-1]
        penalties = [np.zeros_like(w) for w in weights]
        for penalty, w in zip(penalties, weights, strict=True):
            penalty[:, 0] = settings.learning_rate * settings.l2 * w[:, 0]
        new_weights, momentum, rest = out[:3], out[3:6], out[6:]
        return (
            *((w - p).astype(w.dtype) for w, p in zip(new_weights, penalties, strict=True)),
            *((m + p).astype(m.dtype) for m, p in zip(momentum, penalties, strict=True)),
            *rest,
        )

    return wrong


WRONG_GRADIENTS = [no_regularisation, a_digit_wrong, last_sample_ignored, regularised_bias]


@pytest.mark.parametrize("spoil", WRONG_GRADIENTS)
def test_a_wrong_gradient_is_noticed(spoil: Callable[[Step], Step]) -> None:
    start = Start(17, (6, 5, 4, 3))
    with pytest.raises(AssertionError, match="layer 0 is off by"):
        check_by_norm(start.gradients(spoil(DOUBLE)), start.gradients(by_numpy))


# --- ten steps in a row ---------------------------------------------------------------------------

STEPS = 10
BATCH = 200
LONG = NetworkCase(600, ARTICLE_LAYERS, data="synthetic")  # three batches are an epoch
DEPTH = step_cost(replace(LONG, batch=BATCH)).depth


def course(way: Step) -> list[Arrays]:
    """The weights and the loss after every step: what a step returns the next one starts from."""
    rng = np.random.default_rng(10)
    full = training_set(LONG, np.float64)
    weights: Arrays = initial_weights(LONG.layers, rng, np.float64)
    momentum: Arrays = tuple(np.zeros_like(w) for w in weights)
    count = len(weights)
    seen = []
    for _ in range(STEPS):
        index = rng.permutation(len(full.x))[:BATCH]
        *state, loss, _ = way(full.x, full.y, index, weights, momentum, SETTINGS)
        # Copies, because a rung may give views of its workspace.
        weights = tuple(w.copy() for w in state[:count])
        momentum = tuple(m.copy() for m in state[count:])
        seen.append((*weights, loss))
    return seen


def check_together(got: list[Arrays], expected: list[Arrays], agreement: Agreement) -> None:
    """Rounding of one step goes into the weights of the next: at worst it adds up."""
    for number, (ours, truth) in enumerate(zip(got, expected, strict=True), 1):
        for g, e in zip(ours, truth, strict=True):
            assert g.dtype == agreement.dtype(e)
            allowed = number * tolerance(e, agreement, DEPTH)
            error = np.abs(g - e).max() / np.abs(e).max()
            assert error <= allowed, f"step {number}: off by {error:.2g} > {allowed:.2g}"


@pytest.fixture(scope="module")
def double() -> list[Arrays]:
    return course(by_numpy)


@pytest.fixture(scope="module")
def single() -> list[Arrays]:
    return course(by_numpy_in_float32)


def test_ten_steps_in_float64_stay_with_those_of_numpy(double: list[Arrays]) -> None:
    got = course(DOUBLE)
    check_together(got, double, Agreement.REASSOCIATED)
    assert got[-1][-1] < 0.9 * got[0][-1]  # and it learns


def test_ten_steps_in_float32_stay_with_those_of_numpy(
    single: list[Arrays], double: list[Arrays]
) -> None:
    got = course(SINGLE)
    check_together(got, single, Agreement.REASSOCIATED)
    check_together(got, double, Agreement.FLOAT32)


def forgotten_momentum(way: Step) -> Step:
    return changed(way, momentum=0.0)


@pytest.mark.parametrize("spoil", [*WRONG_GRADIENTS, forgotten_momentum])
def test_ten_steps_notice_a_wrong_one(spoil: Callable[[Step], Step], double: list[Arrays]) -> None:
    with pytest.raises(AssertionError, match=r"step [12]: off by"):
        check_together(course(spoil(DOUBLE)), double, Agreement.REASSOCIATED)


@pytest.mark.parametrize("spoil", [no_regularisation, last_sample_ignored, forgotten_momentum])
def test_ten_steps_in_float32_notice_a_wrong_one(
    spoil: Callable[[Step], Step], single: list[Arrays]
) -> None:
    with pytest.raises(AssertionError, match=r"step \d: off by"):
        check_together(course(spoil(SINGLE)), single, Agreement.REASSOCIATED)


# --- saturation -----------------------------------------------------------------------------------


@pytest.mark.parametrize("way", [DOUBLE, SINGLE], ids=["float64", "float32"])
@pytest.mark.parametrize("l2", [0.0, 0.01])
def test_a_step_is_finite_where_sigmoids_saturate(way: Step, l2: float) -> None:
    x, y, index, weights, momentum = Start(50, ARTICLE_LAYERS).inputs
    large = tuple(1e3 * w for w in weights)
    *state, loss, error = way(x, y, index, large, momentum, replace(SETTINGS, l2=l2))
    assert all(np.isfinite(array).all() for array in (*state, loss, error))
    assert loss > 1e3
    assert 0 <= error <= 1


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_outputs_are_taken_where_a_logarithm_of_the_activation_would_not_be_finite(
    dtype: str,
) -> None:
    tf = tensorflow()
    x, _, index, weights, _ = Start(50, ARTICLE_LAYERS).inputs
    large = tuple(tf.constant(1e3 * w, dtype) for w in weights)
    z = outputs(tf.constant(x[index], dtype), large)
    assert np.isfinite(z.numpy()).all()
    assert not np.isfinite(tf.math.log1p(-tf.sigmoid(z)).numpy()).all()
