"""Plots as Plotly reads them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpperf.engine.report.figures import FEWEST_TICKS, logarithmic_axis


@pytest.mark.parametrize(
    ("drawn", "texts"),
    [
        ([100.0, 60_000.0], ["100", "1,000", "10,000"]),
        ([0.5, 60.0], ["0.5", "1", "2", "5", "10", "20", "50"]),
        ([2.0, 6.0], ["2", "3", "4", "5", "6"]),
    ],
)
def test_ticks_of_a_logarithmic_axis_are_numbers_that_a_person_reads(
    drawn: list[float], texts: list[str]
) -> None:
    assert set(texts) <= set(logarithmic_axis(drawn)["ticktext"])
    assert len(logarithmic_axis(drawn)["ticktext"]) <= 10


@given(st.floats(1e-6, 1e6), st.floats(1.0, 1e6))
def test_there_are_enough_ticks_and_not_too_many(least: float, times: float) -> None:
    axis = logarithmic_axis([least, least * times])
    assert axis["type"] == "log"
    assert 1 <= len(axis["tickvals"]) <= 20
    if times > 1.5:
        assert len(axis["tickvals"]) >= FEWEST_TICKS
    assert len(set(axis["ticktext"])) == len(axis["ticktext"])


@pytest.mark.parametrize("drawn", [[], [0.0], [math.nan], [math.inf], [-1.0]])
def test_nothing_that_can_be_drawn_leaves_the_ticks_to_plotly(drawn: list[float]) -> None:
    assert logarithmic_axis(drawn) == {"type": "log"}
