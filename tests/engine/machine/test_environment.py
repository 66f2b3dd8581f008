"""What ran it is asked, and whatever it does not say is unknown."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpperf.engine.machine import environment as module
from mlpperf.engine.machine.environment import environment
from mlpperf.engine.machine.machine import describe
from mlpperf.engine.worker import environment as guest


def installed(folder: Path, name: str, version: str) -> Path:
    """A package in a folder: a module with a version, and what an installer writes about it."""
    about = folder / f"{name}-{version}.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (folder / f"{name}.py").write_text(
        f"__version__ = {version!r}\ndef show_config(mode):\n"
        "    return {'Build Dependencies': {'blas': {'name': 'some', 'version': '1'}}}\n"
    )
    return folder


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The interpreter of an environment without any package."""
    folder = tmp_path_factory.mktemp("bare")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    return str(folder / "bin" / "python")


def test_by_default_it_is_ours() -> None:
    found = environment()
    assert found.machine == describe()
    assert found.versions["numpy"] == np.__version__
    assert found.software == f"Python {platform.python_version()}, NumPy {np.__version__}"


def test_another_environment_has_its_own_versions(bare: str, tmp_path: Path) -> None:
    without = environment(bare)
    assert (without.machine.numpy, without.machine.blas) == ("none", "none")
    assert without.versions == {}
    assert without.software == f"Python {platform.python_version()}"
    assert without.machine.processor == describe().processor
    folder = installed(installed(tmp_path / "more", "numpy", "0.1.2"), "scipy", "3.4")
    there = environment(bare, (str(folder),))
    assert there.versions == {"numpy": "0.1.2", "scipy": "3.4"}
    assert (there.machine.numpy, there.machine.blas) == ("0.1.2", "some 1")
    assert there.fields()["machine"]["numpy"] == "0.1.2"
    json.dumps(there.fields())


def test_what_lies_in_the_current_folder_is_not_asked(
    bare: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("numpy", "json", "runpy", "platform"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('here')")
    monkeypatch.chdir(tmp_path)
    environment.cache_clear()
    assert environment(bare).machine.numpy == "none"


Script = Callable[[str], str]


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """Makes an interpreter that does what a shell is told."""

    def made(text: str) -> str:
        file = tmp_path / "python"
        file.write_text(f"#!/bin/sh\n{text}\n")
        file.chmod(0o755)
        environment.cache_clear()
        return str(file)

    return made


GOOD = {"python": "3.9.1", "numpy": "1.0", "blas": "b", "simd": "s", "versions": {"numpy": "1.0"}}


def test_what_others_print_is_left_out(script: Script) -> None:
    text = f"echo hello; echo '[]'; echo '{json.dumps(GOOD)}'; echo good bye; exit 3"
    found = environment(script(text))
    assert (found.machine.python, found.machine.numpy) == ("3.9.1", "1.0")
    assert found.versions == {"numpy": "1.0"}


@pytest.mark.parametrize(
    "text",
    [
        "exit 0",
        "exit 1",
        "kill -9 $$",
        "printf '\\377\\376'",
        "echo 3",
        "echo '" + "[" * 100_000 + "'",
        f"echo '{json.dumps({**GOOD, 'numpy': 3})}'",
        f"echo '{json.dumps({**GOOD, 'versions': {'numpy': None}})}'",
        f"echo '{json.dumps({**GOOD, 'versions': []})}'",
        f"echo '{json.dumps(GOOD)[:-9]}'",
        "sleep 60",
    ],
    ids=str,
)
def test_what_is_not_said_is_unknown_and_never_ours(
    text: str, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.5)
    found = environment(script(text))
    machine = found.machine
    assert {machine.python, machine.numpy, machine.blas, machine.simd} == {"unknown"}
    assert found.versions == {}
    assert machine.host == describe().host


@pytest.mark.parametrize("name", ["nowhere", "."])
def test_an_interpreter_that_is_none_is_unknown(name: str, tmp_path: Path) -> None:
    assert environment(str(tmp_path / name)).machine.python == "unknown"


def test_it_is_asked_once(script: Script, tmp_path: Path) -> None:
    python = script(f"echo x >> {tmp_path / 'asked'}; echo '{json.dumps(GOOD)}'")
    assert environment(python) is environment(python)
    assert (tmp_path / "asked").read_text() == "x\n"


@pytest.mark.parametrize(
    ("text", "numpy", "blas"),
    [
        ("raise ImportError('libopenblas')", "unknown", "unknown"),
        ("raise OSError", "unknown", "unknown"),
        ("__version__ = '1.2'\ndef show_config(): pass", "1.2", "unknown"),
        ("__version__ = '1.2'\ndef show_config(mode): return {}", "1.2", "unknown"),
    ],
)
def test_a_numpy_that_does_not_tell_all(
    text: str, numpy: str, blas: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "numpy.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "numpy")
    found: dict[str, Any] = guest.software()
    sys.modules.pop("numpy", None)
    assert (found["numpy"], found["blas"]) == (numpy, blas)
    assert os.sep not in found["numpy"]


class Jit:
    def __init__(self, enabled: bool) -> None:
        self.is_enabled = lambda: enabled


@pytest.mark.parametrize(
    ("configuration", "gil", "jit", "variable", "expected"),
    [
        ({}, None, None, "", ""),
        ({"Py_GIL_DISABLED": 1}, False, None, "", " free-threaded"),
        ({"Py_GIL_DISABLED": 1}, True, None, "", " free-threaded, with the GIL"),
        ({"Py_GIL_DISABLED": 0}, True, Jit(False), "1", ""),
        ({}, True, Jit(True), "", " with JIT"),
        ({"Py_GIL_DISABLED": 1}, False, Jit(True), "", " free-threaded with JIT"),
        ({"CONFIG_ARGS": "'--enable-experimental-jit'"}, None, None, "", " with JIT"),
        ({"CONFIG_ARGS": "'--enable-experimental-jit'"}, None, None, "0", ""),
        ({"CONFIG_ARGS": "'--enable-experimental-jit=yes-off'"}, None, None, "", ""),
        ({"CONFIG_ARGS": "'--enable-experimental-jit=yes-off'"}, None, None, "1", " with JIT"),
        ({"CONFIG_ARGS": "'--enable-experimental-jit=interpreter'"}, None, None, "", ""),
    ],
)
def test_special_builds_of_python_are_named(
    configuration: dict[str, Any],
    gil: bool | None,
    jit: Jit | None,
    variable: str,
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By a fake: such builds of Python have not been run."""
    monkeypatch.setattr(guest.sysconfig, "get_config_var", configuration.get)
    monkeypatch.setenv("PYTHON_JIT", variable)
    for name, value in (("_is_gil_enabled", gil), ("_jit", jit)):
        monkeypatch.delattr(sys, name, raising=False)
        if value is not None:
            faked = value if name == "_jit" else lambda: gil
            monkeypatch.setattr(sys, name, faked, raising=False)
    assert guest.software()["python"] == platform.python_version() + expected
