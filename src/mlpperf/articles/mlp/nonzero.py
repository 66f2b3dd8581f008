"""Products of samples most of whose values are 0: kernels that touch only the others.

Of MNIST's grey values four in five are 0. A BLAS multiplies them all the same, and reads samples
that were copied together before. Here each value that is not 0 adds its row of the weights to the
sum of its sample, or its share of the delta to a row of the gradient, and samples are read where
they lie. A row of 72 numbers is 9 registers. LLVM does not keep such rows in registers by itself,
so the additions are written in its own instructions.

The network sees x = factor·v + offset of a value v. Where v is 0 that is the offset, and what all
offsets add up to is the same for all samples, so it is computed once for a batch.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ...compiled import Instruction, instruction, kernel, prefetch
from .equations import Array
from .kernels import AHEAD, CACHE_LINE, f32

LANES = 8  # numbers of a register; the length of a row is a multiple
REGISTERS = 12  # of a row that are worked on at a time; every processor with such has 16 or more


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
    """No samples, for rungs that multiply them whole."""
    return Nonzero(np.zeros(0, np.int64), np.zeros(0, np.uint16), np.zeros(0, dtype))


def _panel(sums: bool, context: Any, builder: Any, signature: Any, args: Any) -> Any:
    """LLVM's code for one sample and as many columns as `count` registers hold.

    With `sums`, `own` is the sample's sum, to which rows are added; else it is its delta, which is
    added to the rows. Either stays in registers from the first value to the last, for which their
    number has to be known: there is a loop for each.
    """
    from llvmlite import ir
    from numba.core import cgutils

    own, count, _, _, first, end, _, rows, row_bytes = args
    values, pixels, factor = (
        context.make_array(signature.args[i])(context, builder, args[i]).data for i in (2, 3, 6)
    )
    word, number = own.type, ir.FloatType()
    lanes = ir.VectorType(number, LANES)
    undefined, zeros = ir.Constant(lanes, ir.Undefined), ir.VectorType(ir.IntType(32), LANES)
    fused = {"flags": ("contract",)}  # a product and a sum round once

    def register(row: Any, r: int) -> Any:
        return builder.inttoptr(builder.add(row, word(4 * LANES * r)), lanes.as_pointer())

    def scaled(k: Any) -> tuple[Any, Any]:
        """The value with its factor in every lane, and where the row of its pixel begins."""
        value = builder.load(builder.gep(values, [k]))
        if isinstance(value.type, ir.IntType):
            value = builder.uitofp(value, number)
        elif value.type != number:
            value = builder.fptrunc(value, number)
        pixel = builder.load(builder.gep(pixels, [k]))
        pixel = builder.zext(pixel, word) if pixel.type != word else pixel
        x = builder.fmul(value, builder.load(builder.gep(factor, [pixel])))
        lane = builder.insert_element(undefined, x, ir.IntType(32)(0))
        everywhere = builder.shuffle_vector(lane, undefined, ir.Constant(zeros, None))
        return everywhere, builder.add(rows, builder.mul(pixel, row_bytes))

    for registers in range(1, REGISTERS + 1):
        with builder.if_then(builder.icmp_signed("==", count, word(registers))):
            kept = [
                cgutils.alloca_once(builder, lanes)  # type: ignore[no-untyped-call]
                for _ in range(registers)
            ]
            for r, place in enumerate(kept):
                builder.store(builder.load(register(own, r), align=4), place)
            with cgutils.for_range_slice(builder, first, end, word(1), intp=word) as (k, _):
                x, row = scaled(k)
                for r, place in enumerate(kept):
                    at = register(row, r)
                    theirs, mine = builder.load(at, align=4), builder.load(place)
                    old, factored = (mine, theirs) if sums else (theirs, mine)
                    new = builder.fadd(builder.fmul(x, factored, **fused), old, **fused)
                    builder.store(new, place if sums else at, align=4)
            if sums:
                for r, place in enumerate(kept):
                    builder.store(builder.load(place), register(own, r), align=4)
    return context.get_dummy_value()


def _rows_instruction(name: str, sums: bool, does: str) -> Instruction:
    """An instruction for the values of a sample from `first` to `end`; rows are addresses."""

    def typed(
        context: Any,
        own: Any,
        count: Any,
        values: Any,
        pixels: Any,
        first: Any,
        end: Any,
        factor: Any,
        rows: Any,
        row_bytes: Any,
    ) -> Any:
        from numba.core import types

        def code(*args: Any) -> Any:
            return _panel(sums, *args)

        word = types.intp
        return types.void(word, word, values, pixels, word, word, factor, word, word), code

    typed.__name__, typed.__doc__ = name, does
    return instruction(typed)


add_rows = _rows_instruction("add_rows", True, "own[:] += Σ factor·v·row of its pixel.")
add_to_rows = _rows_instruction("add_to_rows", False, "Each row of a pixel += factor·v·own[:].")


@kernel
def fetch(samples: Nonzero, sample: int) -> None:
    """Ask for the values of a sample ahead of time: no processor can predict the next one."""
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
    starts, pixels, values = samples
    base, registers = z[0], w.shape[1] // LANES
    base[:] = f32(0)
    for k in range(len(offset)):
        for j in range(w.shape[1]):
            base[j] += offset[k] * w[k, j]
    for i in range(1, len(index)):
        z[i] = base
    for i in range(len(index)):
        if i + AHEAD < len(index):
            fetch(samples, index[i + AHEAD])
        first, end = starts[index[i]], starts[index[i] + 1]
        for panel in range(0, registers, REGISTERS):
            count, place = min(REGISTERS, registers - panel), 4 * LANES * panel
            own = z.ctypes.data + i * z.strides[0] + place
            rows = w.ctypes.data + place
            add_rows(own, count, values, pixels, first, end, factor, rows, w.strides[0])


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
    starts, pixels, values = samples
    registers = gradient.shape[1] // LANES
    for k in range(len(offset)):
        for j in range(gradient.shape[1]):
            gradient[k, j] = offset[k] * total[j]
    for i in range(len(index)):
        first, end = starts[index[i]], starts[index[i] + 1]
        for panel in range(0, registers, REGISTERS):
            count, place = min(REGISTERS, registers - panel), 4 * LANES * panel
            own = delta.ctypes.data + i * delta.strides[0] + place
            rows = gradient.ctypes.data + place
            row_bytes = gradient.strides[0]
            add_to_rows(own, count, values, pixels, first, end, factor, rows, row_bytes)
