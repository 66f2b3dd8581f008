"""The ranks and averages behind the interval of a ratio."""

import math

import numpy as np
import pytest

from mlpperf.engine.statistics.intervals import (
    UNKNOWN,
    Interval,
    critical_rank,
    walsh_averages,
)


@pytest.mark.parametrize(
    ("level", "ranks"),
    [
        (0.05, {5: -1, 6: 0, 7: 2, 8: 3, 9: 5, 10: 8, 12: 13, 15: 25, 20: 52, 25: 89}),
        (0.01, {7: -1, 8: 0, 10: 3, 15: 15, 20: 37}),
    ],
)
def test_critical_ranks_are_those_of_published_tables(level: float, ranks: dict[int, int]) -> None:
    assert {n: critical_rank(n, level) for n in ranks} == ranks


@pytest.mark.parametrize("level", [0.05, 0.01, 9e-4])
@pytest.mark.parametrize("n", [101, 120, 150])
def test_many_values_have_a_rank_that_is_hardly_less_than_the_exact_one(
    n: int, level: float
) -> None:
    ways = np.ones(1)
    for rank in range(1, n + 1):
        ways = np.pad(ways, (0, rank)) + np.pad(ways, (rank, 0))
    exact = int((2 * np.cumsum(ways / 2.0**n) <= level).sum()) - 1
    assert 0.99 * exact <= critical_rank(n, level) <= exact


def test_averages_are_of_all_pairs_weighted_by_their_errors() -> None:
    values = np.array([1.0, 2.0, 4.0])
    assert sorted(walsh_averages(values)) == [1.0, 1.5, 2.0, 2.5, 3.0, 4.0]
    weighted = sorted(walsh_averages(values, np.array([1.0, 0.5, 1.0])))
    assert weighted == pytest.approx([1.0, 5 / 3, 2.0, 2.5, 8 / 3, 4.0])


@pytest.mark.parametrize(
    ("interval", "between", "words"),
    [
        (Interval(1.021, 1.018, 1.024), "+1.8 to +2.4", "+2.1 % (+1.8 to +2.4)"),
        (Interval(1.021, 0.0, math.inf), "", "+2.1 %"),
        (Interval(0.5, 0.4, math.inf), "", "-50.0 %"),
        (UNKNOWN, "", "?"),
    ],
)
def test_an_interval_as_a_change_has_only_ends_that_are_known(
    interval: Interval, between: str, words: str
) -> None:
    assert interval.between == between
    assert interval.bounded == bool(between)
    assert str(interval) == words


@pytest.mark.parametrize(
    ("interval", "extent", "excludes_one"),
    [
        (Interval(1.1, 1.05, 1.2), 0.2, True),
        (Interval(0.6, 0.5, 0.8), 1.0, True),  # up by as much as it may be down
        (Interval(1.1, 0.9, 1.2), 0.2, False),
        (Interval(1.1, 1.0, 1.2), 0.2, False),
        (Interval(1.1, 0.0, math.inf), math.inf, False),
        (Interval(1.1, 0.0, 1.2), math.inf, False),
        (UNKNOWN, math.inf, False),
    ],
)
def test_an_interval_tells_the_largest_change_and_whether_there_is_one(
    interval: Interval, extent: float, excludes_one: bool
) -> None:
    assert interval.extent == pytest.approx(extent)
    assert interval.excludes_one == excludes_one
