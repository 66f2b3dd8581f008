"""Backends: what they convert and compile, that they hide no error, and which one runs when."""

import importlib.util
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.random import Generator
from numpy.typing import NDArray

from mlpperf import hotpath
from mlpperf.agreement import Arrays, WrongResultError
from mlpperf.backends import CONVERTED, EAGER, FUNCTION, NUMPY, XLA, Backend, each, installed
from mlpperf.devices import tensorflow
from mlpperf.engine.machine.timer import Floor
from mlpperf.engine.race import race as measure
from mlpperf.engine.race import warnings as doubts_module
from mlpperf.engine.race.race import race
from mlpperf.engine.race.result import Result
from mlpperf.engine.statistics.intervals import FEWEST
from mlpperf.engine.worker.rounds import SETTLE
from mlpperf.hotpath import Args, Case, Cost, HotPath, Variant, verify

needs_tensorflow = pytest.mark.skipif(
    importlib.util.find_spec("tensorflow") is None,
    reason="TensorFlow is not installed: pip install 'mlpperf[tensorflow]'",
)
pytestmark = pytest.mark.filterwarnings("ignore")  # of TensorFlow's own imports

WAYS = [EAGER, FUNCTION, XLA, CONVERTED]
of_tensorflow = pytest.mark.parametrize("way", WAYS, ids=lambda way: way.mode)
CASE = Case(5)


# --- conversions ---------------------------------------------------------------------------------


def test_what_is_wanted_is_converted_within_nested_tuples_and_nothing_else() -> None:
    value = (1, "a", (2, (3.5, None)), [4, "b"])
    assert each(lambda number: -number, int, value) == (-1, "a", (-2, (3.5, None)), [-4, "b"])


def test_several_types_may_be_wanted_and_a_single_value_is_one_too() -> None:
    assert each(str, (int, float), (1, 2.5, b"x")) == ("1", "2.5", b"x")
    assert each(str, int, 7) == "7"
    assert each(str, int, 7.5) == 7.5
    assert each(str, int, ()) == ()


def test_numpys_backend_changes_nothing() -> None:
    args = (np.ones(3), (np.ones(2), 4))
    assert NUMPY.given(args) is args
    assert NUMPY.arrays(args) is args
    assert NUMPY.compiled(four_numbers) is four_numbers
    assert NUMPY.wait() is None
    assert (NUMPY.name, NUMPY.mode) == ("numpy", "")


def test_a_package_is_installed_or_not() -> None:
    assert installed("numpy")
    assert not installed("no_such_package_as_this")


# --- a little hot path, for TensorFlow's ways to call it -----------------------------------------


def doubled(x: Any, index: Any) -> Any:
    """Two outputs: floats and whole numbers."""
    return (2 * x, index + 1)


def inputs(case: Case, rng: Generator) -> Args:
    return rng.random(case.batch, dtype=np.float32), rng.permutation(case.batch)


def under_test(fn: Callable[..., Any], backend: Backend) -> Variant:
    """A function of our own for every test, because a function is compiled once."""

    def wrapped(*args: Any) -> Any:
        return fn(*args)

    wrapped.__name__ = wrapped.__doc__ = "under_test"
    return Variant(wrapped, backend=backend)


PATH = HotPath("doubled", "Doubled.", doubled, (), inputs, (CASE,), lambda case: Cost(bytes=64))


@needs_tensorflow
@of_tensorflow
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.int32])
def test_results_are_right_and_keep_their_dtype(way: Backend, dtype: type) -> None:
    x = np.arange(-3, 4).astype(dtype)
    (got,) = under_test(lambda x: (x * x + x,), way)(x)
    assert isinstance(got, np.ndarray)
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, x * x + x)


