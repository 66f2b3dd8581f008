"""Training runs: what they record, and how they stop."""

import json
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest

from mlpperf.articles.data import datasets as data
from mlpperf.articles.data import samples
from mlpperf.articles.data.samples import Scaling
from mlpperf.articles.mlp import equations, settings
from mlpperf.articles.mlp.growth import grow
from mlpperf.articles.mlp.in_place import InPlace
from mlpperf.articles.mlp.network import initial_weights
from mlpperf.articles.mlp.rungs import ActivationCached, Step0
from mlpperf.articles.mlp.settings import ARTICLE, Settings
from mlpperf.articles.mlp.team import Team
from mlpperf.articles.mlp.threads import Threads, ZerosSkipped
from mlpperf.articles.mlp.training import (
    RUNGS,
    DivergedError,
    Run,
    last_rung,
    predict,
    rung_named,
)
from mlpperf.errors import MlpperfError

DIGITS = data.load("digits")
SETTINGS = Settings(hidden=(30,), batch_size=64, epochs=4, learning_rate=5e-3, predict_every=2)


def finished(run: Run) -> Run:
    while len(run.history) < run.settings.epochs:
        run.epoch()
    return run


def test_a_network_learns_and_records_how() -> None:
    run = finished(Run(DIGITS, replace(SETTINGS, epochs=12, predict_every=5), InPlace))
    costs = [e.cost for e in run.history]
    assert costs[-1] < 0.3 * costs[0]
    assert [e.epoch for e in run.history] == list(range(1, 13))
    assert [e.epoch for e in run.history if e.test_accuracy is not None] == [5, 10, 12]
    last = run.history[-1]
    assert last.test_accuracy is not None
    assert last.test_accuracy > 0.85
    assert 0 < last.penalty_share < 1
    assert last.seconds > 0
    assert len(last.mean_weights) == 2
    assert last.mean_weights[0] == pytest.approx(np.abs(run.weights[0][:, 1:]).mean())


def test_the_learning_rate_decreases_as_in_the_articles() -> None:
    rate = ARTICLE.learning_rate
    for epoch in range(34):
        rate = ARTICLE.next_rate(rate, epoch)
    assert rate == pytest.approx(9.994e-4, abs=5e-8)


def test_rates_that_go_with_batch_sizes() -> None:
    rates = [ARTICLE.with_batch(size).learning_rate for size in (1, 500, 20_000)]
    assert rates == [1e-3, 1e-3, 1e-4]


@pytest.mark.parametrize("init", ["sqrt_nodes", "constant"])
def test_initial_weights_fill_their_interval(init: str) -> None:
    settings = Settings(init=init, init_factor=1.5)
    rng = np.random.default_rng(0)
    below, above = initial_weights((100, 50, 10), rng, np.float64, settings)
    limits = (0.15, 1.5 / np.sqrt(50)) if init == "sqrt_nodes" else (1.5, 1.5)
    for w, limit in zip((below, above), limits, strict=True):
        assert 0.95 * limit < np.abs(w).max() <= limit
        assert abs(w.mean()) < 0.1 * limit


def test_all_rungs_see_the_same_batches() -> None:
    orders = [Run(DIGITS, SETTINGS, rung).order() for rung in RUNGS[:3]]
    for order in orders[1:]:
        np.testing.assert_array_equal(order, orders[0])
    run = Run(DIGITS, SETTINGS, InPlace)
    first = run.order()
    run.epoch()
    assert not np.array_equal(run.order(), first)
    assert sorted(run.order()) == list(range(len(DIGITS.train_images)))
    plain = Run(DIGITS, replace(SETTINGS, shuffle=False), InPlace)
    np.testing.assert_array_equal(plain.order(), np.arange(len(DIGITS.train_images)))


