import contextlib
import errno
import hashlib
import io
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from mlpperf.articles.data import datasets as data
from mlpperf.articles.data import mnist_files
from mlpperf.errors import MlpperfError

NAMES = {file.name for file in mnist_files.FILES}
PATIENCE = 600  # seconds until a hanging process counts as hanging; nothing is meant to take long


@pytest.fixture
def contents(monkeypatch: pytest.MonkeyPatch) -> mnist_files.Contents:
    """Files with the names of MNIST's, but with a hundredth of its images, which are noise."""
    rng = np.random.default_rng(0)
    files, contents = [], []
    for file in mnist_files.FILES:
        shape = (file.shape[0] // 100, *file.shape[1:])
        array = rng.integers(10, size=shape, dtype=np.uint8)
        content = replace(file, shape=shape).header + array.tobytes()
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
        files.append(replace(file, shape=shape, md5=md5))
        contents.append(content)
    monkeypatch.setattr(mnist_files, "FILES", tuple(files))
    return tuple(contents)


@pytest.fixture
def npz(contents: mnist_files.Contents) -> bytes:
    """The file of Keras with these."""
    pairs = zip(mnist_files.FILES, contents, strict=True)
    return packed(*(file.unpacked(raw).reshape(file.shape) for file, raw in pairs))


def packed(*arrays: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **dict(zip(("x_train", "y_train", "x_test", "y_test"), arrays, strict=True)))
    return stream.getvalue()


@pytest.fixture
def cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, contents: mnist_files.Contents
) -> Iterator[Path]:
    """A cache folder of the test's own, while every source outside of this machine is cut off."""
    monkeypatch.setenv("MLPPERF_DATA", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(mnist_files, "TIMEOUT", PATIENCE)
    with socket.socket() as refusing:  # bound, so that nobody else listens there
        refusing.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{refusing.getsockname()[1]}/mnist.npz"
        monkeypatch.setattr(mnist_files, "URL", address)
        yield tmp_path / "cache"


def fill(folder: Path, contents: mnist_files.Contents) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    mnist_files.store(contents, folder)


def listing(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def assert_complete(folder: Path) -> None:
    """Exactly the four files, and they hold MNIST."""
    assert listing(folder) == NAMES
    for file in mnist_files.FILES:
        file.verified((folder / file.name).read_bytes())


class Server:
    """Serves one content on 127.0.0.1."""

    def __init__(self, content: bytes) -> None:
        self.requests = 0
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.requests += 1
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/mnist.npz"
        self.thread = threading.Thread(target=self.http.serve_forever)

    def __enter__(self) -> "Server":
        self.thread.start()
        return self

    def __exit__(self, *args: object) -> None:
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()


def child(url: str) -> list[str]:
    lines = [
        "from mlpperf.articles.data import mnist_files",
        "from mlpperf.articles.data.mnist_files import _IdxFile",
        f"mnist_files.FILES = {mnist_files.FILES!r}",
        f"mnist_files.URL, mnist_files.TIMEOUT = {url!r}, {PATIENCE}",
        "mnist_files.mnist_arrays(progress=True)",
    ]
    return [sys.executable, "-c", "\n".join(lines)]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """A real file system of its own under the test's folder; called with mount options."""
    folder = tmp_path / "cache"
    folder.mkdir()

    def mount(options: str) -> bool:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    if sys.platform != "linux" or not shutil.which("mount") or not mount("size=200k"):
        pytest.skip("mounting a small file system is not allowed here")
    try:
        yield lambda options: subprocess.run(
            ["mount", "-o", f"remount,{options}", str(folder)], check=True
        )
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


# --- where MNIST comes from ----------------------------------------------------------------------


def test_mnist_is_mnist() -> None:
    try:
        mnist = data.load()
    except MlpperfError as error:
        pytest.skip(f"MNIST is not available here: {error}")
    assert mnist.name == "mnist"
    assert mnist.train_images.shape == (60_000, 784)
    assert mnist.test_images.shape == (10_000, 784)
    assert mnist.train_labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert np.bincount(mnist.test_labels).tolist() == [
        980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009,
    ]  # fmt: skip
    assert round(float(mnist.train_images.mean()), 2) == 33.32
    assert (mnist.train_images.min(0) == mnist.train_images.max(0)).sum() == 67


def test_download(
    cache: Path, npz: bytes, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with Server(npz) as server:
        monkeypatch.setattr(mnist_files, "URL", server.url)
        data.mnist(progress=True)
    assert server.requests == 1
    assert_complete(cache)
    assert capfd.readouterr() == ("", "")  # no terminal, no progress


def test_damaged_download(cache: Path, npz: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(npz[:-9]) as server:
        monkeypatch.setattr(mnist_files, "URL", server.url)
        with pytest.raises(MlpperfError, match="download: File is not a zip file"):
            data.mnist()
    assert not cache.exists()


def test_no_network(cache: Path) -> None:
    with pytest.raises(MlpperfError) as raised:
        data.mnist()
    sentence = str(raised.value)
    assert "\n" not in sentence
    assert all(tried in sentence for tried in ("cache folder", "download"))
    assert sentence.endswith(f"into {cache}")
    assert all(name in sentence for name in NAMES)
    assert not cache.exists()


def test_progress_of_the_download(cache: Path, npz: bytes) -> None:
    pty = pytest.importorskip("pty", reason="needs a Unix terminal")
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    shown = b""
    with Server(npz) as server, subprocess.Popen(child(server.url), stderr=theirs, env=environment):
        os.close(theirs)
        with contextlib.suppress(OSError):  # Linux reports the end of a terminal as an error
            while some := os.read(ours, 4096):
                shown += some
    os.close(ours)
    assert b"MNIST: downloading" in shown
    assert_complete(cache)


# --- damage, interruption, and too little room ---------------------------------------------------


def flip(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def truncate(content: bytes) -> bytes:
    return content[: len(content) // 2]


@pytest.mark.parametrize("damage", [flip, truncate, lambda _: b""], ids=["flip", "cut", "empty"])
@pytest.mark.parametrize("name", ["train-labels-idx1-ubyte", "t10k-images-idx3-ubyte"])
def test_damaged_file(
    cache: Path,
    contents: mnist_files.Contents,
    damage: Callable[[bytes], bytes],
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fill(cache, contents)
    path = cache / name
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(MlpperfError, match=f"cache folder: {name} is damaged"):
        data.mnist()
    assert listing(cache) == NAMES
    monkeypatch.setattr(mnist_files, "_downloaded", lambda progress: contents)
    data.mnist()
    assert_complete(cache)


def test_a_failed_write_is_reported_and_loses_nothing(
    cache: Path, contents: mnist_files.Contents, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(mnist_files, "_downloaded", lambda progress: contents)
    fill(cache, contents)
    (cache / "t10k-labels-idx1-ubyte").unlink()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        with pytest.raises(MlpperfError, match=os.strerror(errno.ENOSPC)):
            data.mnist()
    # What was good before is still there.
    assert listing(cache) == NAMES - {"t10k-labels-idx1-ubyte"}
    data.mnist()
    assert_complete(cache)


def test_full_disk(
    disk: Callable[[str], None],
    cache: Path,
    contents: mnist_files.Contents,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mnist_files, "_downloaded", lambda progress: contents)
    with pytest.raises(MlpperfError, match=os.strerror(errno.ENOSPC)) as raised:
        data.mnist()
    assert str(cache) in str(raised.value)
    assert listing(cache) == set()
    disk("size=20m")
    data.mnist()
    assert_complete(cache)


def test_read_only_folder(
    disk: Callable[[str], None],
    cache: Path,
    contents: mnist_files.Contents,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mnist_files, "_downloaded", lambda progress: contents)
    disk("size=20m")
    fill(cache, contents)
    disk("ro")
    data.mnist()
    assert listing(cache) == NAMES
    disk("rw")
    (cache / "t10k-labels-idx1-ubyte").unlink()
    disk("ro")
    with pytest.raises(MlpperfError, match="MLPPERF_DATA"):
        data.mnist()


def test_folder_that_cannot_be_made(
    tmp_path: Path, contents: mnist_files.Contents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mnist_files, "_downloaded", lambda progress: contents)
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "cache"
    monkeypatch.setenv("MLPPERF_DATA", str(folder))
    with pytest.raises(MlpperfError, match="MLPPERF_DATA") as raised:
        data.mnist()
    assert str(folder) in str(raised.value)


def test_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLPPERF_DATA", "~/mnist")
    assert mnist_files.cache_folder() == Path.home() / "mnist"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLPPERF_DATA", "here")
    assert mnist_files.cache_folder() == tmp_path / "here"
    monkeypatch.setenv("MLPPERF_DATA", "")
    assert mnist_files.cache_folder().name == "mlpperf"
