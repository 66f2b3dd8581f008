"""Oracles above the references, which are all that stands above the variants.

Two of them share no code with the package: central differences of a loss that is written down here
anew, and TensorFlow's automatic differentiation. Each is shown to notice wrong gradients.
"""

import contextlib
import importlib.util
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mlpperf.agreement import Agreement, Arrays, tolerance
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
from mlpperf.articles.mlp.rungs import NoInputDelta
from mlpperf.backends import XLA
from mlpperf.hotpath import Args, Variant
from mlpperf.paths import whole_step

EPS = 2.0**-52
Gradients = list[Array]


# --- a network, written independently -------------------------------------------------------------


def output_logits(x: Array, weights: Sequence[Array]) -> Array:
    """Samples first, Z of the last layer: (B, n(E)). The bias is added, σ is 1 / (1 + exp(−z))."""
    z = np.einsum("bn,mn->bm", x, weights[0][:, 1:]) + weights[0][:, 0]
    for w in weights[1:]:
        z = np.einsum("bn,mn->bm", 1 / (1 + np.exp(-z)), w[:, 1:]) + w[:, 0]
    return z


def total_loss(x: Array, y: Array, weights: Sequence[Array]) -> float:
    """Σ over samples and outputs of softplus(z) − y·z, which is the log loss, + λ2/2·ΣW²."""
    z = output_logits(x, weights)
    penalty = sum((w[:, 1:] ** 2).sum() for w in weights)
    return float((np.logaddexp(0, z) - y.T * z).sum() + HYPER.l2 / 2 * penalty)


class Start:
    """Where a step begins: float64, one batch, and a momentum that shows if it gets lost.

    Training starts with no momentum, and later μ·M is below what float32 sees in the weights.
    """

    def __init__(self, batch: int, layers: tuple[int, ...], samples: int = 0) -> None:
        """The network's layers, and a batch of a training set that has so many samples."""
        rng = np.random.default_rng(batch)
        case = NetworkCase(batch, layers, data="synthetic")
        self.depth = step_cost(case).depth
        drawn = replace(case, batch=samples or batch)
        self.x, self.y, index, self.weights, _ = step_inputs(drawn, rng)
        self.index = index[:batch]
        self.momentum = tuple(rng.normal(0, 1 / HYPER.momentum, w.shape) for w in self.weights)
        self.batch_x, self.batch_y = self.x[self.index], self.y[:, self.index]

    @property
    def args(self) -> Args:
        return self.x, self.y, self.index, self.weights, self.momentum

    def gradients(self, step: Callable[..., Arrays] = whole_step.step_0) -> Gradients:
        """dLoss/dW of every layer: the new momentum of a step is η·G."""
        layers = len(self.weights)
        return [m / HYPER.learning_rate for m in step(*self.args)[layers : 2 * layers]]


# --- the checks, which right gradients pass and wrong ones do not ---------------------------------


def check_by_central_differences(start: Start, gradients: Gradients, at_most: int = 60) -> None:
    """Compare gradients with (f(w + h) − f(w − h)) / 2h, for weights of every layer and its biases.

    The difference quotient is wrong by h²·f‴/6 because it is not the limit, and by ε·f/h because f
    is rounded. Both are equal at h ~ ³√(ε·f/f‴), where the error is ~ ε^(2/3)·f^(2/3)·f‴^(1/3),
    4e-11·f where f and f‴ are alike. f‴ is a sum over samples as f is, and each sample's inputs
    have a size of about 1, so they are. The factor 10 is for what "about" hides; what a gradient
    can be wrong by is relative to the largest one of its layer.
    """
    rng = np.random.default_rng(0)
    f = total_loss(start.batch_x, start.batch_y, start.weights)
    allowed = 10 * EPS ** (2 / 3) * f
    for layer, gradient in enumerate(gradients):
        places = list(np.ndindex(gradient.shape))
        biases = [place for place in places if place[1] == 0]
        chosen = places if len(places) <= at_most else [*biases, *rng.permutation(places)[:at_most]]
        for row, column in chosen:
            w = start.weights[layer][row, column]
            h = EPS ** (1 / 3) * max(1.0, abs(w))
            f_at = []
            for moved in (w + h, w - h):
                weights = [a.copy() for a in start.weights]
                weights[layer][row, column] = moved
                f_at.append(total_loss(start.batch_x, start.batch_y, weights))
            quotient = (f_at[0] - f_at[1]) / ((w + h) - (w - h))  # the h that was really added
            error = abs(gradient[row, column] - quotient)
            assert error <= allowed, f"layer {layer}, weight {row}, {column}: {error:.2g}"
        # The bound must be far below what it bounds: six digits agree, at least.
        assert allowed < 1e-6 * np.abs(gradient).max()


