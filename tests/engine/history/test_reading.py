"""Reading records: real lines of every kind and age, and damaged ones."""

import copy
import dataclasses
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

import msgspec
import pytest

from mlpperf.articles.report.content import CONTENT
from mlpperf.devices import available_threads
from mlpperf.engine.calibrate.recorded import (
    CalibrationRecord,
    calibration_content,
    grouped_for_display,
    series_of,
)
from mlpperf.engine.calibrate.trials import Trial
from mlpperf.engine.compare.records import ComparisonRecord
from mlpperf.engine.history.races import RaceRecord, race_content, rows_of_race
from mlpperf.engine.history.reading import read_records, readable
from mlpperf.engine.history.records import CodeVersion, Origin, append, finite


class DevicesRecord(Origin, kw_only=True):
    """What `mlpperf devices` recorded, as far as it is read here."""

    FILE = "devices"

    kind: Literal["devices"]
    cuda: Any


REAL = Path(__file__).parent / "records_schema_1.jsonl"
LACKS = "lacks what such a record has"
OWN: tuple[type[Origin], ...] = (RaceRecord, ComparisonRecord, CalibrationRecord, DevicesRecord)
EVERY = [*OWN, *CONTENT.kinds]
OPTIONAL = ("schema", "setting", "in_force")
NOT_READ = {"over_floor", "floor_per_sample"}  # as docs/records.md says of the format's changes
ORIGIN = [name for name in Origin.__struct_fields__ if name not in OPTIONAL]


def name_of(kind: type[Origin]) -> str:
    """What stands in `kind` in every line."""
    (name,) = get_args(get_type_hints(kind)["kind"])
    return str(name)


def real(name: str) -> list[dict[str, Any]]:
    """The real lines of a kind, the oldest first."""
    lines = map(json.loads, REAL.read_text("utf-8").splitlines())
    return [fields for fields in lines if fields["kind"] == name]


def read(folder: Path, kind: type[Origin], *lines: dict[str, Any]) -> list[Origin | str]:
    append(lines, folder, kind.FILE)
    return list(read_records(folder, kind))


# --- what was ever written -----------------------------------------------------------------------


def test_there_are_real_lines_of_every_kind_and_no_others() -> None:
    kinds = {json.loads(line)["kind"] for line in REAL.read_text("utf-8").splitlines()}
    assert kinds == set(map(name_of, EVERY))


@pytest.mark.parametrize("kind", EVERY, ids=name_of)
def test_real_lines_of_every_kind_are_read(kind: type[Origin], tmp_path: Path) -> None:
    lines = real(name_of(kind))
    records = read(tmp_path, kind, *lines)
    assert len(records) == len(lines) > 0
    for record, fields in zip(records, lines, strict=True):
        assert isinstance(record, kind), record
        assert record.place.machine.startswith(fields["machine"]["host"])
        values = msgspec.json.decode(msgspec.json.encode(record))
        for name in ORIGIN if kind in OWN else fields.keys() - NOT_READ:
            assert values[name] == fields[name], name


def test_fields_that_older_records_lack_are_none() -> None:
    older, newer = (msgspec.convert(fields, Origin) for fields in real("ladder"))
    assert older.setting is older.in_force is None
    assert newer.setting is not None
    assert newer.setting["gpu_memory"] == "growth"
    assert newer.in_force is not None
    assert newer.in_force["blas_threads"] == 2


def test_a_race_of_one_process_says_nothing_of_processes() -> None:
    one, several = (msgspec.convert(fields, RaceRecord).result for fields in real("race"))
    assert (one.processes, several.processes) == (1, 8)
    assert (one.path, one.variant) == ("layout", "copied_to_f_order")
    assert one.speedup.low < one.speedup.median < one.speedup.high
    assert several.doubts[1].startswith("other processes took")


def test_a_race_is_written_as_it_was_read() -> None:
    for fields in real("race"):
        made = finite(race_content(msgspec.convert(fields, RaceRecord).result))
        # What old lines do not say.
        later = {"processes": 1, "share_error": None, "limit": "", "preparation": None}
        assert {**fields, **made} == {**later, **fields}


