"""The four files of MNIST: verified by MD5, kept in the cache folder, downloaded if missing."""

from __future__ import annotations

import hashlib
import os
import struct
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import platformdirs
from numpy.typing import NDArray

from ...engine.files import write_whole
from ...errors import MlpperfError

URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
TIMEOUT = 10  # seconds without an answer after which the download fails


def cache_folder() -> Path:
    """Return the folder that keeps MNIST: ``MLPPERF_DATA``, or the user's cache folder."""
    chosen = os.environ.get("MLPPERF_DATA")
    folder = Path(chosen).expanduser() if chosen else platformdirs.user_cache_path("mlpperf")
    return folder.absolute()


@dataclass(frozen=True)
class _IdxFile:
    """One of MNIST's four files: a big-endian header, then one byte per value."""

    name: str
    shape: tuple[int, ...]
    md5: str

    @property
    def header(self) -> bytes:
        # Two zeros, 8 for unsigned bytes, the number of axes, their lengths.
        axes = len(self.shape)
        return struct.pack(f">BBBB{axes}I", 0, 0, 8, axes, *self.shape)

    def packed(self, array: NDArray[np.uint8]) -> bytes:
        # A safe cast refuses every type but bytes, so it changes no value.
        content = self.header + array.astype(np.uint8, casting="safe", copy=False).tobytes()
        return self.verified(content)

    def unpacked(self, content: bytes) -> NDArray[np.uint8]:
        values = np.frombuffer(content, np.uint8, offset=len(self.header))
        return values.reshape(self.shape[0], -1) if len(self.shape) > 1 else values

    def verified(self, content: bytes) -> bytes:
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
        if md5 != self.md5:
            raise ValueError(f"{self.name} is damaged: {len(content)} bytes with MD5 {md5}")
        return content


FILES = (
    _IdxFile("train-images-idx3-ubyte", (60_000, 28, 28), "6bbc9ace898e44ae57da46a324031adb"),
    _IdxFile("train-labels-idx1-ubyte", (60_000,), "a25bea736e30d166cdddb491f175f624"),
    _IdxFile("t10k-images-idx3-ubyte", (10_000, 28, 28), "2646ac647ad5339dbf082846283269ea"),
    _IdxFile("t10k-labels-idx1-ubyte", (10_000,), "27ae3e4e09519cfbb04c329615203637"),
)
Contents = tuple[bytes, ...]  # of the four FILES, in their order


def mnist_arrays(progress: bool) -> tuple[NDArray[np.uint8], ...]:
    """Training images and labels, test images and labels: (n, 784) and (n,), verified.

    They come from the cache folder. If a file is missing or damaged there, all are downloaded and
    stored. Raises `MlpperfError` if that fails.
    """
    folder = cache_folder()
    try:  # the folder may be read-only
        contents = tuple(file.verified((folder / file.name).read_bytes()) for file in FILES)
    except (OSError, ValueError) as lacking:
        try:
            contents = _downloaded(progress)
        except Exception as error:  # anything can be wrong with a file from elsewhere
            reasons = f"cache folder: {lacking}; download: {error or type(error).__name__}"
            raise MlpperfError(
                f"MNIST is not available ({' '.join(reasons.split())}): put "
                f"{', '.join(file.name for file in FILES)} into {folder}"
            ) from error
        store(contents, folder)
    return tuple(file.unpacked(content) for file, content in zip(FILES, contents, strict=True))


def store(contents: Contents, folder: Path) -> None:
    """Write the four files into `folder`, each of them whole or not at all."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, content in zip(FILES, contents, strict=True):
            write_whole(folder / file.name, content)
    except OSError as error:
        raise MlpperfError(
            f"MNIST cannot be stored in {folder} ({error.strerror or error}): make that a folder "
            "with 100 MB of room, or set MLPPERF_DATA to one"
        ) from error


def _downloaded(progress: bool) -> Contents:
    import pooch
    from rich.console import Console

    pooch.get_logger().setLevel("WARNING")
    downloader = pooch.HTTPDownloader(timeout=TIMEOUT)
    status = Console(stderr=True, quiet=not progress).status("MNIST: downloading 11 MB")
    with tempfile.TemporaryDirectory() as folder, status:
        file = pooch.retrieve(URL, None, "mnist.npz", folder, downloader=downloader)
        with Path(file).open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            names = ("x_train", "y_train", "x_test", "y_test")
            return tuple(f.packed(arrays[name]) for f, name in zip(FILES, names, strict=True))
