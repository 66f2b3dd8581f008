"""The articles' network in its plainest form, and the real data that every hot path works on.

Shapes are nodes × samples, as in the articles. With B samples in a batch and n(N) nodes in layer N:

* A_N, activations of layer N: (n(N), B), or (n(N) + 1, B) with a first row of ones for the bias
* W_N, weights between layers N and N + 1: (n(N+1), n(N) + 1), the bias weights in column 0
* Z_{N+1} = W_N · [1; A_N], weighted inputs of layer N + 1: (n(N+1), B)
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import DTypeLike
from scipy.special import expit

from ...errors import MlpperfError
from ...hotpath import Args, Case, Cost
from ..data import datasets as data
from ..data.samples import Samples, Scaling
from .equations import Array
from .settings import ARTICLE, Settings

Weights = tuple[Array, ...]
ARTICLE_LAYERS = (784, 70, 30, 10)
HYPER = ARTICLE  # the settings with which hot paths are timed


@dataclass(frozen=True)
class NetworkCase(Case):
    """`batch` samples of the data set `data` through a network of `layers` nodes."""

    layers: tuple[int, ...] = ARTICLE_LAYERS
    data: str = "mnist"

    def __post_init__(self) -> None:
        if self.batch < 1 or len(self.layers) < 2 or min(self.layers) < 1:
            raise MlpperfError(
                "A case needs at least one sample and two layers of at least one node, "
                f"not batch={self.batch}, layers={self.layers}."
            )

    @property
    def name(self) -> str:
        """Such as `batch-500` or `batch-500-784x200x10`."""
        shape = "" if self.layers == ARTICLE_LAYERS else "-" + "x".join(map(str, self.layers))
        return f"{super().name}{shape}" + ("" if self.data == "mnist" else f"-{self.data}")


def batch_cases(*sizes: int) -> tuple[NetworkCase, ...]:
    """Batches of these sizes through the articles' network."""
    return tuple(map(NetworkCase, sizes))


class TrainingSet(NamedTuple):
    """The data in all the forms that hot paths start from; n samples."""

    images: Array  # uint8 (n, pixels)
    mean: Array  # of each pixel, (pixels,)
    deviation: Array  # of each pixel, (pixels,)
    x: Array  # standardised (n, pixels)
    y: Array  # one-hot labels (nodes of the output layer, n)


def training_set(case: NetworkCase, dtype: DTypeLike = np.float32) -> TrainingSet:
    """The whole training set that `case` draws its batches from.

    Raises `MlpperfError` if it has fewer samples than a batch, or another number of pixels than the
    first layer.
    """
    # Synthetic sets come in any size: as many samples and pixels as the case needs.
    size = (max(case.batch, 64), case.layers[0]) if case.data == "synthetic" else None
    full = _full(case.data, size, case.layers[-1], np.dtype(dtype))
    samples, pixels = full.x.shape
    if case.batch > samples or pixels != case.layers[0]:
        raise MlpperfError(
            f"Case {case.name} wants {case.batch} samples of {case.layers[0]} pixels; "
            f"{case.data} has {samples} of {pixels}."
        )
    return full


@lru_cache(maxsize=4)  # float32 and float64 of two sets; MNIST takes 188 and 376 MB
def _full(
    name: str, size: tuple[int, int] | None, classes: int, dtype: np.dtype[Any]
) -> TrainingSet:
    samples = _samples(name, size, classes)
    images, x, y = samples.images, samples.scaled(dtype), samples.one_hot(dtype)
    return TrainingSet(images, images.mean(axis=0), images.std(axis=0), x, y)


@lru_cache(maxsize=2)
def _samples(name: str, size: tuple[int, int] | None, classes: int) -> Samples:
    loaded = data.synthetic(size[0], pixels=size[1]) if size else data.load(name)
    labels = loaded.train_labels % classes  # fewer outputs than digits: classes fold
    return Samples(loaded.train_images, labels, classes, Scaling("standard", loaded.train_images))


