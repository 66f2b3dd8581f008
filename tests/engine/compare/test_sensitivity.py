"""The check of the smallest slowdown that this machine detects."""

import re

import numpy as np
import pytest

from mlpperf.engine.compare import sensitivity
from mlpperf.engine.statistics.estimates import RatioEstimate


def estimate(noise: float) -> RatioEstimate:
    found, rng = RatioEstimate(), np.random.default_rng(1)
    for _ in range(sensitivity.PROCESSES):
        shift = noise * rng.standard_normal()
        head = np.exp(shift + noise * rng.standard_normal(200))
        found.add(np.ones(200), head, 1e-3, 0.0)
    return found


@pytest.mark.parametrize(("noise", "state"), [(0.002, "fine"), (0.05, "note")])
def test_more_noise_hides_larger_slowdowns(noise: float, state: str) -> None:
    answer = sensitivity.as_check(estimate(noise))
    assert answer.state == state
    assert bool(answer.advice) == (state == "note")
    shown = re.search(
        r"20 benchmarks detects a slowdown of ([\d.]+) % \(95 % power\)", answer.result
    )
    assert shown
    assert noise < float(shown[1]) / 100 < 10 * noise


def test_the_check_measures() -> None:
    answer = sensitivity.check()
    assert answer.state in ("fine", "note")
    assert answer.what == "sensitivity"


def test_a_process_that_fails_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sensitivity, "PROCESS", "raise ValueError('no clock')")
    answer = sensitivity.check()
    assert answer.state == "problem"
    assert answer.result == "a process that times has failed: ValueError: no clock"
