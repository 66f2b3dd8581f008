"""Reading records: real lines of every kind and age, and what is told of those that are damaged."""

import copy
import dataclasses
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlpperf.articles.report.content import CONTENT
from mlpperf.devices import available_threads
from mlpperf.engine.calibrate.recorded import CALIBRATIONS, Calibration, alike, series_of
from mlpperf.engine.calibrate.trials import Trial
from mlpperf.engine.compare.records import COMPARISONS
from mlpperf.engine.history.races import RACES, race_content, rows_of_race
from mlpperf.engine.history.reading import Kind, Record, origin_of, read_records, record_of
from mlpperf.engine.history.records import Commit, Origin, append, finite

REAL = Path(__file__).parent / "records_schema_1.jsonl"
LACKS = "lacks what such a record has"
DEVICES: Kind[Any] = Kind("devices", lambda fields: fields["cuda"], name="devices")
OWN: tuple[Kind[Any], ...] = (RACES, COMPARISONS, CALIBRATIONS, DEVICES)
# The articles' kinds have no name that is looked at; this is what stands in their lines.
ARTICLES = {
    "ladders": "ladder",
    "growth": "growth",
    "trainings": "training",
    "keras": "keras",
    "peers": "peers",
    "accuracies": "accuracy",
    "clusters": "clusters",
}
EVERY = [
    *OWN,
    *(Kind(file, CONTENT.kinds[file], name=name) for file, name in ARTICLES.items()),
]


def real(name: str) -> list[dict[str, Any]]:
    """The real lines of a kind, the oldest first."""
    lines = map(json.loads, REAL.read_text("utf-8").splitlines())
    return [fields for fields in lines if fields["kind"] == name]


def read(folder: Path, kind: Kind[Any], *lines: dict[str, Any]) -> list[Record[Any] | str]:
    append(lines, folder, kind.file)
    return list(read_records(folder, kind))


# --- what was ever written -----------------------------------------------------------------------


def test_there_are_real_lines_of_every_kind_and_no_others() -> None:
    kinds = {json.loads(line)["kind"] for line in REAL.read_text("utf-8").splitlines()}
    assert kinds == {kind.name for kind in EVERY}
    assert set(CONTENT.kinds) == set(ARTICLES)


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.file)
def test_real_lines_of_every_kind_are_read(kind: Kind[Any], tmp_path: Path) -> None:
    lines = real(kind.name)
    found = read(tmp_path, kind, *lines)
    assert len(found) == len(lines) > 0
    for record, fields in zip(found, lines, strict=True):
        assert isinstance(record, Record), record
        assert record.fields == fields
        assert record.origin.kind == kind.name
        assert record.origin.place.machine.startswith(fields["machine"]["host"])


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.file)
def test_an_origin_has_all_that_its_line_says(kind: Kind[Any]) -> None:
    for fields in real(kind.name):
        said = dataclasses.asdict(origin_of(fields))
        assert {name: value for name, value in said.items() if value is not None} == {
            name: fields[name] for name in said if name in fields
        }


def test_what_older_records_lack_is_none() -> None:
    older, newer = (origin_of(fields) for fields in real("ladder"))
    assert older.setting is older.in_force is None
    assert newer.setting is not None
    assert newer.setting["gpu_memory"] == "growth"
    assert newer.in_force is not None
    assert newer.in_force["blas_threads"] == 2


def test_a_race_of_one_process_says_nothing_of_processes() -> None:
    one, several = (record_of(fields, RACES).content for fields in real("race"))
    assert (one.processes, several.processes) == (1, 8)
    assert (one.path, one.variant) == ("layout", "copied_to_f_order")
    assert one.speedup.low < one.speedup.median < one.speedup.high
    assert several.doubts[1].startswith("other processes took")


def test_a_race_is_written_as_it_was_read() -> None:
    for fields in real("race"):
        made = finite(race_content(record_of(fields, RACES).content))
        # What old lines do not say.
        later = {"processes": 1, "share_error": None, "limit": "", "preparation": None}
        assert {**fields, **made} == {**later, **fields}


def test_a_comparison_is_read_whatever_its_series_are_called_by() -> None:
    older, newer = real("comparison")
    assert "visits" in older["series"][0]
    assert "processes" in newer["series"][0]
    for fields in (older, newer):
        found = record_of(fields, COMPARISONS).content
        assert (found.base, found.head, found.exit_code) == ("HEAD~1", "the working tree", 0)
        assert found.verdict == "No regression at the working tree against HEAD~1."
        assert found.commits == fields["commits"]
        assert [one.series.name for one in found.outcomes]
        assert not any(one.timed for one in found.outcomes)  # their errors were not recorded yet


