"""How many clusters? Seconds, inertia, silhouette over K, and the elbow, if any (ANN XIV).

The inertia falls with every further cluster. Where it falls steeply at first and slowly later, the
bend between is a reasonable K, the *elbow*. But any curve that flattens has a point of strongest
bend, and where nothing in the data decides it, it depends on how far one looks. So the elbow is
looked for twice, over the whole range and over its lower half.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ...errors import MlpperfError
from ..data.datasets import Dataset

FEWEST_POINTS = 5  # of a curve that an elbow is looked for in


def check_counts(counts: Sequence[int], data: Dataset, sample: int) -> None:
    """Raise `MlpperfError` if `measure` cannot take these numbers."""
    samples = len(data.train_images)
    if not counts:
        raise MlpperfError("There is no number of clusters to try: the range is empty.")
    if min(counts) < 2 or max(counts) > samples:
        wrong = min(counts) if min(counts) < 2 else max(counts)
        raise MlpperfError(
            f"There can be 2 to {samples} clusters in the {samples} training samples of "
            f"{data.name}, not {wrong}."
        )
    if not 2 <= sample <= samples:
        raise MlpperfError(
            f"The silhouette needs a sample of 2 to {samples} training samples, not {sample}."
        )


def measure(
    data: Dataset, count: int, seed: int, scaler: str | None, sample: int
) -> dict[str, Any]:
    """What `count` clusters cost and how good they are; only training images are looked at.

    Times are seconds. The inertia is the sum over all training images of D² to the nearest centre,
    the silhouette is averaged over `sample` of them, drawn by the seed; None where all of them lie
    in one cluster. Both in the scaled features in which the clusters were found.

    Raises
    ------
    MlpperfError
        As `ClusterDistances` does.
    """
    from sklearn.metrics import silhouette_score

    from .features import ClusterDistances

    images = data.train_images
    start = time.perf_counter()
    transformer = ClusterDistances(count, scaler=scaler, random_state=seed).fit(images)
    fitted = time.perf_counter()
    distances = transformer.transform(images)
    transformed = time.perf_counter()
    drawn = np.random.default_rng(seed).permutation(len(images))[:sample]
    labels = distances[drawn].argmin(axis=1)
    several = 2 <= len(np.unique(labels)) < len(labels)
    return {
        "clusters": count,
        "seed": seed,
        "scaler": scaler,
        "fit_seconds": fitted - start,
        "transform_seconds": transformed - fitted,
        "inertia": float(np.square(distances.min(axis=1), dtype=np.float64).sum()),
        "silhouette": float(silhouette_score(transformer.scaled(images[drawn]), labels))
        if several
        else None,
        "silhouette_samples": len(drawn),
    }


class Elbow(NamedTuple):
    """Where a curve bends most: over the whole range, and over the lower half; None for nowhere."""

    whole: int | None
    half: int | None

    @property
    def clear(self) -> bool:
        """Whether it stays where it is when one looks less far."""
        return self.whole is not None and self.whole == self.half


def elbow(counts: Sequence[int], inertias: Sequence[float]) -> Elbow | None:
    """The elbow by Kneedle (Satopää et al., ICDCS Workshops 2011); None for too few points.

    `counts` ascend.
    """
    half = -(-len(counts) // 2)
    if half < FEWEST_POINTS:
        return None
    return Elbow(_knee(counts, inertias), _knee(counts[:half], inertias[:half]))


def _knee(counts: Sequence[int], inertias: Sequence[float]) -> int | None:
    from kneed import KneeLocator

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there is none
        found = KneeLocator(counts, inertias, curve="convex", direction="decreasing").knee
    return None if found is None else int(found)
