"""Wheels are built once, and never taken for those of other sources."""

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import textwrap
import time
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from mlpperf.cli import machine
from mlpperf.engine.files import cache_folder
from mlpperf.engine.suites.build_settings import BuildSettings
from mlpperf.engine.versions import build_cache, builds
from mlpperf.engine.versions.build_cache import (
    ENTRY,
    building,
    builds_folder,
    kept_wheels,
    size,
    trim,
)
from mlpperf.engine.versions.builds import Job, build, build_all
from mlpperf.engine.versions.unpack import unpack
from mlpperf.errors import MlpperfError

HEADERS = Path(sysconfig.get_path("include"), "Python.h")
pytestmark = [
    pytest.mark.usefixtures("temporary"),
    pytest.mark.skipif(
        not (shutil.which("cc") and HEADERS.is_file()),
        reason="there is no C compiler here (cc), or Python's headers are missing",
    ),
]

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
    command = [os.environ["CC"], "-shared", "-fPIC", "-I" + sysconfig.get_path("include"), *flags]
    subprocess.run([*command, "quick/_fast.c", "-o", built], check=True)
    wheel = "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
    with zipfile.ZipFile(Path(folder, name), "w") as archive:
        for file in [*Path("quick").glob("*" + ".py"), *Path("quick").glob("*.dat"), built]:
            archive.write(file)
        text = "Metadata-Version: 2.1\\nName: quick\\nVersion: 1.0\\n"
        archive.writestr(about + "METADATA", text)
        archive.writestr(about + "WHEEL", wheel)
        archive.writestr(about + "RECORD", "")
    return name
