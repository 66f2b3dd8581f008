"""Keras: `fit` as its users write it (`keras_fit`), and at its best (`keras_best`).

Keras takes the mean of the loss over the batch and the ten outputs, where the articles take the
sum. So the rate is larger by 10·B, and since Keras adds l·ΣW² where they add ½·λ2·ΣW² to the sum,
l = λ2/(20·B). At its best it has a pipeline that shuffles indices and not samples, trains on all
batches of an epoch in one execution, and records no metric but the loss. XLA it has on a GPU only:
on processors batches of 20,000 took longer with it, and those of 500 no less time.
"""

from __future__ import annotations

from typing import Any

from ...devices import Setting, tensorflow
from ..keras.training import pipeline
from ..mlp.equations import Array
from .task import Epochs, Task, in_layers


def train(task: Task, epochs: Epochs) -> list[Array]:
    """Train for all `epochs`; gives the trained W_N (n(N+1), n(N) + 1)."""
    keras, s = tensorflow().keras, task.settings
    terms = len(task.y[0]) * s.batch_size  # of the loss, whose mean Keras takes
    layers: list[Any] = [keras.Input((task.layers[0],))]
    for nodes in task.layers[1:]:
        penalty = keras.regularizers.L2(s.l2 / (2 * terms))
        layers.append(keras.layers.Dense(nodes, activation="sigmoid", kernel_regularizer=penalty))
    model = keras.Sequential(layers)
    model.set_weights([a for w in task.weights for a in (w[:, 1:].T, w[:, 0])])
    best, batches = task.peer == "keras_best", -(-len(task.x) // s.batch_size)
    model.compile(
        optimizer=keras.optimizers.SGD(s.learning_rate * terms, momentum=s.momentum),
        loss="binary_crossentropy",
        metrics=[] if best else ["accuracy"],
        steps_per_execution=batches if best else 1,
        jit_compile=best and Setting.current().device != "cpu",
    )

    class Turns(keras.callbacks.Callback):  # type: ignore[misc,name-defined]
        """Takes the next of `epochs` before every epoch, and once more after the last."""

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            next(epochs)

        def on_train_end(self, logs: Any = None) -> None:
            next(epochs, None)

    if best:
        endless = pipeline(task.x, task.y, s.batch_size, s.seed)
        data: dict[str, Any] = {"x": endless, "steps_per_epoch": batches, "shuffle": False}
    else:
        data = {"x": task.x, "y": task.y, "batch_size": s.batch_size}
    model.fit(**data, epochs=s.epochs, callbacks=[Turns()], verbose=0)
    trained = model.get_weights()
    return in_layers(trained[::2], trained[1::2])
