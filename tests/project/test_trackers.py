"""Other trackers, on the suites that a project has already: `benchmarks/trackers.py`."""

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from mlpperf.engine.calibrate.trials import Trial
from mlpperf.engine.git import git
from mlpperf.engine.suites.discovery import Suite, discover
from mlpperf.engine.suites.series import Series
from mlpperf.engine.versions.environment import Runtime
from mlpperf.engine.versions.version import Version
from mlpperf.errors import MlpperfError

TESTS = """
import pytest
from town import walk

@pytest.mark.parametrize("way", ["north", "south"])
def test_walk(benchmark, way):
    benchmark.pedantic(walk, args=[way], rounds=5, iterations=2)
"""
ROOT = Path(__file__).parents[2]
HERE = Runtime(sys.executable, {"base": (), "head": ()})


@pytest.fixture
def trackers(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))  # type: ignore[no-untyped-call]
    return importlib.import_module("trackers")


def version(root: Path, north: int, south: int, **more: str) -> Version:
    files = {
        "src/town.py": f"def walk(way):\n    sum(range({north} if way == 'north' else {south}))\n",
        "tests/test_town.py": TESTS,
        **more,
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return Version(root.name, None, root)


def test_pytest_benchmark_is_heard_in_the_tests_of_a_project(
    trackers: ModuleType, tmp_path: Path
) -> None:
    base = version(tmp_path / "base", 1_000, 100_000)
    head = version(tmp_path / "head", 100_000, 1_000)
    tracker = trackers.suite_tracker("pytest-benchmark", discover(head.root), HERE)
    said = tracker(base, head, tmp_path)
    slower, faster = (
        Series("tests/test_town.py", f"[{way}]", "test_walk", "pytest")
        for way in ("north", "south")
    )
    assert (said.slower, said.faster) == ((slower,), (faster,))
    assert said.seconds > 0
    assert not (tmp_path / "benchmarks").exists()


def test_tests_that_do_not_run_are_told(trackers: ModuleType, tmp_path: Path) -> None:
    base = version(tmp_path / "base", 1, 1, **{"tests/test_town.py": "import nowhere"})
    suite = Suite("pytest", ("tests/test_town.py",), ("tests/test_town.py",), ("tests",), "tests")
    with pytest.raises(MlpperfError, match="pytest -q failed"):
        trackers.suite_tracker("pytest-benchmark", [suite], HERE)(base, base, tmp_path)


def test_a_project_without_such_a_suite_is_told(trackers: ModuleType, tmp_path: Path) -> None:
    suites = discover(version(tmp_path / "base", 1, 1).root)
    with pytest.raises(MlpperfError, match="asv has nothing to run here"):
        trackers.suite_tracker("asv", suites, HERE)


def test_asv_runs_with_the_projects_own_configuration_but_here(
    trackers: ModuleType, tmp_path: Path
) -> None:
    repository = tmp_path / "repository"
    given = {"version": 1, "repo": "https://example.org/town", "benchmark_dir": "speed"}
    version(repository, 1, 1, **{"perf/asv.conf.json": json.dumps({**given, "matrix": {"a": []}})})
    option, file = trackers._configured(repository)
    assert option == "--config"
    content = json.loads(Path(file).read_text(encoding="utf-8"))
    assert content["repo"] == str(repository)
    assert content["benchmark_dir"] == str(repository / "perf" / "speed")
    assert content["matrix"] == {"a": []}
    assert not Path(file).is_relative_to(repository)


@pytest.mark.parametrize(
    ("name", "series"),
    [
        ("walks.Walks.time_walk(30, 'a.b')", Series("walks.Walks", "(30, 'a.b')", "time_walk")),
        ("walks.time_stand", Series("walks", "", "time_stand")),
    ],
)
def test_asv_names_a_series(trackers: ModuleType, name: str, series: Series) -> None:
    assert trackers._of_benchmark(name) == series._replace(suite="asv")


def test_the_table_of_asv_is_read(trackers: ModuleType) -> None:
    table = """
| Change | Before <main> | After <mutant> | Ratio | Benchmark |
|--------|---------------|----------------|-------|-----------|
| +      | 10.0±0.1μs    | 12.0±0.1μs     |  1.20 | paths.sigmoid.time_call('tanh', 'one') |
| -      | 10.0±0.1μs    | 8.0±0.1μs      |  0.80 | paths.sigmoid.time_call('exp', 'one') |
"""
    rows = [
        (mark, trackers._of_benchmark(name.strip()).case)
        for mark, name in trackers.ASV_ROW.findall(table)
    ]
    assert rows == [("+", "('tanh', 'one')"), ("-", "('exp', 'one')")]


def test_a_tracker_is_calibrated_in_the_current_folder(
    trackers: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each trial is a record under the tracker's name; the mutants are made elsewhere."""
    asked: list[tuple[str, str]] = []

    def calibrate(made: object, selection: object, folder: Path, **how: object) -> list[Trial]:
        assert how["sizes"] == [0.05]
        base, head = (version(tmp_path / name, 1, 1) for name in ("base", "head"))
        slower, seconds = how["tracker"](base, head, folder)  # type: ignore[operator]
        return [Trial(0.05, ("a", "b"), tuple(s.name for s in slower), (), 2, seconds)]

    def suite_tracker(name: str, suites: object, runtime: object) -> object:
        def tracker(base: Version, head: Version, folder: Path) -> object:
            asked.append((base.name, head.name))
            return trackers.Reported((Series("", "", "a", "pytest"),), 3.0)

        return tracker

    project = version(tmp_path / "project", 1, 1).root
    (project / "pyproject.toml").write_text('[project]\nname = "town"\nversion = "1"\n')
    git("init", "--quiet", folder=project)
    git("add", "--all", folder=project)
    monkeypatch.chdir(project)
    monkeypatch.setenv("VIRTUAL_ENV", sys.prefix)
    monkeypatch.setattr(trackers, "calibrate", calibrate)
    monkeypatch.setattr(trackers, "suite_tracker", suite_tracker)
    trackers.main(["pytest-benchmark", "--size", "5%", "--trials", "1"])
    assert asked == [("base", "head")]
    (line,) = (project / ".mlpperf" / "calibrations.jsonl").read_text("utf-8").splitlines()
    record = json.loads(line)
    assert (record["tracker"], record["size"], record["seconds"]) == ("pytest-benchmark", 0.05, 3.0)
    assert len(record["found"]) == 1
