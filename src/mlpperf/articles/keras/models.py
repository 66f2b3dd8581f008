"""The articles' Keras networks, each built from one settings object, and trained without stalls.

MLPs with two and four hidden layers (Step I), and two convolutional networks (CNN II and CNN III).
TensorFlow is loaded by the functions that need it; settings can be made and checked without.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...devices import Setting, tensorflow
from ...errors import MlpperfError
from ..data.datasets import Dataset
from ..mlp.samples import Scaling
from ..mlp.settings import choose

Array = NDArray[Any]
SCHEDULES = ("constant", "inverse_time", "exponential")
OPTIMIZERS = {  # and whether each takes a momentum
    "sgd": True,
    "rmsprop": True,
    "nadam": False,
    "adamax": False,
}
STALL = 2.0  # an epoch that takes so many times the median has stalled


@dataclass(frozen=True)
class Schedule:
    """The learning rate as a function of the number of batches seen, `step`.

    * constant: rate
    * inverse_time: rate / (1 + decay·step/steps)
    * exponential: rate·decay^(step/steps)

    Raises
    ------
    MlpperfError
        For an unknown kind, a rate that is not positive, or a decay that the kind does not take.
    """

    rate: float = 1e-3
    kind: str = "constant"
    decay: float = 0.0
    steps: int = 1

    def __post_init__(self) -> None:
        choose("schedule", self.kind, SCHEDULES)
        if not self.rate > 0 or not np.isfinite(self.rate):
            raise MlpperfError(f"The learning rate must be a positive number, not {self.rate}.")
        if self.kind == "constant" and self.decay:
            raise MlpperfError(f"A constant schedule takes no decay, but {self.decay} was given.")
        if self.kind != "constant" and not self.decay > 0:
            raise MlpperfError(f"The schedule {self.kind} needs a decay above 0.")
        if self.steps < 1:
            raise MlpperfError(f"A schedule's steps must be at least 1, not {self.steps}.")

    def at(self, step: int) -> float:
        """The learning rate of that batch, from 0."""
        if self.kind == "inverse_time":
            return self.rate / (1 + self.decay * step / self.steps)
        if self.kind == "exponential":
            return float(self.rate * self.decay ** (step / self.steps))
        return self.rate


@dataclass(frozen=True)
class Convolution:
    """A convolutional layer, and whether its maps are halved by max-pooling afterwards."""

    maps: int
    kernel: int = 3
    pool: int = 0  # side of the pooling window; 0 for none
    activation: str = "relu"
    l1: float = 0.0
    l2: float = 0.0


@dataclass(frozen=True)
class Network:
    """A Keras network and how it is trained.

    `l1` and `l2` are those of the dense hidden layers, one number for all or one for each, in
    Keras' terms: of a mean loss. The articles' NumPy program has λ/2·ΣW² in a sum over the batch,
    which is l2 = λ / (2·batch).

    Raises
    ------
    MlpperfError
        For something unknown or out of range, or a momentum for an optimizer that has none.
    """

    dense: tuple[int, ...] = (70, 30)
    convolutions: tuple[Convolution, ...] = ()
    activation: str = "sigmoid"
    output: str = "sigmoid"
    l1: float | tuple[float, ...] = 0.0
    l2: float | tuple[float, ...] = 0.0
    optimizer: str = "rmsprop"
    momentum: float = 0.0
    schedule: Schedule = field(default_factory=Schedule)
    batch_size: int = 500
    epochs: int = 35
    seed: int = 0
    steps_per_execution: int = 1  # batches that are trained on before Python has its turn

    def __post_init__(self) -> None:
        choose("optimizer", self.optimizer, OPTIMIZERS)
        choose("output", self.output, ("sigmoid", "softmax"))
        for activation in (self.activation, *(c.activation for c in self.convolutions)):
            choose("activation", activation, ("sigmoid", "tanh", "relu", "elu"))
        if self.momentum and not OPTIMIZERS[self.optimizer]:
            raise MlpperfError(
                f"The optimizer {self.optimizer} takes no momentum; "
                f"{' and '.join(name for name, takes in OPTIMIZERS.items() if takes)} do."
            )
        sizes = (*self.dense, *(c.maps for c in self.convolutions))
        counts = (self.batch_size, self.epochs, self.steps_per_execution)
        if any(size < 1 for size in (*sizes, *counts)):
            raise MlpperfError(
                "Layers, batch_size, epochs and steps_per_execution must be at least 1."
            )
        given = [*self.penalties, *((c.l1, c.l2) for c in self.convolutions), (self.momentum, 0.0)]
        if any(min(pair) < 0 for pair in given):
            raise MlpperfError("l1, l2 and momentum must not be negative.")

    @property
    def penalties(self) -> list[tuple[float, float]]:
        """(l1, l2) of every dense hidden layer."""
        layers = len(self.dense)
        both = [p if isinstance(p, tuple) else (p,) * layers for p in (self.l1, self.l2)]
        if any(len(p) != layers for p in both):
            raise MlpperfError(f"l1 and l2 need one number, or one for each of {layers} layers.")
        return list(zip(*both, strict=True))


# What the NumPy program calls λ2 = 0.01. Taken literally, Keras reaches 64 to 74 %.
_MATCHED_L2 = 0.01 / (2 * 500)
MLP = Network(l2=_MATCHED_L2)
DEEP_MLP = Network(dense=(200, 100, 50, 30), l2=_MATCHED_L2)
CNN_2 = Network(
    convolutions=(Convolution(32, pool=2), Convolution(64, pool=2), Convolution(64)),
    dense=(70,),
    activation="relu",
    output="softmax",
    batch_size=64,
    epochs=5,
)
CNN_3 = Network(
    convolutions=(Convolution(32, pool=2), Convolution(64, pool=2), Convolution(128)),
    dense=(120,),
    activation="relu",
    output="softmax",
    l2=8e-4,
    momentum=0.5,
    schedule=Schedule(1e-3, "inverse_time", decay=1e-3),
    batch_size=64,
    epochs=80,
)
NETWORKS = {"mlp": MLP, "deep_mlp": DEEP_MLP, "cnn_2": CNN_2, "cnn_3": CNN_3}


def build(network: Network, pixels: int = 784, classes: int = 10) -> Any:
    """The compiled Keras model of `network`, with initial weights that its seed decides.

    Raises
    ------
    MlpperfError
        If there is no TensorFlow, or a convolutional network gets images that are not square or
        too small.
    """
    keras = tensorflow().keras
    keras.utils.set_random_seed(network.seed)
    layers = keras.layers
    model = keras.Sequential([keras.Input(input_shape(network, pixels))])
    try:
        for c in network.convolutions:
            penalty = _penalty(c.l1, c.l2)
            model.add(
                layers.Conv2D(c.maps, c.kernel, activation=c.activation, kernel_regularizer=penalty)
            )
            if c.pool:
                model.add(layers.MaxPooling2D(c.pool))
        if network.convolutions:
            model.add(layers.Flatten())
    except ValueError as reason:
        raise MlpperfError(f"Images of {pixels} pixels are too small for it.") from reason
    for nodes, pair in zip(network.dense, network.penalties, strict=True):
        model.add(
            layers.Dense(nodes, activation=network.activation, kernel_regularizer=_penalty(*pair))
        )
    model.add(layers.Dense(classes, activation=network.output))
    compile_again(model, network)
    return model


def _penalty(l1: float, l2: float) -> Any:
    return tensorflow().keras.regularizers.L1L2(l1=l1, l2=l2) if l1 or l2 else None


def compile_again(model: Any, network: Network) -> None:
    """A new optimizer, whose moments and iterations start from nothing."""
    model.compile(
        optimizer=_optimizer(network),
        # Of sigmoid outputs, as the articles' MLPs have, Keras takes the softmax of what went in.
        loss="categorical_crossentropy",
        metrics=["accuracy"],
        steps_per_execution=network.steps_per_execution,
        jit_compile=Setting.current().xla,  # "auto" would decide by the device
    )


def _optimizer(network: Network) -> Any:
    keras, s = tensorflow().keras, network.schedule
    rate: Any = s.rate
    if s.kind == "inverse_time":
        rate = keras.optimizers.schedules.InverseTimeDecay(s.rate, s.steps, s.decay)
    elif s.kind == "exponential":
        rate = keras.optimizers.schedules.ExponentialDecay(s.rate, s.steps, s.decay)
    makers = {
        "sgd": keras.optimizers.SGD,
        "rmsprop": keras.optimizers.RMSprop,
        "nadam": keras.optimizers.Nadam,
        "adamax": keras.optimizers.Adamax,
    }
    options = {"momentum": network.momentum} if OPTIMIZERS[network.optimizer] else {}
    return makers[network.optimizer](learning_rate=rate, **options)


def input_shape(network: Network, pixels: int) -> tuple[int, ...]:
    """(pixels,) for dense networks, (side, side, 1) for convolutional ones."""
    if not network.convolutions:
        return (pixels,)
    side = round(pixels**0.5)
    if side * side != pixels:
        raise MlpperfError(f"A convolutional network needs square images, not {pixels} pixels.")
    return (side, side, 1)


def pipeline(x: Array, y: Array, batch_size: int, seed: int | None) -> Any:
    """Batches of x and y, without end, every epoch in another order; without a seed once, in order.

    What is shuffled is one tensor of indices, and batches are slices of it: shuffling elements one
    by one, as `Dataset.shuffle` does, takes longer than training on them. One iterator serves all
    epochs, and autotuning is off: its thread makes epochs idle for seconds when one is torn down.
    Give `fit` the batches of an epoch as `steps_per_epoch`.
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
    processor_seconds: float  # of all threads; far below `seconds` where the epoch stood idle


