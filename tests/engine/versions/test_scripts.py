"""The scripts of a project, written beside a copy of it."""

import subprocess
import sys
from pathlib import Path

import pytest

from mlpperf.engine.versions.metadata import entry_points, scripts_folder, write_scripts

DECLARED = {
    "pyproject.toml": "[project]\nname = 'town'\n[project.scripts]\nwalk = 'town:feet.walk'\n",
    "setup.cfg": "[options.entry_points]\nconsole_scripts =\n    walk = town:feet.walk [fast]\n",
    "town-1.dist-info/entry_points.txt": "[console_scripts]\nwalk = town:feet.walk\n",
}
CODE = """class feet:
    @staticmethod
    def walk():
        print('walks')
        return 3
"""


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    copy = tmp_path / "a copy" / "base"
    (copy / "town").mkdir(parents=True)
    (copy / "town/__init__.py").write_text(CODE, encoding="utf-8")
    return copy


@pytest.mark.parametrize("place", DECLARED)
def test_a_script_calls_the_function_that_the_project_names(place: str, whole: Path) -> None:
    file = whole / place
    file.parent.mkdir(exist_ok=True)
    if "dist-info" in place:
        (whole / "setup.cfg").write_text("[metadata]\nname = town\n", encoding="utf-8")
        (file.parent / "METADATA").write_text("Name: town\nVersion: 1\n", encoding="utf-8")
    file.write_text(DECLARED[place], encoding="utf-8")
    write_scripts(whole, whole, sys.executable)
    script = scripts_folder(whole) / "walk"
    environment = {"PYTHONPATH": str(whole)}
    done = subprocess.run([script], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (3, "walks\n", "")


def test_what_names_no_function_is_no_script(whole: Path) -> None:
    (whole / "pyproject.toml").write_text(
        "[project]\nname = 'town'\n[project.scripts]\na = 'town'\nb = 3\n", encoding="utf-8"
    )
    assert entry_points(whole, whole) == {}
    (whole / "setup.cfg").write_bytes(b"[options.entry_points]\n\xff\xfe")
    assert entry_points(whole, whole) == {}
