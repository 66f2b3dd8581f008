"""Recording: what is found out before anything is measured, and what is kept whatever happens."""

import json
import math
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from mlpperf.engine.history import recording as module
from mlpperf.engine.history import records
from mlpperf.engine.history.reading import readable
from mlpperf.engine.history.recording import Recording, json_text
from mlpperf.engine.history.records import CodeVersion, Origin
from mlpperf.engine.machine.in_force import InForce
from mlpperf.errors import MlpperfError

COMMIT = CodeVersion("1" * 40, dirty=False)


class Number(Origin, kw_only=True):
    """A record of a test."""

    FILE = "numbers"

    number: int


@pytest.fixture(autouse=True)
def commits(monkeypatch: pytest.MonkeyPatch) -> list[CodeVersion]:
    """The commits that are checked out, one after the other, each time that somebody looks."""
    coming = [COMMIT, CodeVersion("2" * 40, dirty=True)]
    monkeypatch.setattr(module, "current_commit", lambda: coming.pop(0))
    return coming


def numbers(folder: Path) -> list[int]:
    unreadable: list[str] = []
    records = list(readable(folder, Number, unreadable))
    assert not unreadable
    return [record.number for record in records]


def test_a_record_is_on_the_disk_as_soon_as_it_is_added(tmp_path: Path) -> None:
    recording = Recording("number", "numbers", tmp_path)
    assert recording.file == tmp_path / "numbers.jsonl"
    assert recording.location == f"Records: {tmp_path / 'numbers.jsonl'}"
    assert numbers(tmp_path) == []
    recording.add({"number": 1})
    assert numbers(tmp_path) == [1]
    recording.add({"number": 2}, {"number": 3})
    assert numbers(tmp_path) == [1, 2, 3]
    assert [record["number"] for record in recording.written] == [1, 2, 3]
    lines = (tmp_path / "numbers.jsonl").read_text().splitlines()
    assert recording.written == [json.loads(line) for line in lines]


def test_nothing_added_writes_nothing(tmp_path: Path) -> None:
    recording = Recording("number", "numbers", tmp_path)
    recording.add()
    assert recording.written == []
    assert (tmp_path / "numbers.jsonl").read_bytes() == b""


def test_the_commit_is_the_one_from_which_it_was_started(
    tmp_path: Path, commits: list[CodeVersion]
) -> None:
    recording = Recording("number", "numbers", tmp_path)
    recording.add({"number": 1})
    recording.add({"number": 2})
    assert [record["commit"]["hash"] for record in recording.written] == 2 * [COMMIT.hash]
    assert len(commits) == 1, "looked at once"