def check_by_norm(gradients: Gradients, expected: Gradients) -> None:
    """The largest difference of every array, relative to the norm of the array."""
    for layer, (g, e) in enumerate(zip(gradients, expected, strict=True)):
        assert g.shape == e.shape
        error = np.linalg.norm(g - e) / np.linalg.norm(e)
        assert error <= 1e-12, f"layer {layer} is off by {error:.2g} of its norm"


def check_losses(got: Sequence[float], expected: Sequence[float], depth: int) -> None:
    """Ten losses in float32 beside those of float64.

    One loss is off by the tolerance of float32 for the roundings of one step. Every step also
    rounds the weights from which the next one starts, so the differences add up: in the model of
    the tolerance independently, at worst one on top of the other, which is what is allowed here.
    """
    for step, (g, e) in enumerate(zip(got, expected, strict=True)):
        allowed = (step + 1) * tolerance(np.asarray(e), Agreement.FLOAT32, depth)
        error = abs(g - e) / e
        assert error <= allowed, f"step {step}: {g:.8g} instead of {e:.8g}"


# --- wrong gradients, for the checks to find ------------------------------------------------------


def one_sign(gradients: Gradients, layer: int) -> None:
    largest = np.unravel_index(np.abs(gradients[layer]).argmax(), gradients[layer].shape)
    gradients[layer][largest] *= -1


def all_signs(gradients: Gradients, layer: int) -> None:
    gradients[layer] *= -1


def no_bias_column(gradients: Gradients, layer: int) -> None:
    gradients[layer][:, 0] = 0


def one_bias_wrong(gradients: Gradients, layer: int) -> None:
    gradients[layer][-1, 0] *= 1.001


def a_digit_wrong(gradients: Gradients, layer: int) -> None:
    gradients[layer] *= 1 + 1e-5


SABOTAGE = [one_sign, all_signs, no_bias_column, one_bias_wrong, a_digit_wrong]
Sabotage = Callable[[Gradients, int], None]


def regularised_bias(start: Start) -> Gradients:
    gradients = start.gradients()
    for g, w in zip(gradients, start.weights, strict=True):
        g[:, 0] += HYPER.l2 * w[:, 0]
    return gradients


def no_regularisation(start: Start) -> Gradients:
    gradients = start.gradients()
    for g, w in zip(gradients, start.weights, strict=True):
        g[:, 1:] -= HYPER.l2 * w[:, 1:]
    return gradients


def mean_over_samples(start: Start) -> Gradients:
    return [g / len(start.index) for g in start.gradients()]


def last_sample_ignored(start: Start) -> Gradients:
    x, y, index, *rest = start.args
    layers = len(start.weights)
    out = whole_step.step_0(x, y, index[:-1], *rest)
    return [m / HYPER.learning_rate for m in out[layers : 2 * layers]]


WRONG_EQUATIONS = [regularised_bias, no_regularisation, mean_over_samples, last_sample_ignored]


# --- central differences --------------------------------------------------------------------------

NETWORKS = [(6, 5, 4, 3), (2, 1, 2), (1, 1, 1, 1), (7, 6, 5, 4, 3)]


@pytest.mark.parametrize("layers", NETWORKS)
@pytest.mark.parametrize("batch", [1, 8])
def test_gradients_are_the_derivative_of_the_loss(batch: int, layers: tuple[int, ...]) -> None:
    start = Start(batch, layers)
    check_by_central_differences(start, start.gradients())


def test_gradients_of_the_articles_network_are_the_derivative_of_the_loss() -> None:
    start = Start(20, ARTICLE_LAYERS)
    check_by_central_differences(start, start.gradients(), at_most=40)


@pytest.mark.parametrize("wrong", SABOTAGE)
@pytest.mark.parametrize("layer", [0, 1, 2])
def test_central_differences_notice_a_wrong_gradient(wrong: Sabotage, layer: int) -> None:
    start = Start(8, (6, 5, 4, 3))
    gradients = start.gradients()
    check_by_central_differences(start, gradients)
    wrong(gradients, layer)
    with pytest.raises(AssertionError, match=f"layer {layer}, weight"):
        check_by_central_differences(start, gradients)


