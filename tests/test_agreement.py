"""The derived tolerance, the comparison that applies it, fingerprints and poison."""

import math
from collections import namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from mlpperf.agreement import (
    FALSE_ALARM,
    Agreement,
    Proof,
    WrongResultError,
    arrays_in,
    compare,
    fingerprint,
    opaque_in,
    poison,
    tolerance,
)
from mlpperf.articles.mlp.equations import Array
from mlpperf.errors import MlpperfError

IDENTICAL, REASSOCIATED, FLOAT32 = (
    Agreement.IDENTICAL,
    Agreement.REASSOCIATED,
    Agreement.FLOAT32,
)
DEPTHS = (1, 2, 10, 100, 785, 5000, 20_000)


# --- tolerance ------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 7, 5000])
@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize(
    ("dtype", "agreement", "unit_roundoff"),
    [
        (np.float64, REASSOCIATED, 2.0**-53),
        (np.float32, REASSOCIATED, 2.0**-24),
        (np.float64, FLOAT32, 2.0**-24),
        (np.float32, FLOAT32, 2.0**-24),
    ],
)
def test_the_tolerance_is_the_derived_formula(
    dtype: type, agreement: Agreement, unit_roundoff: float, depth: int, size: int
) -> None:
    confidence = math.sqrt(2 * math.log(2 * size / FALSE_ALARM))
    derived = 2 * confidence * unit_roundoff * math.sqrt(depth)
    assert tolerance(np.ones(size, dtype), agreement, depth) == pytest.approx(derived, rel=1e-14)


@pytest.mark.parametrize("agreement", [REASSOCIATED, FLOAT32])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_tolerance_grows_with_depth_and_size_and_not_with_magnitude(
    dtype: type, agreement: Agreement
) -> None:
    by_depth = [tolerance(np.ones(10, dtype), agreement, depth) for depth in DEPTHS]
    assert by_depth == sorted(set(by_depth))
    by_size = [tolerance(np.ones(size, dtype), agreement, 10) for size in (1, 10, 100, 1000)]
    assert by_size == sorted(set(by_size))
    assert tolerance(np.full(10, 1e30, dtype), agreement, 1) == by_depth[0]


@pytest.mark.parametrize("depth", DEPTHS)
def test_identical_has_no_tolerance(depth: int) -> None:
    assert tolerance(np.ones(5), IDENTICAL, depth) == 0


@pytest.mark.parametrize("agreement", Agreement)
@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.bool_])
def test_whole_numbers_have_no_tolerance(dtype: type, agreement: Agreement) -> None:
    assert tolerance(np.ones(5, dtype), agreement, 1000) == 0


def test_an_empty_array_has_a_tolerance() -> None:
    assert tolerance(np.empty((0, 3)), REASSOCIATED, 4) == tolerance(np.ones(1), REASSOCIATED, 4)


def one_after_the_other(a: Array, b: Array) -> Array:
    """A·B with a rounding after every product and every sum, whatever the machine's BLAS does."""
    total = np.zeros((len(a), b.shape[1]), dtype=a.dtype)
    for column, row in zip(a.T, b, strict=True):
        total += column[:, None] * row
    return total


@pytest.mark.parametrize("mean", [0.0, 1.0])  # sums that cancel, and sums that grow
@pytest.mark.parametrize("depth", DEPTHS)
def test_float32_dot_products_stay_within_the_tolerance_but_not_absurdly_far(
    depth: int, mean: float
) -> None:
    rng = np.random.default_rng(depth)
    a = rng.normal(mean, 1, size=(16, depth)).astype(np.float32)
    b = rng.normal(mean, 1, size=(depth, 16)).astype(np.float32)
    exact = a.astype(np.float64) @ b.astype(np.float64)

    by_blas = compare((a @ b,), (exact,), FLOAT32, depth)
    sequential = compare((one_after_the_other(a, b),), (exact,), FLOAT32, depth)
    reassociated = compare((one_after_the_other(a, b),), (a @ b,), REASSOCIATED, depth)
    assert max(by_blas.used, sequential.used, reassociated.used) < 1
    # BLAS rounds less often than the model: it sums in blocks and fuses products with sums.
    assert by_blas.used > 1e-3
    # This is the model's own case. Of the factor that is left, the confidence of 1 − 1e-9 and the
    # 2 for two roundings explain 15.
    assert sequential.used > 1e-2


