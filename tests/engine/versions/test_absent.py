"""What a copy lacks and benchmarks may use makes a result unknown: ignored modules, LFS files."""

from pathlib import Path
from typing import Any

import pytest

from mlpperf.engine.suites.discovery import Suite
from mlpperf.engine.versions.absent import POINTER, ignored_modules, pointers
from mlpperf.engine.versions.layout import BUILT
from mlpperf.engine.versions.pair import Pair
from mlpperf.engine.versions.version import checked_out


def ignored(project: Any, tmp_path: Path, built: str = "") -> list[str]:
    """The modules that matter in the working tree of a project, by a copy of it."""
    (project.folder / ".gitignore").write_text("_tables*\n_version.py\nvenv/\n")
    version = checked_out(None, project.folder, Path(), tmp_path / "copy")
    if built:
        (version.root / BUILT / built).parent.mkdir(parents=True)
        (version.root / BUILT / built).write_text("")
    return list(ignored_modules(version))


def write(project: Any, name: str, text: str = "") -> None:
    (project.folder / name).parent.mkdir(parents=True, exist_ok=True)
    (project.folder / name).write_text(text)


WITH_FALLBACK = "try:\n    from {} import _tables\nexcept ImportError:\n    _tables = None\n"


@pytest.mark.parametrize("name", ["_tables.py", "_tables.abi3.so", "_tables/__init__.py"])
def test_an_imported_module_that_git_ignores_matters(
    name: str, project: Any, tmp_path: Path
) -> None:
    write(project, "inner/code.py", WITH_FALLBACK.format("inner"))
    write(project, f"inner/{name}")

    assert ignored(project, tmp_path) == [f"inner/{name}".removesuffix("/__init__.py")]


def test_one_at_the_top_matters(project: Any, tmp_path: Path) -> None:
    write(project, "code.py", "import _tables\n")
    write(project, "_tables.py")

    assert ignored(project, tmp_path) == ["_tables.py"]


@pytest.mark.parametrize(
    "code",
    [
        "from inner import (\n    _tables,\n)\n",
        "import inner._tables as tables\n",
        "from ._tables import row\n",
        "import importlib\n\ntables = importlib.import_module('inner._tables')\n",
        "not Python: import _tables\n",
    ],
)
def test_every_way_to_import_it_matters(code: str, project: Any, tmp_path: Path) -> None:
    write(project, "inner/code.py", code)
    write(project, "inner/_tables.py")

    assert ignored(project, tmp_path) == ["inner/_tables.py"]


@pytest.mark.parametrize(
    ("file", "code", "matters"),
    [
        ("inner/__init__.py", "from inner.deep import _tables\n", True),
        ("inner/__init__.py", "from .deep import _tables\n", True),
        ("inner/__init__.py", "import inner.deep._tables\n", True),
        ("outer/code.py", "from inner.deep._tables import row\n", True),
        ("outer/code.py", "__import__('inner.deep' + '._tables')\n", True),
        ("inner/deep/deeper/code.py", "from .. import _tables\n", True),
        ("inner/deep/deeper/code.py", "from .._tables import row\n", True),
        ("inner/deep/deeper/code.py", "from . import _tables\n", False),
        ("inner/__init__.py", "from . import _tables\n", False),
        ("outer/code.py", "from other import _tables\n", False),
        ("outer/code.py", "import _tables\n", False),
    ],
)
def test_it_matters_wherever_it_is_imported(
    file: str, code: str, matters: bool, project: Any, tmp_path: Path
) -> None:
    write(project, "inner/deep/__init__.py")
    write(project, file, code)
    write(project, "inner/deep/_tables.py")

    assert ignored(project, tmp_path) == ["inner/deep/_tables.py"] * matters


def test_one_in_a_folder_without_a_package_is_imported_by_its_name(
    project: Any, tmp_path: Path
) -> None:
    write(project, "src/inner/code.py", "import _tables\n")
    write(project, "src/_tables.py")

    assert ignored(project, tmp_path) == ["src/_tables.py"]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("inner/_version.py", "from ._version import version\n"),
        ("inner/_tables.py", "# A comment on _tables.\n"),
        ("inner/_tables.py", '"""An example:\n\n    import _tables\n"""\n'),
        ("inner/_tables.txt", "from . import _tables\n"),
        ("venv/lib/_tables.py", "from . import _tables\n"),
    ],
)
def test_other_ignored_files_do_not(name: str, code: str, project: Any, tmp_path: Path) -> None:
    write(project, "inner/code.py", code)
    write(project, name)

    assert ignored(project, tmp_path) == []


@pytest.mark.parametrize(("name", "same"), [("_tables.py", False), ("_tables.txt", True)])
def test_a_working_tree_with_an_ignored_module_may_have_other_code(
    name: str, same: bool, project: Any, tmp_path: Path
) -> None:
    write(project, ".gitignore", "_tables*\n")
    write(project, "inner/code.py", "from . import _tables\n")
    write(project, f"inner/{name}")
    base, head = (
        checked_out(None, project.folder, Path(), tmp_path / side) for side in ("base", "head")
    )
    suites = (Suite("pytest", (), (), (), "pytest"),)
    assert Pair(base, head, suites).same_code == same


def test_what_a_build_generates_does_not(project: Any, tmp_path: Path) -> None:
    write(project, "inner/code.py", WITH_FALLBACK.format("inner"))
    write(project, "inner/_tables.py")

    assert ignored(project, tmp_path, built="inner/_tables.py") == []


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