def test_comparisons_of_old_and_new_versions_are_read() -> None:
    older, newer = real("comparison")
    assert "visits" in older["series"][0]
    assert "processes" in newer["series"][0]
    for fields in (older, newer):
        found = msgspec.convert(fields, ComparisonRecord)
        assert (found.base, found.head, found.exit_code) == ("HEAD~1", "the working tree", 0)
        assert found.verdict == "No regression at the working tree against HEAD~1."
        assert found.commits == fields["commits"]
        assert [one.series.name for one in found.outcomes]
        assert not any(one.timed for one in found.outcomes)  # their errors were not recorded yet


def test_a_calibration_is_written_as_it_was_read() -> None:
    for fields in real("calibration"):
        record = msgspec.convert(fields, CalibrationRecord)
        made = calibration_content(record.trial, record.tracker, record.budget, record.cases)
        assert {**fields, **finite(made)} == fields


def test_a_record_of_a_larger_machine_can_be_read() -> None:
    """Where a `Setting` of so many threads could not even be made."""
    (fields,) = real("growth")
    many = available_threads() + 1
    asked = {**fields, "threads": many, "setting": {**fields["setting"], "threads": many}}
    origin = msgspec.convert(asked, Origin)
    assert origin.threads == many
    assert origin.setting is not None
    assert origin.setting["threads"] == many


# --- what is damaged -----------------------------------------------------------------------------

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
        *(f.name for f in dataclasses.fields(Trial) if f.name not in ("detected", "warnings")),
        *("found", "trouble", "tracker", "budget", "cases"),
    ],
}


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        *((kind, field) for kind in EVERY for field in ORIGIN),
        *((kind, field) for kind in OWN[:3] for field in NEEDED[name_of(kind)]),
    ],
    ids=lambda value: value if isinstance(value, str) else name_of(value),
)
@pytest.mark.parametrize("damage", ["missing", "of another kind"])
def test_a_line_that_lacks_a_field_is_named_and_leaves_the_others(
    kind: type[Origin], field: str, damage: str, tmp_path: Path
) -> None:
    whole = real(name_of(kind))[-1]
    bad = {name: value for name, value in whole.items() if name != field}
    if damage == "of another kind":
        bad[field] = 5 if isinstance(whole[field], bool) else True
    first, sentence, last = read(tmp_path, kind, whole, bad, whole)
    assert isinstance(first, Origin)
    assert isinstance(last, Origin)
    assert str(sentence).startswith(f"{tmp_path / kind.FILE}.jsonl, line 2: {LACKS} (")


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
def test_a_damaged_origin_is_named(
    damage: Callable[[dict[str, Any]], object], tmp_path: Path
) -> None:
    (fields,) = real("growth")
    bad = copy.deepcopy(fields)
    damage(bad)
    (growth,) = (kind for kind in CONTENT.kinds if kind.FILE == "growth")
    whole, sentence = read(tmp_path, growth, fields, bad)
    assert isinstance(whole, Origin)
    assert str(sentence).startswith(f"{tmp_path / 'growth.jsonl'}, line 2: {LACKS} (")


def test_a_record_in_the_file_of_another_kind_is_named(tmp_path: Path) -> None:
    race, ladder = real("race")[0], real("ladder")[0]
    found = read(tmp_path, RaceRecord, {**race, "kind": "ladder"}, ladder, race)
    assert [isinstance(record, Origin) for record in found] == [False, False, True]


def test_other_schemas_and_half_lines_are_named_too(tmp_path: Path) -> None:
    race = real("race")[0]
    append([{**race, "schema": 2}, race], tmp_path)
    file = tmp_path / "races.jsonl"
    file.write_bytes(file.read_bytes() + b'{"schema": 1, "ki')
    other, whole, half = read_records(tmp_path, RaceRecord)
    unreadable: list[str] = []
    assert list(readable(tmp_path, RaceRecord, unreadable)) == [whole]
    assert unreadable == [other, half]
    assert other == f"{file}, line 1: not a record of schema 1"
    assert isinstance(whole, Origin)
    assert half == f"{file}, line 3: not a whole JSON record"


def test_no_setting_is_a_list(tmp_path: Path) -> None:
    """Which could be nested so deeply that it cannot be written again."""
    race = real("race")[-1]
    setting = {**race["setting"], "xla": [[]]}
    whole, sentence = read(
        tmp_path, RaceRecord, {**race, "later": [1]}, {**race, "setting": setting}
    )
    assert isinstance(whole, RaceRecord)
    assert "`$.setting[...]`" in str(sentence)


