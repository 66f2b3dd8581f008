"""`accept` and `explain`, about a comparison that was recorded."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from mlpperf.cli.app import app
from mlpperf.engine.compare import render
from mlpperf.engine.compare.finding import Finding
from mlpperf.engine.compare.result import Comparison
from mlpperf.engine.history.recording import Recording
from mlpperf.engine.statistics.intervals import Interval
from mlpperf.engine.suites.policy import ACCEPTED, accepted
from mlpperf.engine.suites.series import Series
from mlpperf.engine.why import Causes
from mlpperf.engine.why import record as causes_record

WALK, PARK = (Series("tests/test_town.py", "[5]", name, "pytest") for name in ("walk", "park"))


def slower(series: Series, **about: Any) -> Finding:
    times = {"base": 1e-3, "head": 1.1e-3}
    given = {"processes": 9, "judged": True, "significant": True, **about}
    return Finding(series, ratio=Interval(1.1, 1.09, 1.11234), seconds=times, **given)


@pytest.fixture
def ran(project: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs the command in a project; `ran.compared(...)` records a comparison there."""
    monkeypatch.chdir(project.folder)

    def run(*words: str) -> Any:
        return CliRunner().invoke(app, list(words))

    def compared(*findings: Finding) -> None:
        every = {finding.series: finding for finding in findings}
        commits = {"base": "1" * 40, "head": None}
        result = Comparison("main", "HEAD", commits, 0.005, 60.0, findings=every)
        Recording("comparison", "comparisons").add(render.record(result))

    run.compared = compared  # type: ignore[attr-defined]
    run.folder = project.folder  # type: ignore[attr-defined]
    return run


def test_a_regression_is_accepted_with_its_upper_limit(ran: Any) -> None:
    ran.compared(slower(WALK), slower(PARK))
    done = ran("accept", "walk", "--because", 'safer: "é"', "--until", "2999-12-31")
    assert done.exit_code == 0, done.output
    assert f"Accepted: {WALK.name}, up to +11.24 %, until 2999-12-31." in done.output
    (entry,) = accepted(ran.folder)
    assert (entry.series, entry.because, entry.slower) == (WALK.name, 'safer: "é"', 0.1124)
    assert (entry.base, entry.head, str(entry.until)) == ("1" * 40, "", "2999-12-31")
    assert ran("accept", "--series", "*", "--because", "both").exit_code == 0
    assert [one.series for one in accepted(ran.folder)] == [WALK.name, WALK.name, PARK.name]
    tomllib.loads((ran.folder / ACCEPTED).read_text("utf-8"))


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("park", "--because", "x"), "has no regression of 'park'"),
        (("", "--because", "x"), "Name the benchmark that became worse"),
        (("--because", "x"), "Name the benchmark that became worse"),
        (("walk", "--series", "long", "--because", "x"), "Name one benchmark"),
        (("walk", "--because", " "), "--because takes a reason"),
        (("walk", "--because", "x", "--until", ""), "takes a date such as 2030-12-31"),
        (("walk", "--because", "x", "--until", "soon"), "takes a date such as 2030-12-31"),
        (("walk", "--because", "x", "--until", "2020-01-01"), "takes a day to come"),
        (("wrong", "--because", "x"), "is wrong, which cannot be accepted: 1 is not 2"),
        (("long", "--because", "x"), "has no upper limit, so it is not accepted"),
    ],
)
def test_what_cannot_be_accepted_is_refused(ran: Any, words: tuple[str, ...], why: str) -> None:
    wrong = Finding(WALK._replace(variant="wrong"), wrong={"head": "1 is not 2"})
    long = Finding(WALK._replace(variant="long"), bound=2.0)
    ran.compared(slower(WALK), wrong, long)
    done = ran("accept", *words)
    assert done.exit_code == 2
    assert why in done.output
    assert not (ran.folder / ACCEPTED).exists()


def test_without_a_comparison_nothing_is_accepted_or_explained(ran: Any) -> None:
    for words in (("accept", "walk", "--because", "x"), ("explain",), ("explain", "abc")):
        done = ran(*words)
        assert done.exit_code == 2
        assert "run `mlpperf compare BASE`" in done.output


def test_the_last_comparison_is_explained(ran: Any) -> None:
    ran.compared(slower(PARK))
    ran.compared(slower(WALK))
    text = ran("explain")
    assert text.exit_code == 0
    assert "\n\nWhat was concluded\n  Regression at " in text.output
    assert all(line == line.rstrip() for line in text.output.splitlines())
    (which,) = [line for line in text.output.splitlines() if "mlpperf bisect" in line]
    assert which.startswith("  Which commit? mlpperf bisect ")
    assert " --good " in which, "the command is whole"
    assert "mlpperf accept" in " ".join(text.output.split())
    assert "park" not in text.output
    as_json = json.loads(ran("explain", "--format", "json").output)
    assert as_json["schema"] == 1
    assert as_json["exit_code"] == 1
    file = ran.folder / ".mlpperf" / "comparisons.jsonl"
    (ran.folder / "first.json").write_text(file.read_text("utf-8").splitlines()[0])
    assert "park" in ran("explain", "first.json").output


def test_what_is_printed_has_the_form_of_its_schema(ran: Any) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")

    def complaints(name: str, content: Any) -> list[str]:
        schema = Path(__file__).parents[2] / "docs" / f"{name}.schema.json"
        validator = jsonschema.Draft202012Validator(json.loads(schema.read_text("utf-8")))
        return [error.message for error in validator.iter_errors(content)]

    ran.compared(slower(WALK))
    record = json.loads((ran.folder / ".mlpperf" / "comparisons.jsonl").read_text("utf-8"))
    assert complaints("comparison", record) == []
    assert complaints("comparison", {**record, "exit_code": "none"})
    explained = json.loads(ran("explain", "--format", "json").output)
    assert complaints("explanation", explained) == []
    assert complaints("explanation", {**explained, "evidence": None})
    names = record["base"], record["head"], record["commits"]
    causes = Causes(*names, unknown="nothing ran")
    Recording("causes", "causes").add(causes_record(causes))
    line = json.loads((ran.folder / ".mlpperf" / "causes.jsonl").read_text("utf-8"))
    assert complaints("causes", line) == []
    assert complaints("causes", {**line, "parts": -1})
    assert "The causes are unknown: nothing ran." in ran("explain").output
