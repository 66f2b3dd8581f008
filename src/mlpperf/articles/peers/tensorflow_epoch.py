"""TensorFlow: a whole epoch in one function (`tf_epoch`), and compiled by XLA (`tf_epoch_xla`).

The strongest program in TensorFlow that we know: one call from Python for each epoch, batches
gathered inside, weights carried from step to step.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...devices import tensorflow
from ..mlp.equations import Array
from ..mlp.tensor_step import step
from .task import Epochs, Task


def train(task: Task, epochs: Epochs) -> list[Array]:
    """Train for all `epochs`; gives the trained W_N (n(N+1), n(N) + 1)."""
    tf, settings = tensorflow(), task.settings
    rate = settings.learning_rate

    def epoch(x: Any, y: Any, batches: Any, weights: Any, momentum: Any) -> Any:
        def one(i: Any, weights: Any, momentum: Any, total: Any) -> Any:
            rows, labels = tf.gather(x, batches[i]), tf.gather(y, batches[i])
            done = step(rows, labels, weights, momentum, rate, settings)
            return i + 1, done.weights, done.momentum, total + done.loss

        start = (tf.constant(0), weights, momentum, tf.constant(0.0))
        count = tf.shape(batches)[0]
        return tf.while_loop(lambda i, *_: i < count, one, start, parallel_iterations=1)[1:]

    compiled = tf.function(epoch, autograph=False, jit_compile=task.peer == "tf_epoch_xla")
    x, y = tf.constant(task.x), tf.constant(task.y)
    weights = tuple(map(tf.constant, task.weights))
    momentum = tuple(map(tf.zeros_like, weights))
    for order in epochs:
        for batches in task.batches(order.astype(np.int32)):
            weights, momentum, loss = compiled(x, y, tf.constant(batches), weights, momentum)
        loss.numpy()  # waits until the device has finished the epoch
    return [w.numpy() for w in weights]
