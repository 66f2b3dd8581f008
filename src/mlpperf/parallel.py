"""Sharing element-wise work among threads.

NumPy's loops release the interpreter lock, so plain threads suffice. Waking them takes some 50 µs,
more than they gain on less than `SMALL` bytes, which are therefore not shared.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import nullcontext
from contextvars import copy_context
from functools import lru_cache
from itertools import pairwise
from typing import Any

from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from .devices import threads

SMALL = 1 << 21  # bytes of the first array


@lru_cache(maxsize=1)
def _workers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads(), thread_name_prefix="mlpperf")


@lru_cache(maxsize=1)
def blas() -> ThreadpoolController:
    """What limits the threads of the BLAS; to find it takes some milliseconds."""
    return ThreadpoolController()


def in_parallel(work: Callable[..., object], *arrays: NDArray[Any], products: bool = False) -> None:
    """Call `work` on row blocks of `arrays` (equal first length), as many as there are threads.

    Small work is not shared. The calling thread takes the last block itself. An exception of any
    block is raised here. Work with `products` in it gets one BLAS thread for each block: products
    of several threads that are shared by several threads each would wait for one another.
    """
    rows = len(arrays[0])
    shares = min(threads(), rows)
    if arrays[0].nbytes < SMALL or shares < 2:
        work(*arrays)
        return
    bounds = [rows * i // shares for i in range(shares + 1)]
    blocks = [tuple(a[low:high] for a in arrays) for low, high in pairwise(bounds)]
    with blas().limit(limits=1, user_api="blas") if products else nullcontext():
        # A copy of the context each, because NumPy's error settings (`errstate`) belong to it.
        waiting = [_workers().submit(copy_context().run, work, *block) for block in blocks[:-1]]
        try:
            work(*blocks[-1])
        finally:  # nobody works on, whatever happened here
            wait(waiting)
        for future in waiting:
            future.result()
