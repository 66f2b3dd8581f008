"""Which interpreter a suite runs on, what it gets besides, and projects that have to be built."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mlpperf.engine.versions import environment
from mlpperf.engine.versions.builds import is_compiled
from mlpperf.engine.versions.environment import install, interpreter, lacking, packages
from mlpperf.errors import MlpperfError


def made(folder: Path) -> Path:
    """What looks like an environment."""
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    return python


def script(file: Path, *lines: str) -> Path:
    """An interpreter that does something of its own before it starts."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(("#!/bin/sh", *lines, f'exec {sys.executable} "$@"', "")))
    file.chmod(0o755)
    return file


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        monkeypatch.delenv(name, raising=False)


def test_without_an_environment_it_is_our_own(tmp_path: Path) -> None:
    assert interpreter(tmp_path) == sys.executable


def test_the_environment_in_the_folder_is_taken_and_the_active_one_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = made(tmp_path / ".venv")
    assert interpreter(tmp_path) == str(python)
    active = made(tmp_path / "elsewhere")
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / "elsewhere"))
    assert interpreter(tmp_path) == str(active)
    monkeypatch.setenv("VIRTUAL_ENV", sys.prefix)  # ours is active: that is what is meant
    assert interpreter(tmp_path) == sys.executable


def test_one_that_is_given_has_to_run(tmp_path: Path) -> None:
    assert interpreter(tmp_path, sys.executable) == sys.executable
    (tmp_path / "empty").touch()
    for bad in (str(tmp_path), "/nowhere", str(tmp_path / "empty"), "/bin/false"):
        with pytest.raises(
            MlpperfError, match=f"--python: {bad!r} is no Python interpreter of use: "
        ):
            interpreter(tmp_path, bad)


def test_one_that_is_given_may_be_relative_or_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is used from another folder."""
    monkeypatch.chdir(tmp_path)
    python = script(tmp_path / "bin/python-of-mine")
    assert interpreter(tmp_path, "bin/python-of-mine") == str(python)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    assert interpreter(tmp_path, "python-of-mine") == str(python)


def test_one_that_is_too_old_is_refused(tmp_path: Path) -> None:
    """By what it says itself, which is nothing that is printed."""
    old = script(tmp_path / "python", "echo '\n{\"answer\": [3, 8]}'")
    with pytest.raises(MlpperfError, match=r"is Python 3\.8, and suites need 3\.9 or later"):
        interpreter(tmp_path, str(old))


def test_an_environment_that_is_broken_is_not_passed_over(tmp_path: Path) -> None:
    python = tmp_path / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.touch()
    for why in ("Permission denied", "No such file"):
        told = rf"The environment in .*\.venv cannot be used; mend it, or .*--python: .*{why}"
        with pytest.raises(MlpperfError, match=told):
            interpreter(tmp_path)
        python.unlink()
        python.symlink_to(tmp_path / "gone")


def test_one_that_prints_when_it_starts_is_understood(tmp_path: Path) -> None:
    noisy = script(tmp_path / "python", "echo hello", 'printf "no end, [1], "', "echo oh >&2")
    assert interpreter(tmp_path, str(noisy)) == str(noisy)
    assert lacking(str(noisy), ["json", "no_such_module"]) == ["no_such_module"]


def test_what_an_interpreter_lacks_is_not_known_if_it_cannot_be_asked() -> None:
    with pytest.raises(MlpperfError, match="/bin/false"):
        lacking("/bin/false", ["json"])


def test_what_an_interpreter_lacks() -> None:
    assert lacking(sys.executable, ["json", "no_such_module", "pytest"]) == ["no_such_module"]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that would install something."""
    seen: list[list[str]] = []

    def run(command: list[str], **options: Any) -> Any:
        if "install" not in command:
            return subprocess_run(command, **options)
        seen.append(command)
        return SimpleNamespace(returncode=0, stdout="", stderr="")

    subprocess_run = subprocess.run
    monkeypatch.setattr(environment.subprocess, "run", run)
    monkeypatch.setattr(environment.shutil, "which", lambda name: None)
    return seen


def test_nothing_is_installed_if_nothing_is_lacking(
    installed: list[list[str]], tmp_path: Path
) -> None:
    assert packages(sys.executable, ["pytest"], [], tmp_path) == []
    assert installed == []


def test_what_is_lacking_goes_into_a_folder_of_ours(
    installed: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(environment.NEEDS, "pytest", ("json", "greenlet_that_is_not_there"))
    found = packages(sys.executable, ["pytest"], ["more>=1"], tmp_path / "packages")
    assert found == [str(tmp_path / "packages")]
    (command,) = installed
    assert command[0] == sys.executable
    wanted = ["--target", str(tmp_path / "packages"), "greenlet_that_is_not_there", "more>=1"]
    assert command[-4:] == wanted


def test_uv_is_preferred_and_our_pip_helps_where_there_is_none(
    installed: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        environment, "lacking", lambda python, modules: modules if python == "x" else []
    )
    install("x", ["a"], "a")
    assert installed[-1][:5] == [sys.executable, "-m", "pip", "--python", "x"]
    monkeypatch.setattr(environment.shutil, "which", lambda name: "/bin/uv")
    install("x", ["a"], "a")
    assert installed[-1][:3] == ["/bin/uv", "pip", "install"]
    assert installed[-1][-3:] == ["--python", "x", "a"]


def test_without_uv_and_pip_a_sentence_names_what_is_missing(
    installed: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "lacking", lambda python, modules: modules)
    with pytest.raises(MlpperfError, match="x lacks greenlet, and there is neither uv nor pip"):
        install("x", ["greenlet"], "greenlet")


def test_what_cannot_be_had_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "lacking", lambda python, modules: [])
    monkeypatch.setattr(environment.shutil, "which", lambda name: None)
    failed = SimpleNamespace(returncode=1, stdout="", stderr="a\nERROR: no network\n")
    monkeypatch.setattr(environment.subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(MlpperfError, match="a cannot be installed for x: ERROR: no network"):
        install("x", ["a"], "a")


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("pyproject.toml", "[build-system]\nbuild-backend = 'maturin'\n", "built by maturin"),
        ("pyproject.toml", "[build-system]\nbuild-backend = 'hatchling.build'\n", ""),
        ("setup.py", "setup(ext_modules=[Extension('a', ['a.c'])])", "by its setup.py"),
        ("setup.py", "setup(name='a')", ""),
        ("pyproject.toml", "[[tool.setuptools.ext-modules]]\nname = 'a'\n", "its pyproject.toml"),
        ("pyproject.toml", "= not toml", ""),
    ],
)
def test_what_has_to_be_built_is_known_by_its_configuration(
    name: str, text: str, why: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    found = is_compiled(tmp_path)
    assert why in found
    assert bool(found) == bool(why)