@pytest.mark.parametrize("wrong", WRONG_EQUATIONS)
def test_central_differences_notice_a_wrong_equation(
    wrong: Callable[[Start], Gradients],
) -> None:
    start = Start(8, (6, 5, 4, 3))
    with pytest.raises(AssertionError, match="layer 0, weight"):
        check_by_central_differences(start, wrong(start))


# --- loss, error and update -----------------------------------------------------------------------


@pytest.mark.parametrize("layers", [*NETWORKS, ARTICLE_LAYERS])
@pytest.mark.parametrize("batch", [1, 17])
def test_the_loss_and_the_error_of_the_step(batch: int, layers: tuple[int, ...]) -> None:
    start = Start(batch, layers)
    *_, loss, error = whole_step.step_0(*start.args)
    # log(A) and log(1 − A) lose digits where A is close to 1 or 0; softplus(z) − y·z does not.
    allowed = tolerance(loss, Agreement.REASSOCIATED, start.depth)
    truth = total_loss(start.batch_x, start.batch_y, start.weights)
    assert abs(loss - truth) <= allowed * truth
    outputs = 1 / (1 + np.exp(-output_logits(start.batch_x, start.weights)))
    assert abs(error - np.abs(start.batch_y.T - outputs).mean()) <= allowed


# Sizes of `losses` below, because TensorFlow compiles a graph for each.
STARTS = [(17, (6, 5, 4, 3), 0), (200, ARTICLE_LAYERS, 600)]


@pytest.mark.parametrize(
    ("sizes", "variant"),
    [
        pytest.param(sizes, variant, id=f"{sizes[0]}-{variant.name}")
        for sizes in STARTS
        for variant in whole_step.PATH.contestants
        if sizes[2] or variant.backend is not XLA
    ],
)
def test_every_rung_updates_weights_with_its_momentum(
    sizes: tuple[int, tuple[int, ...], int], variant: Variant
) -> None:
    start = Start(*sizes)
    count = len(start.weights)
    out = variant(*start.args)
    new_weights, new_momentum = out[:count], out[count : 2 * count]
    steps = [HYPER.learning_rate * g for g in start.gradients()]
    double = variant.agreement is Agreement.IDENTICAL
    agreement = Agreement.REASSOCIATED if double else Agreement.FLOAT32
    for w, m, old_w, old_m, step in zip(
        new_weights, new_momentum, start.weights, start.momentum, steps, strict=True
    ):
        expected = old_w - step - HYPER.momentum * old_m
        assert np.abs(HYPER.momentum * old_m).max() > 1  # it shows if it is forgotten
        for got, right in ((w, expected), (m, step)):
            allowed = tolerance(right, agreement, start.depth)
            assert np.abs(got - right).max() <= allowed * np.abs(right).max()


# --- TensorFlow -----------------------------------------------------------------------------------


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without the lines that TensorFlow's C++ parts write past Python, and without warnings."""
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


@pytest.fixture(scope="module")
def tensorflow() -> Any:
    if importlib.util.find_spec("tensorflow") is None:
        pytest.skip("TensorFlow is not installed: pip install 'mlpperf[tensorflow]'")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with quiet():
        import tensorflow
    return tensorflow


@pytest.fixture(scope="module")
def article() -> Start:
    return Start(500, ARTICLE_LAYERS)


@pytest.fixture(scope="module")
def taped(tensorflow: Any, article: Start) -> tuple[Gradients, float]:
    """Gradients and loss by automatic differentiation, in float64 and on the CPU."""
    tf = tensorflow
    with quiet(), tf.device("/CPU:0"):
        weights = [tf.Variable(w) for w in article.weights]
        with tf.GradientTape() as tape:
            a = tf.constant(article.batch_x)
            for w in weights[:-1]:
                a = tf.sigmoid(a @ tf.transpose(w[:, 1:]) + w[:, 0])
            logits = a @ tf.transpose(weights[-1][:, 1:]) + weights[-1][:, 0]
            labels = tf.constant(article.batch_y.T)
            loss = tf.reduce_sum(
                tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)
            )
            loss += HYPER.l2 * tf.add_n([tf.nn.l2_loss(w[:, 1:]) for w in weights])  # ½·ΣW²
        gradients = [g.numpy() for g in tape.gradient(loss, weights)]
        return gradients, float(loss)


def test_gradients_are_those_of_automatic_differentiation(
    taped: tuple[Gradients, float], article: Start
) -> None:
    gradients, loss = taped
    assert all(g.dtype == np.float64 for g in gradients)
    check_by_norm(article.gradients(), gradients)
    *_, ours, _ = whole_step.step_0(*article.args)
    assert abs(ours - loss) <= 1e-12 * loss


