"""Every variant of every hot path on small cases, and the plain functions at their edges."""

import threading
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from mlpperf.agreement import (
    Agreement,
    Arrays,
    WrongResultError,
    compare,
    fingerprint,
    tolerance,
)
from mlpperf.articles.mlp.equations import Array
from mlpperf.articles.mlp.network import (
    HYPER,
    NetworkCase,
    Weights,
    flatten,
    initial_weights,
    training_set,
)
from mlpperf.backends import COMPILED, FUNCTION, NUMPY, XLA
from mlpperf.errors import MlpperfError
from mlpperf.hotpath import HotPath, Variant, problem, proven, verify
from mlpperf.parallel import in_parallel
from mlpperf.paths import (
    PATHS,
    batch_gather,
    derivative,
    full_set_forward,
    loss_and_error,
    regularisation,
    sigmoid,
    weight_update,
    whole_step,
)

LAYERS = (
    (5, 4, 3, 2),
    (784, 70, 30, 10),
    (1, 1, 1, 1),  # every array has an axis of one
    (9, 8, 7, 6, 5),  # one layer more than the articles'
    (6, 5, 4),  # one hidden layer is the least
)
BATCHES = (1, 2, 3, 17, 96)
CASES = [NetworkCase(batch, layers, data="synthetic") for layers in LAYERS for batch in BATCHES]
# The case of the tests that need only one.
CASE = NetworkCase(17, (9, 8, 7, 6, 5), data="synthetic")
# A graph is compiled for every size, for up to a second. It is the graph of a function that eager
# TensorFlow or NumPy calls at all of `CASES`, so the most and the fewest layers have to do, and
# all axes of length one.
CASES_COMPILED = [
    CASE,
    NetworkCase(2, (6, 5, 4), data="synthetic"),
    NetworkCase(1, (1, 1, 1, 1), data="synthetic"),
]
CONTESTANTS = [(path, variant) for path in PATHS for variant in path.contestants]
TIMELESS = settings(deadline=None, derandomize=True, max_examples=15)


def name_of(contestant: tuple[HotPath, Variant]) -> str:
    path, variant = contestant
    return f"{path.name}/{variant.name}"


def by_name(variants: Sequence[Variant]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("variant", variants, ids=lambda variant: variant.name)


each_path = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)


# --- every path -----------------------------------------------------------------------------------


@pytest.mark.parametrize("layers", LAYERS, ids=lambda layers: "x".join(map(str, layers)))
@each_path
def test_every_variant_equals_its_reference(path: HotPath, layers: tuple[int, ...]) -> None:
    wrong: list[str] = []
    for case in (case for case in CASES if case.layers == layers):
        for variant in path.contestants:  # they share the inputs of a case
            if variant.backend in (FUNCTION, XLA) and case not in CASES_COMPILED:
                continue
            try:
                proof = verify(path, variant, case)
            except WrongResultError as reason:
                wrong.append(str(reason))  # it names path, variant and case
                continue
            assert 0 <= proof.error <= proof.tolerance
            if variant.agreement is Agreement.IDENTICAL:
                assert proof.error == proof.tolerance == 0
    assert not wrong


# A layer of one node has a single delta. Where that is a small difference of large terms, nothing
# tells its rounding from a mistake. `CASES` have such layers.
widths = st.integers(2, 24)


@each_path
@given(batch=st.integers(1, 130), layers=st.lists(widths, min_size=3, max_size=6).map(tuple))
@TIMELESS
def test_every_variant_equals_its_reference_whatever_the_sizes(
    path: HotPath, batch: int, layers: tuple[int, ...]
) -> None:
    case = NetworkCase(batch, layers, data="synthetic")
    for variant in path.contestants:
        if variant.backend not in (FUNCTION, XLA):  # which would be compiled for every size
            assert verify(path, variant, case).used <= 1


@each_path
def test_every_variant_equals_its_reference_in_a_large_batch(path: HotPath) -> None:
    # In long sums roundings add up, and work is done in many chunks, the last of them smaller.
    case = NetworkCase(20_003, (5, 4, 3), data="synthetic")
    for variant in path.contestants:
        if variant.backend not in (FUNCTION, XLA):
            assert verify(path, variant, case).used <= 1


