"""Time to accuracy: when a target is held, the table of it, and the command."""

import json
import math
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from click.testing import Result

from mlpperf.articles.accuracy import EPOCHS_EXTRAPOLATED_FROM, EPOCHS_HELD, TARGETS, course, show
from mlpperf.articles.accuracy.contenders import CONTENDERS, contender_named
from mlpperf.articles.accuracy.course import Course, extrapolated, held
from mlpperf.articles.accuracy.records import CourseRecord
from mlpperf.articles.accuracy.show import order_interval, time_of
from mlpperf.articles.accuracy.worker import EnoughError, by_keras, by_rung, work
from mlpperf.articles.data import datasets as data
from mlpperf.articles.data.datasets import FewClustersWarning
from mlpperf.articles.keras.models import Network
from mlpperf.articles.keras.training import KerasEpoch
from mlpperf.engine.history.records import CodeVersion, as_records
from mlpperf.engine.pool import process as workers
from mlpperf.errors import MlpperfError

DIGITS = data.load("digits")


def record(
    name: str, accuracies: list[float], each: float = 2.0, seed: int = 0, **changed: Any
) -> CourseRecord:
    """A course that started with one second, and took `each` for every epoch."""
    contender = contender_named(name)
    made = {
        "contender": name,
        "what": contender.what,
        "clusters": contender.clusters,
        "ran_on": "cpu",
        "most_epochs": 100,
        "same_course": contender.same_course,
        "seed": seed,
        "data": "mnist",
        "targets": [0.9],
        "inputs": 784,
        "settings": asdict(contender.settings),
        "start_seconds": 1.0,
        "accuracies": accuracies,
        "seconds": [1 + each * (i + 1) for i in range(len(accuracies))],
        "stopped": "",
    }
    (whole,) = as_records("accuracy", CodeVersion(None, dirty=False), [made | changed])
    return msgspec.convert(whole, CourseRecord)


# --- when a target is held ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accuracies", "expected"),
    [
        ([0.9, 0.9, 0.9], (3, 7.0)),  # so far is near enough
        ([0.8, 0.95, 0.95, 0.95, 0.95], (4, 9.0)),
        ([0.95, 0.95, 0.89, 0.95, 0.95, 0.95], (6, 13.0)),
        ([0.95, 0.95, 0.89, 0.95, 0.95], None),
        ([0.95, 0.95], None),
        ([], None),
    ],
)
def test_a_target_must_be_held(accuracies: list[float], expected: tuple[int, float] | None) -> None:
    assert EPOCHS_HELD == 3
    assert held(record("last_rung_pixels", accuracies), 0.9) == expected


def test_a_slow_contender_is_extrapolated_by_the_epochs_of_a_quick_one() -> None:
    whole = record("last_rung_pixels", [0.8] * 9 + [0.95] * 3, each=0.5)
    slow = record("step_0_pixels", [0.8] * 3, each=10.0)
    assert held(extrapolated(slow, whole), 0.9) == (12, 1 + 12 * 10.0)
    assert held(extrapolated(slow, whole), 0.96) is None
    assert extrapolated(record("step_0_pixels", []), whole).accuracies == []
    result = time_of([slow], 0.96, [whole])
    assert result.cells == ("not within ≈ 121", "–", "0 of 1")
    quick = time_of([record("clusters_70", [0.97] * 3)], 0.96, [whole])
    assert quick.sooner_than(result) == "> 17×"


# --- intervals ------------------------------------------------------------------------------------


def test_order_statistics_hold_the_median_with_the_stated_probability() -> None:
    assert order_interval([3.0]) == (3.0, 3.0, 0.0)
    assert order_interval([5.0, 1, 4, 2, 3]) == (1, 5, pytest.approx(1 - 2 / 2**5))
    assert order_interval(list(range(6))) == (0, 5, pytest.approx(1 - 2 / 2**6))
    assert order_interval(list(range(9))) == (1, 7, pytest.approx(1 - 2 * 10 / 2**9))
    assert order_interval([1.0, 2, math.inf, math.inf, 3])[1] == math.inf


def times_of(*seconds: float, name: str = "clusters_70", each: float = 1.0) -> list[CourseRecord]:
    """Records of a contender that held 0.9 after these seconds; infinite: never."""
    made = []
    for seed, wanted in enumerate(seconds):
        epochs = 100 if math.isinf(wanted) else int(wanted)
        right = [0.5] * epochs if math.isinf(wanted) else [0.5] * (epochs - 3) + [0.95] * 3
        made.append(record(name, right, each=each, seed=seed))
    return made


