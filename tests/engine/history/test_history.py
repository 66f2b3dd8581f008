"""The history: three sources in one table, and where the curves in it changed."""

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from asv.results import Results
from asv.runner import BenchmarkResult
from typer.testing import CliRunner

from mlpperf.agreement import Proof
from mlpperf.cli.app import app
from mlpperf.engine.history import changes as changes_module
from mlpperf.engine.history.changes import ALARMS, FEWEST, Change
from mlpperf.engine.history.curves import Curve, points
from mlpperf.engine.history.from_asv import HOT_PATH
from mlpperf.engine.history.races import race_content
from mlpperf.engine.history.records import CodeVersion, append, as_records
from mlpperf.engine.history.rows import Metric, Row, Run
from mlpperf.engine.history.table import COLUMNS, Table, history, tabulated
from mlpperf.engine.race.race import Result
from mlpperf.engine.statistics.intervals import Interval
from mlpperf.errors import MlpperfError

PATIENCE = 600  # seconds until a hanging process counts as hanging
HASHES = [f"{i:08x}".ljust(40, "0") for i in range(1, 200)]


def result(**fields: Any) -> Result:
    usual: dict[str, Any] = {
        "path": "layout",
        "version": 3,
        "case": "batch-500",
        "variant": "transposed_view",
        "backend": "numpy",
        "seconds": 0.002,
        "reference_seconds": 0.005,
        "speedup": Interval(2.5, 2.0, 4.0),
        "rounds": 50,
        "proof": Proof(0.0, 1e-6),
        "floor": 0.001,
    }
    return Result(**{**usual, **fields})


@lru_cache(maxsize=1)
def written() -> str:
    """A race as the real writer writes it."""
    return json.dumps(
        as_records("race", CodeVersion(HASHES[0], False), [race_content(result())])[0]
    )


def record(hash_: str | None = HASHES[0], dirty: bool = False, **fields: Any) -> dict[str, Any]:
    """That race at another commit; `fields` replace whole fields of the record."""
    return {**json.loads(written()), "commit": {"hash": hash_, "dirty": dirty}, **fields}


def speedup(median: float) -> dict[str, float]:
    return {"median": median, "low": 0.99 * median, "high": 1.01 * median}


def table_of(folder: Path, records: Sequence[dict[str, Any]]) -> Table:
    append(records, folder)
    return history(folder).table


def frame(table: Table) -> pd.DataFrame:
    """A table in the terms of pandas, to ask it in short."""
    found = pd.DataFrame(list(table.rows()), columns=COLUMNS)
    return found.astype({"value": float, "low": float, "high": float, "proven": "boolean"})


# --- races ---------------------------------------------------------------------------------------


def test_a_race_becomes_its_seconds_and_its_ratio(tmp_path: Path) -> None:
    made = record(time="2026-05-01T12:00:00+00:00")
    machine = made["machine"]
    seconds, ratio = frame(table_of(tmp_path, [made])).to_dict("records")
    assert (seconds["quantity"], ratio["quantity"]) == ("seconds", "ratio")
    assert seconds["value"] == 0.002
    assert np.isnan([seconds["low"], seconds["high"]]).all()
    assert [ratio[c] for c in ("value", "low", "high")] == [1 / 2.5, 1 / 4.0, 1 / 2.0]
    for row in (seconds, ratio):
        assert row["source"] == "race"
        assert row["machine"].startswith(f"{machine['host']}: {machine['processor']}, ")
        assert (row["device"], row["threads"]) == ("cpu", made["threads"])
        assert row["software"].startswith("Python 3.")
        assert (row["path"], row["version"]) == ("layout", "3")
        assert (row["variant"], row["case"]) == ("transposed_view", "batch-500")
        assert (row["commit"], row["dirty"]) == (HASHES[0], False)
        assert row["measured"] == pd.Timestamp("2026-05-01T12:00", tz="UTC")
        assert (row["date"], row["date_of"]) == (row["measured"], "measurement")
        assert row["proven"] is True


def test_a_wrong_variant_is_there_but_in_no_curve(tmp_path: Path) -> None:
    wrong = result(wrong="off by 1", seconds=float("nan"), speedup=Interval(*3 * [float("nan")]))
    table = table_of(
        tmp_path, as_records("race", CodeVersion(HASHES[0], False), [race_content(wrong)])
    )
    assert list(table.proven) == [False, False]
    assert np.isnan(table.value).all()
    assert points(table) == []


@pytest.mark.parametrize("other", [{"dirty": True}, {"hash_": None}, {"wrong": "off by 1"}])
def test_rows_that_belong_to_no_commit_are_in_no_curve(
    other: dict[str, Any], tmp_path: Path
) -> None:
    table = table_of(tmp_path, [record(), record(**other)])
    assert len(table) == 4
    assert len(points(table)) == 2
    assert [list(curve.measurements) for curve in points(table)] == [[1], [1]]


