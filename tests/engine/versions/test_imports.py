"""What a hot path imports: what differs in it counts, and nothing else does."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import mlpperf
from mlpperf.engine.versions.diff import same_paths
from mlpperf.engine.versions.version import Version

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
SOURCES = Path(mlpperf.__file__).parent
WITHOUT = shutil.ignore_patterns("__pycache__")
PAGE = ["src/pkg/pages/one.py"]


def same(base: Path, head: Path, files: list[str], *entries: str) -> bool:
    """Whether a hot path with these files runs the same in both."""
    versions = [Version(root.name, None, root, entries) for root in (base, head)]
    return same_paths(*versions, {"path": files}) == {"path"}


def put(roots: tuple[Path, Path], *texts: str, name: str) -> None:
    """Write a file of each version, or the same in both."""
    for root, text in zip(roots, texts * (3 - len(texts)), strict=True):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


@pytest.fixture
def roots(tmp_path: Path) -> tuple[Path, Path]:
    """Two copies of the same project."""
    for name, text in FILES.items():
        file = tmp_path / "base" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    shutil.copytree(tmp_path / "base", tmp_path / "head")
    return tmp_path / "base", tmp_path / "head"


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
        ("pages/README.md", "Read", "Do not read", False),  # it may be read
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
        *("map(import_module, NAMES)", "from importlib import import_module as get", "f(exec)"),
        *("getattr(importlib, name)", "import importlib as lib", "builtins.exec(text)"),
        *("getattr(importlib, 'import_module')(name)", "import pickle", "import ply.lex"),
        "from pickle import load",
        *("Path(folder).glob('*.py')", "run([sys.executable, '-m', name])"),
    ],
)
def test_what_may_run_anything_is_never_the_same(roots: tuple[Path, Path], line: str) -> None:
    assert same(*roots, PAGE)
    put(roots, f"{line}\n", name="src/pkg/shared.py")
    assert not same(*roots, PAGE)


@pytest.mark.parametrize(
    "line",
    [
        *("import_module('json').dumps(x)", "find_spec(name)", "frame.eval(x)", "model.eval()"),
        *("importlib.metadata.version('pkg')", "import timeit", "import importlib.util"),
    ],
)
def test_what_cannot_run_anything_else_may_be_the_same(roots: tuple[Path, Path], line: str) -> None:
    put(roots, f'"""As import_module and one.py."""\n{line}\n', name="src/pkg/shared.py")
    assert same(*roots, PAGE)


def test_what_looks_for_modules_sees_those_that_one_version_lacks(
    roots: tuple[Path, Path],
) -> None:
    (roots[0] / "src/pkg/apart.py").unlink()
    assert same(*roots, PAGE)
    put(roots, "find_spec(f'pkg.{name}')\n", name="src/pkg/shared.py")
    assert not same(*roots, PAGE)


@pytest.mark.parametrize(
    ("place", "line"),
    [
        *(("lib/kern/scaling.py", f"{line}\n") for line in ("import kern.scaling", "import kern")),
        ("lib/kern/scaling.py", "from kern.scaling import scaled"),
        ("lib/kern/scaling.py", "from kern import *"),
        ("lib/kern/scaling.py", "x = import_module('kern.scaling')"),
        ("lib/kern/impl.py", "from kern import scaling"),  # an attribute, not the module
        ("python/deep/down/scaling.py", "import scaling"),
        ("statistics.py", "import statistics"),
        ("src/pkg/further/apart.py", "from .further import apart"),
    ],
)
def test_modules_are_known_wherever_they_lie(
    roots: tuple[Path, Path], place: str, line: str
) -> None:
    """`sys.path` may name any folder."""
    init = "from .scaling import scaled\nfrom .impl import scaling\n__all__ = ['scaling']\n"
    put(roots, init, name="lib/kern/__init__.py")
    for name in ("lib/kern/scaling.py", "lib/kern/impl.py"):
        put(roots, "A = 1\n", name=name)
    put(roots, "A = 1\n", "A = 2\n", name=place)
    assert same(*roots, PAGE)
    put(roots, f"{line}\n", name="src/pkg/shared.py")
    assert not same(*roots, PAGE)


@pytest.mark.parametrize("place", ["src/pkg/statistics.py", "lib/other/numpy/core.py"])
def test_modules_of_others_are_not_taken_for_the_projects(
    roots: tuple[Path, Path], place: str
) -> None:
    put(roots, "import statistics\nimport numpy as np\n", name="src/pkg/shared.py")
    put(roots, "A = 1\n", "A = 2\n", name=place)
    assert same(*roots, PAGE)


@pytest.mark.parametrize(
    ("name", "target", "file"),
    [
        ("src/pkg/linked.py", "../../bin/tool", "bin/tool"),
        ("src/pkg/linked.py", "../../lib/tool.py", "lib/tool.py"),
        ("src/pkg/linked", "../../lib", "lib/__init__.py"),
    ],
)
def test_links_are_followed_or_unknown(
    roots: tuple[Path, Path], name: str, target: str, file: str
) -> None:
    for root in roots:
        (root / name).symlink_to(target)
    put(roots, "A = 1\n", name=file)
    put(roots, "from . import linked\n", name="src/pkg/shared.py")
    assert same(*roots, PAGE) != name.endswith("linked")  # of a folder
    put(roots, "A = 1\n", "A = 2\n", name=file)
    assert not same(*roots, PAGE)


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        *(("data/big.bin", False), ("data/sizes.ini", False), ("data/text.md", False)),
        *(("README.md", True), ("docs/more.md", True), (".github/test.yml", True)),
    ],
)
def test_any_data_may_be_read(roots: tuple[Path, Path], file: str, expected: bool) -> None:
    """By whatever function of whatever package."""
    put(roots, "1", "2", name=file)
    assert same(*roots, PAGE) is expected
    put(roots, "open('README.md'), 'docs', '.github'\n", name="src/pkg/apart.py")
    assert same(*roots, PAGE) is expected  # what does not run reads nothing
    put(roots, "open('README.md'), 'docs', '.github'\n", name="src/pkg/shared.py")
    assert not same(*roots, PAGE)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import numpy as np\n\ndef one(x):\n    return np.exp(x)\n", True),
        ("import numpy as np\n\ndef one(x):\n    return np.load('big.npy')\n", False),
        ("from numpy import genfromtxt as get\n\ndef one(x):\n    return get(x)\n", False),
        ("def one(x):\n    return list(open(x))\n", False),
        ("import pandas\n\ndef one(x):\n    return x\n", False),
        ("import sys\n\ndef one(x):\n    return sys.stdin.buffer.readline()\n", False),
        ('"""It reads nothing."""\n\ndef one(x):\n    return x\n', True),
    ],
)
def test_data_do_not_matter_to_what_only_computes(
    text: str, expected: bool, roots: tuple[Path, Path]
) -> None:
    for name in ("__init__", "pages/__init__"):
        put(roots, "", name=f"src/pkg/{name}.py")
    put(roots, text, name=PAGE[0])
    put(roots, "1", "2", name="data/big.npy")
    assert same(*roots, PAGE) is expected


def test_the_module_that_puts_hot_paths_together_counts(roots: tuple[Path, Path]) -> None:
    put(roots, "PATHS = 1\n", "PATHS = 2\n", name="src/pkg/apart.py")
    assert same(*roots, PAGE)
    assert not same(*roots, PAGE, "pkg.apart:PATHS")


def test_the_hot_paths_of_the_articles_are_told_apart(tmp_path: Path) -> None:
    """Here, and so they are in projects like this one."""
    for side in ("base", "head"):
        shutil.copytree(SOURCES, tmp_path / side / "src/mlpperf", ignore=WITHOUT)
    name = "src/mlpperf/paths/sigmoid.py"
    changed = tmp_path / "head" / name
    changed.write_text(changed.read_text() + "\nMORE = 1\n")
    (tmp_path / "head/README.md").write_text("More.\n")
    assert not same(tmp_path / "base", tmp_path / "head", [name], "mlpperf.paths")
    others = [name.replace("sigmoid", other) for other in ("layout", "weight_update")]
    assert same(tmp_path / "base", tmp_path / "head", others, "mlpperf.paths")


def test_a_file_that_only_one_has_makes_a_difference(roots: tuple[Path, Path]) -> None:
    base, head = roots
    (head / "src/pkg/late.py").unlink()
    assert not same(base, head, PAGE)
