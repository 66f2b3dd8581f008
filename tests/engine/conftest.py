"""What tests of several folders of the engine share."""

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PYPROJECT = """[project]
name = "town"
version = "1.0"
"""
STREETS = '''"""Streets."""


def walk(n):
    for _ in range({effort} * n):
        pass
    return n


def stand():
    return sum(range(1000)) * 0
'''
TESTS = '''"""Timed."""

import cart
from town import streets


def test_walk(benchmark):
    assert benchmark(streets.walk, 20) == 20


def test_stand(benchmark):
    assert benchmark(streets.stand) == 0


def test_cart(benchmark):
    assert benchmark(cart.carry, 20) == 20
'''
CART = '''"""A library."""


def carry(n):
    for _ in range({effort} * n):
        pass
    return n
'''
Wheels = Callable[..., Path]


@pytest.fixture
def two(project: Any, tmp_path: Path) -> tuple[Path, Path]:
    """Two copies of the project, to be changed."""
    for name in ("one", "other"):
        shutil.copytree(project.folder, tmp_path / name, ignore=shutil.ignore_patterns(".git"))
    return tmp_path / "one", tmp_path / "other"


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wheels:
    """Makes wheels, and an index of them, which is the only one."""
    index = tmp_path / "index"
    index.mkdir()
    for name, value in (("NO_INDEX", "1"), ("FIND_LINKS", str(index))):
        for tool in ("PIP", "UV"):
            monkeypatch.setenv(f"{tool}_{name}", value)

    def made(
        name: str, version: str, files: dict[str, str], *requires: str, tag: str = "py3-none-any"
    ) -> Path:
        about = f"{name}-{version}.dist-info"
        needs = "".join(f"Requires-Dist: {one}\n" for one in requires)
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}"
        contents = {
            **files,
            f"{about}/METADATA": metadata,
            f"{about}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n",
        }
        listed = "".join(f"{file},,\n" for file in [*contents, f"{about}/RECORD"])
        file = index / f"{name}-{version}-{tag}.whl"
        with zipfile.ZipFile(file, "w") as wheel:
            for place, text in {**contents, f"{about}/RECORD": listed}.items():
                wheel.writestr(place, text)
        return file

    return made


@pytest.fixture
def market(project: Any, wheels: Wheels) -> Any:
    """A project in `src` with tests; there are two releases of it and two of a library, cart."""
    project.git("rm", "-r", "--quiet", "src")
    project.write("pyproject.toml", PYPROJECT)
    project.write("src/town/__init__.py", "")
    project.write("src/town/streets.py", STREETS.format(effort=50))
    project.write("tests/test_town.py", TESTS)
    project.commit("a town")
    project.wheel = wheels
    for version, effort in (("1.0", 50), ("2.0", 500)):
        streets = STREETS.format(effort=effort)
        wheels("town", version, {"town/__init__.py": "", "town/streets.py": streets})
        wheels("cart", version, {"cart.py": CART.format(effort=effort)})
    return project
