"""The sigmoid.

Once the copies were gone, the sigmoid of layer L1 dominated the articles' forward pass, and they
took it for a cost that cannot be lowered. It can: `scipy.special.expit` computes one element at a
time, while NumPy's float32 `exp` and `tanh` fill whole vector registers, and
σ(z) = ½·tanh(½·z) + ½ cannot overflow. TensorFlow's sigmoid is vectorised and threaded; it pays
where the batch is large and Z is a tensor already, not where one operation is handed over to it.

NumPy goes over the array once for each operation. A loop that Numba compiles goes over it once in
all, and what happens to an element in between happens in a register. To be vectorised it needs an
exponential function that is plain arithmetic: e^x = 2^n·e^r, with a polynomial for e^r.

Shapes: Z and A are (nodes, B).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.random import Generator
from scipy.special import expit as scipy_expit

from ..agreement import Arrays
from ..articles.mlp.equations import Array
from ..articles.mlp.kernels import logistic, require_float32
from ..articles.mlp.network import NetworkCase, batch, batch_cases
from ..backends import COMPILED, CONVERTED, EAGER, FUNCTION, XLA
from ..compiled import kernel
from ..devices import tensorflow
from ..hotpath import Args, Cost, HotPath, Variant
from ..parallel import in_parallel


def expit(z: Array) -> Arrays:
    """The articles' choice: SciPy's logistic function, a new array each time."""
    return (scipy_expit(z),)


def exp_in_place(z: Array, out: Array) -> Arrays:
    """1 / (1 + exp(−z)), four vectorised passes over one buffer.

    exp overflows to infinity for z < −88 in float32; 1/∞ = 0 is then the right answer.
    """
    with np.errstate(over="ignore"):
        np.negative(z, out=out)
        np.exp(out, out=out)
        out += 1
        np.reciprocal(out, out=out)
    return (out,)


def tanh_in_place(z: Array, out: Array) -> Arrays:
    """½·tanh(½·z) + ½, four vectorised passes over one buffer; nothing can overflow."""
    np.multiply(z, 0.5, out=out)
    np.tanh(out, out=out)
    out *= 0.5
    out += 0.5
    return (out,)


def tanh_threaded(z: Array, out: Array) -> Arrays:
    """The same with the rows shared among threads: NumPy's loops release the interpreter lock."""
    in_parallel(tanh_in_place, z, out)
    return (out,)


@kernel
def one_pass(z: Array, out: Array) -> Arrays:
    """1 / (1 + e^−z), one pass over Z, with an exponential function that can be vectorised."""
    values, results = z.ravel(), out.ravel()  # one long loop is vectorised best
    for i in range(values.size):
        results[i] = logistic(values[i])
    return (out,)


def tf_sigmoid(z: Any) -> Any:
    """`tf.sigmoid`, a new tensor each time."""
    return (tensorflow().sigmoid(z),)


def with_buffer(z: Array) -> Args:
    """A buffer for A: once per training, because every batch has the same size."""
    return z, np.empty_like(z)


def with_loops_compiled(z: Array) -> Args:
    """A buffer for A, and the loop compiled or from Numba's cache: once per training.

    Z in C order, which it has in training.
    """
    require_float32(one_pass.__name__, z)
    args = with_buffer(np.ascontiguousarray(z))
    one_pass.compile_for(*args)
    return args


def inputs(case: NetworkCase, rng: Generator) -> Args:
    """Z of layer L1 for a real batch."""
    return (batch(case, rng).z[0],)


def cost(case: NetworkCase) -> Cost:
    """One array in, one out; exp or tanh, a product and a sum round one after the other.

    That one function of every element takes several times as long as its way from memory.
    """
    size = 4 * case.layers[1] * case.batch
    return Cost(2 * size, depth=4, written=size, limit="exp")


PATH = HotPath(
    name="sigmoid",
    story=__doc__,
    reference=expit,
    variants=(
        Variant(exp_in_place, prepare=with_buffer),
        Variant(tanh_in_place, prepare=with_buffer),
        Variant(tanh_threaded, prepare=with_buffer),
        *(Variant(one_pass, prepare=with_loops_compiled, backend=way) for way in COMPILED),
        *(Variant(tf_sigmoid, backend=way) for way in (EAGER, FUNCTION, XLA, CONVERTED)),
    ),
    inputs=inputs,
    cases=batch_cases(1, 487, 500, 20_000, 60_000),
    cost=cost,
)