@needs_tensorflow
@of_tensorflow
def test_the_function_sees_tensors_wherever_arrays_stand(way: Backend) -> None:
    seen: list[Any] = []

    def look(weights: Any, x: Any, rate: Any, scalar: Any) -> Any:
        seen.extend((*weights, x, scalar))
        assert rate == 0.5
        return weights[0] + x, (weights[1], scalar)

    arrays = [np.full(2, value, dtype=np.float32) for value in (1, 2, 3)]
    out = under_test(look, way)(tuple(arrays[:2]), arrays[2], 0.5, np.float32(4))
    assert all(isinstance(value, tensorflow().Tensor) for value in seen)
    np.testing.assert_array_equal(out[0], [4, 4])
    np.testing.assert_array_equal(out[1][0], [2, 2])
    assert isinstance(out[1][0], np.ndarray)
    assert out[1][1] == np.float32(4)


@needs_tensorflow
@pytest.mark.parametrize("way", WAYS[:3], ids=lambda way: way.mode)
def test_conversion_is_not_timed_where_the_data_may_stay_tensors(way: Backend) -> None:
    variant = under_test(doubled, way)
    args = variant.ready(np.ones(3, dtype=np.float32), np.arange(3))
    out = variant.call(*args)
    assert all(isinstance(value, tensorflow().Tensor) for value in (*args, *out))


@needs_tensorflow
def test_conversion_is_timed_where_a_numpy_program_calls_for_one_operation() -> None:
    variant = under_test(doubled, CONVERTED)
    args = variant.ready(np.ones(3, dtype=np.float32), np.arange(3))
    out = variant.call(*args)
    assert all(isinstance(value, np.ndarray) for value in (*args, *out))


@needs_tensorflow
@of_tensorflow
def test_a_function_is_compiled_once(way: Backend) -> None:
    first, second = (under_test(doubled, way) for _ in range(2))
    assert first.call is first.call is way.compiled(first.fn)
    assert first.call is not second.call


@needs_tensorflow
@pytest.mark.parametrize(("way", "looks"), [(EAGER, 3), (FUNCTION, 1), (XLA, 1), (CONVERTED, 3)])
def test_a_compiled_function_is_traced_once_for_a_shape(way: Backend, looks: int) -> None:
    looked: list[int] = []

    def look(x: Any) -> Any:
        looked.append(0)
        return (x + x,)

    variant = under_test(look, way)
    for value in range(3):
        variant(np.full(4, value, dtype=np.float32))
    assert len(looked) == looks


@needs_tensorflow
@of_tensorflow
def test_waiting_for_the_device_comes_to_an_end(way: Backend) -> None:
    assert way.wait() is None


# --- nothing wrong stays hidden ------------------------------------------------------------------


@needs_tensorflow
@of_tensorflow
def test_a_right_function_is_proven(way: Backend) -> None:
    proof = verify(PATH, under_test(doubled, way), CASE)
    assert proof.error <= proof.tolerance


def as_float64(x: Any, index: Any) -> Any:
    return tensorflow().cast(2 * x, "float64"), index + 1


def as_int32(x: Any, index: Any) -> Any:
    return 2 * x, tensorflow().cast(index + 1, "int32")


@needs_tensorflow
@of_tensorflow
@pytest.mark.parametrize(
    ("wrong", "fragment"),
    [
        (lambda x, index: (2.0001 * x, index + 1), "output 0 is off by"),
        (lambda x, index: (2 * x, index + 2), "output 1 differs"),
        (as_float64, "output 0 is float64 (5,) instead of float32 (5,)"),
        (as_int32, "output 1 is int32 (5,) instead of int64 (5,)"),
        (lambda x, index: (x * float("nan"), index + 1), "output 0 holds NaN or infinity"),
        (lambda x, index: (2 * x / 0, index + 1), "output 0 holds NaN or infinity"),
        (lambda x, index: (2 * x[:, None], index + 1), "float32 (5, 1) instead of float32 (5,)"),
        (lambda x, index: (2 * x,), "returned 1 outputs instead of a tuple of 2"),
        (lambda x, index: (2 * x, index + 1, x), "returned 3 outputs instead of a tuple of 2"),
        (lambda x, index: 2 * x, "returned a ndarray instead of a tuple of 2"),
        (lambda x, index: None, "returned a NoneType instead of a tuple of 2"),
        (lambda x, index: (2 * x, index @ x), "raised"),
        pytest.param(
            lambda x, index: [2 * x, index + 1], "returned a list instead of a tuple of 2"
        ),
    ],
    ids=[
        "a factor",
        "whole numbers",
        "float64",
        "int32",
        "NaN",
        "infinity",
        "shape",
        "missing output",
        "extra output",
        "bare tensor",
        "nothing",
        "exception",
        "list",
    ],
)
def test_a_wrong_function_is_refused(
    wrong: Callable[..., Any], fragment: str, way: Backend
) -> None:
    with pytest.raises(WrongResultError) as caught:
        verify(PATH, under_test(wrong, way), CASE)
    assert str(caught.value).startswith(f"doubled/under_test_{way.mode}/batch-5 is wrong: ")
    assert fragment in str(caught.value)


