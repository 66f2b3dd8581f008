"""What the benchmarks import, and where the project lists it."""

from pathlib import Path

import pytest

from mlpperf.engine.suites.discovery import discover
from mlpperf.engine.versions import declared as module
from mlpperf.engine.versions.declared import Declared, declared

TEST = """import json, attr, rich, yaml, town
from .helpers import x
from helpers_beside import y
import pytest

def test_it(benchmark):
    import httpx
    benchmark(int)
"""
PROJECT = """[project]
name = "town"
dependencies = ["httpx>=1"]
"""


@pytest.fixture(autouse=True)
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"attr": ["attrs"], "yaml": ["PyYAML"]}
    monkeypatch.setattr(module, "_installed", lambda root: known)


def of(root: Path, files: dict[str, str]) -> Declared:
    code = {"town/__init__.py": "", "tests/helpers_beside.py": "", "tests/test_it.py": TEST}
    for name, text in {**code, **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return declared(root, discover(root))


def test_what_nothing_lists_is_named(tmp_path: Path) -> None:
    made = of(tmp_path, {"pyproject.toml": PROJECT})
    assert made == Declared(True, [], [], [], [], ["attr", "rich", "yaml"])


def test_every_kind_of_list_is_read(tmp_path: Path) -> None:
    groups = """[project.optional-dependencies]
fast = ["attrs[x]>=1; python_version > '3'"]
unused = ["numpy"]
[dependency-groups]
base = ["rich"]
bench = [{include-group = "base"}, {include-group = "bench"}]
"""
    made = of(tmp_path, {"pyproject.toml": PROJECT + groups, "requirements-dev.txt": "pyyaml\n"})
    assert (made.extras, made.groups, made.files) == (["fast"], ["base"], ["requirements-dev.txt"])
    assert not made.unlisted
    tox = "[testenv:bench]\ndeps =\n    attrs==23\n    -r more.txt\n    py3: rich\n    pyyaml\n"
    made = of(tmp_path, {"pyproject.toml": PROJECT, "tox.ini": tox, "requirements-dev.txt": ""})
    assert made.requirements == ["attrs==23", "pyyaml"]
    assert made.unlisted == ["rich"]


def test_a_project_without_a_build_needs_its_requirements(tmp_path: Path) -> None:
    made = of(tmp_path, {"requirements.txt": "attrs\n"})
    assert not made.installable
    assert made.files == ["requirements.txt"]


@pytest.mark.parametrize(
    ("supported", "python"),
    [
        (">=3.9", "3.13"),
        ("<3.13", "3.12"),
        (">=3.11,<3.12", "3.11"),
        (">=3.14", "3.14"),
        ("<3.11", ""),
        ("nonsense", "3.13"),
    ],
)
def test_the_python_is_one_that_the_project_supports(
    tmp_path: Path, supported: str, python: str
) -> None:
    text = f"{PROJECT}requires-python = {supported!r}\n"
    assert of(tmp_path, {"pyproject.toml": text}).python == python
