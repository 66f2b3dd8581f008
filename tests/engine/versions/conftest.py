"""Pairs of versions; a project with an extension module, and a compiler that only takes notes."""

import contextlib
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from mlpperf.engine.suites.build_settings import USUAL, BuildSettings
from mlpperf.engine.versions import build_environment
from mlpperf.engine.versions.builds import Job, build_all
from mlpperf.engine.versions.layout import BUILT
from mlpperf.engine.versions.pair import Pair
from mlpperf.engine.versions.prepare import pair
from mlpperf.engine.versions.revisions import Revisions

PYPROJECT = """[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "quick"
version = "1.0"

[tool.setuptools]
packages = ["quick"]
ext-modules = [{ name = "quick._fast", sources = ["quick/_fast.c"] }]
"""
BACKEND = """
import os, shlex, subprocess, sysconfig, zipfile
from pathlib import Path

def build_wheel(folder, config_settings=None, metadata_directory=None):
    name, about = "quick-1.0-py3-none-any.whl", "quick-1.0.dist-info/"
    built = Path("quick", "_fast" + sysconfig.get_config_var("EXT_SUFFIX"))
    flags = shlex.split((config_settings or {}).get("flags", ""))
    compiler = os.environ.get("CC", "cc")
    command = [compiler, "-shared", "-fPIC", "-I" + sysconfig.get_path("include"), *flags]
    subprocess.run([*command, "quick/_fast.c", "-o", built], check=True)
    wheel = "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
    with zipfile.ZipFile(Path(folder, name), "w") as archive:
        for file in [*Path("quick").rglob("*.p[y]"), *Path("quick").glob("*.dat"), built]:
            archive.write(file)
        text = "Metadata-Version: 2.1\\nName: quick\\nVersion: 1.0\\n"
        archive.writestr(about + "METADATA", text)
        archive.writestr(about + "WHEEL", wheel)
        archive.writestr(about + "RECORD", "")
    return name
"""
SOURCE = """#include <Python.h>
#include "number.h"
static PyObject *number(PyObject *self, PyObject *none) { return PyLong_FromLong(NUMBER); }
static PyMethodDef methods[] = {{"number", number, METH_NOARGS, ""}, {0}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_fast", "", -1, methods};
PyMODINIT_FUNC PyInit__fast(void) { return PyModule_Create(&module); }
"""
FILES = {
    "pyproject.toml": PYPROJECT,
    "backend.py": BACKEND,
    "quick/__init__.py": "from quick._fast import number\nfrom quick.words import WORD\n",
    "quick/words.py": "WORD = 'one'\n",
    "quick/_fast.c": SOURCE,
    "quick/number.h": "#define NUMBER 1\n",
    "quick/table.dat": "1 2 3\n",
    "tests/test_quick.py": "import quick\n",
    "docs/index.md": "# Quick\n",
}
ANSWERS: dict[str, Any] = {}  # of the interpreter, by the question
# Its output is the two sources.
COMPILER = """#!/bin/sh
case "$*" in *--version*) echo {version}; exit;; esac
{first}
echo "$*" >> {calls}
while test "$1" != -o; do shift; done
cat quick/_fast.c quick/number.h > "$2"
"""


Changes = Mapping[str, str | Callable[[str], str] | None]

NOTHING: Changes = {}


class Quick:
    """Writes projects with an extension module, and knows what was compiled for them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.compiler = folder, folder / "count-cc"
        self.set_up()

    def set_up(self, first: str = "", version: str = "1.0") -> None:
        """Forget the calls; the compiler has this version, and runs `first` before each."""
        calls = self.folder / "calls"
        self.compiler.write_text(COMPILER.format(first=first, version=version, calls=calls))
        self.compiler.chmod(0o755)
        calls.write_text("")

    @property
    def compiled(self) -> int:
        """How often the compiler was called."""
        return len((self.folder / "calls").read_text().splitlines())

    @staticmethod
    def project(root: Path, changes: Changes = NOTHING) -> Path:
        """The files of a project; None for one that it lacks, or a function of its usual text."""
        for name, change in {**FILES, **changes}.items():
            text = change(FILES[name]) if callable(change) else change
            if text is not None:
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text, encoding="utf-8")
        return root

    @staticmethod
    def build(root: Path, settings: BuildSettings = USUAL, python: str = sys.executable) -> Path:
        """Build a project."""
        build_all([Job(root.name, root, root)], python, settings)
        return root

    @staticmethod
    def answers(root: Path) -> str:
        """What the built project would compute, by what was compiled and copied."""
        (extension,) = (root / BUILT / "quick").glob("_fast.*.so")
        text = extension.read_text()
        number = int(re.findall(r"#define NUMBER (\d+)", text)[0]) + text.count("NUMBER + 1")
        words = (root / BUILT / "quick/words.py").read_text()
        return f"{number} {words.split(chr(39))[1]}"


@pytest.fixture(scope="session")
def one_quick(tmp_path_factory: pytest.TempPathFactory) -> Quick:
    """The compiler, which has the same path in all tests."""
    return Quick(tmp_path_factory.mktemp("quick"))


@pytest.fixture
def quick(one_quick: Quick, temporary: Path, monkeypatch: pytest.MonkeyPatch) -> Quick:
    """Projects with an extension module; their builds use the compiler that counts."""
    one_quick.set_up()
    monkeypatch.setenv("CC", str(one_quick.compiler))
    return one_quick


@pytest.fixture
def remembered(one_quick: Quick, monkeypatch: pytest.MonkeyPatch) -> None:
    """The interpreter is asked once, and an environment without packages is a copy."""
    asked, made = build_environment.asked, one_quick.folder / "environment"

    def once(python: str, expression: str, *arguments: str) -> Any:
        if expression == build_environment.VENV:
            if not made.exists():
                asked(python, expression, str(made))
            shutil.copytree(made, arguments[0], symlinks=True)
            return None
        if expression not in ANSWERS:
            ANSWERS[expression] = asked(python, expression, *arguments)
        return ANSWERS[expression]

    monkeypatch.setattr(build_environment, "asked", once)


@pytest.fixture
def kept(quick: Quick, remembered: None) -> Quick:
    """The same, and the wheel of its project is kept."""
    cache = quick.folder / "cache"
    if not cache.exists():
        root = quick.project(quick.folder / "project")
        with mock.patch.dict(os.environ, MLPPERF_CACHE=str(cache)):
            quick.build(root)
    shutil.copytree(cache, os.environ["MLPPERF_CACHE"], symlinks=True)
    quick.set_up()
    return quick


@pytest.fixture
def made(project: Any, tmp_path: Path) -> Iterator[Any]:
    """Makes pairs of revisions of the project."""
    numbers = iter(range(100))

    def pair_of(base: str | None, head: str | None, exact: bool = False) -> Pair:
        into = tmp_path / f"pair-{next(numbers)}"
        into.mkdir()
        return pair(Revisions(base, head, exact=exact), project.folder, into)

    with contextlib.chdir(project.folder):
        yield pair_of
