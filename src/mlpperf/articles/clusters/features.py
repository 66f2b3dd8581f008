"""Cluster distances as input features: what ANN XIV puts in front of the network.

The distances of an image to the centres of K clusters say nearly as much about it as its 784
pixels. With K inputs instead of 784 the first weight matrix, which takes most of the time, is so
much smaller. The clusters are those of the training images, found without labels. Before training
the network's own scaler normalises the distances, as it does with any features.
"""

from __future__ import annotations

import numbers
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.cluster import MiniBatchKMeans
from sklearn.utils.validation import check_is_fitted, validate_data
from threadpoolctl import threadpool_limits

from ...errors import MlpperfError, check
from ...parallel import in_parallel
from ..data.datasets import Dataset, Features, warn_of_few
from ..data.samples import Scaling
from .distances import CHUNK, centres_ready, distances_into

Array = NDArray[Any]
# One cluster has its centre at the mean of all samples, and the distance to it is of little use.
FEWEST_CLUSTERS = 2
SCALERS = ("standard", "per_sample")


class UnusableFeaturesError(MlpperfError, ValueError):
    """Samples that have no clusters or no distances.

    A ValueError as well, because that is what scikit-learn expects of an estimator.
    """


class ClusterDistances(
    ClassNamePrefixFeaturesOutMixin,  # type: ignore[misc]
    TransformerMixin,  # type: ignore[misc]
    BaseEstimator,  # type: ignore[misc]
):
    """Distances to the centres of clusters, as a transformer for scikit-learn's pipelines.

    `fit` finds the centres by `MiniBatchKMeans`, on one thread; `transform` computes √‖x − c‖² in
    float32, chunk by chunk on all threads (`mlpperf show cluster_distances`).

    Parameters
    ----------
    n_clusters : int
        K, at least 2.
    scaler : None, "standard" or "per_sample"
        In which features to look for clusters: in those of X, standardised ones (mean 0, variance
        1), or samples of length 1, so that the same digit in thin strokes is not far away.
    n_init : int
        Sets of centres to start from; the best one is taken.
    batch_size : int
        Samples in a batch of `MiniBatchKMeans`.
    random_state : int, RandomState or None
        Of the centres to start from and of the batches.

    Attributes
    ----------
    cluster_centers_ : (K, n) float32
        In the scaled features.
    affine_ : (2, n) float32, or None
        Factor and offset by which features are standardised.
    n_features_in_ : int

    Raises
    ------
    MlpperfError
        By `fit` and `transform`, if a parameter is out of range, samples are not finite, all the
        same or fewer than clusters, or have another number of features than those of `fit`.
    """

    def __init__(
        self,
        n_clusters: int = 70,
        *,
        scaler: str | None = None,
        n_init: int = 1,
        batch_size: int = 1024,
        random_state: Any = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.scaler = scaler
        self.n_init = n_init
        self.batch_size = batch_size
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Find the centres in X (samples, n); y is ignored."""
        x = self._checked(X, reset=True)
        least = {"n_clusters": FEWEST_CLUSTERS, "n_init": 1, "batch_size": 1}
        for name, lowest in least.items():
            value = getattr(self, name)
            if not isinstance(value, numbers.Integral) or value < lowest:
                raise UnusableFeaturesError(
                    f"{name} must be a whole number of at least {lowest}, not {value!r}."
                )
        if self.n_clusters > len(x):
            raise UnusableFeaturesError(
                f"{self.n_clusters} clusters cannot be found in n_samples={len(x)}; "
                "there must be at least as many samples."
            )
        if (x[:1] == x).all():
            raise UnusableFeaturesError(
                f"All samples are the same (n_samples={len(x)}): there are no clusters."
            )
        if self.scaler is not None:
            check("scaler of images", [self.scaler], SCALERS)
        affine = Scaling("standard", x).affine if self.scaler == "standard" else None
        self.affine_ = None if affine is None else np.asarray(affine, np.float32)
        search = MiniBatchKMeans(
            self.n_clusters,
            n_init=self.n_init,
            batch_size=self.batch_size,
            random_state=self.random_state,
            compute_labels=False,
        )
        # Its batches are so small that threads gain little on a quiet machine. On a busy one they
        # wait for one another many times longer than they work.
        with threadpool_limits(1):
            search.fit(self.scaled(x))
        self.cluster_centers_: Array = search.cluster_centers_
        return self

    def transform(self, X: ArrayLike) -> Array:
        """Distances (samples, K), float32, of X (samples, n)."""
        check_is_fitted(self)
        x = self._checked(X, reset=False)
        centres = centres_ready(self.cluster_centers_)
        distances = np.empty((len(x), len(centres.at)), np.float32)

        def work(rows: Array, out: Array) -> None:
            chunk = np.empty((min(CHUNK, len(rows)), x.shape[1]), np.float32)
            sizes = np.empty((len(chunk), out.shape[1]), np.float32)
            for start in range(0, len(rows), CHUNK):
                part = rows[start : start + CHUNK]
                scaled = self.scaled(part, chunk[: len(part)])
                target = out[start : start + CHUNK]
                distances_into(scaled, centres, target, sizes[: len(part)])

        with np.errstate(over="ignore", invalid="ignore"):  # reported below
            in_parallel(work, x, distances, products=True)
        if not np.isfinite(distances.max()):
            raise UnusableFeaturesError(
                "X holds values too large for float32: their squares are infinite."
            )
        return distances

    def _checked(self, X: ArrayLike, *, reset: bool) -> Array:
        try:
            x: Array = validate_data(self, X, reset=reset, dtype="numeric")
        except ValueError as reason:
            what, *hints = str(reason).strip().splitlines()
            kept = [hint for hint in hints if hint.startswith("Reshape your data")]
            raise UnusableFeaturesError(" ".join([what, *kept])) from reason
        return x

    def scaled(self, x: Array, out: Array | None = None) -> Array:
        """`x` (samples, n) in float32, scaled as for the search for clusters; in `out` if given."""
        if out is None:
            out = np.empty(x.shape, np.float32)
        np.copyto(out, x, casting="same_kind")
        if self.affine_ is not None:
            out *= self.affine_[0]
            out += self.affine_[1]
        elif self.scaler == "per_sample":
            lengths = np.sqrt(np.vecdot(out, out))
            out /= np.where(lengths > 0, lengths, 1)[:, None]
        return out

    @property
    def _n_features_out(self) -> int:
        """The number of names that `get_feature_names_out` gives."""
        return len(self.cluster_centers_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


def in_clusters(data: Dataset, clusters: int | ClusterDistances, seed: int = 0) -> Features:
    """`data` as distances to the centres of a fitted transformer, or of this many clusters.

    In the second case they are searched for in the training images, scaled to length 1. With
    clusters of unscaled grey values, the network took more than twice as many epochs to 97.4 % of
    MNIST, and with those of standardised pixels even more. Raises `MlpperfError` as
    `ClusterDistances` does.

    Warns
    -----
    FewClustersWarning
        If there are fewer distances than classes.
    """
    transformer = clusters
    if not isinstance(transformer, ClusterDistances):
        transformer = ClusterDistances(transformer, scaler="per_sample", random_state=seed)
        transformer.fit(data.train_images)
    train, test = (transformer.transform(x) for x in (data.train_images, data.test_images))
    count = train.shape[1]
    warn_of_few(count)
    of = "" if data.name == "mnist" else f":{data.name}"
    return Features(f"clusters:{count}{of}", train, data.train_labels, test, data.test_labels)
