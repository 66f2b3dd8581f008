"""What tests of several folders of the engine share."""

import hashlib
import json
import os
import select
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any, Self

import pytest
from packaging.requirements import Requirement

from mlpperf.engine.pool import pool
from mlpperf.engine.pool.process import START as START_WORKER
from mlpperf.engine.pool.process import DependentError, WorkerError
from mlpperf.engine.versions import apart, environment, release
from mlpperf.engine.worker.protocol import COMMANDS, HOTPATH, Message, Refusal, Task
from mlpperf.engine.worker.wire import from_json, to_json
from mlpperf.errors import MlpperfError

PYPROJECT = """[project]
name = "town"
version = "1.0"
"""
STREETS = '''"""Streets."""


def walk(n):
    for _ in range({effort} * n):
        pass
    return n


def stand():
    return sum(range(1000)) * 0
'''
TESTS = '''"""Timed."""

import cart
from town import streets


def test_walk(benchmark):
    assert benchmark(streets.walk, 20) == 20


def test_stand(benchmark):
    assert benchmark(streets.stand) == 0


def test_cart(benchmark):
    assert benchmark(cart.carry, 20) == 20
'''
CART = '''"""A library."""


def carry(n):
    for _ in range({effort} * n):
        pass
    return n
'''
Wheels = Callable[..., Path]


@pytest.fixture
def two(project: Any, tmp_path: Path) -> tuple[Path, Path]:
    """Two copies of the project, to be changed."""
    for name in ("one", "other"):
        shutil.copytree(project.folder, tmp_path / name, ignore=shutil.ignore_patterns(".git"))
    return tmp_path / "one", tmp_path / "other"


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wheels:
    """Makes wheels, and an index of them, which is the only one."""
    index = tmp_path / "index"
    index.mkdir()
    for name, value in (("NO_INDEX", "1"), ("FIND_LINKS", str(index))):
        for tool in ("PIP", "UV"):
            monkeypatch.setenv(f"{tool}_{name}", value)

    def made(
        name: str, version: str, files: dict[str, str], *requires: str, tag: str = "py3-none-any"
    ) -> Path:
        about = f"{name}-{version}.dist-info"
        needs = "".join(f"Requires-Dist: {one}\n" for one in requires)
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}"
        contents = {
            **files,
            f"{about}/METADATA": metadata,
            f"{about}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n",
        }
        listed = "".join(f"{file},,\n" for file in [*contents, f"{about}/RECORD"])
        file = index / f"{name}-{version}-{tag}.whl"
        with zipfile.ZipFile(file, "w") as wheel:
            for place, text in {**contents, f"{about}/RECORD": listed}.items():
                wheel.writestr(place, text)
        return file

    return made


@pytest.fixture
def market(project: Any, wheels: Wheels) -> Any:
    """A project in `src` with tests; there are two releases of it and two of a library, cart."""
    project.git("rm", "-r", "--quiet", "src")
    project.write("pyproject.toml", PYPROJECT)
    project.write("src/town/__init__.py", "")
    project.write("src/town/streets.py", STREETS.format(effort=50))
    project.write("tests/test_town.py", TESTS)
    project.commit("a town")
    project.wheel = wheels
    for version, effort in (("1.0", 50), ("2.0", 500)):
        streets = STREETS.format(effort=effort)
        wheels("town", version, {"town/__init__.py": "", "town/streets.py": streets})
        wheels("cart", version, {"cart.py": CART.format(effort=effort)})
    return project


asked_once = cache(environment.asked)


def unpacked(
    python: str, options: Sequence[str], wanted: Sequence[str], what: str, other: str = ""
) -> None:
    """Install packages as pip would, without a process that takes a second of processor time."""
    index, into = Path(os.environ["PIP_FIND_LINKS"]), options[options.index("--target") + 1]
    left, files = list(wanted), dict[str, Path]()
    for text in left:  # grows by what these require
        file = Path(text)
        if file.suffix != ".whl":
            needed = Requirement(text)
            offered = [files[needed.name]] if needed.name in files else [*index.glob("*.whl")]
            file = max((one for one in offered if fits(needed, one)), default=Path())
        name = file.name.partition("-")[0]
        if not name or files.setdefault(name, file) != file:
            raise MlpperfError(f"{what} cannot be installed.")
        with zipfile.ZipFile(file) as wheel:
            wheel.extractall(into)
        if "--no-deps" not in options:
            (about,) = Path(into).glob(f"{name}-*.dist-info")
            listed = map(Requirement, Distribution.at(about).requires or ())
            left += [str(r) for r in listed if not r.marker or r.marker.evaluate({"extra": ""})]


