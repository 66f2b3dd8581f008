"""The fixtures of pytest-benchmark: what a test hands over to be timed."""

from types import SimpleNamespace
from typing import Any

import pytest

from mlpperf.engine.worker.fixtures import Benchmark


@pytest.mark.parametrize(
    ("given", "once"),
    [
        ({}, True),
        ({"rounds": 1, "iterations": 1, "args": ("7",)}, True),
        ({"rounds": 2}, False),
        ({"iterations": 3}, False),
        ({"warmup_rounds": 1}, False),
        ({"setup": lambda: None}, False),
    ],
)
def test_a_single_call_is_told_apart(given: dict[str, Any], once: bool) -> None:
    runners: list[Any] = []
    copy = SimpleNamespace(hand_over=runners.append)
    node = SimpleNamespace(name="a", nodeid="a", get_closest_marker=lambda name: None)
    Benchmark(copy, node).pedantic(int, **given)
    assert [runner.once for runner in runners] == [once]
