"""Ceilings: the least time that a piece of work can take on this machine, measured.

They are not looked up in a data sheet. Matrix products are timed bare, at the very shapes of a hot
path and in every layout. Memory traffic is timed by kernels that do nothing else (read, write,
copy, add, and the last two in place) on as many bytes as the path touches, so that data that fit
into a cache are compared with that cache. Whichever of the two takes longer is the floor: work that
contains them cannot be quicker.

Three rules keep a floor an honest bound. Of several ways the quickest counts. What one call costs
whatever its size is measured on the smallest arrays, and subtracted. And of several looks at the
clock the quickest counts; how far their median lies above it is the error of the floor. (If
disturbances are distributed exponentially, the median of five lies above the quickest by as much as
the quickest, with 95 % confidence, lies above what it would be without disturbances.)
"""

from __future__ import annotations

import math
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import product as every_combination
from itertools import repeat
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...devices import threads
from ...hotpath import Cost
from ...parallel import blas, in_parallel

Array = NDArray[Any]
Call = Callable[[], object]

LOOKS = 5  # at the clock, for each floor
FEWEST_LOOKS = 3  # where they take long
LOOKING = 0.1  # seconds after which the fewest looks suffice
BLOCK = 5e-4  # seconds of calls between two looks at the clock, at least
SHARED_BLOCK = 2e-3  # the same for several threads, which do not begin quite together
KEPT = 2  # ways that are looked at again, after all were looked at once
CHUNKS = (500, 1000)  # columns of a product that is worked off piece by piece, to stay in the cache
LONG_SIDE = 2000  # of a product; which layouts are the best does not depend on more
SMALLEST, LARGEST = 1 << 14, 1 << 28  # bytes of the sizes, powers of two, at which traffic is timed
SHARED_FROM = 1 << 20  # bytes from which threads share traffic; what they do costs more below it


@dataclass(frozen=True)
class Floor:
    """The least time for some work.

    Attributes
    ----------
    seconds : that were measured, without what a call costs; NaN where no ceiling is known.
    error : the share by which the truth may lie below that.
    """

    seconds: float
    error: float


UNKNOWN = Floor(math.nan, math.nan)


def floor_seconds(cost: Cost, dtype: str = "float32") -> Floor:
    """Least time for `cost` on this machine: its products or its memory traffic, the longer one.

    Unknown where neither of them limits the work but a function such as exp.
    """
    if cost.limit:
        return UNKNOWN
    parts = [_product_floor(*product, dtype) for product in cost.products]
    products = sum(part.seconds for part in parts)
    excess = sum(part.seconds * part.error for part in parts)
    every = [Floor(products, excess / products if products else 0.0)]
    wider = np.dtype(dtype).itemsize / 4
    footprint = int(wider * (cost.bytes - cost.written if cost.in_place else cost.bytes))
    for kernel in KERNELS:
        passes = wider * kernel.passes(cost)
        if passes and kernel.in_place in (None, cost.in_place):
            by_size = (_seconds_per_byte(kernel, size) for size in neighbours(footprint))
            quickest = min(by_size, key=lambda floor: floor.seconds)
            every.append(Floor(passes * quickest.seconds, quickest.error))
    return max(every, key=lambda floor: floor.seconds)


def neighbours(footprint: int) -> set[int]:
    """The one or two sizes, of those at which traffic is timed, that enclose `footprint`.

    Between two sizes the rate of the faster one counts: a cache ends somewhere between them.
    """
    exponent = math.log2(max(footprint, 1))
    sizes = (2 ** math.floor(exponent), 2 ** math.ceil(exponent))
    return {min(max(size, SMALLEST), LARGEST) for size in sizes}


# --- memory traffic ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kernel:
    """Bare memory traffic over arrays of one length.

    Attributes
    ----------
    read, written : how many of the arrays.
    arrays : that there are.
    in_place : whether what is written lies where it was read; None where that makes no difference.
    ways : functions of the arrays (each float32, one-dimensional), of which the quickest counts.
    """

    read: int
    written: int
    arrays: int
    in_place: bool | None
    ways: tuple[Callable[..., object], ...]

    def passes(self, cost: Cost) -> float:
        """Bytes of one array at which this kernel reads and writes no more than `cost` does."""
        needs = []
        if self.read:
            needs.append((cost.bytes - cost.written) / self.read)
        if self.written:
            needs.append(cost.written / self.written)
        return min(needs)


def _dot(x: Array) -> object:
    return x.dot(x)


def _any_bit(x: Array) -> object:
    return np.bitwise_or.reduce(x.view(np.uint64))


def _fill(x: Array) -> None:
    x.fill(1.0)


