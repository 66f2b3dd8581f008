"""Wrong variants that `verify` must refuse, each with its reason, and right ones that must pass."""

import ctypes
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.random import Generator

from mlpperf.agreement import Agreement, Arrays, WrongResultError, tolerance
from mlpperf.articles.mlp.equations import Array
from mlpperf.articles.mlp.network import NetworkCase
from mlpperf.hotpath import Args, Case, Cost, HotPath, Variant, as_given, problem, verify
from mlpperf.parallel import in_parallel

SIDE = 6
SQUARE = NetworkCase(
    SIDE, (SIDE, SIDE), "synthetic"
)  # all matrices are square: shapes hide a transpose
ODD = NetworkCase(SIDE - 1, (SIDE, SIDE), "synthetic")
L2 = 0.01


# --- a little hot path with a matrix product, a reduction over samples and whole numbers ----------


def layer(w: Array, x: Array, delta: Array) -> Arrays:
    """Weighted input, its weights' gradient with the L2 term, and every sample's class.

    W (m, n + 1) with the bias in column 0, samples x (B, n), δ (m, B).
    """
    z = w[:, 1:] @ x.T + w[:, :1]  # (m, B)
    gradient = delta @ x + L2 * w[:, 1:]  # (m, n)
    return z, gradient, delta.argmax(axis=0)


def layer_inputs(case: Case, rng: Generator) -> Args:
    n, m = case.layers
    shapes = (m, n + 1), (case.batch, n), (m, case.batch)
    return tuple(rng.standard_normal(shape, dtype=np.float32) for shape in shapes)


def layer_cost(case: Case) -> Cost:
    return Cost(bytes=1, depth=max(case.batch, case.layers[0]) + 2)


LAYER = HotPath("layer", "A layer.", layer, (), layer_inputs, cases=(SQUARE, ODD), cost=layer_cost)


def documented(fn: Callable[..., Any], name: str) -> Callable[..., Any]:
    """A function of our own for a variant, so that the name and the docstring are its own."""

    def wrapped(*args: Any) -> Any:
        return fn(*args)

    wrapped.__name__, wrapped.__doc__ = name, name
    return wrapped


def variant(
    fn: Callable[..., Any],
    agreement: Agreement = Agreement.REASSOCIATED,
    prepare: Callable[..., Args] = as_given,
) -> Variant:
    return Variant(documented(fn, "under_test"), agreement, prepare)


def refused(path: HotPath, wrong: Variant, case: Case, *fragments: str) -> None:
    with pytest.raises(WrongResultError) as caught:
        verify(path, wrong, case)
    message = str(caught.value)
    assert message.startswith(f"{path.name}/{wrong.name}/{case.name} is wrong: ")
    for fragment in fragments:
        assert fragment in message


def altered(position: int, change: Callable[[Array], Any]) -> Callable[..., Any]:
    """`layer` with one of its outputs changed."""

    def wrong(*args: Array) -> Any:
        outputs = list(layer(*args))
        outputs[position] = change(outputs[position])
        return tuple(outputs)

    return wrong


def with_element(value: float) -> Callable[[Array], Array]:
    def change(array: Array) -> Array:
        array[2, 3] = value
        return array

    return change


# --- the form of what is returned -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "fragment"),
    [
        (lambda *a: layer(*a)[:2], "returned 2 outputs instead of a tuple of 3"),
        (lambda *a: (*layer(*a), a[0]), "returned 4 outputs instead of a tuple of 3"),
        (lambda *a: layer(*a)[0], "returned a ndarray instead of a tuple of 3"),
        (lambda *a: list(layer(*a)), "returned a list instead of a tuple of 3"),
        (lambda *a: None, "returned a NoneType instead of a tuple of 3"),
        (altered(0, np.ndarray.tolist), "output 0 is a list instead of an array"),
        (altered(1, lambda g: float(g.sum())), "output 1 is a float instead of an array"),
        (altered(0, lambda z: z[:, :-1]), "output 0 is float32 (6, 5) instead of float32 (6, 6)"),
        (altered(0, lambda z: z[None]), "(1, 6, 6) instead of float32 (6, 6)"),
        # These two would broadcast against the reference without a word.
        (altered(1, lambda g: g[:, :1]), "output 1 is float32 (6, 1) instead of float32 (6, 6)"),
        (altered(1, lambda g: g.sum()), "output 1 is float32 () instead of float32 (6, 6)"),
        (altered(0, lambda z: z.astype(np.float64)), "output 0 is float64 (6, 6) instead of flo"),
        (altered(2, lambda k: k.astype(np.int32)), "output 2 is int32 (6,) instead of int64 (6,)"),
    ],
    ids=[
        "short-tuple",
        "extra-output",
        "bare-array",
        "list-of-arrays",
        "nothing",
        "list-for-array",
        "python-float",
        "wrong-shape",
        "one-axis-more",
        "one-column",
        "scalar",
        "float64-for-float32",
        "int32-for-int64",
    ],
)
def test_a_wrong_form_is_refused(wrong: Callable[..., Any], fragment: str) -> None:
    refused(LAYER, variant(wrong), SQUARE, fragment, "in the first call")


