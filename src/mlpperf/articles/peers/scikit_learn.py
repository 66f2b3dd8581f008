"""scikit-learn: `MLPClassifier`, an epoch per `partial_fit`.

With one-hot labels it has sigmoid outputs and sums the log loss over them. It divides that sum by
the B samples of a batch, and the regularisation as well. So its learning rate has to be larger by
B, and alpha is λ2.
"""

from __future__ import annotations

import numpy as np

from ..mlp.equations import Array
from .task import Epochs, Task, in_layers


def train(task: Task, epochs: Epochs) -> list[Array]:
    """Train for all `epochs`; gives the trained W_N (n(N+1), n(N) + 1)."""
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
    # There is no public way to start from given weights. So it makes its own for a batch, and they
    # are overwritten. All that remains of that step is its momentum, which is 5e-5 of it.
    model.partial_fit(task.x[: s.batch_size], y[: s.batch_size], classes=np.arange(len(y[0])))
    for kernel, bias, w in zip(model.coefs_, model.intercepts_, task.weights, strict=True):
        kernel[...], bias[...] = w[:, 1:].T, w[:, 0]
    for _ in epochs:
        model.partial_fit(task.x, y)
    return in_layers(model.coefs_, model.intercepts_)
