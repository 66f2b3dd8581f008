"""Every setting of the articles' program, under the field's names, checked when it is made.

`train` makes its options from it before the number of threads is set, so it imports no NumPy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from ...errors import MlpperfError, check

# The keys of what has these names in `equations` and `samples`, without the imports of those.
ACTIVATIONS = ("sigmoid", "tanh", "relu")
LOSSES = ("log", "mse")
SCALERS = ("standard", "minmax", "per_sample")
INITS = ("sqrt_nodes", "constant")


@dataclass(frozen=True)
class Settings:
    """How a network is built and trained; the defaults are those of the articles' measured runs.

    Raises `MlpperfError` for a setting that is unknown or out of range.

    Attributes
    ----------
    hidden : nodes of the hidden layers.
    activation : sigmoid, tanh or relu in the hidden layers; the output layer is always sigmoid.
    loss : log (cross-entropy) or mse (½ of the squared differences), summed over the batch.
    l1 : factor of Σ|W| in the loss; bias weights are left out.
    l2 : factor of ½·ΣW² in the loss; bias weights are left out.
    learning_rate : at the start; at most 2 ÷ batch size unless it is given.
    decrease : after epoch e (from 0) the learning rate is multiplied by 1 − decrease·e.
    momentum : share of the previous batch's step that is taken once more.
    init : weights are uniform in ±factor/√(nodes below) (sqrt_nodes) or in ±factor (constant).
    init_factor : that factor.
    scaler : standard (mean 0, variance 1 per pixel), minmax (0 to 1 per pixel) or per_sample
        (each image to length 1), fitted on the training images.
    shuffle : draw new batches every epoch.
    batch_size : samples in a batch; the last one of an epoch may be shorter.
    epochs : passes over the training set.
    predict_every : epochs between two predictions of the whole training and test set; 0 for the
        end only.
    seed : of the weights and of every epoch's order.
    """

    hidden: tuple[int, ...] = (70, 30)
    activation: str = "sigmoid"
    loss: str = "log"
    l1: float = 0.0
    l2: float = 0.01
    learning_rate: float = 1e-3
    decrease: float = 1e-6
    momentum: float = 5e-5
    init: str = "sqrt_nodes"
    init_factor: float = 2.0
    scaler: str = "standard"
    shuffle: bool = True
    batch_size: int = 500
    epochs: int = 35
    predict_every: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        check("activation", [self.activation], ACTIVATIONS)
        check("loss", [self.loss], LOSSES)
        check("initialisation", [self.init], INITS)
        check("scaler", [self.scaler], SCALERS)
        if any(nodes < 1 for nodes in self.hidden):
            raise MlpperfError(f"Every hidden layer needs at least one node, not {self.hidden}.")
        for name, least in (("batch_size", 1), ("epochs", 1), ("predict_every", 0), ("seed", 0)):
            if getattr(self, name) < least:
                raise MlpperfError(f"{name} must be at least {least}, not {getattr(self, name)}.")
        for name in ("l1", "l2", "learning_rate", "decrease", "momentum", "init_factor"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise MlpperfError(f"{name} must be a finite number of at least 0, not {value}.")
        if not self.learning_rate or not self.init_factor:
            raise MlpperfError("learning_rate and init_factor must be above 0.")

    def next_rate(self, rate: float, epoch: int) -> float:
        """The learning rate after epoch `epoch` (from 0), given the rate in it."""
        return rate * (1 - self.decrease * epoch)

    def with_batch(self, batch_size: int) -> Settings:
        """The same with that batch size, and the learning rate that goes with it.

        Losses are summed over a batch, so the articles' rate diverges where a batch has thousands
        of samples. They took 1e-3 at 500 and 1e-4 at 20,000: no more than 2 ÷ batch size.
        """
        rate = min(type(self).learning_rate, 2 / max(batch_size, 1))
        return replace(self, batch_size=batch_size, learning_rate=rate)

    def with_clusters(self, clusters: int, inputs: int) -> Settings:
        """The same for distances to `clusters` centres in the place of `inputs` features.

        Fewer inputs need larger weights for the same Z, and the regularisation counts their
        squares. The articles' rule of thumb (ANN XIV): λ2·K / inputs.
        """
        return replace(self, l2=self.l2 * clusters / inputs)


ARTICLE = Settings()