@pytest.mark.parametrize("depth", [1, 10, 100])
def test_half_precision_is_outside_the_tolerance_of_float32(depth: int) -> None:
    # Where only the factors are halves, their roundings average out from some thousand terms on.
    a, b = np.random.default_rng(depth).normal(1, 1, size=(2, 16, depth))
    halves = (a.astype(np.float16) * b.astype(np.float16)).sum(axis=1, dtype=np.float32)
    with pytest.raises(WrongResultError, match="output 0 is off by"):
        compare((halves,), ((a * b).sum(axis=1),), FLOAT32, depth)


# --- compare --------------------------------------------------------------------------------------


def array(*values: float, dtype: type = np.float32) -> Array:
    return np.array(values, dtype=dtype)


def test_the_proof_names_the_error_relative_to_the_largest_element() -> None:
    expected = array(-8, 1, 2, dtype=np.float64)
    got = expected + array(0, 0, 2.0**-51, dtype=np.float64)
    proof = compare((got,), (expected,), REASSOCIATED, 4)
    assert proof == Proof(2.0**-51 / 8, tolerance(expected, REASSOCIATED, 4))
    assert proof.used == proof.error / proof.tolerance


def test_the_proof_is_that_of_the_worst_output() -> None:
    expected = array(1, dtype=np.float64), array(4, dtype=np.float64), np.arange(3)
    bit = array(2.0**-52, dtype=np.float64)
    got = expected[0] + bit, expected[1] + 8 * bit, expected[2]
    assert compare(got, expected, REASSOCIATED, 9).error == 2.0**-51
    assert compare(got[::-1], expected[::-1], REASSOCIATED, 9).error == 2.0**-51


def test_equal_outputs_are_proven_with_no_error_used() -> None:
    for agreement in (IDENTICAL, REASSOCIATED):
        proof = compare((array(1, 2),), (array(1, 2),), agreement, 4)
        assert (proof.error, proof.used) == (0, 0)


def test_no_outputs_at_all_agree() -> None:
    assert compare((), (), REASSOCIATED, 1) == Proof()


def test_the_bound_itself_is_within_and_one_above_is_not() -> None:
    expected = array(1, dtype=np.float64)
    bound = tolerance(expected, REASSOCIATED, 100)
    inside, outside = (array(1 + f * bound, dtype=np.float64) for f in (0.9, 1.1))
    assert compare((inside,), (expected,), REASSOCIATED, 100).used == pytest.approx(0.9, rel=0.05)
    with pytest.raises(WrongResultError, match="output 0 is off by"):
        compare((outside,), (expected,), REASSOCIATED, 100)


@pytest.mark.parametrize("agreement", Agreement)
@pytest.mark.parametrize("dtype", [np.int64, np.uint8])
def test_whole_numbers_are_equal_or_wrong(dtype: type, agreement: Agreement) -> None:
    expected = np.array([1000, 0, 3]).astype(dtype)
    assert compare((expected.copy(),), (expected,), agreement, 1).error == 0
    off_by_one = expected.copy()
    off_by_one[1] += 1
    with pytest.raises(WrongResultError, match="output 0 differs, and whole numbers must not"):
        compare((off_by_one,), (expected,), agreement, 10**6)


def test_truth_values_are_equal_or_wrong() -> None:
    expected = np.array([True, False])
    assert compare((expected.copy(),), (expected,), REASSOCIATED, 1).error == 0
    with pytest.raises(WrongResultError, match="whole numbers"):
        compare((~expected,), (expected,), REASSOCIATED, 1)


