"""The best splits beside those of ruptures, probabilities of rank sums beside those of SciPy."""

import numpy as np
import pytest
from ruptures import KernelCPD
from scipy.stats import mannwhitneyu

from mlpperf.engine.history.splits import best_splits, rank_sum_probability


def splits_of_ruptures(values: np.ndarray, most: int, fewest: int) -> list[list[int]]:
    model = KernelCPD(kernel="linear", min_size=fewest).fit(values)
    model.predict(n_bkps=most)  # finds those of fewer on its way
    return [[int(place) for place in model.predict(n_bkps=k)[:-1]] for k in range(1, most + 1)]


@pytest.mark.parametrize("length", [15, 16, 23, 60, 151, 400])
@pytest.mark.parametrize("steps", [0, 1, 2])
def test_splits_are_those_of_ruptures(length: int, steps: int) -> None:
    rng = np.random.default_rng([length, steps])
    for _ in range(10):
        values = rng.normal(size=length)
        for place in rng.integers(1, length, steps):
            values[place:] += rng.normal(scale=2)
        ranks = np.argsort(np.argsort(values)).astype(float)
        assert best_splits(values, 2, 5) == splits_of_ruptures(values, 2, 5)
        assert squares(ranks, best_splits(ranks, 2, 5)) == pytest.approx(
            squares(ranks, splits_of_ruptures(ranks, 2, 5))  # ranks may split equally well twice
        )


def squares(values: np.ndarray, splits: list[list[int]]) -> list[float]:
    return [sum(len(p) * p.var() for p in np.split(values, places)) for places in splits]


def test_more_splits_than_two_are_those_of_ruptures() -> None:
    values = np.random.default_rng(4).normal(size=40) + np.repeat([0, 3, 1, 5], 10)
    assert best_splits(values, 3, 5) == splits_of_ruptures(values, 3, 5)
    assert best_splits(values, 3, 5)[-1] == [10, 20, 30]


def test_no_part_is_shorter_than_asked() -> None:
    values = np.array([0.0, 9, 9, 9, 9, 9, 9, 9])
    assert best_splits(values, 1, 1) == [[1]]
    assert best_splits(values, 1, 3) == [[3]]
    assert best_splits(values, 1, 4) == [[4]]


def test_values_far_from_zero_are_split_as_well() -> None:
    values = 1e9 + np.repeat([0.0, 1.0], [7, 9])
    assert best_splits(values, 1, 5) == [[7]]


@pytest.mark.parametrize(("m", "n"), [(1, 1), (1, 9), (5, 5), (5, 6), (7, 30), (50, 50), (9, 400)])
def test_exact_rank_sums_are_those_of_scipy(m: int, n: int) -> None:
    rng = np.random.default_rng([m, n])
    for shift in (0, 0, 0.5, -1, 2, 50, -50):
        a, b = rng.normal(size=m) + shift, rng.normal(size=n)
        theirs = mannwhitneyu(a, b, method="exact").pvalue
        assert rank_sum_probability(a, b, few=10) == pytest.approx(theirs, rel=1e-12)


@pytest.mark.parametrize(("m", "n"), [(51, 50), (80, 300)])
def test_many_rank_sums_are_those_of_scipy(m: int, n: int) -> None:
    rng = np.random.default_rng([m, n])
    for shift in (0, 0.2, -0.5, 2):
        a, b = rng.normal(size=m) + shift, rng.normal(size=n)
        theirs = mannwhitneyu(a, b, method="asymptotic").pvalue
        assert rank_sum_probability(a, b, few=10) == pytest.approx(theirs, rel=1e-12)