def fits(needed: Requirement, wheel: Path) -> bool:
    name, version = wheel.name.split("-")[:2]
    return name == needed.name and needed.specifier.contains(version)


@pytest.fixture
def by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Packages are unpacked rather than installed by pip, and an interpreter is asked once."""
    for module in (apart, environment, release):
        monkeypatch.setattr(module, "install", unpacked)
    for module in (apart, environment):
        monkeypatch.setattr(module, "asked", asked_once)


# --- workers that are forked from a process in which pytest and asv's runner are imported ---

# Each line of input names a folder with a task; its worker leaves answers and errors there.
SERVER = (
    START_WORKER.replace(
        "main()\n",
        """
import gc, json, os, signal, tempfile
from _pytest.config import get_config
from mlpperf_worker import asv_suite, loading, main as commands, pytest_suite
# What loading leaves in other modules has tests of its own, and takes longer than all the rest.
loading.registered_with, commands.shared_state = (lambda own: ""), dict
if not os.environ.get("PYTEST_DISABLE_PLUGIN_AUTOLOAD"):
    get_config().pluginmanager.load_setuptools_entrypoints("pytest11")
""",
    )
    + """
gc.freeze()
for line in sys.stdin:
    order = json.loads(line)
    child = os.fork()
    if not child:
        os.setsid()
        os.environ.clear()
        os.environ.update(order["environment"])
        os.chdir(order["current"])
        tempfile.tempdir = None  # its own, as in a new Python
        for number, name in enumerate(("task", "answers", "errors")):
            file = os.open(os.path.join(order["folder"], name), os.O_RDWR | os.O_CREAT)
            os.dup2(file, number)
        sys.stdin = open(0)
        main()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    try:
        os.killpg(child, signal.SIGKILL)
    except OSError:
        pass
    print(status, flush=True)
"""
)
PATIENCE = 300.0  # seconds for a task


class _Server:
    """The process that forks, with or without the plugins of pytest that are installed."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )

    def run(self, folder: Path, environment: Mapping[str, str], current: Path) -> int:
        """Have the task in a folder done, and give the status of the worker."""
        assert self.process.stdin
        assert self.process.stdout
        order = {
            "folder": str(folder),
            "environment": dict(environment),
            "current": str(current),
        }
        self.process.stdin.write(json.dumps(order).encode() + b"\n")
        self.process.stdin.flush()
        if not select.select([self.process.stdout], [], [], PATIENCE)[0]:
            self.process.kill()
            raise TimeoutError("a forked worker takes too long")
        return int(self.process.stdout.readline())


@pytest.fixture(scope="module")
def servers() -> Iterator[Callable[[str], _Server]]:
    """The server for each value of the variable that turns plugins off."""
    made: list[_Server] = []

    @cache
    def server(without_plugins: str) -> _Server:
        variables = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": without_plugins}
        made.append(_Server(variables))
        return made[-1]

    yield server
    for one in made:
        one.process.kill()
        one.process.communicate()


