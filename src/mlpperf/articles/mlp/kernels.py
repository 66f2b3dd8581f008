"""Kernels of one pass each, which Numba compiles: for the pages of hot paths and for the last rung.

NumPy goes over an array once for every operation; here all that happens to an element happens while
it is in a register. `exp` and `log` are polynomials of our own, because those of the C library work
on one number at a time, which keeps a loop from being vectorised.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...compiled import kernel, prefetch, summing_kernel
from ...errors import MlpperfError
from .equations import Array

Scalar = Any  # a number in float32
f32, i32 = np.float32, np.int32
ZERO, HALF, ONE = f32(0), f32(0.5), f32(1)
# Where |x| is no larger, neither e^x nor 1/(1+e^x) overflows or loses digits; from 89 on, e^x is
# more than float32 holds.
LARGEST, INFINITE = f32(87), f32(89)
TINY = np.finfo(f32).tiny
PER_LN2 = f32(1 / math.log(2))
# ln 2 in two parts: the first has so few digits that its products with whole numbers are exact.
LN2_HIGH, LN2_LOW = f32(0.693359375), f32(math.log(2) - 0.693359375)
SQRT_2 = f32(math.sqrt(2))
# (e^r − 1 − r)/r² for |r| ≤ ½·ln 2 and (ln(1+t) − t)/t² for √½ ≤ 1+t ≤ √2, interpolated at
# Chebyshev's points, from the constant term on.
EXP = tuple(map(f32, (0.5, 0.16666577, 0.041666556, 0.008363173, 0.0013926176)))
LOG = tuple(
    map(
        f32,
        (
            -0.49999997,
            0.33333671,
            -0.25001148,
            0.1997205,
            -0.16588489,
            0.14834787,
            -0.14159647,
            0.08787266,
        ),
    )
)


def require_float32(name: str, *arrays: Array) -> None:
    """Raise `MlpperfError` for an array of another type: `name` computes in float32."""
    for array in arrays:
        if array.dtype != np.float32:
            raise MlpperfError(f"{name} computes in float32; it was given {array.dtype}.")


@kernel
def exponential(x: Scalar) -> Scalar:
    """e^x in float32, for |x| ≤ 87 within some units of its last digit; NaN stays NaN.

    Below that it stays where it is, and from about 88.4 on it is infinity.
    """
    x = min(max(x, -LARGEST), INFINITE)
    n = np.floor(x * PER_LN2 + HALF)
    r = (x - n * LN2_HIGH) - n * LN2_LOW
    p = EXP[0] + r * (EXP[1] + r * (EXP[2] + r * (EXP[3] + r * EXP[4])))
    power = i32((i32(n) + i32(127)) << i32(23)).view(f32)  # 2^n: its exponent is n + 127
    return (ONE + (r + r * r * p)) * power


@kernel
def exponent(x: Scalar) -> Scalar:
    """The whole number n of x = m·2^n with 1 ≤ m < 2, for a normal number above 0."""
    return (f32(x).view(i32) >> i32(23)) - i32(127)


@kernel
def mantissa(x: Scalar) -> Scalar:
    """The m of x = m·2^n with 1 ≤ m < 2, for a normal number above 0."""
    return i32((f32(x).view(i32) & i32(0x7FFFFF)) | i32(0x3F800000)).view(f32)


@kernel
def logarithm(x: Scalar) -> Scalar:
    """Natural logarithm in float32; below the smallest normal number x counts as that.

    NaN stays NaN.
    """
    if x != x:
        return x
    x = max(x, TINY)
    m, n = mantissa(x), f32(exponent(x))
    if m > SQRT_2:
        m, n = m * HALF, n + ONE
    t = m - ONE
    p = LOG[4] + t * (LOG[5] + t * (LOG[6] + t * LOG[7]))
    p = LOG[0] + t * (LOG[1] + t * (LOG[2] + t * (LOG[3] + t * p)))
    return n * LN2_HIGH + (n * LN2_LOW + (t + t * t * p))


@kernel
def logistic(z: Scalar) -> Scalar:
    """σ(z) = 1/(1 + e^−z), within some units of its last digit however small it is."""
    return ONE / (ONE + exponential(-z))


# Samples whose bytes are asked for ahead of the one that is worked on. With 3 and more of them,
# random rows of MNIST are gathered almost as quickly as if they were in the cache.
AHEAD = 4
CACHE_LINE = 64  # bytes


@kernel
def gather(x: Array, index: Array, factor: Array, offset: Array, rows: Array) -> None:
    """Rows (B, n) ← factor·x + offset for the samples `index` of x (samples, n), bytes or floats.

    No processor can predict where the next row of a random batch lies, so it is prefetched.
    """
    start, row_bytes = x.ctypes.data, x.strides[0]
    for i in range(len(index)):
        if i + AHEAD < len(index):
            row = start + index[i + AHEAD] * row_bytes
            for place in range(row, row + row_bytes, CACHE_LINE):
                prefetch(place)
        sample = index[i]
        for j in range(x.shape[1]):
            rows[i, j] = f32(x[sample, j]) * factor[j] + offset[j]


SIGMOID, TANH, RELU = range(3)
LOG_LOSS, SQUARES = range(2)


@kernel
def activate(z: Array, bias: Array, nodes: int, activation: int) -> None:
    """Z (B, n) becomes f(Z + b); what fills the layer up beyond `nodes` becomes 0."""
    for i in range(len(z)):
        if activation == SIGMOID:
            for j in range(z.shape[1]):
                z[i, j] = logistic(z[i, j] + bias[j])
        elif activation == TANH:  # 2·σ(2·z) − 1
            for j in range(z.shape[1]):
                z[i, j] = (logistic((z[i, j] + bias[j]) * f32(2)) - HALF) * f32(2)
        else:
            for j in range(z.shape[1]):
                z[i, j] = max(z[i, j] + bias[j], ZERO)
        for j in range(nodes, z.shape[1]):
            z[i, j] = ZERO


@kernel
def chain(delta: Array, a: Array, activation: int, bias_gradient: Array) -> None:
    """δ (B, n) becomes δ ∘ f'(A); its sum over the samples is added to `bias_gradient` (n,)."""
    for i in range(len(delta)):
        for j in range(delta.shape[1]):
            value = a[i, j]
            if activation == SIGMOID:
                slope = value * (ONE - value)
            elif activation == TANH:
                slope = ONE - value * value
            else:
                slope = ONE if value > ZERO else ZERO
            d = delta[i, j] * slope
            delta[i, j] = d
            bias_gradient[j] += d


