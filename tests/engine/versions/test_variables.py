"""What surrounds the code that is measured: each variable kept or left out for a reason."""

import os
import sys
from pathlib import Path

import pytest

from mlpperf.engine.versions.variables import new_home, variables

LEFT_OUT = [
    "GIT_DIR",
    "GIT_INDEX_FILE",
    "GIT_WORK_TREE",
    "PYTHONSTARTUP",
    "PYTHONINSPECT",
    "PYTHONWARNINGS",
    "PYTHONOPTIMIZE",
    "PYTHONDEVMODE",
    "PYTHONTRACEMALLOC",
    "COVERAGE_PROCESS_START",
    "COVERAGE_PROCESS_CONFIG",
    "COV_CORE_SOURCE",
    "PYTEST_ADDOPTS",
    "PYTEST_PLUGINS",
    "PYTEST_CURRENT_TEST",
]
KEPT = [
    "GIT_AUTHOR_NAME",
    "LD_PRELOAD",
    "PYTHONHASHSEED",
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD",
    "OTHER",
]


@pytest.mark.parametrize("name", [*LEFT_OUT, *KEPT])
def test_what_is_for_the_users_own_runs_is_left_out_and_the_rest_is_kept(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "1")
    assert (variables(sys.executable, tmp_path).get(name) == "1") == (name in KEPT)


def test_temporary_files_go_to_its_home(tmp_path: Path) -> None:
    home = new_home(str(tmp_path))
    assert home.parent == tmp_path
    assert {variables("python", home)[name] for name in ("TMPDIR", "TEMP", "TMP")} == {str(home)}


def test_the_path_does_not_depend_on_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What leads to the working tree is taken from the copies, which needs the whole path."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(("src", "", "/elsewhere")))
    given = variables(sys.executable, tmp_path)["PYTHONPATH"]
    assert given == os.pathsep.join((str(tmp_path / "src"), "/elsewhere"))
    monkeypatch.setenv("PYTHONPATH", "")
    assert "PYTHONPATH" not in variables(sys.executable, tmp_path)


def test_another_interpreter_has_its_own_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONHOME", "/ours")
    assert variables(sys.executable, tmp_path)["PYTHONHOME"] == "/ours"
    assert "PYTHONHOME" not in variables("/another/python", tmp_path)
