"""Two benchmarks in one test: faster, not fast enough, or undecided, which is no pass."""

import io
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mlpperf.engine.race import in_tests
from mlpperf.engine.race.in_tests import LAYOUT, Benchmark, how_many_times
from mlpperf.engine.statistics.intervals import Interval
from mlpperf.errors import MlpperfError

FAST, SLOW = 20_000, 50_000  # nanoseconds


class Clock:
    """A clock that only the calls advance, each with some scatter."""

    def __init__(self, scatter: float = 0.02) -> None:
        self.now, self._random, self._scatter = 0, random.Random(1), scatter

    def __call__(self) -> int:
        return self.now

    def call(self, nanoseconds: int) -> Callable[[], None]:
        def work() -> None:
            self.now += int(nanoseconds * self._random.lognormvariate(0, self._scatter))

        return work


def measured(fast: int, slow: int, seconds: float = 0.5) -> Interval:
    clock = Clock()
    calls = clock.call(fast), clock.call(slow)
    return how_many_times(*calls, seconds, clock=clock, pause=lambda seconds: None)


def test_the_interval_contains_the_ratio() -> None:
    speedup = measured(FAST, SLOW)
    assert speedup.low < 2.5 < speedup.high
    assert speedup.median == pytest.approx(2.5, rel=0.01)
    assert speedup.high / speedup.low > (1 + LAYOUT) ** 2
    assert speedup.high / speedup.low < (1 + LAYOUT) ** 2.5


def test_too_few_rounds_have_no_interval() -> None:
    speedup = measured(200_000_000, 500_000_000)
    assert (speedup.low, speedup.high) == (0, float("inf"))


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Asserts that one is faster by a factor, where this was measured."""

    def judge(by: float, *measured: float) -> Any:
        monkeypatch.setattr(in_tests, "how_many_times", lambda *_: Interval(*measured))
        benchmarks = [Benchmark(sorted, ([2, 1],), {"reverse": flag}) for flag in (True, False)]
        assert [one.result for one in benchmarks] == [[2, 1], [1, 2]]
        return benchmarks[0].faster_than(benchmarks[1], by)

    return judge


def test_what_is_faster_passes(judged: Callable[..., Any]) -> None:
    assert judged(1.5, 2.0, 1.8, 2.2) == Interval(2.0, 1.8, 2.2)
    assert judged(1.0, 1.1, 1.01, 1.2)


@pytest.mark.parametrize(
    ("measured", "sentence"),
    [
        ((1.2, 1.1, 1.3), "sorted is 1.20 (1.10 to 1.30) times as fast as sorted, not 1.5 times"),
        ((1.6, 1.4, 1.8), "undecided: sorted is 1.60 .* neither shows nor excludes 1.5 times; mo"),
        ((1.6, 0.0, float("inf")), "undecided: sorted is 1.60 times as fast as sorted, which nei"),
        ((1.6, 1.5, 1.7), "undecided"),
    ],
)
def test_everything_else_fails(
    judged: Callable[..., Any], measured: tuple[float, ...], sentence: str
) -> None:
    pattern = sentence.replace("(", r"\(").replace(")", r"\)")
    with pytest.raises(pytest.fail.Exception, match=pattern):
        judged(1.5, *measured)


@pytest.mark.parametrize("by", [0.0, -1.0, float("nan"), float("inf")])
def test_a_factor_is_a_positive_number(judged: Callable[..., Any], by: float) -> None:
    with pytest.raises(MlpperfError, match="by must be a positive number"):
        judged(by, 2.0, 1.8, 2.2)


def test_the_other_is_a_benchmark_too() -> None:
    with pytest.raises(MlpperfError, match=r"takes a benchmark: mlpperf_benchmark\(sorted, "):
        Benchmark(list, (), {}).faster_than(sorted)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (partial(io.StringIO.read, io.StringIO("a")), "changes what it is given"),
        (partial(list.sort, [2, 1]), "changes what it is given"),
        (partial(sum, (i for i in range(3))), "can be read once only"),
        (partial(map, str, [1]), "returns what has yet to be run"),
        (lambda: (i for i in "a"), "returns what has yet to be run"),
        (partial(next, iter([1, 2, 3])), "changes what it is given"),
        (time.perf_counter_ns, "does not return the same in each call"),
    ],
)
def test_calls_that_do_not_do_what_the_first_did_are_undecided(
    call: Callable[[], Any], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_tests, "how_many_times", lambda *_: Interval(2.0, 1.8, 2.2))
    used, other = Benchmark(call, (), {}), Benchmark(list, (), {})
    for one, another in ((used, other), (other, used)):
        with pytest.raises(pytest.fail.Exception, match=f"^undecided: .* {sentence}: "):
            one.faster_than(another)


def test_what_is_used_up_while_it_is_timed_is_undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    left = dict.fromkeys(range(2), True)

    def use(*_: object) -> Interval:
        left.clear()
        return Interval(2.0, 1.8, 2.2)

    monkeypatch.setattr(in_tests, "how_many_times", use)
    with pytest.raises(pytest.fail.Exception, match="does not return the same in each call"):
        Benchmark(left.copy, (), {}).faster_than(Benchmark(list, (), {}))


TESTS = """
import sys

def test_nothing_is_loaded_by_the_plugin():
    assert "numpy" not in sys.modules

def test_faster(mlpperf_benchmark):
    one, hundred = (mlpperf_benchmark(sum, range(n)) for n in (10, 10_000))
    assert hundred.result == 49_995_000
    assert one.faster_than(hundred, by=2).low > 2

def test_slower(mlpperf_benchmark):
    one, hundred = (mlpperf_benchmark(sum, range(n)) for n in (10, 10_000))
    hundred.faster_than(one)

def test_against_itself(mlpperf_benchmark):
    one = mlpperf_benchmark(sum, range(100))
    one.faster_than(one, by=1.0, seconds=1e-9)
"""


def test_the_fixture_in_pytest(tmp_path: Path) -> None:
    (tmp_path / "test_sums.py").write_text(TESTS, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "mlpperf.pytest_plugin", "-q", "-rf"]
    command += ["-p", "no:cacheprovider", "-p", "no:hypothesispytest", "-c", os.devnull]
    done = subprocess.run([*command, "test_sums.py"], cwd=tmp_path, capture_output=True, text=True)
    assert "2 failed, 2 passed" in done.stdout, done.stdout
    assert "test_slower - Failed: sum is 0.0" in done.stdout
    assert "times as fast as sum, not 1 times" in done.stdout
    assert "test_against_itself - Failed: undecided: sum is" in done.stdout
