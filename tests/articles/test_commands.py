"""The commands that train, as their user meets them; on the digits, which need no download.

They run in this process, but for what only a process of its own shows: what an interruption leaves,
and that bad input ends without a traceback.
"""

import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from mlpperf.articles.mlp import growth
from mlpperf.articles.mlp.epoch import Epoch
from mlpperf.articles.mlp.training import Run
from readme_tracker import calibration

Command = Callable[..., Result]
ROOT = Path(__file__).parents[2]


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mlpperf", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=900)


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


DIGITS = ("--data", "digits", "--batch-size", "64")


def finished(done: Result) -> Result:
    assert done.exit_code == 0, done.output
    return done


def test_train_prints_and_records(tmp_path: Path, command: Command) -> None:
    done = finished(command(
        "train", *DIGITS, "--epochs", "2", "--predict-every", "1", "--hidden", "20",
        "--phases", "--records", "rec",
    ))  # fmt: skip
    assert "of the test set are right" in done.stdout
    assert "backward" in done.stdout
    (record,) = lines(tmp_path / "rec" / "trainings.jsonl")
    assert record["kind"] == "training"
    assert len(record["epochs"]) == 2  # type: ignore[arg-type]


def test_an_interrupted_run_is_recorded_as_far_as_it_came(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = Run.epoch

    def epoch(run: Run) -> Epoch:
        if len(run.history) == 2:
            raise KeyboardInterrupt
        return train(run)

    monkeypatch.setattr(Run, "epoch", epoch)
    done = command("train", *DIGITS, "--hidden", "20", "--rung", "float32", "--records", "rec")
    assert done.exit_code == 2
    assert done.stderr.strip() == "mlpperf: Interrupted; what was finished is kept."
    (record,) = lines(tmp_path / "rec" / "trainings.jsonl")
    assert len(record["epochs"]) == 2  # type: ignore[arg-type]


def test_ladder_prints_and_records(tmp_path: Path, command: Command, known_ceilings: None) -> None:
    rungs = ("--rung", "step_0", "--rung", "shared_by_processes")
    done = finished(command("ladder", *DIGITS, *rungs[2:], "--epochs", "2", "--records", "rec"))
    assert re.search(r"^shared_by_processes trains 35 epochs in ", done.stdout, re.MULTILINE)
    records = lines(tmp_path / "rec" / "ladders.jsonl")
    assert [r["rung"] for r in records] == ["shared_by_processes"]
    assert all(r["peak_memory"] > 0 for r in records)  # type: ignore[operator]
    as_json = command("ladder", *DIGITS, *rungs, "--quick", "--json", "--records", "rec")
    records = json.loads(as_json.stdout)
    assert [r["rung"] for r in records] == ["step_0", "shared_by_processes"]
    assert records == lines(tmp_path / "rec" / "ladders.jsonl")[1:]


@pytest.mark.skipif(
    importlib.util.find_spec("tensorflow") is None, reason="TensorFlow is not installed"
)
@pytest.mark.filterwarnings("ignore")  # of TensorFlow's own imports
def test_keras_trains_and_records(tmp_path: Path, command: Command) -> None:
    done = finished(command(
        "keras", "mlp", *DIGITS, "--epochs", "2", "--records", "rec"
    ))  # fmt: skip
    assert "of the test set are right" in done.stdout
    (record,) = lines(tmp_path / "rec" / "keras.jsonl")
    assert len(record["epochs"]) == 2  # type: ignore[arg-type]


def test_growth_prints_and_records(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch, known_ceilings: None
) -> None:
    monkeypatch.setattr(growth, "SAMPLES_FOR_NODES", 100)
    monkeypatch.setattr(growth, "SAMPLES_TRAINED_MIN", 1000)
    done = finished(command("growth", "--samples", "1000", "--nodes", "20", "--records", "rec"))
    assert "1,000" in done.stdout
    assert len(lines(tmp_path / "rec" / "growth.jsonl")) == 2


@pytest.mark.parametrize(
    ("arguments", "fragment"),
    [
        (["train", "--data", "digits", "--batch-size", "0"], "batch_size must be at least 1"),
        (["train", "--data", "digits", "--batch-size", "5000"], "does not fit"),
        (["train", "--data", "digits", "--hidden", "70,x"], "--hidden must be numbers"),
        (["train", "--data", "digits", "--hidden", "0"], "at least one node"),
        (["train", "--activation", "relux"], "did you mean relu"),
        (["train", "--loss", "los"], "did you mean log"),
        (["train", "--scaler", "standart"], "did you mean standard"),
        (["train", "--rung", "step_1"], "did you mean step_0"),
        (["train", "--data", "digit"], "did you mean digits"),
        (["train", "--data", "digits", "--batch-size", "64", "--learning-rate", "1e4",
          "--rung", "step_0"], "not finite in epoch"),
        (["train", "--threads", "0"], "0 threads were asked for"),
        (["ladder", "--rung", "x"], "no rung 'x'"),
        (["ladder", "--epochs", "0", "--data", "digits", "--batch-size", "9"], "at least 2 epochs"),
        (["train", "--device", "gpu:0"], "Training by a rung is NumPy's, which runs on the cpu"),
        (["ladder", "--device", "gpu:0"], "The ladder is NumPy's, which runs on the cpu"),
        (["growth", "--device", "tpu"], "There is no device 'tpu'"),
        (["keras", "mlp", "--device", "gpu0"], "There is no device 'gpu0'"),
        (["growth", "--samples", "0"], "at least 1, not 0"),
        (["keras", "mpl"], "no network 'mpl'; did you mean mlp"),
        (["keras", "mlp", "--momentum", "-0.5"], "must not be negative"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)  # fmt: skip
def test_bad_input_is_one_sentence(
    arguments: list[str], fragment: str, refused: Callable[..., str]
) -> None:
    assert fragment in refused(*arguments)


def test_bad_input_is_one_sentence_in_a_process_of_its_own(tmp_path: Path) -> None:
    done = run(tmp_path, "train", "--loss", "los")
    assert done.returncode == 2
    assert done.stderr == "mlpperf: There is no loss 'los'; did you mean log?\n"


def test_calibrations_of_two_machines_are_never_added_up(tmp_path: Path) -> None:
    kept = (ROOT / "records" / "calibrations.jsonl").read_text("utf-8").splitlines()
    here = json.loads(kept[0])
    there = here | {"machine": here["machine"] | {"processor": "another one"}}
    file = tmp_path / "calibrations.jsonl"
    for records, expected in (([here, here], ["0 of 2"]), ([here, there], ["0 of 1"] * 2)):
        file.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
        assert re.findall(r"\b\d+ of \d+\b", calibration(tmp_path)) == expected
