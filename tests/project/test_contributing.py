"""The examples of CONTRIBUTING.md are carried out on a copy of the package, word for word."""

import re
import shutil
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def blocks() -> list[str]:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    return re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the package under another name: it imports itself relatively, so that works."""
    target = tmp_path / "mlpperf_with_examples"
    shutil.copytree(ROOT / "src" / "mlpperf", target, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.syspath_prepend(tmp_path)
    return target


@pytest.fixture(autouse=True)
def _forget_the_copy() -> object:
    yield
    for name in [name for name in sys.modules if name.startswith("mlpperf_with_examples")]:
        del sys.modules[name]


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1
    file.write_text(text.replace(old, new), encoding="utf-8")


def load(copied: Path) -> tuple[ModuleType, dict[str, object]]:
    hotpath = import_module(f"{copied.name}.hotpath")
    paths = import_module(f"{copied.name}.paths")
    return hotpath, {path.name: path for path in paths.PATHS}


def check(hotpath: ModuleType, path: object, variant_name: str) -> None:
    variant = next(v for v in path.variants if v.name == variant_name)
    network = import_module(hotpath.__name__.replace("hotpath", "articles.mlp.network"))
    for size in (1, 7, 96):
        proof = hotpath.verify(path, variant, network.NetworkCase(size, (9, 8, 7, 10), "synthetic"))
        assert proof.error <= proof.tolerance


def test_variant_touches_one_file(blocks: list[str], copied: Path) -> None:
    function, line, _ = blocks
    page = copied / "paths" / "sigmoid.py"
    edit(page, "def with_buffer(", f"{function}\n\ndef with_buffer(")
    edit(page, "    variants=(\n", f"    variants=(\n        {line}")
    hotpath, paths = load(copied)
    check(hotpath, paths["sigmoid"], "reciprocal_of_sum")


def test_path_touches_two_files(blocks: list[str], copied: Path) -> None:
    (copied / "paths" / "accuracy.py").write_text(blocks[2], encoding="utf-8")
    init = copied / "paths" / "__init__.py"
    edit(init, "from . import (\n", "from . import (\n    accuracy,\n")
    edit(init, "PATHS = (\n", "PATHS = (\n    accuracy.PATH,\n")
    hotpath, paths = load(copied)
    check(hotpath, paths["accuracy"], "row_by_row")
