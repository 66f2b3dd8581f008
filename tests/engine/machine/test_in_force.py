"""What is in force is counted: right where it should be, and told in a sentence where it is not.

A thread that does not get its turn is not counted. So where two are expected, it is tried again,
and where this machine has no two processors to spare just then, nothing is concluded.
"""

import hashlib
import importlib.util
import itertools
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch

import numpy as np
import pytest
from typer.testing import CliRunner

from mlpperf.cli.app import app
from mlpperf.devices import SETTING, Setting, available_threads, tensorflow
from mlpperf.engine.history import records
from mlpperf.engine.machine import in_force
from mlpperf.engine.machine.in_force import (
    InForce,
    Seen,
    clustered,
    short_name,
    working_threads,
)

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


def product_on(threads: int) -> tuple[int, int, dict[str, Any]]:
    """In a fresh process: threads that the BLAS reports, that are counted, and all in force."""
    reported, counted, everything = json.loads(Setting(threads=threads).run(["-c", PRODUCT])[0])
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


# --- shortfalls ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "seen", "said"),
    [
        (
            Setting(threads=1),
            InForce(2),
            "1 threads were asked for; 2 worked in NumPy.",
        ),
        (
            Setting(threads=1),
            InForce(1, 3, 1, "cpu", xla=False),
            "1 threads were asked for; 3 worked in TensorFlow.",
        ),
        (
            Setting(threads=1),
            InForce(1, 1, 2, "cpu", xla=False),
            "1 operations at a time were asked for; 2 ran.",
        ),
        (
            Setting("gpu:0"),
            InForce(4, 4, 4, "cpu", xla=False),
            "gpu:0 was asked for; it ran on cpu.",
        ),
        (
            Setting("gpu:0"),
            InForce(4, placed="gpu:1", xla=False),
            "gpu:0 was asked for; it ran on gpu:1.",
        ),
        (
            Setting(),
            InForce(4, placed="gpu:0", xla=False),
            "cpu was asked for; it ran on gpu:0.",
        ),
    ],
)
def test_what_was_asked_for_and_is_not_in_force_is_a_sentence(
    asked: Setting, seen: InForce, said: str
) -> None:
    assert seen.shortfalls(asked) == [said]


@pytest.mark.parametrize(
    ("asked", "seen"),
    [
        (Setting(), InForce(1)),
        (Setting(), InForce(5, 3, 2, "cpu", xla=False)),
        (Setting(threads=1), InForce(1)),
        (Setting(threads=1), InForce(1, 1, 1, "cpu", xla=False)),
        (Setting("gpu:1"), InForce(1)),  # TensorFlow is not loaded
        (Setting("gpu:1"), InForce(5, placed="gpu:1", xla=False, gpu_memory=1 << 30)),
    ],
)
def test_nothing_is_said_where_all_is_as_asked(asked: Setting, seen: InForce) -> None:
    assert seen.shortfalls(asked) == []


def test_nothing_is_said_about_what_is_not_counted_on_a_gpu() -> None:
    seen = InForce(1, None, None, "gpu:0", xla=False)
    assert seen.shortfalls(Setting("gpu:0", threads=1)) == []


def test_everything_that_is_not_in_force_is_said() -> None:
    seen = InForce(2, 2, 2, "cpu", xla=False)
    assert len(seen.shortfalls(Setting("gpu:0", threads=1))) == 4


# --- where it ran, and through what --------------------------------------------------------------


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


def call_of_a_function(**options: Any) -> Callable[[], object]:
    tf = tensorflow()
    tensor = tf.constant(np.ones((9, 9), dtype=np.float32))
    function = tf.function(lambda t: tf.sigmoid(t @ t + 1.0) * 2.0, autograph=False, **options)
    return lambda: function(tensor)


@needs_tensorflow
def test_xla_has_no_part_in_a_plain_function() -> None:
    assert clustered(call_of_a_function()) is False


@needs_tensorflow
def test_a_function_that_was_compiled_as_a_whole_stands_in_no_graph() -> None:
    assert clustered(call_of_a_function(jit_compile=True)) is False


@needs_tensorflow
def test_looking_for_xla_calls_the_function_and_ends_even_if_that_fails() -> None:
    with pytest.raises(ZeroDivisionError):
        clustered(lambda: 1 / 0)
    called: list[int] = []
    assert clustered(lambda: called.append(0)) is False
    assert called == [0]