@pytest.mark.parametrize("rung", RUNGS, ids=lambda r: r.name)
def test_the_same_settings_train_the_same_network_again(rung: type[Step0]) -> None:
    one, other = (finished(Run(DIGITS, replace(SETTINGS, epochs=2), rung)) for _ in range(2))
    for run in (one, other):
        run.rung.close()
    for ours, theirs in zip(one.weights, other.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    for ours, theirs in zip(one.history, other.history, strict=True):
        assert replace(ours, seconds=0) == replace(theirs, seconds=0)


@pytest.mark.parametrize("scaler", ["standard", "minmax", "per_sample"])
def test_prediction_scales_as_training_does(scaler: str) -> None:
    run = Run(DIGITS, replace(SETTINGS, scaler=scaler), ActivationCached)
    run.epoch()
    a = run.samples.scaling(DIGITS.test_images, np.float64)
    for w in run.weights:
        a = 1 / (1 + np.exp(-(a @ w[:, 1:].T + w[:, 0])))
    expected = a.argmax(axis=1)
    assert np.mean(run.predict(DIGITS.test_images) == expected) > 0.998  # but for near ties
    assert len(set(expected.tolist())) > 1


# --- bad input --------------------------------------------------------------------------------


def test_a_diverging_run_stops_where_its_cost_did() -> None:
    for rung in (Step0, InPlace):
        run = Run(DIGITS, replace(SETTINGS, learning_rate=1e4), rung)
        with pytest.raises(DivergedError, match=r"not finite in epoch \d+, batch \d+; a lower"):
            finished(run)
        assert len(run.history) < SETTINGS.epochs


@pytest.mark.parametrize(
    ("changed", "fragment"),
    [
        ({"hidden": (0,)}, "at least one node"),
        ({"hidden": (5, -1)}, "at least one node"),
        ({"batch_size": 0}, "batch_size must be at least 1, not 0"),
        ({"epochs": 0}, "epochs must be at least 1"),
        ({"predict_every": -1}, "predict_every must be at least 0"),
        ({"activation": "sigmoit"}, "did you mean sigmoid"),
        ({"loss": "logg"}, "did you mean log"),
        ({"scaler": "minmaxx"}, "did you mean minmax"),
        ({"init": "sqrt"}, "did you mean sqrt_nodes"),
        ({"learning_rate": 0.0}, "above 0"),
        ({"learning_rate": float("nan")}, "finite number"),
        ({"l2": -1.0}, "l2 must be a finite number of at least 0"),
    ],
    ids=str,
)
def test_settings_out_of_range(changed: dict[str, Any], fragment: str) -> None:
    with pytest.raises(MlpperfError, match=fragment):
        Settings(**changed)


def test_a_batch_larger_than_the_set() -> None:
    with pytest.raises(MlpperfError, match="A batch of 5000 does not fit the 1"):
        Run(DIGITS, replace(SETTINGS, batch_size=5000), InPlace)


def test_an_unknown_rung() -> None:
    with pytest.raises(MlpperfError, match="did you mean step_0"):
        rung_named("step_00")


def test_images_that_are_not_numbers() -> None:
    images = np.zeros((3, 4))
    images[1, 2] = np.nan
    with pytest.raises(MlpperfError, match="NaN or infinity"):
        Scaling("standard", images)
    with pytest.raises(MlpperfError, match="NaN or infinity"):
        Scaling("per_sample", np.ones((2, 4)))(images)


def test_weights_of_another_shape() -> None:
    weights = initial_weights((64, 20, 10), np.random.default_rng(0))
    with pytest.raises(MlpperfError, match=r"shapes .* this network needs"):
        Run(DIGITS, SETTINGS, InPlace, weights=weights)


# --- the rung that trains ---------------------------------------------------------------------


def test_the_last_rung_is_the_last_that_can_train_here(monkeypatch: pytest.MonkeyPatch) -> None:
    assert last_rung() is rung_named(None) is ZerosSkipped
    monkeypatch.setattr(Threads, "missing", classmethod(lambda cls: "Numba is not installed."))
    assert last_rung() is Team
    with pytest.raises(MlpperfError, match="Numba is not installed"):
        Run(DIGITS, SETTINGS, Threads)


def test_growth_reports_what_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    small = {
        "SAMPLES_FOR_NODES": 100,
        "SAMPLES_TRAINED_MIN": 1000,
        "PRODUCT_SIDE": 100,
        "SETTLE": 0,
    }
    for name, value in small.items():
        monkeypatch.setattr(f"mlpperf.articles.mlp.growth.{name}", value)
    points = list(grow(InPlace, [100, 200], [5], epochs=2))
    assert [(p["samples"], p["hidden"]) for p in points] == [
        (100, [70, 30]),
        (200, [70, 30]),
        (100, [5, 5]),
    ]
    assert all(p["seconds_per_sample"] > 0 and p["peak_share"] > 0 for p in points)


def test_settings_survive_json() -> None:
    stored = json.loads(json.dumps(asdict(SETTINGS)))
    assert Settings(**{**stored, "hidden": tuple(stored["hidden"])}) == SETTINGS


def test_predictions_of_a_known_network() -> None:
    """One layer that copies pixel i to output i."""
    images = np.eye(10, dtype=np.uint8)[[3, 1, 4]] * 255
    weights = [np.column_stack((np.zeros(10), np.eye(10)))]
    scaling = Scaling("minmax", images)
    assert predict(weights, images, scaling, Settings(hidden=())).tolist() == [3, 1, 4]


def test_settings_name_what_there_is() -> None:
    assert tuple(equations.ACTIVATIONS) == settings.ACTIVATIONS
    assert tuple(equations.LOSSES) == settings.LOSSES
    assert settings.SCALERS == samples.SCALERS
