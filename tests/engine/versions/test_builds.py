"""Projects with extension modules: each version is built, and one process holds both."""

import contextlib
import importlib.metadata
import json
import os
import shutil
import sysconfig
import zipfile
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from typer.testing import CliRunner

from mlpperf.cli.app import app
from mlpperf.engine.versions import builds
from mlpperf.engine.versions.layout import import_folders
from mlpperf.engine.versions.metadata import complete
from mlpperf.engine.versions.prepare import Revisions, pair
from mlpperf.engine.versions.unpack import unpack

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
        text = "Metadata-Version: 2.1\\nName: quick\\nVersion: 1.0\\n"
        archive.writestr(about + "METADATA", text)
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


def write_extension(project: Any, source: str) -> None:
    """The files of a project with an extension module."""
    for name, text in (
        ("pyproject.toml", PYPROJECT),
        ("backend.py", BACKEND),
        ("quick/__init__.py", "from quick._fast import walk\n"),
        ("quick/_fast.c", source),
        ("tests/test_quick.py", TEST),
    ):
        project.write(name, text)


@pytest.mark.usefixtures("few_processes")
@pytest.mark.skipif(
    not (shutil.which("cc") and HEADERS.is_file()),
    reason="there is no C compiler here (cc), or Python's headers are missing",
)
def test_a_slower_extension_is_a_regression_and_the_project_stays_as_it_is(project: Any) -> None:
    project.git("rm", "-r", "--quiet", "src")
    write_extension(project, "#define EFFORT 100\n" + SOURCE)
    project.commit("an extension")
    project.replace("quick/_fast.c", "EFFORT 100", "EFFORT 400")
    before = project.git("status", "--porcelain", "--ignored")
    records = ["--records", str(project.folder.parent / "records")]
    given = ["HEAD", "--budget", "600", "--threshold", "50%", "--format", "json"]
    with contextlib.chdir(project.folder), mock.patch.dict(os.environ):
        done = CliRunner().invoke(
            app, ["compare", *given, "--no-why", *records], catch_exceptions=False
        )
    assert done.exit_code == 1, done.stderr
    record = json.loads(done.stdout)
    (series,) = record["series"]
    assert series["verdict"] == "slower"
    assert series["ratio"]["median"] > 2
    assert record["isolated"] == ""
    assert project.git("status", "--porcelain", "--ignored") == before


@pytest.mark.skipif(not shutil.which("cc"), reason="there is no C compiler here (cc)")
def test_what_the_compiler_printed_follows_the_sentence(project: Any) -> None:
    write_extension(project, "int wrong = missing;\n")
    project.commit("an extension that does not compile")
    project.write("README.md", "a change")
    before = project.git("status", "--porcelain", "--ignored")
    with contextlib.chdir(project.folder), mock.patch.dict(os.environ):
        given = ["compare", "HEAD", "--records", str(project.folder.parent / "records")]
        done = CliRunner().invoke(app, given, catch_exceptions=False)
    assert done.exit_code == 2
    first, *lines = done.stderr.splitlines()
    assert first == "mlpperf: The build of base failed with exit code 1."
    assert "error: " in lines[0]
    assert "missing" in lines[0]
    assert project.git("status", "--porcelain", "--ignored") == before


@pytest.mark.skipif(
    not (shutil.which("cc") and HEADERS.is_file()),
    reason="there is no C compiler here (cc), or Python's headers are missing",
)
def test_the_base_can_run_benchmarks_that_only_it_has(project: Any, tmp_path: Path) -> None:
    write_extension(project, "#define EFFORT 100\n" + SOURCE)
    project.write("tests/test_old.py", TEST)
    project.commit("an extension")
    (project.folder / "tests/test_old.py").unlink()
    lines: list[str] = []
    (tmp_path / "copies").mkdir()
    made = pair(Revisions("HEAD", None), project.folder, tmp_path / "copies", lines.append)
    assert made.own
    built = [version.root / builds.BUILT for version in (made.base, made.head, made.own.version)]
    assert [len(list(folder.glob("quick/_fast.*.so"))) for folder in built] == [1, 1, 1]
    assert {line.partition(",")[0] for line in lines if "building" in line} == {
        "building base: 1 of 3"  # and the others get the same wheel
    }


@pytest.mark.parametrize("kind", ["a folder", "a link", "a link out", "a file"])
def test_what_was_built_replaces_the_sources_and_nothing_that_they_link_to(
    kind: str, tmp_path: Path
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

    with zipfile.ZipFile(tmp_path / "quick.whl", "w") as wheel:
        wheel.writestr("quick/", "")
        wheel.writestr("quick-1.data/platlib/quick/fast.so", "")
        wheel.writestr("quick-1.data/scripts/quick", "")
    unpack(tmp_path / "quick.whl", root)
    assert {p.name for p in built.iterdir()} == {"quick"}
    assert (root / "quick").readlink() == Path(builds.BUILT, "quick")
    copied = built / "quick" / "data" / "precious"
    assert copied.read_text(encoding="utf-8") == "as it was"
    assert copied.stat().st_mode & 0o777 == 0o755
    assert [p.name for p in beside.iterdir()] == ["precious"]
    assert (root / "code" / "data" / "precious").exists()


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("pyproject.toml", "[build-system]\nbuild-backend = 'maturin'\n", "built by maturin"),
        ("pyproject.toml", "[build-system]\nbuild-backend = 'hatchling.build'\n", ""),
        ("setup.py", "setup(ext_modules=[Extension('a', ['a.c'])])", "by its setup.py"),
        ("setup.py", "setup(name='a')", ""),
        ("pyproject.toml", "[[tool.setuptools.ext-modules]]\nname = 'a'\n", "its pyproject.toml"),
        ("pyproject.toml", "[tool.local.cythonize.flags]\n", "by its pyproject.toml"),
        ("pyproject.toml", "= not toml", ""),
    ],
)
def test_what_has_to_be_built_is_known_by_its_configuration(
    name: str, text: str, why: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    reason = builds.is_compiled(tmp_path)
    assert why in reason
    assert bool(reason) == bool(why)


# --- version and metadata ----------------------------------------------------------------------


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
