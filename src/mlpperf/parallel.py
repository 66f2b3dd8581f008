"""Sharing element-wise work among threads.

NumPy's loops release the interpreter lock, so plain threads suffice; what they cost is about 50 µs
a call, so they pay from about a hundred thousand elements on.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import pairwise
from typing import Any

from numpy.typing import NDArray

from .devices import threads


@lru_cache(maxsize=1)
def _workers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads(), thread_name_prefix="mlpperf")


def in_parallel(work: Callable[..., object], *arrays: NDArray[Any]) -> None:
    """Call `work` on row blocks of `arrays` (equal first length), as many as there are threads.

    The calling thread takes the last block itself. An exception of any block is raised here.
    """
    rows = len(arrays[0])
    shares = min(threads(), rows)
    bounds = [rows * i // shares for i in range(shares + 1)]
    blocks = [tuple(a[low:high] for a in arrays) for low, high in pairwise(bounds)]
    waiting = [_workers().submit(work, *block) for block in blocks[:-1]]
    work(*blocks[-1])
    for future in waiting:
        future.result()
