"""The version of a project is known to its code, as if it were installed."""

import importlib.metadata
from pathlib import Path
from typing import Any

import pytest

from mlpperf.engine.versions.layout import import_folders
from mlpperf.engine.versions.metadata import complete


def written(root: Path, *names: str) -> Path:
    for name in names:
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("", encoding="utf-8")
    return root


def version_of(root: Path, name: str) -> str:
    metadata = importlib.metadata.Distribution.discover(
        name=name, path=[str(import_folders(root)[0])]
    )
    return next(iter(metadata)).version


@pytest.mark.parametrize(
    ("files", "version"),
    [
        ({"pyproject.toml": "[project]\nname = 'Some-Town.x'\nversion = '2.1'\n"}, "2.1"),
        ({"pyproject.toml": "[project]\nname = 'some_town.x'\ndynamic = ['version']\n"}, "1.4.2"),
        ({"setup.cfg": "[metadata]\nname = some-town-x\n"}, "1.4.2"),
        ({"setup.py": "setup(\n    name='some-town-x',\n)\n"}, "1.4.2"),
    ],
)
def test_code_that_asks_for_its_own_version_finds_it(
    files: dict[str, str], version: str, project: Any, tmp_path: Path
) -> None:
    project.git("tag", "v1.4.2")
    root = written(tmp_path / "copy", "some_town/__init__.py")
    for name, text in files.items():
        (root / name).write_text(text, encoding="utf-8")
    complete(root, None, project.folder)
    assert version_of(root, "some-town-x") == version


@pytest.mark.parametrize(
    "tool",
    [
        "[tool.setuptools_scm]\nversion_file = 'src/town/_version.py'\n",
        "[tool.setuptools_scm]\nwrite_to = 'src/town/_version.py'\n",
        "[tool.hatch.build.hooks.vcs]\nversion-file = 'src/town/_version.py'\n",
    ],
)
def test_the_file_that_a_build_would_write_is_there(
    tool: str, project: Any, tmp_path: Path
) -> None:
    project.git("tag", "release-3.0.1")
    root = written(tmp_path / "copy", "src/town/__init__.py")
    text = f"[project]\nname = 'town'\ndynamic = ['version']\n{tool}"
    (root / "pyproject.toml").write_text(text, encoding="utf-8")
    complete(root, None, project.folder)
    values: dict[str, Any] = {}
    exec((root / "src/town/_version.py").read_text(encoding="utf-8"), values)
    assert values["version"] == values["__version__"] == "3.0.1"
    assert values["version_tuple"] == (3, 0, 1)
    (root / "src/town/_version.py").write_text("mine = 1", encoding="utf-8")
    complete(root, None, project.folder)  # what is there stays
    assert (root / "src/town/_version.py").read_text(encoding="utf-8") == "mine = 1"


def test_without_a_tag_the_version_is_zero(project: Any, tmp_path: Path) -> None:
    root = written(tmp_path / "copy", "town.py")
    text = "[project]\nname = 'town'\ndynamic = ['version']\n"
    (root / "pyproject.toml").write_text(text, encoding="utf-8")
    complete(root, project.git("rev-parse", "HEAD").strip(), project.folder)
    assert version_of(root, "town") == "0"