# --- values ---------------------------------------------------------------------------------------


def last_sample_ignored(w: Array, x: Array, delta: Array) -> Arrays:
    z, _, classes = layer(w, x, delta)
    return z, delta[:, :-1] @ x[:-1] + L2 * w[:, 1:], classes


def first_sample_twice(w: Array, x: Array, delta: Array) -> Arrays:
    z, gradient, classes = layer(w, x, delta)
    return z, gradient + np.outer(delta[:, 0], x[0]), classes


def bias_dropped(w: Array, x: Array, delta: Array) -> Arrays:
    return w[:, 1:] @ x.T, *layer(w, x, delta)[1:]


def bias_of_the_neighbour(w: Array, x: Array, delta: Array) -> Arrays:
    z, *rest = layer(w, x, delta)
    return z - w[:, :1] + np.roll(w[:, :1], 1, axis=0), *rest


def regularisation_missing(w: Array, x: Array, delta: Array) -> Arrays:
    z, _, classes = layer(w, x, delta)
    return z, delta @ x, classes


def float16_inside(w: Array, x: Array, delta: Array) -> Arrays:
    halves = [array.astype(np.float16) for array in (w, x, delta)]
    z, gradient, classes = layer(*halves)
    return z.astype(np.float32), gradient.astype(np.float32), classes


def ten_tolerances_off(w: Array, x: Array, delta: Array) -> Arrays:
    z, *rest = layer(w, x, delta)
    allowed = tolerance(z, Agreement.REASSOCIATED, layer_cost(SQUARE).depth)
    return z * np.float32(1 + 10 * allowed), *rest


WRONG_VALUES = [
    (altered(0, with_element(np.nan)), "output 0 holds NaN or infinity"),
    (altered(1, with_element(np.inf)), "output 1 holds NaN or infinity"),
    (altered(1, with_element(-np.inf)), "output 1 holds NaN or infinity"),
    (altered(1, with_element(3e38)), "output 1 is off by"),
    (altered(0, np.transpose), "output 0 is off by"),
    (altered(0, lambda z: z[:, ::-1]), "output 0 is off by"),
    (altered(0, np.negative), "output 0 is off by 2 of"),
    (altered(0, np.zeros_like), "output 0 is off by 1 of"),
    (altered(2, lambda k: (k + 1) % SIDE), "output 2 differs, and whole numbers must not"),
    (lambda *a: layer(*a)[1::-1] + layer(*a)[2:], "output 0 is off by"),
    (last_sample_ignored, "output 1 is off by"),
    (first_sample_twice, "output 1 is off by"),
    (bias_dropped, "output 0 is off by"),
    (bias_of_the_neighbour, "output 0 is off by"),
    (regularisation_missing, "output 1 is off by"),
    (float16_inside, "output 0 is off by"),
    (ten_tolerances_off, "output 0 is off by"),
]


@pytest.mark.parametrize(
    ("wrong", "fragment"),
    WRONG_VALUES,
    ids=[
        "NaN-in-one-element",
        "infinity",
        "minus-infinity",
        "huge",
        "transposed",
        "samples-reversed",
        "sign",
        "zeros",
        "whole-number",
        "outputs-swapped",
        "last-sample-ignored",
        "first-sample-twice",
        "bias-dropped",
        "bias-of-the-neighbour",
        "regularisation-missing",
        "float16-inside",
        "ten-tolerances-off",
    ],
)
def test_a_wrong_value_is_refused(wrong: Callable[..., Any], fragment: str) -> None:
    refused(LAYER, variant(wrong), SQUARE, fragment, "in the first call")


