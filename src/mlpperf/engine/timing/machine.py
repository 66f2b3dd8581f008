"""What this machine is and what it can do: described, and its ceilings measured.

Ceilings are not looked up in a data sheet: the bare matrix products and the bare copy are timed
here, at the very sizes that a hot path uses, on the threads that are in force.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from ...devices import available_threads, threads
from ...hotpath import Cost
from ...parallel import in_parallel

BUSY = 0.10  # share of the machine that others may take before we say so
CHUNK = 1000  # samples of a product that is worked off piece by piece, to stay in the cache


@dataclass(frozen=True)
class Machine:
    """Where something was measured; equal machines give comparable times."""

    host: str
    processor: str
    cores: int
    memory: int  # bytes
    system: str
    python: str
    numpy: str
    blas: str
    simd: str  # the widest vector instructions that NumPy found here


@lru_cache(maxsize=1)
def describe() -> Machine:
    """The machine, as NumPy and the operating system see it."""
    config: dict[str, Any] = np.show_config(mode="dicts")  # type: ignore[assignment]
    blas = config.get("Build Dependencies", {}).get("blas", {})
    found = config.get("SIMD Extensions", {}).get("found", [])
    return Machine(
        host=platform.node(),
        processor=_processor(),
        cores=available_threads(),
        memory=psutil.virtual_memory().total,
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        numpy=np.__version__,
        blas=f"{blas.get('name', 'unknown')} {blas.get('version', '')}".strip(),
        simd=found[-1] if found else "baseline",
    )


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


@lru_cache(maxsize=1)
def clock_resolution() -> float:
    """Smallest step of the clock that was seen, in seconds."""
    steps = []
    for _ in range(100):
        start = now = time.perf_counter_ns()
        while now == start:
            now = time.perf_counter_ns()
        steps.append(now - start)
    return min(steps) * 1e-9


class Bystanders:
    """How much of the machine other processes take, from its creation on.

    Processes that this one has started are not others, once they have ended.
    """

    def __init__(self) -> None:
        self._start = self._now()

    @staticmethod
    def _now() -> tuple[float, float, float]:
        cpu, own = psutil.cpu_times(), psutil.Process().cpu_times()
        children = getattr(own, "children_user", 0.0) + getattr(own, "children_system", 0.0)
        idle = cpu.idle + getattr(cpu, "iowait", 0.0)
        # Guest time is counted in user time already.
        total = sum(cpu) - getattr(cpu, "guest", 0.0) - getattr(cpu, "guest_nice", 0.0)
        return total, total - idle, own.user + own.system + children

    def share(self) -> float:
        """Share of all processor time since creation that neither we nor the idle task took."""
        total, busy, own = (b - a for a, b in zip(self._start, self._now(), strict=True))
        return min(1.0, max(0.0, busy - own) / total) if total > 0 else 0.0


def _best(*works: Callable[[], object]) -> float:
    """Seconds of the fastest call of the fastest of `works`."""
    best = float("inf")
    for work in works:
        spent, calls = 0.0, 0
        while calls < 3 or (spent < 0.01 and calls < 1000):
            start = time.perf_counter()
            work()
            elapsed = time.perf_counter() - start
            best = min(best, elapsed)
            spent, calls = spent + elapsed, calls + 1
    return best


@lru_cache(maxsize=1024)
def product_seconds(rows: int, inner: int, columns: int, dtype: str) -> float:
    """Seconds of the fastest bare product of these shapes, in every layout and in chunks."""
    rng = np.random.default_rng(0)
    a = rng.standard_normal((rows, inner)).astype(dtype)
    b = rng.standard_normal((inner, columns)).astype(dtype)
    a_stored, b_stored = np.ascontiguousarray(a.T), np.ascontiguousarray(b.T)  # as transposes
    out, out_stored = np.empty((rows, columns), dtype), np.empty((columns, rows), dtype)

    def in_chunks() -> None:
        for i in range(0, columns, CHUNK):
            np.matmul(b_stored[i : i + CHUNK], a_stored, out=out_stored[i : i + CHUNK])

    return _best(
        lambda: np.matmul(a, b, out=out),
        lambda: np.matmul(a, b_stored.T, out=out),
        lambda: np.matmul(b_stored, a_stored, out=out_stored),
        lambda: np.matmul(b_stored, a.T, out=out_stored),
        lambda: np.matmul(b.T, a_stored, out=out_stored),
        in_chunks,
    )


@lru_cache(maxsize=1024)
def copy_seconds(moved: int) -> float:
    """Fastest copy that reads and writes `moved` bytes together, in seconds."""
    source = np.zeros(max(moved // 8, 1), dtype=np.float32)
    target = np.ones_like(source)

    def shared() -> None:
        in_parallel(_copy, target, source)

    return _best(lambda: _copy(target, source), *([shared] if threads() > 1 else []))


def _copy(target: NDArray[Any], source: NDArray[Any]) -> None:
    np.copyto(target, source)


def floor_seconds(cost: Cost, dtype: str = "float32") -> float:
    """Least time for `cost` on this machine: its products or its memory traffic, the longer one."""
    products = sum(product_seconds(*product, dtype) for product in cost.products)
    wider = np.dtype(dtype).itemsize / 4
    return max(products, copy_seconds(int(cost.bytes * wider)))
