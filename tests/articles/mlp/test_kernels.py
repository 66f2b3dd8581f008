"""Compiled kernels against plain equations in float64, at their edges, and how threads meet."""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba", reason="Numba is not installed: pip install 'mlpperf[compiled]'")

from mlpperf.articles.mlp import kernels
from mlpperf.articles.mlp.equations import ACTIVATIONS, LOSSES, Array
from mlpperf.articles.mlp.meetings import meet, now, system
from mlpperf.articles.mlp.nonzero import gradient_nonzero, multiply_nonzero, nonzero, nothing
from mlpperf.articles.mlp.threads import ACTIVATIONS as CODES
from mlpperf.articles.mlp.threads import LOSSES as LOSS_CODES
from mlpperf.compiled import Kernel, kernel

EPS = float(np.finfo(np.float32).eps)
TINY = float(np.finfo(np.float32).tiny)


@kernel
def each_exponential(x: Array, out: Array) -> None:
    """e^x of every element."""
    for i in range(x.size):
        out[i] = kernels.exponential(x[i])


@kernel
def each_logarithm(x: Array, out: Array) -> None:
    """Natural logarithm of every element."""
    for i in range(x.size):
        out[i] = kernels.logarithm(x[i])


@kernel
def each_logistic(x: Array, out: Array) -> None:
    """The logistic function of every element."""
    for i in range(x.size):
        out[i] = kernels.logistic(x[i])


def of_each(function: Kernel, x: Any) -> Array:
    given = np.asarray(x, dtype=np.float32)
    out = np.empty_like(given)
    function(given, out)
    return out.astype(np.float64)


# --- functions of one number ----------------------------------------------------------------------


def test_the_exponential_function() -> None:
    x = np.linspace(-87, 87, 2_000_001).astype(np.float32)
    exact = np.exp(x.astype(np.float64))
    assert (np.abs(of_each(each_exponential, x) - exact) <= 1.5 * EPS * exact).all()


def test_the_logarithm() -> None:
    powers = np.exp2(np.linspace(-125.9, 127.9, 1_000_001)).astype(np.float32)
    near_1 = np.linspace(0.5, 2, 1_000_001).astype(np.float32)
    for x in (powers, near_1, np.float32([TINY, 1, np.finfo(np.float32).max])):
        exact = np.log(x.astype(np.float64))
        assert (np.abs(of_each(each_logarithm, x) - exact) <= 1.5 * EPS * np.abs(exact)).all()


def test_the_logistic_function_keeps_the_digits_of_what_is_small() -> None:
    z = np.linspace(-86, 100, 1_000_001).astype(np.float32)
    exact = 1 / (1 + np.exp(-z.astype(np.float64)))
    assert (np.abs(of_each(each_logistic, z) - exact) <= 2 * EPS * exact).all()


def test_what_is_out_of_range_and_what_is_no_number() -> None:
    x = [-np.inf, -1e9, -88, 88.5, 1e9, np.inf, np.nan]
    low, mid, lower, *high, none = of_each(each_exponential, x)
    assert low == mid == lower == pytest.approx(np.exp(-87), rel=2 * EPS)
    assert high == [np.inf] * 3
    assert np.isnan(none)
    low, zero, below, one, none = of_each(each_logarithm, [-1, 0, 1e-45, 1, np.nan])
    assert low == zero == below == pytest.approx(np.log(TINY))
    assert one == 0
    assert np.isnan(none)
    low, lower, zero, *high, none = of_each(
        each_logistic, [-np.inf, -89, 0, 30, 89, np.inf, np.nan]
    )
    assert (low, lower, zero, high) == (0, 0, 0.5, [1, 1, 1])
    assert np.isnan(none)


# --- kernels of a layer ---------------------------------------------------------------------------


def drawn(*shape: int) -> Array:
    return np.random.default_rng(sum(shape)).normal(0, 3, shape).astype(np.float32)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("samples", [0, 1, 3, 50])
def test_gather(dtype: type, samples: int) -> None:
    x = np.random.default_rng(0).integers(0, 256, (40, 13)).astype(dtype)
    index = np.random.default_rng(1).integers(0, 40, samples)
    factor, offset, rows = drawn(13), drawn(13), np.full((samples, 16), 7, np.float32)
    kernels.gather(x, index, factor, offset, rows)
    exact = x[index].astype(np.float64) * factor + offset
    np.testing.assert_allclose(rows[:, :13], exact, rtol=2 * EPS, atol=2 * EPS * 256 * 10)
    assert (rows[:, 13:] == 7).all()  # what fills the rows up is not touched


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activate_and_chain(name: str) -> None:
    z, bias, delta = drawn(17, 9), drawn(9), drawn(17, 10)[:, :9].copy()
    exact = ACTIVATIONS[name].of((z + bias).astype(np.float64))
    kernels.activate(z, bias, 7, CODES[name])
    np.testing.assert_allclose(z[:, :7], exact[:, :7], rtol=4 * EPS, atol=4 * EPS)
    assert (z[:, 7:] == 0).all()
    chained = delta * ACTIVATIONS[name].derivative_from_activation(z.astype(np.float64))
    sums = np.ones(9, np.float32)
    kernels.chain(delta, z, CODES[name], sums)
    np.testing.assert_allclose(delta, chained, rtol=4 * EPS, atol=4 * EPS)
    np.testing.assert_allclose(sums, 1 + chained.sum(axis=0), rtol=1e-5, atol=1e-5)


def measured(z: Array, bias: Array, labels: Array, loss: str) -> tuple[float, float, Array, Array]:
    delta, sums = np.empty_like(z), np.zeros(z.shape[1], np.float32)
    total, error = kernels.output(z.copy(), bias, labels, LOSS_CODES[loss], delta, sums)
    return total, error, delta, sums


