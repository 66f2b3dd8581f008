"""A training run: its epochs and predictions."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from ...errors import MlpperfError, check
from ..data.datasets import Dataset
from ..data.samples import Samples, Scaling
from .epoch import Epoch
from .equations import ACTIVATIONS, Array
from .in_place import BytesFolded, InPlace, PaddedLayers, UsedPixels
from .network import initial_weights
from .rungs import ActivationCached, BatchCosts, BiasInData, Float32, NoInputDelta, Step0
from .settings import Settings
from .team import Team
from .threads import Threads, ZerosSkipped

PREDICTED_AT_ONCE = 2_000  # samples that go through the network at a time, to limit memory
# Each is the one before with one thing replaced.
RUNGS: tuple[type[Step0], ...] = (
    Step0,
    Float32,
    NoInputDelta,
    BiasInData,
    ActivationCached,
    InPlace,
    BytesFolded,
    UsedPixels,
    PaddedLayers,
    Team,
    Threads,
    ZerosSkipped,
)


def last_rung() -> type[Step0]:
    """The highest rung of those that can train here."""
    return next(rung for rung in reversed(RUNGS) if not rung.missing())


def rung_named(name: str | None) -> type[Step0]:
    """The rung of that name, an error names the nearest; without one, the last that can train."""
    if name is None:
        return last_rung()
    known = {rung.name: rung for rung in RUNGS}
    check("rung", [name], known)
    return known[name]


class DivergedError(MlpperfError):
    """The cost is no longer finite; what was recorded before remains."""


class Run:
    """One training of a network by one rung, epoch after epoch.

    Raises `MlpperfError` if the data do not fit the settings, or the rung cannot train here.

    Parameters
    ----------
    rung : that trains; by default the last one of those that can.
    weights : W_N to start from, in the articles' shapes; by default those that the seed draws.
    samples : the training set of `data`, where it is prepared already; runs can share it.
    """

    def __init__(
        self,
        data: Dataset,
        settings: Settings,
        rung: type[Step0] | None = None,
        *,
        weights: Sequence[Array] | None = None,
        samples: Samples | None = None,
    ) -> None:
        if settings.batch_size > len(data.train_images):
            raise MlpperfError(
                f"A batch of {settings.batch_size} does not fit the "
                f"{len(data.train_images)} training samples of {data.name}."
            )
        self.data, self.settings = data, settings
        self.layers = (data.train_images.shape[1], *settings.hidden, 10)
        if weights is None:
            rng = np.random.default_rng(settings.seed)
            weights = initial_weights(self.layers, rng, np.float64, settings)
        check_shapes(weights, self.layers)
        kind = rung or last_rung()
        if lacks := kind.missing():
            raise MlpperfError(lacks)
        self.samples = samples or samples_of(data, settings)
        self.rung = kind.begin(self.samples, weights, settings)
        self.history: list[Epoch] = []
        self.trained = 0  # epochs

    @property
    def weights(self) -> list[Array]:
        """W_N in the articles' shapes, (n(N+1), n(N) + 1)."""
        return self.rung.state()[0]

    def order(self) -> Array:
        """The order (n,) of the samples in the next epoch, the same on every rung."""
        samples = len(self.samples)
        if not self.settings.shuffle:
            return np.arange(samples)
        return np.random.default_rng([self.settings.seed, len(self.history)]).permutation(samples)

    def epoch(self) -> Epoch:
        """Train for one epoch, and predict both sets afterwards if the settings ask for it.

        Raises `DivergedError` as `train` does, or if weights are no longer finite.
        """
        number, rate, order = len(self.history) + 1, self.rung.rate, self.order()
        start = time.perf_counter()
        costs = self.train(order)
        seconds = time.perf_counter() - start
        weights = self.weights
        if not all(np.isfinite(w).all() for w in weights):
            raise self._diverged(len(costs.loss))
        record = Epoch(
            epoch=number,
            cost=float(costs.loss.sum() / len(order)),
            penalty_share=float(costs.penalty.sum() / costs.loss.sum()),
            error=float(costs.error.mean()),
            learning_rate=rate,
            mean_weights=tuple(float(np.abs(w[:, 1:]).mean()) for w in weights),
            seconds=seconds,
        )
        every = self.settings.predict_every
        if number == self.settings.epochs or (every and number % every == 0):
            train, test = self.accuracies()
            record = replace(record, train_accuracy=train, test_accuracy=test)
        self.history.append(record)
        return record

    def train(self, order: Array) -> BatchCosts:
        """Train on the samples `order`, without a prediction and a record.

        Raises `DivergedError` if the cost of a batch is not finite; the message names it.
        """
        with np.errstate(over="ignore", invalid="ignore"):  # reported below
            costs = self.rung.train(order)
        self.trained += 1
        finite = np.isfinite(costs.loss)
        if not finite.all():
            raise self._diverged(int(np.argmin(finite)) + 1)
        self.rung.rate = self.settings.next_rate(self.rung.rate, self.trained - 1)
        return costs

    def _diverged(self, batch: int) -> DivergedError:
        return DivergedError(
            f"The cost is not finite in epoch {self.trained}, batch {batch}; a lower learning rate "
            "or smaller initial weights may help."
        )

    def accuracies(self) -> tuple[float, float]:
        """Shares of the training and of the test set that are classified rightly."""
        sets = (
            (self.data.train_images, self.data.train_labels),
            (self.data.test_images, self.data.test_labels),
        )
        train, test = (float(np.mean(self.predict(images) == labels)) for images, labels in sets)
        return train, test

    def predict(self, images: Array) -> Array:
        """Classes (n,) of `images` (n, pixels)."""
        return predict(self.weights, images, self.samples.scaling, self.settings)


