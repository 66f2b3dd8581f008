"""What series learn from each other about how far their processes scatter."""

import math

import numpy as np
import pytest
from scipy import stats

from mlpperf.engine.statistics import pooling
from mlpperf.engine.statistics.estimates import Pool, RatioEstimate
from mlpperf.engine.statistics.intervals import CONFIDENCE
from mlpperf.engine.statistics.pooling import FEWEST, pool
from mlpperf.engine.statistics.quantiles import student_quantile

PROCESSES = 3


def estimates(
    rng: np.random.Generator, number: int, *, between: float, alike: float, own: float = 1e-3
) -> list[RatioEstimate]:
    """Of equal versions; variances of the series are scaled inverse χ² of so many degrees."""
    found = []
    for _ in range(number):
        factor = alike / rng.chisquare(alike) if math.isfinite(alike) else 1.0
        deviation = math.sqrt(factor) * math.hypot(between, own)
        logs = [float(value) for value in deviation * rng.standard_normal(PROCESSES)]
        one = RatioEstimate(logs, [100] * PROCESSES, [own] * PROCESSES, [np.zeros(2)])
        one.scatter = 0.0
        found.append(one)
    return found


def half_width(estimate: RatioEstimate) -> float:
    return student_quantile(estimate.freedom, (1 + CONFIDENCE) / 2) * estimate.error


@pytest.mark.parametrize("alike", [3.0, 10.0, math.inf])
@pytest.mark.parametrize("between", [0.0, 0.01])
def test_intervals_hold_the_truth_as_often_as_they_say(between: float, alike: float) -> None:
    rng, held = np.random.default_rng(1), []
    for _ in range(40):
        found = estimates(rng, 60, between=between, alike=alike)
        pool(found)
        held += [abs(one.log_ratio) <= half_width(one) for one in found]
    # The error of a share of 2,400 is 0.4 %.
    assert 0.935 <= np.mean(held) <= 0.98


def test_they_are_much_narrower_than_each_alone() -> None:
    found = estimates(np.random.default_rng(2), 100, between=0.01, alike=20.0)
    alone = np.median([half_width(one) for one in found])
    pool(found)
    assert np.median([half_width(one) for one in found]) < 0.75 * alone
    assert 5e-3 < found[0].pool.between * math.sqrt(found[0].pool.scale) < 0.02


def test_what_scatters_more_than_the_others_keeps_some_of_it() -> None:
    found = estimates(np.random.default_rng(3), 50, between=2e-3, alike=20.0)
    found[0].log_ratios = [-0.1, 0.0, 0.1]
    pool(found)
    assert found[0].error > 5 * np.median([one.error for one in found[1:]])


def test_a_process_of_large_error_counts_less_but_the_others_never_too_much() -> None:
    """Between processes there is a scatter that no time within one makes smaller."""
    found = estimates(np.random.default_rng(4), 50, between=0.02, alike=20.0)
    found[0].own_errors[0] = 0.1
    pool(found)
    weights = found[0].errors ** -2.0
    assert weights[0] < weights[1]
    assert found[0].errors.min() >= found[0].pool.between > 5e-3


@pytest.mark.parametrize(("between", "alike"), [(4e-3, 8.0), (2e-3, 4.0), (1e-3, 20.0)])
def test_the_pool_is_the_least_similar_that_the_likelihood_supports(
    between: float, alike: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By SciPy's multivariate t, of what differs between the processes of a series."""
    grid = {
        "BETWEEN": (0.0, 2e-3, 5e-3),
        "SCALES": (0.5, 1.0, 2.0),
        "DEGREES": (1.0, 3.0, 8.0, 20.0),
    }
    for name, values in grid.items():
        monkeypatch.setattr(pooling, name, values)
    found = estimates(np.random.default_rng(6), 40, between=between, alike=alike)
    for number, one in enumerate(found):
        one.own_errors = [1e-3, 2e-3, 4e-3]
        if number % 3 == 0:  # not all have as many processes
            del one.log_ratios[-1], one.rounds[-1], one.own_errors[-1]

    def likelihood(between: float, scale: float, degrees: float) -> float:
        total = 0.0
        for one in found:
            variances = np.diag(np.array(one.own_errors) ** 2 + between**2)
            apart = np.diff(np.eye(len(variances)), axis=0)
            shape = scale * apart @ variances @ apart.T
            total += stats.multivariate_t.logpdf(apart @ one.log_ratios, shape=shape, df=degrees)
        return total

    best = {
        degrees: max(
            (likelihood(between, scale, degrees), Pool(between, scale, degrees))
            for between in grid["BETWEEN"]
            for scale in grid["SCALES"]
        )
        for degrees in grid["DEGREES"]
    }
    most = max(value for value, _ in best.values())
    expected = next(each for value, each in best.values() if value >= most - pooling.MARGIN)
    pool(found)
    assert {one.pool for one in found} == {expected}


def test_twenty_degrees_of_freedom_are_enough() -> None:
    found = estimates(np.random.default_rng(5), FEWEST // 2, between=0.01, alike=20.0)
    del found[0].log_ratios[-1], found[0].rounds[-1], found[0].own_errors[-1]
    pool(found)
    assert found[1].pool == Pool()
    extra = estimates(np.random.default_rng(5), 1, between=0.01, alike=20.0)
    pool([*found[1:], *extra])
    assert found[1].pool.degrees > 0


def test_too_few_series_learn_nothing() -> None:
    few = FEWEST // (PROCESSES - 1) - 1
    found = estimates(np.random.default_rng(5), few, between=0.01, alike=20.0)
    before = [one.error for one in found]
    pool(found)
    assert [one.error for one in found] == before
    assert found[0].pool == Pool()
    pool([])
    pool([RatioEstimate([0.1])] * 100)  # one process each: they are not apart