@pytest.mark.parametrize("agreement", [IDENTICAL, REASSOCIATED])
@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 0, 2)])
@pytest.mark.parametrize("dtype", [np.float32, np.int64])
def test_empty_arrays_agree_if_their_shapes_do(
    dtype: type, shape: tuple[int, ...], agreement: Agreement
) -> None:
    empty = np.empty(shape, dtype)
    assert compare((empty.copy(),), (empty,), agreement, 4).error == 0
    with pytest.raises(WrongResultError, match="instead of"):
        compare((np.empty((1, 1, 1), dtype),), (empty,), agreement, 4)


def test_zero_arrays_have_no_magnitude_so_the_error_is_absolute() -> None:
    zeros = array(0, 0, 0)
    assert compare((zeros.copy(),), (zeros,), IDENTICAL, 1).error == 0
    assert compare((-zeros,), (zeros,), REASSOCIATED, 1).error == 0
    assert compare((zeros + np.float32(1e-8),), (zeros,), REASSOCIATED, 1).error == pytest.approx(
        1e-8
    )
    for wrong, fragment in ((zeros + np.float32(1e-3), "off by 0.001"), (zeros + np.inf, "inf")):
        with pytest.raises(WrongResultError, match=fragment):
            compare((wrong.astype(np.float32),), (zeros,), REASSOCIATED, 1)


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_the_comparison_knows_no_absolute_scale(scale: float) -> None:
    expected = array(1, -2, 3) * np.float32(scale)
    good = expected * np.float32(1 + 2.0**-22)
    bad = expected * np.float32(1 + 1e-4)
    assert 0 < compare((good,), (expected,), REASSOCIATED, 4).used < 1
    with pytest.raises(WrongResultError, match=r"off by 0\.0001"):
        compare((bad,), (expected,), REASSOCIATED, 4)


def test_complex_results_differ_by_the_complex_difference() -> None:
    spectrum = np.array([1 + 2j, 3 - 4j])
    assert compare((spectrum.copy(),), (spectrum,), IDENTICAL, 1).error == 0
    for agreement in Agreement:
        for wrong in (spectrum.conj(), spectrum + np.array([0, 1e-9j])):
            with pytest.raises(WrongResultError, match="output 0 is off by"):
                compare((wrong,), (spectrum,), agreement, 1)
    rounded = compare((spectrum + np.array([0, 2.0**-51 * 1j]),), (spectrum,), REASSOCIATED, 4)
    assert (rounded.error, 0 < rounded.used < 1) == (2.0**-51 / 5, True)
    with pytest.raises(WrongResultError, match="holds NaN or infinity"):
        compare((both := np.array([complex(1, np.inf)]),), (both,), IDENTICAL, 1)


def test_an_error_that_is_too_small_for_a_number_is_an_error() -> None:
    far_apart = np.array([1e217, 1e-170])
    with pytest.raises(WrongResultError, match=r"output 0 is off by .* tolerance 0 "):
        compare((far_apart * [1, 2],), (far_apart,), IDENTICAL, 1)
    assert compare((far_apart * [1, 2],), (far_apart,), REASSOCIATED, 1).error > 0
    tiny = np.array([1, 2], np.longdouble) * np.finfo(np.longdouble).tiny
    with pytest.raises(WrongResultError, match=r"output 0 is off by 0\.5"):
        compare((tiny[::-1] / [1, 1],), (tiny,), REASSOCIATED, 1)


def test_numpy_scalars_count_as_arrays_and_python_numbers_do_not() -> None:
    assert compare((np.float32(2),), (np.asarray(np.float32(2)),), IDENTICAL, 1).error == 0
    with pytest.raises(WrongResultError, match="output 1 is a int instead of an array"):
        compare((array(1), 3), (array(1), np.asarray(3)), IDENTICAL, 1)


@pytest.mark.parametrize("agreement", Agreement)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused(value: float, agreement: Agreement) -> None:
    expected = array(1, 2)
    with pytest.raises(WrongResultError, match="output 0 holds NaN or infinity"):
        compare((array(1, value),), (expected,), agreement, 10**9)


