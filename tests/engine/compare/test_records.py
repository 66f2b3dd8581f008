"""Reading comparisons in columns: the same as line by line, and damaged lines are named."""

import copy
import json
import math
import runpy
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mlpperf.engine.compare import render
from mlpperf.engine.compare.finding import Finding
from mlpperf.engine.compare.outcomes import Outcome
from mlpperf.engine.compare.records import ComparisonRecord, comparisons
from mlpperf.engine.compare.result import Comparison
from mlpperf.engine.compare.whole import WholeComparison
from mlpperf.engine.history.recording import json_text
from mlpperf.engine.history.records import CodeVersion, append, as_records, context, finite
from mlpperf.engine.statistics.intervals import Interval
from mlpperf.engine.statistics.verdicts import Judgement, Verdict
from mlpperf.engine.suites.series import Series
from schema import FOLDER, SCHEMAS, text

ONE, TWO, THREE = (Series("path", case, "v", "") for case in ("one", "two", "three"))
TEST = Series("tests/a.py", "[x]", "test_a", "pytest")


def line(*findings: Finding, **about: Any) -> dict[str, Any]:
    """What is recorded of a comparison with these findings."""
    made = Comparison(
        "main",
        "HEAD",
        {"base": "a" * 40, "head": None},
        0.005,
        130.0,
        findings={finding.series: finding for finding in findings},
    )
    whole = {
        **context("comparison", CodeVersion(None, dirty=False)),
        **render.record(made),
        **about,
    }
    found: dict[str, Any] = json.loads(json.dumps(finite(whole)))
    return found


def timed(series: Series, ratio: float = 1.01) -> Finding:
    return Finding(
        series,
        seconds={"base": 1e-3, "head": 1e-3 * ratio},
        ratio=Interval(ratio, ratio - 0.01, ratio + 0.01),
        ratio_error=0.003,
        ratio_freedom=7.5,
        processes=3,
    )


LINES = [
    line(timed(ONE), timed(TWO, 0.98), Finding(THREE, Judgement(Verdict.UNCHANGED_CODE))),
    line(),
    line(timed(TWO), Finding(ONE, wrong={"head": "it gives 3 instead of 2"}), timed(TEST, 2.0)),
    line(timed(TEST), selected=["tests/a.py"], interrupted=True, total=None),
]
LINES[2]["series"][0]["grown"] = ["peak memory 1 → 2 MB"]


def same(one: Outcome, other: Outcome) -> bool:
    numbers = ("log_ratio", "error", "freedom")
    for name in numbers:
        a, b = getattr(one, name), getattr(other, name)
        if not (math.isclose(a, b, rel_tol=1e-6) or (math.isnan(a) and math.isnan(b))):
            return False
    assert one.seconds == pytest.approx(other.seconds, rel=1e-6)
    return replace(one, **dict.fromkeys(numbers, 0.0), seconds={}) == replace(
        other, **dict.fromkeys(numbers, 0.0), seconds={}
    )


def test_records_read_together_equal_those_read_alone(tmp_path: Path) -> None:
    append(LINES, tmp_path, "comparisons")
    found, damaged = comparisons(tmp_path)
    assert damaged == []
    assert len(found) == len(LINES)
    for record, fields in zip(found, LINES, strict=True):
        alone = msgspec.convert(fields, ComparisonRecord)
        assert len(record.outcomes) == len(alone.outcomes)
        assert all(map(same, record.outcomes, alone.outcomes))
        alone.series, alone.untouched = [], ()
        assert record == alone


def test_outcomes_have_the_values_of_the_line(tmp_path: Path) -> None:
    append(LINES, tmp_path, "comparisons")
    (first, none, third, fourth), _ = comparisons(tmp_path)
    outcomes = first.outcomes
    assert [outcome.series for outcome in outcomes] == [ONE, TWO, THREE]
    assert outcomes.timed.tolist() == [True, True, False]
    assert outcomes.untouched.tolist() == [False, False, True]
    assert [*outcomes][1].log_ratio == pytest.approx(math.log(0.98))
    assert len(none.outcomes) == 0
    (wrong,) = third.outcomes.at(third.outcomes.wrong)
    assert (wrong.series, wrong.wrong) == (ONE, {"head": "it gives 3 instead of 2"})
    (grown,) = third.outcomes.at(third.outcomes.differs)
    assert (grown.series, grown.worse()) == (TWO, {"more memory": "peak memory 1 → 2 MB"})
    assert not fourth.outcomes.wrong
    assert fourth.selected == ("tests/a.py",)
    assert next(iter(fourth.outcomes)).series.name == "tests/a.py::test_a[x]"


def test_outcomes_are_found_by_their_series() -> None:
    outcomes = msgspec.convert(LINES[0], ComparisonRecord).outcomes
    assert [one.series for one in outcomes] == [ONE, TWO, THREE]
    two = outcomes.find(TWO)
    assert two is not None
    assert two.series == TWO
    assert outcomes.find(TEST) is None
    assert len(msgspec.convert(LINES[1], ComparisonRecord).outcomes) == 0


