"""No finding may depend on the machine: what the doctor reads is set, and time is a counter."""

import itertools
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mlpperf.articles.checks import CHECKS, mnist_is_there
from mlpperf.articles.data import datasets as data
from mlpperf.articles.data import mnist_files
from mlpperf.devices import available_threads, threads
from mlpperf.engine.machine import doctor
from mlpperf.engine.machine.doctor import Check, examine
from mlpperf.engine.machine.timer import Floor
from mlpperf.errors import MlpperfError
from mlpperf.hotpath import Cost

STATES = ("fine", "note", "problem")

# What the doctor needs of TensorFlow, with as many GPUs as there are names.
WORKING = """
from types import SimpleNamespace
__version__ = "2.99.0"
class config:
    class experimental:
        get_device_details = staticmethod(lambda device: {{"device_name": device.name}})
    @staticmethod
    def list_physical_devices(kind):
        return [SimpleNamespace(name=name) for name in {names}]
"""


@pytest.fixture
def tensorflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes `import tensorflow` run the given text, in the processes that are started."""

    def install(text: str) -> None:
        package = tmp_path / "stand-in" / "tensorflow"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(text, encoding="utf-8")
        monkeypatch.setenv("PYTHONPATH", str(package.parent))

    return install


def well_formed(finding: Check) -> Check:
    assert finding.state in STATES
    assert finding.what
    assert finding.result.strip()
    assert (finding.state == "fine") == (not finding.advice)
    assert "\n" not in finding.result
    return finding


# --- all of it -----------------------------------------------------------------------------------


def known_floor(cost: Cost) -> Floor:
    return Floor(0.002 if cost.products else cost.bytes / 50e9, 0.0)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, tensorflow: Callable[[str], None]) -> None:
    """An examination that measures next to nothing, on a machine on which all is well."""
    tensorflow(WORKING.format(names=[]))
    monkeypatch.setattr(doctor, "floor_seconds", known_floor)
    monkeypatch.setattr(doctor, "clock_resolution", lambda: 4e-8)
    monkeypatch.setattr(doctor, "Bystanders", lambda: SimpleNamespace(share=lambda: 0.0))
    monkeypatch.setattr(doctor, "_noise", partial(doctor._noise, 0.01))
    images = np.zeros((60_000, 1), dtype=np.uint8)
    monkeypatch.setattr(data, "mnist", lambda: SimpleNamespace(train_images=images))


@pytest.mark.usefixtures("quick")
def test_every_finding_has_a_state_and_a_text_and_advice_where_all_is_not_well() -> None:
    findings = [well_formed(finding) for finding in examine((doctor.tensorflow_loads, *CHECKS))]
    names = [finding.what for finding in findings]
    assert len(set(names)) == len(names)
    assert names == [
        "machine", "Python", "NumPy", "ceilings", "clock", "noise", "TensorFlow", "MNIST",
    ]  # fmt: skip
    found = {finding.what: finding.result for finding in findings}
    assert found["ceilings"] == "float32 products 1074 GFLOP/s, memory 50 GB/s"
    assert f"{available_threads()} cores" in found["machine"]
    assert np.__version__ in found["NumPy"]
    assert "60,000 images" in found["MNIST"]


@pytest.mark.usefixtures("quick")
def test_findings_come_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody watches a progress bar meanwhile."""
    monkeypatch.setattr(doctor, "floor_seconds", lambda cost: pytest.fail("too early"))
    findings = examine((doctor.tensorflow_loads, *CHECKS))
    assert [next(findings).what for _ in range(3)] == ["machine", "Python", "NumPy"]


@pytest.mark.usefixtures("quick")
def test_problems_do_not_end_the_examination(
    monkeypatch: pytest.MonkeyPatch, tensorflow: Callable[[str], None], tmp_path: Path
) -> None:
    def no_data() -> None:
        raise MlpperfError("MNIST could not be had from anywhere")

    (tmp_path / "stand-in" / "tensorflow" / "__init__.py").write_text("raise OSError('broken')")
    monkeypatch.setattr(data, "mnist", no_data)
    monkeypatch.setattr(doctor, "clock_resolution", lambda: 1e-3)
    monkeypatch.setattr(doctor, "Bystanders", lambda: SimpleNamespace(share=lambda: 0.5))
    states = {
        finding.what: well_formed(finding).state
        for finding in examine((doctor.tensorflow_loads, *CHECKS))
    }
    assert states["TensorFlow"] == states["MNIST"] == "problem"
    assert states["clock"] == states["noise"] == "note"
    assert states["machine"] == states["ceilings"] == "fine"


# --- NumPy ---------------------------------------------------------------------------------------


def test_fewer_threads_than_processors_are_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "available_threads", lambda: threads() + 1)
    finding = well_formed(doctor._numpy())
    assert finding.state == "note"
    assert f"on {threads()} threads" in finding.result
    assert finding.advice.startswith(f"{threads() + 1} processors are free: unset OMP_NUM_THREADS")


def test_as_many_threads_as_processors_are_fine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "available_threads", lambda: threads())
    assert well_formed(doctor._numpy()).state == "fine"


# --- TensorFlow ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ([], "2.99.0, GPU: none"),
        (["Some GPU"], "2.99.0, GPU: Some GPU"),
        (["One", "Two"], "2.99.0, GPU: One, Two"),
    ],
)
def test_a_working_tensorflow_tells_its_version_and_gpus(
    names: list[str], found: str, tensorflow: Callable[[str], None]
) -> None:
    tensorflow(WORKING.format(names=names))
    assert well_formed(doctor.tensorflow_loads()) == Check("fine", "TensorFlow", found)