""".replace('"*" + ".py"', '"*.p[y]"')
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


@pytest.fixture
def compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """A compiler that counts its calls; a test may let it do something before each."""
    calls, script = tmp_path / "calls", tmp_path / "count-cc"
    calls.touch()

    def set_up(first: str = "") -> int:
        text = f"""#!/bin/sh
            case "$*" in *--version*) exec cc "$@";; esac
            {first}
            case "$*" in *".c "*) echo "$*" >> {calls};; esac
            exec cc "$@"
        """
        script.write_text(textwrap.dedent(text))
        script.chmod(0o755)
        return len(calls.read_text().splitlines())

    set_up()
    monkeypatch.setenv("CC", str(script))
    return set_up


def project(root: Path, changes: Mapping[str, str | None] = {}) -> Path:
    """The files of a project with an extension module; None for one that it lacks."""
    for name, text in {**FILES, **changes}.items():
        if text is not None:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text, encoding="utf-8")
    return root


def answers(root: Path) -> str:
    """What the built project computes, in a process of its own."""
    code = "import quick; print(quick.number(), quick.WORD)"
    environment = {"PYTHONPATH": str(root / builds.BUILT), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_the_same_sources_are_compiled_once(tmp_path: Path, compiler: Any) -> None:
    for name in ("one", "two"):
        root = project(tmp_path / name)
        assert build(root, sys.executable) == root / builds.BUILT
        assert answers(root) == "1 one"
        (extension,) = (root / builds.BUILT / "quick").glob("_fast.*.so")
        assert not extension.is_symlink()
        assert compiler() == 1


@pytest.mark.parametrize(
    ("changes", "compiled", "answer"),
    [
        ({"quick/_fast.c": SOURCE.replace("NUMBER)", "NUMBER + 1)")}, True, "2 one"),
        ({"quick/number.h": "#define NUMBER 7\n"}, True, "7 one"),
        ({"quick/new.h": "#define NUMBER 7\n"}, True, "1 one"),
        ({"pyproject.toml": PYPROJECT + "\n[tool.setuptools.more]\n"}, True, "1 one"),
        ({"backend.py": BACKEND.replace('"-shared"', '"-O1", "-shared"')}, True, "1 one"),
        ({"setup.py": "# something\n"}, True, "1 one"),
        ({"meson.build": "project('quick')\n"}, True, "1 one"),
        ({"quick/table.dat": "4 5 6\n"}, True, "1 one"),
        ({"quick/more.py": "MORE = 1\n"}, True, "1 one"),
        ({"quick/_fast.pyx": "# Cython\n"}, True, "1 one"),
        ({"quick/__init__.py": FILES["quick/__init__.py"] + "\n"}, True, "1 one"),  # in doubt
        ({"quick/words.py": "WORD = 'two'\n"}, False, "1 two"),
        ({"tests/test_quick.py": "", "docs/index.md": None, "README.md": "x"}, False, "1 one"),
        ({"tests/helper.c": "int x;\n"}, True, "1 one"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_what_may_change_an_extension_module_is_compiled_again(
    changes: Mapping[str, str | None],
    compiled: bool,
    answer: str,
    tmp_path: Path,
    compiler: Any,
) -> None:
    base, head = project(tmp_path / "base"), project(tmp_path / "head", changes)
    jobs = [Job("base", base), Job("head", head)]
    build_all(jobs, sys.executable, BuildSettings())
    assert compiler() == 1 + compiled
    assert answers(base) == "1 one"
    assert answers(head) == answer


@pytest.mark.parametrize(
    "settings",
    [
        BuildSettings(environment={"CFLAGS": "-O1"}),
        BuildSettings(config={"flags": "-O1"}),
    ],
)
def test_other_settings_are_another_build(
    settings: BuildSettings, tmp_path: Path, compiler: Any
) -> None:
    for number, of in enumerate((BuildSettings(), settings, settings)):
        build(project(tmp_path / str(number)), sys.executable, of)
    assert compiler() == 2


def test_another_compiler_is_another_build(
    tmp_path: Path, compiler: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(project(tmp_path / "one"), sys.executable)
    script = Path(os.environ["CC"])
    script.write_text(script.read_text().replace("exec cc", "echo newer; exec cc", 1))
    build(project(tmp_path / "two"), sys.executable)
    assert len(Path(tmp_path, "calls").read_text().splitlines()) == 2
    monkeypatch.setenv("SSH_CONNECTION", "a session of its own")  # which no build sees
    build(project(tmp_path / "three"), sys.executable)
    assert len(Path(tmp_path, "calls").read_text().splitlines()) == 2


@pytest.mark.parametrize(
    "how", ["the wheel", "the entry", "another wheel", "no wheel", "a list", "a path"]
)
def test_a_damaged_entry_is_built_again(how: str, tmp_path: Path, compiler: Any) -> None:
    build(project(tmp_path / "one"), sys.executable)
    (entry,) = kept_wheels()
    (wheel,) = entry.glob("*.whl")
    if how == "the wheel":
        wheel.write_bytes(wheel.read_bytes()[:-20])
    elif how == "another wheel":
        wheel.write_bytes(wheel.read_bytes().replace(b"WORD = 'one'", b"WORD = 'two'"))
    elif how == "no wheel":
        wheel.unlink()
    elif how == "a path":
        text = (entry / ENTRY).read_text()
        assert '"quick/words.py":"quick/words.py"' in text
        (entry / ENTRY).write_text(text.replace(':"quick/words.py"', ':"quick/wards.py"'))
    else:
        (entry / ENTRY).write_bytes({"the entry": b"{", "a list": b"[]"}[how])
    root = project(tmp_path / "two")
    build(root, sys.executable)
    assert compiler() == 2
    assert answers(root) == "1 one"
    build(project(tmp_path / "three"), sys.executable)
    assert compiler() == 2


def test_a_damaged_environment_is_made_again(tmp_path: Path, compiler: Any) -> None:
    build(project(tmp_path / "one"), sys.executable)
    (state,) = builds_folder().glob("*/environments/*/state.txt")
    state.unlink()  # as if the process had been killed before it was whole
    root = project(tmp_path / "two", {"quick/number.h": "#define NUMBER 2\n"})
    build(root, sys.executable)
    assert answers(root) == "2 one"


def test_the_wheels_not_used_for_longest_are_removed(tmp_path: Path, compiler: Any) -> None:
    for number in range(3):
        header = {"quick/number.h": f"#define NUMBER {number}\n"}
        build(project(tmp_path / str(number), header), sys.executable)
    entries = sorted(kept_wheels(), key=lambda entry: (entry / ENTRY).stat().st_mtime)
    for age, entry in enumerate(reversed(entries)):
        os.utime(entry / ENTRY, (1e9 - age, 1e9 - age))
    build(project(tmp_path / "again", {"quick/number.h": "#define NUMBER 0\n"}), sys.executable)
    assert compiler() == 3
    total = size(builds_folder())
    trim(total)
    assert len(kept_wheels()) == 3
    trim(total - 1)
    assert set(kept_wheels()) == {entries[0], entries[2]}
    (kept,) = {entry.parent.parent for entry in kept_wheels()}
    failed = kept.with_name("failed")  # a group of builds that failed
    shutil.copytree(kept / "locks", failed / "locks")
    (failed / "wheels").mkdir()
    shutil.copytree(kept / "environments", failed / "environments", symlinks=True)
    with building([(failed, "of a build that is running")]):
        trim(1)
        assert [folder.name for folder in builds_folder().iterdir()] == ["failed"]
    trim(1)
    assert not [path for path in builds_folder().rglob("*") if path.is_file()]


def test_the_doctor_names_the_folder_of_the_builds(
    tmp_path: Path, compiler: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(project(tmp_path / "one"), sys.executable)
    check = machine._builds()
    assert check.state == "fine"
    assert check.result.startswith("1 kept build, ")
    assert check.result.endswith(f"MB in {tmp_path / 'cache' / 'builds'}")
    shutil.rmtree(builds_folder())
    assert machine._builds().result.startswith("0 kept builds, 0 MB")
    (tmp_path / "cache").chmod(0o777)
    check = machine._builds()
    assert check.state == "problem"
    assert "MLPPERF_CACHE" in check.result
    assert "may be written or read by others" in check.result


@pytest.mark.parametrize("usual", ["a folder", "nobody may write"])
def test_builds_lie_in_the_folder_for_caches_or_beside_the_temporary_files(
    usual: str, tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLPPERF_CACHE")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    if usual == "a folder":
        assert cache_folder() == tmp_path / "xdg" / "mlpperf-builds"
        assert cache_folder().stat().st_mode & 0o777 == 0o700
    else:
        (tmp_path / "xdg").touch()
        assert cache_folder().parent == temporary


BUILDS = """
import sys
from pathlib import Path
from mlpperf.engine.versions.builds import build
build(Path(sys.argv[1]), sys.executable)
"""


def other(root: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", BUILDS, str(root)])


def test_a_build_that_is_killed_leaves_nothing_in_the_way(tmp_path: Path, compiler: Any) -> None:
    compiler("echo $$ > " + str(tmp_path / "compiling") + "; sleep 100")
    process = other(project(tmp_path / "one"))
    while not (tmp_path / "compiling").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    compiler()
    (lock,) = (file for file in builds_folder().glob("*/locks/*") if file.is_file())
    (lock.parent.parent / "wheels" / f"{lock.name}.partial").mkdir()  # killed while it was kept
    root = project(tmp_path / "two")
    build(root, sys.executable)
    assert answers(root) == "1 one"
    assert [entry.name for entry in lock.parent.parent.glob("wheels/*")] == [lock.name]
    os.kill(int((tmp_path / "compiling").read_text()), signal.SIGKILL)


def test_two_processes_build_the_same_version_once(tmp_path: Path, compiler: Any) -> None:
    compiler("sleep 0.5")
    roots = [project(tmp_path / name) for name in ("one", "two")]
    for process in [other(root) for root in roots]:
        assert process.wait() == 0
    assert compiler() == 1
    assert [answers(root) for root in roots] == ["1 one", "1 one"]


def test_a_failed_build_shows_what_the_compiler_printed(tmp_path: Path, compiler: Any) -> None:
    root = project(tmp_path / "head", {"quick/number.h": "#define NUMBER missing\n"})
    with pytest.raises(
        MlpperfError, match=r"^The build of head failed with exit code 1\.$"
    ) as seen:
        build(root, sys.executable)
    first, *more = seen.value.details
    assert "error: " in first
    assert "missing" in first
    assert "CalledProcessError" not in " ".join([first, *more])
    assert not kept_wheels()


def test_a_build_that_hangs_is_ended_with_all_its_processes(tmp_path: Path, compiler: Any) -> None:
    compiler("echo $$ > " + str(tmp_path / "compiling") + "; sleep 1000")
    settings = BuildSettings(timeout=1.0)
    with pytest.raises(MlpperfError, match=r"did not end within 1 s .*timeout"):
        build(project(tmp_path / "head"), sys.executable, settings)
    number = int((tmp_path / "compiling").read_text())
    assert not psutil.pid_exists(number) or psutil.Process(number).status() == "zombie"


def test_what_a_build_writes_around_itself_reaches_no_version(
    tmp_path: Path, compiler: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout = project(tmp_path / "checkout")
    monkeypatch.chdir(checkout)
    monkeypatch.setenv("PWD", str(checkout))
    monkeypatch.setenv("OLDPWD", str(checkout))
    monkeypatch.setenv("PYTHONPATH", str(checkout))
    monkeypatch.setenv("VIRTUAL_ENV", str(checkout))
    writes = """
