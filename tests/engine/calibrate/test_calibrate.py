"""Mutants do what a careless commit does, in the right function only; what is found is counted.

The work of a comparison's processes is done in this one, on a tiny project.
"""

import ast
import contextlib
import inspect
import json
import math
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from typer.testing import CliRunner

from mlpperf.articles import HOT_PATHS
from mlpperf.cli.app import app
from mlpperf.engine.calibrate import hotpath_mutants
from mlpperf.engine.calibrate.hotpath_mutants import HotPathMutator, choose, discovered, mutate
from mlpperf.engine.calibrate.loops import LoopTimes
from mlpperf.engine.calibrate.mutants import LOUD, Mutant, Target
from mlpperf.engine.calibrate.recorded import CalibrationRecord, grouped_for_display
from mlpperf.engine.calibrate.show import calibration, detectable
from mlpperf.engine.calibrate.trials import (
    DetectionRate,
    Rate,
    Trial,
    calibrate,
    detection_rates,
    judged,
)
from mlpperf.engine.compare import pipeline as comparing
from mlpperf.engine.compare.finding import Finding
from mlpperf.engine.compare.result import Comparison
from mlpperf.engine.files import own_folder
from mlpperf.engine.history.fields import shaped
from mlpperf.engine.pool.pool import side_of
from mlpperf.engine.statistics.intervals import Interval
from mlpperf.engine.statistics.verdicts import Judgement, Verdict
from mlpperf.engine.suites.series import Selection, Series
from mlpperf.engine.versions.diff import same_code
from mlpperf.engine.versions.version import Version, entries_of
from mlpperf.engine.worker.hotpath_suite import HotPathCopy
from mlpperf.errors import MlpperfError
from mlpperf.hotpath import HotPath, verify

RECORDS = Path(__file__).parents[3] / "records"

pytestmark = pytest.mark.usefixtures("temporary", "forgotten")
SCALED = Series("doubling", "batch-128", "scaled")
SUMMED = Series("sums", "batch-128", "summed")


@pytest.fixture
def original(project: Any) -> Version:
    """As it comes from a repository: without git's own files."""
    shutil.rmtree(project.folder / ".git")
    return Version("the original", None, project.folder, entries_of(project.folder))


def function(paths: dict[str, HotPath], series: Series) -> Callable[..., Any]:
    return next(v.fn for v in paths[series.path].contestants if v.name == series.variant)


def files(version: Version) -> dict[str, bytes]:
    found = (file for file in version.root.rglob("*") if file.is_file())
    return {
        str(file.relative_to(version.root)): file.read_bytes()
        for file in found
        if "__pycache__" not in file.parts
    }


def copy_of(version: Version) -> HotPathCopy:
    return HotPathCopy(side_of(version), version.name)


def load(version: Version) -> dict[str, HotPath]:
    return copy_of(version).paths


def mutated(original: Version, targets: list[Target], into: Path) -> Version:
    return mutate(original, targets, into, copy_of(original).contents)


def loops(paths: dict[str, HotPath], series: Series) -> list[int]:
    """How many rounds the empty loops of a function have, from its own source, and its originals.

    Counted and not timed: a timer would depend on the machine.
    """
    fn, found = function(paths, series), []
    while (original := fn.__globals__.get(_original(fn))) is not None:
        found += [c for c in fn.__code__.co_consts if isinstance(c, int)]
        fn = inspect.unwrap(original)  # of a compiled kernel its plain function
    return found


def _original(fn: Callable[..., Any]) -> str:
    return next((name for name in fn.__code__.co_names if name.startswith("_original_")), "")


# --- mutants --------------------------------------------------------------------------------------


def test_a_mutant_has_the_loops_in_its_functions_and_nowhere_else(
    original: Version, tmp_path: Path
) -> None:
    before = files(original)
    targets = [Target(SCALED, 0.02, 1234), Target(SUMMED, 0.02, 77)]
    mutant = mutated(original, targets, tmp_path / "mutant")
    assert mutant == replace(original, root=tmp_path / "mutant")
    assert files(original) == before
    changed = {name for name, text in files(mutant).items() if before[name] != text}
    assert changed == {"src/pkg/hotpaths.py"}
    assert not same_code(original, mutant)
    paths = load(mutant)
    every = [
        Series(path.name, "batch-128", v.name) for path in paths.values() for v in path.contestants
    ]
    assert {series: loops(paths, series) for series in every} == {
        SCALED: [1234],
        SUMMED: [77],
        SCALED._replace(variant="added"): [],
        SUMMED._replace(variant="multiplied"): [],
    }


