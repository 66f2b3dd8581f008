"""The articles' Keras networks, each built from one settings object.

MLPs with two and four hidden layers (Step I), and two convolutional networks (CNN II and CNN III).
TensorFlow is loaded by the functions that need it; settings can be made and checked without.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...devices import tensorflow
from ...errors import MlpperfError, check

Array = NDArray[Any]
OPTIMIZERS = {  # whether each takes a momentum
    "sgd": True,
    "rmsprop": True,
    "nadam": False,
    "adamax": False,
}


@dataclass(frozen=True)
class Convolution:
    """A convolutional layer, and whether its maps are halved by max-pooling afterwards."""

    maps: int
    kernel: int = 3
    pool: int = 0  # side of the pooling window; 0 for none


@dataclass(frozen=True)
class Network:
    """A Keras network and how it is trained.

    The learning rate is `learning_rate` / (1 + `decay`·batches seen). `l2` is the factor of ΣW² for
    the dense hidden layers. Keras adds l2·ΣW² to a loss that is a mean over the batch; the NumPy
    program of the articles adds λ2/2·ΣW² to a sum, so the same network has l2 = λ2 / (2·batch
    size). Raises `MlpperfError` for something unknown or out of range, or a momentum for an
    optimizer that has none.
    """

    dense: tuple[int, ...] = (70, 30)
    convolutions: tuple[Convolution, ...] = ()
    activation: str = "sigmoid"
    output: str = "sigmoid"
    l2: float = 0.0
    optimizer: str = "rmsprop"
    momentum: float = 0.0
    learning_rate: float = 1e-3
    decay: float = 0.0
    batch_size: int = 500
    epochs: int = 35
    seed: int = 0
    steps_per_execution: int = 1  # batches that one call from Python trains on

    def __post_init__(self) -> None:
        check("optimizer", [self.optimizer], OPTIMIZERS)
        check("output", [self.output], ("sigmoid", "softmax"))
        check("activation", [self.activation], ("sigmoid", "tanh", "relu", "elu"))
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
        if min(self.l2, self.momentum, self.decay) < 0:
            raise MlpperfError("l2, momentum and decay must not be negative.")
        if not self.learning_rate > 0 or not np.isfinite(self.learning_rate):
            rate = self.learning_rate
            raise MlpperfError(f"The learning rate must be a positive number, not {rate}.")


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
    decay=1e-3,
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
            model.add(layers.Conv2D(c.maps, c.kernel, activation="relu"))
            if c.pool:
                model.add(layers.MaxPooling2D(c.pool))
        if network.convolutions:
            model.add(layers.Flatten())
    except ValueError as reason:
        raise MlpperfError(f"Images of {pixels} pixels are too small for it.") from reason
    for nodes in network.dense:
        penalty = keras.regularizers.L2(network.l2) if network.l2 else None
        model.add(layers.Dense(nodes, activation=network.activation, kernel_regularizer=penalty))
    model.add(layers.Dense(classes, activation=network.output))
    model.compile(
        optimizer=_optimizer(network),
        # For outputs by sigmoid, as the articles' MLPs have, Keras takes the inputs of the sigmoid
        # and applies softmax to them instead.
        loss="categorical_crossentropy",
        metrics=["accuracy"],
        steps_per_execution=network.steps_per_execution,
        jit_compile=False,  # not "auto", with which Keras decides by the device
    )
    return model


def _optimizer(network: Network) -> Any:
    keras = tensorflow().keras
    rate: Any = network.learning_rate
    if network.decay:
        rate = keras.optimizers.schedules.InverseTimeDecay(rate, 1, network.decay)
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