@pytest.mark.parametrize("contestant", CONTESTANTS, ids=name_of)
def test_what_was_proven_can_be_timed(contestant: tuple[HotPath, Variant]) -> None:
    # The prepared arguments have been through two calls, their results were spoilt on purpose.
    path, variant = contestant
    proof, args = proven(path, variant, CASE)
    again = variant.backend.arrays(variant.call(*args))
    expected = problem(path, CASE).expected
    assert compare(again, expected, variant.agreement, path.cost(CASE).depth) == proof


@pytest.mark.parametrize("contestant", CONTESTANTS, ids=name_of)
def test_the_training_set_stays_as_it_is(contestant: tuple[HotPath, Variant]) -> None:
    # It is shared by all paths of a process, so what one of them writes, all others read.
    before = [fingerprint(tuple(training_set(CASE, dtype))) for dtype in (np.float32, np.float64)]
    verify(*contestant, CASE)
    after = [fingerprint(tuple(training_set(CASE, dtype))) for dtype in (np.float32, np.float64)]
    assert after == before


@each_path
def test_a_page_is_complete(path: HotPath) -> None:
    assert 0 < len(path.title) < 60
    assert len(path.story.strip().splitlines()) > 3
    names = [case.name for case in path.cases]
    assert len(set(names)) == len(names)
    assert path.variants
    for variant in path.contestants:
        assert variant.fn.__doc__.strip().splitlines()[0].endswith((".", ":"))
        assert variant.prepare.__doc__


@each_path
def test_the_least_cost_is_positive_and_grows_with_the_batch(path: HotPath) -> None:
    for case in CASES:
        cost = path.cost(case)
        more = path.cost(NetworkCase(2 * case.batch, case.layers, case.data))
        assert cost.depth >= 1
        assert 0 < cost.bytes <= more.bytes
        assert cost.flops <= more.flops
        assert all(min(product) >= 1 for product in cost.products)


def test_path_names_are_unique() -> None:
    names = [path.name for path in PATHS]
    assert len(set(names)) == len(names)


# --- sigmoid and its derivative -------------------------------------------------------------------

VIEWS: dict[str, Callable[[Array], Array]] = {
    "C": np.ascontiguousarray,
    "F": np.asfortranarray,
    "transposed": np.transpose,
    "every-second-row": lambda z: z[::2],
    "every-third-column": lambda z: z[:, ::3],
    "backwards": lambda z: z[::-1, ::-1],
    "one-row": lambda z: z[:1],
    "one-column": lambda z: z[:, :1],
    "one-axis": lambda z: z[:, 3],
    "read-only": lambda z: np.broadcast_to(z[0], z.shape),
}
each_view = pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)


def some_z(dtype: type = np.float32) -> Array:
    return np.random.default_rng(0).normal(0, 4, size=(23, 31)).astype(dtype)


@by_name(sigmoid.PATH.contestants)
@each_view
def test_sigmoid_in_any_memory_order(view: Callable[[Array], Array], variant: Variant) -> None:
    z = view(some_z())
    before = z.copy()
    got = variant(z)
    exact = expit(z.astype(np.float64))
    assert compare(got, (exact,), Agreement.FLOAT32, depth=4).used < 1
    assert np.array_equal(z, before)


@by_name([v for v in sigmoid.PATH.variants if v.backend is NUMPY])
def test_sigmoid_over_its_own_input(variant: Variant) -> None:
    # As the forward pass uses it: Z is not needed any more.
    z = some_z()
    exact = expit(z.astype(np.float64))
    (got,) = variant.fn(z, z)
    assert np.shares_memory(got, z)
    assert compare((z,), (exact,), Agreement.FLOAT32, depth=4).used < 1


@by_name([v for v in sigmoid.PATH.variants if v.backend is NUMPY])
@pytest.mark.parametrize("view", [VIEWS["F"], VIEWS["every-third-column"], VIEWS["backwards"]])
def test_sigmoid_into_a_strided_buffer(view: Callable[[Array], Array], variant: Variant) -> None:
    z = some_z()
    whole = np.full((2, *z.shape), np.float32(7))
    out = view(whole[0])
    variant.fn(view(z), out)
    assert compare((out,), (expit(view(z.astype(float))),), Agreement.FLOAT32, depth=4).used < 1
    assert (whole[1] == 7).all()


