"""What several processes found about a ratio, and how far each is to be trusted."""

import math

import numpy as np
import pytest

from mlpperf.engine.statistics.blocks import ROW, quickest
from mlpperf.engine.statistics.estimates import SCATTER_UNKNOWN, Pool, RatioEstimate
from mlpperf.engine.statistics.pooling import pool
from mlpperf.engine.worker.runner import Runner


def of_processes(rng: np.random.Generator, number: int, rounds: int, sigma: float) -> RatioEstimate:
    """Whose rounds scatter normally by `sigma`, with blocks below that are always alike."""
    found = RatioEstimate()
    for _ in range(number):
        above = np.exp(sigma * rng.standard_normal(rounds))
        found.add([1.0] * rounds, above, 2e-3, 0.5)
    return found


def test_nothing_is_known_before_anything_was_found() -> None:
    nothing = RatioEstimate()
    assert nothing.log_ratio == 0.0
    assert nothing.error == nothing.error_between == math.inf
    assert nothing.error_within == 0.0
    assert nothing.scatter == SCATTER_UNKNOWN


def test_rounds_of_one_process_are_values_that_all_count_alike() -> None:
    found = RatioEstimate.of_rounds([1.0, 2.0, 4.0])
    assert found.log_ratios == [0.0, math.log(2), pytest.approx(math.log(4))]
    assert found.rounds == [1, 1, 1]
    assert found.own_errors == [0.0] * 3
    assert found.log_ratio == pytest.approx(math.log(2))


def test_it_is_above_divided_by_below() -> None:
    found = RatioEstimate()
    found.add([2.0] * 8, [3.0] * 8, 1e-3, 0.0)
    assert found.log_ratio == pytest.approx(math.log(1.5))


def test_what_rounds_cost_is_what_the_last_process_needed() -> None:
    found = RatioEstimate()
    found.add([1.0], [1.0], 3e-3, 2.0)
    found.add([1.0], [1.0], 5e-3, 7.0)
    assert found.round_seconds == 5e-3
    assert found.other_seconds == 2.0  # whoever comes first may wait for a library to load


def test_the_pooled_error_weighs_own_and_usual_scatter_by_their_degrees_of_freedom() -> None:
    """Two degrees for nine times the variance that is expected, and four for twice."""
    found = RatioEstimate([0.0, 0.03, 0.06], [1] * 3, [0.01] * 3, [np.zeros(2)], scatter=0.0)
    expected = 0.01 / math.sqrt(3)
    assert found.error_between == found.error == pytest.approx(3 * expected)
    found.pool = Pool(between=0.0, scale=2.0, degrees=4.0)
    assert found.freedom == 6.0
    assert found.error == pytest.approx(expected * math.sqrt((2 * 9 + 4 * 2) / 6))


def test_the_centre_of_each_process_costs_the_scatter_a_degree_of_freedom() -> None:
    found = of_processes(np.random.default_rng(0), 3, 5 * ROW, 0.01)
    sizes = np.abs(np.concatenate(found.deviations))
    assert len(sizes) == 15
    assert found.scatter == pytest.approx(1.4826 * np.median(sizes) / math.sqrt(12 / 15))


def test_one_round_tells_nothing_about_its_own_error() -> None:
    found = RatioEstimate()
    found.add([1.0], [1.0], 1e-3, 0.0)
    assert found.own_errors == [0.0]
    assert found.deviations == []
    assert found.scatter == SCATTER_UNKNOWN


def test_the_rounds_of_one_row_tell_it() -> None:
    found = RatioEstimate()
    found.add([1.0] * ROW, [1.0, 1.0, 1.1, 1.1], 1e-3, 0.0)
    one = math.log(1.1)  # by which the second round differs from the last two; the first is cold
    assert found.log_ratio == 0.0  # of the quickest blocks
    assert found.own_errors == [pytest.approx(math.sqrt(math.pi / 2) * one / 3 / math.sqrt(3))]


def test_two_rows_do() -> None:
    found = RatioEstimate()
    found.add([1.0] * 2 * ROW, [1.0] * ROW + [1.1] * ROW, 1e-3, 0.0)
    (error,) = found.own_errors
    half = math.log(1.1) / 2
    assert error == pytest.approx(math.sqrt(math.pi / 2) * half / math.sqrt(2))
    (deviations,) = found.deviations
    assert sorted(deviations) == pytest.approx([-half * math.sqrt(ROW), half * math.sqrt(ROW)])


