"""Registers of pybind11 and nanobind: each copy has its own, and outside they are as before."""

import builtins
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlpperf.engine.worker.independence import why_dependent
from mlpperf.engine.worker.isolation import World, leave
from mlpperf.engine.worker.registers import Registers, _places

NAMES = ("__pybind11_internals_v4_test__", "__nb_internals_v1_test__")
PYBIND11 = """#include <pybind11/pybind11.h>
struct Walker { long effort = EFFORT; long walk(long n) const { return n * effort; } };
PYBIND11_MODULE(_fast, m) {
    pybind11::class_<Walker>(m, "Walker").def(pybind11::init<>()).def("walk", &Walker::walk);
}
"""
NANOBIND = PYBIND11.replace("pybind11/pybind11", "nanobind/nanobind").replace(
    "pybind11", "nanobind"
)
NANOBIND = NANOBIND.replace("PYBIND11", "NB")


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    leave()
    assert not any(name in vars(builtins) for name in NAMES)


def loaded(*roots: Path) -> tuple[list[World], list[Any]]:
    worlds = [World(root, ["quick"], side=root.name, compiled=True) for root in roots]

    def imported() -> Any:
        import quick  # type: ignore[import-not-found]

        return quick

    return worlds, [world.inside(imported)() for world in worlds]


@pytest.mark.parametrize("of_interpreter", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_each_copy_registers_its_own(
    name: str, of_interpreter: bool, compiler: Any, tmp_path: Path
) -> None:
    source = compiler.registers(name, of_interpreter)
    worlds, modules = loaded(*(compiler.package(tmp_path / s, source) for s in ("base", "head")))
    place = _places()[of_interpreter]
    assert name not in place
    for world, module in zip(worlds, modules, strict=True):
        assert world.inside(module.walk)(3) == 3
        assert world.inside(lambda: name in place)()
    assert why_dependent(worlds) == ""


def test_what_keeps_another_register_refuses_a_second_copy(compiler: Any, tmp_path: Path) -> None:
    source = compiler.registers("another_register", False)
    try:
        with pytest.raises(ImportError, match="type Walker is already registered"):
            loaded(*(compiler.package(tmp_path / s, source) for s in ("base", "head")))
    finally:
        vars(builtins).pop("another_register", None)


def test_a_name_that_both_have_stays_where_it_is() -> None:
    """Python's caches depend on the names that there are, but not on their values."""
    place, (name, _) = _places()[0], NAMES
    place[name] = "outside"
    one, other = Registers(), Registers()
    for registers, value in ((one, 1), (other, 2)):
        registers.put()
        assert name not in place
        place[name] = value
    order = list(place)
    one.put()
    assert place[name] == 1
    assert list(place) == order
    other.put()
    assert place[name] == 2
    leave()
    assert place.pop(name) == "outside"


def built(library: str, root: Path, effort: int) -> Path:
    """A package with a module that a library for bindings makes."""
    source, target = (
        root / "fast.cpp",
        root / "quick" / f"_fast{sysconfig.get_config_var('EXT_SUFFIX')}",
    )
    target.parent.mkdir(parents=True)
    (root / "quick/__init__.py").write_text("from quick._fast import Walker\n", encoding="utf-8")
    source.write_text(PYBIND11 if library == "pybind11" else NANOBIND, encoding="utf-8")
    module = pytest.importorskip(library)
    command = ["c++", "-O1", "-std=c++17", "-shared", "-fPIC", "-fvisibility=hidden"]
    if library == "pybind11":
        include = [f"-I{module.get_include()}"]
    else:
        top = Path(module.include_dir()).parent
        include = [f"-I{top / 'include'}", f"-I{top / 'ext/robin_map/include'}"]
        include += ["-fno-strict-aliasing", str(top / "src/nb_combined.cpp")]
    include += [f"-I{sysconfig.get_path('include')}", f"-DEFFORT={effort}"]
    subprocess.run([*command, str(source), "-o", str(target), *include], check=True)
    return root


@pytest.mark.parametrize("library", ["pybind11", "nanobind"])
def test_a_real_library_for_bindings(library: str, compiler: Any, tmp_path: Path) -> None:
    """In a process of its own, as it keeps its registers to the end."""
    roots = [built(library, tmp_path / side, effort) for side, effort in (("base", 1), ("head", 2))]
    script = f"""
from pathlib import Path
from mlpperf.engine.worker.independence import why_dependent
from mlpperf.engine.worker.isolation import World
roots = {[*map(str, roots)]}
worlds = [World(Path(root), ["quick"], side="x", compiled=COMPILED) for root in roots]
def imported():
    import quick
    return quick
walkers = [world.inside(imported)().Walker for world in worlds]
for _ in range(3):
    print([world.inside(lambda: kind().walk(3))() for world, kind in zip(worlds, walkers)])
print(why_dependent(worlds) or "independent")
"""

    def output(compiled: bool) -> str:
        command = [sys.executable, "-c", script.replace("COMPILED", str(compiled))]
        done = subprocess.run(command, capture_output=True, text=True)
        return done.stdout + done.stderr

    assert output(compiled=True) == "[3, 6]\n" * 3 + "independent\n"
    assert "already registered" in output(compiled=False) or "same object" in output(compiled=False)