@pytest.mark.parametrize("agreement", Agreement)
def test_nan_is_refused_in_the_reference_too(agreement: Agreement) -> None:
    both = array(1, np.nan)
    with pytest.raises(WrongResultError, match="output 0 holds NaN or infinity"):
        compare((both.copy(),), (both,), agreement, 4)


def test_infinity_is_refused_in_the_reference_too() -> None:
    # A reference that overflowed proves nothing.
    both = array(1, np.inf)
    with pytest.raises(WrongResultError, match="output 0 holds NaN or infinity"):
        compare((both.copy(),), (both,), REASSOCIATED, 4)


def test_the_message_names_the_output_that_is_wrong() -> None:
    expected = array(1), array(2), array(3)
    with pytest.raises(WrongResultError, match="output 2 is off by 1 of its largest"):
        compare((array(1), array(2), array(6)), expected, REASSOCIATED, 1)


def test_a_wrong_result_is_reported_to_the_user() -> None:
    assert issubclass(WrongResultError, MlpperfError)


def test_the_dtype_that_an_agreement_asks_for() -> None:
    double, single, whole = np.ones(1), np.ones(1, np.float32), np.ones(1, int)
    assert FLOAT32.dtype(double) == FLOAT32.dtype(single) == np.float32
    assert FLOAT32.dtype(whole) == whole.dtype
    for agreement in (IDENTICAL, REASSOCIATED):
        assert [agreement.dtype(a) for a in (double, single, whole)] == [
            np.float64,
            np.float32,
            whole.dtype,
        ]


# --- arrays_in, fingerprint and poison ------------------------------------------------------------


def test_arrays_in_nested_arguments_come_in_order() -> None:
    a, b, c, d = (np.full(1, i) for i in range(4))
    arrays = list(arrays_in((a, (b, [c, 5, "text"]), None, ((d,),))))
    assert [int(x[0]) for x in arrays] == [0, 1, 2, 3]
    assert all(x is y for x, y in zip(arrays, (a, b, c, d), strict=True))


Pair = namedtuple("Pair", "one other")


@dataclass(frozen=True)
class Layer:
    """A matrix and its name."""

    weights: Any
    name: str = "first"


HOLDERS: dict[str, Callable[[Any], Any]] = {
    "tuple": lambda array: (array,),
    "list": lambda array: [[1, array]],
    "named tuple": lambda array: Pair(1, array),
    "dictionary": lambda array: {"a": {"b": array}},
    "data class": lambda array: [Layer({"w": array})],
}


@pytest.mark.parametrize("hold", HOLDERS.values(), ids=HOLDERS)
def test_an_array_counts_wherever_it_is_held(hold: Callable[[Any], Any]) -> None:
    array = np.zeros(3)
    (held,) = arrays_in((0.5, hold(array)))
    assert held is array
    before = fingerprint(hold(array))
    array[1] = 1
    assert fingerprint(hold(array)) != before
    assert not opaque_in((hold(array), "text", None, 1j, np.float32(1), np.dtype("f4")))


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (object(), "object"),
        ({1, 2}, "set"),
        (bytearray(3), "bytearray"),
        (np.random.default_rng(0), "Generator"),
        (np.array([[]], dtype=object), "ndarray of objects"),
        (np.ma.masked_array([1.0]), "MaskedArray"),
        (Layer, "type"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_may_change_without_being_seen_is_opaque(value: Any, kind: str) -> None:
    for hold in HOLDERS.values():
        assert opaque_in((np.zeros(2), hold(value))) == kind


LAYOUTS = {
    "C": lambda a: np.ascontiguousarray(a),
    "F": lambda a: np.asfortranarray(a),
    "transposed": lambda a: a.T,
    "every-second": lambda a: a[::2, ::3],
    "backwards": lambda a: a[::-1, ::-1],
    "columns": lambda a: a[:, 1:],
    "one-axis": lambda a: a.reshape(-1)[1:],
    "three-axes": lambda a: a.reshape(3, 1, -1).transpose(2, 0, 1),
    "no-axis": lambda a: np.array(a[0, 0]),
    "read-only": lambda a: np.broadcast_to(a, (2, *a.shape)),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8, np.int64, np.bool_])
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_the_fingerprint_sees_every_element_in_every_layout(
    layout: Callable[[Array], Array], dtype: type
) -> None:
    # 9 × 7 elements: with one byte each, they are no whole number of eight-byte words.
    base = np.random.default_rng(0).integers(0, 2, size=(9, 7)).astype(dtype)
    seen = layout(base)
    before = fingerprint(seen)
    assert fingerprint(seen) == before
    assert fingerprint(seen.copy(order="K")) == before
    changeable = seen if seen.flags.writeable else seen.copy()
    before = fingerprint(changeable)
    for element in np.ndindex(changeable.shape):
        old = changeable[element].copy()
        changeable[element] = not old
        assert fingerprint(changeable) != before
        changeable[element] = old
    assert fingerprint(changeable) == before