@pytest.fixture
def forked(
    servers: Callable[[str], _Server], tmp_path_factory: pytest.TempPathFactory
) -> type[Iterator[Message]]:
    """In place of `TaskWorker`: the same answers, all of them at once, without a new Python."""

    class Forked(Iterator[Message]):
        def __init__(
            self,
            task: Task,
            python: str = "",
            patience: float = 0.0,
            environment: Mapping[str, str] = os.environ,
            home: Path | None = None,
        ) -> None:
            self.patience = self.until = patience  # nobody waits for what is there
            folder = tmp_path_factory.mktemp("task")
            (folder / "task").write_text(json.dumps(to_json(task)) + "\n")
            server = servers(environment.get("PYTEST_DISABLE_PLUGIN_AUTOLOAD", ""))
            self._status = server.run(folder, environment, home or Path.cwd())
            self._errors = (folder / "errors").read_text(errors="replace")
            lines = map(json.loads, filter(None, (folder / "answers").read_bytes().split(b"\n")))
            self._answers = iter([one for one in lines if "message" in one])

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def __next__(self) -> Message:
            if self._status:
                raise WorkerError(f"A process ended early with {self._status}: {self._errors}")
            message: Message = from_json(next(self._answers))
            if isinstance(message, Refusal):
                raise (DependentError if message.of_copies else MlpperfError)(message.why)
            return message

    return Forked