def test_a_missing_bound_is_nan(tmp_path: Path) -> None:
    unbounded = record(speedup={"median": 1.5, "low": 0.0, "high": None})
    ratio = frame(table_of(tmp_path, [unbounded])).iloc[1]
    assert ratio["value"] == 1 / 1.5
    assert np.isnan([ratio["low"], ratio["high"]]).all()


@pytest.mark.parametrize(
    "damage",
    [
        {"kind": "ladder"},
        {"path": 5},
        {"path": None},
        {"variant": ["a"]},
        {"case": {}},
        {"version": "1"},
        {"version": True},
        {"threads": 1e300},
        {"threads": 1 << 40},
        {"seconds": "0.1"},
        {"seconds": True},
        {"seconds": 10**400},
        {"speedup": 2.0},
        {"speedup": {"median": 2.0}},
        {"commit": "abc"},
        {"commit": {"hash": 5, "dirty": False}},
        {"commit": {"hash": "abc", "dirty": "no"}},
        {"machine": None},
        {"machine": {}},
        {"versions": []},
        {"time": "yesterday"},
        {"time": "0001-01-01T00:00:00+00:00"},
        {"time": 10**30},
        {"time": None},
    ],
    ids=repr,
)
def test_a_damaged_record_is_named_and_skipped(damage: dict[str, Any], tmp_path: Path) -> None:
    damaged = record(**damage)
    append([record(), damaged, record()], tmp_path)
    found = history(tmp_path)
    assert len(found.table) == 4
    (sentence,) = found.unreadable
    assert sentence.startswith(
        f"{tmp_path / 'races.jsonl'}, line 2: lacks what such a record has ("
    )


def test_damaged_lines_and_newer_schemas_do_not_touch_the_others(tmp_path: Path) -> None:
    append([record(), record(schema=99), record()], tmp_path)
    file = tmp_path / "races.jsonl"
    whole = file.read_bytes()
    file.write_bytes(b"[" * 100_000 + b"\n" + whole + whole[:200])
    found = history(tmp_path)
    assert len(found.table) == 4
    assert found.unreadable == [
        f"{file}, line 1: not a whole JSON record",
        f"{file}, line 3: not a record of schema 1",
        f"{file}, line 5: not a whole JSON record",
    ]


@pytest.mark.parametrize(
    "name", ["--all", "$(touch owned)", "a\nb", "'; drop", "\x1b[2J", "日本語", "=1+1", "NaN"]
)
def test_odd_names_are_kept(name: str, tmp_path: Path) -> None:
    table = table_of(
        tmp_path, [record(path=name, variant=name, commit={"hash": name, "dirty": False})]
    )
    rows = frame(table)
    assert set(rows["path"]) == set(rows["variant"]) == set(rows["commit"]) == {name}
    assert len(points(table)) == 2


def test_half_a_surrogate_pair_is_written_out(tmp_path: Path) -> None:
    append([record(path="a\ud800\n")], tmp_path)
    assert set(frame(history(tmp_path).table)["path"]) == {"a\\ud800\n"}


# --- commits in the order of history -------------------------------------------------------------

