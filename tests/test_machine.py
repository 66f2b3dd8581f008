import json
import math
from collections import namedtuple
from collections.abc import Callable, Iterator
from dataclasses import asdict
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlpperf.devices import available_threads
from mlpperf.engine.timing import machine
from mlpperf.engine.timing.machine import (
    BUSY,
    Bystanders,
    clock_resolution,
    copy_seconds,
    describe,
    floor_seconds,
    product_seconds,
)
from mlpperf.hotpath import Cost


@pytest.fixture
def _fresh_ceilings() -> Iterator[None]:
    """Neither times of earlier tests in here, nor ours in later ones."""
    for measured in (product_seconds, copy_seconds):
        measured.cache_clear()
    yield
    for measured in (product_seconds, copy_seconds):
        measured.cache_clear()


# --- what it is ----------------------------------------------------------------------------------


def test_description_is_plausible() -> None:
    found = describe()
    assert found.cores == available_threads() >= 1
    assert found.memory == psutil.virtual_memory().total > 1 << 27
    assert found.numpy == np.__version__
    assert all(part.isdigit() for part in found.python.split(".")[:2])
    texts = (found.processor, found.system, found.blas, found.simd)
    assert all(text and text == text.strip() for text in texts)
    assert describe() is found


def test_description_survives_json() -> None:
    fields = asdict(describe())
    assert json.loads(json.dumps(fields, allow_nan=False)) == fields


