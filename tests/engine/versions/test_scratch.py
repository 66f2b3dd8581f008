"""Temporary folders are removed, whatever becomes of the processes that made them."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from filelock import FileLock

from mlpperf.engine.files import own_folder
from mlpperf.engine.pool.lock import alone
from mlpperf.engine.versions import scratch as module
from mlpperf.engine.versions.scratch import left, scratch, size
from mlpperf.errors import MlpperfError

MAKES_ONE = """
import sys, tempfile
tempfile.tempdir = sys.argv[1]
from mlpperf.engine.versions.scratch import scratch
with scratch("versions") as folder:
    (folder / "file").write_bytes(bytes(3_000_000))
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def other(folder: Path) -> tuple[subprocess.Popen[str], Path]:
    """Another process that has a folder, and that."""
    command = [sys.executable, "-c", MAKES_ONE, str(folder)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    return process, Path(process.stdout.readline().strip())


def test_a_folder_is_removed_at_the_end_of_its_block(tmp_path: Path) -> None:
    with scratch("inputs") as folder:
        (folder / "file").touch()
        assert folder.is_relative_to(tmp_path)
    assert not list(own_folder().glob("inputs-*"))
    with pytest.raises(ValueError, match="no"), scratch("inputs") as folder:
        raise ValueError("no")
    assert not folder.exists()


def test_the_next_one_removes_what_a_killed_process_has_left(tmp_path: Path) -> None:
    killed, theirs = other(tmp_path)
    living, used = other(tmp_path)
    assert left() == []
    killed.kill()
    killed.communicate()
    assert theirs.exists()
    assert left() == [theirs.parent]
    assert sum(map(size, left())) == 3_000_000
    with scratch("inputs") as mine:
        assert not theirs.parent.exists()
        assert used.exists()
        assert mine.exists()
    assert left() == []
    living.communicate("")
    assert not used.exists()


def test_what_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    for name in ("mlpperf-inputs-of-somebody", "elsewhere"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
    (own_folder() / "linked").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (own_folder() / "file").touch()
    with scratch("inputs"):
        pass
    assert (tmp_path / "mlpperf-inputs-of-somebody" / "file").exists()
    assert (tmp_path / "elsewhere" / "file").exists()
    assert (own_folder() / "file").exists()


def test_what_died_before_it_had_a_lock_is_removed_too() -> None:
    (own_folder() / "versions-x" / "files").mkdir(parents=True)
    with scratch("inputs"):
        assert not (own_folder() / "versions-x").exists()


def test_while_another_process_looks_nothing_is_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may just be making a folder, which has no lock yet."""
    monkeypatch.setattr(module, "PATIENCE", 0.1)
    (own_folder() / "versions-x" / "files").mkdir(parents=True)
    with FileLock(own_folder() / "scratch.lock"), scratch("inputs"):
        assert (own_folder() / "versions-x").exists()


def test_what_a_benchmark_made_read_only_goes_too() -> None:
    with scratch("inputs") as folder:
        (folder / "outer" / "inner").mkdir(parents=True)
        (folder / "outer" / "inner" / "file").touch()
        (folder / "outer" / "link").symlink_to(Path.cwd(), target_is_directory=True)
        for name in ("outer/inner", "outer"):
            (folder / name).chmod(0o500)
    assert not folder.parent.exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows has a temporary folder for each user")
@pytest.mark.parametrize("kind", ["a link", "a file", "open to others", "somebody else's"])
def test_a_temporary_folder_of_others_is_not_used(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, theirs = own_folder(), tmp_path / "theirs"
    shutil.rmtree(own)
    theirs.mkdir()
    if kind == "a link":
        own.symlink_to(theirs, target_is_directory=True)
    elif kind == "a file":
        own.touch(0o600)
    elif kind == "open to others":
        own.mkdir()
        own.chmod(0o770)
    else:
        user = os.getuid()
        monkeypatch.setattr(os, "getuid", lambda: user + 1)
        (tmp_path / f"mlpperf-{user + 1}").mkdir(0o700)
    for work in (scratch("inputs"), alone()):
        with pytest.raises(MlpperfError, match="set TMPDIR to a folder of your own"), work:
            raise AssertionError
    assert not list(theirs.iterdir())


def test_a_missing_temporary_folder_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(MlpperfError, match="There is no temporary folder"), scratch("inputs"):
        raise AssertionError


def test_a_sentence_names_a_file_as_it_is_called_in_its_version() -> None:
    with pytest.raises(MlpperfError) as refused, scratch("versions") as folder:
        raise MlpperfError(f"{folder}/head/lib/pyproject.toml: a table.", ["detail"])
    assert str(refused.value) == "lib/pyproject.toml (head): a table."
    assert refused.value.details == ("detail",)
    with (
        pytest.raises(MlpperfError, match=r"^/elsewhere/head/x is missing\.$"),
        scratch("versions"),
    ):
        raise MlpperfError("/elsewhere/head/x is missing.")
