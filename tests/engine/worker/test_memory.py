"""A process keeps the memory that it frees: what is timed next need not ask for it."""

import ctypes
import json
import os
import subprocess
import sys

import pytest

from mlpperf.engine.worker.memory import keep_freed_memory

# Page faults of a call that makes many objects, or a large array, and frees all of it.
COUNTED = """
import gc, resource, sys
from mlpperf.engine.worker import memory

if sys.argv[1] == "kept":
    memory.get_memory_ready()
gc.disable()
work = {
    "objects": lambda: [bytes(300) for _ in range(50_000)],  # 17 MB
    "array": lambda: bytearray(40 << 20),
}[sys.argv[2]]
work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str, what: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", COUNTED, how, what], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="counts page faults as Linux does")
@pytest.mark.parametrize("what", ["objects", "array"])
def test_no_call_has_to_get_memory_anew(what: str) -> None:
    assert faults("returned", what) > 5_000
    assert faults("kept", what) < 500


RESIDENT = """
import ctypes, gc, json
import numpy, psutil
from mlpperf.engine.worker.memory import keep_freed_memory
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
    code = RESIDENT.format(keep="keep_freed_memory()" if keep else "False")
    given = {**os.environ, "MALLOC_ARENA_MAX": "1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, env=given)
    kept, full, after = json.loads(done.stdout)
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