def test_who_never_gets_there_counts() -> None:
    made = times_of(10, 20, 30, math.inf, math.inf)
    result = time_of(made, 0.9, [])
    assert (result.median, result.low, result.high) == (31, 11, math.inf)
    assert (result.reached, result.seeds) == (3, 5)
    assert result.cells == ("31 (11–∞)", "30", "3 of 5")
    most = time_of(times_of(10, math.inf, math.inf), 0.9, [])
    assert most.cells == ("not within 11", "–", "1 of 3")


def test_factors_are_ratios_of_medians() -> None:
    slow = time_of(times_of(99, 119, 139, name="last_rung_pixels"), 0.9, [])
    quick = time_of(times_of(9, 11, 13), 0.9, [])
    assert quick.sooner_than(slow) == "10× (7.14–14)"
    assert slow.sooner_than(quick) == "0.1× (0.0714–0.14)"
    assert slow.sooner_than(slow) == ""
    never = time_of(times_of(math.inf, math.inf, math.inf, name="last_rung_pixels"), 0.9, [])
    assert quick.sooner_than(never) == "> 8.4×"  # 101 seconds were tried
    assert never.sooner_than(quick) == quick.sooner_than(None) == "–"


def test_rows_are_sorted_and_mark_what_is_extrapolated() -> None:
    pixels = times_of(40, 50, 60, name="last_rung_pixels")
    slow = [record("step_0_pixels", [0.3] * 5, each=10.0, seed=seed) for seed in range(3)]
    made = [*slow, *pixels, *times_of(9, 10, 11)]
    made.append(record("clusters_70", [0.1] * 9, seed=2))  # the newest one of a seed counts
    table = show.table(made)
    rows: Any = table.rows
    assert [row[1] for row in rows] == ["clusters_70", "last_rung_pixels", "step_0_pixels"]
    assert rows[2][3:6] == ("≈ 501 (401–601)", "50", "3 of 3")
    assert rows[1][6].startswith("≈ 9.82×")
    assert rows[0][5] == "2 of 3"
    assert all(len(row) == len(table.columns) for row in rows)
    assert any("extrapolated" in note for note in show.notes(made))
    assert not any("extrapolated" in note for note in show.notes(pixels))


def test_notes_name_what_is_not_counted_of_keras_where_it_runs() -> None:
    notes = show.notes([record("keras_best", [0.95] * 3)])
    assert any(note.startswith("The times of Keras leave out scaling") for note in notes)
    assert not any("Keras" in note for note in show.notes([record("clusters_70", [0.95] * 3)]))


def test_interrupted_runs_and_other_data_are_not_in_the_table() -> None:
    made = times_of(10, 20, 30)
    partial = record("clusters_70", [0.5], seed=1, stopped=course.INTERRUPTED)
    other = record("clusters_70", [0.5], seed=2, data="digits")
    assert show.table([other, *made, partial]) == show.table(made)
    assert show.table(made).rows[0][5] == "3 of 3"


def test_notes_name_contenders_that_stopped_and_what_they_reached() -> None:
    made = [record("clusters_70", [0.9, 0.97]), record("cnn_2", [], seed=0, stopped="It has died.")]
    notes = show.notes(made)
    assert "cnn_2, seed 0: It has died." in notes
    assert any("at best 97.00 % within 2 epochs" in note for note in notes)
    assert any("One seed" in note for note in notes)
    assert show.table(made).rows[-1][3] == "not within 0"


# --- contenders -----------------------------------------------------------------------------------


def test_contenders_are_those_of_the_articles() -> None:
    names = [contender.name for contender in CONTENDERS]
    assert names == [
        "step_0_pixels", "last_rung_pixels", "clusters_40", "clusters_70", "clusters_90",
        "keras_best", "cnn_2",
    ]  # fmt: skip
    assert contender_named("step_0_pixels").epochs == EPOCHS_EXTRAPOLATED_FROM
    assert contender_named("clusters_55").clusters == 55
    for contender in CONTENDERS:
        assert contender_named(contender.name) == contender
        assert not contender.same_course or contender.same_course in names
    with pytest.raises(MlpperfError, match="did you mean last_rung_pixels"):
        contender_named("last_rung")


