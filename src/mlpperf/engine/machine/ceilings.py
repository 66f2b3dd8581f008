"""Ceilings: the least time that a piece of work can take on this machine, measured.

Bare matrix products are timed at exactly the shapes of a hot path, in every layout. Memory traffic
is timed by kernels that do nothing else (read, write, copy, add, and the last two in place) on as
many bytes as the path touches, so that data that fit into a cache are compared with that cache. The
floor is the longer of the two: work that contains them cannot be quicker.

Three rules keep a floor an honest bound. The quickest of several ways is used. The overhead of a
call is measured on the smallest arrays, and subtracted. The quickest of several measurements is
used; the distance from their median is the error of the floor. (If disturbances are distributed
exponentially, the median of five measurements lies above the quickest by as much as the quickest,
with 95 % confidence, lies above the undisturbed time.)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import product as every_combination
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...devices import threads
from ...hotpath import Cost
from ...parallel import blas, in_parallel
from .timer import KEPT, UNKNOWN, Call, Floor, Work, quickest_of, remembered

Array = NDArray[Any]

# Columns of the pieces in which a product is computed, so that a piece stays in the cache.
CHUNKS = (500, 1000)
# Rows, columns or summands of a product, above which the best layouts stay the same.
LONG_SIDE = 2000
SMALLEST, LARGEST = 1 << 14, 1 << 28  # bytes; traffic is timed at powers of two between them
# Bytes from which threads share traffic; below, waking them costs more than it gains.
SHARED_FROM = 1 << 20


def floor_seconds(cost: Cost, dtype: str = "float32") -> Floor:
    """Least time for `cost` on this machine: its products or its memory traffic, if that is longer.

    Unknown where a function such as exp limits the work, or where all of it takes no longer than
    the overhead of a call.
    """
    if cost.limit:
        return UNKNOWN
    parts = [product_floor(*product, dtype) for product in cost.products]
    parts = [part for part in parts if part.known]
    products = sum(part.seconds for part in parts)
    excess = sum(part.seconds * part.error for part in parts)
    every = [Floor(products, excess / products)] if products else []
    wider = np.dtype(dtype).itemsize / 4
    footprint = int(wider * (cost.bytes - cost.written if cost.in_place else cost.bytes))
    for kernel in KERNELS:
        passes = wider * kernel.passes(cost)
        if passes and kernel.in_place in (None, cost.in_place):
            by_size = [seconds_per_byte(kernel, size) for size in neighbours(footprint)]
            if not all(floor.known for floor in by_size):
                continue
            quickest = min(by_size, key=lambda floor: floor.seconds)
            every.append(Floor(passes * quickest.seconds, quickest.error))
    return max(every, key=lambda floor: floor.seconds, default=UNKNOWN)


def neighbours(footprint: int) -> set[int]:
    """The one or two sizes that enclose `footprint`, of those at which traffic is timed.

    Between two sizes the rate of the faster one is used: a cache ends somewhere between them.
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
    read, written : number of arrays that are read, and written.
    arrays : number of arrays.
    in_place : whether the result replaces an input; None where that makes no difference.
    ways : functions of the arrays (each float32, one-dimensional); the quickest one is used.
    """

    read: int
    written: int
    arrays: int
    in_place: bool | None
    ways: tuple[Callable[..., object], ...]

    def passes(self, cost: Cost) -> float:
        """Largest size of an array, in bytes, at which it moves no more bytes than `cost`."""
        needs = []
        if self.read:
            needs.append((cost.bytes - cost.written) / self.read)
        if self.written:
            needs.append(cost.written / self.written)
        return min(needs)


KERNELS = (
    Kernel(1, 0, 1, None, (lambda x: x.dot(x), lambda x: np.bitwise_or.reduce(x.view(np.uint64)))),
    Kernel(0, 1, 1, None, (lambda x: x.fill(1.0), lambda x: x.view(np.uint8).fill(1))),
    Kernel(1, 1, 2, False, (lambda x, to: np.copyto(to, x), lambda x, to: np.negative(x, out=to))),
    Kernel(2, 1, 3, False, (lambda a, b, out: np.add(a, b, out=out),)),
    Kernel(1, 1, 1, True, (lambda x: np.negative(x, out=x), lambda x: np.multiply(x, 1, out=x))),
    Kernel(2, 1, 2, True, (lambda a, b: np.add(a, b, out=b),)),
)


@remembered
def seconds_per_byte(kernel: Kernel, size: int) -> Floor:
    """Least time of `kernel` per byte of one array, if all arrays together have `size` bytes."""
    length = size // (8 * kernel.arrays) * 2  # in elements; even, for kernels that read eight bytes
    works = []
    for sharing in (1, threads()) if size >= SHARED_FROM and threads() > 1 else (1,):
        arrays = [_arrays(kernel.arrays, length // sharing & ~1) for _ in range(sharing)]
        for way in kernel.ways:
            parts = [partial(way, *part) for part in arrays]
            limit = _one_blas_thread if sharing > 1 else nullcontext
            works.append(Work(parts, _empty_pass(way, kernel.arrays), limit))
    floor = quickest_of(works)
    return Floor(floor.seconds / (4 * length), floor.error)


@lru_cache(maxsize=64)
def _empty_pass(way: Callable[..., object], arrays: int) -> Work:
    return Work([partial(way, *_arrays(arrays, 2))])


def _arrays(count: int, length: int) -> list[Array]:
    """Arrays of `length` ones in float32.

    Each starts at a different offset in its page: a store waits for an earlier load from another
    page if the last twelve bits of their addresses are equal.
    """
    arrays: list[Array] = []
    for i in range(count):
        room = np.empty(4 * length + 8192, dtype=np.uint8)
        start = -room.ctypes.data % 4096 + i * 1088
        arrays.append(room[start : start + 4 * length].view(np.float32))
        arrays[-1].fill(1.0)  # the system provides a page when it is first written
    return arrays


# --- products ------------------------------------------------------------------------------------


class Layout(NamedTuple):
    """How the factors of a product and its result lie in memory.

    `first`: C order, F order, or a slice of such a matrix without its first row and column, as
    weights without their bias. `second` and `out`: C or F order.
    """

    first: Literal["C", "F", "sliced C", "sliced F"]
    second: Literal["C", "F"]
    out: Literal["C", "F"]


LAYOUTS = tuple(
    map(Layout._make, every_combination(("C", "F", "sliced C", "sliced F"), "CF", "CF"))
)


@remembered
def product_floor(rows: int, inner: int, columns: int, dtype: str) -> Floor:
    """Least time of the bare product of these shapes, in every layout and in chunks.

    The best layouts of a long product are determined on a part of it.
    """
    empty = _empty_product(dtype)
    shape = rows, inner, columns
    part = min(rows, LONG_SIDE), min(inner, LONG_SIDE), min(columns, LONG_SIDE)
    every = multiplications(*part, dtype, LAYOUTS)
    order = np.argsort([Work([call]).look() for call in every])
    best = [every[i] for i in order[:KEPT]]
    if part != shape:
        layouts = [LAYOUTS[i] for i in order[:KEPT]]
        best = multiplications(*shape, dtype, layouts) + in_chunks(*shape, dtype)
    works = [Work([call], empty) for call in best]
    if threads() > 1 and part == shape:  # small ones may be quicker without sharing
        works += [Work([call], empty, _one_blas_thread) for call in best]
    return quickest_of(works)


@lru_cache(maxsize=8)
def _empty_product(dtype: str) -> Work:
    return Work(multiplications(1, 1, 1, dtype, LAYOUTS[:1]))


def multiplications(
    rows: int, inner: int, columns: int, dtype: str, layouts: Sequence[Layout]
) -> list[Call]:
    """The product of (rows, inner) by (inner, columns) in each of the `layouts`."""
    firsts = {how: _stored(rows, inner, dtype, how) for how in {x.first for x in layouts}}
    seconds = {how: _stored(inner, columns, dtype, how) for how in {x.second for x in layouts}}
    outs = {how: _stored(rows, columns, dtype, how) for how in {x.out for x in layouts}}
    calls: list[Call] = []
    for layout in layouts:
        first, second, out = firsts[layout.first], seconds[layout.second], outs[layout.out]
        if inner == 1 and layout.first == "F":  # every element of the result is one product
            calls.append(partial(np.multiply, first, second, out=out))
        elif layout.out == "C":
            calls.append(partial(np.matmul, first, second, out=out))
        else:
            calls.append(partial(np.matmul, second.T, first.T, out=out.T))
    return calls


def in_chunks(rows: int, inner: int, columns: int, dtype: str) -> list[Call]:
    """The same product in chunks of columns; also with the chunks shared among threads."""
    if columns <= max(CHUNKS):
        return []
    first = _stored(rows, inner, dtype, "F").T
    samples, out = _stored(columns, inner, dtype, "C"), _stored(columns, rows, dtype, "C")

    def multiply(chunk: int, part: Array, target: Array) -> None:
        for i in range(0, len(part), chunk):
            np.matmul(part[i : i + chunk], first, out=target[i : i + chunk])

    calls: list[Call] = []
    for chunk in CHUNKS:
        work = partial(multiply, chunk)
        calls.append(partial(work, samples, out))
        if threads() > 1:
            calls.append(partial(in_parallel, work, samples, out, products=True))
    return calls


def _stored(rows: int, columns: int, dtype: str, how: str) -> Array:
    """A matrix of ones in an order of `Layout`."""
    extra = 1 if how.startswith("sliced") else 0
    order: Literal["C", "F"] = "F" if how.endswith("F") else "C"
    return np.ones((rows + extra, columns + extra), dtype, order=order)[extra:, extra:]


def _one_blas_thread() -> AbstractContextManager[object]:
    limited: AbstractContextManager[object] = blas().limit(limits=1, user_api="blas")
    return limited