def test_what_tensorflow_says_on_loading_is_ignored(tensorflow: Callable[[str], None]) -> None:
    noise = "import sys\nprint('hello')\nprint('a warning', file=sys.stderr)\n"
    tensorflow(noise + WORKING.format(names=[]))
    assert well_formed(doctor.tensorflow_loads()).state == "fine"


def test_no_tensorflow_is_a_note_that_says_how_to_get_it(
    tensorflow: Callable[[str], None],
) -> None:
    tensorflow("raise ModuleNotFoundError(\"No module named 'tensorflow'\", name='tensorflow')")
    finding = well_formed(doctor.tensorflow_loads())
    assert (finding.state, finding.result) == ("note", "not installed")
    assert "pip install 'mlpperf[tensorflow]'" in finding.advice


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("raise ImportError('libcudart.so: no such file')", "libcudart.so: no such file"),
        ("import no_such_module_as_this", "No module named 'no_such_module_as_this'"),
        ("import tensorflow.python", "No module named 'tensorflow.python'"),
        ("", "no attribute"),  # an empty folder that an uninstallation left
        ("(", "SyntaxError"),
        ("raise SystemExit(3)", "no message"),
        ("import os; os._exit(1)", "no message"),
        # Built for another processor: it dies of an illegal instruction, without a word.
        ("import os, signal; os.kill(os.getpid(), signal.SIGILL)", "no message"),
        ("import sys; sys.stderr.buffer.write(b'\\xff\\xfe broken'); sys.exit(1)", "broken"),
    ],
)
def test_a_broken_tensorflow_is_a_problem(
    text: str, found: str, tensorflow: Callable[[str], None]
) -> None:
    tensorflow(text)
    finding = well_formed(doctor.tensorflow_loads())
    assert finding.state == "problem"
    assert found in finding.result
    assert "mlpperf[tensorflow]" in finding.advice


@pytest.mark.parametrize(
    "text",
    [
        "raise SystemExit(0)",
        "import os; os._exit(0)",
        WORKING.format(names=[]) + "import atexit\natexit.register(print, 'good bye')\n",
    ],
    ids=["exits", "exits at once", "says good bye"],
)
def test_a_tensorflow_that_says_something_else_does_not_end_the_examination(
    text: str, tensorflow: Callable[[str], None]
) -> None:
    tensorflow(text)
    assert well_formed(doctor.tensorflow_loads()).what == "TensorFlow"


def test_a_hanging_tensorflow_is_a_problem(
    tensorflow: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    tensorflow("import time\ntime.sleep(60)")
    run = subprocess.run

    def impatient(*command: Any, timeout: float, **options: Any) -> Any:
        assert timeout >= 60  # a slow disk needs half a minute
        return run(*command, timeout=0.3, **options)

    monkeypatch.setattr(doctor.subprocess, "run", impatient)
    finding = well_formed(doctor.tensorflow_loads())
    assert finding.state == "problem"
    assert "does not load" in finding.result


def test_an_interpreter_that_cannot_be_started_is_a_problem(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Such as that of an environment that was updated underneath."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert well_formed(doctor.tensorflow_loads()).state == "problem"


# --- clock and noise -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("resolution", "state", "found"),
    [(4e-8, "fine", "resolution 40 ns"), (1e-6, "fine", "resolution 1000 ns"),
     (1.6e-2, "note", "resolution 16000000 ns")],
)  # fmt: skip
def test_a_coarse_clock_is_noted(
    resolution: float, state: str, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "clock_resolution", lambda: resolution)
    finding = well_formed(doctor._clock())
    assert (finding.state, finding.result) == (state, found)


@pytest.mark.parametrize(
    ("blocks", "busy", "state", "word"),
    [
        ([1.0], 0.0, "fine", ""),
        ([1.0, 1.02], 0.0, "fine", ""),
        ([1.0, 1.5], 0.0, "note", "paired ratios"),
        ([1.0], 0.4, "note", "Stop other programs"),
        ([1.0, 1.5], 0.4, "note", "Stop other programs"),
    ],
)
def test_noise(
    blocks: list[float], busy: float, state: str, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, lengths, reads = 0.0, itertools.cycle(blocks), itertools.count()

    def clock() -> float:
        """Read once at first; then before, at the start and at the end of every block."""
        nonlocal now
        if next(reads) % 3 == 0:
            now += next(lengths) * 1e-3
        return now

    monkeypatch.setattr(doctor, "time", SimpleNamespace(perf_counter=clock))
    monkeypatch.setattr(doctor, "Bystanders", lambda: SimpleNamespace(share=lambda: busy))
    finding = well_formed(doctor._noise(0.1))
    assert finding.state == state
    assert word in finding.advice
    assert f"other processes take {100 * busy:.0f} %" in finding.result


# --- data ----------------------------------------------------------------------------------------


def test_missing_mnist_is_a_problem_that_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MLPPERF_DATA", str(tmp_path / "cache"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr(mnist_files, "URL", "http://127.0.0.1:9/")  # nobody listens there
    finding = well_formed(mnist_is_there())
    assert (finding.state, finding.what) == ("problem", "MNIST")
    assert "put train-images" in finding.result
    assert str(tmp_path / "cache") in finding.result
    assert "`mlpperf data`" in finding.advice


def test_mnist_is_fine_where_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    images = np.zeros((1234, 1), dtype=np.uint8)
    monkeypatch.setenv("MLPPERF_DATA", str(tmp_path))
    monkeypatch.setattr(data, "mnist", lambda: SimpleNamespace(train_images=images))
    finding = well_formed(mnist_is_there())
    assert finding == Check("fine", "MNIST", f"1,234 images in {tmp_path}")
