"""Doctor's check of the smallest slowdown that a comparison detects on this machine."""

from __future__ import annotations

import json
import subprocess
import sys

from ..machine.doctor import Check
from ..statistics.estimates import RatioEstimate
from ..words import rounded
from .budget import BUDGET
from .decision import POWER, detectable_slowdown

PROCESSES = 6  # that time a function beside itself
SERIES = 20  # of the comparison that is assumed
LARGE = 0.03  # detectable slowdown that calls for advice
# Two copies of a function, each with its own arrays, as two versions are in a comparison.
PROCESS = """
import gc, json, random
import numpy as np
from mlpperf.engine.worker.runner import Runner
from mlpperf.engine.worker.rounds import VERSIONS, Turns

def copy():
    x = np.linspace(-1.0, 1.0, 4000, dtype=np.float32)
    y = np.empty_like(x)

    def work():
        np.tanh(x, out=y)
        return [float(value) for value in y[:200]]

    return [Runner(work)]

gc.disable()
turns = Turns([copy(), copy()], lambda: [(), ()], VERSIONS, random.Random())
turns.go_on(0.2)
print(json.dumps([*turns.times, turns.spent]))
"""


def check() -> Check:
    """Time equal code in a few processes, and report what a comparison could detect by that."""
    estimate = RatioEstimate()
    for _ in range(PROCESSES):
        done = subprocess.run([sys.executable, "-c", PROCESS], capture_output=True, text=True)
        try:
            base, head, spent = json.loads(done.stdout)
        except ValueError:
            last = (done.stderr.strip().splitlines() or ["no output"])[-1]
            return Check("problem", "sensitivity", f"a process that times has failed: {last}")
        estimate.add(base, head, spent / len(base), 0.0)
    return as_check(estimate)


def as_check(estimate: RatioEstimate) -> Check:
    """The check's answer, by the estimate of these processes."""
    slowdown = detectable_slowdown(estimate, SERIES, BUDGET)
    text = (
        f"a comparison of {SERIES} benchmarks detects a slowdown of {rounded(100 * slowdown, 2)} % "
        f"({100 * POWER:.0f} % power)"
    )
    if slowdown > LARGE:
        return Check("note", "sensitivity", text, "Compare when less else is running.")
    return Check("fine", "sensitivity", text)
