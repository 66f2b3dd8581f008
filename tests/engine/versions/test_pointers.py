"""A Git LFS pointer that a benchmark may read makes the result unknown; another does not."""

from pathlib import Path

import pytest

from mlpperf.engine.versions.absent import POINTER, pointers


@pytest.mark.parametrize(
    ("base", "head", "code", "unknown"),
    [
        (b"a", b"b", "", True),
        (b"a", b"a", "open('corpus.bin')", True),
        (b"a", b"a", "files.glob('*.bin')", True),
        (b"a", b"a", "open('other.txt')", False),
    ],
)
def test_a_pointer_that_benchmarks_may_read_is_unknown(
    base: bytes, head: bytes, code: str, unknown: bool, tmp_path: Path
) -> None:
    for side, oid in (("base", base), ("head", head)):
        (tmp_path / side).mkdir()
        (tmp_path / side / "corpus.bin").write_bytes(POINTER + b"oid sha256:" + oid)
        (tmp_path / side / "code.py").write_text(code)

    assert list(pointers(tmp_path / "base", tmp_path / "head")) == ["corpus.bin"] * unknown


def test_content_is_no_pointer(tmp_path: Path) -> None:
    for side in ("base", "head"):
        (tmp_path / side).mkdir()
        (tmp_path / side / "corpus.bin").write_bytes(side.encode() + POINTER)

    assert pointers(tmp_path / "base", tmp_path / "head") == {}
