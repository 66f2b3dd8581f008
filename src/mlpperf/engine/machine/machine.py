"""The machine, the resolution of its clock, its memory, and the load by other processes."""

from __future__ import annotations

import contextlib
import platform
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import psutil

from ...devices import Setting, available_threads
from ..worker.environment import NONE, UNKNOWN, software

BUSY = 0.10  # share of the machine that others may take before it is reported
MEMORY_SHARE = 0.85  # of the machine's memory, which a process may take


@dataclass(frozen=True)
class Machine:
    """Where something was measured; times of equal machines are comparable."""

    host: str
    processor: str
    cores: int
    memory: int  # bytes
    system: str
    python: str
    numpy: str
    blas: str
    simd: str  # the widest vector instructions that NumPy found here

    @property
    def kind(self) -> str:
        """Processor, its count, and the vector instructions: different processors may share a name.

        Virtual machines hide the model; the instructions are left out where they are not known.
        """
        vectors = "" if self.simd in (NONE, UNKNOWN) else f", {self.simd}"
        return f"{self.processor}, {self.cores} processors{vectors}"


@lru_cache(maxsize=1)
def describe() -> Machine:
    """The machine, with the Python and NumPy of this process."""
    return Machine(
        host=platform.node(),
        processor=_processor(),
        cores=available_threads(),
        memory=psutil.virtual_memory().total,
        system=f"{platform.system()} {platform.machine()}",
        **software(),
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
    """Smallest observed step of the clock, in seconds."""
    steps = []
    for _ in range(100):
        start = now = time.perf_counter_ns()
        while now == start:
            now = time.perf_counter_ns()
        steps.append(now - start)
    return min(steps) * 1e-9


def memory_most() -> int:
    """Bytes of data that a process may have, so that it fails before the machine has none left.

    Addresses alone are not counted, of which libraries reserve many. 0, as many as it likes, where
    a GPU is used: what is mapped from there would be counted.
    """
    if Setting.current().device != "cpu":
        return 0
    known = [psutil.virtual_memory().total]
    for file in ("memory.max", "memory/memory.limit_in_bytes"):  # of this container, version 2 or 1
        with contextlib.suppress(OSError, ValueError):  # "max"
            known.append(int(Path("/sys/fs/cgroup", file).read_text()))
    return int(MEMORY_SHARE * min(known))


class Bystanders:
    """The share of the machine that other processes take, from the creation of the object on.

    Children of this process are not counted as others once they have ended.
    """

    def __init__(self) -> None:
        self._start = self._now()

    @staticmethod
    def _now() -> tuple[float, float, float]:
        cpu, own = psutil.cpu_times(), psutil.Process().cpu_times()
        children = getattr(own, "children_user", 0.0) + getattr(own, "children_system", 0.0)
        idle = cpu.idle + getattr(cpu, "iowait", 0.0)
        # The time of virtual machines is contained in user time.
        total = sum(cpu) - getattr(cpu, "guest", 0.0) - getattr(cpu, "guest_nice", 0.0)
        return total, total - idle, own.user + own.system + children

    def share(self) -> float:
        """Share of the processor time since creation that is neither idle nor this process's."""
        total, busy, own = (b - a for a, b in zip(self._start, self._now(), strict=True))
        return min(1.0, max(0.0, busy - own) / total) if total > 0 else 0.0