def test_a_mutant_computes_the_same(original: Version, tmp_path: Path) -> None:
    targets = [Target(SCALED, 0.02, 100), Target(SUMMED, 0.02, 100)]
    paths = load(mutated(original, targets, tmp_path / "mutant"))
    assert list(paths) == ["doubling", "sums"]
    for path in paths.values():
        for case in path.cases:
            for variant in path.contestants:
                verify(path, variant, case)
    x = np.arange(12.0).reshape(3, 4)
    unchanged = load(original)
    for series in (SCALED, SUMMED):
        mine, theirs = function(paths, series), function(unchanged, series)
        assert np.array_equal(mine(x)[0], theirs(x)[0])
        assert (mine.__name__, mine.__doc__) == (theirs.__name__, theirs.__doc__)


def test_other_users_of_the_function_are_not_slowed(project: Any, tmp_path: Path) -> None:
    """A variant of one path may be the reference of another, or a helper of a third."""
    project.replace(
        "src/pkg/hotpaths.py",
        "PATHS = (",
        'PATHS = (page("again", scaled), page("also", added, scaled), ',
    )
    original = Version("x", None, project.folder, entries_of(project.folder))
    paths = load(mutated(original, [Target(SCALED, 0.05, 9)], tmp_path / "mutant"))
    assert loops(paths, SCALED) == [9]
    for path in ("again", "also"):
        assert loops(paths, SCALED._replace(path=path)) == []
    helper = function(paths, SCALED._replace(path="again"))
    assert helper is sys.modules[helper.__module__].scaled  # type: ignore[attr-defined]


def test_a_reference_can_be_slowed(original: Version, tmp_path: Path) -> None:
    target = Target(SCALED._replace(variant="added"), 0.05, 5)
    paths = load(mutated(original, [target], tmp_path / "mutant"))
    assert loops(paths, target.series) == [5]
    assert paths["doubling"].contestants[0].name == "added"
    assert loops(paths, SCALED) == []


@pytest.mark.parametrize(
    ("parameters", "call"),
    [
        ("x", "x"),
        ("x, factor=2", "x"),
        ("*arrays", "*arrays"),
        ("x, *, factor=2", "x"),
        ("x, /", "x"),
        ("x, **options", "x"),
    ],
)
def test_functions_may_take_their_arguments_in_any_way(
    parameters: str, call: str, project: Any, tmp_path: Path
) -> None:
    text = (
        f"_scaled = scaled\n\n\ndef scaled({parameters}):\n    '2·x.'\n    return _scaled({call})"
    )
    project.replace("src/pkg/hotpaths.py", "def page", f"{text}\n\n\ndef page")
    original = Version("x", None, project.folder, entries_of(project.folder))
    paths = load(mutated(original, [Target(SCALED, 0.05, 5)], tmp_path / "mutant"))
    path = paths["doubling"]
    assert loops(paths, SCALED) == [5]
    verify(path, path.variants[0], path.cases[0])


def test_a_worker_discovers_what_can_be_slowed_down(original: Version) -> None:
    contents = discovered(original)
    assert contents == copy_of(original).contents
    assert contents["doubling"].parameters == {"added": "x", "scaled": "x"}
    broken = replace(original, entries=("pkg.nowhere",))
    with pytest.raises(MlpperfError, match=r"the original cannot be loaded: 'pkg\.nowhere' gives"):
        discovered(broken)


def test_a_mutant_of_nothing_is_the_same_to_the_last_byte(
    original: Version, tmp_path: Path
) -> None:
    mutant = mutated(original, [], tmp_path / "mutant")
    assert files(mutant) == files(original)
    assert same_code(original, mutant)


