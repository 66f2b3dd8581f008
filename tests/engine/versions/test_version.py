"""Two versions of a package in one process really are two, whatever is imported and whenever."""

import sys
from collections.abc import Sequence
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any

import pytest

from mlpperf.articles import HOT_PATHS
from mlpperf.engine.versions import version as versions
from mlpperf.engine.versions.diff import same_code
from mlpperf.engine.versions.environment import Runtime
from mlpperf.engine.versions.version import (
    Version,
    checked_out,
    coexistence,
    entries_of,
)
from mlpperf.errors import MlpperfError

ROOT = Path(__file__).parents[3]


def version(root: Path) -> Version:
    return Version(root.name, None, root, entries_of(root, HOT_PATHS))


def edit(root: Path, name: str, old: str, new: str) -> None:
    text = (root / name).read_text(encoding="utf-8")
    assert old in text
    (root / name).write_text(text.replace(old, new), encoding="utf-8")


# --- where the package is -------------------------------------------------------------------------


@pytest.mark.parametrize("folder", ["src", "."])
@pytest.mark.parametrize("single", [True, False])
def test_packages_and_modules_in_src_and_in_the_root(
    single: bool, folder: str, tmp_path: Path
) -> None:
    text = "from mlpperf.hotpath import Case, Cost, HotPath\n" + PAGE
    module = tmp_path / folder / ("page.py" if single else "page/__init__.py")
    module.parent.mkdir(parents=True, exist_ok=True)
    module.write_text(text, encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text('[tool.mlpperf]\npaths = ["page"]', encoding="utf-8")
    assert entries_of(tmp_path) == ("page",)  # PATHS is what is meant


PAGE = '''
def given(x):
    """x."""
    return (x,)

PATHS = [HotPath("page", "A page.", given, (), lambda case, rng: (rng.random(3),), (Case(3),),
                 lambda case: Cost(bytes=24))]
'''


def test_this_package_needs_no_entry() -> None:
    assert entries_of(ROOT) == ("mlpperf.paths:PATHS",)


# --- one process ------------------------------------------------------------------------------


def test_versions_that_cannot_share_a_process_say_why(
    two: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, head = map(version, two)
    assert coexistence(base, head, tmp_path, "") == ("", Runtime())
    assert coexistence(base, head, tmp_path, "as asked") == ("as asked", Runtime())
    compiled = head.root / "src/pkg" / f"fast{EXTENSION_SUFFIXES[-1]}"
    compiled.write_bytes(b"")
    reason, runtime = coexistence(base, head, tmp_path, "")
    assert reason == f"other has extension modules: {compiled.relative_to(head.root)}"
    assert runtime == Runtime()
    edit(base.root, "pyproject.toml", '"numpy>=2"', '"numpy>=999", "packaging"')
    installed = []

    def packages(python: str, wanted: Sequence[str], folder: Path) -> list[str]:
        installed.append((python, wanted, folder))
        return ["its folder"]

    monkeypatch.setattr(versions, "packages", packages)
    reason, runtime = coexistence(base, head, tmp_path, "")
    assert reason == "one needs numpy>=999"
    assert runtime == Runtime(sys.executable, {"base": ["its folder"]})
    # All requirements together: the others have to fit these.
    wanted = ("numpy>=999", "packaging")
    assert installed == [(sys.executable, wanted, tmp_path / "base-requirements")]


# --- the same code --------------------------------------------------------------------------------


def test_the_same_code_is_that_of_the_packages_and_their_requirements(
    two: tuple[Path, Path],
) -> None:
    one, other = two
    assert same_code(version(one), version(other))
    (other / "README.md").write_text("Changed.", encoding="utf-8")
    (other / "src/pkg/__pycache__").mkdir()
    (other / "src/pkg/__pycache__/work.cpython-311.pyc").write_bytes(b"1")
    assert same_code(version(one), version(other))
    edit(other, "pyproject.toml", "numpy>=2", "numpy>=2.1")
    assert not same_code(version(one), version(other))
    edit(other, "pyproject.toml", "numpy>=2.1", "numpy>=2")
    assert same_code(version(one), version(other))
    edit(other, "src/pkg/work.py", "REPEATS = 1", "REPEATS = 1 ")
    assert not same_code(version(one), version(other))


def test_a_file_that_was_renamed_added_or_is_data_counts(two: tuple[Path, Path]) -> None:
    one, other = two
    (other / "src/pkg/table.csv").write_text("1", encoding="utf-8")
    assert not same_code(version(one), version(other))
    (one / "src/pkg/tables.csv").write_text("1", encoding="utf-8")
    assert not same_code(version(one), version(other))
    (one / "src/pkg/tables.csv").rename(one / "src/pkg/table.csv")
    assert same_code(version(one), version(other))


def test_other_packages_of_the_project_count(two: tuple[Path, Path]) -> None:
    """What the hot paths import may be in a package of its own."""
    for root, factor in zip(two, "23", strict=True):
        (root / "src/core").mkdir()
        (root / "src/core/__init__.py").write_text(f"FACTOR = {factor}\n", encoding="utf-8")
        edit(root, "src/pkg/work.py", "REPEATS = 1", "from core import FACTOR\n\nREPEATS = 1")
    assert not same_code(*map(version, two))


def test_nothing_is_not_the_same_code(two: tuple[Path, Path]) -> None:
    """Otherwise a misspelt entry, or none, would pass as `no regression`."""
    for root in two:
        edit(root, "pyproject.toml", "pkg.hotpaths", "pgk.hotpaths")
    assert not same_code(*map(version, two))
    for root in two:
        (root / "pyproject.toml").write_text("", encoding="utf-8")
    assert not same_code(*map(version, two))


# --- from a repository ----------------------------------------------------------------------------


def test_a_version_is_checked_out(project: Any, tmp_path: Path) -> None:
    first = project.git("rev-parse", "HEAD").strip()
    project.write("src/pkg/work.py", "changed")
    old = checked_out("HEAD", project.folder, Path(), tmp_path / "old")
    new = checked_out(None, project.folder, Path(), tmp_path / "new")
    by_hash = checked_out(old.commit, project.folder, Path(), tmp_path / "hash")
    assert old.commit
    assert (by_hash.name, by_hash.commit) == (old.commit[:10], old.commit)
    assert (old.name, old.commit, old.root) == ("HEAD", first, tmp_path / "old")
    assert (new.name, new.commit, new.root) == ("the working tree", None, tmp_path / "new")
    assert (new.root / "src/pkg/work.py").read_text(encoding="utf-8") == "changed"
    with pytest.raises(MlpperfError, match="There is no commit '--help'"):
        checked_out("--help", project.folder, Path(), tmp_path / "third")
    assert not (tmp_path / "third").exists()


def test_a_project_below_the_top_is_checked_out_with_the_rest(project: Any, tmp_path: Path) -> None:
    project.write("tools/pyproject.toml", '[tool.mlpperf]\npaths = ["page"]')
    project.write("tools/page.py", "from mlpperf.hotpath import Case, Cost, HotPath\n" + PAGE)
    project.commit()
    version = checked_out("main", project.folder, Path("tools"), tmp_path / "out")
    assert version.root == tmp_path / "out" / "tools"
    assert version.entries == ("page",)
