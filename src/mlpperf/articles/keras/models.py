"""The articles' Keras networks, each built from one settings object.

MLPs with two and four hidden layers (Step I), and two convolutional networks (CNN II and CNN III).
TensorFlow is loaded by the functions that need it; settings can be made and checked without.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...devices import tensorflow
from ...errors import MlpperfError, check

Array = NDArray[Any]
SCHEDULES = ("constant", "inverse_time", "exponential")
OPTIMIZERS = {  # whether each takes a momentum
    "sgd": True,
    "rmsprop": True,
    "nadam": False,
    "adamax": False,
}


@dataclass(frozen=True)
class Schedule:
    """The learning rate as a function of the number of batches seen, `step`.

    * constant: rate
    * inverse_time: rate / (1 + decay·step/steps)
    * exponential: rate·decay^(step/steps)

    Raises `MlpperfError` for an unknown kind, a rate that is not positive, or a decay that the kind
    does not take.
    """

    rate: float = 1e-3
    kind: str = "constant"
    decay: float = 0.0
    steps: int = 1

    def __post_init__(self) -> None:
        check("schedule", [self.kind], SCHEDULES)
        if not self.rate > 0 or not np.isfinite(self.rate):
            raise MlpperfError(f"The learning rate must be a positive number, not {self.rate}.")
        if self.kind == "constant" and self.decay:
            raise MlpperfError(f"A constant schedule takes no decay, but {self.decay} was given.")
        if self.kind != "constant" and not self.decay > 0:
            raise MlpperfError(f"The schedule {self.kind} needs a decay above 0.")
        if self.steps < 1:
            raise MlpperfError(f"A schedule's steps must be at least 1, not {self.steps}.")


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

    `l1` and `l2` are the factors of Σ|W| and ΣW² for the dense hidden layers, one number for all of
    them or one for each. Keras adds l2·ΣW² to a loss that is a mean over the batch, the articles'
    NumPy program λ2/2·ΣW² to a loss that is a sum: the same network has l2 = λ2 / (2·batch size).
    Raises `MlpperfError` for something unknown or out of range, or a momentum for an optimizer that
    has none.
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
    steps_per_execution: int = 1  # batches that one call from Python trains on

    def __post_init__(self) -> None:
        check("optimizer", [self.optimizer], OPTIMIZERS)
        check("output", [self.output], ("sigmoid", "softmax"))
        activations = (self.activation, *(c.activation for c in self.convolutions))
        check("activation", activations, ("sigmoid", "tanh", "relu", "elu"))
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


# The NumPy program's λ2 = 0.01 in these terms. As l2, 0.01 would be a thousand times as much, with
# which Keras has only 64 to 74 % of the test set right.
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

    Raises `MlpperfError` if there is no TensorFlow, or a convolutional network gets images that are
    not square or too small.
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
    """Compile `model` with a new optimizer, whose moments and iterations start from nothing."""
    model.compile(
        optimizer=_optimizer(network),
        # For outputs by sigmoid, as the articles' MLPs have, Keras takes the inputs of the sigmoid
        # and applies softmax to them instead.
        loss="categorical_crossentropy",
        metrics=["accuracy"],
        steps_per_execution=network.steps_per_execution,
        jit_compile=False,  # not "auto", with which Keras decides by the device
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