def test_records_stay_when_an_exception_passes(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        _interrupted(Recording("number", "numbers", tmp_path))
    assert numbers(tmp_path) == [1]


def _interrupted(recording: Recording) -> None:
    recording.add({"number": 1})
    raise KeyboardInterrupt


def test_a_failed_write_leaves_the_records_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = Recording("number", "numbers", tmp_path)
    recording.add({"number": 1})

    def full(file: int) -> None:
        raise OSError(28, os.strerror(28))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(MlpperfError, match="No space left on device"):
            recording.add({"number": 2}, {"number": 3})
    assert numbers(tmp_path) == [1]
    assert len(recording.written) == 1
    recording.add({"number": 4})
    assert numbers(tmp_path) == [1, 4]


def test_records_are_added_all_or_none(tmp_path: Path) -> None:
    recording = Recording("number", "numbers", tmp_path)
    with pytest.raises(TypeError):
        recording.add({"number": 1}, {"number": object()})
    assert numbers(tmp_path) == []
    assert recording.written == []


def test_numbers_that_were_not_measured_are_null(tmp_path: Path) -> None:
    recording = Recording("number", "numbers", tmp_path)
    recording.add({"number": math.nan, "bounds": (0.0, math.inf)})
    (record,) = recording.written
    assert record["number"] is None
    assert record["bounds"] == [0.0, None]


def test_a_field_of_the_result_replaces_that_of_the_context(tmp_path: Path) -> None:
    """As what was in force in another process does, for `mlpperf peers`."""
    recording = Recording("number", "numbers", tmp_path)
    recording.add({"number": 1, "in_force": {"blas_threads": 77}}, {"number": 2})
    there, here = recording.written
    assert there["in_force"] == {"blas_threads": 77}
    assert here["in_force"]["blas_threads"] != 77


def test_what_is_in_force_here_is_not_measured_for_what_others_measure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[None] = []
    monkeypatch.setattr(records, "in_force", lambda: measured.append(None) or InForce(1))
    Recording("number", "numbers", tmp_path).add({"number": 1, "in_force": None})
    assert not measured
    recording = Recording("number", "numbers", tmp_path)
    recording.add({"number": 2})
    assert len(measured) == 1
    elsewhere, here = map(json.loads, recording.file.read_text("utf-8").splitlines())
    assert elsewhere["in_force"] is None
    assert here["in_force"]["blas_threads"] == 1


def test_completed_records_are_not_written(tmp_path: Path) -> None:
    recording = Recording("number", "numbers", tmp_path)
    (record,) = recording.complete({"number": 1})
    assert record["commit"]["hash"] == COMMIT.hash
    assert recording.written == []
    assert numbers(tmp_path) == []


def test_the_folder_is_the_usual_one_by_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLPPERF_RECORDS", str(tmp_path / "usual"))
    Recording("number", "numbers").add({"number": 1})
    assert numbers(tmp_path / "usual") == [1]


def test_json_is_for_other_programs_and_for_eyes() -> None:
    assert json_text([{"a": "±"}]) == '[\n  {\n    "a": "±"\n  }\n]'


# --- a folder that cannot be written -------------------------------------------------------------


def test_an_unwritable_folder_is_refused_at_once(
    tmp_path: Path, commits: list[CodeVersion]
) -> None:
    obstacle = tmp_path / "a file"
    obstacle.write_text("not a folder")
    with pytest.raises(MlpperfError, match=r"Records cannot be written to .*MLPPERF_RECORDS"):
        Recording("number", "numbers", obstacle)
    assert obstacle.read_text() == "not a folder"
    assert len(commits) == 2, "before git is asked anything"


@pytest.mark.parametrize(
    ("arguments", "measures"),
    [
        (("race", "sigmoid"), "mlpperf.engine.race.race.run"),
        (("compare", "HEAD"), "mlpperf.engine.compare.request.compare"),
        (("calibrate",), "mlpperf.engine.calibrate.trials.calibrate"),
        (("peers", "--data", "digits"), "mlpperf.articles.peers.contest.contest"),
        (("accuracy", "--data", "digits"), "mlpperf.articles.accuracy.course.Course"),
        (("clusters", "--data", "digits"), "mlpperf.articles.clusters.counts.measure"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_no_command_measures_before_it_can_record(
    arguments: tuple[str, ...],
    measures: str,
    refused: Callable[..., str],
    articles: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def measured(*_: object, **__: object) -> None:
        pytest.fail("it was measured")

    monkeypatch.setattr(measures, measured)
    (articles / "a file").write_text("not a folder")
    message = refused(*arguments, "--records", "a file")
    assert message.startswith("mlpperf: Records cannot be written to a file (")


def test_a_name_that_is_no_text_is_kept_and_can_be_printed(tmp_path: Path) -> None:
    name = os.fsdecode(b"tests/\xff.py")
    made = Recording("comparison", "comparisons", tmp_path)
    made.add({"name": name})
    (line,) = made.file.read_text("utf-8").splitlines()
    assert json.loads(line)["name"] == "tests/\\udcff.py"  # no reader takes half of a pair
    assert json.loads(json_text(made.written).encode())[0]["name"] == name
