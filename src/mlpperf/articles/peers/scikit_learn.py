"""scikit-learn: `MLPClassifier`, an epoch per `partial_fit`.

With one-hot labels it has sigmoid outputs and the log loss summed over them. It divides the sum by
B and the regularisation, too: so its rate is larger by B, and alpha is λ2.
"""

from __future__ import annotations

import numpy as np

from ..mlp.equations import Array
from .task import Epochs, Task, in_layers


def train(task: Task, epochs: Epochs) -> list[Array]:
    """Train for all `epochs`; gives W_N (n(N+1), n(N) + 1)."""
    from sklearn.neural_network import MLPClassifier

    s = task.settings
    model = MLPClassifier(
        hidden_layer_sizes=s.hidden,
        activation="logistic",
        solver="sgd",
        alpha=s.l2,
        batch_size=s.batch_size,
        learning_rate_init=s.learning_rate * s.batch_size,
        momentum=s.momentum,
        nesterovs_momentum=False,
        random_state=s.seed,
    )
    y = task.y.astype(np.int64)
    # It has no public way to start from given weights: let it make its own, and overwrite them.
    # What remains of this step is its momentum, 5e-5 of it.
    model.partial_fit(task.x[: s.batch_size], y[: s.batch_size], classes=np.arange(len(y[0])))
    for kernel, bias, w in zip(model.coefs_, model.intercepts_, task.weights, strict=True):
        kernel[...], bias[...] = w[:, 1:].T, w[:, 0]
    for _ in epochs:
        model.partial_fit(task.x, y)
    return in_layers(model.coefs_, model.intercepts_)
