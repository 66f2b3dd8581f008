"""Projects with extension modules are built by real compilers, and one process holds both."""

import contextlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from typer.testing import CliRunner

from mlpperf.cli.app import app
from mlpperf.engine.versions import build_environment, builds
from mlpperf.engine.versions.build_cache import kept_wheels
from mlpperf.engine.versions.layout import SOURCES, built_from
from mlpperf.engine.versions.prepare import pair
from mlpperf.engine.versions.revisions import Revisions
from mlpperf.errors import MlpperfError

HEADERS = Path(sysconfig.get_path("include"), "Python.h")
compiles = pytest.mark.skipif(
    not (shutil.which("cc") and HEADERS.is_file()),
    reason="there is no C compiler here (cc), or Python's headers are missing",
)
pytestmark = pytest.mark.usefixtures("temporary")

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


@pytest.fixture
def walking(project: Any, quick: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A repository with an extension module, and a benchmark of it."""
    monkeypatch.delenv("CC")
    project.git("rm", "-r", "--quiet", "src")
    quick.project(
        project.folder,
        {
            "quick/__init__.py": "from quick._fast import walk\n",
            "quick/_fast.c": "#define EFFORT 100\n" + SOURCE,
            "tests/test_quick.py": TEST,
        },
    )
    return project


def answers(root: Path) -> str:
    """What a built project computes."""
    (file,) = (root / builds.BUILT / "quick").glob("_fast.*.so")
    assert not file.is_symlink()
    spec = importlib.util.spec_from_file_location("quick._fast", file)
    assert spec
    words = (root / builds.BUILT / "quick/words.py").read_text(encoding="utf-8")
    return f"{importlib.util.module_from_spec(spec).number()} {words.split(chr(39))[1]}"


@pytest.mark.usefixtures("few_processes")
@compiles
def test_a_slower_extension_is_a_regression_and_the_project_stays_as_it_is(walking: Any) -> None:
    project = walking
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


@compiles
def test_what_the_compiler_printed_follows_the_sentence(walking: Any) -> None:
    project = walking
    project.write("quick/_fast.c", "int wrong = missing;\n")
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
    assert "CalledProcessError" not in done.stderr
    assert not kept_wheels()
    assert project.git("status", "--porcelain", "--ignored") == before


@compiles
def test_the_base_can_run_benchmarks_that_only_it_has(walking: Any, tmp_path: Path) -> None:
    project = walking
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
    builds.unpack(tmp_path / "quick.whl", root, root, {})
    assert {p.name for p in built.iterdir()} == {"quick", SOURCES}
    assert (root / "quick").readlink() == Path(builds.BUILT, "quick")
    copied = built / "quick" / "data" / "precious"
    assert copied.read_text(encoding="utf-8") == "as it was"
    assert copied.stat().st_mode & 0o777 == 0o755
    assert [p.name for p in beside.iterdir()] == ["precious"]
    assert (root / "code" / "data" / "precious").exists()


def test_what_was_built_replaces_the_sources_in_the_folders_that_pytest_puts_first(
    tmp_path: Path,
) -> None:
    root = tmp_path / "root"
    settings = "[tool.pytest.ini_options]\npythonpath = ['code', 'code/quick']\n"
    for name, text in {
        "pyproject.toml": settings,
        "src/quick/__init__.py": "of src",
        "code/quick/data.csv": "1",
        "code/quick/quick/__init__.py": "of a package inside",
        "code/other/__init__.py": "of no wheel",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    with zipfile.ZipFile(tmp_path / "quick.whl", "w") as wheel:
        wheel.writestr("quick/__init__.py", "as built")
    builds.unpack(tmp_path / "quick.whl", root, root, {})
    for folder in ("src", "code"):
        assert (root / folder / "quick").readlink() == Path("..", builds.BUILT, "quick")
        assert (root / folder / "quick/__init__.py").read_text(encoding="utf-8") == "as built"
    assert (root / "src/quick/data.csv").read_text(encoding="utf-8") == "1"
    assert built_from(root) == {"mlpperf-built/quick/__init__.py": "src/quick/__init__.py"}
    inner = root / "src/quick/quick"
    assert not inner.is_symlink()
    assert (inner / "__init__.py").read_text(encoding="utf-8") == "of a package inside"
    assert (root / "code/other/__init__.py").read_text(encoding="utf-8") == "of no wheel"


@pytest.mark.parametrize(
    ("name", "text", "compiled"),
    [
        ("pyproject.toml", "[build-system]\nbuild-backend = 'maturin'\n", True),
        ("pyproject.toml", "[build-system]\nbuild-backend = 'hatchling.build'\n", False),
        ("setup.py", "setup(ext_modules=[Extension('a', ['a.c'])])", True),
        ("setup.py", "setup(name='a')", False),
        ("setup.py", "# no Extension() and no ext_modules any more\nsetup(name='a')", False),
        ("setup.py", "setup(long_description='has no ext_modules and no Extension()')", False),
        ("setup.py", "setup(ext_modules=[])", False),
        ("setup.py", "setup(ext_modules=None, cffi_modules=())", False),
        ("setup.py", "setup(ext_modules=made())", True),
        ("setup.py", "setup(cffi_modules=['build.py:ffi'])", True),
        ("setup.py", "setup(rust_extensions=[made])", True),
        ("setup.py", "modules = []\nmodules.append(e.Extension('a', []))\nsetup(**given)", True),
        ("setup.py", "made = Pybind11Extension('a', ['a.cpp'])", True),
        ("setup.py", "from setuptools import Extension as E\nmade = [E('a', [])]", True),
        ("setup.py", "given = {}\ngiven['ext_modules'] = made\nsetup(**given)", True),
        ("setup.py", "setup.distribution.ext_modules = made", True),
        ("setup.py", "print 'Python 2'\nsetup(ext_modules=made)", True),
        ("setup.py", "print 'Python 2'\nsetup()", False),
        ("setup.cfg", "# ext_modules were here\n[metadata]\nname = a\n", False),
        ("setup.cfg", "[metadata]\ndescription = about ext_modules, Extension()\n", False),
        ("setup.cfg", "[build_ext]\next_modules = a\n", True),
        ("pyproject.toml", "[project]\nname = 'a'  # has no ext-modules\n", False),
        ("pyproject.toml", "[tool.a]\ntext = 'cythonize and ext_modules'\n", False),
        ("pyproject.toml", "[tool.setuptools]\next-modules = []\n", False),
        ("pyproject.toml", "[[tool.setuptools.ext-modules]]\nname = 'a'\n", True),
        ("pyproject.toml", "[tool.local.cythonize.flags]\n", True),
        ("pyproject.toml", "[build-system]\nrequires = ['Cython>=3', 'poetry-core']\n", True),
        ("pyproject.toml", "[build-system]\nrequires = ['poetry-core']\n", False),
        ("pyproject.toml", "= not toml", False),
    ],
)
def test_what_has_to_be_built_is_known_by_its_configuration(
    name: str, text: str, compiled: bool, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert builds.is_compiled(tmp_path) is compiled


@pytest.mark.parametrize("setting", ["'make.py'", "{script = 'make.py'}"])
def test_the_build_script_of_poetry_is_read(setting: str, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(f"[tool.poetry]\nbuild = {setting}\n", "utf-8")
    for text, compiled in (("", False), ("given.update({'ext_modules': made})", True)):
        (tmp_path / "make.py").write_text(text, encoding="utf-8")
        assert builds.is_compiled(tmp_path) is compiled


@compiles
def test_the_same_sources_are_compiled_once(
    tmp_path: Path, quick: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CC")
    for name in ("one", "two"):
        root = quick.build(quick.project(tmp_path / name))
        assert answers(root) == "1 one"
        assert len(kept_wheels()) == 1


def test_an_interpreter_without_pip_will_do(tmp_path: Path, quick: Any) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    root = quick.project(tmp_path / "head")
    quick.build(root, python=str(tmp_path / "bare" / "bin" / "python"))
    assert quick.answers(root) == "1 one"


HOOK = "\n\ndef get_requires_for_build_wheel(config_settings):\n    return ['not-here>=2']\n"


@pytest.mark.usefixtures("remembered")
@pytest.mark.parametrize(
    "changes",
    [
        {"pyproject.toml": lambda old: old.replace("requires = []", 'requires = ["not-here>=2"]')},
        {"backend.py": lambda old: old + HOOK},
    ],
)
def test_a_requirement_that_cannot_be_installed_is_named(
    changes: Any, tmp_path: Path, quick: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(python: str, options: object, wanted: object, what: str, other: str) -> None:
        assert other == sys.executable
        raise MlpperfError(what)

    monkeypatch.setattr(build_environment, "install", refused)
    with pytest.raises(MlpperfError, match=r"What the build of head requires \(not-here>=2\)"):
        quick.build(quick.project(tmp_path / "head", changes))
    assert not quick.compiled


@compiles
@pytest.mark.usefixtures("remembered")
def test_setuptools_compiles_again_for_a_header_and_ccache_knows_an_object_in_another_copy(
    tmp_path: Path, quick: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    setuptools = pytest.importorskip("setuptools")
    pytest.importorskip("wheel")
    # That of the tests, so that nothing has to be downloaded.
    site = str(Path(setuptools.__file__).parent.parent)
    backend = (
        f"import sys\nsys.path.append({site!r})\nfrom setuptools.build_meta import build_wheel\n"
    )
    setup = "from setuptools import Extension, setup\n"
    setup += "setup(ext_modules=[Extension('quick._fast', ['quick/_fast.c'])])\n"
    ccache = shutil.which("ccache")
    monkeypatch.setenv("CC", "ccache cc" if ccache else "cc")
    monkeypatch.setenv("CCACHE_DIR", str(tmp_path / "ccache"))
    versions = [("", 1, "one"), ("", 1, "two"), ("# more\n", 1, "two"), ("# more\n", 2, "two")]
    for number, (more, header, word) in enumerate(versions):
        changes = {
            "backend.py": backend,
            "setup.py": setup + more,
            "pyproject.toml": lambda old: old.replace("ext-modules", "# ext-modules"),
            "quick/number.h": f"#define NUMBER {header}\n",
            "quick/words.py": f"WORD = '{word}'\n",
        }
        root = quick.build(quick.project(tmp_path / str(number), changes))
        assert answers(root) == f"{header} {word}"
        assert len(kept_wheels()) == (1, 1, 2, 3)[number]
    if ccache:
        stats = subprocess.run(
            [ccache, "--print-stats"], capture_output=True, text=True, check=True
        )
        counts = dict(line.split("\t") for line in stats.stdout.splitlines())
        hits = int(counts["direct_cache_hit"]) + int(counts["preprocessed_cache_hit"])
        assert (hits, int(counts["cache_miss"])) == (1, 2)