@summing_kernel
def output(
    z: Array, bias: Array, labels: Array, loss: int, delta: Array, bias_gradient: Array
) -> tuple[Scalar, Scalar]:
    """Loss and Σ|Y − A| of A = σ(Z + b), (B, n), δ = ∂loss/∂Z, and the sum of δ over samples.

    With the sign of z changed at the label, σ(z) is everywhere what is wrong with A: its distance
    from Y, exact however small it is. And 1 − σ(z) is what the log loss takes the logarithm of.
    """
    for i in range(len(z)):
        for j in range(z.shape[1]):
            z[i, j] += bias[j]
        z[i, labels[i]] = -z[i, labels[i]]
    every, wrong = z.ravel(), delta.ravel()
    total = error = ZERO
    if loss == LOG_LOSS:
        for i in range(every.size):
            e = exponential(min(every[i], LARGEST))
            right = ONE / (ONE + e)
            wrong[i] = e * right
            error += wrong[i]
            total -= logarithm(right)
    else:
        for i in range(every.size):
            e = exponential(min(every[i], LARGEST))
            right = ONE / (ONE + e)
            off = e * right
            error += off
            total += HALF * off * off
            wrong[i] = off * off * right  # (A − Y)·A·(1 − A), but for its sign
    for i in range(len(z)):
        delta[i, labels[i]] = -delta[i, labels[i]]
        for j in range(z.shape[1]):
            bias_gradient[j] += delta[i, j]
    return total, error


@summing_kernel
def descend(
    w: Array, momentum: Array, gradient: Array, rate: Scalar, l1: Scalar, l2: Scalar, share: Scalar
) -> Scalar:
    """W ← W − (M + μ·M of before) with M ← η·(G + λ2·W + λ1·sign(W)), all in one pass.

    Gives what these weights add to the loss: ½·λ2·ΣW² + λ1·Σ|W|.
    """
    squares = sums = ZERO
    for i in range(w.size):
        value = w[i]
        sign = ONE if value > ZERO else (-ONE if value < ZERO else ZERO)
        step = rate * (gradient[i] + l2 * value + l1 * sign)
        w[i] = value - (step + share * momentum[i])
        momentum[i] = step
        squares += value * value
        sums += abs(value)
    return HALF * l2 * squares + l1 * sums