def test_a_calibration_is_written_as_it_was_read() -> None:
    for fields in real("calibration"):
        made = record_of(fields, CALIBRATIONS).content
        assert isinstance(made, Calibration)
        assert {**fields, **finite(made.fields())} == fields


def test_a_record_of_a_larger_machine_can_be_read() -> None:
    """Where a `Setting` of so many threads could not even be made."""
    (fields,) = real("growth")
    many = available_threads() + 1
    asked = {**fields, "threads": many, "setting": {**fields["setting"], "threads": many}}
    origin = origin_of(asked)
    assert origin.threads == many
    assert origin.setting is not None
    assert origin.setting["threads"] == many


# --- what is damaged -----------------------------------------------------------------------------

ORIGIN = [
    field.name for field in dataclasses.fields(Origin) if field.name not in ("setting", "in_force")
]
NEEDED = {
    "race": [
        *("path", "version", "case", "variant", "backend", "seconds", "reference_seconds"),
        *("speedup", "rounds", "proof", "floor", "doubts", "wrong"),
    ],
    "comparison": [
        *("base", "head", "exit_code", "verdict", "commits", "same"),
        *("interrupted", "broken", "total", "series"),
    ],
    "calibration": [
        *(field.name for field in dataclasses.fields(Trial)),
        *("tracker", "budget", "cases"),
    ],
}


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        *((kind, field) for kind in EVERY for field in ORIGIN),
        *((kind, field) for kind in OWN[:3] for field in NEEDED[kind.name]),
    ],
    ids=lambda value: value if isinstance(value, str) else value.file,
)
@pytest.mark.parametrize("damage", ["missing", "of another kind"])
def test_a_line_that_lacks_something_is_told_and_leaves_the_others(
    kind: Kind[Any], field: str, damage: str, tmp_path: Path
) -> None:
    whole = real(kind.name)[-1]
    bad = {name: value for name, value in whole.items() if name != field}
    if damage == "of another kind":
        bad[field] = 5 if isinstance(whole[field], bool) else True
    first, told, last = read(tmp_path, kind, whole, bad, whole)
    assert isinstance(first, Record)
    assert isinstance(last, Record)
    assert str(told).startswith(f"{tmp_path / kind.file}.jsonl, line 2: {LACKS} (")


@pytest.mark.parametrize(
    "damage",
    [
        lambda fields: fields["commit"].update(hash=5),
        lambda fields: fields["commit"].update(dirty="no"),
        lambda fields: fields["commit"].pop("dirty"),
        lambda fields: fields["machine"].pop("blas"),
        lambda fields: fields["machine"].update(cores="2"),
        lambda fields: fields["machine"].update(memory=None),
        lambda fields: fields["versions"].update(numpy=2.4),
        lambda fields: fields.update(setting="cpu"),
        lambda fields: fields.update(in_force=[]),
        lambda fields: fields.update(threads=-1),
        lambda fields: fields.update(threads=2.5),
        lambda fields: fields.update(time="yesterday"),
        lambda fields: fields.update(time="0001-01-01T00:00:00+00:00"),
    ],
)
def test_an_origin_that_is_none_is_told(
    damage: Callable[[dict[str, Any]], object], tmp_path: Path
) -> None:
    (fields,) = real("growth")
    bad = copy.deepcopy(fields)
    damage(bad)
    kind: Kind[Any] = Kind("growth", dict)
    whole, told = read(tmp_path, kind, fields, bad)
    assert isinstance(whole, Record)
    assert str(told).startswith(f"{tmp_path / 'growth.jsonl'}, line 2: {LACKS} (")


def test_a_record_in_the_file_of_another_kind_is_told(tmp_path: Path) -> None:
    race, ladder = real("race")[0], real("ladder")[0]
    found = read(tmp_path, RACES, {**race, "kind": "ladder"}, ladder, race)
    assert [isinstance(record, Record) for record in found] == [False, False, True]


def test_a_kind_without_a_name_takes_every_one(tmp_path: Path) -> None:
    unnamed: Kind[Any] = Kind("growth", lambda fields: fields["samples"])
    (fields,) = real("growth")
    (found,) = read(tmp_path, unnamed, {**fields, "kind": "another"})
    assert isinstance(found, Record)
    assert found.content == fields["samples"]


