"""The engine's own quantiles beside those of SciPy."""

import math

import numpy as np
import pytest
from scipy import special, stats

from mlpperf.engine.statistics.quantiles import (
    beta_quantile,
    normal_probability,
    normal_quantile,
    student_quantile,
)

PROBABILITIES = [1e-9, 1e-4, 0.0025, 0.025, 0.1, 0.3, 0.5, 0.6, 0.7, 0.8, 0.975, 0.9999, 1 - 1e-9]


def close(ours: float, theirs: float) -> bool:
    return math.isclose(ours, theirs, rel_tol=1e-12, abs_tol=1e-15)


@pytest.mark.parametrize("z", [-38.0, -12.0, -3.0, -0.5, 0.0, 0.5, 3.0, 12.0])
def test_normal_probabilities_are_those_of_scipy(z: float) -> None:
    assert close(normal_probability(z), float(special.ndtr(z)))


@pytest.mark.parametrize("probability", [1e-300, *PROBABILITIES])
def test_normal_quantiles_are_those_of_scipy(probability: float) -> None:
    assert close(normal_quantile(probability), float(special.ndtri(probability)))


def test_certainty_has_infinite_quantiles() -> None:
    assert (normal_quantile(0.0), normal_quantile(1.0)) == (-math.inf, math.inf)


@pytest.mark.parametrize("freedom", [1, 2, 3, 5, 7, 10, 30, 100, 1000])
@pytest.mark.parametrize("probability", PROBABILITIES)
def test_students_quantiles_are_those_of_scipy(freedom: int, probability: float) -> None:
    theirs = float(stats.t.ppf(probability, freedom))
    assert close(student_quantile(freedom, probability), theirs)


@pytest.mark.parametrize("hits", [1, 2, 5, 17, 99, 100])
@pytest.mark.parametrize("misses", [1, 2, 6, 50, 400])
@pytest.mark.parametrize("probability", [0.005, 0.025, 0.5, 0.975, 0.995])
def test_beta_quantiles_are_those_of_scipy(hits: int, misses: int, probability: float) -> None:
    theirs = float(stats.beta.ppf(probability, hits, misses))
    assert close(beta_quantile(hits, misses, probability), theirs)


def test_a_quantile_gives_back_its_probability() -> None:
    """Also where nobody's table reaches: by the distribution function of SciPy."""
    rng = np.random.default_rng(5)
    for a, b, p in rng.uniform((0.5, 0.5, 0.01), (300, 300, 0.99), (200, 3)):
        assert special.betainc(a, b, beta_quantile(a, b, p)) == pytest.approx(p, rel=1e-10)
