"""`mlpperf why`: what it measures after a recorded comparison."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from mlpperf.cli import why
from mlpperf.cli.app import app
from mlpperf.engine.compare.finding import Finding
from mlpperf.engine.compare.records import Asked
from mlpperf.engine.compare.render import record
from mlpperf.engine.compare.request import Request
from mlpperf.engine.compare.result import Comparison
from mlpperf.engine.history.records import CodeVersion, append, as_records
from mlpperf.engine.statistics.intervals import Interval
from mlpperf.engine.suites.series import Series
from mlpperf.errors import MlpperfError

WALK = Series("tests/test_town.py", "", "test_walk", "pytest")
ASKED = Asked("3.13", ["attrs"], benchmarks="c" * 40)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], ("3.13", ["attrs"], "c" * 40)),
        (["--python", "3.12", "--with", "numpy"], ("3.12", ["numpy"], "c" * 40)),
    ],
)
def test_a_recorded_comparison_is_explained_with_its_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], expected: tuple[Any, ...]
) -> None:
    times: dict[str, Any] = {"ratio": Interval(1.1, 1.09, 1.11), "ratio_error": 0.001}
    times |= {"ratio_freedom": 8.0, "processes": 9, "judged": True, "significant": True}
    slower = Finding(WALK, **times)
    commits = {"base": "a" * 40, "head": "b" * 40}
    made = Comparison("main", "HEAD", commits, 0.005, findings={WALK: slower}, asked=ASKED)
    append(
        as_records("comparison", CodeVersion(None, False), [record(made)]), tmp_path, "comparisons"
    )
    requests: list[Request] = []

    def caught(request: Request, *_: object) -> None:
        requests.append(request)
        raise MlpperfError("enough")

    monkeypatch.setattr(why, "causes_of", caught)
    done = CliRunner().invoke(app, ["why", "--records", str(tmp_path), *options])
    assert requests, done.output
    (request,) = requests
    assert (request.python, [*request.extra], request.benchmarks) == expected