def without(*names: str) -> dict[str, Any]:
    """A line that lacks what these names lead to."""
    broken = copy.deepcopy(LINES[0])
    inner: Any = broken
    for name in names[:-1]:
        inner = inner[int(name) if name.isdigit() else name]
    del inner[names[-1]]
    return broken


LACKS = "lacks what such a record has"
DAMAGED: list[tuple[bytes, str]] = [
    (b'{"schema": 1, "kind"', "not a whole JSON record"),
    (b"\xff\xfe", "not a whole JSON record"),
    (b"[" * 100_000, "not a whole JSON record"),
    (b"[1, 2]", "not a record of schema 1"),
    (json.dumps({**LINES[0], "schema": 2}).encode(), "not a record of schema 1"),
    (json.dumps({**LINES[0], "kind": "race"}).encode(), LACKS),
    (json.dumps({**LINES[0], "exit_code": "0"}).encode(), LACKS),
    (json.dumps({**LINES[0], "machine": 3}).encode(), LACKS),
    (json.dumps({**LINES[0], "time": "yesterday"}).encode(), LACKS),
    (json.dumps(without("verdict")).encode(), LACKS),
    (json.dumps(without("series", "0", "path")).encode(), LACKS),
    (json.dumps(without("series", "1", "ratio", "median")).encode(), LACKS),
    (json.dumps(without("commits", "head")).encode(), LACKS),
]


@pytest.mark.parametrize(("damage", "why"), DAMAGED, ids=range(len(DAMAGED)))
def test_a_damaged_line_is_named_and_the_others_are_read(
    damage: bytes, why: str, tmp_path: Path
) -> None:
    append(LINES[:1], tmp_path, "comparisons")
    file = tmp_path / "comparisons.jsonl"
    whole = file.read_bytes()
    file.write_bytes(whole + b"\n" + damage + b"\n" + whole)
    found, damaged = comparisons(tmp_path)
    assert len(found) == 2
    (sentence,) = damaged
    assert sentence.partition(" (")[0] == f"{file}, line 3: {why}"
    assert [len(record.outcomes) for record in found] == [3, 3]


def test_a_missing_file_is_empty_and_an_unreadable_one_is_named(tmp_path: Path) -> None:
    nothing: tuple[Sequence[Any], Sequence[str]] = ([], [])
    assert comparisons(tmp_path) == nothing
    (tmp_path / "comparisons.jsonl").mkdir()
    found, (sentence,) = comparisons(tmp_path)
    assert found == []
    assert sentence == f"{tmp_path}/comparisons.jsonl: Is a directory"


# --- the schema of --format json ------------------------------------------------------------------

PAGES = runpy.run_path(str(Path(__file__).parents[2] / "output" / "pages.py"))
RESULTS = ("with_regressions", "undecided", "wrong", "gone", "all_skipped", "more_memory")


def printed(result: Any) -> Any:
    """A comparison as `--format json` prints it."""
    (made,) = as_records("comparison", CodeVersion(None, False), [render.record(result)])
    return json.loads(json_text(made))


@pytest.mark.parametrize("name", RESULTS)
def test_what_is_printed_fits_the_schema(name: str) -> None:
    whole = msgspec.convert(printed(PAGES[name]()), WholeComparison)
    assert whole.verdict == render.verdict(PAGES[name]())


@pytest.mark.parametrize(
    "changes",
    [
        {"more": 1},
        {"busy": None},
        {"threshold": "1"},
        {"series": [{}]},
        {"commits": {"base": None}},
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({**printed(PAGES["wrong"]()), **changes}, WholeComparison)


def test_the_schema_is_the_one_of_the_structs() -> None:
    """If not: `python tools/schema.py`."""
    for one in SCHEMAS:
        assert (FOLDER / f"{one}.schema.json").read_text("utf-8") == text(one)
    made = json.loads(text("comparison"))
    for name in ("WholeComparison", "WholeSeries"):
        fields = made["$defs"][name]["properties"]
        assert all(field.get("description") for field in fields.values())
        assert made["$defs"][name]["additionalProperties"] is False
    fields = made["$defs"]["WholeSeries"]["properties"]
    assert set(fields) == set(printed(PAGES["wrong"]())["series"][0])


def test_an_outcome_says_what_is_worse_in_its_direction() -> None:
    slower = Outcome(ONE, "slower", differs={"slower": "long", "larger value": "3 → 6"})
    faster = Outcome(ONE, "faster", differs={"faster": "long"})
    assert slower.worse() == slower.differs
    assert (slower.worse(is_reversed=True), faster.worse()) == ({}, {})
    assert faster.worse(is_reversed=True) == {"slower": "long"}
    assert [one.judged for one in (slower, Outcome(ONE, "undecided: not timed"))] == [True, False]
