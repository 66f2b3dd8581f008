"""Where the reasons for distrust begin, to the last digit."""

import numpy as np
import pytest
from numpy.typing import NDArray

from mlpperf.engine.race.race import WIDE
from mlpperf.engine.race.warnings import Measured, doubts, two_modes
from mlpperf.engine.statistics.intervals import ratio_interval

Floats = NDArray[np.float64]


def doubted(ratios: Floats, busy: float = 0.0) -> list[str]:
    return list(doubts(Measured(ratios, ratio_interval(ratios), len(ratios), 1, busy)))


def cluster(number: int, centre: float, deviation: float) -> Floats:
    """So many values with exactly that mean and that standard deviation."""
    values = np.linspace(-1.0, 1.0, number)
    return centre + deviation * values / values.std()


@pytest.mark.parametrize(("apart", "found"), [(6.01, True), (5.99, False)])
def test_two_clusters_of_sixty_values_lie_apart_by_six_deviations(
    apart: float, found: bool
) -> None:
    """5 + 60/n, so that halves of one cluster are none."""
    deviation = 0.01
    values = np.concatenate(
        [cluster(30, 0.0, deviation), cluster(30, apart * deviation, deviation)]
    )
    assert (two_modes(values) is not None) == found


@pytest.mark.parametrize(("number", "found"), [(4, True), (3, False)])
def test_a_cluster_has_a_fifth_of_the_values_at_least(number: int, found: bool) -> None:
    values = np.concatenate([cluster(20 - number, 0.0, 1e-4), cluster(number, 1.0, 1e-4)])
    modes = two_modes(values)
    assert (modes is not None and modes == pytest.approx((0.0, 1.0), abs=1e-3)) == found


@pytest.mark.parametrize(("step", "found"), [(WIDE / 2 + 5e-4, True), (WIDE / 2 - 5e-4, False)])
def test_halves_that_differ_by_half_of_what_is_wide_have_drifted(step: float, found: bool) -> None:
    ratios = np.repeat([1.0, 1.0 + step], 30)
    assert any("drifted" in doubt for doubt in doubted(ratios)) == found


def test_the_share_of_others_is_told_in_percent() -> None:
    assert doubted(np.ones(30), busy=0.9) == ["other processes took 90 % of the machine"]
