"""What a change of the configuration may change."""

from pathlib import Path

import pytest

from mlpperf.engine.versions.configuration import builds, other_packages
from mlpperf.engine.versions.version import Version

BEFORE = """[build-system]
requires = ["hatchling"]

[project]
name = "town"
version = "1.0"
requires-python = ">=3.11"
dependencies = ["numpy>=2"]

[project.entry-points."town.kinds"]
walk = "town:walk"

[dependency-groups]
test = ["pytest"]

[tool.hatch.build]
packages = ["src/town"]

[tool.hatch.envs.test]
dependencies = ["pytest"]

[tool.poetry.group.dev.dependencies]
pytest = "8"

[tool.uv]
default-groups = ["test"]

[tool.uv.sources]
cart = { path = "../cart" }

[tool.ruff]
line-length = 100

[tool.pytest.ini_options]
addopts = "-q"
"""


@pytest.mark.parametrize(
    ("before", "after", "built", "asks"),
    [
        ("", "", False, False),
        ('"hatchling"', '"hatchling>1"', True, False),
        ('"1.0"', '"1.1"', False, False),
        (">=3.11", ">=3.12", False, False),
        ("numpy>=2", "numpy>=2.1", False, True),
        ('["pytest"]\n\n[tool.hatch.build]', '["pytest>9"]\n\n[tool.hatch.build]', False, True),
        ('["pytest"]\n\n[tool.poetry', '["pytest>9"]\n\n[tool.poetry', False, True),
        ('"8"', '"9"', False, True),
        ('["test"]', "[]", False, True),
        ("100", "99", False, False),
        ("[tool.ruff]\nline-length = 100\n", "", False, False),
        ("../cart", "../other", True, False),
        ("src/town", "town", True, False),
        ("town:walk", "town:run", True, False),
        ("-q", "-v", False, False),
        ('[tool.pytest.ini_options]\naddopts = "-q"\n', "", False, False),
        ("addopts", "filterwarnings", True, False),
        ("[tool.ruff]", "[tool.unknown]", True, False),
        ("[project]", "[project", True, True),
    ],
)
def test_a_key_of_the_project_builds_it_or_asks_for_packages(
    before: str, after: str, built: bool, asks: bool, tmp_path: Path
) -> None:
    assert before in BEFORE
    texts = [BEFORE, BEFORE.replace(before, after, 1) if before else BEFORE]
    assert builds("pyproject.toml", [text.encode() for text in texts]) is built
    versions = []
    for side, text in zip(("base", "head"), texts, strict=True):
        (tmp_path / side).mkdir()
        (tmp_path / side / "pyproject.toml").write_text(text, encoding="utf-8")
        versions.append(Version(side, None, tmp_path / side))
    assert ("pyproject.toml" in other_packages(*versions)) is asks


def test_files_that_name_packages_are_listed_in_a_sentence(tmp_path: Path) -> None:
    versions = []
    for side in ("base", "head"):
        for name in ("uv.lock", "lib/requirements-dev.txt", "notes.txt", "lib/requirements.py"):
            (tmp_path / side / "lib").mkdir(parents=True, exist_ok=True)
            (tmp_path / side / name).write_text(side, encoding="utf-8")
        versions.append(Version(side, None, tmp_path / side / "lib", copy=tmp_path / side))
    (tmp_path / "head" / "new.lock").touch()  # nothing to compare it with
    said = other_packages(*versions)
    assert said.startswith("lib/requirements-dev.txt, uv.lock name other packages than at base;")
    assert "use --base-with and --head-with" in said


OF_SETUP = """[metadata]
name = town
version = 1.0
long_description = file: README.md

[options]
packages = find:

[flake8]
max-line-length = 88

[mypy-town.*]
strict = true

[tool:pytest]
markers = slow
filterwarnings = error
"""


@pytest.mark.parametrize(
    ("before", "after", "built"),
    [
        ("1.0", "1.1", False),
        ("88", "99", False),
        ("[flake8]\nmax-line-length = 88\n", "", False),
        ("strict = true", "strict = false", False),
        ("slow", "quick", False),
        ("find:", "town", True),
        ("name = town", "name = city", True),
        ("error", "ignore", True),
        ("[options]", "[options", True),
    ],
)
def test_a_section_of_setup_cfg_may_be_of_a_linter(before: str, after: str, built: bool) -> None:
    assert before in OF_SETUP
    texts = [OF_SETUP.encode(), OF_SETUP.replace(before, after, 1).encode()]
    assert builds("setup.cfg", texts) is built


@pytest.mark.parametrize("name", ["setup.py", "setup.cfg", "Cargo.toml", "hatch_build.py"])
def test_scripts_and_settings_of_a_build_are_no_lists_of_packages(name: str) -> None:
    assert builds(name, [b"", b"[options]\nzip_safe = 1"])
    assert builds("pyproject.toml", [b""])  # which one version lacks
    assert not builds("uv.lock", [b"", b"1"])
