"""Training a Keras network epoch by epoch, without the stalls of its own input pipeline."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...devices import tensorflow
from ...errors import MlpperfError
from ..data.datasets import Dataset
from ..data.samples import Scaling
from .models import Array, Network, build, input_shape

# An epoch that takes more than this many times the median has stalled: for a part of it the
# processors stood idle.
STALL_FACTOR = 2.0


def pipeline(x: Array, y: Array, batch_size: int, seed: int | None) -> Any:
    """Batches of x (n, …) and y (n, classes) as a `tf.data.Dataset` without stalls.

    With a seed they never end, and every epoch has another order, so `fit` needs the batches
    of an epoch as `steps_per_epoch`. Without one they come once, in the order of x.

    One tensor of indices is shuffled, and batches are gathered by slices of it. To shuffle elements
    one by one, as `Dataset.shuffle` does, takes longer than to train on them. One iterator serves
    all epochs, and autotuning is off, because its thread lets epochs stand idle for seconds when an
    iterator is torn down.
    """
    tf = tensorflow()
    indices = np.arange(len(x), dtype=np.int32)
    whole = len(x) // batch_size * batch_size
    x, y = tf.constant(x), tf.constant(y)

    def epoch(order: Any) -> Any:
        batches = tf.data.Dataset.from_tensor_slices(tf.reshape(order[:whole], (-1, batch_size)))
        if whole < len(indices):
            batches = batches.concatenate(tf.data.Dataset.from_tensors(order[whole:]))
        return batches.map(lambda i: (tf.gather(x, i), tf.gather(y, i)))

    def shuffled(number: Any) -> Any:
        shuffle = tf.random.experimental.stateless_shuffle
        return epoch(shuffle(indices, seed=tf.stack([tf.cast(seed, tf.int64), number])))

    batches = epoch(tf.constant(indices))
    if seed is not None:
        batches = tf.data.Dataset.counter().flat_map(shuffled)
    batches = batches.prefetch(2)  # the next batches are gathered while one is trained on
    options = tf.data.Options()
    options.autotune.enabled = False
    return batches.with_options(options)


@dataclass(frozen=True)
class KerasEpoch:
    """What one epoch recorded."""

    epoch: int  # from 1
    loss: float
    accuracy: float
    validation_loss: float
    validation_accuracy: float
    learning_rate: float  # at its end
    iterations: int  # batches since the start
    seconds: float
    processor_seconds: float  # of all threads; far below `seconds` where the epoch stalled


def train(
    network: Network,
    data: Dataset,
    *,
    on_epoch: Callable[[list[KerasEpoch]], None] = lambda history: None,
) -> tuple[Any, list[KerasEpoch]]:
    """Train `network` on `data`, validated on its test set; the model and its history.

    Raises `MlpperfError` if the data do not fit, or there is no TensorFlow.

    Parameters
    ----------
    on_epoch : called with the history after every epoch.
    """
    if network.batch_size > len(data.train_images):
        raise MlpperfError(
            f"A batch of {network.batch_size} does not fit the "
            f"{len(data.train_images)} training samples of {data.name}."
        )
    keras = tensorflow().keras
    pixels = data.train_images.shape[1]
    model = build(network, pixels)
    scaling = Scaling("standard", data.train_images)
    shape = input_shape(network, pixels)

    def ready(images: Array, labels: Array, seed: int | None) -> Any:
        x = scaling(images).reshape(-1, *shape)
        return pipeline(x, np.eye(10, dtype=np.float32)[labels], network.batch_size, seed)

    history: list[KerasEpoch] = []

    class Recorder(keras.callbacks.Callback):  # type: ignore[misc,name-defined]
        """Learning rate, iterations and time of every epoch, validation not counted."""

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.start = time.perf_counter(), time.process_time()

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.end = time.perf_counter(), time.process_time()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            optimizer = self.model.optimizer
            history.append(
                KerasEpoch(
                    epoch=epoch + 1,
                    loss=float(logs["loss"]),
                    accuracy=float(logs["accuracy"]),
                    validation_loss=float(logs["val_loss"]),
                    validation_accuracy=float(logs["val_accuracy"]),
                    learning_rate=float(optimizer.learning_rate),
                    iterations=int(optimizer.iterations),
                    seconds=self.end[0] - self.start[0],
                    processor_seconds=self.end[1] - self.start[1],
                )
            )
            on_epoch(history)

    model.fit(
        ready(data.train_images, data.train_labels, network.seed),
        validation_data=ready(data.test_images, data.test_labels, None),
        epochs=network.epochs,
        steps_per_epoch=-(-len(data.train_images) // network.batch_size),
        callbacks=[Recorder()],
        shuffle=False,  # the pipeline does
        verbose=0,
    )
    return model, history


def stalls(history: list[KerasEpoch]) -> list[KerasEpoch]:
    """Epochs that took more than `STALL_FACTOR` times the median.

    The first epoch is never one of them: it is long because TensorFlow compiles in it.
    """
    later = history[1:]
    if not later:
        return []
    usual = float(np.median([e.seconds for e in later]))
    return [e for e in later if e.seconds > STALL_FACTOR * usual]
