"""The suite for asv: the frozen list, what a commit may lack, and what asv itself makes of it."""

import ast
import importlib.util
import json
import math
import os
import re
import statistics
import subprocess
import sys
import textwrap
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from freeze import FILE, text
from mlpperf import hotpath
from mlpperf.agreement import WrongResultError
from mlpperf.hotpath import Case, Cost, HotPath, Variant
from mlpperf.paths import PATHS

ROOT = Path(__file__).parents[2]
SUITE = ROOT / "benchmarks" / "asv"
FROZEN = ast.literal_eval(FILE.read_text("utf-8").partition("FROZEN = ")[2])
TINY = "batch-500-784x1x1x10"  # of regularisation; it needs no data
ENTRY = {
    "source": "made_up:PATHS",
    "version": 1,
    "contestants": ["doubled", "scaled", "laborious", "tripled"],
    "cases": ["batch-5", "batch-8"],
    "largest": "batch-8",
}


@pytest.fixture
def contest(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """`contest.py`, under a name that leaves asv its own."""
    spec = importlib.util.spec_from_file_location("suite_contest", SUITE / "contest.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.delenv("MLPPERF_ASV_CASES", raising=False)
    monkeypatch.setattr(module, "keep_freed_memory", lambda: None)
    return module


def doubled(x: np.ndarray) -> tuple[np.ndarray, ...]:
    """x + x."""
    return (x + x,)


def scaled(x: np.ndarray) -> tuple[np.ndarray, ...]:
    """2·x."""
    return (2 * x,)


def laborious(x: np.ndarray) -> tuple[np.ndarray, ...]:
    """x + x, a hundred times."""
    for _ in range(100):
        y = x + x
    return (y,)


def tripled(x: np.ndarray) -> tuple[np.ndarray, ...]:
    """Wrong on purpose."""
    return (3 * x,)


PATH = HotPath(
    name="made_up",
    story="Only for tests.",
    reference=doubled,
    variants=(Variant(scaled), Variant(laborious), Variant(tripled)),
    inputs=lambda case, rng: (rng.random((500, 20 * case.batch)),),
    cases=(Case(5), Case(8)),
    cost=lambda case: Cost(8 * 20_000 * case.batch),
)


@pytest.fixture
def commit(monkeypatch: pytest.MonkeyPatch) -> Callable[[HotPath], None]:
    """Put a hot path into the package that is installed, so to speak."""

    def install(path: HotPath) -> None:
        module = ModuleType("made_up")
        module.PATHS = (path,)  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "made_up", module)

    install(PATH)
    return install


# The frozen list


def test_frozen_list_is_the_catalogue() -> None:
    stale = FILE.read_text("utf-8") != text()
    assert not stale, "benchmarks/asv/frozen.py is not the catalogue any more: run tools/freeze.py"


def test_frozen_list_holds_the_contestants_of_numpy() -> None:
    for path in PATHS:
        entry = FROZEN[path.name]
        assert entry["contestants"][0] == path.contestants[0].name
        assert not any(name.startswith("tf_") for name in entry["contestants"])
        assert entry["cases"] == [case.name for case in path.cases]
    assert FROZEN["full_set_forward"]["largest"] == "batch-60000"


# What asv is told


def test_environment_has_every_dependency() -> None:
    lines = (ROOT / "asv.conf.json").read_text("utf-8").splitlines()
    config = json.loads("\n".join(line for line in lines if not line.lstrip().startswith("//")))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    listed = [*project["dependencies"], *project["optional-dependencies"]["articles"]]
    needed = {re.split(r"[^\w-]", requirement)[0] for requirement in listed}
    assert set(config["matrix"]["req"]) == needed, "asv.conf.json installs without dependencies"


def test_asv_finds_no_problem() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "asv", "check", "--python=same"],
        cwd=ROOT, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No problems found" in done.stdout


