"""JAX: a whole epoch under `jit`, the batches in a `scan`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..mlp.equations import Array
from .task import Epochs, Task


def train(task: Task, epochs: Epochs) -> list[Array]:
    """Train for all `epochs`; gives the trained W_N (n(N+1), n(N) + 1)."""
    import jax
    import jax.numpy as jnp

    s = task.settings

    def loss_of(weights: Any, rows: Any, labels: Any) -> Any:
        a = rows
        for i, w in enumerate(weights):
            a = (a if i == 0 else jax.nn.sigmoid(a)) @ w[:, 1:].T + w[:, 0]
        # log(1 + exp(z)) − y·z, without overflow
        loss = jnp.sum(jnp.logaddexp(0.0, a) - labels * a)
        return loss + 0.5 * s.l2 * sum(jnp.sum(jnp.square(w[:, 1:])) for w in weights)

    def epoch(x: Any, y: Any, batches: Any, weights: Any, momentum: Any) -> Any:
        def one(carried: Any, batch: Any) -> Any:
            weights, momentum = carried
            loss, gradients = jax.value_and_grad(loss_of)(weights, x[batch], y[batch])
            new_momentum = [s.learning_rate * g for g in gradients]
            new_weights = [
                w - (m + s.momentum * before)
                for w, m, before in zip(weights, new_momentum, momentum, strict=True)
            ]
            return (new_weights, new_momentum), loss

        (weights, momentum), losses = jax.lax.scan(one, (weights, momentum), batches)
        return weights, momentum, losses.sum()

    compiled = jax.jit(epoch, donate_argnums=(3, 4))
    x, y = jnp.asarray(task.x), jnp.asarray(task.y)
    weights = [jnp.array(w) for w in task.weights]
    momentum = [jnp.zeros_like(w) for w in weights]
    for order in epochs:
        for batches in task.batches(order.astype(np.int32)):
            weights, momentum, loss = compiled(x, y, batches, weights, momentum)
        jax.block_until_ready((weights, loss))
    return [np.asarray(w) for w in weights]
