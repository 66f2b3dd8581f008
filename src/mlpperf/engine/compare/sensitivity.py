"""How small a slowdown can be seen on this machine, before anything is compared."""

from __future__ import annotations

import json
import subprocess
import sys

from ...errors import last_line
from ..machine.doctor import Finding
from ..statistics.estimates import RatioEstimate
from ..words import rounded
from .budget import BUDGET
from .decision import POWER, sight

PROCESSES = 6  # that time a function beside itself
SERIES = 20  # of a comparison as it may be
BLURRED = 0.03  # a sight from which on there is advice
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


def check() -> Finding:
    """Time equal code in a few processes, and say what a comparison could tell by that."""
    estimate = RatioEstimate()
    for _ in range(PROCESSES):
        done = subprocess.run([sys.executable, "-c", PROCESS], capture_output=True, text=True)
        try:
            base, head, spent = json.loads(done.stdout)
        except ValueError:
            last = last_line(done.stderr)
            return Finding("problem", "sight", f"a process that times has failed: {last}")
        estimate.add(base, head, spent / len(base), 0.0)
    return told(estimate)


def told(estimate: RatioEstimate) -> Finding:
    """What such processes come to."""
    seen = sight(estimate, SERIES, BUDGET)
    text = (
        f"a comparison of {SERIES} series can tell a slowdown of {rounded(100 * seen, 2)} %, "
        f"{100 * POWER:.0f} times of 100"
    )
    if seen > BLURRED:
        return Finding("note", "sight", text, "Compare when less else is running.")
    return Finding("fine", "sight", text)
