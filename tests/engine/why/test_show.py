"""Causes in words, after a comparison, and on its page."""

import io
import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec
import pytest
from rich.console import Console

from mlpperf.cli import conclusion as after
from mlpperf.engine.compare import CausesRecord, Comparison, Request, render
from mlpperf.engine.compare.causes import Effect, Explanation
from mlpperf.engine.compare.finding import Finding
from mlpperf.engine.compare.flame import Flame, FlameFrame
from mlpperf.engine.compare.whole import read_recorded
from mlpperf.engine.history.fields import UNKNOWN, Bounds
from mlpperf.engine.history.records import append, as_records, current_commit
from mlpperf.engine.machine.environment import environment
from mlpperf.engine.report.blocks import Code, Plot, Table
from mlpperf.engine.report.causes_section import causes_section
from mlpperf.engine.report.forest import Forest
from mlpperf.engine.suites.series import Series
from mlpperf.engine.why import (
    Causes,
    exit_code,
    markdown,
    record,
    sentences,
    text,
)
from mlpperf.errors import MlpperfError

SERIES = Series("tests/a.py", "", "test_a", "pytest")
OTHER = Series("tests/a.py", "", "test_b", "pytest")
SLOWER, SAME = Bounds(1.11, 1.1, 1.12), Bounds(1.001, 0.998, 1.003)
GUILTY = Effect(["f (a.py:3)"], SLOWER, SLOWER, UNKNOWN, True, ["@@ -3 +3 @@\n-a <b>\n+```c"])
INNOCENT = Effect(["g (a.py:9)", "h (a.py:12)", "x", "y", "z"], SAME, SAME, SAME, False, [])
COMMITS: dict[str, str | None] = {"base": "1" * 40, "head": "2" * 40}


def explanation(*effects: Effect, whole: Bounds = SLOWER, together: float = 0.0) -> Explanation:
    """Of SERIES; what its effects leave of the change is insignificant."""
    about = {"whole": whole, "rest": SAME, "together": together, "processes": 8}
    return Explanation(*SERIES, effects=list(effects), **about)


WHOLE = explanation(GUILTY, INNOCENT, whole=Bounds(1.12, 1.1, 1.13))
CAUSES = Causes("main", "topic", COMMITS, (WHOLE,), 6, 5, left_out=1)


def test_the_sentence_names_the_cause_and_bounds_the_rest() -> None:
    one, other = sentences(CAUSES)
    assert one == (
        "tests/a.py::test_a, slower by 12.0 %: f (a.py:3), +11.0 %; the rest is below 0.3 %."
    )
    assert other.startswith("1 changed benchmark not examined")
    assert exit_code(CAUSES) == 0


def read_back(causes: Causes) -> CausesRecord:
    """Causes as their record has them."""
    (written,) = as_records("causes", current_commit(), [record(causes)])
    return msgspec.json.decode(json.dumps(written), type=CausesRecord)


def recorded(series: Series, folder: Path) -> None:
    """Record a comparison of one series in a folder."""
    findings = {series: Finding(series)}
    about = {"findings": findings, "environment": environment()}
    result = Comparison("main", "topic", COMMITS, 0.005, **about)
    records = as_records("comparison", current_commit(), [render.record(result)])
    append(records, folder, "comparisons")


@pytest.mark.parametrize(("series", "known"), [(SERIES, True), (OTHER, False)])
def test_a_comparison_has_the_causes_of_its_own_benchmarks(
    tmp_path: Path, series: Series, known: bool
) -> None:
    recorded(series, tmp_path)
    append(as_records("causes", current_commit(), [record(CAUSES)]), tmp_path, "causes")
    assert read_recorded(tmp_path)[1] == (sentences(CAUSES) if known else [])


def test_a_comparison_has_no_causes_of_an_earlier_one(tmp_path: Path) -> None:
    (earlier,) = as_records("causes", current_commit(), [record(CAUSES)])
    append([{**earlier, "time": "2025-01-02T03:04:05+00:00"}], tmp_path, "causes")
    recorded(SERIES, tmp_path)
    assert read_recorded(tmp_path)[1] == []