@by_name([v for v in sigmoid.PATH.contestants if v.backend not in COMPILED])
def test_sigmoid_in_float64(variant: Variant) -> None:
    z = some_z(np.float64)
    got = variant(z)
    assert compare(got, (expit(z),), Agreement.REASSOCIATED, depth=4).used < 1


@pytest.mark.parametrize("path", [sigmoid.PATH, loss_and_error.PATH], ids=lambda path: path.name)
def test_loops_of_float32_take_nothing_else(path: HotPath) -> None:
    given = path.inputs(NetworkCase(3, (5, 4, 3, 2), data="synthetic"), np.random.default_rng(0))
    for variant in path.variants:
        if variant.backend in COMPILED:
            with pytest.raises(MlpperfError, match="computes in float32; it was given float64"):
                variant(*(a.astype(np.float64) for a in given))


@pytest.mark.parametrize(
    ("variant", "dtype"),
    [
        pytest.param(variant, dtype, id=f"{np.dtype(dtype).name}-{variant.name}")
        for variant in sigmoid.PATH.contestants
        for dtype in (np.float32, np.float64)
        if not (variant.backend in COMPILED and dtype is np.float64)
    ],
)
def test_saturated_sigmoid(dtype: type, variant: Variant) -> None:
    # Warnings are errors here, those of worker threads included. The rows cover where exp
    # overflows in float32 (88.7) and in float64 (709.8), and where 1 − σ(z) rounds to nothing.
    size = np.concatenate(([0, 1e-30, 1e-3, 17, 36, 87, 88.5, 89, 104, 709, 710, 746], [1e4] * 5))
    z = np.concatenate((size, -size, np.linspace(-1e4, 1e4, 1000))).astype(dtype)
    z = np.tile(z, (5, 1))
    (a,) = variant(z)
    assert ((a >= 0) & (a <= 1)).all()  # so written that NaN fails
    exact = expit(z.astype(np.float64))
    assert np.abs(a - exact).max() <= tolerance(exact.astype(dtype), Agreement.REASSOCIATED, 4)
    assert (a[z == 1e4] == 1).all()
    assert (a[z == -1e4] == 0).all()
    assert (a[z == 0] == 0.5).all()


@by_name(sigmoid.PATH.contestants)
@given(st.lists(st.floats(-1e4, 1e4, width=32), min_size=1, max_size=40))
@TIMELESS
def test_sigmoid_lies_between_0_and_1_and_is_symmetric(variant: Variant, values: list) -> None:
    z = np.array(values, dtype=np.float32)[:, None]
    (a,), (b,) = (variant(x) for x in (z, -z))
    assert ((a >= 0) & (a <= 1)).all()
    bound = tolerance(a, Agreement.REASSOCIATED, 4)
    assert np.abs(a + b - 1).max() <= 2 * bound
    assert np.abs(a - expit(z.astype(np.float64))).max() <= bound


@by_name(derivative.PATH.variants)
@each_view
def test_derivative_in_any_memory_order(view: Callable[[Array], Array], variant: Variant) -> None:
    z = view(some_z())
    a = view(expit(some_z()))
    s = expit(z.astype(np.float64))
    got = variant(z, a)
    assert compare(got, (s * (1 - s),), Agreement.FLOAT32, depth=4).used < 1


@by_name(derivative.PATH.contestants)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_saturated_derivative(dtype: type, variant: Variant) -> None:
    z = np.concatenate((np.linspace(-1e4, 1e4, 41), [-104, -89, -37, -17, 17, 37, 89, 104]))
    z = np.tile(z.astype(dtype), (3, 1))
    (d,) = variant(z, expit(z))
    assert ((d >= 0) & (d <= 0.25)).all()
    s = expit(z.astype(np.float64))
    bound = tolerance(s.astype(dtype), Agreement.REASSOCIATED, 4)
    assert np.abs(d - s * (1 - s)).max() <= 0.25 * bound
    assert (d[np.abs(z) >= 1e3] == 0).all()
    assert (d[z == 0] == 0.25).all()


