"""The figures of README and docs: from one machine for each table, and named in full."""

import json
from pathlib import Path
from typing import Any

import pytest

from mlpperf.engine.history.records import Fields
from mlpperf.errors import MlpperfError
from readme import EVERY
from readme_tables import on_the_last_machine, where

ROOT = Path(__file__).parents[2]
RECORDS = ROOT / "records"


def record(**about: Any) -> Fields:
    """A record of a ladder, with another machine or commit."""
    line: Fields = json.loads((RECORDS / "ladders.jsonl").read_text("utf-8").splitlines()[0])
    for name, value in about.items():
        line[name] = line[name] | value if isinstance(value, dict) else value
    return line


def test_a_figure_names_machine_versions_date_and_commit() -> None:
    line = record(
        machine={"processor": "P", "cores": 3, "memory": 5 << 30, "simd": "S", "python": "3.12.1"},
        commit={"hash": "0123456789", "dirty": False},
        time="2026-01-02T03:04:05+00:00",
        threads=2,
    )
    text = where(line)
    assert text.startswith("*P (3 processors, 5 GiB, S), 2 threads; ")
    assert text.endswith("Python 3.12.1; 2026-01-02, commit 0123456.*")


def test_uncommitted_changes_are_named() -> None:
    clean = record(commit={"hash": "0123456789", "dirty": False})
    dirty = record(commit={"hash": "abcdefabcd", "dirty": True})
    assert "commits 0123456, abcdefa with uncommitted changes.*" in where(clean, dirty)


@pytest.mark.parametrize(
    "about",
    [
        {"processor": "another"},
        {"cores": 99},
        {"memory": 1 << 50},
        {"simd": "another"},
        {"numpy": "9.9.9", "python": "3.99.1"},
    ],
)
def test_a_table_of_two_machines_is_refused(about: dict[str, Any]) -> None:
    with pytest.raises(MlpperfError, match="A table mixes the machines"):
        where(record(), record(machine=about))
    assert on_the_last_machine([record(machine=about), record()]) == [record()]


def test_several_days_are_named() -> None:
    first, last = (record(time=f"2026-01-{day}T00:00:00+00:00") for day in ("02", "05"))
    assert "; 2026-01-02 to 2026-01-05, commit" in where(first, last)


def test_the_headline_is_of_one_machine_and_one_day(tmp_path: Path) -> None:
    def written(name: str, **about: object) -> None:
        known = json.loads((RECORDS / f"{name}.jsonl").read_text("utf-8").splitlines()[-1])
        known["time"] = "2026-01-02T03:04:05+00:00"
        known["machine"] = machine
        known["versions"] = versions
        with (tmp_path / f"{name}.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps({**known, **about}) + "\n")

    def of(median: float | None) -> dict[str, float | None]:
        return {"median": median, "low": median, "high": median}

    calibrations = (RECORDS / "calibrations.jsonl").read_text("utf-8").splitlines()
    first = json.loads(calibrations[0])
    machine, versions = first["machine"], first["versions"]
    whole = {"tracker": "mlpperf", "cases": [], "busy": 0.0, "budget": 1.0, "series": 10}
    for size, detected in ((0.0, []), (0.02, ["a"])):
        targets = ["a", "b"] if size else []
        rates = {"targets": targets, "found": detected, "unrelated": [], "measured": {}}
        written("calibrations", **whole, **rates, size=size)
    for project in ("one", "two"):
        written("gauntlet", kind="same", project=project, slower={}, faster={})
    written("gauntlet", kind="same", project="two", time="2026-01-03T03:04:05+00:00")
    rung = {"batch_size": 500, "stopped": ""}
    written("ladders", **rung, rung="first", total_gain=of(8.0))
    written("ladders", **rung, rung="last", total_gain=of(10.0))
    written("ladders", rung="none", batch_size=500, stopped="It lacks something.")
    written("ladders", **rung, rung="bfloat16_products", total_gain=of(99.0))
    for peer, seconds in (("last_rung", 1.0), ("slow", 3.0), ("quick", 2.0), ("broken", None)):
        about = {"peer": peer, "batch_size": 500, "device": "cpu"}
        written("peers", **about, seconds=of(seconds), over_last_rung=of(seconds))
    table, _, about = EVERY["headline"](tmp_path).partition("\n\n")
    alarms, detected_2, ladder, peer = table.splitlines()[2:]
    assert "in this project and 2 public ones | 0 of 3 | 0–71 % |" in alarms
    assert "slowdowns of 2 % that `compare` detected | 1 of 2 | 1–99 % |" in detected_2
    assert "first training program ÷ the last rung, batch 500 | 10" in ladder
    assert "library, quick, ÷ the last rung, batch 500 | 2" in peer
    assert "2026-01-02, commit" in about
    elsewhere = machine | {"cores": 99}
    machine = elsewhere
    written("ladders", **rung, rung="elsewhere", total_gain=of(77.0))
    assert "77" not in EVERY["headline"](tmp_path).partition("\n\n")[0]


def test_the_headline_has_no_figure_of_another_machine() -> None:
    """Of the committed records."""
    text = EVERY["headline"](RECORDS)
    assert text.count("\n*") == 1
