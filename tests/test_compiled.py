"""Kernels: compiled at their first call, kept in a cache, and refused in one sentence."""

import importlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from mlpperf import compiled
from mlpperf.articles.mlp.meetings import load, store
from mlpperf.compiled import (
    Instruction,
    Kernel,
    kernel,
    kernels_called,
    prefetch,
    summing_kernel,
)
from mlpperf.errors import MlpperfError

pytest.importorskip("numba", reason="Numba is not installed: pip install 'mlpperf[compiled]'")

FACTOR = 3.0


@kernel
def scaled(x: float) -> float:
    """Three times x."""
    return x * FACTOR


@kernel
def scaled_all(x: np.ndarray, out: np.ndarray) -> tuple[np.ndarray]:
    """Calls another kernel for every element."""
    for i in range(x.size):
        out[i] = scaled(x[i])
    return (out,)


@summing_kernel
def summed(x: np.ndarray) -> float:
    """A sum in any order."""
    total = 0.0
    for value in x:
        total += value
    return total


@kernel
def ratio(a: float, b: float) -> float:
    """By NumPy's rules for errors."""
    return a / b


@kernel
def fetched(x: np.ndarray) -> None:
    """Calls an instruction."""
    prefetch(x.ctypes.data)


MOST_LOOKS = 1 << 36  # half a minute of them


@kernel
def waits_for(flag: np.ndarray) -> int:
    """Says that it is there, and looks until another thread has raised the flag."""
    looks = 0
    store(flag.ctypes.data + 8, 1)
    while load(flag.ctypes.data) == 0 and looks < MOST_LOOKS:
        looks += 1
    return looks


def test_a_kernel_computes_what_its_function_does() -> None:
    x, out = np.arange(5.0), np.empty(5)
    (got,) = scaled_all(x, out)
    assert got is out or np.shares_memory(got, out)
    np.testing.assert_array_equal(out, [scaled.plain(v) for v in x])
    assert summed(x) == 10.0
    fetched(x)


def test_a_kernel_is_named_and_documented_as_its_function() -> None:
    assert (scaled_all.__name__, scaled_all.__doc__) == (
        "scaled_all",
        "Calls another kernel for every element.",
    )


def test_a_division_by_zero_is_infinite_and_no_exception() -> None:
    assert ratio(1.0, 0.0) == np.inf
    assert np.isnan(ratio(0.0, 0.0))


def test_a_kernel_holds_no_interpreter_lock() -> None:
    flag, seen = np.zeros(2, np.int64), []
    waits_for.compile_for(flag)
    thread = threading.Thread(target=lambda: seen.append(waits_for(flag)), daemon=True)
    thread.start()
    while not flag[1]:
        time.sleep(0.001)
    flag[0] = 1  # only a thread that runs beside the kernel can raise it
    thread.join()
    assert seen[0] < MOST_LOOKS


def test_an_instruction_is_for_kernels_only() -> None:
    with pytest.raises(TypeError, match="prefetch can be called by a compiled kernel only"):
        prefetch(0)
    assert isinstance(prefetch, Instruction)


# --- the cache ------------------------------------------------------------------------------------

MODULE = """
from mlpperf.compiled import kernel, summing_kernel
from parts import LIMIT, inner, shift

@{kind}
def outer(x):
    return inner(x) * LIMIT + shift()
"""
# What the kernel is made of lies in another file, at which Numba does not look.
PARTS = """
from mlpperf.compiled import instruction, kernel
LIMIT = {limit}

@kernel
def inner(x):
    return x + {added}

def constant():
    from llvmlite import ir
    return ir.DoubleType()({constant})

@instruction
def shift(context):
    from numba.core import types
    def code(context, builder, signature, args):
        return constant()
    return types.float64(), code
"""
PROGRAM = """
import module
print(module.outer(2.0), sum(module.outer.compiled.stats.cache_hits.values()))
"""


def outcome(folder: Path, **changed: Any) -> tuple[float, int, bool]:
    """The result of modules imported anew, how often the cache helped, and if there is one."""
    parts = {"limit": 1, "added": 1, "kind": "kernel", "constant": 0, **changed}
    for name, text in (("module", MODULE), ("parts", PARTS)):
        file = folder / f"{name}.py"
        if not file.exists() or file.read_text() != text.format(**parts):
            file.write_text(text.format(**parts))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "dont_write_bytecode", True)  # it is Numba's cache that is looked at
        patch.syspath_prepend(folder)
        outer = importlib.import_module("module").outer
        result, stats = outer(2.0), outer.compiled.stats
        for name in ("module", "parts"):
            del sys.modules[name]
    return result, sum(stats.cache_hits.values()), stats.cache_path is not None


