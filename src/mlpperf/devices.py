"""On what the work runs: thread counts, set before any numerical library loads, and read back.

OpenBLAS and its like read their thread count once, when they load, so a process has one setting for
its whole life: apply it first, or start a fresh process.
"""

from __future__ import annotations

import ctypes
import os
import sys
from dataclasses import dataclass
from functools import lru_cache

from .errors import MlpperfError

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
)


def available_threads() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True)
class Setting:
    """What a measurement runs on: the device and how many threads share the work.

    Raises
    ------
    MlpperfError
        For less than one thread or more than the machine has.
    """

    device: str = "cpu"
    threads: int = 0  # 0: every processor there is

    def __post_init__(self) -> None:
        most = available_threads()
        if self.threads == 0:
            object.__setattr__(self, "threads", most)
        if not 1 <= self.threads <= most:
            raise MlpperfError(
                f"{self.threads} threads were asked for; this machine allows 1 to {most}."
            )

    def apply(self) -> None:
        """Set the environment for this process and its children, before NumPy loads.

        Raises
        ------
        MlpperfError
            If NumPy is loaded already with another number of threads.
        """
        if "numpy" in sys.modules and threads() != self.threads:
            raise MlpperfError(
                f"NumPy already runs on {threads()} threads; {self.threads} need a fresh process."
            )
        os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(self.threads)))


def use_threads(count: int | None) -> None:
    """Run on so many threads, as `--threads` asks; on all processors if it does not.

    Raises
    ------
    MlpperfError
        For less than one thread or more than the machine has, or when NumPy is loaded already.
    """
    if count is None:
        return
    if count < 1:
        raise MlpperfError(f"--threads must be at least 1, not {count}.")
    Setting(threads=count).apply()


@lru_cache(maxsize=1)
def threads() -> int:
    """Threads really in force, as NumPy's BLAS reports them (or all processors if it does not)."""
    import numpy  # noqa: F401  (its BLAS must be loaded to be asked)
    from threadpoolctl import threadpool_info

    found = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    return max((int(pool["num_threads"]) for pool in found), default=available_threads())


@lru_cache(maxsize=1)
def keep_freed_memory() -> bool:
    """Tell glibc to keep what this process frees; True if it does so from now on.

    By default every large array comes from the kernel and goes back to it. Fresh pages cost a
    factor of 1.2 on a step of 20,000 samples, and of 2.3 on every third or fourth one, depending on
    how the kernel happens to place them: noise that hides what the code itself does. Races are run
    with the memory kept; code that allocates looks a little better for it than in a fresh process.
    """
    mmap_threshold, trim_threshold = -3, -1  # M_MMAP_THRESHOLD and M_TRIM_THRESHOLD of malloc.h
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # not glibc
        return False
    return bool(mallopt(mmap_threshold, 1 << 30) and mallopt(trim_threshold, (1 << 31) - 1))