def predict(weights: Sequence[Array], images: Array, scaling: Scaling, settings: Settings) -> Array:
    """Classes (n,) of `images` (n, pixels), from W_N in the articles' shapes; in float32."""
    activation = ACTIVATIONS[settings.activation]
    with np.errstate(over="ignore", invalid="ignore"):  # from a network that diverges
        layers: list[tuple[Array, Array]]
        layers = [
            (np.asarray(w[:, 1:], np.float64), np.asarray(w[:, 0], np.float64)) for w in weights
        ]
        if scaling.affine:  # W·(factor·x + offset) + b, so that grey values need no scaling
            (w, b), (factor, offset) = layers[0], scaling.affine
            layers[0] = w * factor, b + w @ offset
        single = [(w.astype(np.float32), b.astype(np.float32)) for w, b in layers]
        classes = []
        for start in range(0, len(images), PREDICTED_AT_ONCE):
            rows = images[start : start + PREDICTED_AT_ONCE]
            a = rows.astype(np.float32) if scaling.affine else scaling(rows)
            for i, (w, b) in enumerate(single):
                a = a @ w.T + b  # (B, n)·(n, m)
                if i < len(single) - 1:
                    activation.in_place(a)
            classes.append(a.argmax(axis=1))  # the sigmoid of the output layer does not change that
    return np.concatenate(classes)


def samples_of(data: Dataset, settings: Settings) -> Samples:
    """The training set of `data` with the scaling that `settings` ask for, as a rung needs it."""
    scaling = Scaling(settings.scaler, data.train_images)
    return Samples(data.train_images, data.train_labels, 10, scaling)


def check_shapes(weights: Sequence[Array], layers: Sequence[int]) -> None:
    """Raise `MlpperfError` unless these are weights of a network with `layers` nodes."""
    wanted = [(m, n + 1) for n, m in pairwise(layers)]
    given = [w.shape for w in weights]
    if given != wanted:
        raise MlpperfError(f"The weights have the shapes {given}; this network needs {wanted}.")