needs_git = pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A new repository, out of reach of any configuration and of any other one."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "--quiet")
    return folder


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.org")
    done = subprocess.run(
        ["git", *identity, *arguments],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    return done.stdout.strip()


def commits(
    folder: Path, days: Sequence[int], monkeypatch: pytest.MonkeyPatch, subject: str = "Day {}"
) -> list[str]:
    """Commits one after the other, on these days of 2026-05."""
    made = []
    for day in days:
        monkeypatch.setenv("GIT_COMMITTER_DATE", f"2026-05-{day:02d}T12:00:00+00:00")
        git(folder, "commit", "--quiet", "--allow-empty", "--message", subject.format(day))
        made.append(git(folder, "rev-parse", "HEAD"))
    return made


@needs_git
def test_commits_stand_in_gits_order_and_the_others_where_their_date_belongs(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = commits(repository, [3, 9, 5, 20], monkeypatch)  # the third with a clock that was wrong
    unknown = "f" * 40
    append(
        [
            *(record(commit, time="2026-06-01T00:00:00+00:00") for commit in reversed(made)),
            record(unknown, time="2026-05-15T00:00:00+00:00"),
            record("no hash at all", time="2026-05-16T00:00:00+00:00"),
        ],
        tmp_path,
    )
    monkeypatch.chdir(repository)
    found = history(tmp_path)
    table = frame(found.table).drop_duplicates("commit").set_index("commit")
    table = table.loc[list(found.table.commits)]
    assert list(table.index) == [*made[:3], unknown, "no hash at all", made[3]]
    assert list(table["date_of"]) == [*3 * ["commit"], *2 * ["measurement"], "commit"]
    assert [date.day for date in table["date"]] == [3, 9, 5, 15, 16, 20]
    assert found.subjects == dict(zip(made, ["Day 3", "Day 9", "Day 5", "Day 20"], strict=True))


@needs_git
def test_no_name_of_a_commit_is_an_option_of_git_or_a_command(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository)
    commits(repository, [1], monkeypatch)
    names = ["--all", "--output=owned", "HEAD", "main", "$(touch owned)", "a\n--all", "^HEAD"]
    found_at: list[Any] = []
    usual = subprocess.run

    def watched(*arguments: Any, **options: Any) -> Any:
        found_at.append(options.get("input"))
        return usual(*arguments, **options)

    append([record(name) for name in names], tmp_path)
    monkeypatch.setattr(subprocess, "run", watched)
    found = history(tmp_path)
    assert set(found.table.commits) == set(names)
    assert not found.subjects
    assert not found_at
    assert [path.name for path in repository.iterdir()] == [".git"]


@needs_git
def test_without_a_repository_dates_are_those_of_the_measurements(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.chdir(tmp_path)
    days = (3, 1, 2)
    table = table_of(tmp_path, [record(HASHES[d], time=f"2026-05-0{d}T00:00:00") for d in days])
    assert table.commits == tuple(HASHES[d] for d in (1, 2, 3))
    assert set(frame(table)["date_of"]) == {"measurement"}


# --- asv -----------------------------------------------------------------------------------------

OURS = {
    "params": [["'expit'", "'tanh_in_place'"], ["'batch-500'"]],
    "param_names": list(HOT_PATH),
    "version": "1.3",
}
UNITS = {  # and types, as asv lists them
    "time_call": ("time", "seconds"),
    "track_relative_time": ("track", "ratio"),
    "track_allocated": ("track", "bytes"),
    "peakmem_call": ("peakmemory", "bytes"),
}
FOREIGN = {"params": [["1", "2"]], "version": "abc", "unit": "MB"}


@pytest.fixture
def asv(tmp_path: Path) -> Path:
    """A folder of results as asv itself writes it."""
    folder = tmp_path / "results"
    write_asv(folder, HASHES[0])
    (folder / "vm" / "machine.json").write_text('{"machine": "vm", "version": 1}')
    benchmarks = {"suite.Other.track_size": {**FOREIGN, "name": "suite.Other.track_size"}}
    for name, (kind, unit) in UNITS.items():
        benchmarks[f"paths.sigmoid.{name}"] = {**OURS, "type": kind, "unit": unit}
    (folder / "benchmarks.json").write_text(json.dumps({**benchmarks, "version": 2}))
    return folder


def write_asv(folder: Path, commit: str) -> Path:
    about = {"machine": "vm", "cpu": "Xeon", "num_cpu": "2", "python": "3.11", "numpy": ""}
    variables = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "-1"}
    made = Results(
        about, {"numpy": ""}, commit, 1_777_000_000_000, "3.11", "virtualenv-py3.11", variables
    )
    started = datetime(2026, 5, 1, tzinfo=UTC)

    def add(name: str, values: list[Any], benchmark: dict[str, Any], samples: bool = True) -> None:
        taken = [[v, v, v] if samples and v else None for v in values]
        number = [1 if s else None for s in taken]
        outcome = BenchmarkResult(values, taken, number, errcode=0, stderr="", profile=None)
        made.add_result({"name": name, **benchmark}, outcome, started_at=started)

    add("paths.sigmoid.time_call", [0.25, 0.125], OURS)
    add("paths.sigmoid.track_relative_time", [None, 0.5], OURS)
    add("paths.sigmoid.track_allocated", [4096, 8192], OURS, samples=False)
    add("paths.sigmoid.peakmem_call", [float("nan"), 1 << 20], OURS, samples=False)
    add("suite.Other.track_size", [7, 8], FOREIGN, samples=False)
    add("suite.failed", [None, None], FOREIGN)
    made.save(str(folder))
    (file,) = folder.glob(f"vm/{commit[:8]}-*.json")
    return file


def test_results_of_asv_become_rows(asv: Path) -> None:
    found = history(asv=asv)
    assert found.unreadable == []
    rows = frame(found.table)
    assert set(rows["source"]) == {"asv"}
    assert set(rows["machine"]) == {"vm: Xeon, 2 processors"}
    assert set(rows["device"]) == {"cpu"}
    assert set(rows["threads"]) == {1}
    assert set(rows["software"]) == {"Python 3.11"}
    assert set(rows["date_of"]) == {"commit"}
    assert set(rows["date"]) == {pd.Timestamp(1_777_000_000, unit="s", tz="UTC")}
    assert set(rows["measured"]) == {pd.Timestamp("2026-05-01", tz="UTC")}
    ours = rows[rows["path"] == "sigmoid"]
    assert set(ours["version"]) == {"1.3"}
    assert set(ours["case"]) == {"batch-500"}
    assert ours["proven"].all()
    named = {(r.variant, r.quantity): (r.value, r.low, r.high) for r in ours.itertuples()}
    assert set(named) == {
        *product(("expit", "tanh_in_place"), ("seconds", "bytes")),
        ("tanh_in_place", "ratio"),
        ("tanh_in_place", "peak bytes"),
    }
    assert named["expit", "seconds"][0] == 0.25
    assert named["tanh_in_place", "ratio"][0] == 0.5
    assert named["tanh_in_place", "bytes"][0] == 8192
    foreign = rows[rows["path"] == "suite.Other.track_size"]
    assert list(foreign["case"]) == ["1", "2"]
    assert list(foreign["value"]) == [7, 8]
    assert set(foreign["quantity"]) == {"MB"}
    assert foreign["proven"].isna().all()


def test_asvs_interval_is_kept(asv: Path) -> None:
    (file,) = asv.glob("vm/00000001-*.json")
    content = json.loads(file.read_text())
    cells = content["results"]["paths.sigmoid.time_call"]
    columns = content["result_columns"]
    low, high = columns.index("stats_ci_99_a"), columns.index("stats_ci_99_b")
    cells += [None] * (high + 1 - len(cells))
    cells[low], cells[high] = [0.2, None], [0.3, float("inf")]
    file.write_text(json.dumps(content))
    times = frame(history(asv=asv).table).query("quantity == 'seconds'")
    assert list(times["low"].fillna(-1)) == [0.2, -1]
    assert list(times["high"].fillna(-1)) == [0.3, -1]


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b'{"version": 2}', b"\xff", b"[" * 100_000, b"{}" * 2],
    ids=range(8),
)
def test_a_damaged_file_of_asv_is_named_and_skipped(content: bytes, asv: Path) -> None:
    usual = history(asv=asv).table
    damaged = asv / "vm" / "damaged.json"
    damaged.write_bytes(content)
    found = history(asv=asv)
    assert len(found.table) == len(usual)
    assert found.unreadable == [f"{damaged}: damaged, or not a file of results"]