@pytest.mark.parametrize("rounds", [2 * ROW, 4 * ROW, 40 * ROW])
def test_the_scatter_is_found_whether_processes_are_long_or_short(rounds: int) -> None:
    """Each has its own middle: without a correction the short ones would seem to scatter less."""
    sigma = 0.01
    found = of_processes(np.random.default_rng(1), 8000 // rounds, rounds, sigma)
    # Of every row the quickest counts, which scatters by 0.7 of a round, not by 1/√ROW.
    least = np.random.default_rng(2).standard_normal((20_000, ROW)).min(axis=1).std()
    assert found.scatter == pytest.approx(sigma * least * math.sqrt(ROW), rel=0.15)


def test_seconds_for_an_error_are_those_of_so_many_rounds() -> None:
    found = RatioEstimate(round_seconds=2e-3, scatter=0.02)
    assert found.seconds_for(0.01) == pytest.approx(4 * 2e-3)


def test_a_process_counts_by_the_square_of_its_error() -> None:
    found = RatioEstimate([0.0, 1.0], rounds=[100, 100], own_errors=[0.1, 0.2], scatter=0.0)
    assert found.log_ratio == pytest.approx((0 / 0.01 + 1 / 0.04) / (1 / 0.01 + 1 / 0.04))


def test_no_process_counts_for_more_than_the_scatter_of_all_allows() -> None:
    found = RatioEstimate([0.0, 1.0], rounds=[100, 25], own_errors=[0.0, 0.0], scatter=0.1)
    assert found.errors == pytest.approx([0.01, 0.02])


def test_the_larger_of_two_errors_counts() -> None:
    apart = RatioEstimate([0.0, 0.2], rounds=[100, 100], own_errors=[0.01, 0.01], scatter=0.0)
    apart.deviations = [np.zeros(1)] * 2
    assert apart.error_within == pytest.approx(0.01 / math.sqrt(2))
    assert apart.error_between == pytest.approx(0.1)
    assert apart.error == apart.error_between
    together = RatioEstimate([0.1, 0.1], rounds=[100, 100], own_errors=[0.01, 0.01], scatter=0.0)
    together.deviations = apart.deviations
    assert together.error == together.error_within


def test_of_a_single_process_its_own_error_is_all_that_is_known() -> None:
    alone = RatioEstimate([0.0], rounds=[100], own_errors=[0.01], scatter=0.0)
    assert alone.error == math.inf
    alone.deviations = [np.zeros(1)]
    assert alone.error == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("times", "least"),
    [
        ([3.0], [3.0]),
        ([3.0, 2.0, 4.0], [2.0]),
        ([3.0, 2.0, 4.0, 5.0], [2.0]),
        ([3.0, 2.0, 4.0, 5.0, 1.0], [1.0]),  # what is left over counts with the last row
        ([3.0, 2.0, 4.0, 5.0, 9.0, 8.0, 7.0, 6.0], [2.0, 6.0]),
        ([3.0, 2.0, 4.0, 5.0, 9.0, 8.0, 7.0, 6.0, 1.0], [2.0, 1.0]),
    ],
)
def test_the_quickest_of_four_in_a_row(times: list[float], least: list[float]) -> None:
    assert quickest(times).tolist() == least


def test_the_number_of_calls_aims_a_little_beyond_a_block() -> None:
    now = 0  # nanoseconds

    def call() -> None:
        nonlocal now
        now += 1000

    runner = Runner(call)
    runner.calibrate((), 9.9e-5, 0.0, lambda: now)
    # 1, 10 and 100 calls: ten times more at a time, and 1.2 times what is needed at the end.
    assert runner.calls == 100
    assert not runner.warm
    runner = Runner(call)
    runner.calibrate((), 1.01e-5, 1.0, lambda: now)
    assert runner.calls == 20  # at least twice as many
    assert runner.warm


@pytest.mark.parametrize("rounds", [2, 3, 2 * ROW, 40 * ROW])
def test_a_clock_that_jumps_once_changes_nothing(rounds: int) -> None:
    """A process that was stopped for an hour, or a machine that slept: one block seems endless."""
    found = RatioEstimate()
    for process in range(6):
        base, head = np.ones(rounds), np.full(rounds, 1.01)
        (base if process % 2 else head)[process % rounds] += 3600.0
        found.add(base, head, 1e-3, 0.0)
    assert found.log_ratios == pytest.approx([math.log(1.01)] * 6, abs=1e-9)
    assert found.log_ratio == pytest.approx(math.log(1.01))


