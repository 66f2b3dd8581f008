"""Everything that was measured as Parquet files, read again by another program."""

import json
import math
from pathlib import Path
from typing import Any

import duckdb
import pytest

from mlpperf.engine.compare.records import comparisons

RECORDS = Path(__file__).parents[3] / "records"


def read(file: Path, columns: str) -> list[tuple[Any, ...]]:
    with duckdb.connect() as database:
        return database.execute(f"SELECT {columns} FROM '{file}'").fetchall()


def test_the_files_have_what_the_records_say(command: Any, tmp_path: Path) -> None:
    done = command("export", str(tmp_path / "out"), "--records", str(RECORDS))
    assert done.exit_code == 0
    file = tmp_path / "out/comparisons.parquet"
    rows = read(file, 'base, head, path, "case", variant, log_ratio, error, verdict')
    every = [(record, outcome) for record in comparisons(RECORDS)[0] for outcome in record.outcomes]
    assert len(rows) == len(every) > 1000
    for row, (made, outcome) in zip(rows, every, strict=True):
        assert row[:2] == (made.commits["base"], made.commits["head"])
        assert row[2:5] == outcome.series[:3]
        assert row[7] == outcome.verdict
        known = math.nan if row[5] is None else row[5]
        assert known == outcome.log_ratio or (math.isnan(known) and math.isnan(outcome.log_ratio))
    assert f"{file}: {len(rows):,} rows, " in done.stdout


def test_numbers_that_were_raced_are_in_a_file_of_their_own(command: Any, tmp_path: Path) -> None:
    command("export", str(tmp_path), "--records", str(RECORDS))
    lines = (RECORDS / "races.jsonl").read_text(encoding="utf-8").splitlines()
    races = [json.loads(line) for line in lines]
    found = read(tmp_path / "measurements.parquet", "path, variant, quantity, value, proven")
    assert {row[0] for row in found} == {race["path"] for race in races}
    assert {row[2] for row in found} >= {"seconds", "ratio"}
    assert all(row[3] > 0 for row in found)
    assert all(row[4] is True for row in found)


def test_no_records_are_a_sentence(refused: Any, tmp_path: Path) -> None:
    (tmp_path / "records").mkdir()
    said = refused("export", str(tmp_path / "out"), "--records", str(tmp_path / "records"))
    assert said.startswith("mlpperf: There is nothing to export: no comparisons or races yet")
    (tmp_path / "records/races.jsonl").write_text("{}\n[]\n", "utf-8")
    said = refused("export", str(tmp_path / "out"), "--records", str(tmp_path / "records"))
    assert "races.jsonl, line 1: not a record of schema 1 (2 damaged)" in said


def test_damaged_races_are_named_and_the_rest_is_written(command: Any, tmp_path: Path) -> None:
    lines = (RECORDS / "comparisons.jsonl").read_text(encoding="utf-8").splitlines()
    (tmp_path / "comparisons.jsonl").write_text(lines[-1], encoding="utf-8")
    (tmp_path / "races.jsonl").write_text("{}\n", encoding="utf-8")
    done = command("export", str(tmp_path / "out"), "--records", str(tmp_path))
    assert done.exit_code == 0
    assert "races.jsonl, line 1: not a record of schema 1" in done.stderr
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["comparisons.parquet"]


def test_a_folder_that_cannot_be_made_is_a_sentence(refused: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    said = refused("export", str(tmp_path / "file/out"), "--records", str(RECORDS))
    assert "cannot be made: Not a directory" in said


def test_a_file_that_cannot_be_written_leaves_nothing(
    refused: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "comparisons.unfinished").mkdir()
    (tmp_path / "comparisons.unfinished/x").touch()
    said = refused("export", str(tmp_path), "--records", str(RECORDS))
    assert "comparisons.parquet cannot be written" in said
    assert not (tmp_path / "comparisons.parquet").exists()