def test_a_truncated_file_and_one_of_another_format_are_named(asv: Path) -> None:
    usual = len(history(asv=asv).table)
    truncated = write_asv(asv, HASHES[20])
    truncated.write_bytes(truncated.read_bytes()[:-100])
    newer = write_asv(asv, HASHES[40])
    newer.write_text(newer.read_text().replace('"version": 2', '"version": 3'))
    found = history(asv=asv)
    assert len(found.table) == usual
    assert len(found.unreadable) == 2
    assert any("in format 3, not 2" in sentence for sentence in found.unreadable)


def test_an_asv_environment_of_an_existing_python_has_no_version(asv: Path) -> None:
    (file,) = asv.glob("vm/00000001-*.json")
    content = json.loads(file.read_text())
    content["python"] = "/somewhere/bin/python3.11"
    content["requirements"] = {"numpy": "2.0", "scipy": ""}
    file.write_text(json.dumps(content))
    assert set(frame(history(asv=asv).table)["software"]) == {"numpy 2.0"}


def test_one_damaged_benchmark_of_asv_leaves_the_others(asv: Path) -> None:
    (file,) = asv.glob("vm/00000001-*.json")
    content = json.loads(file.read_text())
    content["results"]["paths.sigmoid.time_call"][0] = [1.0]  # of two
    file.write_text(json.dumps(content))
    found = history(asv=asv)
    assert set(frame(found.table)["quantity"]) == {"ratio", "bytes", "peak bytes", "MB"}
    assert found.unreadable == [f"{file}: the results of 'paths.sigmoid.time_call' are damaged"]


def test_without_asvs_list_of_benchmarks_results_have_its_names_and_no_unit(asv: Path) -> None:
    usual = history(asv=asv).table
    (asv / "benchmarks.json").write_text("{")
    found = history(asv=asv)
    (sentence,) = found.unreadable
    assert "units" in sentence
    assert list(found.table.value) == list(usual.value)
    names = {metric.path for metric in found.table.metrics}
    assert names == {"suite.Other.track_size", *(f"paths.sigmoid.{name}" for name in UNITS)}
    assert {metric.quantity for metric in found.table.metrics} == {"unit"}
    assert set(found.table.proven) == {-1}


def test_a_damaged_entry_of_that_list_leaves_the_others(asv: Path) -> None:
    file = asv / "benchmarks.json"
    listed = json.loads(file.read_text())
    listed["paths.sigmoid.time_call"]["unit"] = 5
    file.write_text(json.dumps(listed))
    found = history(asv=asv)
    assert found.unreadable == [f"{file}: the entry of 'paths.sigmoid.time_call' is damaged"]
    assert {m.path for m in found.table.metrics if m.quantity != "unit"} == {
        "sigmoid",
        "suite.Other.track_size",
    }


# --- pytest-benchmark ----------------------------------------------------------------------------