def test_few_clusters_are_reported_before_anything_is_trained() -> None:
    with pytest.warns(FewClustersWarning, match="9 clusters are few for 10 classes"):
        contender_named("clusters_9").check(DIGITS)
    contender_named("clusters_10").check(DIGITS)


def followed(name: str, target: float = 2.0, epochs: int = 5) -> list[dict[str, Any]]:
    """What a contender answers until it has reached an accuracy."""
    answers: list[dict[str, Any]] = []

    def answer(**news: Any) -> None:
        answers.append(news)
        if news.get("accuracy", 0.0) >= target:
            raise EnoughError

    contender = contender_named(name)
    way = by_keras if contender.by_keras else by_rung
    way(contender, DIGITS, 3, epochs, answer)
    return answers


def test_the_clock_of_a_rung_counts_fit_and_transformation() -> None:
    about, *epochs = followed("clusters_30")
    assert about["inputs"] == 30
    assert about["settings"]["l2"] == pytest.approx(0.2 * 30 / 64)
    assert about["settings"]["seed"] == 3
    assert about["fit_seconds"] > 0
    assert about["transform_seconds"] > 0
    assert about["start_seconds"] >= about["fit_seconds"] + about["transform_seconds"]
    seconds = [about["start_seconds"], *(e["seconds"] for e in epochs)]
    assert len(epochs) == 5
    assert all(b > a for a, b in pairwise(seconds))
    assert epochs[-1]["accuracy"] > epochs[0]["accuracy"] > 0


def test_step_0_and_the_last_rung_take_the_same_course() -> None:
    about, *ours = followed("last_rung_pixels")
    others, *theirs = followed("step_0_pixels")
    assert about["fit_seconds"] == about["transform_seconds"] == 0
    assert others["inputs"] == 64
    for a, b in zip(ours, theirs, strict=True):  # some samples lie on the border
        assert a["accuracy"] == pytest.approx(b["accuracy"], abs=0.01)


def test_predicting_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: clock[0])
    from mlpperf.articles.mlp.training import Run

    real = Run.predict

    def slow(self: Run, images: Any) -> Any:
        clock[0] += 1_000
        return real(self, images)

    monkeypatch.setattr(Run, "predict", slow)
    *_, last = followed("clusters_30", epochs=2)
    # Only the last epoch of a run predicts by itself, after its own clock has stopped.
    assert last["seconds"] == 0


def test_keras_reports_validation_accuracy_and_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    def train(network: Network, loaded: Any, on_epoch: Callable[[Any], None]) -> None:
        assert network.seed == 3
        assert network.steps_per_execution == 3  # all batches of an epoch
        history = []
        for epoch in range(1, network.epochs + 1):
            history.append(KerasEpoch(epoch, 1, 0.5, 1, 0.1 * epoch, 1e-3, epoch, 2.0, 2.0))
            on_epoch(history)

    monkeypatch.setattr("mlpperf.articles.keras.training.train", train)
    monkeypatch.setattr("mlpperf.articles.accuracy.worker.tensorflow", lambda: None)
    about, *epochs = followed("keras_best", epochs=4)
    assert about["inputs"] == 64
    assert [(e["accuracy"], e["seconds"]) for e in epochs] == [
        (pytest.approx(0.1 * i), 2.0 * i) for i in range(1, 5)
    ]