# --- the command ---------------------------------------------------------------------------------


def run(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mlpperf", "devices", *arguments],
        cwd=folder,
        env={**os.environ, "MLPPERF_RECORDS": "", **environment},
        capture_output=True,
        text=True,
        timeout=600,
    )


def sentence(done: subprocess.CompletedProcess[str]) -> str:
    """The one sentence of a refusal."""
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.strip().splitlines()
    return line


@needs_tensorflow
def test_the_command_shows_and_records_what_was_asked_for_and_what_came_of_it(
    tmp_path: Path,
) -> None:
    """One thread is one thread everywhere, and XLA takes part where it is told to."""
    flags = "--tf_xla_auto_jit=2 --tf_xla_cpu_global_jit"
    done = run(tmp_path, "--threads", "1", TF_XLA_FLAGS=flags)
    assert done.returncode == 0, done.stdout + done.stderr
    for text in ("Devices", "A setting in a fresh process", "threads in a product of NumPy"):
        assert text in done.stdout
    (line,) = (tmp_path / ".mlpperf" / "devices.jsonl").read_text("utf-8").splitlines()
    record = json.loads(line)
    assert record["kind"] == "devices"
    assert Setting(**record["setting"]) == Setting(threads=1)
    assert InForce(**record["in_force"]) == InForce(1, 1, 1, "cpu", xla=True)
    assert record["tensorflow"] == tensorflow().__version__
    assert record["cuda"] == tensorflow().test.is_built_with_cuda()


NO_GPU = """
from types import SimpleNamespace as Names
config = Names(list_physical_devices=lambda kind: [])
test = Names(is_built_with_cuda=lambda: False)
"""


def test_a_gpu_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "tensorflow.py").write_text(NO_GPU, encoding="utf-8")
    done = run(tmp_path, "--device", "gpu:0", PYTHONPATH=str(tmp_path))
    expected = "There is no gpu:0: TensorFlow finds no such GPU, and this build of it knows none."
    assert sentence(done) == f"mlpperf: {expected}"
    assert not (tmp_path / ".mlpperf" / "devices.jsonl").read_text("utf-8")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--device", "tpu"], "There is no device 'tpu'; write cpu, or gpu:0 for the first GPU."),
        (["--threads", "0"], f"0 threads were asked for; this machine allows 1 to {MOST}."),
    ],
)
def test_an_impossible_setting_is_one_sentence(
    arguments: list[str], said: str, refused: Callable[..., str], tmp_path: Path
) -> None:
    assert refused("devices", *arguments) == f"mlpperf: {said}\n"
    assert not (tmp_path / ".mlpperf").exists()


SEEN = Seen(
    {"tensorflow": "2.99.0", "cuda": False, "gpus": []},
    InForce(2, 2, 2, "cpu", xla=False),
)


@pytest.fixture
def devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """The command in this process, which looks at nothing and sees `SEEN`."""
    monkeypatch.setattr(in_force, "look", lambda setting: SEEN)
    monkeypatch.setattr(records, "in_force", lambda: InForce(1))
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    with patch.dict(os.environ):
        os.environ.pop(SETTING, None)
        yield lambda *given: CliRunner().invoke(
            app, ["devices", "--records", str(tmp_path), *given]
        )


def test_something_that_is_not_in_force_is_a_finding(
    devices: Callable[..., Any], tmp_path: Path
) -> None:
    done = devices("--device", "gpu:0")
    assert done.exit_code == 1
    assert "gpu:0 was asked for; it ran on cpu." in done.output
    record = json.loads((tmp_path / "devices.jsonl").read_text("utf-8"))
    assert record["setting"]["device"] == "gpu:0"
    assert InForce(**record["in_force"]) == SEEN.in_force  # and not that of this process


def test_a_setting_in_force_is_no_finding(devices: Callable[..., Any]) -> None:
    done = devices()
    assert done.exit_code == 0, done.output
    assert "asked for;" not in done.output


def test_json_is_only_json_and_equals_the_record(
    devices: Callable[..., Any], tmp_path: Path
) -> None:
    done = devices("--device", "gpu:0", "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout) == json.loads((tmp_path / "devices.jsonl").read_text("utf-8"))
