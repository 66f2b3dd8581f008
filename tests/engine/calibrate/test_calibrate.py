"""Mutants do what a careless commit does, in the right function only; what is found is counted.

The work of a comparison's processes is done in this one, on a tiny project.
"""

import contextlib
import json
import math
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec
import numpy as np
import pytest
from typer.testing import CliRunner

from mlpperf.cli.app import app
from mlpperf.engine.calibrate.mutants import Mutant, Mutator, Target
from mlpperf.engine.calibrate.planted import NOTHING, LoopTimes, traced
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
from mlpperf.engine.statistics.intervals import Interval
from mlpperf.engine.statistics.verdicts import Judgement, Verdict
from mlpperf.engine.suites.series import Selection, Series
from mlpperf.engine.versions.diff import same_code
from mlpperf.engine.versions.pair import Pair
from mlpperf.engine.versions.version import Version, entries_of
from mlpperf.errors import MlpperfError

RECORDS = Path(__file__).parents[3] / "records"

pytestmark = pytest.mark.usefixtures("temporary", "forgotten")
SCALED = Series("doubling", "batch-128", "scaled")
SUMMED = Series("sums", "batch-128", "summed")


@pytest.fixture
def original(project: Any) -> Version:
    """As it comes from a repository: without git's own files."""
    shutil.rmtree(project.folder / ".git")
    return Version("the original", None, project.folder, entries_of(project.folder))


@pytest.mark.usefixtures("here")
def test_the_selected_variants_of_hot_paths_are_traced(original: Version) -> None:
    pair = Pair(original, original)
    trace = traced(pair, Selection(["batch-256"]), 1)
    assert {series.case for series in trace.calls} == {"batch-256"}
    function = next(iter(trace.calls[SCALED._replace(case="batch-256")]))
    assert function.startswith("src/pkg/work.py:")
    assert function.endswith(":scaled")


@pytest.mark.usefixtures("here")
def test_hot_paths_that_cannot_be_loaded_cannot_be_slowed_down(original: Version) -> None:
    broken = replace(original, entries=("pkg.nowhere",))
    with pytest.raises(MlpperfError, match=r"Nothing can be slowed down: .*'pkg\.nowhere' gives"):
        traced(Pair(broken, broken), Selection(), 1)


def test_what_cannot_be_written_is_one_sentence(original: Version, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    mutator = Mutator(original, NOTHING, np.random.default_rng(1))
    with pytest.raises(MlpperfError, match="A mutant cannot be written to") as caught:
        mutator({}, 0.0, tmp_path / "file" / "mutant", lambda loud: {})
    assert "\n" not in str(caught.value)


def test_a_mutant_of_nothing_is_the_same_code(original: Version, tmp_path: Path) -> None:
    mutator = Mutator(original, NOTHING, np.random.default_rng(1))
    mutant = mutator({}, 0.0, tmp_path / "mutant", lambda loud: {})
    assert mutant.targets == ()
    assert same_code(original, mutant.version)


def test_what_a_loop_takes_is_no_straight_line() -> None:
    """A short one takes more for each of its rounds; both ways lead through what was measured."""
    loop = LoopTimes([(0, 2e-7), (100, 1e-6), (200, 1.6e-6), (1000, 5.6e-6)])
    for rounds, seconds in [(0, 2e-7), (50, 6e-7), (100, 1e-6), (600, 3.6e-6), (3000, 1.56e-5)]:
        assert loop.seconds(rounds) == pytest.approx(seconds)
        assert loop.rounds(seconds) == rounds
    assert loop.rounds(1e-7) == 0


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
    targets = [Target(series, 0.02, 9, "a.py:1:f") for series in (SCALED, SUMMED, wide)]
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
    """300 %, and judged from 40 % on: no noise of a machine can make or hide that."""
    real = comparing.compare

    def coarse(pair: Any, selection: Selection, **options: Any) -> Any:
        return real(pair, replace(selection, threshold=0.4), **options)

    monkeypatch.setattr("mlpperf.engine.calibrate.trials.compare", coarse)
    monkeypatch.setattr("mlpperf.engine.calibrate.trials.QUICK_SECONDS", 600.0)
    monkeypatch.setattr("mlpperf.engine.calibrate.mutants.LEAST_FACTOR", 0.01)
    told: list[str] = []
    folder = tmp_path / "mutants"
    folder.mkdir()
    trials = list(
        calibrate(
            Pair(original, original),
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
    assert large.targets
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
        list(
            calibrate(
                Pair(original, original),
                Selection(),
                tmp_path / "mutants",
                **{"trials": 1, **options},
            )
        )


@pytest.mark.usefixtures("here")
def test_what_is_wrong_everywhere_cannot_be_calibrated(project: Any, tmp_path: Path) -> None:
    project.write("src/pkg/work.py", "1 / 0")
    original = Version("x", None, project.folder, entries_of(project.folder))
    with pytest.raises(MlpperfError, match="ZeroDivisionError"):
        list(
            calibrate(
                Pair(original, original), Selection(), tmp_path / "mutants", sizes=(0.0,), trials=1
            )
        )


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
        (["--series", "nonsense"], "There is no benchmark that fits 'nonsense'"),
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
        return msgspec.convert({**line, "series": 232, "busy": 0.0, **about}, CalibrationRecord)

    old, again, newer = made(budget=115.0), made(budget=115.0), made(budget=130.0, series=241)
    others = [made(budget=60.0, series=17), made(busy=0.6), made(tracker="asv"), made(cases=["c"])]
    assert grouped_for_display([old, again]) == [[old, again]]
    assert grouped_for_display([old, newer, again]) == [[newer]]
    assert grouped_for_display([old, *others]) == [[old], *([other] for other in others)]