@pytest.fixture
def in_forks(forked: type[Iterator[Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes with a suite are forks in which pytest is there, unless they answer requests.

    Of an interpreter and pytest that start, which take more than all the rest, other tests know.
    """
    real = pool.TaskWorker

    def worker(task: Task, *given: Any, **where: Any) -> Any:
        alone = task.kind == "on_request" or task.suite in (HOTPATH, COMMANDS)
        return (real if alone else forked)(task, *given, **where)

    monkeypatch.setattr(pool, "TaskWorker", worker)


# --- small extension modules: what they do when they are loaded once, and once more ---

# `walk(n)` returns n after EFFORT steps for each, and counts its calls in a static variable.
START = """#include <Python.h>
#ifndef EFFORT
#define EFFORT 100
#endif
static long calls = 0;
static PyObject *walk(PyObject *self, PyObject *arg) {
    volatile long steps = 0;
    calls++;
    for (long i = 0; i < EFFORT * PyLong_AsLong(arg); i++) steps += 1;
    return PyLong_FromLong(steps / EFFORT);
}
static PyObject *called(PyObject *self, PyObject *none) { return PyLong_FromLong(calls); }
static PyMethodDef methods[] = {
    {"walk", walk, METH_O, ""}, {"called", called, METH_NOARGS, ""}, {0}
};
"""
SINGLE_PHASE = (
    START
    + """
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_fast", "", -1, methods};
PyMODINIT_FUNC PyInit__fast(void) { return PyModule_Create(&module); }
"""
)
# `does(module)` is run when the module is loaded; it can see what an earlier load has left.
MULTI_PHASE = (
    START
    + """
static int load(PyObject *module) {
    PyObject *earlier = PySys_GetObject("loaded_before");
    if (earlier == NULL) PySys_SetObject("loaded_before", Py_True);
    DOES
    return 0;
}
static PyModuleDef_Slot slots[] = {{Py_mod_exec, load}, {0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_fast", "", 0, methods, slots};
PyMODINIT_FUNC PyInit__fast(void) { return PyModuleDef_Init(&module); }
"""
)
REFUSES = """
    if (earlier != NULL) {
        PyErr_SetString(PyExc_ImportError, "cannot load module more than once per process");
        return -1;
    }
"""
CRASHES = "if (earlier != NULL) *(volatile int *)0 = 1;"
# As some libraries for bindings do: the type of the first copy is that of the second, too.
KEEPS_A_TYPE = """
    PyObject *type = PySys_GetObject("kept_type");
    if (type == NULL) {
        type = PyObject_CallFunction(
            (PyObject *)&PyType_Type, "s(){ss}", "Walker", "__module__", "quick._fast"
        );
        PySys_SetObject("kept_type", type);
    }
    Py_INCREF(type);
    PyModule_AddObject(module, "Walker", type);
"""
# The same with a type that nobody keeps.
HAS_A_TYPE = """
    PyObject *type = PyObject_CallFunction(
        (PyObject *)&PyType_Type, "s(){ss}", "Walker", "__module__", "quick._fast"
    );
    PyModule_AddObject(module, "Walker", type);
"""
KEEPS_FOR_A_THREAD = (
    HAS_A_TYPE
    + """
    PyObject *walker = PyObject_CallNoArgs(type);
    PyDict_SetItemString(PyThreadState_GetDict(), "the_walker", walker);
"""
)
# As libraries for bindings do: a type of one name is registered once for all that they find there.
REGISTERS = """
    PyObject *place = PLACE;
    if (PyDict_GetItemString(place, "NAME")) {
        PyErr_SetString(PyExc_ImportError, "type Walker is already registered");
        return -1;
    }
    PyDict_SetItemString(place, "NAME", Py_True);
"""
BUILTINS = "PyEval_GetBuiltins()"
INTERPRETER = "PyInterpreterState_GetDict(PyInterpreterState_Get())"
LIBRARY = "long effort(void) { return EFFORT; }\n"
USES_LIBRARY = """#include <Python.h>
extern long effort(void);
static PyObject *walk(PyObject *self, PyObject *arg) {
    volatile long steps = 0, each = effort();
    for (long i = 0; i < each * PyLong_AsLong(arg); i++) steps += 1;
    return PyLong_FromLong(steps);
}
static PyMethodDef methods[] = {{"walk", walk, METH_O, ""}, {0}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_fast", "", -1, methods};
PyMODINIT_FUNC PyInit__fast(void) { return PyModule_Create(&module); }
"""


def multi_phase(does: str) -> str:
    """A module that does this when it is loaded."""
    return MULTI_PHASE.replace("DOES", does)


class Compiler:
    """Compiles packages called `quick`, whose function `walk` is in an extension module."""

    single_phase = SINGLE_PHASE
    nothing, refuses, crashes = multi_phase(""), multi_phase(REFUSES), multi_phase(CRASHES)
    has_a_type, keeps_a_type = multi_phase(HAS_A_TYPE), multi_phase(KEEPS_A_TYPE)

    keeps_for_a_thread = multi_phase(KEEPS_FOR_A_THREAD)

    def registers(self, name: str, of_interpreter: bool) -> str:
        """A module that registers itself under a name, and refuses to do so twice."""
        place = INTERPRETER if of_interpreter else BUILTINS
        return multi_phase(REGISTERS.replace("PLACE", place).replace("NAME", name))

    def __init__(self, folder: Path) -> None:
        self._folder = folder  # what has been compiled is kept there

    def compile(self, source: str, target: Path, *flags: str) -> Path:
        """The shared library of some source."""
        digest = hashlib.sha256("\0".join((source, *flags)).encode()).hexdigest()
        kept = self._folder / f"{digest}.so"
        if not kept.exists():
            file = kept.with_suffix(".c")
            file.write_text(source, encoding="utf-8")
            command = ["cc", "-O1", "-shared", "-fPIC", f"-I{sysconfig.get_path('include')}"]
            subprocess.run([*command, str(file), "-o", str(kept), *flags], check=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(kept, target)
        return target

    def package(self, root: Path, source: str, *flags: str) -> Path:
        """The package in a folder."""
        suffix = sysconfig.get_config_var("EXT_SUFFIX")
        self.compile(source, root / "quick" / f"_fast{suffix}", *flags)
        (root / "quick/__init__.py").write_text("from quick._fast import *\n", encoding="utf-8")
        return root

    def package_with_library(self, root: Path, effort: int) -> Path:
        """The same with a shared library beside the extension module, which needs it."""
        named, effort_of = "-Wl,-soname,libeffort.so", f"-DEFFORT={effort}"
        self.compile(LIBRARY, root / "quick/libeffort.so", effort_of, named)
        needed = self.compile(LIBRARY, self._folder / "libeffort.so", "-DEFFORT=1", named)
        return self.package(root, USES_LIBRARY, str(needed), "-Wl,-rpath,$ORIGIN")


@pytest.fixture(scope="session")
def compiler(tmp_path_factory: pytest.TempPathFactory) -> Compiler:
    """A C compiler; without one, the test is skipped."""
    if not (shutil.which("cc") and Path(sysconfig.get_path("include"), "Python.h").is_file()):
        pytest.skip("there is no C compiler here (cc), or Python's headers are missing")
    return Compiler(tmp_path_factory.mktemp("compiled"))
