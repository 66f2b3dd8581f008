"""How a comparison ends that was measured and cannot be recorded."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlpperf.cli.conclusion import Explained, compared, conclude
from mlpperf.engine import compare
from mlpperf.engine.compare.finding import Finding
from mlpperf.engine.compare.result import Comparison
from mlpperf.engine.compare.shards import Shard
from mlpperf.engine.history import recording
from mlpperf.engine.options import Format
from mlpperf.engine.suites.series import Series
from mlpperf.errors import MlpperfError

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