@pytest.mark.parametrize("wrong", SABOTAGE)
@pytest.mark.parametrize("layer", [0, 1, 2])
def test_automatic_differentiation_notices_a_wrong_gradient(
    taped: tuple[Gradients, float], article: Start, wrong: Sabotage, layer: int
) -> None:
    gradients = article.gradients()
    wrong(gradients, layer)
    with pytest.raises(AssertionError, match=f"layer {layer} is off by"):
        check_by_norm(gradients, taped[0])


@pytest.mark.parametrize("wrong", WRONG_EQUATIONS)
def test_automatic_differentiation_notices_a_wrong_equation(
    taped: tuple[Gradients, float], article: Start, wrong: Callable[[Start], Gradients]
) -> None:
    with pytest.raises(AssertionError, match="layer 0 is off by"):
        check_by_norm(wrong(article), taped[0])


# --- ten steps in a row ---------------------------------------------------------------------------

STEPS = 10
BATCH = 200
LONG = NetworkCase(600, ARTICLE_LAYERS, data="synthetic")  # three batches are an epoch


def losses(variant: Variant) -> list[float]:
    """Ten steps of training: what a step returns is what the next one starts from."""
    rng = np.random.default_rng(10)
    full = training_set(LONG, np.float64)
    weights: Arrays = initial_weights(LONG.layers, rng, np.float64)
    momentum: Arrays = tuple(np.zeros_like(w) for w in weights)
    count = len(weights)
    seen = []
    for _ in range(STEPS):
        index = rng.permutation(len(full.x))[:BATCH]
        *state, loss, _ = variant(full.x, full.y, index, weights, momentum)
        # Copies, because a variant may return views of its workspace.
        weights = tuple(w.copy() for w in state[:count])
        momentum = tuple(m.copy() for m in state[count:])
        seen.append(float(loss))
    return seen


DEPTH = step_cost(replace(LONG, batch=BATCH)).depth


@pytest.fixture(scope="module")
def true_losses() -> list[float]:
    return losses(Variant(whole_step.step_0))


@pytest.mark.parametrize("variant", whole_step.PATH.contestants, ids=lambda v: v.name)
def test_every_rung_has_the_losses_of_step_0_for_ten_steps(
    variant: Variant, true_losses: list[float]
) -> None:
    got = losses(variant)
    check_losses(got, true_losses, DEPTH)
    assert got[-1] < 0.9 * got[0]  # and it learns


def rung_with(spoil: Callable[[Gradients], None]) -> Variant:
    """Step I b in float32 with spoilt gradients."""

    class Spoilt(NoInputDelta):
        def backward(self, z: list[Array], a: list[Array], y: Array) -> Gradients:
            gradients = super().backward(z, a, y)
            spoil(gradients)
            return gradients

    def step(x: Array, y: Array, index: Array, weights: Any, momentum: Any) -> Arrays:
        return Spoilt(x, y, weights, HYPER, momentum).outcome(index)

    return Variant(step, prepare=whole_step.cast_to_float32)


# One weight of 55,000 does not show in a loss; it does in the oracles above.
@pytest.mark.parametrize("wrong", [all_signs, no_bias_column])
@pytest.mark.parametrize("layer", [0, 1, 2])
def test_ten_losses_notice_wrong_gradients(
    wrong: Sabotage, layer: int, true_losses: list[float]
) -> None:
    got = losses(rung_with(lambda gradients: wrong(gradients, layer)))
    assert got[0] == pytest.approx(true_losses[0], rel=1e-5)  # the first step starts alike
    with pytest.raises(AssertionError, match=r"step \d: "):
        check_losses(got, true_losses, DEPTH)


def test_ten_losses_notice_a_loss_without_regularisation(true_losses: list[float]) -> None:
    def without(*args: Array) -> Arrays:
        *state, loss, error = whole_step.step_0(*args)
        penalty = sum(np.square(w[:, 1:]).sum() for w in args[3])
        return *state, loss - HYPER.l2 / 2 * penalty, error

    with pytest.raises(AssertionError, match="step 0: "):
        check_losses(losses(Variant(without)), true_losses, DEPTH)


def test_ten_losses_notice_a_batch_that_is_not_the_next_one(true_losses: list[float]) -> None:
    got = [true_losses[0], true_losses[0], *true_losses[2:]]
    with pytest.raises(AssertionError, match="step 1: "):
        check_losses(got, true_losses, DEPTH)
    check_losses(true_losses, true_losses, DEPTH)
