"""MNIST, scikit-learn's digits, and synthetic sets of any size; images, or features of them.

Every set is a `Dataset`: one sample per row, one byte per pixel, as the images lie on disk.
`samples.Samples` makes of it what a network is trained on.
"""

import warnings
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...errors import MlpperfError, unknown
from .mnist_files import mnist_arrays

NAMES = ("mnist", "digits", "synthetic:N")  # what `load` takes
CLASSES = 10  # of every set: the digits 0 to 9
# Synthetic images are made in chunks, because each needs noise as large as itself.
_CHUNK_BYTES = 1 << 22

# Kinds of values: a name for error messages, and NumPy's type codes.
_UINT8 = ("uint8", "B")
_FLOAT32 = ("float32", "f")


def _require(what: str, array: object, shape: tuple[str, ...], kind: tuple[str, str]) -> None:
    """Raise MlpperfError unless `array` is a non-empty array of these axes and this kind."""
    if not isinstance(array, np.ndarray):
        got = f"a {type(array).__name__}"
    elif array.ndim == len(shape) and array.size and array.dtype.char in kind[1]:
        return
    else:
        got = f"{array.dtype} of shape {array.shape}"
    axes = ", ".join(shape)
    raise MlpperfError(f"{what} must be a non-empty {kind[0]} array of shape ({axes}), not {got}")


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images and labels, split into a training and a test set; the arrays become read-only.

    Images are grey values, uint8 (samples, pixels) in C order; labels are classes from 0 to 9,
    uint8 (samples,). Raises `MlpperfError` if an array has another shape, type or order, is empty,
    or holds a label above 9.
    """

    name: str
    train_images: NDArray[Any]
    train_labels: NDArray[np.uint8]
    test_images: NDArray[Any]
    test_labels: NDArray[np.uint8]

    values: ClassVar = _UINT8  # the kind of values that images consist of

    def __post_init__(self) -> None:
        for part in ("train", "test"):
            what = f"{self.name}: {part}_images"
            images, labels = getattr(self, f"{part}_images"), getattr(self, f"{part}_labels")
            _require(what, images, ("samples", "pixels"), self.values)
            _require(f"{self.name}: {part}_labels", labels, ("samples",), _UINT8)
            if not images.flags.c_contiguous:
                raise MlpperfError(f"{what} must be C-ordered: use numpy.ascontiguousarray")
            if len(images) != len(labels):
                raise MlpperfError(
                    f"{what} hold {len(images)} samples but there are {len(labels)} labels: "
                    "there must be one label per image"
                )
            if labels.max() > 9:
                raise MlpperfError(
                    f"{self.name}: {part}_labels hold {labels.max()}, but classes go from 0 to 9"
                )
            for field, array in ((f"{part}_images", images), (f"{part}_labels", labels)):
                # Many measurements share one set, so what writes into it must fail at once.
                shared = array.view()
                shared.flags.writeable = False
                object.__setattr__(self, field, shared)
        if self.train_images.shape[1] != self.test_images.shape[1]:
            raise MlpperfError(
                f"{self.name}: train_images have {self.train_images.shape[1]} pixels and "
                f"test_images {self.test_images.shape[1]}: they must have the same number"
            )


class FewClustersWarning(UserWarning):
    """There are fewer clusters than classes to tell apart."""


def warn_of_few(clusters: int) -> None:
    """Warn if there are fewer clusters than classes, so that distances cannot tell all apart."""
    if clusters < CLASSES:
        warnings.warn(
            f"{clusters} clusters are few for {CLASSES} classes: some cannot be distinguished.",
            FewClustersWarning,
            stacklevel=3,
        )


class Features(Dataset):
    """A data set that has features in the place of pixels: float32 (samples, features)."""

    values = _FLOAT32


def load(name: str = "mnist", *, progress: bool = False) -> Dataset:
    """Return the data set `mnist`, `digits`, or `synthetic:N` with N training samples.

    With `progress`, a terminal shows that MNIST is being downloaded. Raises `MlpperfError` if there
    is no such set, MNIST is not available, or a number is out of range.
    """
    kind, _, samples = name.partition(":")
    if name == "mnist":
        return mnist(progress=progress)
    if name == "digits":
        return digits()
    if kind == "synthetic":
        if not samples.isdecimal():
            raise MlpperfError(f"{name!r} lacks a number of samples: write synthetic:60000, say")
        return synthetic(int(samples))
    raise unknown("data set", name, NAMES)


def mnist(*, progress: bool = False) -> Dataset:
    """Return MNIST: 60,000 training and 10,000 test images of 28 × 28 pixels, grey values 0 to 255.

    The first call downloads it (11 MB, 55 MB on disk); every call verifies the files. See
    `mnist_files.mnist_arrays` for what `progress` does and which errors are raised.

    References
    ----------
    Y. LeCun, C. Cortes, C. J. C. Burges: The MNIST database of handwritten digits.
    """
    return Dataset("mnist", *mnist_arrays(progress))


def digits() -> Dataset:
    """Return scikit-learn's digits: 1,500 training and 297 test images, grey values 0 to 16.

    The images are 8 × 8 pixels, in an order that is shuffled but always the same.

    References
    ----------
    E. Alpaydin, C. Kaynak: Optical Recognition of Handwritten Digits, UCI repository.
    """
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    # NumPy promises that a bit generator's raw stream never changes; `permutation` may.
    order = np.argsort(np.random.PCG64(0).random_raw(len(labels)), kind="stable")
    x, y = images[order].astype(np.uint8), labels[order].astype(np.uint8)
    return Dataset("digits", x[:1500], y[:1500], x[1500:], y[1500:])


def synthetic(samples: int, *, pixels: int = 784, seed: int = 0) -> Dataset:
    """Return noisy images of ten random patterns: any number of them, always the same.

    Each image is its class's pattern plus noise, both uniform over 0 to 127; the classes take
    turns. A bigger set starts with the images of a smaller one. There are `samples` training images
    of `pixels` each, and a sixth as many test images, at least 10. Raises `MlpperfError` if a
    number is out of range or the images do not fit into memory.
    """
    for what, value, least in (("samples", samples, 1), ("pixels", pixels, 1), ("seed", seed, 0)):
        if not isinstance(value, int | np.integer) or value < least:
            raise MlpperfError(f"{what} must be a whole number of at least {least}, not {value!r}")
    samples, pixels = int(samples), int(pixels)  # because NumPy's integers overflow in products
    seeds = np.random.SeedSequence(int(seed)).spawn(3)
    of_patterns, of_train, of_test = (np.random.PCG64(each) for each in seeds)
    try:
        patterns = _grey(of_patterns, 10, pixels)
        train = _noisy(patterns, samples, of_train)
        test = _noisy(patterns, max(10, samples // 6), of_test)
    except (MemoryError, OverflowError, ValueError) as error:  # more than NumPy can count, too
        raise MlpperfError(
            f"{samples} samples of {pixels} pixels do not fit into memory: ask for fewer"
        ) from error
    return Dataset(f"synthetic:{samples}", *train, *test)


def _grey(bits: np.random.PCG64, rows: int, pixels: int) -> NDArray[np.uint8]:
    """Return uniform values 0 to 127, (rows, pixels), eight to a word of the generator."""
    words = bits.random_raw(-(-rows * pixels // 8)).astype("<u8", copy=False)
    return words.view(np.uint8)[: rows * pixels].reshape(rows, pixels) >> np.uint8(1)


def _noisy(
    patterns: NDArray[np.uint8], samples: int, bits: np.random.PCG64
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    classes, pixels = patterns.shape
    images = np.empty((samples, pixels), np.uint8)
    labels = np.tile(np.arange(classes, dtype=np.uint8), -(-samples // classes))[:samples]
    # The generator gives words of eight bytes. Eight rows are whole words whatever their length,
    # so no word is cut between two chunks, and the values do not depend on the size of chunks.
    rows = max(1, _CHUNK_BYTES // pixels // 8) * 8
    for start in range(0, samples, rows):
        chunk = images[start : start + rows]
        np.add(_grey(bits, *chunk.shape), patterns[labels[start : start + rows]], out=chunk)
    return images, labels