SUITE = """
import pytest

@pytest.mark.parametrize("n", [10, 20])
def test_sum(benchmark, n):
    benchmark(sum, range(n))

def test_ours(benchmark):
    benchmark.extra_info = {"path": "sigmoid", "path_version": 2, "case": "batch-5",
        "variant": "expit", "speedup": 2.0, "speedup_interval": [1.6, 2.5]}
    benchmark(sum, range(30))
"""


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What pytest-benchmark itself wrote of a small suite."""
    folder = tmp_path_factory.mktemp("suite")
    (folder / "test_some.py").write_text(SUITE)
    command = [sys.executable, "-m", "pytest", "-q", "--benchmark-max-time=0.005"]
    subprocess.run(
        [*command, "--benchmark-storage=storage", "--benchmark-save=some", "test_some.py"],
        cwd=folder,
        check=True,
        capture_output=True,
        timeout=PATIENCE,
    )
    return folder / "storage"


def test_files_of_pytest_benchmark_become_rows(suite: Path) -> None:
    (file,) = suite.rglob("*.json")
    for where in (suite, file):
        found = history(pytest_benchmark=where)
        assert found.unreadable == []
        rows = frame(found.table)
        foreign = rows[rows["path"] != "sigmoid"]
        assert set(foreign["path"]) == {"test_some.py::test_sum"}
        assert set(foreign["case"]) == {"10", "20"}
        assert set(foreign["quantity"]) == {"seconds"}
        assert foreign["proven"].isna().all()
        assert foreign["threads"].isna().all()
        assert foreign["commit"].isna().all()
        assert (foreign["low"] <= foreign["value"]).all()
        assert (foreign["value"] <= foreign["high"]).all()
        seconds, ratio = rows[rows["path"] == "sigmoid"].to_dict("records")
        assert (seconds["variant"], seconds["case"], seconds["version"]) == (
            "expit",
            "batch-5",
            "2",
        )
        assert 0 < seconds["value"] < 1
        assert [ratio[c] for c in ("value", "low", "high")] == [1 / 2.0, 1 / 2.5, 1 / 1.6]


@pytest.mark.parametrize(
    ("where", "damage", "left"),
    [
        (["benchmarks", 0, "stats", "median"], "fast", 3),
        (["benchmarks", 2, "extra_info"], None, 2),
        (["benchmarks", 2, "extra_info", "path"], 5, 2),
        (["benchmarks"], None, 0),
        (["machine_info"], None, 0),
        (["commit_info", "dirty"], 3, 0),
        (["datetime"], "", 0),
    ],
    ids=repr,
)
def test_a_damaged_part_of_pytest_benchmark_is_named_and_skipped(
    where: list[Any], damage: Any, left: int, suite: Path, tmp_path: Path
) -> None:
    (file,) = suite.rglob("*.json")
    content = json.loads(file.read_text())
    inner = content
    for key in where[:-1]:
        inner = inner[key]
    inner[where[-1]] = damage
    (tmp_path / "damaged.json").write_text(json.dumps(content))
    append([record()], tmp_path)
    found = history(tmp_path, pytest_benchmark=tmp_path)
    assert len(found.table) == 2 + left
    assert len(found.unreadable) == 1
    assert found.unreadable[0].startswith(f"{tmp_path / 'damaged.json'}: ")


# --- nothing -------------------------------------------------------------------------------------


def test_nothing_to_read_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(MlpperfError, match="There is no history yet: `mlpperf compare BASE HEAD`"):
        history().refuse_empty()
    for source, what in (("records", "races"), ("asv", "results"), ("pytest_benchmark", "results")):
        for folder in (tmp_path, tmp_path / "missing"):
            with pytest.raises(MlpperfError, match=f"There are no {what}.* makes some"):
                history(**{source: folder})


def test_nothing_readable_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "races.jsonl").write_text("{\n{\n")
    with pytest.raises(MlpperfError, match=r"Nothing .* \(2 damaged\), such as .*line 1"):
        history(tmp_path).refuse_empty()


# --- curves --------------------------------------------------------------------------------------


def test_several_measurements_of_a_commit_become_one(tmp_path: Path) -> None:
    seconds = [0.3, 0.1, 0.2]
    repeated = [record(HASHES[5], seconds=s, speedup=speedup(1 / s)) for s in seconds]
    found = points(table_of(tmp_path, [record(HASHES[4]), *repeated, record(HASHES[6])]))
    assert [list(curve.measurements) for curve in found] == 2 * [[1, 3, 1]]
    assert [curve.commits for curve in found] == 2 * [HASHES[4:7]]
    in_seconds, ratio = found
    assert (in_seconds.curve.quantity, ratio.curve.quantity) == ("seconds", "ratio")
    assert in_seconds.value[1] == 0.2
    assert ratio.value[1] == pytest.approx(0.2)
    assert ratio.low[1] == pytest.approx(0.1 / 1.01)
    assert ratio.high[1] == pytest.approx(0.3 / 0.99)


def test_a_change_is_found_however_often_commits_were_measured(tmp_path: Path) -> None:
    times = noisy((30, 3), 0.005) * np.where(np.arange(30) < 15, 1.0, 1.05)[:, None]
    made = [
        record(hash_, seconds=seconds, speedup=speedup(1), time=f"2026-05-{day:02d}T00:00:00")
        for day, (hash_, several) in enumerate(zip(HASHES[:30], times, strict=True), 1)
        for seconds in several[: 1 + day % 3]
    ]
    table = table_of(tmp_path, made)
    (change,) = changes_module.changes(table)
    assert (change.commit, change.previous) == (HASHES[15], HASHES[14])
    assert change.curve.quantity == "seconds"
    assert list(table.commits) == HASHES[:30]


def test_text_is_kept_once_however_many_rows_there_are(tmp_path: Path) -> None:
    table = table_of(tmp_path, [record(h) for h in HASHES] * 5)
    assert len(table) == 10 * len(HASHES)
    columns = (table.run, table.of, table.value, table.low, table.high, table.proven)
    assert sum(column.nbytes for column in columns) / len(table) < 50
    assert (len(table.runs), len(table.metrics)) == (len(HASHES), 2)


# --- changes -------------------------------------------------------------------------------------

Noise = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]
NOISES: dict[str, Noise] = {
    "normal": lambda rng, shape: rng.standard_normal(shape),
    "heavy tails": lambda rng, shape: rng.standard_t(3, shape) / np.sqrt(3),
    "two speeds": lambda rng, shape: (
        np.where(rng.random(shape) < 0.3, 1.5, -0.65) + 0.2 * rng.standard_normal(shape)
    ),
}


def curves(values: Any, **fields: Any) -> pd.DataFrame:
    """The rows of a curve for each row of `values` (curves, commits)."""
    values = np.atleast_2d(values)
    number, length = values.shape
    names: dict[str, Any] = dict.fromkeys(Curve._fields, "")
    names |= {"source": "race", "quantity": "seconds", "threads": 2}
    made = pd.DataFrame({**names, **fields}, index=range(values.size), dtype=object)
    made["variant"] = np.repeat([f"v{i}" for i in range(number)], length)
    return made.assign(place=np.tile(np.arange(length), number), value=values.ravel())


def together(*made: pd.DataFrame) -> pd.DataFrame:
    return pd.concat(made, ignore_index=True)


def changes(made: pd.DataFrame) -> list[Change]:
    """What changed along the curves that are made of these rows."""
    day = 86_400
    rows = []
    for row in made.itertuples():
        place = int(row.place)
        curve = Curve(*(getattr(row, name) for name in Curve._fields))
        run = Run(*curve[:5], HASHES[place], False, None, (20_000 + place) * day)
        rows.append(Row(run, Metric(*curve[5:]), float(row.value), proven=True))
    return changes_module.changes(tabulated(rows))


def noisy(shape: Any, deviation: float, noise: str = "normal", seed: int = 1) -> np.ndarray:
    return 0.001 * np.exp(deviation * NOISES[noise](np.random.default_rng(seed), shape))


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize(
    ("step", "deviation", "before", "after"),
    [(1.05, 0.01, 30, 30), (1.02, 0.005, 35, 35), (0.95, 0.01, 15, 15), (1.1, 0.01, 90, 8)],
)
def test_a_step_is_found_where_it_is(
    step: float, deviation: float, before: int, after: int, noise: str
) -> None:
    values = noisy((40, before + after), deviation, noise)
    values[7, before:] *= step
    (change,) = changes(curves(values))
    assert change.curve.variant == "v7"
    assert change.kind == "step"
    assert change.direction == ("slower" if step > 1 else "faster")
    place = HASHES.index(change.commit)
    assert abs(place - before) <= 1
    assert change.previous == HASHES[place - 1]
    assert change.ratio.low < change.ratio.median < change.ratio.high
    assert change.ratio.low < step * 1.005
    assert change.ratio.high > step / 1.005
    assert change.ratio.high / change.ratio.low < 1.05


@pytest.mark.parametrize("noise", NOISES)
def test_noise_alone_raises_no_alarm(noise: str) -> None:
    """200 curves of 100 commits: an alarm anywhere has a probability of 1 %, whatever the noise."""
    assert ALARMS <= 0.01
    assert changes(curves(noisy((200, 100), 0.03, noise))) == []


def test_noise_that_lasts_for_some_commits_raises_no_alarm() -> None:
    """Each commit's noise is correlated by 0.4 with that of the one before."""
    fresh = np.random.default_rng(5).standard_normal((200, 100))
    noise = fresh.copy()
    for i in range(1, 100):
        noise[:, i] = 0.4 * noise[:, i - 1] + np.sqrt(1 - 0.4**2) * fresh[:, i]
    assert changes(curves(np.exp(0.03 * noise))) == []