def test_other_schemas_and_half_lines_are_told_too(tmp_path: Path) -> None:
    race = real("race")[0]
    append([{**race, "schema": 2}, race], tmp_path)
    file = tmp_path / "races.jsonl"
    file.write_bytes(file.read_bytes() + b'{"schema": 1, "ki')
    other, whole, half = read_records(tmp_path, RACES)
    assert other == f"{file}, line 1: not a record of schema 1"
    assert isinstance(whole, Record)
    assert half == f"{file}, line 3: not a whole JSON record"


def test_a_line_that_is_nested_too_deeply_to_be_written_again_is_told(tmp_path: Path) -> None:
    deep: list[Any] = []
    for _ in range(18):
        deep = [deep]
    race = real("race")[-1]
    setting = {**race["setting"], "xla": deep}
    whole, told = read(tmp_path, RACES, {**race, "later": [1]}, {**race, "setting": setting})
    assert isinstance(whole, Record)
    assert "nested too deeply" in str(told)


def test_a_mark_of_the_byte_order_and_ends_of_lines_of_windows_are_no_damage(
    tmp_path: Path,
) -> None:
    append(real("race"), tmp_path)
    file = tmp_path / "races.jsonl"
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))
    assert all(isinstance(record, Record) for record in read_records(tmp_path, RACES))


def test_what_is_named_is_the_field(tmp_path: Path) -> None:
    race = real("race")[-1]
    (told,) = read(tmp_path, RACES, {**race, "seconds": -1.0})
    assert str(told).endswith("at `$.seconds`)")


def test_no_file_holds_no_records(tmp_path: Path) -> None:
    assert list(read_records(tmp_path, RACES)) == []
    assert list(read_records(tmp_path / "nowhere", RACES)) == []


def test_a_file_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    (tmp_path / "races.jsonl").mkdir()
    (told,) = read_records(tmp_path, RACES)
    assert told == f"{tmp_path / 'races.jsonl'}: Is a directory"


# --- what is made of them ------------------------------------------------------------------------


def test_an_origin_says_its_place_and_software_in_words() -> None:
    origin = origin_of(real("race")[0])
    assert str(origin.place) == "vm: Intel(R) Xeon(R) Processor, 2 processors; cpu, 2 threads"
    assert origin.software == "scipy-openblas 0.3.31.188.0, NumPy 2.4.6, Python 3.11.7"
    assert str(origin.place._replace(threads=1)).endswith("1 thread")


def test_the_rows_of_a_race_name_the_version_of_its_library() -> None:
    fields = {**real("race")[0], "backend": "tensorflow"}
    seconds, ratio = rows_of_race(record_of(fields, RACES))
    assert seconds.run.software == "Python 3.11, NumPy 2.4, tensorflow 2.21"
    assert seconds.value == fields["seconds"]
    assert ratio.value == 1 / fields["speedup"]["median"]
    assert ratio.low == 1 / fields["speedup"]["high"]
    unbounded = {**fields, "speedup": {"median": 2.0, "low": 1.5, "high": None}}
    race = record_of(unbounded, RACES)
    assert race.content.speedup.high == math.inf
    _, ratio = rows_of_race(race)
    assert math.isnan(ratio.low)
    assert ratio.high == 1 / 1.5


def test_calibrations_are_alike_only_if_all_that_matters_is() -> None:
    fields = real("calibration")[0]
    here = record_of(fields, CALIBRATIONS)
    assert alike(here) == alike(record_of({**fields, "size": 0.5}, CALIBRATIONS))
    for other in (
        {"tracker": "asv"},
        {"budget": 1.0},
        {"cases": ["batch-500"]},
        {"busy": 0.5},
        {"threads": 1},
        {"machine": {**fields["machine"], "host": "elsewhere"}},
    ):
        assert alike(here) != alike(record_of({**fields, **other}, CALIBRATIONS))


def test_how_many_series_there_were_is_one_number_or_two() -> None:
    fields = real("calibration")[0]
    few, many = (record_of({**fields, "series": n}, CALIBRATIONS) for n in (57, 232))
    assert series_of([few, few]) == "57"
    assert series_of([many, few]) == "57 to 232"


def test_a_commit_may_have_no_hash() -> None:
    fields = {**real("race")[0], "commit": {"hash": None, "dirty": False}}
    assert origin_of(fields).commit == Commit(None, dirty=False)