def train(
    network: Network,
    data: Dataset,
    *,
    weights: list[Array] | None = None,
    on_epoch: Callable[[list[KerasEpoch]], None] = lambda history: None,
) -> tuple[Any, list[KerasEpoch]]:
    """Train `network` on `data`, validated on its test set; the model and its history.

    Parameters
    ----------
    weights
        Initial weights, as `model.get_weights()` gives them; by default the seed's.
    on_epoch
        Called with the history after every epoch.

    Raises
    ------
    MlpperfError
        If the data or the weights do not fit, or there is no TensorFlow.
    """
    if network.batch_size > len(data.train_images):
        raise MlpperfError(
            f"A batch of {network.batch_size} does not fit the "
            f"{len(data.train_images)} training samples of {data.name}."
        )
    keras = tensorflow().keras
    pixels = data.train_images.shape[1]
    model = build(network, pixels)
    if weights is not None:
        try:
            model.set_weights(weights)
        except ValueError as reason:
            raise MlpperfError(f"The weights do not fit this network ({reason}).") from reason
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
    """Epochs that took more than `STALL` times the median; the first one compiles, and is none."""
    later = history[1:]
    if not later:
        return []
    usual = float(np.median([e.seconds for e in later]))
    return [e for e in later if e.seconds > STALL * usual]