def test_every_element_counts() -> None:
    for element in np.ndindex(SIDE, SIDE):
        unit = np.zeros((SIDE, SIDE), dtype=np.float32)
        unit[element] = 1
        refused(LAYER, variant(altered(0, unit.__add__)), SQUARE, "output 0 is off by")


@pytest.mark.parametrize("agreement", [Agreement.REASSOCIATED, Agreement.FLOAT32])
def test_a_small_error_is_reported_with_its_size_its_tolerance_and_the_agreement(
    agreement: Agreement,
) -> None:
    wrong = variant(altered(0, lambda z: z * np.float32(1.25)), agreement)
    refused(LAYER, wrong, SQUARE, "off by 0.25 of its largest element", agreement.value)


def test_one_last_bit_is_refused_where_identity_is_claimed() -> None:
    def next_number(z: Array) -> Array:
        z[2, 3] = np.nextafter(z[2, 3], np.float32(9))
        return z

    one_bit_off = altered(0, next_number)
    refused(LAYER, variant(one_bit_off, Agreement.IDENTICAL), SQUARE, "tolerance 0 (same operati")
    assert verify(LAYER, variant(one_bit_off), SQUARE).used < 1  # and is not, where rounding may be


def right_for_even_batches(w: Array, x: Array, delta: Array) -> Arrays:
    """Two samples at a time, as unrolled loops do; what is left over is forgotten."""
    pairs = len(x) // 2 * 2
    return last_sample_ignored(w, x, delta) if pairs < len(x) else layer(w, x, delta)


def test_wrong_for_a_short_last_batch_only() -> None:
    wrong = variant(right_for_even_batches)
    passed, failed = LAYER.cases
    assert verify(LAYER, wrong, passed).used < 1
    refused(LAYER, wrong, failed, "output 1 is off by")


# --- the second call ------------------------------------------------------------------------------


def accumulating_workspace() -> Callable[..., Any]:
    sums: dict[str, Array] = {}

    def wrong(w: Array, x: Array, delta: Array) -> Arrays:
        z, gradient, classes = layer(w, x, delta)
        total = sums.setdefault("gradient", np.zeros_like(gradient))
        total += gradient  # never set to zero
        return z, total.copy(), classes

    return wrong


def memoised() -> Callable[..., Any]:
    results: list[Arrays] = []

    def wrong(*args: Array) -> Arrays:
        results.append(results[0] if results else layer(*args))
        return results[0]

    return wrong


def memoised_whole_numbers() -> Callable[..., Any]:
    results: list[Array] = []

    def wrong(*args: Array) -> Arrays:
        z, gradient, classes = layer(*args)
        results.append(results[0] if results else classes)
        return z, gradient, results[0]

    return wrong


def different_every_time() -> Callable[..., Any]:
    rng = np.random.default_rng(0)
    calls: list[int] = []

    def wrong(*args: Array) -> Arrays:
        z, *rest = layer(*args)
        calls.append(0)
        return (z + rng.standard_normal(z.shape, dtype=z.dtype) if len(calls) > 1 else z), *rest

    return wrong


@pytest.mark.parametrize(
    ("make", "fragment"),
    [
        (accumulating_workspace, "output 1 is off by"),
        (memoised, "output 0 holds NaN"),
        (memoised_whole_numbers, "output 2 differs"),
        (different_every_time, "output 0 is off by"),
    ],
)
def test_a_second_call_that_gives_something_else(
    make: Callable[[], Callable[..., Any]], fragment: str
) -> None:
    refused(LAYER, variant(make()), SQUARE, fragment, "in the second call")


def test_what_prepare_computed_is_not_a_result() -> None:
    wrong = variant(lambda *results: results, prepare=layer)
    refused(LAYER, wrong, SQUARE, "output 0 holds NaN", "in the second call")


# --- inputs ---------------------------------------------------------------------------------------


def add_to_element(array: Array, i: int, what: float) -> None:
    """Past NumPy: C and Fortran code sees an address and no read-only flag."""
    kind = {np.dtype(np.float32): ctypes.c_float, np.dtype(np.int64): ctypes.c_int64}[array.dtype]
    kind.from_address(array.ctypes.data + i * array.itemsize).value += what


def scaled_in_place(w: Array, x: Array, delta: Array) -> Arrays:
    x *= 2
    return layer(w, x / 2, delta)