def initial_weights(
    layers: tuple[int, ...],
    rng: Generator,
    dtype: DTypeLike = np.float32,
    settings: Settings = HYPER,
) -> Weights:
    """Weights W_N (n(N+1), n(N) + 1), uniform in ±factor/√n(N) or in ±factor."""
    weights = []
    for n, m in pairwise(layers):
        limit = settings.init_factor / (np.sqrt(n) if settings.init == "sqrt_nodes" else 1)
        weights.append(rng.uniform(-limit, limit, size=(m, n + 1)).astype(dtype))
    return tuple(weights)


def flatten(arrays: Weights) -> tuple[Array, Weights]:
    """One vector that holds all `arrays`, and views of it in their shapes."""
    vector = np.concatenate([a.ravel() for a in arrays])
    ends = np.cumsum([0, *(a.size for a in arrays)])
    views = (vector[i:j].reshape(a.shape) for (i, j), a in zip(pairwise(ends), arrays, strict=True))
    return vector, tuple(views)


def forward(a: Array, weights: Weights) -> tuple[Weights, Weights]:
    """All Z_{N+1} and A_{N+1} without bias rows, from A_0 (n(0), B): the plain equations.

    Z_{N+1} = W_N[:, 1:] · A_N + W_N[:, 0] and A_{N+1} = σ(Z_{N+1}).
    """
    zs, activations = [], []
    for w in weights:
        z = w[:, 1:] @ a + w[:, :1]  # (m, n)·(n, B) + (m, 1) = (m, B)
        a = expit(z)
        zs.append(z)
        activations.append(a)
    return tuple(zs), tuple(activations)


class Batch(NamedTuple):
    """One real batch on its way through the network, everything in float32 and C order."""

    rows: Array  # (B, n(0)): gathered standardised samples
    y: Array  # (n(E), B): one-hot labels
    weights: Weights
    z: Weights  # Z_1 … Z_E
    a: Weights  # A_1 … A_E


def batch(case: NetworkCase, rng: Generator) -> Batch:
    """A random batch of the training set, fresh weights, and what the forward pass makes of it."""
    full = training_set(case)
    index = rng.permutation(len(full.x))[: case.batch]
    weights = initial_weights(case.layers, rng)
    rows = full.x[index]  # (B, n(0))
    z, a = forward(rows.T, weights)
    return Batch(rows, np.ascontiguousarray(full.y[:, index]), weights, z, a)


def step_inputs(case: NetworkCase, rng: Generator, dtype: DTypeLike = np.float64) -> Args:
    """What one training step starts from: x, y, the batch's indices, weights, momentum.

    x is (n, n(0)), y (n(E), n), the index (B,); weights and momentum one array per layer.
    """
    full = training_set(case, dtype)
    index = rng.permutation(len(full.x))[: case.batch]
    weights = initial_weights(case.layers, rng, dtype)
    # Of the size that training has, so that forgetting it shows.
    momentum = tuple(
        (HYPER.learning_rate * rng.standard_normal(w.shape)).astype(dtype) for w in weights
    )
    return full.x, full.y, index, weights, momentum


def step_cost(case: NetworkCase) -> Cost:
    """One training step: three products per layer but the first, which needs no delta below it."""
    nodes = list(pairwise(case.layers))
    products = [(m, n, case.batch) for n, m in nodes]  # forward
    products += [(m, case.batch, n) for n, m in nodes]  # gradient
    products += [(n, m, case.batch) for n, m in nodes[1:]]  # delta
    weights = sum(m * (n + 1) for n, m in nodes)
    moved = case.layers[0] * case.batch + 4 * weights  # rows; weights and momentum, in and out
    depth = sum(case.layers) + case.batch
    return Cost(4 * moved, tuple(products), depth, written=4 * 2 * weights)
