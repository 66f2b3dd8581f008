"""Training samples as a rung needs them: grey values, labels, and how to scale."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ...errors import MlpperfError, check

Array = NDArray[Any]
# Samples that are scaled at a time in float64; of MNIST these copies take 13 MB.
SCALING_CHUNK = 2_000

SCALERS = ("standard", "minmax", "per_sample")


class Scaling:
    """A scaler of scikit-learn, fitted on `images` in chunks, so that no large copy is made.

    Raises `MlpperfError` for an unknown kind of scaler, or images that are not finite.
    """

    def __init__(self, kind: str, images: Array) -> None:
        from sklearn import preprocessing

        makers: dict[str, Any] = {
            "standard": preprocessing.StandardScaler,
            "minmax": preprocessing.MinMaxScaler,
            "per_sample": preprocessing.Normalizer,
        }
        check("scaler", [kind], SCALERS)
        self.kind = kind
        self._scaler = makers[kind]()
        if kind != "per_sample":
            for start in range(0, len(images), SCALING_CHUNK):
                rows = images[start : start + SCALING_CHUNK]
                _require_finite(rows)
                self._scaler.partial_fit(rows.astype(np.float64))

    def __call__(
        self, images: Array, dtype: DTypeLike = np.float32, used: Array | None = None
    ) -> Array:
        """`images` (n, pixels), scaled in float64 and cast to `dtype`; only the pixels in `used`.

        Raises `MlpperfError` if the images hold NaN or infinity.
        """
        columns: Any = slice(None) if used is None else used
        scaled = np.empty((len(images), images.shape[1] if used is None else used.sum()), dtype)
        for start in range(0, len(images), SCALING_CHUNK):
            rows = images[start : start + SCALING_CHUNK]
            _require_finite(rows)
            transformed = self._scaler.transform(rows.astype(np.float64))
            scaled[start : start + SCALING_CHUNK] = transformed[:, columns]
        return scaled

    def used_pixels(self, images: Array) -> Array:
        """Mask (pixels,) of those pixels that are not 0 in all of the scaled `images`."""
        lowest, highest = images.min(axis=0), images.max(axis=0)
        zero = self._scaler.transform(images[:1].astype(np.float64))[0].astype(np.float32) == 0
        constant = (lowest == highest) & zero
        if self.kind == "per_sample":  # a constant pixel is divided by each image's length
            constant &= highest == 0
        return np.asarray(~constant)

    @cached_property
    def affine(self) -> tuple[Array, Array] | None:
        """(factor, offset), each (pixels,) float64, with scaled = factor·pixel + offset.

        None for a scaler that is no such function of a pixel.
        """
        if self.kind == "standard":
            return 1 / self._scaler.scale_, -self._scaler.mean_ / self._scaler.scale_
        if self.kind == "minmax":
            return self._scaler.scale_, self._scaler.min_
        return None


def _require_finite(images: Array) -> None:
    if images.dtype.kind == "f" and not np.isfinite(images).all():
        raise MlpperfError("The images hold NaN or infinity; every grey value must be finite.")


class Samples:
    """The training set of a network: images, labels, and their scaling.

    Parameters
    ----------
    images : (n, pixels), uint8 or floats, as a `Dataset` has checked them
    labels : (n,), 0 to `classes` − 1
    scaling : fitted on these images
    """

    def __init__(self, images: Array, labels: Array, classes: int, scaling: Scaling) -> None:
        self.images, self.labels = images, labels
        self.classes, self.scaling = classes, scaling
        self._scaled: dict[np.dtype[Any], Array] = {}

    def __len__(self) -> int:
        return len(self.images)

    def scaled(self, dtype: DTypeLike) -> Array:
        """The scaled images (n, pixels) in `dtype`; kept, because several rungs share them."""
        wanted = np.dtype(dtype)
        if wanted not in self._scaled:
            self._scaled[wanted] = self.scaling(self.images, wanted)
            self._scaled[wanted].flags.writeable = False
        return self._scaled[wanted]

    def one_hot(self, dtype: DTypeLike) -> Array:
        """The labels as columns, (classes, n): 1 in the row of its label, 0 elsewhere."""
        targets = np.zeros((self.classes, len(self)), dtype)
        targets[self.labels, np.arange(len(self))] = 1
        return targets
