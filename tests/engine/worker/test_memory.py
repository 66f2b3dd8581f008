"""A process keeps the memory that it frees: what is timed next need not ask for it."""

import subprocess
import sys

import pytest

# Page faults of a call that makes many objects, or a large array, and frees all of it.
COUNTED = """
import gc, resource, sys
from mlpperf.engine.worker import memory

if sys.argv[1] == "kept":
    memory.keep_freed_memory()
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