def test_the_probability_of_a_split_is_not_too_small() -> None:
    """In noise, at most a twentieth of the curves have one below 0.05."""
    rng = np.random.default_rng(3)
    test = changes_module._Test()
    number = 500
    alarms = sum(test.split(rng.standard_t(2, size=25)).probability <= 0.05 for _ in range(number))
    assert alarms <= 0.05 * number + 3 * np.sqrt(0.05 * 0.95 * number)


@pytest.mark.parametrize("bad", [1, 2, FEWEST - 2])
def test_single_bad_commits_are_no_change(bad: int) -> None:
    values = noisy(80, 0.01)
    values[40 : 40 + bad] *= 3
    values[[10, 60]] *= 0.2
    assert changes(curves(values)) == []


def test_a_change_that_goes_away_is_reported_twice() -> None:
    values = noisy((20, 60), 0.01)
    values[3, 25:40] *= 1.1
    back, there = changes(curves(values))  # newest first
    assert (there.commit, there.direction) == (HASHES[25], "slower")
    assert (back.commit, back.direction) == (HASHES[40], "faster")


def test_several_steps_are_all_reported() -> None:
    values = noisy(120, 0.01)
    for place, size in ((20, 1.1), (50, 1.2), (80, 0.8), (100, 1.06)):
        values[place:] *= size
    reported = changes(curves(values))
    assert [c.commit for c in reported] == [HASHES[place] for place in (100, 80, 50, 20)]
    assert {c.kind for c in reported} == {"step"}


