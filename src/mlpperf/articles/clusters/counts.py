"""How many clusters? Seconds, inertia and silhouette over their number K, and the elbow (ANN XIV).

The inertia, the sum of squared distances to the nearest centre, falls with every further cluster.
Where it falls steeply at first and slowly afterwards, the bend between the two, the *elbow*, is a
reasonable K. But every curve that flattens bends most somewhere. Where the data themselves prefer
no number, that place moves with the range of K. So the elbow is computed twice, over the whole
range and over its lower half, and believed if both agree.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ...errors import MlpperfError
from ..data.datasets import Dataset

# Fewest numbers of clusters in a curve with an elbow: of four, only the two between the ends could
# be one.
FEWEST_POINTS = 5
SCALER = "per_sample"  # each image to length 1: with others, the network learns more slowly
SAMPLE = 2_000  # training images that the silhouette is averaged over, because all take minutes


def require_clusters(count: int, data: Dataset) -> None:
    """Raise `MlpperfError` if there cannot be `count` clusters in the training set of `data`."""
    samples = len(data.train_images)
    if not 2 <= count <= samples:
        raise MlpperfError(
            f"There can be 2 to {samples} clusters in the {samples} training samples of "
            f"{data.name}, not {count}."
        )


def check_counts(counts: Sequence[int], data: Dataset) -> None:
    """Raise `MlpperfError` unless `measure` can try all `counts`."""
    if not counts:
        raise MlpperfError("There is no number of clusters to try: the range is empty.")
    for count in counts:
        require_clusters(count, data)


def measure(data: Dataset, count: int, seed: int) -> dict[str, Any]:
    """Find `count` clusters in the training images: what that costs, and how good they are.

    Raises `MlpperfError` as `ClusterDistances` does.

    Returns
    -------
    The arguments, how images were scaled, the number of those that the silhouette is averaged over,
    and
    `fit_seconds`, `transform_seconds` : for finding the centres, and for all distances to them.
    `inertia` : sum over all training images of the squared distance to the nearest centre.
    `silhouette` : average over `SAMPLE` training images that the seed draws; None where it is not
    defined, because all of them lie in one cluster or each in its own.
    Inertia and silhouette are those of the scaled features, in which the clusters are.
    """
    from sklearn.metrics import silhouette_score

    from .features import ClusterDistances

    images = data.train_images
    start = time.perf_counter()
    transformer = ClusterDistances(count, scaler=SCALER, random_state=seed).fit(images)
    fitted = time.perf_counter()
    distances = transformer.transform(images)
    transformed = time.perf_counter()
    drawn = np.random.default_rng(seed).permutation(len(images))[:SAMPLE]
    labels = distances[drawn].argmin(axis=1)
    several = 2 <= len(np.unique(labels)) < len(labels)
    return {
        "clusters": count,
        "seed": seed,
        "scaler": SCALER,
        "fit_seconds": fitted - start,
        "transform_seconds": transformed - fitted,
        "inertia": float(np.square(distances.min(axis=1), dtype=np.float64).sum()),
        "silhouette": float(silhouette_score(transformer.scaled(images[drawn]), labels))
        if several
        else None,
        "silhouette_samples": len(drawn),
    }


class Elbow(NamedTuple):
    """The K at which a curve bends most, over its whole range and its lower half; None: nowhere."""

    whole: int | None
    half: int | None

    @property
    def clear(self) -> bool:
        """Whether the lower half alone has the same one."""
        return self.whole is not None and self.whole == self.half


def elbow(counts: Sequence[int], inertias: Sequence[float]) -> Elbow | None:
    """The elbow of `inertias` over ascending `counts`; None for too few of them.

    By the algorithm Kneedle (Satopää et al., ICDCS Workshops 2011).
    """
    half = -(-len(counts) // 2)  # rounded up
    if half < FEWEST_POINTS:
        return None
    return Elbow(_knee(counts, inertias), _knee(counts[:half], inertias[:half]))


def _knee(counts: Sequence[int], inertias: Sequence[float]) -> int | None:
    from kneed import KneeLocator

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library warns where there is no elbow
        knee = KneeLocator(counts, inertias, curve="convex", direction="decreasing").knee
    return None if knee is None else int(knee)
