"""Distances to the cluster centres.

With its distances to 70 cluster centres instead of its 784 pixels an image needs a first weight
matrix eleven times smaller, and the articles' network reached its accuracy 14 times sooner (ANN
XIV). The transformation is paid once per training, and again for every image to be classified.

scikit-learn takes √(‖x‖² − 2·x·c + ‖c‖²) in float64 for float32 images, too, because where an image
lies near a centre three large numbers cancel. In float32 the product is twice as fast; what cancels
can be found by its size, and is so rare that it may be computed again from the differences.

Shapes: images X (B, 784), centres C (K, 784), result (B, K); as many centres as L1 has nodes, 70.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.random import Generator

from ..agreement import Arrays
from ..articles.clusters.distances import CHUNK, NEAR, Centres, centres_ready, distances_into
from ..articles.data import datasets as data
from ..articles.mlp.equations import Array
from ..articles.mlp.network import NetworkCase, batch_cases, training_set
from ..hotpath import Args, Cost, HotPath, Variant
from ..parallel import in_parallel

TRAINING = 60_000  # images of MNIST's training set; the test set is transformed, too


def euclidean_distances(x: Array, centres: Array) -> Arrays:
    """What scikit-learn's `transform` does once it has examined X: float64 inside."""
    from sklearn.metrics import pairwise  # loading it takes a second

    return (pairwise.euclidean_distances(x, centres),)


def product(x: Array, centres: Centres) -> Arrays:
    """One product in float32, all images at once, in new arrays."""
    out = np.empty((len(x), len(centres.at)), dtype=x.dtype)
    distances_into(x, centres, out, np.empty_like(out))
    return (out,)


def chunked(x: Array, centres: Centres, out: Array) -> Arrays:
    """The same in chunks that stay in the cache from the product to the root."""
    sizes = np.empty((min(CHUNK, len(x)), out.shape[1]), dtype=x.dtype)
    for start in range(0, len(x), CHUNK):
        rows = x[start : start + CHUNK]
        distances_into(rows, centres, out[start : start + CHUNK], sizes[: len(rows)])
    return (out,)


def threaded(x: Array, centres: Centres, out: Array) -> Arrays:
    """The chunks shared among threads, each with a BLAS of one thread: all of it is shared."""
    in_parallel(lambda rows, part: chunked(rows, centres, part), x, out, products=True)
    return (out,)


def with_squares(x: Array, centres: Array) -> Args:
    """‖c‖² and −2·Cᵀ: once per set of clusters."""
    return x, centres_ready(centres)


def with_buffer(x: Array, centres: Array) -> Args:
    """The same, and a buffer for the result: once per training."""
    return x, centres_ready(centres), np.empty((len(x), len(centres)), dtype=x.dtype)


def inputs(case: NetworkCase, rng: Generator) -> Args:
    """Standardised images of the training set, then of the test set; centres near some of them."""
    full = training_set(replace(case, batch=min(case.batch, TRAINING)))
    x = full.x[rng.permutation(len(full.x))[: case.batch]]
    if case.batch > len(x):
        deviation = np.where(full.deviation > 0, full.deviation, 1)
        test = data.load(case.data).test_images[: case.batch - len(x)]
        x = np.concatenate([x, ((test - full.mean) / deviation).astype(x.dtype)])
    return x, centres_of(full.x[:5_000], case.layers[1], rng)


def centres_of(x: Array, count: int, rng: Generator) -> Array:
    """`count` centres, (count, n): one step of k-means from randomly drawn images."""
    drawn = x[rng.integers(len(x), size=count)]
    nearest = np.argmin(np.square(drawn).sum(axis=1) - 2 * x @ drawn.T, axis=1)
    members = (x[nearest == k] for k in range(count))
    return np.stack([m.mean(axis=0) if len(m) else drawn[k] for k, m in enumerate(members)])


def cost(case: NetworkCase) -> Cost:
    """Images and centres in, distances out; one product.

    ‖x‖², ‖c‖² and 2·x·c are sums of n products each. With S = ‖x‖² + ‖c‖², rounding of mean zero
    makes each wrong by λ·u·√n times ‖x‖², ‖c‖² and 2·‖x‖·‖c‖, together at most λ·u·√(1.5·n)·S. Of
    D² ≥ NEAR·S that is the share λ·u·√(1.5·n)/NEAR, of D half of it: what `depth` makes of the
    tolerance, 2·λ·u·√depth. It stays below 1e-4 for every single distance.
    """
    samples, n, count = case.batch, case.layers[0], case.layers[1]
    moved = samples * n + count * n + samples * count
    depth = math.ceil(1.5 * n / (4 * NEAR) ** 2)
    return Cost(4 * moved, ((count, n, samples),), depth, written=4 * samples * count)


PATH = HotPath(
    name="cluster_distances",
    story=__doc__,
    reference=euclidean_distances,
    variants=(
        Variant(product, prepare=with_squares),
        Variant(chunked, prepare=with_buffer),
        Variant(threaded, prepare=with_buffer),
    ),
    inputs=inputs,
    cases=batch_cases(1, 487, 500, 20_000, 70_000),
    cost=cost,
)
