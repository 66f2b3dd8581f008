"""A race that ends early is wrong no more often than it admits: derived bounds, and simulations."""

import math
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from numpy.random import Generator

from mlpperf.engine.race.looks import (
    FEW,
    LOOKS,
    PRECISION,
    TWO_SPEEDS,
    certain,
    interval,
    needs_more,
)
from mlpperf.engine.race.result import NO_DIFFERENCE_WITHIN, SCATTER, verdict_of
from mlpperf.engine.statistics.estimates import RatioEstimate
from mlpperf.engine.statistics.intervals import Interval
from mlpperf.engine.statistics.pooling import pool
from mlpperf.engine.statistics.quantiles import student_quantile
from mlpperf.engine.statistics.verdicts import Verdict

OWN_ERROR = 0.004  # of the value of a process, from its rounds
Noise = Callable[[Generator], float]


def normal(rng: Generator) -> float:
    return float(rng.standard_normal())


def heavy_tails(rng: Generator) -> float:
    """Student's t with 3 degrees of freedom, with a standard deviation of 1."""
    return float(rng.standard_t(3)) / math.sqrt(3)


def two_speeds(rng: Generator) -> float:
    """The worst there is: half of the processes have one speed, half another."""
    return 1.0 if rng.random() < 0.5 else -1.0


def add_process(estimate: RatioEstimate, value: float) -> None:
    estimate.log_ratios.append(value)
    estimate.rounds.append(40)
    estimate.own_errors.append(OWN_ERROR)
    estimate.deviations.append(np.zeros(1))
    estimate.scatter = OWN_ERROR * math.sqrt(40)


def raced(
    rng: Generator, noise: Noise, spread: float, truths: list[float], pooled: bool
) -> list[RatioEstimate]:
    """Variants with these logarithms of speedups, timed until each needs no more."""
    estimates = [RatioEstimate() for _ in truths]
    spreads = spread * np.exp(0.5 * rng.standard_normal(len(truths)))
    active = list(range(len(truths)))
    for processes in range(1, max(LOOKS) + 1):
        for i in active:
            error = OWN_ERROR * rng.standard_normal()
            add_process(estimates[i], truths[i] + spreads[i] * noise(rng) + error)
        if processes in LOOKS:
            if pooled:
                pool(estimates)
            active = [i for i in active if needs_more(estimates[i], PRECISION)]
    return estimates


def wrong(speedup: Interval, truth: float) -> bool:
    """Whether the verdict on an interval is not true of the logarithm of the speedup."""
    least = math.log1p(SCATTER)
    verdict = verdict_of(speedup)
    if verdict is Verdict.FASTER:
        return truth < least
    if verdict is Verdict.SLOWER:
        return truth > -least
    return verdict is Verdict.NO_DIFFERENCE and abs(truth) > math.log1p(NO_DIFFERENCE_WITHIN)


@pytest.mark.parametrize("pooled", [True, False])
@pytest.mark.parametrize("spread", [0.01, 0.03, 0.1])
@pytest.mark.parametrize("noise", [normal, heavy_tails, two_speeds])
def test_verdicts_and_intervals_of_races_that_end_early(
    noise: Noise, spread: float, pooled: bool
) -> None:
    """By Bonferroni at most 5 % of the intervals fail, if processes have one speed each.

    With two speeds, three processes have the same one with probability 1/4. Then the interval may
    fail, but the verdict may not.
    """
    rng, outcomes = np.random.default_rng(1), Counter[str]()
    for _ in range(8):
        near, far = rng.normal(0.0, 0.05, 25), rng.normal(0.8, 0.6, 25)
        truths = [*near, *far]
        for estimate, truth in zip(raced(rng, noise, spread, truths, pooled), truths, strict=True):
            speedup, processes = interval(estimate), len(estimate.log_ratios)
            outcomes["all"] += 1
            outcomes["missed"] += not speedup.low <= math.exp(truth) <= speedup.high
            outcomes["wrong"] += wrong(speedup, truth) and certain(speedup, processes)
    number = outcomes["all"]
    most = 0.05 + 3 * math.sqrt(0.05 * 0.95 / number)
    assert outcomes["wrong"] <= most * number
    if noise is not two_speeds:
        assert outcomes["missed"] <= most * number


def test_the_intervals_of_all_looks_together_fail_in_5_percent() -> None:
    assert sum(LOOKS.values()) == pytest.approx(0.05)
    assert list(LOOKS) == [min(LOOKS) * i for i in range(1, len(LOOKS) + 1)]


@pytest.mark.parametrize("processes", [3, 5, 6, 12])
def test_the_interval_is_students_at_the_probability_of_its_look(processes: int) -> None:
    values = np.random.default_rng(processes).normal(0.5, 0.1, processes)
    estimate = RatioEstimate()
    for value in values:
        add_process(estimate, float(value))
    fails = LOOKS[processes // 3 * 3]
    half = (
        student_quantile(processes - 1, 1 - fails / 2) * values.std(ddof=1) / math.sqrt(processes)
    )
    speedup = interval(estimate)
    assert math.log(speedup.high) - math.log(speedup.median) == pytest.approx(half, rel=0.01)
    assert speedup.half_width == pytest.approx(half, rel=0.01)


@pytest.mark.parametrize("processes", [1, 2])
def test_fewer_than_three_processes_give_no_bounds(processes: int) -> None:
    estimate = RatioEstimate()
    for _ in range(processes):
        add_process(estimate, 1.0)
    assert (interval(estimate).low, interval(estimate).high) == (0.0, math.inf)
    assert not certain(interval(estimate), processes)
    assert needs_more(estimate, PRECISION)


def test_enormous_scatter_overflows_nothing() -> None:
    estimate = RatioEstimate()
    for value in (-600.0, 0.0, 600.0):
        add_process(estimate, value)
    assert 0 < interval(estimate).low < interval(estimate).high < math.inf


@pytest.mark.parametrize("processes", [FEW - 1, FEW])
def test_a_difference_that_two_speeds_can_make_takes_six_processes(processes: int) -> None:
    enough = processes >= FEW
    within = TWO_SPEEDS * 0.999
    assert certain(Interval(1.2, within, 1.5), processes) == enough
    assert certain(Interval(0.8, 0.7, 1 / within), processes) == enough
    assert certain(Interval(1.0, 0.99, 1.01), processes) == enough
    assert certain(Interval(1.5, TWO_SPEEDS * 1.001, 1.9), processes)
    assert certain(Interval(0.6, 0.5, 1 / TWO_SPEEDS / 1.001), processes)


def test_what_is_undecided_is_never_certain() -> None:
    assert not certain(Interval(1.0, 0.9, 1.1), 12)


def values(*logs: float) -> RatioEstimate:
    estimate = RatioEstimate()
    for log in logs:
        add_process(estimate, log)
    return estimate


def test_a_clear_and_precise_speedup_ends_after_three_processes() -> None:
    assert not needs_more(values(1.0, 1.001, 0.999), PRECISION)


def test_more_precision_takes_more_processes() -> None:
    three = values(1.0, 1.004, 0.996)
    assert not needs_more(three, 0.05)
    assert needs_more(three, 0.01)


def test_a_precision_that_cannot_be_reached_is_not_tried() -> None:
    assert not needs_more(values(1.0, 1.5, 0.5, 1.5, 0.5, 1.0), PRECISION)


def test_an_uncertain_verdict_is_followed_to_the_last_process() -> None:
    logs = [0.3, -0.3, 0.0] * 4
    assert needs_more(values(*logs[:9]), PRECISION)
    assert not needs_more(values(*logs), PRECISION)
