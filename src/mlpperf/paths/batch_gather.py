"""Gathering a batch.

Every batch is a random set of rows of the training data. Indexing with an array of integers makes
a new array each time and takes 3 kB from a random place for each sample, because the data are
standardised float32. MNIST itself is bytes: a quarter of the traffic, if the rows are gathered as
they are and standardised after: by NumPy in four passes over the buffer, or, compiled, in one. That
loop also asks for the rows to come ahead of time, because no processor can guess which they are.

Shapes: standardised data x (n, 784), indices (B,), raw bytes (n, 784) with the mean and deviation
of every pixel (784,); result (784, B), the transposed view of the gathered rows. Indices are
checked once, when the epoch is shuffled, so `mode="clip"` loses nothing and lets NumPy write
straight into the buffer.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from ..agreement import Agreement, Arrays
from ..articles.mlp.equations import Array
from ..articles.mlp.kernels import gather
from ..articles.mlp.network import NetworkCase, batch_cases, training_set
from ..backends import NUMBA
from ..compiled import kernel
from ..hotpath import Args, Cost, HotPath, Variant
from ..parallel import in_parallel


def fancy_index_transposed(x: Array, index: Array, raw: tuple[Array, ...]) -> Arrays:
    """x[index].T: a new array for every batch."""
    return (x[index].T,)


def take_into_buffer(x: Array, index: Array, out: Array) -> Arrays:
    """The same rows into a buffer."""
    np.take(x, index, axis=0, out=out, mode="clip")
    return (out.T,)


def take_threaded(x: Array, index: Array, out: Array) -> Arrays:
    """The same with the rows shared among threads: twice as many cache misses in flight."""
    in_parallel(lambda rows, i: np.take(x, i, axis=0, out=rows, mode="clip"), out, index)
    return (out.T,)


def bytes_standardised(
    images: Array, index: Array, shift: Array, scale: Array, gathered: Array, out: Array
) -> Arrays:
    """Gather bytes, then standardise them: x = byte · (1/σ) − μ/σ for every pixel."""
    np.take(images, index, axis=0, out=gathered, mode="clip")
    np.copyto(out, gathered)
    out *= scale
    out -= shift
    return (out.T,)


@kernel
def bytes_in_one_pass(
    images: Array, index: Array, scale: Array, offset: Array, out: Array
) -> Arrays:
    """The same in one pass: a byte becomes x = byte·(1/σ) − μ/σ on its way from memory."""
    gather(images, index, scale, offset, out)
    return (out.T,)


def bytes_threaded(images: Array, index: Array, scale: Array, offset: Array, out: Array) -> Arrays:
    """The same with the samples shared among threads."""
    in_parallel(lambda rows, i: gather(images, i, scale, offset, rows), out, index)
    return (out.T,)


def with_buffer(x: Array, index: Array, raw: tuple[Array, ...]) -> Args:
    """A buffer for the rows: once per training."""
    return x, index, np.empty((len(index), x.shape[1]), dtype=x.dtype)


def with_scaling(x: Array, index: Array, raw: tuple[Array, ...]) -> Args:
    """μ/σ and 1/σ of every pixel, and buffers: once per training."""
    images, mean, deviation = raw
    scale = 1 / np.where(deviation == 0, 1, deviation)  # constant pixels become 0
    gathered = np.empty((len(index), x.shape[1]), dtype=np.uint8)
    shift = (mean * scale).astype(x.dtype)
    return images, index, shift, scale.astype(x.dtype), gathered, np.empty(gathered.shape, x.dtype)


def with_loops_compiled(x: Array, index: Array, raw: tuple[Array, ...]) -> Args:
    """1/σ and −μ/σ, a buffer, and the loop compiled or from the cache: once per training."""
    images, _, shift, scale, _, out = with_scaling(x, index, raw)
    args = images, index, scale, -shift, out
    bytes_in_one_pass.compile_for(*args)
    gather.compile_for(*args)
    return args


def inputs(case: NetworkCase, rng: Generator) -> Args:
    """The training set, standardised and as bytes, and the indices of a random batch."""
    full = training_set(case)
    index = rng.permutation(len(full.x))[: case.batch]
    return full.x, index, (full.images, full.mean, full.deviation)


def cost(case: NetworkCase) -> Cost:
    """Bytes in, float32 rows out; a product and a difference for every element."""
    elements = case.layers[0] * case.batch
    return Cost((1 + 4) * elements, depth=3, written=4 * elements)


PATH = HotPath(
    name="batch_gather",
    story=__doc__,
    reference=fancy_index_transposed,
    variants=(
        Variant(take_into_buffer, Agreement.IDENTICAL, with_buffer),
        Variant(take_threaded, Agreement.IDENTICAL, with_buffer),
        Variant(bytes_standardised, prepare=with_scaling),
        Variant(bytes_in_one_pass, prepare=with_loops_compiled, backend=NUMBA),
        Variant(bytes_threaded, prepare=with_loops_compiled, backend=NUMBA),
    ),
    inputs=inputs,
    cases=batch_cases(1, 487, 500, 20_000),
    cost=cost,
)
