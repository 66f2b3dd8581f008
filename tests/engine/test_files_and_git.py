"""What the whole engine writes files with, and calls git with."""

import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from mlpperf.engine import git as module
from mlpperf.engine.files import write_whole
from mlpperf.engine.git import KEPT, clean_environment, git, query
from mlpperf.errors import MlpperfError


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
    assert query("rev-parse", "HEAD") == "said"
    assert patience == [module.PATIENCE]


def test_git_that_hangs_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(*_: Any, **options: Any) -> Any:
        raise subprocess.TimeoutExpired("git", options["timeout"])

    monkeypatch.setattr(module.subprocess, "run", hang)
    assert query("rev-parse", "HEAD") is None


def test_variables_that_aim_git_are_dropped_from_an_environment() -> None:
    local = subprocess.run(
        ["git", "rev-parse", "--local-env-vars"], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "GIT_DIR" in local
    assert not [name for name in local if name.startswith(KEPT)]
    given = dict.fromkeys(
        [*local, "GIT_TRACE", "GIT_CEILING_DIRECTORIES", "GIT_EXTERNAL_DIFF"], "x"
    )
    others = {"PATH": "/bin", "GITHUB_ACTIONS": "true", "GIT_SSH_COMMAND": "ssh -v"}
    with mock.patch.dict(os.environ, {**given, **others}, clear=True):
        assert clean_environment() == others


def test_our_own_environment_is_the_usual_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("ODD", "1")
    found = clean_environment()
    assert "GIT_DIR" not in found
    assert found["ODD"] == "1"
    assert os.environ["GIT_DIR"] == "/nowhere"


def test_another_repository_is_named_by_us_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "other"):
        git("init", "--quiet", str(tmp_path / name))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other" / ".git"))
    asked = ("rev-parse", "--absolute-git-dir")
    assert query(*asked, folder=tmp_path / "one") == str(tmp_path / "one" / ".git")
    where = {"GIT_DIR": str(tmp_path / "other" / ".git")}
    assert (
        git(*asked, folder=tmp_path / "one", variables=where).decode().strip() == where["GIT_DIR"]
    )


@pytest.mark.parametrize(
    "arguments", [("rev-parse", "a\0b"), ("rev-parse", "--verify", "nonsense")]
)
def test_what_git_refuses_is_one_printable_sentence(arguments: tuple[str, ...]) -> None:
    with pytest.raises(MlpperfError, match=r"^git rev-parse.*[^.]\.$") as caught:
        git(*arguments)
    assert str(caught.value).isprintable()
