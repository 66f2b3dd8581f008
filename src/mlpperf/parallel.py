"""Sharing element-wise work among threads.

NumPy's loops release the interpreter lock, so plain threads suffice. Waking them takes some 50 µs,
more than they gain on less than `SMALL` bytes, which are therefore not shared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import nullcontext
from contextvars import copy_context
from functools import lru_cache, partial
from itertools import pairwise
from typing import Any

from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from .devices import threads

SMALL = 1 << 21  # bytes of the first array
PIECES = 8  # for each thread, where it takes one after the other

Block = tuple[NDArray[Any], ...]


@lru_cache(maxsize=1)
def _workers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads(), thread_name_prefix="mlpperf")


@lru_cache(maxsize=1)
def blas() -> ThreadpoolController:
    """The controller of the BLAS threads; finding it takes milliseconds."""
    return ThreadpoolController()


def in_parallel(work: Callable[..., object], *arrays: NDArray[Any], products: bool = False) -> None:
    """Call `work` on row blocks of `arrays` (equal first length), as many as there are threads.

    Small work is not shared. The calling thread takes the last block itself. An exception of any
    block is raised here.

    Work with `products` in it gets one BLAS thread for each block: products of several threads that
    are shared by several threads each would wait for one another. It takes long enough for more
    blocks, of which a thread takes the next when it is ready, so that one that is disturbed gets
    fewer.
    """
    rows = len(arrays[0])
    shares = min(threads(), rows)
    if arrays[0].nbytes < SMALL or shares < 2:
        work(*arrays)
        return
    parts = min(PIECES * shares, rows) if products else shares
    bounds = [rows * i // parts for i in range(parts + 1)]
    blocks = [tuple(a[low:high] for a in arrays) for low, high in pairwise(bounds)]
    tasks: list[Callable[[], object]]
    if products:
        left = iter(blocks)  # the interpreter lock sees to it that no block is given twice
        tasks = [partial(_work_off, work, left)] * shares
    else:
        tasks = [partial(work, *block) for block in blocks]
    with blas().limit(limits=1, user_api="blas") if products else nullcontext():
        together(_workers(), tasks)


def together(pool: ThreadPoolExecutor, tasks: Sequence[Callable[[], object]]) -> None:
    """Run all tasks at the same time, the last of them here; raises what any of them raises."""
    # A copy of the context each, because NumPy's error settings (`errstate`) belong to it.
    waiting = [pool.submit(copy_context().run, task) for task in tasks[:-1]]
    try:
        tasks[-1]()
    finally:  # no thread works on, whatever happened here
        wait(waiting)
    for future in waiting:
        future.result()


def _work_off(work: Callable[..., object], blocks: Iterator[Block]) -> None:
    for block in blocks:
        work(*block)
