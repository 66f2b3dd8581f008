"""Examining the machine: what is there, what is missing, and what to do about it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ...devices import available_threads, threads
from ...errors import last_line
from ...hotpath import Cost
from .ceilings import floor_seconds
from .machine import BUSY, Bystanders, clock_resolution, describe

# Runs in a process of its own: TensorFlow takes seconds to load and starts its own threads.
TENSORFLOW = """
import json, tensorflow as tf
gpus = [tf.config.experimental.get_device_details(d).get("device_name", d.name)
        for d in tf.config.list_physical_devices("GPU")]
print(json.dumps([tf.__version__, gpus]))
"""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    state: Literal["fine", "note", "problem"]
    what: str
    found: str
    advice: str = ""


def examine(checks: Sequence[Callable[[], Finding]] = ()) -> Iterator[Finding]:
    """Look at one thing after the other.

    `checks` are those of whoever has needs of their own, such as a data set; they come last.
    """
    machine = describe()
    memory = f"{machine.memory / 2**30:.0f} GiB"
    yield Finding("fine", "machine", f"{machine.processor}, {machine.cores} cores, {memory}")
    yield Finding("fine", "Python", f"{machine.python} on {machine.system}")
    yield _numpy()
    yield _ceilings()
    yield _clock()
    yield _noise()
    for check in checks:
        yield check()


def _ceilings() -> Finding:
    product = Cost(bytes=0, products=((1024, 1024, 1024),))
    copy = Cost(bytes=2**28, written=2**27)  # more than caches hold
    operations = product.flops / floor_seconds(product).seconds / 1e9
    bandwidth = copy.bytes / floor_seconds(copy).seconds / 1e9
    text = f"float32 products {operations:.0f} GFLOP/s, memory {bandwidth:.0f} GB/s"
    return Finding("fine", "ceilings", text)


def _numpy() -> Finding:
    machine = describe()
    text = f"{machine.numpy}, {machine.blas} on {threads()} threads, {machine.simd}"
    if threads() < available_threads():
        return Finding(
            "note",
            "NumPy",
            text,
            f"{available_threads()} processors are free: unset OMP_NUM_THREADS and its like "
            "unless fewer threads are meant.",
        )
    return Finding("fine", "NumPy", text)


def tensorflow_loads() -> Finding:
    """Whether TensorFlow loads, which takes seconds; hot paths may have variants of it."""
    reinstall = "Reinstall it: pip install --force-reinstall 'mlpperf[tensorflow]'."
    try:
        done = subprocess.run(
            [sys.executable, "-c", TENSORFLOW],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=120,
        )
    except subprocess.TimeoutExpired:
        return Finding("problem", "TensorFlow", "does not load within two minutes", reinstall)
    except OSError as reason:
        return Finding("problem", "TensorFlow", f"cannot be asked: {reason}", reinstall)
    last = last_line(done.stderr)
    if "No module named 'tensorflow'" in last:
        advice = "Only its own variants need it: pip install 'mlpperf[tensorflow]'."
        return Finding("note", "TensorFlow", "not installed", advice)
    try:
        version, gpus = json.loads(done.stdout.strip().splitlines()[-1])
        return Finding("fine", "TensorFlow", f"{version}, GPU: {', '.join(gpus) or 'none'}")
    except (IndexError, TypeError, ValueError):  # it ended before the last line, or never began
        return Finding("problem", "TensorFlow", f"does not load: {last}", reinstall)


def _clock() -> Finding:
    resolution = clock_resolution()
    text = f"resolution {resolution * 1e9:.0f} ns"
    if resolution > 1e-6:
        return Finding("note", "clock", text, "Short blocks will be marked as too short to trust.")
    return Finding("fine", "clock", text)


def _noise(duration: float = 1.0) -> Finding:
    """How much the time of one fixed piece of work varies, and who else is running."""
    work = np.ones(50_000, dtype=np.float32)
    bystanders = Bystanders()
    blocks = []
    end = time.perf_counter() + duration
    while time.perf_counter() < end:
        start = time.perf_counter()
        for _ in range(100):
            np.multiply(work, 1.0, out=work)
        blocks.append(time.perf_counter() - start)
    low, middle, high = np.quantile(blocks, [0.1, 0.5, 0.9])
    spread, busy = (high - low) / (2 * middle), bystanders.share()
    text = f"blocks vary by ±{100 * spread:.1f} %, other processes take {100 * busy:.0f} %"
    if busy > BUSY:
        return Finding("note", "noise", text, "Stop what else is running before you measure.")
    if spread > 0.05:
        return Finding(
            "note", "noise", text, "Single times will scatter; ratios of pairs much less."
        )
    return Finding("fine", "noise", text)