def test_an_input_written_to() -> None:
    refused(LAYER, variant(scaled_in_place), SQUARE, "raised ValueError", "read-only")


@pytest.mark.parametrize("position", [0, 1, 2])
@pytest.mark.parametrize("element", [0, 7, 29])
def test_an_input_changed_behind_numpy_is_seen_even_if_no_result_is(
    position: int, element: int
) -> None:
    def with_copies(*args: Array) -> Args:
        return tuple(a.copy() for a in args), args[position]

    def wrong(copies: Arrays, original: Array) -> Arrays:
        add_to_element(original, element, 1.0)
        return layer(*copies)

    refused(LAYER, variant(wrong, prepare=with_copies), SQUARE, "changed an input")


def test_an_input_changed_behind_numpy_is_seen_in_the_result() -> None:
    def wrong(w: Array, x: Array, delta: Array) -> Arrays:
        outputs = layer(w, x, delta)
        add_to_element(x, 3, 1.0)
        return outputs

    refused(LAYER, variant(wrong), SQUARE, "off by", "in the second call")


def test_prepare_must_not_change_an_input_either() -> None:
    def spoiling(w: Array, x: Array, delta: Array) -> Args:
        copies = w, x.copy(), delta
        add_to_element(x, 0, 1.0)
        return copies

    refused(LAYER, variant(layer, prepare=spoiling), SQUARE, "changed an input")


def test_inputs_are_drawn_anew_after_one_was_spoilt() -> None:
    before = problem(LAYER, SQUARE).inputs[1].copy()
    test_an_input_changed_behind_numpy_is_seen_in_the_result()
    assert np.array_equal(problem(LAYER, SQUARE).inputs[1], before)
    assert verify(LAYER, variant(layer, Agreement.IDENTICAL), SQUARE).error == 0


def histogram(index: Array, x: Array) -> Arrays:
    """How often every class occurs, and the sum of all values."""
    return np.bincount(index), x.sum(keepdims=True)


def histogram_inputs(case: Case, rng: Generator) -> Args:
    return rng.permutation(case.batch) % 3, np.ones(case.batch)


HISTOGRAM = HotPath(
    "histogram",
    "Class counts.",
    histogram,
    (),
    histogram_inputs,
    cases=(SQUARE,),
    cost=lambda case: Cost(bytes=1, depth=case.batch),
)


def test_an_input_sorted_behind_numpy() -> None:
    # In-place sorting and shuffling are what library code does to an index, and neither the
    # histogram nor any sum over the bytes can tell.
    def wrong(index: Array, x: Array) -> Arrays:
        ordered = np.sort(index)
        ctypes.memmove(index.ctypes.data, ordered.ctypes.data, ordered.nbytes)
        return histogram(index, x)

    assert np.any(np.diff(problem(HISTOGRAM, SQUARE).inputs[0]) < 0)  # there is something to sort
    refused(HISTOGRAM, variant(wrong), SQUARE, "changed an input")


# --- floating-point alarms and exceptions ---------------------------------------------------------


def sigmoid(z: Array) -> Arrays:
    """σ(z) by tanh, which cannot overflow."""
    return (0.5 * np.tanh(0.5 * z) + np.float32(0.5),)


def by_exp(z: Array) -> Arrays:
    return (1 / (1 + np.exp(-z)),)  # overflows for z < −88, and the result is right all the same


def saturated_inputs(case: Case, rng: Generator) -> Args:
    return (np.linspace(-300, 300, 30 * case.batch, dtype=np.float32).reshape(-1, 5),)


SATURATED = HotPath(
    "saturated",
    "Saturated sigmoid.",
    sigmoid,
    (),
    saturated_inputs,
    cases=(SQUARE,),
    cost=lambda case: Cost(bytes=1, depth=4),
)


def test_an_overflow_inside() -> None:
    refused(SATURATED, variant(by_exp), SQUARE, "raised FloatingPointError", "overflow")


def test_an_overflow_inside_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    # The first row block overflows; with two shares it is a worker's, and there the caller's
    # floating-point settings must hold too. Outside of these tests a warning is no error.
    monkeypatch.setattr("mlpperf.parallel.threads", lambda: 2)
    monkeypatch.setattr("mlpperf.parallel.SMALL", 0)

    def wrong(z: Array) -> Arrays:
        out = np.empty_like(z)
        in_parallel(lambda rows, target: np.copyto(target, *by_exp(rows)), z, out)
        return (out,)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        refused(SATURATED, variant(wrong), SQUARE, "raised FloatingPointError", "overflow")


