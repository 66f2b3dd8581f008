"""What the whole engine writes files with, and calls git with."""

import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlpperf.engine import git as module
from mlpperf.engine.files import write_whole
from mlpperf.engine.git import git, told


@pytest.fixture(params=[0o022, 0o077], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@pytest.mark.skipif(os.name == "nt", reason="Windows knows no umask")
def test_a_file_may_be_read_by_whom_its_owner_lets(tmp_path: Path, umask: int) -> None:
    """As any other file: weights of somebody who shares nothing are not for everybody."""
    file = tmp_path / "file"
    write_whole(file, b"1")
    assert stat.S_IMODE(file.stat().st_mode) == 0o666 & ~umask


def test_what_was_there_is_replaced_whole(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"a longer one")
    write_whole(file, b"short")
    assert file.read_bytes() == b"short"
    assert list(tmp_path.iterdir()) == [file]


def test_what_cannot_be_written_leaves_the_old_file_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"old")

    def full(self: Path, target: Path) -> Path:
        raise OSError("No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space"):
        write_whole(file, b"new")
    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """How long each call of git is waited for."""
    asked: list[Any] = []

    def run(command: list[str], **options: Any) -> Any:
        asked.append(options.get("timeout"))
        return subprocess.CompletedProcess(command, 0, b"said\n", b"")

    monkeypatch.setattr(module.subprocess, "run", run)
    return asked


def test_a_commit_may_take_as_long_to_write_as_it_is_large(patience: list[Any]) -> None:
    git("checkout-index", "--all")
    assert patience == [None]


def test_what_is_only_asked_is_not_waited_for_for_ever(patience: list[Any]) -> None:
    assert told("rev-parse", "HEAD") == "said"
    assert patience == [module.PATIENCE]


def test_git_that_hangs_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(*_: Any, **options: Any) -> Any:
        raise subprocess.TimeoutExpired("git", options["timeout"])

    monkeypatch.setattr(module.subprocess, "run", hang)
    assert told("rev-parse", "HEAD") is None
