"""Ceilings: what is measured is the work that is meant, and no more of it than that."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpperf.engine.machine import ceilings, timer
from mlpperf.engine.machine.ceilings import (
    KERNELS,
    LARGEST,
    LAYOUTS,
    SHARED_FROM,
    SMALLEST,
    Kernel,
    floor_seconds,
    in_chunks,
    multiplications,
    neighbours,
)
from mlpperf.engine.machine.timer import (
    ASKED_AGAIN,
    LONG_CALL,
    UNKNOWN,
    Floor,
    Work,
    quickest_of,
    remembered,
)
from mlpperf.hotpath import Cost


class Clock:
    """Seconds as calls of this test spend them."""

    def __init__(self) -> None:
        self.now = 0.0

    def spend(self, seconds: float) -> None:
        self.now += seconds

    def takes(self, *seconds: float) -> Callable[[], None]:
        """A call that takes so long; of several times, one after the other, then the last one."""
        times = iter(seconds)
        last = seconds[-1]
        return lambda: self.spend(next(times, last))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    known = Clock()
    time = SimpleNamespace(perf_counter=lambda: known.now, monotonic=lambda: known.now)
    monkeypatch.setattr(timer, "time", time)
    return known


# --- looks at the clock ---------------------------------------------------------------------------


def test_the_quickest_look_at_the_quickest_way_counts(clock: Clock) -> None:
    slow = Work([clock.takes(5.0)])
    quick = Work([clock.takes(4.0, 2.0, 3.0, 4.0)])
    found = quickest_of([slow, quick])
    assert found.seconds == 2.0
    assert found.error == pytest.approx(1 / 3)  # the median of 2, 3 and 4 lies a third higher


def test_what_is_always_alike_has_no_error(clock: Clock) -> None:
    assert quickest_of([Work([clock.takes(2.0)])]) == Floor(2.0, 0.0)


def test_what_a_call_costs_is_no_part_of_the_floor(clock: Clock) -> None:
    empty = Work([clock.takes(1e-5)])
    found = quickest_of([Work([clock.takes(3e-5)], empty)])
    assert found.seconds == pytest.approx(2e-5)


def test_work_that_takes_no_longer_than_an_empty_call_has_no_known_floor(clock: Clock) -> None:
    empty = Work([clock.takes(4e-5)])
    assert not quickest_of([Work([clock.takes(3e-5)], empty)]).known


def test_of_long_work_nothing_is_subtracted(clock: Clock) -> None:
    """An empty call is not even looked at then, so what it takes is unknown."""
    empty = Work([lambda: pytest.fail("of no account")])
    assert quickest_of([Work([clock.takes(LONG_CALL)], empty)]).seconds == LONG_CALL


def test_short_work_is_done_many_times_between_two_looks(clock: Clock) -> None:
    work = Work([clock.takes(1e-6)])
    assert work.look() == pytest.approx(1e-6)
    assert work.calls * 1e-6 >= timer.BLOCK


def test_only_the_best_few_ways_are_looked_at_again(clock: Clock) -> None:
    calls: list[float] = []

    def way(seconds: float) -> Callable[[], None]:
        def call() -> None:
            calls.append(seconds)
            clock.spend(seconds)

        return call

    quickest_of([Work([way(float(seconds))]) for seconds in (5, 3, 4, 2)])
    assert calls[:4] == [5, 3, 4, 2]
    assert set(calls[4:]) == {2, 3}


def test_parts_run_at_the_same_time_and_the_last_one_counts() -> None:
    """Each in a thread of its own: were they one after the other, both would wait for ever."""
    import threading

    together = threading.Barrier(2)
    work = Work([lambda: together.wait(600), lambda: together.wait(600)])
    work.calls = 3
    assert work.look() > 0


def test_a_floor_is_remembered_and_asked_once_more_later(clock: Clock) -> None:
    answers = iter([Floor(3.0, 0.0), Floor(2.0, 0.1), Floor(5.0, 0.0)])

    @remembered
    def measure(size: int) -> Floor:
        return next(answers)

    assert [measure(1), measure(1)] == [Floor(3.0, 0.0)] * 2
    clock.spend(ASKED_AGAIN + 1)
    assert measure(1) == Floor(2.0, 0.1)
    clock.spend(ASKED_AGAIN + 1)
    assert measure(1) == Floor(2.0, 0.1)  # the machine was slow meanwhile


def test_a_known_floor_is_kept_and_an_unknown_one_is_replaced(clock: Clock) -> None:
    answers = iter([UNKNOWN, Floor(2.0, 0.1), UNKNOWN])

    @remembered
    def measure() -> Floor:
        return next(answers)

    assert not measure().known
    for _ in range(2):
        clock.spend(ASKED_AGAIN + 1)
        assert measure() == Floor(2.0, 0.1)


# --- which work is the floor ----------------------------------------------------------------------


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> dict[tuple[Kernel, int], float]:
    """Seconds per byte by kernel and size, as a test sets them; what it does not set is free."""
    rates: dict[tuple[Kernel, int], float] = {}

    def rate(kernel: Kernel, size: int) -> Floor:
        if math.isnan(rates.get((kernel, size), 0.0)):
            return UNKNOWN
        return Floor(rates.get((kernel, size), 0.0), 0.25)

    monkeypatch.setattr(ceilings, "seconds_per_byte", rate)
    monkeypatch.setattr(ceilings, "product_floor", lambda *of: Floor(float(of[0]), of[0] / 100))
    return rates


READ, WRITE, COPY, ADD, IN_PLACE, ADD_IN_PLACE = KERNELS
SIZE = 1 << 20


def test_floor_is_that_of_the_products_where_they_take_longer(
    known: dict[tuple[Kernel, int], float],
) -> None:
    known[READ, SIZE] = 1 / SIZE  # all of it in a second
    cost = Cost(bytes=SIZE, products=((2, 1, 1), (6, 1, 1)))
    assert floor_seconds(cost) == Floor(8.0, pytest.approx((2 * 0.02 + 6 * 0.06) / 8))
    assert floor_seconds(Cost(bytes=SIZE)) == Floor(1.0, 0.25)


def test_floor_is_the_longest_traffic_that_the_work_contains(
    known: dict[tuple[Kernel, int], float],
) -> None:
    for kernel, rate in ((READ, 1.0), (WRITE, 2.0), (COPY, 7.0), (ADD, 5.0), (IN_PLACE, 100.0)):
        known[kernel, SIZE] = rate
    half = SIZE // 2
    # Half is written. It contains a copy of it all, and an addition of a quarter to a quarter.
    assert floor_seconds(Cost(SIZE, written=half)).seconds == 7.0 * half
    known[COPY, SIZE] = 1.0
    assert floor_seconds(Cost(SIZE, written=half)).seconds == 5.0 * SIZE // 4
    # Nothing is written: reading is all that it contains.
    assert floor_seconds(Cost(SIZE)).seconds == 1.0 * SIZE
    # What is written lies where it was read: half of the bytes are touched twice.
    known[IN_PLACE, half] = 3.0
    assert floor_seconds(Cost(SIZE, written=half, in_place=True)).seconds == 3.0 * half


@pytest.mark.parametrize(("dtype", "wider"), [("float32", 1), ("float64", 2), ("float16", 0.5)])
def test_floor_counts_the_bytes_of_the_dtype(
    dtype: str, wider: float, known: dict[tuple[Kernel, int], float]
) -> None:
    for size in (SIZE // 2, SIZE, 2 * SIZE):
        known[READ, size] = 1.0
    assert floor_seconds(Cost(SIZE), dtype).seconds == wider * SIZE


def test_between_two_sizes_the_faster_rate_counts(
    known: dict[tuple[Kernel, int], float],
) -> None:
    known[READ, SIZE], known[READ, 2 * SIZE] = 1.0, 4.0
    assert floor_seconds(Cost(SIZE + 4)).seconds == SIZE + 4


def test_where_a_function_takes_the_time_there_is_no_floor() -> None:
    found = floor_seconds(Cost(SIZE, limit="exp"))
    assert math.isnan(found.seconds)


def test_no_work_has_no_floor(known: dict[tuple[Kernel, int], float]) -> None:
    assert not floor_seconds(Cost(bytes=0)).known


def test_a_part_whose_time_is_unknown_is_no_part_of_the_floor(
    known: dict[tuple[Kernel, int], float], monkeypatch: pytest.MonkeyPatch
) -> None:
    known[READ, SIZE] = math.nan
    assert not floor_seconds(Cost(SIZE)).known
    known[READ, 2 * SIZE] = 1.0  # the rate at the size next to it may be too slow
    assert not floor_seconds(Cost(SIZE + 4)).known
    by_rows = {1: UNKNOWN, 2: Floor(2.0, 0.1)}
    monkeypatch.setattr(ceilings, "product_floor", lambda rows, *_: by_rows[rows])
    found = floor_seconds(Cost(SIZE, products=((1, 1, 1), (2, 1, 1))))
    assert found == Floor(2.0, pytest.approx(0.1))


@given(st.integers(0, 1 << 40))
def test_neighbours_enclose_a_size(footprint: int) -> None:
    sizes = neighbours(footprint)
    assert min(sizes) <= max(footprint, SMALLEST)
    assert max(sizes) >= min(footprint, LARGEST)
    assert max(sizes) <= 2 * min(sizes)
    assert all(SMALLEST <= size <= LARGEST and size & (size - 1) == 0 for size in sizes)


@given(st.integers(0, 1000), st.integers(0, 1000), st.booleans())
def test_no_kernel_moves_more_than_the_work(read: int, written: int, in_place: bool) -> None:
    if in_place and written > read:
        return
    cost = Cost(read + written, written=written, in_place=in_place)
    for kernel in KERNELS:
        passes = kernel.passes(cost)
        assert kernel.read * passes <= read
        assert kernel.written * passes <= written


# --- traffic --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kernel", "way"), [(kernel, way) for kernel in KERNELS for way in kernel.ways]
)
def test_a_kernel_writes_its_last_array_and_no_other(
    kernel: Kernel, way: Callable[..., object]
) -> None:
    """So many as it says are written, whole, and the others are read, or both are one."""
    arrays = [np.full(64, 3.0 + i, dtype=np.float32) for i in range(kernel.arrays)]
    before = [array.copy() for array in arrays]
    way(*arrays)
    kept = len(arrays) - kernel.written
    for array, old in zip(arrays[:kept], before[:kept], strict=True):
        np.testing.assert_array_equal(array, old)
    if way is not IN_PLACE.ways[1]:  # a product with one, which leaves everything as it was
        for array, old in zip(arrays[kept:], before[kept:], strict=True):
            assert (array != old).all()
    assert kernel.arrays == kernel.read + (0 if kernel.in_place else kernel.written)


def test_a_share_of_the_whole_goes_to_each_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[Work] = []

    def quickest(works: Sequence[Work]) -> Floor:
        looked.extend(works)
        return Floor(1.0, 0.0)

    monkeypatch.setattr(ceilings, "threads", lambda: 4)
    monkeypatch.setattr(ceilings, "quickest_of", quickest)
    measure = ceilings.seconds_per_byte.__wrapped__
    assert measure(COPY, SHARED_FROM).seconds == pytest.approx(1 / (SHARED_FROM / 2))
    assert {len(work.parts) for work in looked} == {1, 4}
    for work in looked:
        arrays = [array for part in work.parts for array in part.args]
        assert sum(array.nbytes for array in arrays) == SHARED_FROM
    looked.clear()
    measure(COPY, SHARED_FROM // 2)
    assert {len(work.parts) for work in looked} == {1}


def test_arrays_begin_at_different_places_within_their_pages() -> None:
    arrays = ceilings._arrays(3, 4096)
    assert len({array.ctypes.data % 4096 for array in arrays}) == 3
    assert all(array.dtype == np.float32 and len(array) == 4096 for array in arrays)


# --- products -------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", LAYOUTS, ids=", ".join)
@pytest.mark.parametrize("inner", [1, 3])
def test_every_layout_is_the_same_product(layout: ceilings.Layout, inner: int) -> None:
    """A ceiling of something else, such as a product of half the matrix, would be none."""
    (call,) = multiplications(4, inner, 7, "float64", [layout])
    left, right = call.args
    out = call.keywords["out"]
    shapes = (left.shape, right.shape, out.shape)
    assert shapes in {((4, inner), (inner, 7), (4, 7)), ((7, inner), (inner, 4), (7, 4))}
    rng = np.random.default_rng(0)
    left[...], right[...] = rng.standard_normal(left.shape), rng.standard_normal(right.shape)
    out[...] = np.nan
    call()
    np.testing.assert_allclose(out, left @ right)


def test_all_pieces_together_are_the_product(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ceilings, "threads", lambda: 2)
    calls = in_chunks(4, 3, 2500, "float64")
    assert len(calls) == 2 * len(ceilings.CHUNKS)
    for call in calls:
        *_, samples, out = call.args
        samples[...] = np.random.default_rng(0).standard_normal((2500, 3))
        out[...] = np.nan
        call()
        ones = np.ones((3, 4))
        np.testing.assert_allclose(out, samples @ ones)


def test_what_fits_into_one_piece_is_not_divided() -> None:
    assert in_chunks(4, 3, max(ceilings.CHUNKS), "float64") == []


def test_a_factor_lies_in_memory_as_its_layout_says() -> None:
    stored = partial(ceilings._stored, 3, 5, "float32")
    assert stored("C").flags.c_contiguous
    assert stored("F").flags.f_contiguous
    for how, unit in (("sliced C", 1), ("sliced F", 0)):
        found = stored(how)
        assert found.shape == (3, 5)
        assert not found.flags.forc
        assert found.strides[unit] == found.itemsize


# --- for real -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cost",
    [
        Cost(bytes=4096, products=((3, 4, 5),)),
        Cost(bytes=1 << 21, written=1 << 20),
        Cost(bytes=3 << 14, written=1 << 14, in_place=True),
        Cost(bytes=1),
    ],
    ids=["product", "shared copy", "in place", "one byte"],
)
def test_floor_of_real_work_is_positive_or_unknown(cost: Cost) -> None:
    """Unknown if the machine was disturbed whenever it timed the empty call."""
    found = floor_seconds(cost, "float64")
    assert not found.known or (0 < found.seconds < math.inf and 0 <= found.error < 1)


def test_floor_of_work_that_takes_long_is_known() -> None:
    product = Cost(bytes=0, products=((1000, 1000, 1000),))
    assert 0 < floor_seconds(product).seconds < math.inf
