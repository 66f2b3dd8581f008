"""Activations and losses, each in the articles' form and in place.

A is an activation, Z its weighted input, f' the derivative of the activation function, Y the
one-hot labels; all arrays of one call have the same shape.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

Array = NDArray[Any]


class Activation(NamedTuple):
    """A hidden layer's function."""

    of: Callable[[Array], Array]  # A from Z
    derivative: Callable[[Array], Array]  # f' from Z, as the articles' first program had it
    derivative_from_activation: Callable[[Array], Array]  # f' from A
    in_place: Callable[[Array], object]  # Z becomes A
    chain: Callable[[Array, Array], None]  # δ becomes δ ∘ f'; A is overwritten


def sigmoid_in_place(z: Array) -> None:
    """½·tanh(½·z) + ½: nothing can overflow, and tanh is vectorised."""
    z *= 0.5
    np.tanh(z, out=z)
    z *= 0.5
    z += 0.5


def output_in_place(z: Array) -> None:
    """1 / (1 + exp(−z)), which keeps the digits of a small A: the loss takes its logarithm."""
    with np.errstate(over="ignore"):  # 1/∞ = 0 is right
        np.negative(z, out=z)
        np.exp(z, out=z)
        z += 1.0
        np.reciprocal(z, out=z)


def _sigmoid_derivative(z: Array) -> Array:
    s = expit(z)
    return np.asarray(s * (1.0 - s))


def _sigmoid_chain(delta: Array, a: Array) -> None:
    delta *= a
    np.subtract(1.0, a, out=a)
    delta *= a


def _tanh_chain(delta: Array, a: Array) -> None:
    np.square(a, out=a)
    np.subtract(1.0, a, out=a)
    delta *= a


def _relu_chain(delta: Array, a: Array) -> None:
    np.sign(a, out=a)  # A ≥ 0: 0 or 1
    delta *= a


ACTIVATIONS = {
    "sigmoid": Activation(
        of=expit,
        derivative=_sigmoid_derivative,
        derivative_from_activation=lambda a: a * (1.0 - a),
        in_place=sigmoid_in_place,
        chain=_sigmoid_chain,
    ),
    "tanh": Activation(
        of=np.tanh,
        derivative=lambda z: 1.0 - np.square(np.tanh(z)),
        derivative_from_activation=lambda a: 1.0 - np.square(a),
        in_place=lambda z: np.tanh(z, out=z),
        chain=_tanh_chain,
    ),
    "relu": Activation(
        of=lambda z: np.maximum(z, 0.0),
        derivative=lambda z: (z > 0).astype(z.dtype),
        derivative_from_activation=lambda a: (a > 0).astype(a.dtype),
        in_place=lambda z: np.maximum(z, 0.0, out=z),
        chain=_relu_chain,
    ),
}


class Loss(NamedTuple):
    """The function that is minimised, of a sigmoid in the output layer."""

    of: Callable[[Array, Array], Array]  # summed over nodes and samples, from A and Y
    delta: Callable[[Array, Array], Array]  # dLoss/dZ of the output layer, from A and Y
    in_place: Callable[[Array, Array], tuple[Array, Array]]  # A, Y → loss, Σ|A − Y|; overwrites Y
    delta_into: Callable[[Array, Array, Array], object]  # the same delta into the third array


def _log_loss(a: Array, y: Array) -> Array:
    """−Σ(Y·log A + (1 − Y)·log(1 − A)).

    0·log 0 would be NaN where A has saturated, hence the smallest number that is not 0.
    """
    tiny = np.finfo(a.dtype).tiny
    costs = y * np.log(np.maximum(a, tiny)) + (1.0 - y) * np.log(np.maximum(1.0 - a, tiny))
    return np.asarray(-np.sum(costs))


def _log_loss_in_place(a: Array, y: Array) -> tuple[Array, Array]:
    """The same with one logarithm per element: |A + (Y − 1)| is A at the label, else 1 − A."""
    y -= 1.0
    y += a
    np.abs(y, out=y)
    error = y.size - y.sum()
    np.maximum(y, np.finfo(y.dtype).tiny, out=y)
    return -np.log(y, out=y).sum(), error


def _squares(a: Array, y: Array) -> Array:
    return np.asarray(0.5 * np.sum(np.square(y - a)))


def _squares_in_place(a: Array, y: Array) -> tuple[Array, Array]:
    np.subtract(a, y, out=y)
    loss = 0.5 * np.square(y).sum()
    return loss, np.abs(y, out=y).sum()


def _squares_delta_into(a: Array, y: Array, delta: Array) -> None:
    np.subtract(1.0, a, out=delta)
    delta *= a
    delta *= a - y


LOSSES = {
    "log": Loss(
        of=_log_loss,
        delta=lambda a, y: a - y,  # the derivative of the sigmoid cancels
        in_place=_log_loss_in_place,
        delta_into=lambda a, y, delta: np.subtract(a, y, out=delta),
    ),
    "mse": Loss(
        of=_squares,
        delta=lambda a, y: (a - y) * a * (1.0 - a),
        in_place=_squares_in_place,
        delta_into=_squares_delta_into,
    ),
}
