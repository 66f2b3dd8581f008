"""MNIST, scikit-learn's digits, and synthetic sets of any size; images, or features of them.

Every set is a `Dataset`: one sample per row, one byte per pixel, as the images lie on disk.
`samples.Samples` makes of it what a network is trained on.
"""

import warnings
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...errors import MlpperfError, unknown
from .mnist_files import mnist_arrays

NAMES = ("mnist", "digits", "synthetic:N")  # what `load` takes
CLASSES = 10  # of every set: the digits 0 to 9
DIGITS = "datasets/data/digits.csv.gz"  # in scikit-learn's folder


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

    values: ClassVar[type[np.generic]] = np.uint8  # that images consist of

    def __post_init__(self) -> None:
        for part in ("train", "test"):
            images, labels = getattr(self, f"{part}_images"), getattr(self, f"{part}_labels")
            wanted = (
                (images, "images", ("samples", "pixels"), self.values),
                (labels, "labels", ("samples",), np.uint8),
            )
            for array, what, axes, kind in wanted:
                name = f"{self.name}: {part}_{what}"
                is_array = isinstance(array, np.ndarray) and array.ndim == len(axes) and array.size
                if not is_array or array.dtype != kind or not array.flags.c_contiguous:
                    raise MlpperfError(
                        f"{name} must be a non-empty array of {kind.__name__}, "
                        f"({', '.join(axes)}), in C order"
                    )
                # Many measurements share one set, so what writes into it must fail at once.
                shared = array.view()
                shared.flags.writeable = False
                object.__setattr__(self, f"{part}_{what}", shared)
            if len(images) != len(labels) or labels.max() >= CLASSES:
                raise MlpperfError(
                    f"{self.name}: each of {len(images)} {part}_images needs one of the labels "
                    f"0 to {CLASSES - 1}"
                )
        if self.train_images.shape[1] != self.test_images.shape[1]:
            raise MlpperfError(f"{self.name}: training and test images differ in their pixels")


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

    values = np.float32


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
    package = find_spec("sklearn")
    file = Path(package.origin).parent / DIGITS if package and package.origin else None
    if file and file.is_file():  # read in 0.05 s; to import what reads it takes two seconds
        table = np.loadtxt(file, delimiter=",")
        images, labels = table[:, :-1], table[:, -1]
    else:
        from sklearn.datasets import load_digits

        images, labels = load_digits(return_X_y=True)
    # NumPy promises that a bit generator's raw stream never changes; `permutation` may.
    order = np.argsort(np.random.PCG64(0).random_raw(len(labels)), kind="stable")
    x, y = images[order].astype(np.uint8), labels[order].astype(np.uint8)
    return Dataset("digits", x[:1500], y[:1500], x[1500:], y[1500:])


def synthetic(samples: int, *, pixels: int = 784, seed: int = 0) -> Dataset:
    """Return noisy images of ten random patterns: any number of them, always the same.

    Each image is its class's pattern plus noise, both uniform over 0 to 127; the classes take
    turns. There are `samples` training images of `pixels` each, and a sixth as many test images, at
    least 10. Raises `MlpperfError` if a number is out of range or the images do not fit into
    memory.
    """
    for what, value, least in (("samples", samples, 1), ("pixels", pixels, 1), ("seed", seed, 0)):
        if not isinstance(value, int | np.integer) or value < least:
            raise MlpperfError(f"{what} must be a whole number of at least {least}, not {value!r}")
    bits = np.random.PCG64(int(seed))
    sizes = int(samples), max(10, int(samples) // 6)
    try:
        patterns = _grey(bits, CLASSES, int(pixels))
        labels = [np.resize(np.arange(CLASSES, dtype=np.uint8), size) for size in sizes]
        train, test = (_grey(bits, len(each), int(pixels)) for each in labels)
        for images in (train, test):
            for k, pattern in enumerate(patterns):  # without a copy of all images
                images[k::CLASSES] += pattern
    except (MemoryError, OverflowError, ValueError) as error:  # more than NumPy can count, too
        raise MlpperfError(
            f"{samples} samples of {pixels} pixels do not fit into memory: ask for fewer"
        ) from error
    return Dataset(f"synthetic:{samples}", train, labels[0], test, labels[1])


def _grey(bits: np.random.PCG64, rows: int, pixels: int) -> NDArray[np.uint8]:
    """Return uniform values 0 to 127, (rows, pixels), eight to a word of the generator.

    NumPy promises that the generator's words never change.
    """
    words = bits.random_raw(-(-rows * pixels // 8)).astype("<u8", copy=False)
    values = words.view(np.uint8)[: rows * pixels].reshape(rows, pixels)
    values >>= np.uint8(1)
    return values
