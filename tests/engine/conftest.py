"""What tests of several folders of the engine share."""

import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def two(project: Any, tmp_path: Path) -> tuple[Path, Path]:
    """Two copies of the project, to be changed."""
    for name in ("one", "other"):
        shutil.copytree(project.folder, tmp_path / name, ignore=shutil.ignore_patterns(".git"))
    return tmp_path / "one", tmp_path / "other"


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

    def compile(self, source: str, target: Path, *flags: str) -> Path:
        """The shared library of some source."""
        target.parent.mkdir(parents=True, exist_ok=True)
        file = target.with_suffix(".c")
        file.write_text(source, encoding="utf-8")
        command = ["cc", "-O1", "-shared", "-fPIC", f"-I{sysconfig.get_path('include')}"]
        subprocess.run([*command, str(file), "-o", str(target), *flags], check=True)
        file.unlink()
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
        library = self.compile(LIBRARY, root / "quick/libeffort.so", effort_of, named)
        return self.package(root, USES_LIBRARY, str(library), "-Wl,-rpath,$ORIGIN")


@pytest.fixture
def compiler() -> Compiler:
    """A C compiler; without one, the test is skipped."""
    if not (shutil.which("cc") and Path(sysconfig.get_path("include"), "Python.h").is_file()):
        pytest.skip("there is no C compiler here (cc), or Python's headers are missing")
    return Compiler()