# --- loss -----------------------------------------------------------------------------------------


def predictions(at_label: np.ndarray, elsewhere: float) -> tuple[Array, Array]:
    """A (10, B) in float32 with these values at the labels, and the one-hot labels."""
    labels = np.arange(len(at_label)) % 10
    y = np.zeros((10, len(labels)), dtype=np.float32)
    y[labels, np.arange(len(labels))] = 1
    return np.where(y == 1, at_label, elsewhere).astype(np.float32), y


@by_name(loss_and_error.PATH.contestants)
@pytest.mark.parametrize("smallest", [1e-3, 1e-7, 1e-12, 1e-30, 1e-37])
def test_loss_of_confident_mistakes(smallest: float, variant: Variant) -> None:
    a, y = predictions(np.geomspace(smallest, 0.3, 61), elsewhere=0.25)
    loss, error = variant(a, y)
    exact = a.astype(np.float64)
    p = np.where(y == 1, exact, 1 - exact)
    case = NetworkCase(a.shape[1], (1, 1, 10))
    depth = loss_and_error.PATH.cost(case).depth
    truth = np.asarray(-np.log(p).sum()), np.asarray((1 - p).mean())
    assert compare((loss, error), truth, Agreement.FLOAT32, depth).used < 1


@by_name(loss_and_error.PATH.contestants)
def test_loss_of_one_confident_mistake_is_its_logarithm(variant: Variant) -> None:
    # A + Y − 1 in the wrong order rounds the 1e-12 away, and its logarithm is infinite.
    a, y = predictions(np.array([1e-12]), elsewhere=2.0**-30)
    (loss, _) = variant(a, y)
    assert loss == pytest.approx(12 * np.log(10), rel=1e-6)


@by_name(loss_and_error.PATH.contestants)
@pytest.mark.parametrize("elsewhere", [1e-1, 1e-2, 1e-3])
def test_loss_and_error_of_a_trained_network(elsewhere: float, variant: Variant) -> None:
    # Nearly everything is right, so the error is far below 1, and 1 − mean(P) loses the digits
    # that it would have: an average of numbers below 1 is known to u and not to u·error.
    a, y = predictions(np.linspace(1 - elsewhere, 1 - elsewhere / 2, 500), elsewhere)
    loss, error = variant(a, y)
    exact = a.astype(np.float64)
    p = np.where(y == 1, exact, 1 - exact)
    depth = loss_and_error.PATH.cost(NetworkCase(500, (1, 1, 10))).depth
    allowed = tolerance(np.asarray(1.0), Agreement.FLOAT32, depth)
    assert abs(error - (1 - p).mean()) <= allowed * 1.0
    # 1 − A is rounded to u, which is u / elsewhere of its logarithm.
    truth = -np.log(p).sum()
    assert abs(loss - truth) <= allowed * truth + 2.0**-24 * p.size


def test_every_rung_survives_a_confident_mistake() -> None:
    # σ(−20) = 2e-9 at one label: far inside float32, and the loss of that sample is 20.
    layers = (2, 1, 2)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(3, 2)), np.array([[1.0, 0, 1], [0, 1, 0]])
    hidden, output = np.zeros((1, 3)), np.array([[-20.0, 0], [1, 0]])
    args = x, y, np.arange(3), (hidden, output), (np.zeros((1, 3)), np.zeros((2, 2)))
    depth = whole_step.PATH.cost(NetworkCase(3, layers)).depth
    *_, expected, _ = whole_step.step_0(*args)
    assert expected > 40
    failed = {}
    for variant in whole_step.PATH.variants:
        with np.errstate(divide="ignore"):  # the losses below tell more
            *_, loss, _ = variant(*args)
        if not abs(loss - expected) <= tolerance(expected, Agreement.FLOAT32, depth) * expected:
            failed[variant.name] = float(loss)
    assert not failed, f"loss {expected:.3f}"


# --- regularisation -------------------------------------------------------------------------------