def test_a_slow_drift_is_one_change() -> None:
    values = noisy(100, 0.005) * np.exp(np.linspace(0, np.log(1.2), 100))
    (change,) = changes(curves(values))
    assert change.kind == "drift"
    assert change.direction == "slower"
    assert (change.previous, change.commit) == (HASHES[0], HASHES[99])
    assert change.ratio.low < 1.2 < change.ratio.high
    assert change.ratio.high - change.ratio.low < 0.02


def test_one_commit_may_change_many_curves_and_leave_the_others() -> None:
    values = noisy((50, 40), 0.01)
    values[:20, 25:] *= 1.05
    reported = changes(curves(values))
    assert {c.curve.variant for c in reported} == {f"v{i}" for i in range(20)}
    assert all(abs(HASHES.index(c.commit) - 25) <= 1 for c in reported)


@pytest.mark.parametrize("column", [c for c in Curve._fields if c != "variant"])
def test_curves_that_differ_in_anything_are_never_mixed(column: str) -> None:
    """Machines, sources, versions and so on, each at a level of its own, in turns or in a row."""
    first, second = {column: "a"}, {column: "b"}
    if column == "threads":
        first, second = {column: 1}, {column: None}
    values = noisy(60, 0.01)
    slow, quick = curves(2 * values, **first), curves(values, **second)
    earlier = slow["place"] < 30
    assert changes(together(slow[earlier], quick[~earlier])) == []
    odd = slow["place"] % 2 == 1
    assert changes(together(slow[odd], quick[~odd])) == []
    assert changes(together(slow, quick)) == []
    quick.loc[~earlier, "value"] *= 1.1
    (change,) = changes(together(slow, quick))
    assert getattr(change.curve, column) == second[column]