# --- processes ------------------------------------------------------------------------------------


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Courses are followed in this process, because another one would import everything anew."""

    def asked(module: str, task: dict[str, Any]) -> list[dict[str, Any]]:
        answers: list[dict[str, Any]] = []
        work(task, SimpleNamespace(send=answers.append))  # type: ignore[arg-type]
        return answers

    monkeypatch.setattr(course, "asked", asked)


def test_a_course_ends_when_its_target_is_held(here: None) -> None:
    run = Course(contender_named("clusters_30"), 0, epochs=30, limit=60, target=0.2)
    reported: list[int] = []
    run.follow("digits", lambda course: reported.append(len(course.accuracies)))
    content = {"data": "digits", "targets": [0.2], **run.as_record()}
    made = msgspec.convert(
        as_records("accuracy", CodeVersion(None, False), [content])[0], CourseRecord
    )
    assert made.stopped == ""
    assert made.clusters == 30
    assert made.ran_on == "cpu"
    assert len(made.accuracies) < 30
    assert held(made, 0.2) == (len(made.accuracies), made.seconds[-1])
    assert reported == list(range(1, len(reported) + 1))


def test_a_course_ends_with_its_limit(here: None) -> None:
    run = Course(contender_named("clusters_30"), 0, epochs=30, limit=1e-6, target=1.0)
    run.follow("digits")
    assert len(run.accuracies) <= 1
    assert run.stopped == ""


def test_a_worker_that_fails_reports_why() -> None:
    run = Course(contender_named("clusters_9999"), 0, epochs=3, limit=9, target=1.0)
    run.follow("digits")
    assert "its last output: 9999 clusters cannot be found in n_samples=1500" in run.stopped
    assert not run.accuracies


def test_a_worker_that_is_killed_keeps_its_answers() -> None:
    run = Course(contender_named("last_rung_pixels"), 0, epochs=10**6, limit=600, target=1.0)

    def kill(course: Course) -> None:
        if len(course.accuracies) == 3:
            import psutil

            for child in psutil.Process().children():
                if "mlpperf.articles.accuracy.worker" in " ".join(child.cmdline()):
                    child.kill()

    run.follow("digits", kill)
    assert run.stopped == "A process was killed by signal 9 and printed nothing"
    assert len(run.accuracies) >= 3


def test_a_worker_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "PATIENCE", 1e-3)
    run = Course(contender_named("clusters_30"), 0, epochs=3, limit=9, target=1.0)
    run.follow("digits")
    assert run.stopped == "A process showed no sign of life for 0.001 s and printed nothing"


# --- the command ----------------------------------------------------------------------------------

QUICK = ("accuracy", "--data", "digits", "--contender", "clusters_20")


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_the_command_prints_a_table_and_records(
    tmp_path: Path, command: Callable[..., Result], here: None
) -> None:
    done = command(*QUICK, "--seeds", "2", "--epochs", "4", "--target", "0.1", "--target",
               "0.99", "--records", "rec")  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "clusters_20" in done.stdout
    assert "not within" in done.stdout
    written = lines(tmp_path / "rec/accuracies.jsonl")
    assert [r["seed"] for r in written] == [0, 1]
    for r in written:
        assert r["kind"] == "accuracy"
        assert r["targets"] == [0.1, 0.99]
        assert len(r["accuracies"]) == len(r["seconds"]) == 4
        assert r["threads"] >= 1


def test_what_was_finished_is_kept_when_interrupted(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mlpperf", *QUICK, "--seeds", "99", "--records", "rec"]
    process = subprocess.Popen(
        [*command, "--epochs", "3"], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    file = tmp_path / "rec" / "accuracies.jsonl"
    while process.poll() is None and not (file.exists() and file.stat().st_size):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 2
    assert errors.strip() == "mlpperf: Interrupted; what was finished is kept."
    first, *others = lines(file)
    assert len(first["accuracies"]) == 3
    assert all(not r["stopped"] or r["stopped"] == "interrupted" for r in others)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--target", "1.01"], "An accuracy target lies between 0 and 1, not at 1.01"),
        (["--target", "0"], "not at 0"),
        (["--target", "nan"], "not at nan"),
        (["--seeds", "0"], "at least one seed and 3 epochs"),
        (["--epochs", "2"], "at least one seed and 3 epochs"),
        (["--limit", "0"], "--limit must be a positive number"),
        (
            ["--contender", "clusters_0"],
            "2 to 1500 clusters in the 1500 training samples of digits, not 0.",
        ),
        (["--contender", "clusters_1"], "training samples of digits, not 1."),
        (["--contender", "clusters_1501"], "training samples of digits, not 1501."),
        (["--contender", "cluster_70"], "did you mean clusters_70"),
        (["--threads", "0"], "0 threads were asked for"),
    ],
)
def test_bad_input_is_one_sentence(
    arguments: list[str], sentence: str, refused: Callable[..., str], tmp_path: Path
) -> None:
    assert sentence in refused("accuracy", "--data", "digits", *arguments, "--records", "rec")
    file = tmp_path / "rec/accuracies.jsonl"
    assert not file.exists() or not file.stat().st_size


def test_targets_are_the_articles() -> None:
    assert TARGETS == (0.95, 0.974, 0.978)
