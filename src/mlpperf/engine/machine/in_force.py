"""Which setting is in force, measured: threads that do work, and where operations run.

A variable that is set too late, or that a library does not read, has no effect and causes no
message. So this module computes a product and reads the processor time of every thread; TensorFlow
reports where an operation ran.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import psutil

from ...devices import Setting, available_threads, gpu_fact, tensorflow, threads

LOOK = 0.2  # seconds; the system counts processor time in steps of 0.01
WORKED = 0.2  # share of that time above which a thread has worked
TRIES = 3  # on a busy machine a thread may not get its turn


@dataclass(frozen=True)
class InForce:
    """What was measured; None where no library was loaded that can report it."""

    blas_threads: int  # that worked in one product of NumPy
    operation_threads: int | None = None  # that worked in one product of TensorFlow
    operations: int | None = None  # of TensorFlow that ran at a time
    placed: str | None = None  # such as cpu or gpu:0
    gpu_memory: int | None = None  # bytes that the library took at its peak
    gpu: str | None = None  # its name, such as NVIDIA H100 80GB HBM3


def in_force() -> InForce:
    """Measure this process, once, in up to three seconds; for PyTorch and JAX only the device."""
    return _seen(next((name for name in ("tensorflow", "torch", "jax") if name in sys.modules), ""))


@lru_cache(maxsize=2)
def _seen(library: str) -> InForce:
    square = np.ones((1000, 1000), dtype=np.float32)
    blas = working_threads(lambda: square @ square, threads())
    if library != "tensorflow":
        memory = _gpu_memory(library) if library else None
        placed = Setting.current().device if memory else "cpu" if library else None
        return InForce(blas, placed=placed, gpu_memory=memory or None, gpu=_gpu_name(placed))
    tf = tensorflow()
    tensor, vector = tf.constant(square), tf.range(200_000, 0, -1)
    product = tf.function(lambda t: tf.matmul(t, t), autograph=False)
    # A sort takes one thread, so as many threads work as operations run at a time.
    sorts = tf.function(
        lambda v: [tf.reduce_sum(tf.sort(v + i)) for i in range(8)], autograph=False
    )
    asked = Setting.current()
    gpu, most = asked.device != "cpu", asked.threads or available_threads()
    placed = short_name(product(tensor).device)
    return InForce(
        blas,
        None if gpu else working_threads(lambda: product(tensor), most),
        None if gpu else working_threads(lambda: sorts(vector), most),
        placed,
        _gpu_memory(library) if gpu else None,
        _gpu_name(placed),
    )


def working_threads(work: Callable[[], object], hoped: int | None = None) -> int:
    """Number of threads of this process that share `work`: the most of some tries, or `hoped`."""
    process = psutil.Process()
    work()
    most = 1
    for _ in range(TRIES):
        time.sleep(0.1)  # threads that wait for more work spin for a while
        before = _processor_seconds(process)
        start = time.perf_counter()
        while (elapsed := time.perf_counter() - start) < LOOK:
            work()
        after = _processor_seconds(process)
        shares = [(spent - before.get(i, 0.0)) / elapsed for i, spent in after.items()]
        # Work that moves between threads appears in several, but takes the time of one.
        together = math.ceil(sum(shares) - 0.15)
        most = max(most, min(sum(share > WORKED for share in shares), together))
        if hoped is not None and most >= hoped:
            break
    return most


def _processor_seconds(process: psutil.Process) -> dict[int, float]:
    return {t.id: t.user_time + t.system_time for t in process.threads()}


def short_name(device: str) -> str:
    """`cpu` or `gpu:0` for TensorFlow's full name of a device.

    The one GPU that a setting shows is number 0 to TensorFlow, and has its own number here.
    """
    kind, _, number = device.rsplit("device:", 1)[-1].lower().partition(":")
    asked = Setting.current().device
    if kind == "cpu":
        return kind
    return asked if number == "0" and asked != "cpu" else f"{kind}:{number}"


def _gpu_memory(library: str) -> int:
    """Bytes that a library took of a GPU at its peak; 0 if PyTorch or JAX works without one."""
    module: Any = sys.modules[library]
    if library == "tensorflow":
        return int(module.config.experimental.get_memory_info("GPU:0")["peak"])
    if library == "torch":
        cuda = module.cuda
        return int(cuda.max_memory_allocated()) if cuda.is_initialized() else 0
    device = module.devices()[0]
    known = {} if device.platform == "cpu" else device.memory_stats()
    return int(known.get("peak_bytes_in_use", 0))


def _gpu_name(placed: str | None) -> str | None:
    return gpu_fact(placed, "name") or None if placed and placed != "cpu" else None
