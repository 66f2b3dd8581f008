"""Checks of this machine, each with its result and advice."""

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
from ..table import Badge, Table
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
class Check:
    """The result of a check of `what`."""

    state: Literal["fine", "note", "problem"]
    what: str
    result: str
    advice: str = ""


def examine(checks: Sequence[Callable[[], Check]] = ()) -> Iterator[Check]:
    """Run the checks of the machine, and then `checks` of others, such as for a data set."""
    machine = describe()
    memory = f"{machine.memory / 2**30:.0f} GiB"
    yield Check("fine", "machine", f"{machine.processor}, {machine.cores} cores, {memory}")
    yield Check("fine", "Python", f"{machine.python} on {machine.system}")
    yield _numpy()
    yield _ceilings()
    yield _clock()
    yield _noise()
    for check in checks:
        yield check()


def table(done: Sequence[Check]) -> Table:
    """The checks, with advice."""
    kinds = {"fine": "good", "note": "note", "problem": "bad"}
    rows = [
        (
            Badge(check.state, kinds[check.state]),
            check.what,
            check.result + (f"\n→ {check.advice}" if check.advice else ""),
        )
        for check in done
    ]
    return Table("", ("", "check", "result"), rows, text=range(3), wrap=(2,))


def _ceilings() -> Check:
    product = Cost(bytes=0, products=((1024, 1024, 1024),))
    copy = Cost(bytes=2**28, written=2**27)  # more than caches hold
    operations = product.flops / floor_seconds(product).seconds / 1e9
    bandwidth = copy.bytes / floor_seconds(copy).seconds / 1e9
    text = f"float32 products {operations:.0f} GFLOP/s, memory {bandwidth:.0f} GB/s"
    return Check("fine", "ceilings", text)


def _numpy() -> Check:
    machine = describe()
    text = f"{machine.numpy}, {machine.blas} on {threads()} threads, {machine.simd}"
    if threads() < available_threads():
        return Check(
            "note",
            "NumPy",
            text,
            f"{available_threads()} processors are free: unset OMP_NUM_THREADS and its like "
            "unless fewer threads are meant.",
        )
    return Check("fine", "NumPy", text)


def tensorflow_loads() -> Check:
    """Whether TensorFlow loads, which takes seconds; only its variants need it."""
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
        return Check("problem", "TensorFlow", "does not load within two minutes", reinstall)
    except OSError as reason:
        return Check("problem", "TensorFlow", f"cannot be asked: {reason}", reinstall)
    last = last_line(done.stderr)
    if "No module named 'tensorflow'" in last:
        advice = "Only its own variants need it: pip install 'mlpperf[tensorflow]'."
        return Check("note", "TensorFlow", "not installed", advice)
    try:
        version, gpus = json.loads(done.stdout.strip().splitlines()[-1])
        return Check("fine", "TensorFlow", f"{version}, GPU: {', '.join(gpus) or 'none'}")
    except (IndexError, TypeError, ValueError):  # it ended before the last line, or never began
        return Check("problem", "TensorFlow", f"does not load: {last}", reinstall)


def _clock() -> Check:
    resolution = clock_resolution()
    text = f"resolution {resolution * 1e9:.0f} ns"
    if resolution > 1e-6:
        return Check("note", "clock", text, "Races with short blocks will have a warning.")
    return Check("fine", "clock", text)


def _noise(duration: float = 1.0) -> Check:
    """How much the time of a fixed piece of work varies, and the load by other processes."""
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
        return Check("note", "noise", text, "Stop other programs before you measure.")
    if spread > 0.05:
        return Check(
            "note", "noise", text, "Individual timings will be noisy; paired ratios much less so."
        )
    return Check("fine", "noise", text)
