"""What one pass over the training set records."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Epoch:
    """What one pass over the training set recorded."""

    epoch: int  # from 1
    cost: float  # loss with regularisation, per sample
    penalty_share: float | None  # regularisation ÷ cost; None where that is not finite
    error: float  # mean of |Y − A|
    learning_rate: float
    mean_weights: tuple[float, ...]  # mean of |W| without biases, per layer, after the epoch
    seconds: float  # of training; predictions do not count
    train_accuracy: float | None = None
    test_accuracy: float | None = None
