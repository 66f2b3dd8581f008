"""Paths out of a configuration, a commit or a record lie inside a copy, or are refused."""

from pathlib import Path
from typing import Any

import pytest

from mlpperf.engine.inside import inside
from mlpperf.errors import MlpperfError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A copy, with links that stay in it and others that do not, beside another folder."""
    folder = tmp_path / "copy"
    (folder / "src" / "deep").mkdir(parents=True)
    (tmp_path / "beside").mkdir()
    for name, to in (
        ("out", "../beside"),
        ("src/out", tmp_path / "beside"),
        ("above", ".."),
        ("root", "/"),
        ("itself", "."),
        ("within", "src/deep"),
        ("chain", "out"),
        ("circle", "circle"),
    ):
        (folder / name).symlink_to(to)
    return folder


@pytest.mark.parametrize(
    ("name", "below"),
    [
        ("src", "src"),
        ("src/", "src"),
        ("./src", "src"),
        ("src//deep", "src/deep"),
        ("src/../new", "new"),
        ("new/deep/file.py", "new/deep/file.py"),
        ("within/file", "within/file"),
        ("...", "..."),
        ("..x", "..x"),
        ("a b\n☃", "a b\n☃"),
        ("x" * 255, "x" * 255),
    ],
)
def test_what_lies_inside_is_taken(name: str, below: str, root: Path) -> None:
    assert inside(root, name, "a setting") == root / below


@pytest.mark.parametrize(
    "name",
    [
        *("", " ", "\n", ".", "./", "src/..", "..", "../copy", "../copy/src", "../beside", "/"),
        *("src/../..", "src/../../beside", "//", "/etc/passwd", "out", "out/x", "src/out/x"),
        *("above", "above/beside", "above/copy/../beside", "root/etc", "itself", "chain/x"),
        *("circle/x", "a\0b", "\ud800", "x" * 256, "x/" * 3000, "☃" * 100),
        *(None, 3, True, [], ["src"], {"src": 1}, b"src", 1e999),
    ],
)
def test_what_does_not_is_refused_by_its_setting(name: Any, root: Path) -> None:
    with pytest.raises(MlpperfError, match=r"^a setting is .*\.$") as caught:
        inside(root, name, "a setting")
    assert len(str(caught.value)) < 250
    assert len(str(caught.value).splitlines()) == 1
    str(caught.value).encode()


def test_an_absolute_path_into_the_copy_is_refused_too(root: Path) -> None:
    with pytest.raises(MlpperfError, match="does not lie inside the project"):
        inside(root, str(root / "src"), "a setting")


@pytest.mark.parametrize("name", [".", "src/..", "itself"])
def test_the_folder_itself_is_taken_only_where_that_is_allowed(name: str, root: Path) -> None:
    assert inside(root, name, "a setting", or_root=True).resolve() == root
    with pytest.raises(MlpperfError, match="a setting is"):
        inside(root, "..", "a setting", or_root=True)


def test_a_copy_that_is_reached_through_a_link(root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(root)
    assert inside(tmp_path / "link", "src", "a setting") == tmp_path / "link" / "src"
    with pytest.raises(MlpperfError, match="a setting is"):
        inside(tmp_path / "link", "out", "a setting")
