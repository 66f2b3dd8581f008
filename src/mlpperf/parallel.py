"""Sharing element-wise work among threads.

NumPy's loops release the interpreter lock, so plain threads suffice. Waking them takes some 50 µs,
more than they gain on less than `SMALL` bytes, which are therefore not shared.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import lru_cache
from itertools import pairwise
from typing import Any

from numpy.typing import NDArray

from .devices import threads

SMALL = 1 << 21  # bytes of the first array


@lru_cache(maxsize=1)
def _workers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads(), thread_name_prefix="mlpperf")


def in_parallel(work: Callable[..., object], *arrays: NDArray[Any]) -> None:
    """Call `work` on row blocks of `arrays` (equal first length), as many as there are threads.

    Small work is not shared. The calling thread takes the last block itself. An exception of any
    block is raised here.
    """
    rows = len(arrays[0])
    shares = min(threads(), rows)
    if arrays[0].nbytes < SMALL or shares < 2:
        work(*arrays)
        return
    bounds = [rows * i // shares for i in range(shares + 1)]
    blocks = [tuple(a[low:high] for a in arrays) for low, high in pairwise(bounds)]
    # A copy of the context each, because NumPy's error settings (`errstate`) belong to it.
    waiting = [_workers().submit(copy_context().run, work, *block) for block in blocks[:-1]]
    work(*blocks[-1])
    for future in waiting:
        future.result()
