"""`compare --shard` on several machines, and `merge`."""

import json
from pathlib import Path
from typing import Any

import pytest

from mlpperf.engine.compare import pipeline
from mlpperf.engine.compare.screening import Timing

QUICK = ("--budget", "1", "--threshold", "60%", "--series", "*/batch-256/*")


@pytest.fixture
def in_project(command: Any, project: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(project.folder)
    return command


@pytest.mark.usefixtures("counted")
def test_the_shards_of_a_comparison_are_merged(
    in_project: Any, project: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Timing] = []

    def timing(*given: Any, **about: Any) -> Timing:
        made.append(Timing(*given, **about))
        return made[-1]

    monkeypatch.setattr(pipeline, "Timing", timing)
    project.work(repeats=5)
    project.commit()
    for number in ("1", "2"):
        given = ("--shard", f"{number}/2", *QUICK, "--records", f"shards/{number}")
        done = in_project("compare", "main~1", "main", *given)
        assert done.exit_code == 0  # whatever it measured
        assert done.stdout.startswith(f"Shard {number} of 2 timed ")
    assert not Path("shards/1/comparisons.jsonl").exists()
    assert {one.tests for one in made} == {2 * len(one.findings) for one in made}
    done = in_project("merge", "shards", "--format", "json", "--records", "whole")
    assert done.exit_code == 1
    record = json.loads(done.stdout)
    slower = {f"{s['path']}/{s['case']}" for s in record["series"] if s["verdict"] == "slower"}
    assert slower == {"doubling/batch-256"}
    assert "shard" not in record
    in_project("merge", "shards", "--records", "whole")  # again, and still one record
    (line,) = Path("whole/comparisons.jsonl").read_text("utf-8").splitlines()
    assert json.loads(line)["verdict"] == record["verdict"]
    Path("shards/2/shards.jsonl").unlink()
    done = in_project("merge", "shards")
    assert (done.exit_code, done.stderr) == (2, "mlpperf: Shard 2 of 2 is missing.\n")


def test_equal_code_in_all_shards_is_no_regression(in_project: Any, project: Any) -> None:
    project.commit()
    for number in ("1", "2"):
        given = ("--shard", f"{number}/2", "--format", "json")
        done = in_project("compare", "main~1", "main", *given)
        assert done.exit_code == 0
        Path(f"{number}.json").write_text(done.stdout, encoding="utf-8")
    done = in_project("merge", ".")
    assert done.exit_code == 0, done.output
    assert "has the same code" in done.stdout
    assert not Path(".mlpperf/comparisons.jsonl").exists() or not (
        Path(".mlpperf/comparisons.jsonl").read_text("utf-8")
    )


def test_a_working_tree_has_no_shards(in_project: Any) -> None:
    done = in_project("compare", "main", "--shard", "1/2")
    assert done.exit_code == 2
    assert done.stderr == (
        "mlpperf: --shard compares commits, not the working tree: name the commit, such as HEAD.\n"
    )


@pytest.mark.parametrize("option", ["shard", "threshold", "python", "base-python", "benchmarks"])
def test_a_variable_that_is_not_set_is_no_default(option: str, in_project: Any) -> None:
    done = in_project("compare", "main", f"--{option}=")
    assert done.exit_code == 2
    assert done.stderr == f"mlpperf: {option} of compare takes a value, not an empty text.\n"


def test_an_empty_text_is_refused_in_the_name_of_the_command(in_project: Any) -> None:
    done = in_project("why", "--base=")
    assert done.exit_code == 2
    assert done.stderr == "mlpperf: base of why takes a value, not an empty text.\n"
