"""On what the work runs: device, threads, memory and compiler, set before anything numerical loads.

OpenBLAS and TensorFlow read their thread counts once, when they load, so a process has one
`Setting` for its whole life: apply it first, or start a fresh process. What really came into force
is measured by `in_force.py`.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from .errors import MlpperfError, loading

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)
SETTING = "MLPPERF_SETTING"  # the variable that tells a process its setting
PATIENCE = 900.0  # seconds without an answer after which a process counts as hanging


def available_threads() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True)
class Setting:
    """What a measurement runs on.

    Attributes
    ----------
    device : cpu, or gpu:N as CUDA numbers them.
    threads : of NumPy's BLAS, of one operation of TensorFlow, and operations that TensorFlow runs
        at a time; None leaves it to them.

    Raises
    ------
    MlpperfError
        For an unknown device, or a number that is out of range.
    """

    device: str = "cpu"
    threads: int | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"cpu|gpu:(0|[1-9][0-9]?)", self.device):
            raise MlpperfError(
                f"There is no device {self.device!r}; write cpu, or gpu:0 for the first GPU."
            )
        most = available_threads()
        if self.threads is not None and not 1 <= self.threads <= most:
            raise MlpperfError(
                f"{self.threads} threads were asked for; this machine allows 1 to {most}."
            )

    def environment(self) -> dict[str, str]:
        """The variables that bring it into force in a process that starts with them."""
        cpu = self.device == "cpu"
        variables = {
            SETTING: json.dumps(asdict(self)),
            "CUDA_VISIBLE_DEVICES": "-1" if cpu else self.device.removeprefix("gpu:"),
            "JAX_PLATFORMS": "cpu" if cpu else "cuda",
        }
        if self.threads:
            variables |= dict.fromkeys(THREAD_VARIABLES, str(self.threads))
        return variables

    def apply(self) -> None:
        """Bring it into force in this process and its children, before NumPy loads.

        Raises
        ------
        MlpperfError
            If NumPy or TensorFlow has been loaded under another setting.
        """
        if self.threads and "numpy" in sys.modules and threads() != self.threads:
            raise MlpperfError(
                f"NumPy already runs on {threads()} threads; {self.threads} need a fresh process."
            )
        if "tensorflow" in sys.modules and self != Setting.current():
            raise MlpperfError(
                "TensorFlow is loaded already; another setting needs a fresh process."
            )
        os.environ.update(self.environment())

    @classmethod
    def current(cls) -> Setting:
        """The setting of this process: what was applied here or by the parent, or the default."""
        return cls(**json.loads(os.environ.get(SETTING, "{}")))

    def start(
        self, arguments: Sequence[str], environment: Mapping[str, str] = os.environ, **options: Any
    ) -> subprocess.Popen[Any]:
        """A fresh Python process under this setting; `arguments` as after `python`."""
        variables = {**environment, **self.environment()}
        return subprocess.Popen([sys.executable, *arguments], env=variables, **options)


def use(device: str | None = None, threads: int | None = None, *, numpy_only: str = "") -> None:
    """Run on what `--device` and `--threads` ask for.

    What is None stays as the parent process has set it. `numpy_only` names what is to run, where
    that is NumPy's and knows no GPU.

    Raises
    ------
    MlpperfError
        If that is not possible here, or NumPy or TensorFlow is loaded under another setting.
    """
    now = Setting.current()
    setting = Setting(
        now.device if device is None else device, now.threads if threads is None else threads
    )
    if numpy_only and setting.device != "cpu":
        raise MlpperfError(f"{numpy_only} is NumPy's, which runs on the cpu, not {setting.device}.")
    setting.apply()


@lru_cache(maxsize=1)
def threads() -> int:
    """Threads that NumPy's BLAS reports to have (or all processors if it does not)."""
    import numpy  # noqa: F401  (its BLAS must be loaded to be asked)
    from threadpoolctl import threadpool_info

    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    return max((int(pool["num_threads"]) for pool in pools), default=available_threads())


@lru_cache(maxsize=1)  # variants call it for every operation
def tensorflow() -> Any:
    """TensorFlow under the setting of this process, without the lines that it writes as it loads.

    Raises
    ------
    MlpperfError
        If it is not installed, does not load, or has no such GPU.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")  # no lines when XLA first compiles
    with loading("tensorflow", "TensorFlow"), _silent_errors():
        import tensorflow as tf
    if not hasattr(tf, "config"):  # a folder that an uninstallation left
        raise MlpperfError("TensorFlow does not load (its installation is not whole).")
    _configure(tf, Setting.current())
    return tf


def _configure(tf: Any, setting: Setting) -> None:
    """Tell TensorFlow what no environment variable can; once, before its first operation."""
    gpus = tf.config.list_physical_devices("GPU")
    if setting.device == "cpu":
        if gpus:  # it was imported before the setting was applied
            tf.config.set_visible_devices([], "GPU")
    elif not gpus:
        built = "" if tf.test.is_built_with_cuda() else ", and this build of it knows none"
        raise MlpperfError(f"There is no {setting.device}: TensorFlow finds no such GPU{built}.")
    else:
        tf.config.experimental.set_memory_growth(gpus[0], True)
    # Otherwise products on recent GPUs have 10 bits of mantissa, and are not those of float32.
    tf.config.experimental.enable_tensor_float_32_execution(False)
    # Every case has a shape of its own, for which a function is meant to be traced again.
    tf.get_logger().addFilter(lambda record: "retracing" not in record.getMessage())


def gpu_fact(device: str, fact: str) -> str:
    """What nvidia-smi reports of `gpu:N`, such as its `name` or `memory.total` in MB.

    Empty if it does not.
    """
    command = ["nvidia-smi", f"--query-gpu={fact}", "--format=csv,noheader,nounits"]
    command.append(f"--id={device.removeprefix('gpu:')}")
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return ""
    return "" if done.returncode else done.stdout.strip()


@contextlib.contextmanager
def _silent_errors() -> Iterator[None]:
    """Standard error, C libraries included, goes nowhere."""
    saved = os.dup(2)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)
