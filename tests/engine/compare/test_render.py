"""What is shown of a comparison: times that agree with the change, and where they are from."""

import math
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from mlpperf.engine.compare import render
from mlpperf.engine.compare.result import Comparison, Finding
from mlpperf.engine.machine.environment import environment
from mlpperf.engine.statistics.intervals import Interval
from mlpperf.engine.suites.series import Series


def comparison(ratio: float = 1.011, *, suite: str = "pytest", **about: Any) -> Comparison:
    """Of one series, whose separate times say +0.2 %."""
    series = Series("test_a.py", "", "test_it", suite)
    one = Finding(
        series,
        seconds={"base": 495e-6, "head": 496e-6},
        ratio=Interval(ratio, ratio / 1.001, ratio * 1.001),
        processes=9,
        sight=0.01,
        sure=True,
    )
    suites = {"pytest": "pytest: test_a.py"} if suite else {}
    return Comparison("b", "h", {}, 0.005, 1.0, findings={series: one}, suites=suites, **about)


def printed(result: Comparison) -> str:
    console = Console(width=200, no_color=True)
    with console.capture() as captured:
        console.print(render.text(result))
    return captured.get()


def test_times_agree_with_the_change_everywhere() -> None:
    result = comparison()
    for text in (printed(result), render.markdown(result)):
        assert re.search(r"495 µs\W+500 µs\W+\+1\.1 %", text)
        assert "496" not in text
    (series,) = render.record(result)["series"]
    assert series["seconds"] == {"base": 495e-6, "head": 496e-6}, "the record has what was measured"


@given(st.floats(1e-9, 1e3), st.floats(1e-9, 1e3), st.floats(0.01, 100))
def test_head_over_base_is_the_ratio(base: float, head: float, ratio: float) -> None:
    found = Finding(
        Series("p", "c", "v"),
        seconds={"base": base, "head": head},
        ratio=Interval(ratio, ratio, ratio),
        processes=2,
    )
    times = render.times_shown(found)
    assert times["base"] == base
    assert times["head"] / times["base"] == pytest.approx(ratio)


@pytest.mark.parametrize(
    "about",
    [
        {"processes": 0},
        {"ratio": Interval(math.nan, math.nan, math.nan)},
        {"seconds": {"head": 2.0}},
    ],
)
def test_without_a_ratio_times_are_as_they_were_measured(about: dict[str, Any]) -> None:
    (one,) = comparison().findings.values()
    found = replace(one, **about)
    assert render.times_shown(found) == found.seconds


# --- where it ran ---------------------------------------------------------------------------------


def elsewhere(**versions: str) -> Any:
    here = environment()
    return replace(here, machine=replace(here.machine, **versions), versions=versions)


def test_notes_and_record_name_what_ran_it() -> None:
    there = elsewhere(python="3.9.1", numpy="2.2.6")
    result = comparison(environment=there)
    assert render.notes(result)[-1].endswith("threads, Python 3.9.1, NumPy 2.2.6.")
    record = render.record(result)
    assert record["machine"]["numpy"] == record["versions"]["numpy"] == "2.2.6"
    assert record["machine"]["python"] == "3.9.1"
    assert "environment" not in record


def test_what_ran_here_is_described_as_we_are() -> None:
    result = comparison()
    assert render.notes(result)[-1].endswith(f", {environment().software}.")
    assert not {"machine", "versions", "environment"} & render.record(result).keys()


def test_hot_paths_beside_suites_say_what_they_ran_on() -> None:
    there = elsewhere(python="3.9.1", numpy="none")
    result = comparison(environment=there)
    assert not any("Hot paths ran" in note for note in render.notes(result))
    result.findings |= comparison(suite="").findings
    assert render.notes(result)[-1] == f"Hot paths ran on {environment().software}."
