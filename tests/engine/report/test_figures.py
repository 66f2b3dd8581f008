"""Figures as Plotly reads them."""

import math
from unittest import mock

import pytest

from mlpperf.articles.plots import Curves
from mlpperf.engine.compare.flame import Flame, FlameFrame
from mlpperf.engine.history.fields import Bounds
from mlpperf.engine.report.figures import by_name, icicle, interval, points

EPOCHS = [
    mock.Mock(epoch=1, loss=2.0, accuracy=None),
    mock.Mock(epoch=2, loss=1.0, accuracy=0.5),
]


@pytest.mark.parametrize(
    ("low", "high", "below", "above"),
    [(1.5, 3.0, 0.5, 1.0), (0.0, 2.5, 2.0, 0.5), (None, math.inf, 0.0, 0.0), (math.nan, 2, 0, 0)],
)
def test_an_unknown_bound_has_no_error_bar(
    low: float | None, high: float, below: float, above: float
) -> None:
    bars = interval([mock.Mock(median=2.0, low=low, high=high)])
    assert (bars["arrayminus"], bars["array"]) == ([below], [above])


@pytest.mark.parametrize(("logarithmic", "at"), [(False, 100.0), (True, 2.0)])
def test_the_name_of_a_line_stands_at_the_line(logarithmic: bool, at: float) -> None:
    """Plotly takes the places of lines as values, and those of texts as their logarithms."""
    trace = points("a", ["<x>"], [Bounds(1.0, 0.5, None)], " s")
    drawn = by_name([trace], "seconds", 1, [(100.0, "<floor>")], logarithmic=logarithmic)
    layout = drawn["layout"]
    assert (layout["shapes"][0]["x0"], layout["annotations"][0]["x"]) == (100.0, at)
    assert layout["annotations"][0]["text"] == "&lt;floor&gt;", "names are no HTML"
    assert drawn["data"][0]["y"] == ["&lt;x&gt;"]


def test_epochs_without_a_value_are_left_out() -> None:
    drawn = Curves("accuracy in %", {"accuracy": "test set"}, 100).draw(EPOCHS)
    assert (drawn["data"][0]["x"], drawn["data"][0]["y"]) == ([2], [50.0])


def test_functions_stand_below_their_callers_and_only_what_differs_has_a_colour() -> None:
    frames = [
        FlameFrame(-1, "walk", "a.py:1", 1.0, 1.5),
        FlameFrame(0, "old.<locals>.<lambda>", "a.py:9", 0.3, 0.8),
        FlameFrame(0, "same", "a.py:5", 0.6, 0.61),
    ]
    number = {"base": 1000, "head": 1000}
    ratio = Bounds(1.5, 1.49, 1.51)
    flame = Flame("a.py", "", "test_a", "pytest", ratio=ratio, samples=number, frames=frames)
    (trace,) = icicle(flame)["data"]
    assert trace["labels"] == ["a call", "walk", "&lt;lambda&gt;", "same"]
    assert trace["parents"] == ["", "0", "1", "1"]
    assert trace["values"] == pytest.approx([0.0, 0.095, 0.55, 0.605])
    assert trace["marker"]["colors"] == [50.0, 50.0, 50.0, 0.0]
    assert trace["customdata"][3] == ["a.py:5", "60.0 → 61.0", "a difference within chance"]