@pytest.mark.parametrize("pairs", [6, 7, 100, 999, 5000])
def test_the_middle_of_pairs_withstands_disturbances(pairs: int) -> None:
    rng, timing = np.random.default_rng(7), RatioEstimate()
    base, head = np.exp(0.01 * rng.standard_normal((2, pairs))) * [[1e-3], [1.1e-3]]
    for times in (base, head):
        times[rng.permutation(pairs)[: pairs // 20]] *= 5
    timing.add(base, head, 1e-3, 0.0)
    assert timing.log_ratios == pytest.approx([math.log(1.1)], abs=0.05 / math.sqrt(pairs) + 0.002)
    assert timing.error_within < 0.05 / math.sqrt(pairs)
    assert timing.error_within > 0


def test_the_scatter_is_that_of_a_pair_however_many_are_averaged() -> None:
    rng = np.random.default_rng(8)
    quickest = 0.02 * rng.standard_normal((20_000, ROW)).min(axis=1)
    expected = float(quickest.std()) * math.sqrt(ROW)
    for pairs in (300, 1000, 5000):
        timing = RatioEstimate()
        for _ in range(3):
            timing.add(np.ones(pairs), np.exp(0.02 * rng.standard_normal(pairs)), 1e-3, 0.0)
        assert timing.scatter == pytest.approx(expected, rel=0.2)
        assert timing.error_within == pytest.approx(expected / math.sqrt(3 * pairs), rel=0.2)


def test_what_only_ever_slows_blocks_down_hides_no_change() -> None:
    """Half of the blocks are disturbed: the middle of the ratios would be as often of one side."""
    rng, errors = np.random.default_rng(9), list[float]()
    for _ in range(50):
        base, head = np.ones(80), np.full(80, 1.01)
        for times in (base, head):
            times += rng.exponential(0.2, 80) * rng.integers(0, 2, 80)
        timing = RatioEstimate()
        timing.add(base, head, 1e-3, 0.0)
        errors.append(timing.log_ratios[0] - math.log(1.01))
    assert np.sqrt(np.mean(np.square(errors))) < 0.002


def test_an_order_that_matters_is_averaged_out() -> None:
    """The second block of each pair is slower by half: no ratio is right, but the middle is."""
    base, head = np.tile([1.0, 1.5], 50), np.tile([1.5, 1.0], 50)
    timing = RatioEstimate()
    timing.add(base, head, 1e-3, 0.0)
    assert timing.log_ratios == pytest.approx([0.0], abs=1e-12)


def test_the_quickest_of_few_blocks_count() -> None:
    timing = RatioEstimate()
    timing.add([1.0, 3.0, 1.0], [2.2, 1.1, 2.2], 1.0, 0.0)
    assert timing.log_ratios == pytest.approx([math.log(1.1)])
    assert timing.error_within > 0.5  # the rounds differ by that much
    assert timing.error_between == math.inf
    timing.add([1.0, 1.0], [1.1, 1.1], 1.0, 0.0)
    assert timing.error_between == pytest.approx(0.0)


def test_two_rounds_give_no_within_process_error() -> None:
    """In the first one, whoever comes first waits for fresh memory: that is no scatter."""
    timing, known = RatioEstimate(), RatioEstimate()
    for change in (0.01, 0.02, 0.06):
        timing.add([3.0, 1.0], [1.0, 1.0 + change], 1.0, 0.0)
        timing.log_ratios[-1] = change
        known.add(np.ones(80), np.full(80, 1 + change), 1.0, 0.0)
    pool([timing, *[known] * 20])
    assert not timing.deviations
    assert timing.freedom == 2
    assert timing.error == pytest.approx(float(np.std([0.01, 0.02, 0.06], ddof=1)) / 3**0.5)
    assert known.freedom > 2


def test_one_slow_set_up_does_not_raise_the_estimated_overhead() -> None:
    timing = RatioEstimate()
    for rest in (0.01, 0.8, 0.02):
        timing.add([1.0] * 8, [1.1] * 8, 1e-3, rest)
    assert timing.other_seconds == 0.01


def test_the_longer_a_process_has_timed_the_more_it_counts() -> None:
    timing = RatioEstimate([0.05, 0.01, 0.01], rounds=[10, 95, 95], own_errors=[0.0] * 3)
    assert timing.log_ratio == pytest.approx(0.012)
    assert timing.error_between < float(np.std(timing.log_ratios, ddof=1)) / math.sqrt(3)