@pytest.mark.parametrize("bytes_", range(18))
def test_the_fingerprint_of_odd_sizes_sees_the_last_byte(bytes_: int) -> None:
    raw = np.arange(bytes_, dtype=np.uint8)
    before = fingerprint(raw)
    assert before == fingerprint(raw.copy())
    if bytes_:
        raw[-1] += 1
        assert fingerprint(raw) != before


def test_the_fingerprint_has_one_number_for_each_array() -> None:
    a, b = np.ones(3), np.ones((2, 2), np.float32)
    assert len(fingerprint((a, 0.5, (b, [a])))) == 3
    assert fingerprint((a, b)) == fingerprint(a) + fingerprint(b)
    assert fingerprint((1, "text", None)) == ()


def test_the_fingerprint_leaves_the_array_as_it_is() -> None:
    a = np.arange(12.0).reshape(3, 4).T
    a.flags.writeable = False
    copy = a.copy()
    fingerprint((a,))
    assert np.array_equal(a, copy)


def test_the_fingerprint_knows_minus_zero_and_nan() -> None:
    # Comparing values would miss the first and fail on the second.
    assert fingerprint(np.zeros(3)) != fingerprint(-np.zeros(3))
    assert fingerprint(np.full(3, np.nan)) == fingerprint(np.full(3, np.nan))


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.uint8])
def test_the_fingerprint_sees_elements_that_change_places(dtype: type) -> None:
    # Sorting, shuffling and transposing in place are the commonest ways to change an input, and
    # a plain sum of the bytes, or of words of eight bytes, is the same afterwards.
    a = np.arange(1, 65).astype(dtype)
    changed = {
        "reversed": a[::-1],
        "rolled": np.roll(a, 8),
        "blocks exchanged": np.concatenate((a[16:32], a[:16], a[32:])),
        "transposed": a.reshape(8, 8).T.reshape(-1),
    }
    unseen = [how for how, b in changed.items() if fingerprint(b.copy()) == fingerprint(a)]
    assert not unseen


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_poison_spoils_what_can_be_written(layout: Callable[[Array], Array]) -> None:
    target = layout(np.ones((9, 7), np.float32))
    poison((target,))
    assert np.isnan(target).all() == target.flags.writeable


def test_poison_spoils_whole_numbers_and_truth_values_with_zeros() -> None:
    whole, truth = np.arange(1, 4), np.array([True, True])
    poison((whole, truth))
    assert not whole.any()
    assert not truth.any()


def test_poison_leaves_read_only_arrays_and_numbers_alone() -> None:
    fixed, writable = np.ones(3), np.ones(3)
    fixed.flags.writeable = False
    poison((fixed, np.float64(1), 1.0, writable))
    assert fixed.all()
    assert np.isnan(writable).all()


def test_poison_spoils_only_the_view_that_was_returned() -> None:
    base = np.ones((4, 4))
    poison((base[1:3, ::2],))
    assert np.isnan(base).sum() == 4