@pytest.mark.parametrize("name", LOSSES)
def test_output(name: str) -> None:
    z, bias, labels = drawn(31, 10), drawn(10), np.arange(31) % 10
    total, error, delta, sums = measured(z, bias, labels, name)
    a, y = 1 / (1 + np.exp(-(z + bias).astype(np.float64))), np.eye(10)[labels]
    assert total == pytest.approx(float(LOSSES[name].of(a, y)), rel=1e-6)
    assert error == pytest.approx(np.abs(a - y).sum(), rel=1e-6)
    exact = LOSSES[name].delta(a, y)
    np.testing.assert_allclose(delta, exact, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(sums, exact.sum(axis=0), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_a_saturated_output_is_finite_and_what_is_no_number_stays_so(name: str) -> None:
    labels, bias = np.array([0]), np.zeros(3, np.float32)
    for size in (30.0, 88.5, 1e4, np.inf):
        for sign in (1, -1):
            z = np.float32([[sign * size, -size, size]])
            results = measured(z, bias, labels, name)
            assert all(np.isfinite(part).all() for part in results)
    confident = measured(np.float32([[30, -30, -30]]), bias, labels, "log")[0]
    assert confident == pytest.approx(3 * np.exp(-30), rel=0.1)  # not rounded to nothing
    total, error, *_ = measured(np.float32([[0, np.nan, 0]]), bias, labels, name)
    assert np.isnan(total)
    assert np.isnan(error)


@pytest.mark.parametrize(("l1", "l2"), [(0, 0), (0.02, 0), (0, 0.05), (0.02, 0.05)])
def test_descend(l1: float, l2: float) -> None:
    w, momentum, gradient = drawn(101), drawn(102)[:101].copy(), drawn(103)[:101].copy()
    w[:2] = 0, -0.0
    step = 0.1 * (gradient + l2 * w + l1 * np.sign(w)).astype(np.float64)
    new, penalty = w - (step + 0.5 * momentum), 0.5 * l2 * (w**2).sum() + l1 * np.abs(w).sum()
    got = kernels.descend(w, momentum, gradient, *map(np.float32, (0.1, l1, l2, 0.5)))
    np.testing.assert_allclose(momentum, step, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(w, new, rtol=1e-6, atol=1e-6)
    assert got == pytest.approx(penalty, rel=1e-5)


# --- what is not 0 --------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("width", [8, 24, 104])  # 1, 3, and 13 registers
def test_products_of_what_is_not_0(dtype: type, width: int) -> None:
    rng = np.random.default_rng(width)
    x = rng.integers(1, 9, (40, 13)).astype(dtype)
    x[rng.random(x.shape) < rng.random(40)[:, None]] = 0  # samples of 0 to 13 values
    x[3], x[4] = 0, 1
    sparse, index = nonzero(x), rng.permutation(40)[:25]
    assert len(sparse.values) == np.count_nonzero(x)
    assert {0, 1, 13} <= set(np.diff(sparse.starts).tolist())
    factor, offset, w, delta = drawn(13), drawn(13), drawn(13, width), drawn(25, width)
    scaled = x[index].astype(np.float64) * factor + offset
    z, gradient = np.full((25, width), 7, np.float32), np.full((13, width), 7, np.float32)
    multiply_nonzero(sparse, index, factor, offset, w, z)
    np.testing.assert_allclose(z, scaled @ w, rtol=1e-4, atol=1e-4)
    gradient_nonzero(sparse, index, factor, offset, delta, delta.sum(axis=0), gradient)
    np.testing.assert_allclose(gradient, scaled.T @ delta, rtol=1e-4, atol=1e-3)


def test_nothing_is_kept_of_samples_that_are_multiplied_whole() -> None:
    empty = nothing(np.uint8)
    assert [len(part) for part in empty] == [0, 0, 0]
    assert [part.dtype for part in empty] == [part.dtype for part in nonzero(np.eye(3, dtype="B"))]


# --- meetings -------------------------------------------------------------------------------------


@kernel
def counted(me: int, rounds: int, values: Array, meetings: Array, system: Any) -> int:
    """How often a thread saw another count than its own where all had met."""
    wrong = 0
    for i in range(rounds):
        values[me, 0] = i
        meet(me, 2 * i + 1, meetings, system)
        for other in range(len(values)):
            wrong += values[other, 0] != i
        meet(me, 2 * i + 2, meetings, system)
    return wrong


@kernel
def counted_without(me: int, rounds: int, values: Array, meetings: Array, system: Any) -> int:
    """The same where nobody waits for anybody."""
    wrong = 0
    for i in range(rounds):
        values[me, 0] = i
        for other in range(len(values)):
            wrong += values[other, 0] != i
    return wrong


@pytest.mark.parametrize(("work", "orderly"), [(counted, True), (counted_without, False)])
def test_threads_that_meet_see_what_the_others_wrote(
    work: Callable[..., int], orderly: bool
) -> None:
    values, meetings, seen = np.full((3, 8), -1), np.zeros((3, 8), np.int64), []

    def run(me: int) -> None:
        seen.append(work(me, 5000, values, meetings, system()))

    threads = [threading.Thread(target=run, args=(me,)) for me in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 3
    assert (sum(seen) == 0) is orderly


def test_the_clock_goes_on_in_nanoseconds() -> None:
    time, clock = np.zeros(2, np.int64), system()
    first = now(time, clock)
    second = now(time, clock)
    assert 0 <= second - first < 60e9
    assert time.any()
