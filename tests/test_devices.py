"""Thread counts hold for the life of a process, so most of this happens in fresh ones."""

import ctypes
import json
import os
import subprocess
import sys

import pytest

from mlpperf import devices
from mlpperf.devices import THREAD_VARIABLES, Setting, available_threads, keep_freed_memory
from mlpperf.errors import MlpperfError

PATIENCE = 120  # seconds until a hanging process counts as hanging; nothing is meant to take long
several = pytest.mark.skipif(available_threads() < 2, reason="there is only one processor")


def fresh_process(code: str, **environment: str) -> object:
    """What `code` prints, as JSON; without the thread counts of this process."""
    inherited = {k: v for k, v in os.environ.items() if k not in THREAD_VARIABLES}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


# --- settings ------------------------------------------------------------------------------------


def test_what_is_not_asked_for_is_left_alone() -> None:
    assert Setting() == Setting("cpu", threads=None)
    assert not {*THREAD_VARIABLES, "TF_NUM_INTEROP_THREADS", "TF_XLA_FLAGS"} & {
        *Setting().environment()
    }
    assert Setting(threads=1).threads == 1


@pytest.mark.parametrize("threads", [0, -1, -100, available_threads() + 1, 10**9])
def test_impossible_thread_counts_are_refused_in_one_sentence(threads: int) -> None:
    with pytest.raises(MlpperfError) as raised:
        Setting(threads=threads)
    most = available_threads()
    expected = f"{threads} threads were asked for; this machine allows 1 to {most}."
    assert str(raised.value) == expected


def test_processors_are_those_that_this_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda of: {3, 5, 7}, raising=False)
    assert available_threads() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert available_threads() == 6
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert available_threads() == 1


APPLY = """
import json, os
from mlpperf import devices
devices.Setting(threads={threads}).apply()
import numpy, threadpoolctl
counts = {{pool["num_threads"] for pool in threadpoolctl.threadpool_info()
          if pool["user_api"] == "blas"}}
variables = {{os.environ[name] for name in devices.THREAD_VARIABLES}}
print(json.dumps([sorted(counts), devices.threads(), sorted(variables)]))
"""


@pytest.mark.parametrize("environment", [{}, {"OMP_NUM_THREADS": "2"}], ids=["clean", "set"])
@pytest.mark.parametrize("threads", [1, pytest.param(2, marks=several)])
def test_applying_a_setting_limits_the_blas(threads: int, environment: dict[str, str]) -> None:
    counts, in_force, variables = fresh_process(APPLY.format(threads=threads), **environment)
    if not counts:
        pytest.skip("threadpoolctl does not know NumPy's BLAS")
    assert counts == [threads]
    assert in_force == threads
    assert variables == [str(threads)]


REFUSE = """
import json, os
import numpy
from mlpperf import devices
before = dict(os.environ)
said = ""
try:
    devices.Setting(threads=1).apply()
except devices.MlpperfError as error:
    said = str(error)
print(json.dumps([said, devices.threads(), os.environ == before]))
"""


@several
def test_a_setting_that_comes_too_late_is_refused_in_one_sentence() -> None:
    said, in_force, _ = fresh_process(REFUSE, OPENBLAS_NUM_THREADS="2", OMP_NUM_THREADS="2")
    if in_force == 1:
        pytest.skip("NumPy's BLAS has one thread only")
    assert said == f"NumPy already runs on {in_force} threads; 1 need a fresh process."


@several
def test_a_refused_setting_does_not_reach_the_processes_started_later() -> None:
    said, _, unchanged = fresh_process(REFUSE, OPENBLAS_NUM_THREADS="2", OMP_NUM_THREADS="2")
    if not said:
        pytest.skip("NumPy's BLAS has one thread only")
    assert unchanged


def test_a_setting_that_is_in_force_already_may_come_late(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in THREAD_VARIABLES:
        monkeypatch.setenv(name, "to be restored")
    monkeypatch.setattr(devices, "threads", lambda: 1)
    Setting(threads=1).apply()
    assert {os.environ[name] for name in THREAD_VARIABLES} == {"1"}


# --- memory --------------------------------------------------------------------------------------

RESIDENT = """
import ctypes, gc, json
import numpy, psutil
from mlpperf.devices import keep_freed_memory
kept = {keep}
process = psutil.Process()
before = process.memory_info().rss
array = numpy.ones(1 << 24)  # 128 MiB
full = process.memory_info().rss
del array
gc.collect()
print(json.dumps([kept, full - before, process.memory_info().rss - before]))
"""


@pytest.mark.parametrize("keep", [True, False])
def test_freed_memory_stays_when_it_is_to_be_kept_and_goes_otherwise(keep: bool) -> None:
    kept, full, after = fresh_process(
        RESIDENT.format(keep="keep_freed_memory()" if keep else "False"),
        MALLOC_ARENA_MAX="1",
    )
    assert isinstance(kept, bool)
    assert full > 120 << 20
    if kept:
        assert after > 120 << 20
    elif not keep:
        assert after < 60 << 20


def test_keeping_memory_says_whether_it_does() -> None:
    assert keep_freed_memory() in (True, False)
    assert keep_freed_memory() is keep_freed_memory()


@pytest.mark.parametrize("error", [AttributeError, OSError, TypeError])
def test_systems_without_glibc_do_not_keep_it(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_library(name: None) -> object:
        raise error

    monkeypatch.setattr(ctypes, "CDLL", no_library)
    assert keep_freed_memory.__wrapped__() is False


# --- what is loaded by whom ----------------------------------------------------------------------

LOADED = """
import importlib, json, sys
importlib.import_module({module!r})
heavy = ("numpy", "scipy", "sklearn", "tensorflow", "matplotlib", "plotly", "pandas")
print(json.dumps([name for name in heavy if name in sys.modules]))
"""


@pytest.mark.parametrize("module", ["mlpperf", "mlpperf.cli", "mlpperf.devices", "mlpperf.errors"])
def test_nothing_heavy_is_loaded_before_the_threads_are_set(module: str) -> None:
    assert fresh_process(LOADED.format(module=module)) == []


@pytest.mark.parametrize("module", ["mlpperf.measure", "mlpperf.catalogue", "mlpperf.tables"])
def test_tensorflow_and_plotting_are_loaded_by_their_users_only(module: str) -> None:
    loaded = fresh_process(LOADED.format(module=module))
    assert isinstance(loaded, list)
    assert not {"tensorflow", "matplotlib", "plotly", "pandas"} & set(loaded)