def gradients_and_weights(dtype: type = np.float32) -> tuple[Weights, Weights]:
    rng = np.random.default_rng(3)
    weights = tuple(rng.normal(size=shape).astype(dtype) for shape in ((4, 6), (3, 5), (1, 2)))
    for w in weights:
        w[0, -1] = 0  # sign(0) = 0: no pull either way
    return tuple(rng.normal(size=w.shape).astype(dtype) for w in weights), weights


def copies(arrays: Weights) -> Weights:
    return tuple(a.copy() for a in arrays)


@pytest.mark.parametrize("l1", [0.0, 0.03])
@pytest.mark.parametrize("l2", [0.0, 0.01])
def test_regularisation_with_either_both_or_no_term(l1: float, l2: float) -> None:
    gradients, weights = gradients_and_weights()
    expected = regularisation.all_terms(copies(gradients), weights, l1, l2)

    by_hand = copies(gradients)
    for g, w in zip(by_hand, weights, strict=True):
        for row, column in np.ndindex(w[:, 1:].shape):
            w_ij = float(w[row, column + 1])
            sign = (w_ij > 0) - (w_ij < 0)
            g[row, column + 1] = float(g[row, column + 1]) + l2 * w_ij + l1 * sign
    assert compare(expected, by_hand, Agreement.REASSOCIATED, depth=4).used < 1

    agreement = Agreement.REASSOCIATED if l1 and l2 else Agreement.IDENTICAL
    active = regularisation.active_terms(copies(gradients), weights, l1, l2)
    compare(active, expected, agreement, depth=4)
    own = copies(gradients)
    buffered = regularisation.active_terms_in_buffer(
        *regularisation.with_buffers(own, weights), l1, l2
    )
    compare(buffered, expected, agreement, depth=4)
    for got, given_, before in zip(buffered, own, gradients, strict=True):
        assert got is given_  # in place
        assert np.array_equal(got[:, 0], before[:, 0])  # bias weights have no term
        if not l1 and not l2:
            assert np.array_equal(got, before)


@by_name(regularisation.PATH.variants)
def test_regularisation_of_the_articles(variant: Variant) -> None:
    gradients, weights = gradients_and_weights()
    expected = regularisation.all_terms(copies(gradients), weights)
    got = variant(copies(gradients), weights)
    compare(got, expected, variant.agreement, depth=4)
    assert (HYPER.l1, HYPER.l2) == (0, 0.01)


def test_the_decay_vector_spares_the_bias_weights() -> None:
    _, weights = gradients_and_weights()
    decay = regularisation.decay_vector(weights)
    vector, views = flatten(weights)
    for view in views:
        view[:, 0], view[:, 1:] = 0, np.float32(HYPER.l2)
    assert np.array_equal(decay, vector)


# --- weight update --------------------------------------------------------------------------------


@by_name(weight_update.PATH.contestants)
def test_three_updates_in_a_row(variant: Variant) -> None:
    # A momentum large enough that forgetting it, or the one of the step before, shows.
    rng = np.random.default_rng(5)
    weights = initial_weights((7, 5, 4, 3), rng)
    momentum = tuple(rng.normal(0, 1e3, size=w.shape).astype(np.float32) for w in weights)
    w_exact, m_exact = ([a.astype(np.float64) for a in s] for s in (weights, momentum))
    for step in range(3):
        scale = 1e6  # the next momentum is η·G
        gradients = tuple(rng.normal(0, scale, size=w.shape).astype(np.float32) for w in weights)
        out = variant(copies(weights), copies(momentum), gradients)
        weights, momentum = out[: len(weights)], out[len(weights) :]
        steps = [HYPER.learning_rate * g.astype(np.float64) for g in gradients]
        w_exact = [
            w - (s + HYPER.momentum * m) for w, m, s in zip(w_exact, m_exact, steps, strict=True)
        ]
        m_exact = steps
        depth = 4 * (step + 1)
        compare((*weights, *momentum), (*w_exact, *m_exact), Agreement.FLOAT32, depth)