@pytest.mark.parametrize(
    ("operation", "fragment"),
    [
        (lambda z: np.log(z - z), "divide by zero"),
        (lambda z: np.sqrt(-np.abs(z)), "invalid value"),
    ],
)
def test_other_alarms_inside_whose_result_is_thrown_away(
    operation: Callable[[Array], Array], fragment: str
) -> None:
    def wrong(z: Array) -> Arrays:
        operation(z)
        return sigmoid(z)

    refused(SATURATED, variant(wrong), SQUARE, "raised FloatingPointError", fragment)


def test_an_exception() -> None:
    def wrong(*args: Array) -> Arrays:
        raise IndexError("sample 7 does not exist")

    refused(LAYER, variant(wrong), SQUARE, "raised IndexError('sample 7 does not exist')")


def test_an_exception_in_prepare() -> None:
    def failing(*args: Array) -> Args:
        raise MemoryError("no room for a buffer")

    refused(LAYER, variant(layer, prepare=failing), SQUARE, "raised MemoryError('no room")


def test_an_exception_in_the_second_call() -> None:
    calls: list[int] = []

    def wrong(*args: Array) -> Arrays:
        calls.append(0)
        if len(calls) == 2:
            raise RuntimeError("the buffer was handed back")
        return layer(*args)

    refused(LAYER, variant(wrong), SQUARE, "raised RuntimeError('the buffer was handed back')")


# --- paths that update their arguments ------------------------------------------------------------


def update(w: Array, g: Array) -> Arrays:
    """W −= 0.1·G, in place."""
    w -= np.float32(0.1) * g
    return (w,)


UPDATE = HotPath(
    "update",
    "Weight update.",
    update,
    (),
    lambda case, rng: tuple(rng.standard_normal((2, SIDE, SIDE), dtype=np.float32)),
    cases=(SQUARE,),
    cost=lambda case: Cost(bytes=1, depth=2),
    updates=(0,),
)


def gradient_scaled_too(w: Array, g: Array) -> Arrays:
    g *= np.float32(0.1)
    w -= g
    return (w,)


def own_copy_updated(w: Array, g: Array, state: Array) -> Arrays:
    state -= np.float32(0.1) * g
    return (state.copy(),)


def test_only_the_arguments_named_in_updates_may_change() -> None:
    refused(UPDATE, variant(gradient_scaled_too), SQUARE, "raised ValueError", "read-only")


def test_the_update_applied_twice() -> None:
    wrong = variant(lambda w, g: update(*update(w, g), g))
    refused(UPDATE, wrong, SQUARE, "output 0 is off by", "in the first call")


def test_a_state_that_outlives_prepare() -> None:
    state = np.empty((SIDE, SIDE), dtype=np.float32)
    loaded: list[int] = []

    def once(w: Array, g: Array) -> Args:
        if not loaded:
            loaded.append(0)
            state[:] = w
        return w, g, state

    refused(UPDATE, variant(own_copy_updated, prepare=once), SQUARE, "in the second call")


# --- the silent twins: right variants of the same paths pass --------------------------------------


def in_place(w: Array, x: Array, delta: Array, z: Array, gradient: Array, term: Array) -> Arrays:
    np.matmul(w[:, 1:], x.T, out=z)
    z += w[:, :1]
    np.matmul(delta, x, out=gradient)
    np.multiply(w[:, 1:], L2, out=term)
    gradient += term
    return z, gradient, delta.argmax(axis=0)


def with_buffers(w: Array, x: Array, delta: Array) -> Args:
    gradient = np.empty((len(w), x.shape[1]), dtype=w.dtype)
    return w, x, delta, np.empty_like(delta), gradient, np.empty_like(gradient)


def transposed_view(w: Array, x: Array, delta: Array) -> Arrays:
    z = (x @ w[:, 1:].T + w[:, 0]).T  # F-ordered, of the right shape
    return z, (x.T @ delta.T).T + L2 * w[:, 1:], delta.T.argmax(axis=1)