def test_a_loop_that_takes_longer_before_its_function_gets_fewer_rounds(
    original: Version, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hotpath_mutants, "loop_times", lambda: LOOP.measured)
    contents = copy_of(original).contents
    monkeypatch.setattr(hotpath_mutants, "discovered", lambda version: contents)
    asked: list[tuple[float, int]] = []

    def takes(times: float) -> Callable[[Mutant], dict[Series, float]]:
        def measure(loud: Mutant) -> dict[Series, float]:
            (target,) = loud.targets
            asked.append((target.size, target.loops))
            return {target.series: times * target.size}

        return measure

    def loops(measure: Callable[[Mutant], dict[Series, float]], name: str) -> int:
        mutator = HotPathMutator(original, np.random.default_rng(1))
        (target,) = mutator({SCALED: 1e-2}, 0.02, tmp_path / name, measure).targets
        (again,) = mutator({SCALED: 1e-2}, 0.02, tmp_path / f"{name}-again", measure).targets
        assert again.loops == pytest.approx(target.loops, rel=0.01)
        return target.loops

    planned = loops(takes(1.0), "planned")
    assert loops(takes(2.0), "longer") == pytest.approx(planned / 2, rel=0.01)
    assert [size for size, _ in asked] == [LOUD] * 2  # once for each
    assert LOOP.seconds(asked[0][1]) == pytest.approx(LOUD * 1e-2, rel=0.01)


def test_this_package_can_be_mutated(tmp_path: Path) -> None:
    """All its paths are in one tuple; what is added there is the whole difference."""
    root = Path(__file__).parents[3]
    hidden = shutil.ignore_patterns("__pycache__")
    shutil.copytree(root / "src", tmp_path / "original/src", ignore=hidden)
    shutil.copy(root / "pyproject.toml", tmp_path / "original")
    original = Version(
        "ours", None, tmp_path / "original", entries_of(tmp_path / "original", HOT_PATHS)
    )
    targets = [
        Target(Series(path.name, path.cases[0].name, path.contestants[-1].name), 0.02, 10 + i)
        for i, path in enumerate(load(original).values())
    ]
    numpy_only = [t for t in targets if not t.series.variant.endswith(("eager", "xla", "function"))]
    mutant = mutated(original, numpy_only, tmp_path / "mutant")
    paths = load(mutant)
    for target in numpy_only:
        assert loops(paths, target.series) == [target.loops]
    added = files(mutant)["src/mlpperf/paths/__init__.py"]
    assert added.startswith(files(original)["src/mlpperf/paths/__init__.py"])
    assert ast.parse(added)


