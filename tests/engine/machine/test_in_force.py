"""What is in force is counted: right where it should be, and told in a sentence where it is not.

A thread that does not get its turn is not counted. So where two are expected, it is tried again,
and where this machine has no two processors to spare just then, nothing is concluded.
"""

import hashlib
import importlib.util
import itertools
import json
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pytest

from mlpperf.devices import SETTING, Setting, available_threads
from mlpperf.engine.machine import in_force
from mlpperf.engine.machine.in_force import InForce, short_name, working_threads

needs_tensorflow = pytest.mark.skipif(
    importlib.util.find_spec("tensorflow") is None,
    reason="TensorFlow is not installed: pip install 'mlpperf[tensorflow]'",
)
MOST = available_threads()
several = pytest.mark.skipif(MOST < 2, reason="there is only one processor")
pytestmark = pytest.mark.filterwarnings("ignore")  # of TensorFlow's own imports

TRIES = 8  # while the machine is busy now and then
Found = TypeVar("Found")


def burn(seconds: float) -> None:
    """Keep one processor busy without the interpreter's lock."""
    block, end = bytes(1 << 20), time.perf_counter() + seconds
    while time.perf_counter() < end:
        hashlib.sha256(block)


def two_processors_to_spare() -> bool:
    start, before = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(burn, (0.3, 0.3)))
    return time.process_time() - before > 1.8 * (time.perf_counter() - start)


def eventually(find: Callable[[], Found], right: Callable[[Found], bool]) -> Found:
    """What is found, if need be by another try."""
    for _ in range(TRIES):
        found = find()
        if right(found):
            break
        if not two_processors_to_spare():
            pytest.skip("this machine has no two processors to spare at the moment")
    return found


# --- threads that work ---------------------------------------------------------------------------


def test_a_busy_loop_of_python_is_one_thread() -> None:
    assert working_threads(lambda: sum(range(20_000))) == 1


def test_work_that_is_over_at_once_is_one_thread() -> None:
    assert working_threads(lambda: None) == 1


def test_a_thread_that_only_waits_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_force, "TRIES", 1)
    over = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(over.wait)
        assert working_threads(lambda: burn(0.01)) == 1
        over.set()


def test_work_that_wanders_from_thread_to_thread_is_one_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(in_force, "TRIES", 1)
    monkeypatch.setattr(in_force, "LOOK", 0.6)  # each of the three has a third of it
    pools = [ThreadPoolExecutor(1) for _ in range(3)]
    turns = itertools.cycle(pools)
    assert working_threads(lambda: next(turns).submit(burn, 0.005).result()) == 1
    for pool in pools:
        pool.shutdown()


@several
def test_two_threads_side_by_side_are_two() -> None:
    with ThreadPoolExecutor(2) as pool:

        def work() -> None:
            list(pool.map(burn, (0.02, 0.02)))

        assert eventually(lambda: working_threads(work), lambda found: found == 2) == 2


PRODUCT = """
import json
from dataclasses import asdict
import numpy as np
from mlpperf.devices import threads
from mlpperf.engine.machine.in_force import in_force, working_threads
square = np.ones((1000, 1000), dtype=np.float32)
print(json.dumps([threads(), working_threads(lambda: square @ square), asdict(in_force())]))
"""


def printed(code: str, threads: int) -> Any:
    """The last line that a fresh process on so many threads prints, from JSON."""
    process = Setting(threads=threads).start(["-c", code], stdout=subprocess.PIPE, text=True)
    out, _ = process.communicate(timeout=600)
    assert process.returncode == 0
    return json.loads(out.splitlines()[-1])


def product_on(threads: int) -> tuple[int, int, dict[str, Any]]:
    """In a fresh process: threads that the BLAS reports, that are counted, and all in force."""
    reported, counted, everything = printed(PRODUCT, threads)
    return reported, counted, everything


def test_a_product_of_numpy_on_one_thread_is_one_and_nothing_is_said_about_tensorflow() -> None:
    _, counted, everything = product_on(1)
    assert counted == 1
    assert InForce(**everything) == InForce(blas_threads=1)


@several
def test_a_product_of_numpy_on_two_threads_is_two() -> None:
    reported, counted, _ = eventually(lambda: product_on(2), lambda found: found[1] == 2)
    if reported != 2:
        pytest.skip("NumPy's BLAS has one thread only")
    assert counted == 2


# --- where it ran --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "device", ["/job:localhost/replica:0/task:0/device:CPU:0", "/device:CPU:0", "CPU:0"]
)
def test_the_cpu_has_no_number(device: str) -> None:
    assert short_name(device) == "cpu"


def test_a_gpu_has_the_number_by_which_it_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SETTING, Setting("gpu:3").environment()[SETTING])
    assert short_name("/job:localhost/replica:0/task:0/device:GPU:0") == "gpu:3"
    assert short_name("/job:localhost/replica:0/task:0/device:CPU:0") == "cpu"


def test_a_gpu_is_no_cpu_where_the_cpu_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SETTING, Setting().environment()[SETTING])
    assert short_name("/job:localhost/replica:0/task:0/device:GPU:0") != "cpu"


TENSORFLOW = """
import json
from dataclasses import asdict
from mlpperf.devices import tensorflow
from mlpperf.engine.machine.in_force import in_force
tensorflow()
print(json.dumps(asdict(in_force())))
"""


@needs_tensorflow
def test_one_thread_is_one_thread_everywhere() -> None:
    assert InForce(**printed(TENSORFLOW, 1)) == InForce(1, 1, 1, "cpu")
