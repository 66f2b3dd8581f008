"""Folders that are needed meanwhile are removed, whatever becomes of who made them."""

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from mlpperf.engine.compare.scratch import check, left, scratch

MAKES_ONE = """
import sys, tempfile
tempfile.tempdir = sys.argv[1]
from mlpperf.engine.compare.scratch import scratch
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


def test_a_folder_goes_with_whoever_made_it(tmp_path: Path) -> None:
    with scratch("inputs") as folder:
        (folder / "file").touch()
        assert folder.is_relative_to(tmp_path)
    assert not list(tmp_path.glob("mlpperf-inputs-*"))
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
    found = check()
    assert (found.state, found.found) == (
        "note",
        "1 folder with 3 MB by measurements that were killed",
    )
    with scratch("inputs") as mine:
        assert not theirs.parent.exists()
        assert used.exists()
        assert mine.exists()
    assert check().state == "fine"
    living.communicate("")
    assert not used.exists()


def test_what_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    for name in ("mlpperf-inputs-of-somebody", "elsewhere"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
    with scratch("inputs"):
        pass
    assert (tmp_path / "mlpperf-inputs-of-somebody" / "file").exists()
    assert (tmp_path / "elsewhere" / "file").exists()