def test_what_cannot_be_written_is_one_sentence(original: Version, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(MlpperfError, match="A mutant cannot be written to") as caught:
        mutated(original, [], tmp_path / "file" / "mutant")
    assert "\n" not in str(caught.value)


# --- which functions ------------------------------------------------------------------------------

LOOP = LoopTimes([(0, 1e-7), (100, 1.1e-6), (1000, 1.01e-5)])


def test_loops_are_as_long_as_is_asked_for() -> None:
    rng = np.random.default_rng(0)
    for seconds in (1e-3, 1e-2):
        for size in (0.01, 0.02, 0.1, 3.0):
            (target,) = choose({SCALED: seconds}, size, rng, LOOP)
            assert (target.series, target.size) == (SCALED, size)
            assert LOOP.seconds(target.loops) == pytest.approx(size * seconds, abs=1e-8)


def test_one_function_of_each_path_is_chosen_by_chance() -> None:
    """At the shortest case that has room for the loop, which takes 0.1 µs without a round."""
    times = {
        Series(path, case, variant): seconds
        for path in ("a", "b")
        for case, seconds in (("1", 2e-3), ("2", 1e-3), ("3", 2e-6))
        for variant in ("x", "y")
    }
    times |= {Series("b", case, "z"): 1e-6 for case in ("1", "2", "3")}
    rng = np.random.default_rng(1)
    seen = set()
    for _ in range(100):
        targets = choose(times, 0.05, rng, LOOP)
        assert [target.series.path for target in targets] == ["a", "b"]
        seen |= {target.series for target in targets}
    assert seen == {Series(path, "2", variant) for path in ("a", "b") for variant in ("x", "y")}


def test_calls_too_short_for_a_loop_are_left_out() -> None:
    short, long = SCALED, SCALED._replace(case="batch-256")
    times = {short: 1e-6, long: 1e-3, SUMMED: 1e-6}
    rng = np.random.default_rng(2)
    for _ in range(20):
        (target,) = choose(times, 0.02, rng, LOOP)
        assert target.series == long
    assert choose({short: 1e-6}, 0.02, rng, LOOP) == []
    assert all(t.loops >= 1 for t in choose({short: 1.2e-5}, 0.01, rng, LOOP))
    assert choose({}, 0.02, rng, LOOP) == []


def test_a_round_costs_the_same_in_short_and_long_loops(original: Version, tmp_path: Path) -> None:
    """None makes an object: `range` would from 257 on, and a short loop be too cheap."""
    memray = pytest.importorskip("memray")

    def made(rounds: int) -> int:
        folder = tmp_path / str(rounds)
        paths = load(mutated(original, [Target(SCALED, 0.02, rounds)], folder))
        work, x = function(paths, SCALED), np.ones((2, 2))
        work(x)
        with memray.Tracker(folder / "made", trace_python_allocators=True):
            work(x)
        with memray.FileReader(folder / "made") as reader:
            return int(reader.metadata.total_allocations)

    assert made(5000) < made(10) + 100


def test_what_a_loop_takes_is_no_straight_line() -> None:
    """A short one takes more for each of its rounds; both ways lead through what was measured."""
    loop = LoopTimes([(0, 2e-7), (100, 1e-6), (200, 1.6e-6), (1000, 5.6e-6)])
    for rounds, seconds in [(0, 2e-7), (50, 6e-7), (100, 1e-6), (600, 3.6e-6), (3000, 1.56e-5)]:
        assert loop.seconds(rounds) == pytest.approx(seconds)
        assert loop.rounds(seconds) == rounds
    assert loop.rounds(1e-7) == 0
    quicker = LoopTimes([(0, 3e-7), (100, 9e-7), (200, 1.7e-6), (1000, 5e-6)])
    both = loop.at_least_as_quick(quicker)
    assert [seconds for _, seconds in both.measured] == [2e-7, 9e-7, 1.6e-6, 5e-6]


def test_a_loop_that_a_disturbance_made_seem_shorter_than_a_shorter_one_has_a_length() -> None:
    loop = LoopTimes([(0, 2e-7), (100, 1.5e-6), (200, 1.4e-6), (1000, 5e-6)])
    assert loop.rounds(1e-6) < 100
    assert 100 < loop.rounds(2e-6) < 1000


# --- what comes of it -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [  # Clopper and Pearson 1934, as any table gives them
        (0, 0, 0.0, 1.0),
        (0, 10, 0.0, 0.3085),
        (10, 10, 0.6915, 1.0),
        (1, 10, 0.0025, 0.4450),
        (5, 10, 0.1871, 0.8129),
        (0, 50, 0.0, 0.0711),
        (95, 100, 0.8872, 0.9836),
    ],
)
def test_bounds_of_a_rate(hits: int, of: int, low: float, high: float) -> None:
    assert Rate(hits, of).bounds == pytest.approx((low, high), abs=5e-5)


def test_a_share_of_nothing_is_not_a_number() -> None:
    assert math.isnan(Rate(0, 0).share)
    assert Rate(1, 4).share == 0.25


def finding(series: Series, median: float, *, slower: bool = False) -> Finding:
    low, high = (median - 0.001, median + 0.001) if slower else (0.9, 1.1)
    ratio = Interval(median, low, high)
    return Finding(series, ratio=ratio, processes=14, judged=True, significant=slower)


def slowed(targets: list[Target]) -> Mutant:
    """A mutant whose functions, at whatever case, are those of its targets."""
    changed = {(target.series.path, target.series.variant) for target in targets}
    version = Version("a mutant", None, Path())
    return Mutant(version, tuple(targets), lambda series: (series.path, series.variant) in changed)


def test_a_comparison_is_judged() -> None:
    other_case = SCALED._replace(case="batch-256")
    bystander = SUMMED._replace(variant="multiplied")
    found = [
        finding(SCALED, 1.02, slower=True),
        finding(other_case, 1.03, slower=True),  # of the same function: no false alarm
        finding(SUMMED, 1.001),
        finding(bystander, 1.05, slower=True),
        Finding(SCALED._replace(variant="added"), untimed=Judgement(Verdict.NEW)),
    ]
    findings = {f.series: f for f in found}
    known = {"total": 12.0, "busy": 0.3, "warnings": ["It died."]}
    result = Comparison("a", "b", {}, 0.005, 60.0, findings=findings, **known)
    wide = SCALED._replace(case="batch-1")
    targets = [Target(series, 0.02, 9) for series in (SCALED, SUMMED, wide)]
    trial = judged(0.02, slowed(targets), result)
    assert trial.size == 0.02
    assert trial.targets == (SCALED.name, SUMMED.name, wide.name)
    assert trial.detected == (SCALED.name,)
    assert trial.unrelated == (bystander.name,)
    assert trial.measured == pytest.approx({SCALED.name: 0.02, SUMMED.name: 0.001})
    assert trial.series == 4
    assert trial.undecided == 1
    assert (trial.seconds, trial.busy, trial.warnings) == (12.0, 0.3, ("It died.",))


