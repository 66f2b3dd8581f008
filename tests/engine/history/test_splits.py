"""The best splits beside all others, probabilities of rank sums beside those of SciPy."""

from itertools import combinations

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from mlpperf.engine.history.splits import best_part, best_split, rank_sum_probability


def squares(*parts: np.ndarray) -> float:
    return sum(len(part) * part.var() for part in parts)


def stepped(length: int, steps: int) -> np.ndarray:
    rng = np.random.default_rng([length, steps])
    values = rng.normal(size=length)
    for place in rng.integers(1, length, steps):
        values[place:] += rng.normal(scale=2)
    return values


@pytest.mark.parametrize("length", [10, 11, 23, 60, 151])
@pytest.mark.parametrize("steps", [0, 1, 2])
def test_no_other_split_has_smaller_squares(length: int, steps: int) -> None:
    values = stepped(length, steps)
    places = range(5, length - 4)
    least = min(places, key=lambda place: squares(values[:place], values[place:]))
    assert best_split(values, 5) == least


@pytest.mark.parametrize("length", [15, 16, 23, 60])
@pytest.mark.parametrize("steps", [0, 1, 2])
def test_no_other_part_has_smaller_squares(length: int, steps: int) -> None:
    values = stepped(length, steps)

    def without(part: tuple[int, int]) -> float:
        start, stop = part
        return squares(values[start:stop], np.delete(values, slice(start, stop)))

    parts = [(a, b) for a, b in combinations(range(5, length - 4), 2) if b - a >= 5]
    assert best_part(values, 5) == min(parts, key=without)


def test_a_part_at_another_level_is_cut_out() -> None:
    assert best_part(np.repeat([0.0, 1.0, 0.0], [9, 6, 7]), 5) == (9, 15)
    assert best_part(np.repeat([0.0, -1.0, 0.0], [5, 5, 5]), 5) == (5, 10)


def test_no_part_is_shorter_than_asked() -> None:
    values = np.array([0.0, 9, 9, 9, 9, 9, 9, 9])
    assert [best_split(values, fewest) for fewest in (1, 3, 4)] == [1, 3, 4]


def test_values_far_from_zero_are_split_as_well() -> None:
    values = 1e9 + np.repeat([0.0, 1.0], [7, 9])
    assert best_split(values, 5) == 7


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