def _fill_bytes(x: Array) -> None:
    x.view(np.uint8).fill(1)


def _copy(source: Array, target: Array) -> None:
    np.copyto(target, source)


def _negate(source: Array, target: Array) -> None:
    np.negative(source, out=target)


def _add(a: Array, b: Array, out: Array) -> None:
    np.add(a, b, out=out)


def _negate_in_place(x: Array) -> None:
    np.negative(x, out=x)


def _scale_in_place(x: Array) -> None:
    np.multiply(x, np.float32(1), out=x)


def _add_in_place(a: Array, b: Array) -> None:
    np.add(a, b, out=b)


KERNELS = (
    Kernel(1, 0, 1, None, (_dot, _any_bit)),
    Kernel(0, 1, 1, None, (_fill, _fill_bytes)),
    Kernel(1, 1, 2, False, (_copy, _negate)),
    Kernel(2, 1, 3, False, (_add,)),
    Kernel(1, 1, 1, True, (_negate_in_place, _scale_in_place)),
    Kernel(2, 1, 2, True, (_add_in_place,)),
)


@lru_cache(maxsize=1024)
def _seconds_per_byte(kernel: Kernel, size: int) -> Floor:
    """Least time of `kernel` for every byte of one array, where all arrays together have `size`."""
    length = size // (8 * kernel.arrays) * 2  # in elements; even, for those who read eight bytes
    works = []
    for sharing in (1, threads()) if size >= SHARED_FROM and threads() > 1 else (1,):
        arrays = [_arrays(kernel.arrays, length // sharing & ~1) for _ in range(sharing)]
        for way in kernel.ways:
            parts = [partial(way, *part) for part in arrays]
            limit = _one_blas_thread if sharing > 1 else nullcontext
            works.append(_Work(parts, _overhead(way, kernel), limit))
    found = _quickest(works)
    return Floor(found.seconds / (4 * length), found.error)


@lru_cache(maxsize=64)
def _overhead(way: Callable[..., object], kernel: Kernel) -> float:
    """Seconds of a call that moves next to nothing."""
    return _quickest([_Work([partial(way, *_arrays(kernel.arrays, 2))])]).seconds


def _arrays(count: int, length: int) -> list[Array]:
    """Arrays of `length` ones in float32.

    Each begins at another place within its page: a store waits for an earlier load from another
    page if the last twelve bits of their addresses are alike.
    """
    found = []
    for i in range(count):
        room = np.empty(4 * length + 8192, dtype=np.uint8)
        start = -room.ctypes.data % 4096 + i * 1088
        found.append(room[start : start + 4 * length].view(np.float32))
        found[-1].fill(1.0)  # a page that was never written is none
    return found


# --- products ------------------------------------------------------------------------------------


class Layout(NamedTuple):
    """How the factors of a product and its result lie in memory.

    `first`: C order, F order, or either as a slice of a matrix with a row or column more, as
    weights without their bias lie. `second` and `out`: C or F order.
    """

    first: Literal["C", "F", "sliced C", "sliced F"]
    second: Literal["C", "F"]
    out: Literal["C", "F"]


LAYOUTS = tuple(
    map(Layout._make, every_combination(("C", "F", "sliced C", "sliced F"), "CF", "CF"))
)


@lru_cache(maxsize=1024)
def _product_floor(rows: int, inner: int, columns: int, dtype: str) -> Floor:
    """Least time of the bare product of these shapes, in every layout and in chunks.

    Which layouts are the best is found out on a part of it where the whole takes long.
    """
    overhead = _product_overhead(dtype)
    shape = rows, inner, columns
    part = min(rows, LONG_SIDE), min(inner, LONG_SIDE), min(columns, LONG_SIDE)
    works = [_Work([call], overhead) for call in multiplications(*part, dtype, LAYOUTS)]
    if part != shape:
        order = np.argsort([work.calibrate() for work in works])
        best = [LAYOUTS[i] for i in order[:KEPT]]
        calls = multiplications(*shape, dtype, best) + in_chunks(*shape, dtype)
        works = [_Work([call], overhead) for call in calls]
    elif threads() > 1:  # small ones may be quicker without sharing
        works += [_Work(work.parts, overhead, _one_blas_thread) for work in works]
    return _quickest(works)


@lru_cache(maxsize=8)
def _product_overhead(dtype: str) -> float:
    """Seconds of a call that multiplies next to nothing."""
    return _quickest([_Work(multiplications(1, 1, 1, dtype, LAYOUTS[:1]))]).seconds


def multiplications(
    rows: int, inner: int, columns: int, dtype: str, layouts: Sequence[Layout]
) -> list[Call]:
    """The product of (rows, inner) by (inner, columns) in each of the `layouts`."""
    a, b = _factor(rows, inner, dtype), _factor(inner, columns, dtype)
    calls: list[Call] = []
    for layout in layouts:
        if layout.first.startswith("sliced"):
            first = _stored(np.pad(a, 1), layout.first[-1])[1:-1, 1:-1]
        else:
            first = _stored(a, layout.first)
        second, out = _stored(b, layout.second), np.ones((rows, columns), dtype, order=layout.out)
        if inner == 1:  # every element of the result is one product
            calls.append(partial(np.multiply, first, second, out=out))
        elif layout.out == "C":
            calls.append(partial(np.matmul, first, second, out=out))
        else:
            calls.append(partial(np.matmul, second.T, first.T, out=out.T))
    return calls


def in_chunks(rows: int, inner: int, columns: int, dtype: str) -> list[Call]:
    """The same product, some columns at a time; also with the chunks shared among threads."""
    a, b = _factor(rows, inner, dtype), _factor(inner, columns, dtype)
    first, samples = a.T, _stored(b, "F").T
    out = np.ones((columns, rows), dtype)

    def work_off(chunk: int, part: Array, target: Array) -> None:
        for i in range(0, len(part), chunk):
            np.matmul(part[i : i + chunk], first, out=target[i : i + chunk])

    calls: list[Call] = []
    for chunk in CHUNKS if columns > max(CHUNKS) else ():
        work = partial(work_off, chunk)
        calls.append(partial(work, samples, out))
        if threads() > 1:
            calls.append(partial(in_parallel, work, samples, out, products=True))
    return calls


def _factor(rows: int, columns: int, dtype: str) -> Array:
    """A matrix of random numbers that repeat, for those of a large one would take seconds."""
    numbers = np.random.default_rng(0).standard_normal(4099).astype(dtype)
    return np.resize(numbers, (rows, columns))


def _stored(array: Array, order: str) -> Array:
    return np.asfortranarray(array) if order == "F" else np.ascontiguousarray(array)


# --- the clock -----------------------------------------------------------------------------------


@dataclass
class _Work:
    """A way to do some work, several times between two looks at the clock.

    Attributes
    ----------
    parts : what is called; of several parts each by a thread of its own, all at the same time.
    overhead : seconds of every call that do not count.
    surroundings : makes the context in which it runs.
    calls : of each part between two looks, so many that waking threads does not count either.
    """

    parts: Sequence[Call]
    overhead: float = 0.0
    surroundings: Callable[[], AbstractContextManager[object]] = nullcontext
    calls: int = 1

    def look(self) -> float:
        """Seconds per call, without the overhead."""
        with self.surroundings():
            return self._net(self._block())

    def calibrate(self) -> float:
        """Find out how many calls make a block that is long enough, and look."""
        least = BLOCK if len(self.parts) == 1 else SHARED_BLOCK
        with self.surroundings():
            while (elapsed := self._block()) < least:
                self.calls *= min(10, max(2, math.ceil(1.2 * least / max(elapsed, 1e-9))))
        return self._net(elapsed)

    def _net(self, elapsed: float) -> float:
        return max(elapsed / self.calls - self.overhead, 0.0)

    def _block(self) -> float:
        """Seconds from the first start to the last end."""
        begin = threading.Barrier(len(self.parts))

        def timed(call: Call) -> tuple[float, float]:
            begin.wait()
            start = time.perf_counter()
            for _ in repeat(None, self.calls):
                call()
            return start, time.perf_counter()

        others = [_pool(threads()).submit(timed, part) for part in self.parts[1:]]
        spans = [timed(self.parts[0]), *(other.result() for other in others)]
        return max(end for _, end in spans) - min(start for start, _ in spans)


def _one_blas_thread() -> AbstractContextManager[object]:
    limited: AbstractContextManager[object] = blas().limit(limits=1, user_api="blas")
    return limited


@lru_cache(maxsize=1)
def _pool(size: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(size, thread_name_prefix="mlpperf-ceiling")


def _quickest(works: Sequence[_Work]) -> Floor:
    """The quickest look at the quickest of `works`.

    After a first look at all of them the best few are looked at in turns.
    """
    first = sorted((work.calibrate(), i) for i, work in enumerate(works))
    kept = [works[i] for _, i in first[:KEPT]]
    looks: list[float] = []
    start = time.perf_counter()
    while len(looks) < LOOKS:
        if len(looks) >= FEWEST_LOOKS and time.perf_counter() - start > LOOKING:
            break
        looks.append(min(work.look() for work in kept))
    best = min(first[0][0], *looks)
    return Floor(best, 1 - best / statistics.median(looks) if best else 0.0)