def test_whatever_is_found_in_the_same_code_is_a_false_alarm() -> None:
    found = [finding(SCALED, 1.02, slower=True), finding(SUMMED, 1.0)]
    result = Comparison("a", "b", {}, 0.005, 60.0, findings={f.series: f for f in found})
    trial = judged(0.0, slowed([]), result)
    assert trial.targets == trial.detected == ()
    assert trial.unrelated == (SCALED.name,)


def trial(size: float, found: int, of: int, unrelated: int = 0) -> Trial:
    names = tuple(f"path{i}/case/variant" for i in range(of))
    return Trial(
        size=size,
        targets=names,
        measured=dict.fromkeys(names, size),
        detected=names[:found],
        unrelated=("x/y/z",) * unrelated,
        series=20,
        undecided=0,
        seconds=10.0,
        busy=0.0,
    )


def test_rates_are_those_of_all_trials_of_a_size() -> None:
    some = [
        trial(0.02, 9, 10),
        trial(0.0, 0, 0, unrelated=3),
        trial(0.02, 10, 10),
        trial(0.0, 0, 0),
    ]
    none, two = detection_rates(some)
    assert (none.size, two.size) == (0.0, 0.02)
    assert none.alarms == Rate(1, 2)  # comparisons, and not series
    assert none.detected == Rate(0, 0)
    assert math.isnan(none.measured)
    assert two.detected == Rate(19, 20)
    assert two.alarms == Rate(0, 2)
    assert two.measured == pytest.approx(0.02)
    table = calibration([none, two])
    cells = dict(zip(table.columns, table.rows[1], strict=True))
    assert (cells["slowdown"], cells["detected"], cells["as measured"]) == (
        "2 %",
        "19 of 20",
        "+2.0 %",
    )


def rates(size: float, hits: int, of: int = 100) -> DetectionRate:
    return DetectionRate(size, Rate(hits, of), Rate(0, 3), size, 10.0)


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ([], "No slowdown was tried."),
        ([rates(0.0, 0, 0)], "No slowdown was tried."),
        ([rates(0.01, 3, 3)], "No size was detected in most cases with certainty"),  # 29 to 100 %
        ([rates(0.01, 50), rates(0.02, 55)], "No size was detected in most cases with certainty"),
        ([rates(0.01, 50), rates(0.02, 90)], "Most slowdowns of 2 % are detected: 90 of 100, "),
        ([rates(0.01, 90), rates(0.02, 100)], "Most slowdowns of 1 % are detected: 90 of 100, "),
        ([rates(0.01, 0, 0), rates(0.02, 39, 42)], "2 % are detected: 39 of 42, 95 % interval 80"),
    ],
)
def test_no_more_is_concluded_than_was_measured(table: list[DetectionRate], expected: str) -> None:
    assert expected in detectable(table)


# --- from one end to the other --------------------------------------------------------------------