def test_updates_in_place_change_the_arrays_they_were_given() -> None:
    rng = np.random.default_rng(6)
    start = initial_weights((4, 3, 2), rng)
    gradients = [tuple(rng.normal(size=w.shape).astype(np.float32) for w in start) for _ in "abc"]
    zeros = tuple(np.zeros_like(w) for w in start)

    expected_w, expected_m = copies(start), zeros
    w, m = copies(start), copies(zeros)
    flat_w, flat_m, flat_g, views_w, views_m = weight_update.in_one_vector(start, zeros, zeros)
    for step, g in enumerate(gradients, start=1):
        out = weight_update.new_arrays(expected_w, expected_m, g)
        expected_w, expected_m = out[: len(start)], out[len(start) :]
        weight_update.in_place(w, m, g)
        flat_g[:] = flatten(g)[0]
        weight_update.flat_in_place(flat_w, flat_m, flat_g, views_w, views_m)
        for state in ((*w, *m), (*views_w, *views_m)):
            expected = (*expected_w, *expected_m)
            compare(state, expected, Agreement.REASSOCIATED, depth=4 * step)
    assert np.shares_memory(flat_w, views_w[1])


# --- batch gather ---------------------------------------------------------------------------------


@by_name(batch_gather.PATH.contestants)
@pytest.mark.parametrize(
    "index",
    [[5], [0, 63], [63, 0], [7, 7, 7, 7], [3, 1, 3, 2, 3, 1], list(range(64)) * 2],
    ids=["one", "ends", "ends-reversed", "one-repeated", "repeated", "all-twice"],
)
def test_gathering_in_any_order_and_repeatedly(index: list[int], variant: Variant) -> None:
    full = training_set(NetworkCase(64, (9, 8, 5), data="synthetic"))
    raw = full.images, full.mean, full.deviation
    (got,) = variant(full.x, np.array(index), raw)
    expected = np.stack([full.x[i] for i in index], axis=1)
    compare((got,), (expected,), variant.agreement, depth=3)


@by_name(batch_gather.PATH.contestants)
def test_a_constant_pixel_is_gathered_as_zero(variant: Variant) -> None:
    images = np.array([[7, 0, 255], [7, 0, 0], [7, 0, 3]], dtype=np.uint8)
    mean, deviation = images.mean(axis=0), images.std(axis=0)
    x = ((images - mean) / np.where(deviation == 0, 1, deviation)).astype(np.float32)
    index = np.array([2, 0])
    (got,) = variant(x, index, (images, mean, deviation))
    compare((got,), (x[index].T,), variant.agreement, depth=3)
    assert not got[:2].any()


# --- full-set forward -----------------------------------------------------------------------------

CHUNK = full_set_forward.CHUNK


@pytest.mark.parametrize("layers", [(784, 70, 30, 10), (40, 3, 2)], ids=["wide", "narrow"])
@pytest.mark.parametrize("batch", [CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 3])
def test_chunks_at_their_boundaries(batch: int, layers: tuple[int, ...]) -> None:
    case = NetworkCase(batch, layers, data="synthetic")
    for variant in full_set_forward.PATH.variants:
        assert verify(full_set_forward.PATH, variant, case).used < 1


def test_the_last_chunk_leaves_no_row_untouched_and_no_row_of_the_chunk_before() -> None:
    # Every sample is its own marker: the result must increase from the first to the last.
    samples = 2 * CHUNK + 3
    x = np.linspace(-3, 3, samples, dtype=np.float32)[:, None]
    weights = (np.array([[0, 1]], np.float32), np.array([[0, 4]], np.float32))
    args = full_set_forward.with_chunk_buffers(x, weights)
    args[2].fill(np.nan)
    (got,) = full_set_forward.chunked(*args)
    assert got.shape == (1, samples)
    assert (np.diff(got[0]) > -1e-6).all()
    assert got[0, -1] - got[0, 0] > 0.4
    exact = expit(4 * expit(x.astype(np.float64))).T
    compare((got,), (exact,), Agreement.FLOAT32, depth=10)


# --- in_parallel ----------------------------------------------------------------------------------