for folder in (".", "quick", "..", *(os.environ.get(name) for name in
        ("PWD", "OLDPWD", "PYTHONPATH", "VIRTUAL_ENV") if name in os.environ)):
    Path(folder, "written.py").touch()
"""
    root = project(tmp_path / "copies" / "head", {"backend.py": BACKEND + writes})
    before = sorted(tmp_path.joinpath("copies").rglob("*"))
    build(root, sys.executable)
    assert not list(checkout.rglob("written.py"))
    assert [p for p in before if not p.exists()] == []
    written = tmp_path.joinpath("copies").rglob("written.py")
    assert all(builds.BUILT in p.parts for p in written)


def test_a_command_of_the_settings_builds_in_place_of_the_backend(
    tmp_path: Path, compiler: Any
) -> None:
    code = "import backend; backend.build_wheel(r'{wheels}')"
    command = ("{python}", "-c", f"import sys; sys.path.insert(0, r'{{source}}'); {code}")
    settings = BuildSettings(commands=(("true",), command))
    broken = {"pyproject.toml": PYPROJECT.replace('"backend"', '"no_such_backend"')}
    root = project(tmp_path / "head", broken)
    with pytest.raises(MlpperfError, match="failed"):
        build(root, sys.executable)
    build(root, sys.executable, settings)
    assert answers(root) == "1 one"
    with pytest.raises(MlpperfError, match="must make one wheel; it made none"):
        build(root, sys.executable, BuildSettings(commands=(("true",),)))
    with pytest.raises(MlpperfError, match="cannot run 'no-such-program'"):
        build(root, sys.executable, BuildSettings(commands=(("no-such-program",),)))


def test_the_step_that_runs_is_reported(
    tmp_path: Path, compiler: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builds, "_processors", lambda: 1)
    lines: list[str] = []
    roots = {name: tmp_path / name for name in ("base", "head")}

    def written() -> None:
        project(roots["head"], {"quick/number.h": "#define NUMBER 2\n"})
        project(roots["base"])

    written()
    jobs = [Job(name, root) for name, root in roots.items()]
    build_all(jobs, sys.executable, BuildSettings(), lines.append)
    assert "building base: 1 of 2, 0 s" in lines
    assert "building head: 2 of 2, 0 s" in lines
    assert [answers(root) for root in roots.values()] == ["1 one", "2 one"]
    for folder in (builds_folder(), *roots.values()):
        shutil.rmtree(folder)
    written()
    monkeypatch.setattr(builds, "_processors", lambda: 2)
    build_all(jobs, sys.executable, BuildSettings(), lines.append)
    assert "building base and head: 2 of 2, 0 s" in lines
    assert [answers(root) for root in roots.values()] == ["1 one", "2 one"]


def test_a_requirement_that_cannot_be_installed_is_named(
    tmp_path: Path, compiler: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PIP_NO_INDEX", "UV_NO_INDEX"):
        monkeypatch.setenv(name, "1")
    needs = {"pyproject.toml": PYPROJECT.replace("requires = []", 'requires = ["not-here>=2"]')}
    with pytest.raises(MlpperfError, match=r"What the build of head requires \(not-here>=2\)"):
        build(project(tmp_path / "head", needs), sys.executable)
    assert not compiler()


def test_an_interpreter_without_pip_will_do(tmp_path: Path, compiler: Any) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    root = project(tmp_path / "head")
    build(root, str(tmp_path / "bare" / "bin" / "python"))
    assert answers(root) == "1 one"


SETUP = """from setuptools import Extension, setup
setup(ext_modules=[Extension("quick._fast", ["quick/_fast.c"])])
"""


def setuptools_backend() -> str:
    """A backend that is the setuptools of the tests, so that nothing has to be downloaded."""
    setuptools = pytest.importorskip("setuptools")
    pytest.importorskip("wheel")
    site = str(Path(setuptools.__file__).parent.parent)
    return f"import sys\nsys.path.append({site!r})\nfrom setuptools.build_meta import *\n"


def test_setuptools_compiles_once_and_again_for_a_header(tmp_path: Path, compiler: Any) -> None:
    for number, header in enumerate((1, 1, 2)):
        changes = {
            "backend.py": setuptools_backend(),
            "quick/number.h": f"#define NUMBER {header}\n",
            "quick/words.py": f"WORD = '{number}'\n",
            "pyproject.toml": PYPROJECT.replace("ext-modules", "# ext-modules"),
            "setup.py": SETUP,
        }
        root = project(tmp_path / str(number), changes)
        build(root, sys.executable)
        assert answers(root) == f"{header} {number}"
    assert compiler() == 2


def test_the_version_is_part_of_a_build(tmp_path: Path, compiler: Any) -> None:
    for number, version in enumerate(("1.0", "2.0", "2.0")):
        asks = "Path('quick/version.dat').write_text(os.environ['SETUPTOOLS_SCM_PRETEND_VERSION'])"
        root = project(tmp_path / str(number), {"backend.py": f"{BACKEND}\n{asks}\n"})
        build_all([Job("head", root, version=version)], sys.executable, BuildSettings())
        assert (root / builds.BUILT / "quick/version.dat").read_text() == version
    assert compiler() == 2
    assert len(list(builds_folder().glob("*/environments/*/state.txt"))) == 1


@pytest.mark.skipif(not shutil.which("ccache"), reason="ccache is not installed here")
def test_ccache_knows_an_object_in_another_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CC", "ccache cc")
    monkeypatch.setenv("CCACHE_DIR", str(tmp_path / "ccache"))
    for number, (more, answer) in enumerate((("", 1), ("# more\n", 1), ("# more\n", 2))):
        changes = {
            "setup.py": SETUP + more,
            "backend.py": setuptools_backend(),
            "pyproject.toml": PYPROJECT.replace("ext-modules", "# ext-modules"),
            "quick/number.h": f"#define NUMBER {answer}\n",
        }
        root = project(tmp_path / str(number), changes)
        build(root, sys.executable)
        assert answers(root) == f"{answer} one"
    done = subprocess.run(["ccache", "--print-stats"], capture_output=True, text=True, check=True)
    counts = dict(line.split("\t") for line in done.stdout.splitlines())
    hits = int(counts["direct_cache_hit"]) + int(counts["preprocessed_cache_hit"])
    assert (hits, int(counts["cache_miss"])) == (1, 2)


def test_a_full_disk_keeps_nothing_and_the_build_is_used(
    tmp_path: Path, compiler: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(build_cache, "write_whole", full)
    root = project(tmp_path / "head")
    build(root, sys.executable)
    assert answers(root) == "1 one"
    assert not kept_wheels()


def test_a_wheel_that_leads_out_of_its_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    with zipfile.ZipFile(tmp_path / "quick.whl", "w") as wheel:
        wheel.writestr("../../out.py", "")
    with pytest.raises(MlpperfError, match=r"quick\.whl is '../../out\.py', which does not lie"):
        unpack(tmp_path / "quick.whl", tmp_path / "root")
    assert not (tmp_path / "out.py").exists()
