"""What the code imports stands in pyproject.toml, and the core needs nothing of the extras."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from mlpperf.errors import _PACKAGE_OF

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "mlpperf"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
# Looked for at the moment that they are wanted, and told about if they are not there.
OPTIONAL_IN_THE_CORE = {
    *("tensorflow", "numba", "llvmlite", "memray", "mcp"),
    "pytest",  # in what it loads
}
# In other projects' environments, to run their suites.
IN_ANY_ENVIRONMENT = {"pytest", "greenlet", "asv_runner", "numpy"}  # if they are there


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[^\w.-]", text)[0] for text in requirements}


def imported(source: str) -> Iterator[str]:
    """The packages that `source` imports, at any place in it, as they are called to install them.

    Not those of the standard library, and not what is imported relatively.
    """
    for node in ast.walk(ast.parse(source)):
        modules: list[str] = []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            modules = [node.module or ""]
        for module in (module.partition(".")[0] for module in modules):
            if module not in sys.stdlib_module_names:
                yield _PACKAGE_OF.get(module, module)


def of_the_core(file: Path) -> bool:
    below = file.relative_to(PACKAGE).parts
    return below[0] not in {"articles", "paths"} and below[:2] != ("engine", "report")


FILES = sorted(PACKAGE.rglob("*.py"))
# What measures hot paths runs where this package is; the rest in any environment.
OF_HOT_PATHS = {
    *("hotpath_suite.py", "hotpath_dry_run.py", "arrays.py", "race.py", "contest.py"),
    "allocations.py",  # which uses memray, if that is there
}
WORKER = [f for f in (PACKAGE / "engine" / "worker").rglob("*.py") if f.name not in OF_HOT_PATHS]


def allowed_in(file: Path) -> set[str]:
    """The packages that a file may import."""
    if file in WORKER:
        return IN_ANY_ENVIRONMENT
    if of_the_core(file):
        return names(PROJECT["dependencies"]) | OPTIONAL_IN_THE_CORE
    return names(PROJECT["dependencies"]).union(*map(names, EXTRAS.values()))


def test_what_is_imported_is_declared() -> None:
    others = {
        str(file.relative_to(PACKAGE)): set(imported(file.read_text("utf-8"))) - allowed_in(file)
        for file in FILES
    }
    assert len(others) > 10
    assert not {name: packages for name, packages in others.items() if packages}


def test_the_worker_imports_nothing_else_of_this_package() -> None:
    for file in WORKER:
        tree = ast.parse(file.read_text("utf-8"), feature_version=(3, 9))  # whose Python may be old
        for node in ast.walk(tree):
            assert not isinstance(node, ast.ImportFrom) or node.level <= 1, file


def test_the_core_is_most_of_the_engine() -> None:
    core = {str(file.relative_to(PACKAGE)) for file in FILES if of_the_core(file)}
    assert {"hotpath.py", "engine/compare/pipeline.py", "engine/history/table.py"} <= core
    assert not {name for name in core if name.startswith(("articles", "paths", "engine/report"))}


def test_imports_are_found_wherever_they_are() -> None:
    source = """
import os, numpy.linalg
from .. import errors
from .scipy import something
def f():
    from sklearn.cluster import KMeans
    import plotly.io as p
"""
    assert list(imported(source)) == ["numpy", "scikit-learn", "plotly"]