@pytest.fixture(params=[1, 2, 3, 8])
def shares(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many threads the work believes to have, whatever the machine has and its own size."""
    monkeypatch.setattr("mlpperf.parallel.threads", lambda: request.param)
    monkeypatch.setattr("mlpperf.parallel.SMALL", 0)
    return request.param


@each_path
def test_every_variant_equals_its_reference_when_its_work_is_shared(
    path: HotPath, shares: int
) -> None:
    # The cases of the other tests are too small to be shared.
    for batch in (1, 2, 17):
        case = NetworkCase(batch, (9, 7, 2, 5), data="synthetic")
        for variant in path.contestants:
            if variant.backend.name != "tensorflow":  # which shares its work by itself
                assert verify(path, variant, case).used <= 1


def test_small_work_is_not_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlpperf.parallel.threads", lambda: 4)
    a = np.arange(100)
    whole: list[bool] = []
    in_parallel(lambda i, j: whole.append(i is a and j is a), a, a)
    assert whole == [True]


@pytest.mark.parametrize("rows", [1, 2, 3, 5, 7, 8, 9, 100])
def test_every_row_is_worked_on_once(rows: int, shares: int) -> None:
    a, b = np.arange(rows), np.arange(2.0 * rows).reshape(rows, 2)
    counted = np.zeros(rows, int)
    blocks: list[tuple[int, int]] = []

    def work(i: Array, values: Array, count: Array) -> None:
        assert np.array_equal(values[:, 0], 2 * i)  # the same rows of all arrays
        count += 1
        blocks.append((int(i[0]), len(i)))

    in_parallel(work, a, b, counted)
    assert (counted == 1).all()
    assert len(blocks) == min(rows, shares)
    assert all(
        start + length == following for (start, length), (following, _) in pairwise(sorted(blocks))
    )
    lengths = [length for _, length in blocks]
    assert max(lengths) - min(lengths) <= 1


@pytest.mark.parametrize("rows", [1, 2, 8])
def test_fewer_rows_than_threads(rows: int, shares: int) -> None:
    z = some_z()[:rows]
    (got,) = sigmoid.tanh_threaded(z, np.empty_like(z))
    assert np.array_equal(got, sigmoid.tanh_in_place(z, np.empty_like(z))[0])


def test_no_rows_are_no_work(shares: int) -> None:
    # As for every NumPy function that these stand in for.
    z = some_z()[:0]
    (got,) = sigmoid.tanh_threaded(z, np.empty_like(z))
    assert got.shape == (0, 31)


@pytest.mark.parametrize("bad_row", [0, 4, 8])
def test_an_exception_of_any_block_is_raised(bad_row: int, shares: int) -> None:
    def work(rows: Array) -> None:
        if bad_row in rows:
            raise LookupError(f"row {bad_row}")

    with pytest.raises(LookupError, match=f"row {bad_row}"):
        in_parallel(work, np.arange(9))
    done: list[int] = []
    in_parallel(lambda rows: done.extend(rows.tolist()), np.arange(9))  # and the threads live on
    assert sorted(done) == list(range(9))


def test_the_caller_takes_the_last_block(shares: int) -> None:
    takers: dict[int, int] = {}
    in_parallel(lambda rows: takers.update({int(rows[-1]): threading.get_ident()}), np.arange(9))
    assert takers[8] == threading.get_ident()


def test_floating_point_settings_of_the_caller_hold_in_every_block(shares: int) -> None:
    seen: list[str] = []
    with np.errstate(over="raise"):
        in_parallel(lambda rows: seen.append(np.geterr()["over"]), np.arange(9))
    assert set(seen) == {"raise"}


def test_results_are_the_same_for_any_number_of_threads(shares: int) -> None:
    # Element-wise work does not depend on where the blocks end.
    z = some_z()
    (single,) = derivative.from_activation_in_place(z, expit(z), np.empty_like(z))
    (shared,) = derivative.from_activation_threaded(z, expit(z), np.empty_like(z))
    assert np.array_equal(single, shared)


def outputs_of(fn: Callable[..., Arrays], *args: Array) -> Arrays:
    return copies(fn(*args))


def test_gathering_in_threads_with_repeated_indices(shares: int) -> None:
    x = some_z()
    index = np.array([4, 4, 0, 22, 4, 1, 1])
    out = np.empty((7, 31), np.float32)
    (got,) = outputs_of(batch_gather.take_threaded, x, index, out)
    assert np.array_equal(got, x[index].T)