def test_a_mark_of_the_byte_order_and_ends_of_lines_of_windows_are_no_damage(
    tmp_path: Path,
) -> None:
    append(real("race"), tmp_path)
    file = tmp_path / "races.jsonl"
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))
    assert all(isinstance(record, Origin) for record in read_records(tmp_path, RaceRecord))


def test_the_damaged_field_is_named(tmp_path: Path) -> None:
    race = real("race")[-1]
    (sentence,) = read(tmp_path, RaceRecord, {**race, "seconds": -1.0})
    assert str(sentence).endswith("at `$.seconds`)")


def test_no_file_holds_no_records(tmp_path: Path) -> None:
    assert list(read_records(tmp_path, RaceRecord)) == []
    assert list(read_records(tmp_path / "nowhere", RaceRecord)) == []


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "races.jsonl").mkdir()
    (sentence,) = read_records(tmp_path, RaceRecord)
    assert sentence == f"{tmp_path / 'races.jsonl'}: Is a directory"


# --- what is made of them ------------------------------------------------------------------------


def test_an_origin_says_its_place_and_software_in_words() -> None:
    origin = msgspec.convert(real("race")[0], Origin)
    processor = "Intel(R) Xeon(R) Processor, 2 processors, AVX512_ICL"
    assert str(origin.place) == f"vm: {processor}; cpu, 2 threads"
    assert origin.software == "scipy-openblas 0.3.31.188.0, NumPy 2.4.6, Python 3.11.7"
    assert str(origin.place._replace(threads=1)).endswith("1 thread")


def test_the_rows_of_a_race_name_the_version_of_its_library() -> None:
    fields = {**real("race")[0], "backend": "tensorflow"}
    seconds, ratio = rows_of_race(msgspec.convert(fields, RaceRecord))
    assert seconds.run.software == "Python 3.11, NumPy 2.4, tensorflow 2.21"
    assert seconds.value == fields["seconds"]
    assert ratio.value == 1 / fields["speedup"]["median"]
    assert ratio.low == 1 / fields["speedup"]["high"]
    unbounded = {**fields, "speedup": {"median": 2.0, "low": 1.5, "high": None}}
    race = msgspec.convert(unbounded, RaceRecord)
    assert race.result.speedup.high == math.inf
    _, ratio = rows_of_race(race)
    assert math.isnan(ratio.low)
    assert ratio.high == 1 / 1.5


def test_calibrations_are_alike_only_if_all_that_matters_is() -> None:
    fields = real("calibration")[0]
    here = msgspec.convert(fields, CalibrationRecord)
    alike = msgspec.convert({**fields, "size": 0.5}, CalibrationRecord)
    assert grouped_for_display([here, alike]) == [[here, alike]]
    for other in (
        {"tracker": "asv"},
        {"budget": 1.0, "series": 10 * here.series},
        {"cases": ["batch-500"]},
        {"busy": 0.5},
        {"threads": 1},
        {"machine": {**fields["machine"], "host": "elsewhere"}},
    ):
        apart = msgspec.convert({**fields, **other}, CalibrationRecord)
        assert grouped_for_display([here, apart]) == [[here], [apart]]


def test_how_many_series_there_were_is_one_number_or_two() -> None:
    fields = real("calibration")[0]
    few, many = (msgspec.convert({**fields, "series": n}, CalibrationRecord) for n in (57, 232))
    assert series_of([few, few]) == "57"
    assert series_of([many, few]) == "57 to 232"


def test_a_commit_may_have_no_hash() -> None:
    fields = {**real("race")[0], "commit": {"hash": None, "dirty": False}}
    assert msgspec.convert(fields, Origin).commit == CodeVersion(None, dirty=False)


@pytest.mark.parametrize(
    ("field", "value"),
    [("host", "other"), ("processor", "other"), ("cores", 3), ("simd", "AVX512_SPR")],
)
def test_processors_of_one_name_are_told_apart(field: str, value: object) -> None:
    record = real("race")[0]
    other = {**record, "machine": {**record["machine"], field: value}}
    assert msgspec.convert(record, Origin).place != msgspec.convert(other, Origin).place


@pytest.mark.parametrize("unknown", ["none", "unknown"])
def test_unknown_vector_instructions_are_not_in_the_name(unknown: str) -> None:
    record = real("race")[0]
    made = msgspec.convert({**record, "machine": {**record["machine"], "simd": unknown}}, Origin)
    assert made.place.machine.endswith("2 processors")