@pytest.mark.usefixtures("here", "few_processes")
def test_a_large_slowdown_is_found_and_none_is_not(
    original: Version, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """300 %, and judged from 100 % on: no noise of a machine can make or hide that."""
    real = comparing.compare

    def coarse(pair: Any, selection: Selection, **options: Any) -> Any:
        return real(pair, replace(selection, threshold=0.9), **options)

    monkeypatch.setattr("mlpperf.engine.calibrate.trials.compare", coarse)
    monkeypatch.setattr("mlpperf.engine.calibrate.trials.QUICK_SECONDS", 600.0)
    monkeypatch.setattr("mlpperf.engine.calibrate.mutants.LEAST_FACTOR", 0.01)
    told: list[str] = []
    folder = tmp_path / "mutants"
    folder.mkdir()
    trials = list(
        calibrate(
            original,
            Selection(["batch-256"]),
            folder,
            sizes=(0.0, 3.0),
            trials=1,
            budget=600.0,
            seed=1,
            progress=told.append,
        )
    )
    none, large = trials
    assert none.targets == none.detected == none.unrelated == ()
    assert none.series == large.series == 4
    assert len(large.targets) == 2
    assert large.detected == large.targets
    assert large.unrelated == ()
    assert all(0.3 < value < 30 for value in large.measured.values())  # meant to be 3
    assert told[0].startswith("0 %, 1 of 2: ")
    assert not list(folder.iterdir())


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"sizes": ()}, "at least one trial"),
        ({"sizes": (-0.01,)}, "not -1 and 1"),
        ({"sizes": (math.nan,)}, "not nan and 1"),
        ({"sizes": (10.0,)}, "not 1000 and 1"),
        ({"trials": 0}, "not 0, 1, 2, 3, 5, 10 and 0"),
        ({"budget": 0.0}, "positive number of seconds, not 0"),
    ],
)
def test_what_cannot_be_calibrated(
    options: dict[str, Any], says: str, original: Version, tmp_path: Path
) -> None:
    with pytest.raises(MlpperfError, match=says):
        list(calibrate(original, Selection(), tmp_path / "mutants", **{"trials": 1, **options}))


@pytest.mark.usefixtures("here")
def test_what_is_wrong_everywhere_cannot_be_calibrated(project: Any, tmp_path: Path) -> None:
    project.write("src/pkg/work.py", "1 / 0")
    original = Version("x", None, project.folder, entries_of(project.folder))
    with pytest.raises(MlpperfError, match="ZeroDivisionError"):
        list(calibrate(original, Selection(), tmp_path / "mutants", sizes=(0.0,), trials=1))


@pytest.mark.usefixtures("counted")
def test_the_command_records_every_trial(project: Any, temporary: Path) -> None:
    given = [
        "--size",
        "0",
        "--trials",
        "1",
        "--series",
        "*/batch-128/*",
        "--budget",
        "0.1",
        "--json",
    ]
    before = project.git("status", "--porcelain")
    with contextlib.chdir(project.folder), mock.patch.dict(os.environ):
        done = CliRunner().invoke(app, ["calibrate", *given], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    (told,) = json.loads(done.stdout)
    (line,) = (project.folder / ".mlpperf/calibrations.jsonl").read_text().splitlines()
    assert json.loads(line) == told
    assert (told["kind"], told["size"], told["targets"]) == ("calibration", 0.0, [])
    assert project.git("status", "--porcelain") == before
    assert [file.name for file in temporary.glob("mlpperf-*")] == [own_folder().name]
    assert {file.name for file in own_folder().iterdir()} <= {
        ".gitignore",
        "compare.lock",
        "scratch.lock",
    }


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("arguments", "fragment"),
    [
        (["--size", "x"], "not 'x'"),
        (["--size", "-1"], "takes a percentage such as 2%, not '-1'"),
        (["--trials", "0"], "at least one trial"),
        (["--budget", "0"], "positive number of seconds, not 0"),
        (["--against", "hyperfine"], "There is no tracker 'hyperfine'"),
        (["--series", "nonsense"], "There is no series that fits 'nonsense'"),
    ],
)
def test_bad_input_is_one_sentence(
    arguments: list[str], fragment: str, refused: Callable[..., str], project: Any
) -> None:
    os.chdir(project.folder)
    assert fragment in refused("calibrate", *arguments)


def test_what_was_calibrated_anew_with_another_budget_is_told_once() -> None:
    """But not what was disturbed, or is about other benchmarks."""
    (line,) = [
        json.loads(text)
        for text in (RECORDS / "calibrations.jsonl").read_text("utf-8").splitlines()[:1]
    ]

    def made(**about: Any) -> Any:
        return shaped({**line, "series": 232, "busy": 0.0, **about}, CalibrationRecord)

    old, again, newer = made(budget=115.0), made(budget=115.0), made(budget=130.0, series=241)
    others = [made(budget=60.0, series=17), made(busy=0.6), made(tracker="asv"), made(cases=["c"])]
    assert grouped_for_display([old, again]) == [[old, again]]
    assert grouped_for_display([old, newer, again]) == [[newer]]
    assert grouped_for_display([old, *others]) == [[old], *([other] for other in others)]