def run(
    benchmark: str, params: tuple[str, ...], result: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a benchmark of regularisation in the way that asv does."""
    entry = FROZEN["regularisation"]
    contestants, cases = entry["contestants"], entry["cases"]
    if benchmark == "track_relative_time":
        contestants = contestants[1:]
    elif benchmark == "peakmem_call":
        cases = [entry["largest"]]
    index = contestants.index(params[0]) * len(cases) + cases.index(params[1])
    spec = importlib.util.find_spec("asv")
    assert spec is not None
    assert spec.origin is not None
    name = f"paths.regularisation.{benchmark}-{index}"
    return subprocess.run(
        [
            *(sys.executable, str(Path(spec.origin).with_name("benchmark.py"))),
            *("run", str(SUITE), name, "{}", "None", str(result)),
        ],
        env={**os.environ, **environment},
        cwd=result.parent,
        capture_output=True,
        text=True,
        timeout=600,
    )


@pytest.mark.parametrize(
    ("benchmark_name", "case"),
    [
        ("time_call", TINY),
        ("track_relative_time", TINY),
        ("track_allocated", TINY),
        ("peakmem_call", FROZEN["regularisation"]["largest"]),
    ],
)
def test_benchmarks_run_as_asv_runs_them(tmp_path: Path, benchmark_name: str, case: str) -> None:
    result = tmp_path / "result.json"
    done = run(benchmark_name, ("active_terms", case), result, MLPPERF_ASV_CASES="all")
    assert done.returncode == 0, done.stdout + done.stderr
    given = json.loads(result.read_text("utf-8"))
    if benchmark_name == "time_call":
        assert given["number"] >= 1  # calls per sample; the fewer, the busier the machine is
        assert 1 <= len(given["samples"]) <= 5
        assert min(given["samples"]) < 0.1  # seconds: it takes microseconds
    elif benchmark_name == "track_relative_time":
        assert given["number"] == 1
        assert len(given["samples"]) % 2
        assert min(given["samples"]) > 0
        assert 0.01 < statistics.median(given["samples"]) < 100  # relative to the reference
    else:
        assert given >= 4096


def test_a_quick_case_is_all_that_runs_by_default(tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    done = run("time_call", ("active_terms", TINY), result, MLPPERF_ASV_CASES="")
    assert done.returncode == 0, done.stdout + done.stderr
    assert math.isnan(json.loads(result.read_text("utf-8")))
    assert f"n/a: MLPPERF_ASV_CASES does not ask for {TINY}" in done.stdout


OLD_HOTPATH = """
import numpy as np
from types import SimpleNamespace

def fresh(path, inputs):
    return inputs

def problem(path, case):
    return SimpleNamespace(inputs=path.inputs(case, np.random.default_rng(0)))

def proven(path, variant, case):
    return None, variant.prepare(*problem(path, case).inputs)
"""
OLD_PATHS = """
from types import SimpleNamespace as Old

def all_terms(x):
    return (x + x,)

def active_terms(x, out):
    return (x + x,)

all_terms = Old(name="all_terms", fn=all_terms, prepare=lambda x: (x,))
active_terms = Old(name="active_terms", fn=active_terms, prepare=lambda x: (x, x.copy()))
PATHS = [Old(name="regularisation", version=1, contestants=(all_terms, active_terms),
             cases=[Old(name="CASE", batch=5)], inputs=lambda case, rng: (rng.random(5000),))]
"""


def test_commits_without_backends_are_measured(tmp_path: Path) -> None:
    """The first ones: a variant was its function and what is prepared for that."""
    package = tmp_path / "mlpperf"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "hotpath.py").write_text(textwrap.dedent(OLD_HOTPATH), encoding="utf-8")
    (package / "paths.py").write_text(OLD_PATHS.replace("CASE", TINY), encoding="utf-8")
    result = tmp_path / "result.json"
    place = {"ASV_PYTHONPATH": str(tmp_path), "MLPPERF_ASV_CASES": TINY}
    done = run("track_relative_time", ("active_terms", TINY), result, **place)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(json.loads(result.read_text("utf-8"))["samples"]) >= 5
    done = run("time_call", ("flat_with_decay_vector", TINY), result, **place)
    assert done.returncode == 0, done.stdout + done.stderr
    assert math.isnan(json.loads(result.read_text("utf-8")))
    assert "n/a: this commit has no flat_with_decay_vector" in done.stdout


# What a commit may lack


@pytest.mark.parametrize(
    ("lacking", "params"),
    [
        ({"source": "nowhere:PATHS"}, ("scaled", "batch-5")),
        ({"source": "mlpperf.nowhere.pages:PATHS"}, ("scaled", "batch-5")),
        ({"source": "made_up:OTHERS"}, ("scaled", "batch-5")),
        ({"source": "mlpperf.paths:PATHS"}, ("scaled", "batch-5")),
        ({"version": 2}, ("scaled", "batch-5")),
        ({}, ("halved", "batch-5")),
        ({"cases": ["batch-6"]}, ("scaled", "batch-6")),
        ({}, ("scaled", "batch-8")),  # which was not asked for
    ],
)
@pytest.mark.usefixtures("commit")
def test_what_a_commit_lacks_is_skipped(
    contest: ModuleType, lacking: dict[str, Any], params: tuple[str, str]
) -> None:
    assert params in contest.Contest("made_up", {**ENTRY, **lacking})


@pytest.mark.usefixtures("commit")
def test_what_cannot_be_proven_is_skipped(
    contest: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delattr(hotpath, "proven")
    assert ("scaled", "batch-5") in contest.Contest("made_up", ENTRY)
    assert "n/a: this commit cannot prove anything" in capsys.readouterr().out


def test_a_commit_that_is_broken_is_not_skipped(
    contest: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "broken_pages.py").write_text("import nothing_of_that_name", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    broken = contest.Contest("made_up", {**ENTRY, "source": "broken_pages:PATHS"})
    with pytest.raises(ModuleNotFoundError, match="nothing_of_that_name"):
        assert ("scaled", "batch-5") in broken


@pytest.mark.usefixtures("commit")
def test_a_wrong_variant_is_not_timed(contest: ModuleType) -> None:
    made_up = contest.Contest("made_up", ENTRY)
    with pytest.raises(WrongResultError, match="made_up/tripled/batch-5 is wrong"):
        assert ("tripled", "batch-5") in made_up
    assert not hasattr(made_up, "work")
    assert ("scaled", "batch-5") not in made_up


@pytest.mark.usefixtures("commit")
def test_a_wrong_variant_s_memory_is_refused_afterwards(contest: ModuleType) -> None:
    made_up = contest.Contest("made_up", ENTRY, prove_first=False)
    assert ("tripled", "batch-5") not in made_up
    made_up.work()
    with pytest.raises(WrongResultError, match="is wrong"):
        made_up.prove()


# What is measured


@pytest.mark.usefixtures("commit")
def test_a_slow_variant_is_seen(contest: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contest, "ROUNDS", (15, 25))
    made_up = contest.Contest("made_up", ENTRY)
    assert ("laborious", "batch-5") not in made_up
    samples = made_up.relative_times()
    assert statistics.median(samples) in samples
    assert statistics.median(samples) > 2  # 100 in theory
    array = 8 * 500 * 100
    assert made_up.allocated() // array == 2  # the new y is made while the old one is there


@pytest.mark.usefixtures("commit")
def test_arguments_move_between_samples(contest: ModuleType) -> None:
    made_up = contest.Contest("made_up", ENTRY)
    assert ("scaled", "batch-5") not in made_up
    before = made_up.work
    made_up.move()
    assert not np.shares_memory(before.args[0], made_up.work.args[0])
    assert np.array_equal(before.args[0], made_up.work.args[0])


def test_big_arguments_stay(
    contest: ModuleType, commit: Callable[[HotPath], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(replace(PATH, name="big"))
    monkeypatch.setattr(contest, "MOVABLE", 1)
    big = contest.Contest("big", ENTRY)
    assert ("scaled", "batch-5") not in big
    before = big.work
    big.move()
    assert big.work is before
    assert big.relative_times()


def test_cases_are_chosen_by_a_variable(
    contest: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = ["batch-1", "batch-500", "batch-20000"]
    assert contest.measured(cases) == ["batch-500"]
    assert contest.measured(["batch-7", "batch-8"]) == ["batch-7"]
    monkeypatch.setenv("MLPPERF_ASV_CASES", "batch-20000,batch-1")
    assert contest.measured(cases) == ["batch-1", "batch-20000"]
    monkeypatch.setenv("MLPPERF_ASV_CASES", "all")
    assert contest.measured(cases) == cases
    contest.check_cases(cases)
    monkeypatch.setenv("MLPPERF_ASV_CASES", "batch-50")
    with pytest.raises(SystemExit, match="there is no case 'batch-50'; there are batch-1, "):
        contest.check_cases(cases)


@pytest.mark.usefixtures("commit")
def test_data_are_loaded_before_the_first_benchmark(contest: ModuleType) -> None:
    drawn = []

    def inputs(case: Case, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        drawn.append(case.name)
        return (rng.random(case.batch),)

    sys.modules["made_up"].PATHS = (replace(PATH, inputs=inputs),)  # type: ignore[attr-defined]
    contest.Contest("made_up", ENTRY).preload()
    contest.Contest("made_up", {**ENTRY, "version": 2}).preload()  # says nothing
    assert drawn == ["batch-5"]