class LivePlot:
    """Loss and accuracy of training and validation, drawn anew after every epoch.

    Parameters
    ----------
    path
        Where to save it, .png.
    show
        Show it, too: in a notebook in place, elsewhere in a window.
    """

    def __init__(self, path: Path | None = None, *, show: bool = False) -> None:
        self.path, self._handle, self._window = path, None, None
        self._notebook = show and "ipykernel" in sys.modules
        if show and not self._notebook:
            from matplotlib import pyplot

            pyplot.ion()
            self._window = pyplot.figure(figsize=(9, 3.6), layout="constrained")

    def __call__(self, history: list[KerasEpoch]) -> None:
        """Draw `history`.

        Raises
        ------
        MlpperfError
            If the file cannot be written.
        """
        from matplotlib.figure import Figure

        figure = self._window or Figure(figsize=(9, 3.6), layout="constrained")
        figure.clear()
        epochs = [e.epoch for e in history]
        for axes, what in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
            axes.plot(epochs, [getattr(e, what) for e in history], label="training")
            axes.plot(epochs, [getattr(e, f"validation_{what}") for e in history], label="test set")
            axes.set(title=what.capitalize(), xlabel="epoch")
            axes.xaxis.get_major_locator().set_params(integer=True)
            axes.grid(alpha=0.3)
            axes.legend()
        if self.path:
            try:
                figure.savefig(self.path, dpi=120)
            except (OSError, ValueError) as reason:
                raise MlpperfError(
                    f"The plot cannot be written to {self.path} ({reason})."
                ) from reason
        if self._window:
            self._window.canvas.draw_idle()
            self._window.canvas.flush_events()
        if self._notebook:
            from IPython.display import display

            if self._handle is None:
                self._handle = display(figure, display_id=True)
            else:
                self._handle.update(figure)