def test_no_cause_is_named_where_none_is_significant() -> None:
    causes = Causes("main", "topic", COMMITS, (explanation(INNOCENT),))
    assert sentences(causes)[0].endswith(
        "no part of the change has a significant effect by itself."
    )
    assert exit_code(causes) == 2
    assert exit_code(Causes("main", "topic", COMMITS, unknown="it is compiled")) == 2


def test_parts_that_act_together_have_a_clause() -> None:
    together = explanation(GUILTY, together=math.log(1.05))
    (sentence,) = sentences(Causes("main", "topic", COMMITS, (together,)))
    assert (
        "parts act together (taken out of the head, one makes +5.0 % more than alone)" in sentence
    )


def test_benchmarks_with_the_same_causes_share_a_sentence() -> None:
    def of(series: Series, ratio: float, *effects: Effect) -> Explanation:
        by = Bounds(ratio, ratio - 0.01, ratio + 0.01)
        guilty = msgspec.structs.replace(GUILTY, change=by)
        return msgspec.structs.replace(explanation(guilty, *effects, whole=by), **series._asdict())

    first, second, third = (
        SERIES._replace(variant=name) for name in ("test_1", "test_2", "test_3")
    )
    other = Effect(["k (k.py:1)"], SLOWER, SLOWER, SAME, True, [])
    every = (of(first, 2.05), of(OTHER, 1.5, other), of(second, 1.531, INNOCENT), of(third, 1.628))
    one, two = sentences(Causes("main", "topic", COMMITS, every))
    assert one == (
        "tests/a.py::test_1 and 2 more benchmarks, slower by 53.1 to 105.0 %: f (a.py:3), "
        "+53.1 to +105.0 %; the rest is below 0.3 %."
    )
    assert two == "tests/a.py::test_b, slower by 50.0 %: f (a.py:3), +50.0 %; k (k.py:1), +11.0 %."
    out = Console(file=io.StringIO(), width=110)
    out.print(text(Causes("main", "topic", COMMITS, every)))
    shown = out.file.getvalue()  # type: ignore[attr-defined]
    assert shown.count("95 % interval") == 1, "one table has all"
    assert "\n  tests/a.py::test_2, slower by 53.1 %\n" in shown
    blocks = causes_section(read_back(Causes("main", "topic", COMMITS, every))).blocks
    (code,) = [block for block in blocks if isinstance(block, Code)]
    assert [remark for remark, _, _ in code.sources] == ["+50.0 to +105.0 %"]


def test_a_terminal_shows_every_effect() -> None:
    console = Console(file=io.StringIO(), width=110)
    console.print(text(CAUSES))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "+10.0 to +12.0" in shown
    assert "g (a.py:9) and 4 more" in shown


def test_markdown_has_the_lines_of_the_cause_and_cannot_be_broken_out_of() -> None:
    shown = markdown(CAUSES)
    assert "```diff\n@@ -3 +3 @@\n-a <b>\n+` ` `c\n```" in shown
    assert shown.count("```") == 2


def test_the_record_can_be_read_and_is_shown_on_the_page() -> None:
    read = read_back(CAUSES)
    assert read.explanations[0].named == SERIES
    blocks = causes_section(read).blocks
    rows = [row for block in blocks if isinstance(block, Forest) for row in block.rows]
    assert any("f (a.py:3)" in row.name for row in rows)
    assert any(row.verdict == "not significant" for row in rows)
    (code,) = [block for block in blocks if isinstance(block, Code)]
    assert "&lt;b&gt;" in str(code.sources)
    assert not any(isinstance(block, Plot) for block in blocks)


