"""Products of samples most of whose values are 0: kernels that touch only the others.

Of MNIST's grey values four in five are 0. A BLAS multiplies them all the same, and reads samples
that were copied together before. Here each value that is not 0 adds its row of the weights to the
sum of its sample, or its share of the delta to a row of the gradient, and samples are read where
they lie. A row of 72 numbers is 9 registers. LLVM does not vectorise such short loops well by
itself, so the additions are said in its own instructions.

The network sees x = factor·v + offset of a value v. Where v is 0 that is the offset, and what all
offsets add up to is the same for all samples, so it is computed once for a batch.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ...compiled import instruction, kernel, prefetch
from .equations import Array
from .kernels import AHEAD, CACHE_LINE, f32

LANES = 8  # numbers that are added at once; rows have a multiple of so many


class Nonzero(NamedTuple):
    """The values of samples that are not 0, sample by sample and pixel by pixel.

    Attributes
    ----------
    starts : where the values of a sample begin, (n + 1,).
    pixels, values : of all samples, one after the other.
    """

    starts: Array
    pixels: Array
    values: Array


def nonzero(x: Array) -> Nonzero:
    """What is not 0 in x (n, P)."""
    starts = np.zeros(len(x) + 1, np.int64)
    np.cumsum(np.count_nonzero(x, axis=1), out=starts[1:])
    pixels = np.nonzero(x)[1].astype(np.uint16 if x.shape[1] <= 1 << 16 else np.int64)
    return Nonzero(starts, pixels, x[x != 0])


def nothing(dtype: Any) -> Nonzero:
    """Of no sample, for those who multiply them whole."""
    return Nonzero(np.zeros(0, np.int64), np.zeros(0, np.uint16), np.zeros(0, dtype))


def _add(builder: Any, to: Any, registers: Any, terms: list[tuple[Any, Any]]) -> None:
    """LLVM's code for to[:] += Σ x·row[:] over rows of so many registers, given by addresses."""
    from llvmlite import ir
    from numba.core import cgutils

    lanes = ir.VectorType(ir.FloatType(), LANES)
    undefined = ir.Constant(lanes, ir.Undefined)
    first = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    everywhere = [
        builder.shuffle_vector(
            builder.insert_element(undefined, x, ir.IntType(32)(0)), undefined, first
        )
        for x, _ in terms
    ]
    fused = {"flags": ("contract",)}  # a product and a sum round once
    with cgutils.for_range(builder, registers, intp=to.type) as loop:
        offset = builder.mul(loop.index, to.type(4 * LANES))

        def at(row: Any) -> Any:
            return builder.inttoptr(builder.add(row, offset), lanes.as_pointer())

        total = builder.load(at(to), align=4)
        for x, (_, row) in zip(everywhere, terms, strict=True):
            product = builder.fmul(x, builder.load(at(row), align=4), **fused)
            total = builder.fadd(product, total, **fused)
        builder.store(total, at(to), align=4)


@instruction
def add(context: Any, to: Any, registers: Any, x: Any, row: Any) -> Any:
    """to[:] += x·row[:]."""
    from numba.core import types

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _add(builder, args[0], args[1], [(args[2], args[3])])
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, types.float32, types.intp), code


@instruction
def add_four(
    context: Any,
    to: Any,
    registers: Any,
    x0: Any,
    row0: Any,
    x1: Any,
    row1: Any,
    x2: Any,
    row2: Any,
    x3: Any,
    row3: Any,
) -> Any:
    """to[:] += x0·row0[:] + x1·row1[:] + x2·row2[:] + x3·row3[:]."""
    from numba.core import types

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _add(builder, args[0], args[1], [(args[i], args[i + 1]) for i in (2, 4, 6, 8)])
        return context.get_dummy_value()

    term = (types.float32, types.intp)
    return types.void(types.intp, types.intp, *term, *term, *term, *term), code


@kernel
def fetch(samples: Nonzero, sample: int) -> None:
    """Ask for the values of a sample ahead of time: nobody can guess which comes next."""
    start, end = samples.starts[sample], samples.starts[sample + 1]
    size = samples.values.itemsize
    for place in range(start * size, end * size, CACHE_LINE):
        prefetch(samples.values.ctypes.data + place)
    for place in range(start * 2, end * 2, CACHE_LINE):
        prefetch(samples.pixels.ctypes.data + place)


@kernel
def multiply_nonzero(
    samples: Nonzero, index: Array, factor: Array, offset: Array, w: Array, z: Array
) -> None:
    """Z (B, m) ← X·W for the samples `index`, W (n, m), with X = factor·v + offset."""
    registers = w.shape[1] // LANES
    row, rows = w.strides[0], w.ctypes.data
    base = z[0]
    base[:] = f32(0)
    for k in range(len(offset)):
        add(base.ctypes.data, registers, offset[k], rows + k * row)
    for i in range(1, len(index)):
        z[i] = base
    for i in range(len(index)):
        if i + AHEAD < len(index):
            fetch(samples, index[i + AHEAD])
        to = z.ctypes.data + i * z.strides[0]
        k, end = samples.starts[index[i]], samples.starts[index[i] + 1]
        pixels, values = samples.pixels, samples.values
        while k + 4 <= end:
            p0, p1, p2, p3 = pixels[k], pixels[k + 1], pixels[k + 2], pixels[k + 3]
            add_four(
                to,
                registers,
                f32(values[k]) * factor[p0],
                rows + p0 * row,
                f32(values[k + 1]) * factor[p1],
                rows + p1 * row,
                f32(values[k + 2]) * factor[p2],
                rows + p2 * row,
                f32(values[k + 3]) * factor[p3],
                rows + p3 * row,
            )
            k += 4
        while k < end:
            add(to, registers, f32(values[k]) * factor[pixels[k]], rows + pixels[k] * row)
            k += 1


@kernel
def gradient_nonzero(
    samples: Nonzero,
    index: Array,
    factor: Array,
    offset: Array,
    delta: Array,
    total: Array,
    gradient: Array,
) -> None:
    """Gradient (n, m) ← Xᵀ·δ for the samples `index`; `total` (m,) is the sum of δ (B, m)."""
    registers = gradient.shape[1] // LANES
    row, rows = gradient.strides[0], gradient.ctypes.data
    gradient[:] = f32(0)
    for k in range(len(offset)):
        add(rows + k * row, registers, offset[k], total.ctypes.data)
    for i in range(len(index)):
        d = delta.ctypes.data + i * delta.strides[0]
        for k in range(samples.starts[index[i]], samples.starts[index[i] + 1]):
            pixel = samples.pixels[k]
            add(rows + pixel * row, registers, f32(samples.values[k]) * factor[pixel], d)
