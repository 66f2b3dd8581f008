"""Projects with extension modules: each version is built, and two processes take turns."""

import contextlib
import json
import os
import shutil
import sysconfig
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from typer.testing import CliRunner

from mlpperf.cli.app import app
from mlpperf.engine.versions import builds

HEADERS = Path(sysconfig.get_path("include"), "Python.h")
pytestmark = pytest.mark.usefixtures("temporary")

PYPROJECT = """# ext-modules, by a backend of its own
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "quick"
version = "1.0"
"""
BACKEND = """
import subprocess, sysconfig, zipfile
from pathlib import Path

def build_wheel(folder, config_settings=None, metadata_directory=None):
    name, about = "quick-1.0-py3-none-any.whl", "quick-1.0.dist-info/"
    built = Path("quick", "_fast" + sysconfig.get_config_var("EXT_SUFFIX"))
    command = ["cc", "-O1", "-shared", "-fPIC", "-I" + sysconfig.get_path("include")]
    subprocess.run([*command, "quick/_fast.c", "-o", built], check=True)
    wheel = "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
    with zipfile.ZipFile(Path(folder, name), "w") as archive:
        archive.write("quick/__init__.py")
        archive.write(built)
        said = "Metadata-Version: 2.1\\nName: quick\\nVersion: 1.0\\n"
        archive.writestr(about + "METADATA", said)
        archive.writestr(about + "WHEEL", wheel)
        archive.writestr(about + "RECORD", "")
    return name
"""
SOURCE = """#include <Python.h>
static PyObject *walk(PyObject *self, PyObject *arg) {
    volatile long steps = 0;
    for (long i = 0; i < EFFORT * PyLong_AsLong(arg); i++) steps += 1;
    return PyLong_FromLong(steps / EFFORT);
}
static PyMethodDef methods[] = {{"walk", walk, METH_O, ""}, {0}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_fast", "", -1, methods};
PyMODINIT_FUNC PyInit__fast(void) { return PyModule_Create(&module); }
"""
TEST = "import quick\n\n\ndef test_walk(benchmark):\n    assert benchmark(quick.walk, 200) == 200\n"


@pytest.mark.skipif(
    not (shutil.which("cc") and HEADERS.is_file()),
    reason="there is no C compiler here (cc), or Python's headers are missing",
)
def test_a_slower_extension_is_found_and_the_project_stays_as_it_is(project: Any) -> None:
    project.git("rm", "-r", "--quiet", "src")
    for name, text in (
        ("pyproject.toml", PYPROJECT),
        ("backend.py", BACKEND),
        ("quick/__init__.py", "from quick._fast import walk\n"),
        ("quick/_fast.c", "#define EFFORT 100\n" + SOURCE),
        ("tests/test_quick.py", TEST),
    ):
        project.write(name, text)
    project.commit("an extension")
    project.replace("quick/_fast.c", "EFFORT 100", "EFFORT 400")
    before = project.git("status", "--porcelain", "--ignored")
    records = ["--records", str(project.folder.parent / "records")]
    given = ["HEAD", "--budget", "20", "--threshold", "20%", "--format", "json"]
    with contextlib.chdir(project.folder), mock.patch.dict(os.environ):
        done = CliRunner().invoke(app, ["compare", *given, *records], catch_exceptions=False)
    assert done.exit_code == 1, done.stderr
    record = json.loads(done.stdout)
    (series,) = record["series"]
    assert series["verdict"] == "slower"
    assert series["ratio"]["median"] > 2
    assert "extension modules, by its pyproject.toml" in record["isolated"]
    assert project.git("status", "--porcelain", "--ignored") == before


@pytest.mark.parametrize("kind", ["a folder", "a link", "a link out", "a file"])
def test_what_was_built_replaces_the_sources_and_nothing_that_they_link_to(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, beside = tmp_path / "root", tmp_path / "beside"
    for folder in (root / "code" / "data", beside):
        folder.mkdir(parents=True)
        (folder / "precious").write_text("as it was", encoding="utf-8")
    (root / "code" / "data" / "precious").chmod(0o755)
    built = root / builds.BUILT
    if kind == "a folder":
        built.mkdir()
        (built / "old.py").touch()
    elif kind == "a file":
        built.touch()
    else:
        built.symlink_to(beside if kind == "a link out" else "code", target_is_directory=True)
    (root / "quick").symlink_to("code", target_is_directory=True)

    def install(python: str, arguments: Any, what: str) -> None:
        (built / "quick").mkdir(parents=True)
        (built / "quick" / "fast.so").touch()

    monkeypatch.setattr(builds, "install", install)
    builds.build(root, "python")
    assert {p.name for p in built.iterdir()} == {"quick"}
    assert (root / "quick").readlink() == built / "quick"
    copied = built / "quick" / "data" / "precious"
    assert copied.read_text(encoding="utf-8") == "as it was"
    assert copied.stat().st_mode & 0o777 == 0o755
    assert [p.name for p in beside.iterdir()] == ["precious"]
    assert (root / "code" / "data" / "precious").exists()