@needs_tensorflow
@of_tensorflow
def test_a_second_call_that_gives_something_else_is_refused(way: Backend) -> None:
    calls = tensorflow().Variable(0.0)

    def wrong(x: Any, index: Any) -> Any:
        calls.assign_add(1.0)
        return 2 * x * calls, index + 1

    with pytest.raises(WrongResultError, match=r"output 0 is off by .* in the second call"):
        verify(PATH, under_test(wrong, way), CASE)


@needs_tensorflow
def test_a_variable_is_no_result() -> None:
    def wrong(x: Any, index: Any) -> Any:
        return tensorflow().Variable(2 * x), index + 1

    with pytest.raises(WrongResultError, match="output 0 is a ResourceVariable instead of an arr"):
        verify(PATH, under_test(wrong, EAGER), CASE)


# --- a shape for every case ----------------------------------------------------------------------


def call_with_many_shapes(fn: Callable[..., Any]) -> None:
    variant = Variant(fn, backend=FUNCTION)
    for length in range(1, 12):
        (got,) = variant(np.ones(length, dtype=np.float32))
        assert got.shape == (length,)


@needs_tensorflow
def test_a_function_of_many_shapes_is_traced_again_without_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def increased(x: Any) -> Any:  # TensorFlow counts its messages about one piece of code
        return (x + 1,)

    call_with_many_shapes(increased)
    tensorflow().get_logger().warning("and other warnings are heard")
    assert [record.getMessage() for record in caplog.records] == ["and other warnings are heard"]


@needs_tensorflow
def test_without_our_filter_it_would_be_warned_about(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def increased(x: Any) -> Any:
        return (x + 1,)

    monkeypatch.setattr(tensorflow().get_logger(), "filters", [])
    call_with_many_shapes(increased)
    assert "triggered tf.function retracing" in caplog.text


# --- races of several backends -------------------------------------------------------------------

LONG = 0.025  # seconds; a call of this length is a whole block, and nothing is called untimed
Floats = NDArray[np.float64]


def four_numbers(case: Case, rng: Generator) -> Args:
    return (rng.random(4),)


class FakeClock:
    """Nanoseconds that pass only while a contestant runs, waits or sleeps; and which ran."""

    def __init__(self) -> None:
        self.now = 0.0
        self.names: list[str] = []
        self.slept: list[float] = []

    def __call__(self) -> int:
        return round(self.now)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += 1e9 * seconds

    def contestant(self, name: str, backend: Backend, seconds: float = LONG) -> Variant:
        def run(x: Floats) -> Arrays:
            self.now += 1e9 * seconds
            self.names.append(name)
            return (2 * x,)

        run.__name__, run.__doc__ = name, "Doubled."
        return Variant(run, backend=backend)

    def race(self, *variants: Variant, budget: float, seed: int = 0) -> list[Result]:
        """Against a reference of NumPy that takes as long."""
        reference = self.contestant("usual", NUMPY).fn
        path = HotPath(
            "doubling", "Doubling.", reference, variants, four_numbers, (CASE,), lambda c: Cost(64)
        )
        return race(path, CASE, seed=seed, budget=budget, clock=self, pause=self.sleep)

    def rounds(self, contestants: int) -> list[tuple[str, ...]]:
        """Who ran in which order in every round, the first ones included, after the proofs."""
        ran = self.names[1 + 2 * (contestants - 1) :]
        return [tuple(ran[i : i + contestants]) for i in range(0, len(ran), contestants)]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeClock]:
    class NobodyElse:
        def share(self) -> float:
            return 0.0

    clock = FakeClock()
    monkeypatch.setattr(measure, "floor_seconds", lambda cost, dtype: Floor(1e-3, 0.0))
    monkeypatch.setattr(measure, "Bystanders", NobodyElse)
    monkeypatch.setattr(doubts_module, "clock_resolution", lambda: 1e-9)
    monkeypatch.setattr(measure, "keep_freed_memory", lambda: True)
    yield clock
    hotpath.forget()  # it holds the functions of the test