def test_description_does_without_what_numpy_does_not_tell(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(machine.np, "show_config", lambda mode: {})
    found = describe.__wrapped__()
    assert (found.blas, found.simd) == ("unknown", "baseline")


def test_clock_has_a_resolution() -> None:
    assert 0 < clock_resolution() < 1
    assert clock_resolution() == clock_resolution()


# --- what it can do ------------------------------------------------------------------------------


@pytest.mark.usefixtures("_fresh_ceilings")
@pytest.mark.parametrize(
    "measured",
    [
        lambda: product_seconds(8, 5, 3, "float32"),
        lambda: product_seconds(8, 5, 2500, "float64"),
        lambda: copy_seconds(4096),
    ],
)
def test_ceilings_are_positive_and_measured_once(
    measured: Callable[[], float], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = measured()
    assert 0 < first < math.inf
    monkeypatch.setattr(machine, "_best", lambda *works: pytest.fail("measured again"))
    assert measured() == first


@pytest.mark.usefixtures("_fresh_ceilings")
@pytest.mark.parametrize("moved", [0, 1, 7, 8])
def test_even_the_least_traffic_can_be_measured(moved: int) -> None:
    assert copy_seconds(moved) > 0


@pytest.mark.usefixtures("_fresh_ceilings")
def test_traffic_counts_what_is_read_and_what_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    copied = []

    def best(*works: Callable[[], object]) -> float:
        for work in works:
            work()
        return 1.0

    def copy(target: np.ndarray, source: np.ndarray) -> None:
        copied.append(target.nbytes + source.nbytes)

    monkeypatch.setattr(machine, "_best", best)
    monkeypatch.setattr(machine, "_copy", copy)
    monkeypatch.setattr(machine, "threads", lambda: 1)
    copy_seconds(1_000_000)
    assert copied == [1_000_000]


@pytest.mark.usefixtures("_fresh_ceilings")
@pytest.mark.parametrize("columns", [1, 1000, 2500])
def test_every_layout_computes_the_same_product(
    columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ceiling of something else, such as a product of half the matrix, would be none."""
    products = []
    multiply = np.matmul

    def recording(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> np.ndarray:
        products.append(np.array(multiply(a, b, out=out)))
        return out

    def best(*works: Callable[[], object]) -> float:
        for work in works:
            work()
        return 1.0

    monkeypatch.setattr(machine, "_best", best)
    monkeypatch.setattr(machine.np, "matmul", recording)
    product_seconds(4, 3, columns, "float64")
    whole, chunks = products[:5], products[5:]
    expected = whole[0]
    assert expected.shape == (4, columns)
    for product in [*whole[1:], np.concatenate(chunks)]:
        upright = product if product.shape == expected.shape else product.T
        np.testing.assert_allclose(upright, expected)


def test_best_is_the_fastest_call_of_the_fastest_work(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    slow, fast = iter([5.0, 4.0, 6.0]), iter([3.0, 2.0, 9.0])

    def spend(durations: Iterator[float]) -> Callable[[], object]:
        def work() -> None:
            nonlocal now
            now += next(durations)

        return work

    monkeypatch.setattr(machine, "time", SimpleNamespace(perf_counter=lambda: now))
    assert machine._best(spend(slow), spend(fast)) == 2.0


@pytest.mark.parametrize(
    ("product", "copy", "expected"), [(2.0, 5.0, 5.0), (4.0, 5.0, 8.0), (0.0, 0.5, 0.5)]
)
def test_floor_is_the_longer_of_products_and_traffic(
    product: float, copy: float, expected: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(machine, "product_seconds", lambda *of: asked.append(of) or product)
    monkeypatch.setattr(machine, "copy_seconds", lambda moved: asked.append(moved) or copy)
    cost = Cost(bytes=100, products=((2, 3, 4), (5, 6, 7)))
    assert floor_seconds(cost) == expected
    assert asked == [(2, 3, 4, "float32"), (5, 6, 7, "float32"), 100]


@pytest.mark.parametrize(("dtype", "moved"), [("float32", 100), ("float64", 200), ("float16", 50)])
def test_floor_counts_the_bytes_of_the_dtype(
    dtype: str, moved: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "product_seconds", lambda *of: 0.0)
    monkeypatch.setattr(machine, "copy_seconds", float)
    assert floor_seconds(Cost(bytes=100), dtype) == moved


@pytest.mark.usefixtures("_fresh_ceilings")
def test_floor_of_real_work_is_positive() -> None:
    assert 0 < floor_seconds(Cost(bytes=4096, products=((3, 4, 5),)), "float64") < math.inf


# --- who else is running -------------------------------------------------------------------------

LINUX = (
    "user",
    "nice",
    "system",
    "idle",
    "iowait",
    "irq",
    "softirq",
    "steal",
    "guest",
    "guest_nice",
)


class Readings:
    """psutil's readings, as a test sets them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, fields: tuple[str, ...] = LINUX) -> None:
        self.kind = namedtuple("scputimes", fields)
        self.cpu = dict.fromkeys(fields, 1000.0)
        self.own = SimpleNamespace(user=10.0, system=5.0)
        process = SimpleNamespace(cpu_times=lambda: self.own)
        monkeypatch.setattr(machine.psutil, "cpu_times", lambda: self.kind(**self.cpu))
        monkeypatch.setattr(machine.psutil, "Process", lambda: process)

    def pass_time(self, own: float = 0.0, **elapsed: float) -> None:
        for field, seconds in elapsed.items():
            self.cpu[field] += seconds
        self.own = SimpleNamespace(user=self.own.user + own / 2, system=self.own.system + own / 2)


def test_share_of_the_others_in_truth() -> None:
    assert 0 <= Bystanders().share() <= 1


def test_an_idle_machine_has_no_bystanders(monkeypatch: pytest.MonkeyPatch) -> None:
    readings = Readings(monkeypatch)
    bystanders = Bystanders()
    assert bystanders.share() == 0.0  # no time has passed
    readings.pass_time(idle=6.0, iowait=2.0)
    assert bystanders.share() == 0.0


def test_own_work_is_no_bystander(monkeypatch: pytest.MonkeyPatch) -> None:
    readings = Readings(monkeypatch)
    bystanders = Bystanders()
    readings.pass_time(own=8.0, user=6.0, system=2.0, idle=2.0)
    assert bystanders.share() == pytest.approx(0.0)
    # The two clocks of the operating system do not tick together.
    readings.pass_time(own=0.01)
    assert bystanders.share() == 0.0


def test_others_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    readings = Readings(monkeypatch)
    bystanders = Bystanders()
    readings.pass_time(own=4.0, user=6.0, system=1.0, idle=3.0)
    assert bystanders.share() == pytest.approx(0.3)
    assert bystanders.share() > BUSY


def test_stolen_time_counts_and_guests_count_once(monkeypatch: pytest.MonkeyPatch) -> None:
    readings = Readings(monkeypatch)
    bystanders = Bystanders()
    readings.pass_time(steal=2.0, idle=8.0)
    assert bystanders.share() == pytest.approx(0.2)
    bystanders = Bystanders()
    readings.pass_time(user=2.0, guest=2.0, nice=1.0, guest_nice=1.0, idle=7.0)
    assert bystanders.share() == pytest.approx(0.3)


def test_systems_with_fewer_readings_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    readings = Readings(monkeypatch, ("user", "nice", "system", "idle"))
    bystanders = Bystanders()
    readings.pass_time(user=5.0, idle=5.0)
    assert bystanders.share() == pytest.approx(0.5)


def test_share_counts_from_its_own_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    readings = Readings(monkeypatch)
    readings.pass_time(user=100.0)
    bystanders = Bystanders()
    readings.pass_time(idle=10.0)
    assert bystanders.share() == 0.0


seconds = st.floats(0, 1e4)


@settings(deadline=None)
@given(st.fixed_dictionaries(dict.fromkeys(LINUX[:8], seconds)), seconds)
def test_share_is_a_share(elapsed: dict[str, float], own: float) -> None:
    with pytest.MonkeyPatch.context() as patch:
        readings = Readings(patch)
        bystanders = Bystanders()
        readings.pass_time(own=own, **elapsed)
        assert 0 <= bystanders.share() <= 1


def test_share_is_a_share_when_the_kernel_takes_waiting_time_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Linux may decrease `iowait`: proc(5) says so."""
    readings = Readings(monkeypatch)
    bystanders = Bystanders()
    readings.pass_time(user=10.0, iowait=-1.0)
    assert bystanders.share() == 1.0
