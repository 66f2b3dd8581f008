"""What tests of several folders of the engine share."""

import shutil
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def two(project: Any, tmp_path: Path) -> tuple[Path, Path]:
    """Two copies of the project, to be changed."""
    for name in ("one", "other"):
        shutil.copytree(project.folder, tmp_path / name, ignore=shutil.ignore_patterns(".git"))
    return tmp_path / "one", tmp_path / "other"
