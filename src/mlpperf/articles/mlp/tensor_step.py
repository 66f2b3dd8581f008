"""The articles' training step in TensorFlow, as its user writes it: loss, tape, update.

Shapes are those of the data: rows X (B, n(0)), one-hot labels Y (B, n(E)), weights W_N
(n(N+1), n(N) + 1) with the bias in column 0, as everywhere in this package. The loss is taken from
the weighted inputs of the output layer, so that it cannot become NaN where a sigmoid saturates.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ...devices import tensorflow
from .settings import Settings

Tensors = tuple[Any, ...]


class Step(NamedTuple):
    """What a step gives; tensors, or tuples of one tensor per layer."""

    weights: Tensors
    momentum: Tensors
    loss: Any  # with its regularisation
    error: Any  # mean of |Y − A|


def outputs(rows: Any, weights: Tensors) -> Any:
    """Weighted inputs Z_E of the output layer, (B, n(E))."""
    tf = tensorflow()
    a = rows
    for i, w in enumerate(weights):
        a = tf.matmul(a if i == 0 else tf.sigmoid(a), w[:, 1:], transpose_b=True) + w[:, 0]
    return a


def step(
    rows: Any, labels: Any, weights: Tensors, momentum: Tensors, rate: Any, settings: Settings
) -> Step:
    """One batch: log loss of sigmoid outputs summed over the batch, ½·λ2·ΣW² without biases.

    `momentum` is η·G of the batch before. The activation is the sigmoid.
    """
    tf = tensorflow()
    with tf.GradientTape() as tape:
        tape.watch(weights)
        z = outputs(rows, weights)
        loss = tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=z))
        for w in weights:
            loss += 0.5 * settings.l2 * tf.reduce_sum(tf.square(w[:, 1:]))
    new_momentum = tuple(rate * gradient for gradient in tape.gradient(loss, weights))
    new_weights = tuple(
        w - (m + settings.momentum * before)
        for w, m, before in zip(weights, new_momentum, momentum, strict=True)
    )
    return Step(new_weights, new_momentum, loss, tf.reduce_mean(tf.abs(labels - tf.sigmoid(z))))