def test_what_was_compiled_is_taken_from_the_cache_here_and_in_another_process(
    tmp_path: Path,
) -> None:
    assert outcome(tmp_path) == (3.0, 0, True)
    assert outcome(tmp_path) == (3.0, 1, True)
    command = [sys.executable, "-B", "-c", PROGRAM]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["3.0", "1"]


@pytest.mark.parametrize(
    ("changed", "result"),
    [
        ({"limit": 4}, 12.0),
        ({"added": 2}, 4.0),
        ({"kind": "summing_kernel"}, 3.0),
        ({"constant": 2}, 5.0),
    ],
    ids=["a number of the module", "a kernel that it calls", "the order of sums", "LLVM's code"],
)
def test_nothing_out_of_date_is_taken_from_the_cache(
    changed: dict[str, Any], result: float, tmp_path: Path
) -> None:
    assert outcome(tmp_path) == (3.0, 0, True)
    assert outcome(tmp_path, **changed) == (result, 0, True)


def test_without_a_place_for_the_cache_it_compiles_every_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a file and no folder"
    file.touch()
    # Neither beside the module nor below the home folder anything can be written.
    monkeypatch.setenv("HOME", str(file))
    monkeypatch.setenv("XDG_CACHE_HOME", str(file))
    (tmp_path / "__pycache__").touch()
    for _ in range(2):
        assert outcome(tmp_path) == (3.0, 0, False)


# --- Numba that is missing or does not load -------------------------------------------------------


@pytest.fixture
def without_numba(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(sys.modules, "numba", None)
    compiled.numba.cache_clear()
    yield
    compiled.numba.cache_clear()


@pytest.mark.usefixtures("without_numba")
def test_a_missing_numba_is_reported() -> None:
    sentence = r"Numba is not installed: pip install 'mlpperf\[compiled\]'\."
    with pytest.raises(MlpperfError, match=sentence):
        Kernel(scaled.plain, reorders=False)(1.0)


def test_a_numba_that_does_not_fit_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    class Unfit(ModuleType):
        """As Numba where NumPy is newer than it knows."""

        def __getattr__(self, name: str) -> Any:
            raise ImportError("Numba needs NumPy 2.3 or less. Got NumPy 9.0.")

    monkeypatch.setitem(sys.modules, "numba.core", Unfit("numba.core"))
    compiled.numba.cache_clear()
    try:
        with pytest.raises(MlpperfError, match=r"Numba does not load \(.*NumPy 2\.3 or less"):
            compiled.numba()
    finally:
        compiled.numba.cache_clear()


@pytest.mark.usefixtures("without_numba")
@pytest.mark.parametrize(
    "arguments",
    [
        ("verify", "sigmoid", "--variant", "one_pass"),
        ("race", "sigmoid", "--backend", "numba"),
        ("train", "--data", "digits", "--rung", "shared_by_threads", "--epochs", "1"),
        ("growth", "--rung", "zeros_skipped", "--samples", "100", "--nodes", "5"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_commands_that_need_numba_report_that(
    arguments: tuple[str, ...],
    refused: Callable[..., str],
    articles: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def measured_before(cost: object) -> None:
        pytest.fail("the speed of the machine is measured for a rung that cannot train")

    monkeypatch.setattr("mlpperf.articles.mlp.growth.floor_seconds", measured_before)
    records = () if arguments[0] == "verify" else ("--records", str(articles))
    assert refused(*arguments, *records) == (
        "mlpperf: Numba is not installed: pip install 'mlpperf[compiled]'.\n"
    )
    assert not "".join(file.read_text() for file in articles.glob("*.jsonl"))


@pytest.mark.usefixtures("without_numba", "articles")
def test_what_needs_no_numba_goes_on_without(command: Callable[..., Any]) -> None:
    path = ("regularised_update", "--case", "batch-500-784x1x1x10")  # needs no data
    done = command("verify", *path, "--backend", "numpy")
    assert done.exit_code == 0
    assert "1 of 1 variants equal their references" in done.stdout


def test_the_kernels_that_a_function_calls_include_those_that_they_call() -> None:
    def plain(x: np.ndarray) -> Any:
        return scaled_all(x, x), scaled_all(x, x), ratio(1.0, 2.0)

    assert kernels_called(plain) == [scaled_all, ratio, scaled]
    assert kernels_called(scaled_all) == [scaled]
    assert kernels_called(scaled) == kernels_called(max) == []
