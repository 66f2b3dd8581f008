"""What needs a GPU, run for real where there is one."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    shutil.which("nvidia-smi") is None, reason="there is no NVIDIA GPU (no nvidia-smi)"
)


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mlpperf", *arguments, "--device", "gpu:0"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)


def test_every_variant_of_tensorflow_equals_its_reference(articles: Path) -> None:
    done = run(articles, "verify")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "tf_tape_xla" in done.stdout


def test_races_and_their_records(articles: Path) -> None:
    done = run(articles, "race", "sigmoid", "--case", "batch-20000", "--budget", "0.05", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    records = json.loads(done.stdout)
    assert {r["backend"] for r in records} == {"tensorflow"}
    assert {r["device"] for r in records} == {"gpu:0"}
    assert {r["in_force"]["placed"] for r in records} == {"gpu:0"}
    assert all(r["in_force"]["gpu_memory"] > 0 for r in records)


def test_peers_train_on_it(tmp_path: Path) -> None:
    done = run(tmp_path, "peers", "--quick", "--peer", "tf_epoch_xla", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    last_rung, peer = json.loads(done.stdout)
    assert (last_rung["ran_on"], peer["ran_on"]) == ("cpu", "gpu:0")
    assert peer["in_force"]["placed"] == "gpu:0"
    assert abs(last_rung["test_accuracy"] - peer["test_accuracy"]) < 0.005


def test_keras_networks_train_on_it(tmp_path: Path) -> None:
    done = run(tmp_path, "keras", "mlp", "--epochs", "2", "--data", "digits", "--batch-size", "64")
    assert done.returncode == 0, done.stderr
    line = (tmp_path / ".mlpperf" / "keras.jsonl").read_text(encoding="utf-8")
    assert json.loads(line)["in_force"]["placed"] == "gpu:0"
