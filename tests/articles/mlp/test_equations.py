"""Activations and losses: every form of each agrees with the plain one, and with its derivative."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import DTypeLike
from scipy.special import expit

from mlpperf.articles.mlp.equations import ACTIVATIONS, LOSSES, Array, output_in_place

EPS = {"float64": 2.0**-52, "float32": 2.0**-23}


def drawn(seed: int, dtype: DTypeLike = np.float64, shape: tuple[int, ...] = (7, 5)) -> Array:
    return np.random.default_rng(seed).normal(0, 2, shape).astype(dtype)


def slope(f: Callable[[Array], Array], z: Array, h: float = 1e-6) -> Array:
    return (f(z + h) - f(z - h)) / (2 * h)


@pytest.mark.parametrize("name", ACTIVATIONS)
@given(seed=st.integers(0, 10**6))
def test_the_derivatives_are_those_of_the_function(name: str, seed: int) -> None:
    activation = ACTIVATIONS[name]
    z = drawn(seed)
    z[np.abs(z) < 1e-3] = 1.0  # relu has no derivative at 0
    truth = slope(activation.of, z)
    a, delta = activation.of(z), drawn(seed + 1)
    np.testing.assert_allclose(activation.derivative(z), truth, atol=1e-8)
    np.testing.assert_allclose(activation.derivative_from_activation(a), truth, atol=1e-8)
    chained = delta.copy()
    activation.chain(chained, a)
    np.testing.assert_allclose(chained, delta * truth, atol=1e-7)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_in_place_is_the_same_function(name: str, dtype: str) -> None:
    z = np.concatenate([drawn(0, dtype).ravel(), np.array([0, 1e4, -1e4, 88, -88], dtype)])
    expected = ACTIVATIONS[name].of(z.astype(np.float64))
    ACTIVATIONS[name].in_place(z)
    assert z.dtype == dtype
    scale = np.maximum(1.0, np.abs(expected))
    assert (np.abs(z - expected) <= 4 * EPS[dtype] * scale).all()


def test_the_output_layer_keeps_the_digits_of_small_activations() -> None:
    z = np.array([-80, -30, -5, 0, 5, 30, 1e4, -1e4], dtype=np.float32)
    expected = expit(z.astype(np.float64))
    output_in_place(z)
    np.testing.assert_allclose(z, expected, rtol=4 * EPS["float32"], atol=1e-38)


@pytest.mark.parametrize("name", LOSSES)
@given(seed=st.integers(0, 10**6))
def test_the_delta_is_the_derivative_of_the_loss(name: str, seed: int) -> None:
    loss = LOSSES[name]
    z = drawn(seed, shape=(4, 3))
    y = (drawn(seed + 1, shape=(4, 3)) > 0).astype(np.float64)
    truth = np.empty_like(z)
    for i in np.ndindex(z.shape):

        def of(value: Array, i: tuple[int, ...] = i) -> Array:
            moved = z.copy()
            moved[i] = value
            return loss.of(expit(moved), y)

        truth[i] = slope(of, z[i])
    np.testing.assert_allclose(loss.delta(expit(z), y), truth, atol=1e-7)
    into = np.empty_like(z)
    loss.delta_into(expit(z), y, into)
    np.testing.assert_allclose(into, truth, atol=1e-7)


@pytest.mark.parametrize("name", LOSSES)
@given(seed=st.integers(0, 10**6))
def test_the_loss_in_place_is_the_same_and_knows_the_error(name: str, seed: int) -> None:
    a = expit(drawn(seed, shape=(40, 10)))
    y = np.eye(10)[np.random.default_rng(seed).integers(0, 10, 40)]
    expected, wrong = LOSSES[name].of(a, y), np.abs(a - y).sum()
    loss, error = LOSSES[name].in_place(a, y.copy())
    np.testing.assert_allclose([loss, error], [expected, wrong], rtol=1e-12)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_saturated_network_has_a_finite_loss(name: str, dtype: str) -> None:
    a = np.array([[0, 1], [1, 0], [1, 1]], dtype)
    y = np.array([[0, 1], [0, 1], [1, 0]], dtype)
    loss, error = LOSSES[name].in_place(a, y.copy())
    assert np.isfinite(loss)
    assert loss == pytest.approx(float(LOSSES[name].of(a, y)))
    assert error == pytest.approx(3)