OTHER, THIRD = Backend("other"), Backend("third")


def test_contestants_of_one_backend_stay_together_within_a_round(clock: FakeClock) -> None:
    names = {"usual": "numpy", "a": "numpy", "b": "other", "c": "other", "d": "third"}
    ways = {"numpy": NUMPY, "other": OTHER, "third": THIRD}
    variants = [clock.contestant(name, ways[names[name]]) for name in "abcd"]
    clock.race(*variants, budget=3.0)
    rounds = clock.rounds(5)
    assert len(rounds) > 20
    before = names[rounds[0][0]]
    for ran in rounds:
        assert set(ran) == set(names)
        blocks = [backend for backend, _ in itertools.groupby(names[name] for name in ran)]
        assert len(blocks) == 3
        assert blocks[0] == before  # which saves a change, and half of them with two backends
        before = blocks[-1]


def test_the_order_of_libraries_is_drawn(clock: FakeClock) -> None:
    """For every process: which of two that disturb each other comes first is no advantage."""
    firsts = set()
    for seed in range(20):
        clock.names.clear()
        variant = clock.contestant("a", OTHER)
        clock.race(variant, budget=0.1, seed=seed)
        firsts.add(clock.rounds(2)[0][0])
    assert firsts == {"usual", "a"}


def test_threads_settle_whenever_the_backend_changes(clock: FakeClock) -> None:
    (result,) = clock.race(clock.contestant("a", OTHER), budget=1.0)
    assert result.rounds == len(clock.rounds(2)) > FEWEST
    # Whoever ran before they got ready, and before they went on; one change within every round.
    assert clock.slept == [SETTLE] * (2 + result.rounds)


def test_nothing_settles_where_all_are_of_one_backend(clock: FakeClock) -> None:
    (result,) = clock.race(clock.contestant("a", NUMPY), budget=1.0)
    assert result.rounds > FEWEST
    assert clock.slept == []


def test_settling_is_not_timed_and_does_not_count_against_the_budget(clock: FakeClock) -> None:
    budget = 0.98  # of rounds that take 0.05 s, and with settling thrice as long
    (result,) = clock.race(clock.contestant("a", OTHER), budget=budget)
    assert result.rounds == 20
    assert result.seconds == pytest.approx(LONG)
    assert result.reference_seconds == pytest.approx(LONG)
    assert sum(clock.slept) > budget


@pytest.mark.parametrize(("seconds", "wait"), [(LONG, 0.01), (0.002, 0.001)], ids=str)
def test_the_clock_stops_when_the_device_is_done(
    clock: FakeClock, seconds: float, wait: float
) -> None:
    def done() -> None:
        clock.now += 1e9 * wait

    variant = clock.contestant("a", Backend("other", wait=done), seconds)
    (result,) = clock.race(variant, budget=1.0)
    assert result.seconds == pytest.approx(seconds + wait)
    assert result.reference_seconds == pytest.approx(LONG)


def test_it_is_waited_for_at_the_end_of_a_block_and_not_after_every_call(
    clock: FakeClock,
) -> None:
    pending: list[int] = []  # calls since the device was waited for

    def done() -> None:
        pending.append(clock.names.count("a") - sum(pending))

    variant = clock.contestant("a", Backend("other", wait=done), 1e-4)
    (result,) = clock.race(variant, budget=1.0)
    assert result.seconds == pytest.approx(1e-4)
    assert max(pending) == 4  # a block of 0.3 ms, at which it aims a little beyond
