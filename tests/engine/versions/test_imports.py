"""What a hot path imports: what differs in it counts, and nothing else does."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mlpperf.engine.versions.imports import reached, same

FILES = {
    "src/pkg/__init__.py": '"""A package."""\nfrom . import pages\n',
    "src/pkg/pages/__init__.py": "from .one import work\nfrom .two import other\n",
    "src/pkg/pages/one.py": '''"""A page."""
from ..shared import helper


def work(x):
    """Twice."""
    return helper(x)  # quickly


def late(x):
    from pkg.late import more
    return more(x)
''',
    "src/pkg/pages/two.py": "def other(x):\n    return x\n",
    "src/pkg/shared.py": "import json\n\n\ndef helper(x):\n    return 2 * x\n",
    "src/pkg/late.py": "def more(x):\n    return x\n",
    "src/pkg/apart.py": "from .pages.one import work\n",
    "src/pkg/pages/table.csv": "1,2\n",
    "src/pkg/pages/README.md": "Read me.\n",
}
PAGE = ["src/pkg/pages/one.py"]


@pytest.fixture
def roots(tmp_path: Path) -> tuple[Path, Path]:
    """Two copies of the same project."""
    for name, text in FILES.items():
        file = tmp_path / "base" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    shutil.copytree(tmp_path / "base", tmp_path / "head")
    return tmp_path / "base", tmp_path / "head"


def test_what_is_imported_is_followed(roots: tuple[Path, Path]) -> None:
    base, _ = roots
    files = ("__init__.py", "pages/__init__.py", "pages/one.py", "shared.py", "late.py")
    assert reached(base, PAGE) == {f"src/pkg/{name}" for name in (*files, "pages/table.csv")}


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        ("pages/one.py", "helper(x)  #", "helper(x + 0)  #", False),
        ("pages/one.py", '"""Twice."""', '"""Two times."""', True),
        ("pages/one.py", "# quickly", "# slowly", True),
        ("pages/one.py", "def late", "\n\ndef late", True),
        ("shared.py", "2 * x", "x + x", False),
        ("late.py", "return x", "return +x", False),
        ("pages/two.py", "return x", "return +x", True),
        ("apart.py", "work", "late", True),
        ("pages/__init__.py", "from .two import other\n", "", False),  # it is run, too
        ("pages/table.csv", "1", "3", False),
        ("pages/README.md", "Read", "Do not read", True),
    ],
)
def test_what_differs_counts_if_it_is_reached(
    roots: tuple[Path, Path], file: str, old: str, new: str, expected: bool
) -> None:
    base, head = roots
    assert same(base, head, PAGE)
    changed = head / "src/pkg" / file
    assert old in changed.read_text()
    changed.write_text(changed.read_text().replace(old, new))
    assert same(base, head, PAGE) is expected


@pytest.mark.parametrize(
    "line",
    [
        *("import_module('pkg.' + name)", "importlib.import_module(name)", "exec(text)", "def ("),
        *("entry_points(group='x')", "pkgutil.walk_packages(path)", "pkgutil.get_data('pkg', x)"),
    ],
)
def test_a_computed_import_is_never_the_same_code(roots: tuple[Path, Path], line: str) -> None:
    for root in roots:
        (root / "src/pkg/shared.py").write_text(f"{line}\n")
    assert reached(roots[0], PAGE) is None
    assert not same(*roots, PAGE)


@pytest.mark.parametrize(
    "line",
    ["open(name)", "path.read_text()", "np.loadtxt(name)", "ctypes.CDLL(name)", "os.walk(x)"],
)
def test_code_that_reads_files_may_read_any_of_them(roots: tuple[Path, Path], line: str) -> None:
    """Not only those beside it."""
    for root in roots:
        (root / "data").mkdir()
        (root / "data/big.bin").write_text("1")
    (roots[1] / "data/big.bin").write_text("2")
    assert same(*roots, PAGE)
    for root in roots:
        (root / "src/pkg/shared.py").write_text(f"{line}\n")
    assert not same(*roots, PAGE)
    (roots[1] / "data/big.bin").write_text("1")
    assert same(*roots, PAGE)


def test_a_file_that_only_one_has_makes_a_difference(roots: tuple[Path, Path]) -> None:
    base, head = roots
    (head / "src/pkg/late.py").unlink()
    assert not same(base, head, PAGE)