@pytest.mark.parametrize("length", range(2 * FEWEST))
def test_short_curves_are_no_error(length: int) -> None:
    values = np.ones((3, length))
    values[:, length // 2 :] = 2
    assert changes(curves(values)) == []


def test_curves_without_noise() -> None:
    values = np.ones((3, 40))
    values[1, 20:] = 1.5
    values[2, 20:] = 1.0001
    (change,) = changes(curves(values, quantity="bytes"))
    assert (change.curve.variant, change.commit) == ("v1", HASHES[20])
    assert change.ratio == Interval(pytest.approx(1.5), pytest.approx(1.5), pytest.approx(1.5))
    assert change.direction == "more"


def test_memory_may_rise_from_nothing() -> None:
    values = np.zeros(40)
    values[20:] = 4096
    (change,) = changes(curves(values, quantity="bytes"))
    assert (change.commit, change.direction) == (HASHES[20], "more")
    assert changes(curves(values, quantity="seconds")) == []


def test_times_that_are_not_positive_are_left_out() -> None:
    values = noisy(60, 0.01)
    values[[3, 20, 40]] = [np.nan, 0.0, -1.0]
    values[30:] *= 1.1
    (change,) = changes(curves(values))
    assert change.commit == HASHES[30]


# --- the command ---------------------------------------------------------------------------------


@pytest.fixture
def slower(repository: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, list[str]]:
    """A repository in which the 15th of 28 commits made something slower, and its commits."""
    monkeypatch.chdir(repository)
    made = commits(repository, range(1, 29), monkeypatch, subject="Day {} [bold]\x1b[2J")
    values = noisy(28, 0.005) * np.where(np.arange(28) < 14, 1.0, 1.08)
    races = [
        record(commit, seconds=value, speedup=speedup(0.002 / value))
        for commit, value in zip(made, values, strict=True)
    ]
    append([*races, record(made[0], path="sigmoid"), record(dirty=True)], Path(".mlpperf"))
    return repository, made


def invoked(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["history", *arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


@needs_git
def test_changes_are_printed(slower: tuple[Path, list[str]]) -> None:
    with Path(".mlpperf/races.jsonl").open("ab") as file:
        file.write(b'{"schema": 1')
    shown = invoked()
    assert f"{slower[1][14][:10]}  2026-05-15  Day 15 [bold]" in shown
    assert "race on" in shown
    assert "  layout\n" in shown
    (row,) = [line.split() for line in shown.splitlines() if "transposed_view " in line][:1]
    assert row[:3] == ["batch-500/transposed_view", "slower", slower[1][13][:10]]
    assert row[3].startswith(("+7.", "+8."))
    assert "2 changes in 4 curves over 28 commits; 60 numbers: 60 of race." in shown
    assert "False-alarm rate: at most 1 %" in shown
    assert "Too short to tell, with fewer than 10 commits: 2 curves." in shown
    assert "not right: 2 numbers." in shown
    assert "line 31: not a whole JSON record" in shown
    assert "\x1b" not in shown


@needs_git
def test_the_whole_table_is_there_for_other_tools(slower: tuple[Path, list[str]]) -> None:
    table = history(Path(".mlpperf")).table
    whole = json.loads(invoked("--format", "json"))
    rows = list(csv.DictReader(io.StringIO(invoked("--format", "csv"))))
    assert list(whole["rows"][0]) == list(rows[0]) == list(COLUMNS)
    assert [row["value"] for row in whole["rows"]] == list(table.value)
    assert [float(row["value"]) for row in rows] == list(table.value)
    assert [row["commit"] for row in rows] == [table.runs[run].commit for run in table.run]
    assert [row["date"] for row in whole["rows"]] == [r["date"].isoformat() for r in table.rows()]
    assert whole["unreadable"] == []
    reported = whole["changes"]
    assert [change["curve"]["quantity"] for change in reported] == ["seconds", "ratio"]
    assert {change["commit"] for change in reported} == {slower[1][14]}
    assert 1.07 < reported[0]["ratio"]["median"] < 1.09


@needs_git
def test_the_history_can_be_narrowed(slower: tuple[Path, list[str]]) -> None:
    host = record()["machine"]["host"]
    assert "2 changes in 2 curves" in invoked("layout", "--machine", host, "--device", "cpu")
    assert "0 changes in 2 curves" in invoked("sigmoid")


@pytest.mark.parametrize(
    ("arguments", "fragment"),
    [
        (["layuot"], "There is no path 'layuot'; did you mean layout?"),
        (["--machine", "nobody"], "There is no machine 'nobody'"),
        (["--device", "gpu:0"], "There is no device 'gpu:0'"),
        (["--asv", "missing"], "There are no results of asv in missing; `asv run` makes some."),
        (["--pytest-benchmark", "."], "There are no results of pytest-benchmark in ."),
        (["--records", "missing"], "There are no comparisons or races in missing."),
    ],
)
def test_bad_input_is_one_sentence(
    arguments: list[str], fragment: str, refused: Callable[..., str], tmp_path: Path
) -> None:
    append([record()], tmp_path / ".mlpperf")
    assert fragment in refused("history", *arguments)


def test_no_history_is_one_sentence(refused: Callable[..., str]) -> None:
    assert "There is no history yet: `mlpperf compare BASE HEAD` and " in refused("history")


def test_only_the_command_loads_numpy() -> None:
    code = (
        "import sys, mlpperf, mlpperf.cli.app as c\n"
        "try: c.app(['history', '--help'])\n"
        "except SystemExit: pass\n"
        "print([m for m in ('numpy', 'pandas', 'asv') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=PATIENCE
    )
    assert done.stdout.strip().endswith("[]")


def test_asv_need_not_be_installed_to_read_its_results(asv: Path) -> None:
    code = (
        "import sys; sys.modules['asv'] = None\n"
        "from pathlib import Path; from mlpperf.engine.history.table import history\n"
        f"print(len(history(asv=Path({str(asv)!r})).table))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=PATIENCE
    )
    assert int(done.stdout) == len(history(asv=asv).table)


def test_the_direction_of_a_change_is_a_word() -> None:
    def of(quantity: str, ratio: float) -> str:
        curve = changes_module.Curve(*[""] * 3, None, *[""] * 5, quantity)
        date = datetime(2026, 5, 1, tzinfo=UTC)
        return Change(curve, "step", "b", date, "a", Interval(ratio, ratio, ratio)).direction

    assert [of("ratio", 1.1), of("ratio", 0.9)] == ["slower", "faster"]
    assert [of("peak bytes", 1.1), of("bytes", 0.9)] == ["more", "less"]
    assert [of("MB", 1.1), of("MB", 0.9)] == ["higher", "lower"]
