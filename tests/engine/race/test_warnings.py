"""Where the reasons for distrust begin, to the last digit."""

import numpy as np
import pytest
from numpy.typing import NDArray

from mlpperf.engine.race.result import SCATTER
from mlpperf.engine.race.warnings import two_modes, warnings
from mlpperf.engine.statistics.intervals import ratio_interval

Floats = NDArray[np.float64]


def warned(ratios: Floats, busy: float = 0.0) -> list[str]:
    return list(warnings(ratios, ratio_interval(ratios), busy=busy))


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


@pytest.mark.parametrize(("step", "drifted"), [(SCATTER + 5e-4, True), (SCATTER - 5e-4, False)])
def test_halves_that_differ_by_more_than_identical_code_have_drifted(
    step: float, drifted: bool
) -> None:
    ratios = 1.008 * np.repeat([1.0, 1.0 + step], 30)  # faster, but not in the first half
    assert any("drift" in each for each in warned(ratios)) == drifted


def test_the_share_of_others_is_in_percent() -> None:
    (warning,) = warned(np.full(30, 1.02), busy=0.9)
    assert "others took 90 %" in warning
