"""The axis of changes: what is on it, and what it cuts off."""

from __future__ import annotations

import math
import re

import pytest

from mlpperf.engine.report.forest import Forest, Row, ordered
from mlpperf.engine.report.site import environment
from mlpperf.engine.statistics.intervals import UNKNOWN, Interval


def row(kind: str, *ratio: float, name: str = "it") -> Row:
    return Row(name, "", kind, kind, Interval(*ratio) if ratio else UNKNOWN)


def forest(rows: list[Row], title: str) -> str:
    """The table as HTML."""
    made = environment().get_template("forest.html").module
    return str(made.forest(Forest(rows, title, name="them")))  # type: ignore[attr-defined]


def positions(html: str, what: str) -> list[float]:
    """Where the dots or the beginnings of the ranges are, in percent."""
    found = re.findall(rf'class="{what}[^"]*" style="left:(-?[\d.]+)%', html)
    return [float(one) for one in found]


def test_the_axis_holds_every_change_whole_and_has_zero_in_common() -> None:
    rows = [
        row("slower", 3, 2.9, 3.1),
        row("faster", 0.5, 0.4, 0.6),
        row("unchanged", 1, 0.99, 1.01),
    ]
    html = forest(rows, "three")
    slower, faster, same = positions(html, "dot")
    assert 0 < faster < same < slower < 100
    (zero,) = re.findall(r"--zero:([\d.]+)%", html)
    assert float(zero) == same
    assert "cut-" not in html


def test_an_interval_that_leaves_the_axis_is_marked() -> None:
    usual = [row("unchanged", 1, 0.99, 1.01)] * 20
    html = forest([*usual, row("undecided", 1.1, 0.2, 9)], "much")
    assert html.count("cut-low cut-high") == 1
    assert all(0 <= at <= 100 for at in positions(html, "range"))


@pytest.mark.parametrize("change", [1.0001, 1.004, 1.03, 1.4, 0.6, 0.7, 3.0, 1e6, 1e-6])
def test_the_axis_has_ticks_whatever_its_length(change: float) -> None:
    html = forest([row("slower", change, change * 0.999, change * 1.001)], "one")
    ticks = re.findall(r'<span style="left:([\d.]+)%">([^<]+)</span>', html)
    assert len(ticks) > 1
    assert "0" in [text for _, text in ticks]
    assert all(0 <= float(at) <= 100 for at, _ in ticks)


def test_a_row_without_a_ratio_has_no_bar() -> None:
    html = forest([row("new"), row("unchanged", 1, 0.99, 1.01)], "two")
    assert len(positions(html, "dot")) == 1
    assert "nan" not in html


def test_of_equal_verdicts_the_largest_change_is_first() -> None:
    rows = [row("slower", 1.1, 1, 1.2), row("other"), row("slower", 2, 1.9, 2.1), row("wrong")]
    assert [one.kind for one in ordered(rows)] == ["wrong", "slower", "slower", "other"]
    assert ordered(rows)[1].ratio.median == 2


def test_one_row_needs_no_choices() -> None:
    one = row("slower", 2, 1.9, 2.1)
    assert "choices" not in forest([one], "one")
    assert "choices" in forest([one, one], "two")


@pytest.mark.parametrize("half", [0.001, 0.1, 0.25, 0.3, 0.34, 0.5, 4, 50])
def test_intervals_of_any_width_are_drawn(half: float) -> None:
    one = row("undecided", 1, math.exp(-half), math.exp(half))
    (at,) = positions(forest([one], "one"), "dot")
    assert at == pytest.approx(50, abs=0.1)
