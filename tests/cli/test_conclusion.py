"""How a comparison ends that was measured and cannot be recorded."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer import Exit

from mlpperf.cli import conclusion
from mlpperf.cli.conclusion import Explained, compared, conclude
from mlpperf.engine import compare
from mlpperf.engine.compare import Request
from mlpperf.engine.compare.finding import Finding
from mlpperf.engine.compare.result import Comparison
from mlpperf.engine.compare.shards import Shard
from mlpperf.engine.history import recording
from mlpperf.engine.options import Format
from mlpperf.engine.statistics.intervals import Interval
from mlpperf.engine.suites.series import Series
from mlpperf.engine.why import Causes
from mlpperf.errors import MlpperfError


class _Full:
    """A record that the disk has no place for."""

    def __init__(self, *_: Any) -> None:
        raise MlpperfError("The disk is full.")


@pytest.mark.parametrize("format", ["text", "markdown", "json"])
def test_causes_that_cannot_be_recorded_leave_the_regression_as_it_is(
    format: Format,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    series = Series("tests/test_ink.py", "", "test_it", "pytest")
    about: Any = {"processes": 9, "judged": True, "significant": True}
    slower = Finding(series, ratio=Interval(1.1, 1.09, 1.11), seconds={"base": 1.0}, **about)
    commits = {"base": "1" * 40, "head": "2" * 40}
    result = Comparison("v1", "HEAD", commits, 0.005, 60.0, findings={series: slower})
    kept = recording.Recording("comparison", "comparisons", tmp_path)
    causes = Causes("v1", "HEAD", commits, unknown="nothing ran")
    monkeypatch.setattr(conclusion, "causes_of", lambda *_: causes)
    monkeypatch.setattr(recording, "Recording", _Full)
    monkeypatch.setenv("COLUMNS", "200")
    explained = conclusion.explained(result, Request("v1", "HEAD"), True, tmp_path)
    with pytest.raises(Exit) as ended:
        conclude(result, kept, format, False, explained)
    assert ended.value.exit_code == 1
    shown = capsys.readouterr().out
    assert "test_it" in shown
    assert "The causes were not recorded: The disk is full." in shown


NAME = "tests/test_ink.py::test_it"


@pytest.mark.parametrize("shard", [None, Shard(1, 2)])
@pytest.mark.parametrize("format", ["text", "markdown", "json"])
def test_a_result_that_cannot_be_recorded_is_shown_before_the_command_fails(
    format: Format,
    shard: Shard | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def carry_out(request: Any, keep: Callable[[Comparison], None], progress: Any) -> None:
        series = Series("tests/test_ink.py", "", "test_it", "pytest")
        wrong = Finding(series, wrong={"head": f"{NAME} fails: dry"})
        keep(Comparison("v1", "HEAD", {}, 0.005, findings={series: wrong}, shard=shard))

    def full(*_: Any) -> None:
        raise MlpperfError("The disk is full.")

    kept = recording.Recording("comparison", "comparisons", tmp_path)
    monkeypatch.setattr(compare, "carry_out", carry_out)
    monkeypatch.setattr(recording, "append", full)
    monkeypatch.setenv("COLUMNS", "200")
    result = compared(None, kept)  # type: ignore[arg-type]
    with pytest.raises(MlpperfError, match="disk is full"):
        conclude(result, kept, format, False, Explained())
    assert ("test_it" in capsys.readouterr().out) == (shard is None)