def test_functions_that_take_longer_are_shown_everywhere() -> None:
    frames = [
        FlameFrame(-1, "walk", "a.py:1", 1.0, 1.5),
        FlameFrame(0, "houses|", "a.py:9", 0.3, 0.8),
    ]
    number, ratio = {"base": 1000, "head": 1000}, Bounds(1.5, 1.49, 1.51)
    flame = Flame(*SERIES, ratio=ratio, samples=number, frames=frames)
    causes = replace(CAUSES, flames=(flame,))
    console = Console(file=io.StringIO(), width=100)
    console.print(text(causes))
    assert "30.0 → 80.0" in console.file.getvalue()  # type: ignore[attr-defined]
    assert "houses\\| (a.py:9) | 30.0" in markdown(causes)
    read = read_back(causes)
    assert read.flames == [flame]
    blocks = causes_section(read).blocks
    assert [block.alt for block in blocks if isinstance(block, Plot)]
    (table,) = (block for block in blocks if isinstance(block, Table))
    assert len(table.rows) == 2
    same = replace(
        CAUSES, flames=(msgspec.structs.replace(flame, samples=dict.fromkeys(number, 3)),)
    )
    assert "30.0 → 80.0" not in markdown(same)
    few = replace(
        causes, flames=(msgspec.structs.replace(flame, samples={"base": 40, "head": 90}),)
    )
    assert "30.0 → 80.0" not in markdown(few)
    assert not [block for block in causes_section(read_back(few)).blocks if isinstance(block, Plot)]


# --- after a comparison ---------------------------------------------------------------------------


def compared(**about: Any) -> Comparison:
    finding = Finding(SERIES, ratio=SLOWER.interval, processes=9, judged=True, significant=True)
    content = {"findings": {SERIES: finding}, "budget": 100.0, "total": 20.0, **about}
    return Comparison("main", "topic", COMMITS, 0.005, **content)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[mock.Mock]:
    """What is asked of the experiment."""
    made = mock.Mock(return_value=CAUSES)
    monkeypatch.setattr(after, "causes_of", made)
    return made


def explained(tmp_path: Path, result: Comparison, wanted: bool | None) -> after.Explained:
    return after.explained(result, Request("main", "topic", exact=False), wanted, tmp_path)


def test_a_slowdown_is_explained_with_what_is_left_of_the_budget(
    tmp_path: Path, asked: mock.Mock
) -> None:
    shown = explained(tmp_path, compared(), None)
    request, series, budget = asked.call_args.args
    assert (request.base, request.head, request.exact) == ("1" * 40, "2" * 40, True)
    assert (series, budget) == ([SERIES], 80.0)
    assert shown.in_json({"trouble": []})["causes"]["parts"] == 6
    assert "f (a.py:3)" in shown.in_markdown().replace("\\", "")
    assert len(shown.in_text()) == 1
    assert (tmp_path / "causes.jsonl").read_text().count("\n") == 1


@pytest.mark.parametrize(
    ("about", "wanted", "sentence"),
    [
        ({"total": 90.0}, None, "`mlpperf why` names the functions that made it slower."),
        ({"findings": {}}, True, ""),
        (
            {"findings": {SERIES: Finding(SERIES, bound=1.5, judged=True)}},
            True,
            "The causes are unknown: a call takes too long to be timed.",
        ),
        ({"interrupted": True}, True, ""),
        ({"isolated": "as asked"}, None, ""),
        ({}, False, ""),
    ],
)
def test_where_nothing_is_measured_a_sentence_may_follow(
    tmp_path: Path, asked: mock.Mock, about: dict[str, Any], wanted: bool | None, sentence: str
) -> None:
    shown = explained(tmp_path, compared(**about), wanted)
    assert not asked.called
    assert shown.sentence == sentence
    assert shown.in_json({"trouble": ["busy"]}) == {"trouble": ["busy", *shown.in_text()]}
    assert shown.in_markdown().strip("\n- ") == sentence


def test_a_comparison_is_none_the_worse_for_an_experiment_that_fails(
    tmp_path: Path, asked: mock.Mock
) -> None:
    asked.side_effect = MlpperfError("the disk is full.")
    shown = explained(tmp_path, compared(total=99.0), True)
    assert shown.in_text() == ["The causes are unknown: the disk is full."]
    assert shown.in_json({"trouble": []}) == {"trouble": shown.in_text()}
    asked.side_effect = KeyboardInterrupt
    shown = explained(tmp_path, compared(), True)
    assert shown.in_text() == ["The causes are unknown: interrupted."]