def samples_one_by_one(w: Array, x: Array, delta: Array) -> Arrays:
    z = np.stack([w[:, 1:] @ row + w[:, 0] for row in x], axis=1)
    gradient = L2 * w[:, 1:]
    for row, d in zip(x, delta.T, strict=True):
        gradient = gradient + np.outer(d, row)
    return z, gradient, delta.argmax(axis=0)


def cached_buffers() -> Callable[..., Any]:
    """Stateful and right: the buffers outlive the call, their contents do not matter."""
    buffers: list[Array] = []

    def right(w: Array, x: Array, delta: Array) -> Arrays:
        buffers[:] = buffers or with_buffers(w, x, delta)[3:]
        return in_place(w, x, delta, *buffers)

    return right


RIGHT: dict[str, Callable[[], Variant]] = {
    "reference": lambda: variant(layer, Agreement.IDENTICAL),
    "buffers": lambda: variant(in_place, prepare=with_buffers),
    "transposed-view": lambda: variant(transposed_view),
    "one-by-one": lambda: variant(samples_one_by_one),
    "cached-buffers": lambda: variant(cached_buffers()),
    "F-ordered": lambda: variant(altered(0, np.asfortranarray), Agreement.IDENTICAL),
    "read-only-result": lambda: variant(
        altered(0, lambda z: np.broadcast_to(z, z.shape)), Agreement.IDENTICAL
    ),
    "copies": lambda: variant(lambda *args: layer(*(a.copy() for a in args))),
}


@pytest.mark.parametrize("case", LAYER.cases, ids=lambda case: case.name)
@pytest.mark.parametrize("make", RIGHT.values(), ids=RIGHT)
def test_a_right_variant_passes(make: Callable[[], Variant], case: Case) -> None:
    proof = verify(LAYER, make(), case)
    assert 0 <= proof.error <= proof.tolerance


def test_float32_of_a_float64_reference_passes() -> None:
    def double_inputs(case: Case, rng: Generator) -> Args:
        return tuple(a.astype(np.float64) for a in layer_inputs(case, rng))

    def cast(*args: Array) -> Args:
        return tuple(a.astype(np.float32) for a in args)

    double = replace(LAYER, inputs=double_inputs)
    proof = verify(double, variant(layer, Agreement.FLOAT32, cast), SQUARE)
    assert 0 < proof.error <= proof.tolerance
    # Without the cast the result is float64: right, and still not what was claimed.
    refused(double, variant(layer, Agreement.FLOAT32), SQUARE, "float64", "instead of float32")
    # And float32 where only another order was claimed.
    refused(double, variant(layer, prepare=cast), SQUARE, "float32", "instead of float64")


def test_a_variant_that_expects_its_overflow_passes() -> None:
    def expected_overflow(z: Array) -> Arrays:
        with np.errstate(over="ignore"):
            return by_exp(z)

    assert verify(SATURATED, variant(expected_overflow), SQUARE).used < 1


def test_an_updating_variant_passes_and_leaves_the_inputs_alone() -> None:
    def in_two_passes(w: Array, g: Array, step: Array) -> Arrays:
        np.multiply(g, 0.1, out=step)
        w -= step
        return (w,)

    before = [a.copy() for a in problem(UPDATE, SQUARE).inputs]
    right = variant(in_two_passes, prepare=lambda w, g: (w, g, np.empty_like(g)))
    assert verify(UPDATE, right, SQUARE).used < 1
    for array, copy in zip(problem(UPDATE, SQUARE).inputs, before, strict=True):
        assert np.array_equal(array, copy)


def test_a_variant_with_own_state_passes_if_prepare_sets_it_anew() -> None:
    right = variant(own_copy_updated, prepare=lambda w, g: (w, g, w.copy()))
    assert verify(UPDATE, right, SQUARE).used < 1


def test_a_threaded_variant_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlpperf.parallel.threads", lambda: 2)
    monkeypatch.setattr("mlpperf.parallel.SMALL", 0)

    def threaded(z: Array) -> Arrays:
        out = np.empty_like(z)
        in_parallel(lambda rows, target: np.copyto(target, *sigmoid(rows)), z, out)
        return (out,)

    assert verify(SATURATED, variant(threaded, Agreement.IDENTICAL), SQUARE).error == 0


def test_an_untouched_index_passes() -> None:
    right = variant(lambda index, x: histogram(np.sort(index), x), Agreement.IDENTICAL)
    assert verify(HISTOGRAM, right, SQUARE).error == 0
