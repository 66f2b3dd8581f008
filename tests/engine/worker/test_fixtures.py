"""The fixtures of pytest-benchmark: what a test hands over to be timed."""

import os
import time
from types import SimpleNamespace
from typing import Any

import pytest

from mlpperf.engine.worker.fixtures import Benchmark


def benchmark(runners: list[Any], config: Any = None, **options: Any) -> Benchmark:
    mark = SimpleNamespace(kwargs=options)
    copy = SimpleNamespace(hand_over=runners.append)
    about = {"name": "a", "nodeid": "a", "config": config}
    return Benchmark(copy, SimpleNamespace(get_closest_marker=lambda name: mark, **about))


@pytest.mark.parametrize(
    ("given", "once"),
    [
        ({}, True),
        ({"rounds": 1, "iterations": 1, "args": ("7",)}, True),
        ({"rounds": 2}, False),
        ({"iterations": 3}, False),
        ({"warmup_rounds": 1}, False),
        ({"setup": lambda: None}, True),
        ({"setup": lambda: None, "rounds": 9}, False),
    ],
)
def test_a_single_call_is_told_apart(given: dict[str, Any], once: bool) -> None:
    runners: list[Any] = []
    benchmark(runners).pedantic(int, **given)
    assert [runner.once for runner in runners] == [once]


def test_a_timer_of_the_suite_is_the_clock() -> None:
    seconds = iter((1.0, 1.5))

    def timer() -> float:
        return next(seconds)

    runners: list[Any] = []
    option = SimpleNamespace(benchmark_timer="os.getpid")
    benchmark(runners, timer=timer)(int)
    benchmark(runners, SimpleNamespace(option=option))(int)
    benchmark(runners, timer=time.perf_counter)(int)
    benchmark(runners)(int)
    own, of_options, *usual = (runner.clock for runner in runners)
    assert own
    assert (own(), own()) == (1_000_000_000, 1_500_000_000)
    assert of_options
    assert of_options() == os.getpid() * 1_000_000_000
    assert usual == [None, None]
