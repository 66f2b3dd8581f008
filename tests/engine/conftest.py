"""What tests of several folders of the engine share."""

import contextlib
import hashlib
import json
import os
import select
import shutil
import socket
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from importlib.metadata import Distribution
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from packaging.requirements import Requirement

from mlpperf.devices import Setting
from mlpperf.engine.pool import process
from mlpperf.engine.pool.process import GUARD
from mlpperf.engine.pool.process import START as START_WORKER
from mlpperf.engine.versions import apart, environment, release
from mlpperf.engine.worker.lines import PAGE
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

# Each line of input asks for a worker: its environment, its folder, and with it its streams, where
# to tell how it ends, its lifeline and its page. It has a guard, which is the real one; only that
# it does not become another Python, but goes on as this one.
# Its own parent ends at once, since tests look at the children that a process of tests has.
SERVER = "import os\nif os.fork(): os._exit(0)\n" + (
    START_WORKER.replace(
        "main()\n",
        f"""
import contextlib, gc, json, os, runpy, signal, socket, tempfile, traceback
from _pytest.config import get_config
from mlpperf_worker import asv_suite, dry_run, loading, main as commands, pytest_suite
dry_run.WATCHED_CALLS = 100  # of a thousand; no suite here runs anything that rarely
if not os.environ.get("PYTEST_DISABLE_PLUGIN_AUTOLOAD"):
    get_config().pluginmanager.load_setuptools_entrypoints("pytest11")
GUARD, PAGE = {GUARD!r}, {PAGE!r}
""",
    )
    + """
guard = runpy.run_path(GUARD)["main"].__globals__  # alive with its function

def work(order, page):
    for fd in {*map(int, os.listdir("/dev/fd"))} - {0, 1, 2, page}:
        with contextlib.suppress(OSError):
            os.close(fd)
    signal.set_wakeup_fd(-1)
    for number, handler in ((signal.SIGCHLD, signal.SIG_DFL), (signal.SIGPIPE, signal.SIG_IGN)):
        signal.signal(number, handler)
    sys.stdin, tempfile.tempdir = open(0), None  # its own, as in a new Python
    if not order["registers"]:
        loading.registered_with, commands.shared_state = (lambda own: ""), dict
    try:
        main()
    except SystemExit as reason:
        print(reason.code, file=sys.stderr, flush=True)
    except BaseException:
        traceback.print_exc()
    os._exit(1)

def watch(order, streams, told, lifeline, page):
    os.setsid()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(order["environment"], **{PAGE: str(page)})
    os.chdir(order["current"])

    def end(status):
        os.write(told, b"%d" % os.waitstatus_to_exitcode(status))
        os._exit(0)

    def become(command, memory, ours):
        guard["os"].execvp = lambda *_: work(order, page)
        real(command, memory, ours)

    real, guard["_become"], guard["_end_as"] = guard["_become"], become, end
    guard["main"](lifeline, order["memory"], ["python"])

asked = socket.socket(fileno=0)
gc.freeze()
while True:
    line, fds = b"", []
    while not line.endswith(b"\\n"):
        read, more, _, _ = socket.recv_fds(asked, 1 << 16, 6)
        if not read:
            sys.exit()
        line, fds = line + read, fds + more
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    if not os.fork():
        asked.close()
        watch(json.loads(line), fds[:3], *fds[3:])
    for fd in fds:
        os.close(fd)
"""
)


class _Forked:
    """What `subprocess.Popen` has: streams, and how the process ends."""

    def __init__(self, server: socket.socket, lifeline: int, page: int, order: Any) -> None:
        (theirs, stdin), (stdout, out), (stderr, err), (told, tells) = (os.pipe() for _ in range(4))
        self.stdin = os.fdopen(stdin, "wb")
        self.stdout, self.stderr, self._told = (os.fdopen(n, "rb") for n in (stdout, stderr, told))
        self.returncode: int | None = None
        given = [theirs, out, err, tells, lifeline, page]
        socket.send_fds(server, [json.dumps(order).encode() + b"\n"], given)
        for fd in given[:4]:
            os.close(fd)

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if not select.select([self._told], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("a forked worker", timeout or 0.0)
            with self._told:
                self.returncode = int(self._told.read() or 1)
        return self.returncode

    def kill(self) -> None:
        raise AssertionError("a guard does not end")


@pytest.fixture(scope="session")
def servers() -> Iterator[Callable[[str], socket.socket]]:
    """What asks the server that forks, for each value of the variable that turns plugins off."""
    with contextlib.ExitStack() as stack:

        @cache
        def server(without_plugins: str) -> socket.socket:
            ours, theirs = socket.socketpair()
            variables = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": without_plugins}
            command = [sys.executable, "-c", SERVER]
            with theirs:
                subprocess.run(command, stdin=theirs, env=variables, check=True)
            return stack.enter_context(ours)

        yield server


@pytest.fixture
def in_forks(
    servers: Callable[[str], socket.socket],
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Workers with a suite are forks of a process in which pytest is there, without a new Python.

    Of an interpreter and pytest that start, which take more than all the rest, other tests know;
    and of what loading leaves in other modules those that use `registers`, too.
    """
    registers = "registers" in request.fixturenames

    def start(arguments: list[str], environment: Mapping[str, str], **options: Any) -> Any:
        setting = Setting.current()
        *_, lifeline, memory, python, _, code = arguments
        if (python, code) != (sys.executable, START_WORKER):
            return setting.start(arguments, environment, **options)
        order = {
            "environment": {**environment, **setting.environment()},
            "current": str(options["cwd"] or Path.cwd()),
            "memory": int(memory),
            "registers": registers,
        }
        server = servers(environment.get("PYTEST_DISABLE_PLUGIN_AUTOLOAD", ""))
        return _Forked(server, int(lifeline), int(environment[PAGE]), order)

    forking = SimpleNamespace(current=lambda: SimpleNamespace(start=start))
    monkeypatch.setattr(process, "Setting", forking)


@pytest.fixture
def registers() -> None:
    """Also in forks it is seen what loading leaves in other modules."""


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
