"""How many clusters: what is measured, the elbow, and the command."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec
import numpy as np
import pytest
from sklearn.metrics import silhouette_score
from typer.testing import CliRunner

from mlpperf.articles.clusters import counts as cluster_counts
from mlpperf.articles.clusters import plots, show
from mlpperf.articles.clusters.counts import Elbow, elbow, measure
from mlpperf.articles.clusters.features import ClusterDistances
from mlpperf.articles.clusters.records import ClustersRecord
from mlpperf.articles.data import datasets as data
from mlpperf.cli.app import app
from mlpperf.engine.history.records import CodeVersion, as_records
from mlpperf.errors import MlpperfError

DIGITS = data.load("digits")
COUNTS = list(range(10, 171, 10))


def test_inertia_and_silhouette_are_what_they_should_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_counts, "SAMPLE", 300)
    monkeypatch.setattr(cluster_counts, "SCALER", None)
    measured = measure(DIGITS, 20, seed=3)
    transformer = ClusterDistances(20, random_state=3).fit(DIGITS.train_images)
    x = DIGITS.train_images.astype(np.float64)
    squares = np.square(x[:, None] - transformer.cluster_centers_).sum(axis=2)
    assert measured["inertia"] == pytest.approx(squares.min(axis=1).sum(), rel=1e-4)
    drawn = np.random.default_rng(3).permutation(1500)[:300]
    expected = silhouette_score(x[drawn], squares[drawn].argmin(axis=1))
    assert measured["silhouette"] == pytest.approx(expected, rel=1e-4)
    assert measured["silhouette_samples"] == 300
    assert measured["fit_seconds"] > 0
    assert measured["transform_seconds"] > 0


def test_a_sample_in_one_cluster_has_no_silhouette(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_counts, "SAMPLE", 5)
    monkeypatch.setattr(cluster_counts, "SCALER", None)
    images = np.zeros((40, 4), np.uint8)
    images[0] = 255  # a cluster of its own, and not in the sample
    far = data.Dataset("far", images, np.zeros(40, np.uint8), images, np.zeros(40, np.uint8))
    seed = next(s for s in range(99) if 0 not in np.random.default_rng(s).permutation(40)[:5])
    assert measure(far, 2, seed)["silhouette"] is None


@pytest.mark.parametrize(
    ("counts", "fragment"),
    [
        ([], "range is empty"),
        ([0, 10], "not 0"),
        ([1], "not 1"),
        ([10, 1501], "2 to 1500 clusters in the 1500 training samples of digits, not 1501"),
    ],
)
def test_numbers_out_of_range(counts: list[int], fragment: str) -> None:
    with pytest.raises(MlpperfError, match=fragment):
        cluster_counts.check_counts(counts, DIGITS)


# --- the elbow ------------------------------------------------------------------------------------


def bent(at: int) -> list[float]:
    """Steep until there, nearly flat afterwards."""
    return [100 - min(k, at) - 0.01 * max(k - at, 0) for k in COUNTS]


def test_a_bend_is_the_elbow_of_both_ranges() -> None:
    assert elbow(COUNTS, bent(40)) == Elbow(40, 40)
    assert Elbow(40, 40).clear


def test_a_curve_that_flattens_steadily_has_no_clear_elbow() -> None:
    bend = elbow(COUNTS, [k**-0.3 for k in COUNTS])
    assert bend is not None
    assert bend.whole is not None  # the library finds one in any such curve
    assert not bend.clear


def test_a_straight_line_has_none() -> None:
    assert elbow(COUNTS, [200.0 - k for k in COUNTS]) == Elbow(None, None)


def test_too_few_points_are_not_looked_at() -> None:
    assert elbow(COUNTS[:8], bent(40)[:8]) is None


def records(inertias: list[float], seeds: int = 2) -> list[ClustersRecord]:
    contents = [
        {
            "clusters": k,
            "seed": seed,
            "scaler": "per_sample",
            "data": "mnist",
            "fit_seconds": 0.5 + seed,
            "transform_seconds": 0.1,
            "inertia": inertia * (1 + 0.01 * seed),
            "silhouette": None if k == 10 else 0.1,
            "silhouette_samples": 2_000,
        }
        for seed in range(seeds)
        for k, inertia in zip(COUNTS, inertias, strict=True)
    ]
    made = as_records("clusters", CodeVersion(None, dirty=False), contents)
    return [msgspec.convert(record, ClustersRecord) for record in made]


@pytest.mark.parametrize(
    ("inertias", "sentence"),
    [
        (bent(40), "The inertia has its elbow at K = 40"),
        ([k**-0.3 for k in COUNTS], "No clear elbow: the inertia bends most at K ="),
        ([200.0 - k for k in COUNTS], "The inertia has no elbow."),
    ],
)
def test_the_sentence_about_the_elbow(inertias: list[float], sentence: str) -> None:
    made = records(inertias)
    assert show.elbow_found(made).startswith(sentence)
    assert list(plots.figures(made)) == ["seconds of the fit", "inertia", "silhouette"]


def test_few_numbers_have_no_elbow_to_speak_of() -> None:
    assert show.elbow_found(records(bent(40))[:3]).startswith("An elbow takes at least 9 numbers")


def test_rows_show_the_spread_over_the_seeds() -> None:
    made = records(bent(40), seeds=3)
    table = show.clusters([*made, made[0]])  # the newest record of a seed counts
    rows = table.rows
    assert [row[0] for row in rows] == [str(k) for k in COUNTS]
    assert rows[0] == (
        "10", "3", "1.5 s (500 ms–2.5 s)", "100 ms (100 ms–100 ms)", "90.9 (90–91.8)", "–",
    )  # fmt: skip
    assert show.clusters(made[:1]).rows == [("10", "1", "500 ms", "100 ms", "90", "–")]
    assert all(len(row) == len(table.columns) for row in rows)


# --- the command ----------------------------------------------------------------------------------

QUICK = ("--data", "digits", "--from", "5", "--to", "15", "--step", "5")


def test_the_command_prints_and_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with mock.patch.dict(os.environ):
        done = CliRunner().invoke(app, ["clusters", *QUICK, "--seeds", "2", "--records", "rec"])
    assert done.exit_code == 0, done.output
    assert "silhouette of 1,500 training images" in done.stdout
    assert "An elbow takes at least" in done.stdout
    lines = (tmp_path / "rec/clusters.jsonl").read_text("utf-8").splitlines()
    written = [json.loads(line) for line in lines]
    assert [(r["clusters"], r["seed"]) for r in written] == [
        (5, 0), (10, 0), (15, 0), (5, 1), (10, 1), (15, 1),
    ]  # fmt: skip
    assert {r["kind"] for r in written} == {"clusters"}
    assert {r["scaler"] for r in written} == {"per_sample"}


def test_an_interrupted_sweep_keeps_what_is_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Callable[..., str]
) -> None:
    real, done = cluster_counts.measure, []

    def interrupted(*args: Any) -> dict[str, Any]:
        if done:
            raise KeyboardInterrupt
        done.append(real(*args))
        return done[0]

    monkeypatch.setattr(cluster_counts, "measure", interrupted)
    assert "Interrupted" in refused("clusters", *QUICK, "--records", "rec")
    assert len((tmp_path / "rec/clusters.jsonl").read_text("utf-8").splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--from", "0"], "2 to 1500 clusters in the 1500 training samples of digits, not 0"),
        (["--from", "1"], "not 1"),
        (["--to", "1501", "--step", "1"], "not 1501"),
        (["--from", "20", "--to", "10"], "the range is empty"),
        (["--step", "0"], "must be at least 1, not 0"),
        (["--seeds", "0"], "must be at least 1"),
        (["--device", "gpu:0"], "which runs on the cpu, not gpu:0"),
    ],
)
def test_bad_input_is_one_sentence(
    arguments: list[str], sentence: str, refused: Callable[..., str], tmp_path: Path
) -> None:
    assert sentence in refused("clusters", *QUICK[:2], *arguments, "--records", "rec")
    file = tmp_path / "rec/clusters.jsonl"
    assert not file.exists() or not file.stat().st_size
