"""What one process of a race does: every contest once, for the seconds that it is given."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ...agreement import WrongResultError
from ...devices import keep_freed_memory
from ..suites.catalogue import catalogue
from . import exchange
from .contest import timed
from .workers import serve


def time_contests(task: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The times of each contest, in the order that is asked for.

    `task` has `entries` (where the hot paths are, if the project names none), `inputs` (the folder
    with the arrays), `seed`, and `contests`: path, case, variants (the reference first), seconds.
    """
    keep_freed_memory()
    paths = {path.name: path for path in catalogue(usual=task["entries"])}
    folder, rng = Path(task["inputs"]), np.random.default_rng(task["seed"])
    gc.freeze()  # what is loaded need not be looked at by every collection
    for contest in task["contests"]:
        start = time.perf_counter()
        path = paths[contest["path"]]
        contestants = {variant.name: variant for variant in path.contestants}
        variants = [contestants[name] for name in contest["variants"]]
        inputs = exchange.read(folder, f"{path.name}-{contest['case']}")
        try:
            found = timed(path, variants, inputs, contest["seconds"], rng)
        except WrongResultError as reason:
            yield {"wrong": str(reason)}
            return
        rounds = len(found.times[0])
        yield {
            "times": found.times,
            "round_seconds": found.spent / rounds,
            "other_seconds": time.perf_counter() - start - found.spent,
        }
        del inputs
        gc.collect()
        gc.freeze()


def main() -> None:
    """Do the task on standard input."""
    serve(time_contests)
