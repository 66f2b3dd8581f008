"""`mlpperf history` where only comparisons were made: every format has what the text has."""

import csv
import io
import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def started(
    command: Any,
    tmp_path: Path,
    made_branch: Callable[..., list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> Any:
    branch = tmp_path / "branch"
    made_branch(branch, 24, {12: 0.05}, 0.002)
    monkeypatch.chdir(branch)
    return command


def test_json_has_the_steps(started: Any) -> None:
    assert re.search(
        r"  benchmarks/test_it.py\n    test_parse +slower +\+[\d.]+ %", started("history").stdout
    )
    done = started("history", "--format", "json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout, parse_constant=pytest.fail)
    (step,) = told["levels"]["steps"]
    assert step["series"] == "benchmarks/test_it.py::test_parse"
    assert step["ratio"] == pytest.approx(math.exp(0.05), abs=0.005)
    assert told["rows"] == told["changes"] == told["unreadable"] == []


def test_csv_has_the_steps(started: Any) -> None:
    done = started("history", "--format", "csv")
    assert done.exit_code == 0, done.output
    (step,) = csv.DictReader(io.StringIO(done.stdout))
    assert step["quantity"] == "step"
    assert step["path"] == "benchmarks/test_it.py::test_parse"
    assert float(step["low"]) < float(step["value"]) < float(step["high"])
    assert step["date"].startswith("2025-10-")


@pytest.mark.parametrize("format_", ["text", "json", "csv"])
def test_names_narrow_every_format(started: Any, format_: str) -> None:
    for name, found in (("*test_parse", True), ("*test_write", False)):
        done, again = (
            started("history", *named, "--format", format_)
            for named in ((name,), ("--series", name))
        )
        assert again.stdout == done.stdout
        assert done.exit_code == 0, done.output
        assert ("+5." in done.stdout or "1.05" in done.stdout) is found
    done = started("history", "nowhere", "--format", format_)
    assert done.exit_code == 2
    assert "No benchmark that was compared is called 'nowhere'" in done.stderr


@pytest.mark.parametrize("named", [(), ("--records", ".mlpperf")])
def test_comparisons_of_changed_files_alone_are_no_history(
    started: Any, named: tuple[str, ...]
) -> None:
    file = Path(".mlpperf/comparisons.jsonl")
    record = json.loads(file.read_text().splitlines()[0])
    record["commits"]["head"] = None
    file.write_text(f"{json.dumps(record)}\n")
    done = started("history", *named)
    assert done.exit_code == 2
    assert "There is 1 comparison, but none of two commits of the" in done.stderr


@pytest.mark.parametrize("format_", ["text", "json", "csv"])
def test_a_damaged_comparison_is_named_in_every_format(started: Any, format_: str) -> None:
    with Path(".mlpperf/comparisons.jsonl").open("a") as file:
        file.write("{\n")
    done = started("history", "--format", format_)
    assert done.exit_code == 0
    assert "not a whole JSON record" in done.output.replace("\n", " ")


@pytest.mark.parametrize("format_", ["text", "json", "csv"])
def test_races_that_cannot_be_read_hide_no_steps(started: Any, format_: str) -> None:
    Path(".mlpperf/races.jsonl").write_text('{"schema": 1}\n')
    done = started("history", "--format", format_)
    assert done.exit_code == 0
    assert "test_parse" in done.stdout
    assert "races.jsonl, line 1: lacks" in done.output.replace("\n", " ")
