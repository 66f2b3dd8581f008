"""Cluster distances: right, an estimator as scikit-learn wants it, and inputs for every rung."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator
from threadpoolctl import threadpool_info

from mlpperf import parallel
from mlpperf.agreement import Agreement, tolerance
from mlpperf.articles.clusters import features as clusters
from mlpperf.articles.clusters.features import ClusterDistances, in_clusters
from mlpperf.articles.clusters.loading import load
from mlpperf.articles.data import datasets as data
from mlpperf.articles.data.datasets import FewClustersWarning
from mlpperf.articles.data.samples import Scaling
from mlpperf.articles.mlp.equations import Array
from mlpperf.articles.mlp.in_place import InPlace
from mlpperf.articles.mlp.network import NetworkCase, initial_weights, step_cost
from mlpperf.articles.mlp.rungs import BatchCosts, Step0
from mlpperf.articles.mlp.settings import Settings
from mlpperf.articles.mlp.training import RUNGS, Run, samples_of
from mlpperf.errors import MlpperfError
from mlpperf.parallel import in_parallel
from mlpperf.paths import cluster_distances as page

DIGITS = data.load("digits")
SCALERS = [None, *clusters.SCALERS]
Change = Callable[[ClusterDistances], Any]


@pytest.fixture(scope="module")
def fitted() -> ClusterDistances:
    return ClusterDistances(20, random_state=0).fit(DIGITS.train_images)


# --- the transformation ---------------------------------------------------------------------------


def exact(x: Array, centres: Array) -> Array:
    """√Σ(x − c)² in float64, which cancels nothing."""
    difference = x[:, None, :].astype(np.float64) - centres.astype(np.float64)
    return np.sqrt(np.square(difference).sum(axis=2))


@pytest.mark.parametrize("scaler", SCALERS)
@pytest.mark.parametrize("kind", [np.uint8, np.float32, np.float64])
def test_distances_are_those_to_the_centres(scaler: str | None, kind: type) -> None:
    images = DIGITS.train_images.astype(kind)
    transformer = ClusterDistances(20, scaler=scaler, random_state=0).fit(images)
    x = images.astype(np.float64)
    if scaler == "standard":
        x = StandardScaler().fit_transform(x)
    elif scaler == "per_sample":
        x /= np.linalg.norm(x, axis=1, keepdims=True)
    got = transformer.transform(images)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, exact(x, transformer.cluster_centers_), rtol=1e-4)


def around(centres: Array, size: float) -> Array:
    """Samples at the centres, and at distances of 1e-6 to 1 times `size` from them."""
    rng = np.random.default_rng(1)
    directions = rng.standard_normal((6, *centres.shape))
    directions /= np.linalg.norm(directions, axis=2, keepdims=True)
    steps = size * np.array([1e-6, 1e-4, 1e-3, 1e-2, 0.1, 1])[:, None, None]
    moved = (centres + steps * directions).reshape(-1, centres.shape[1])
    return np.concatenate([centres, moved.astype(np.float32)])


@pytest.mark.parametrize("variant", page.PATH.variants, ids=lambda v: v.name)
def test_every_distance_is_right_however_near_a_centre(variant: Any) -> None:
    centres = np.random.default_rng(0).normal(50, 20, (7, 784)).astype(np.float32)
    x = around(centres, size=float(np.linalg.norm(centres[0])))
    (got,) = variant(x, centres)
    truth = exact(x, centres)
    assert (got[range(7), range(7)] == 0).all()
    np.testing.assert_allclose(got, truth, rtol=1e-4, atol=0)


def test_without_looking_for_what_cancels_they_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlpperf.articles.clusters.distances.NEAR", 0.0)
    centres = np.random.default_rng(0).normal(50, 20, (7, 784)).astype(np.float32)
    x = around(centres, size=float(np.linalg.norm(centres[0])))
    with np.errstate(invalid="ignore"):  # of roots of negative numbers
        (got,) = page.product(x, page.centres_ready(centres))
    truth = exact(x, centres)
    wrong = ~(np.abs(got - truth) <= 1e-4 * truth)
    assert wrong.sum() > 7


@pytest.mark.parametrize("shares", [2, 3, 8])
@pytest.mark.parametrize("rows", [1, 2, 7, 1000])
def test_every_row_is_worked_on_once(
    shares: int, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parallel, "threads", lambda: shares)
    monkeypatch.setattr(parallel, "SMALL", 0)
    done = np.zeros(rows)

    def work(part: Array) -> None:
        part += 1
        (pool,) = {p["num_threads"] for p in blas_pools()}
        assert rows == 1 or pool == 1

    in_parallel(work, done, products=True)
    assert (done == 1).all()


def blas_pools() -> list[dict[str, Any]]:
    return [p for p in threadpool_info() if p["user_api"] == "blas"]


def test_the_blas_has_its_threads_again_also_after_an_exception(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(parallel, "threads", lambda: 2)
    monkeypatch.setattr(parallel, "SMALL", 0)
    before = [p["num_threads"] for p in blas_pools()]

    def fails(part: Array) -> None:
        raise ValueError("as it should")

    with pytest.raises(ValueError, match="as it should"):
        in_parallel(fails, np.zeros(9), products=True)
    assert [p["num_threads"] for p in blas_pools()] == before


def test_the_tolerance_of_the_page_is_what_is_promised() -> None:
    for case in page.PATH.cases:
        depth = page.cost(case).depth
        result = np.broadcast_to(np.float32(1), (case.batch, case.layers[1]))
        assert tolerance(result, Agreement.REASSOCIATED, depth) <= 1e-4


def test_the_whole_of_mnist_is_a_case() -> None:
    assert page.PATH.cases[-1] == NetworkCase(70_000)
    layers = (9, 4, 3)
    x, centres = page.inputs(NetworkCase(90, layers, "synthetic"), np.random.default_rng(0))
    assert x.shape == (90, 9)
    assert centres.shape == (4, 9)


def test_the_test_set_follows_the_training_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "TRAINING", 1_500)
    x, _ = page.inputs(NetworkCase(1_600, (64, 20, 10), "digits"), np.random.default_rng(0))
    wanted = Scaling("standard", DIGITS.train_images)(DIGITS.test_images[:100])
    assert x.shape == (1_600, 64)
    assert x.dtype == np.float32
    np.testing.assert_allclose(x[1_500:], wanted, atol=1e-5)


# --- an estimator ---------------------------------------------------------------------------------


@pytest.mark.parametrize("scaler", SCALERS)
def test_it_behaves_as_an_estimator(scaler: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "FEWEST_CLUSTERS", 1)  # scikit-learn tries one
    check_estimator(ClusterDistances(2, scaler=scaler, random_state=0), on_skip=None)


def test_it_works_in_a_pipeline() -> None:
    pipeline = make_pipeline(
        ClusterDistances(60, scaler="per_sample", random_state=0),
        StandardScaler(),
        RidgeClassifier(),
    )
    pipeline.fit(DIGITS.train_images, DIGITS.train_labels)
    assert pipeline.score(DIGITS.test_images, DIGITS.test_labels) > 0.9
    names = pipeline[:-1].get_feature_names_out()
    assert list(names[:2]) == ["clusterdistances0", "clusterdistances1"]
    assert len(names) == 60
    again = clone(pipeline).set_params(clusterdistances__n_clusters=5)
    assert again.fit(DIGITS.train_images, DIGITS.train_labels)[0].cluster_centers_.shape[0] == 5


def test_the_same_seed_finds_the_same_clusters(fitted: ClusterDistances) -> None:
    again = clone(fitted).fit(DIGITS.train_images)
    np.testing.assert_array_equal(again.cluster_centers_, fitted.cluster_centers_)
    other = clone(fitted).set_params(random_state=1).fit(DIGITS.train_images)
    assert (other.cluster_centers_ != fitted.cluster_centers_).any()


@pytest.mark.parametrize(
    ("parameters", "fragment"),
    [
        ({"n_clusters": 0}, "n_clusters must be a whole number of at least 2, not 0"),
        ({"n_clusters": 1}, "n_clusters must be a whole number of at least 2, not 1"),
        ({"n_clusters": 2.5}, "not 2.5"),
        ({"n_clusters": 1_501}, "1501 clusters cannot be found in n_samples=1500"),
        ({"n_init": 0}, "n_init must be a whole number of at least 1"),
        ({"batch_size": 0}, "batch_size must be a whole number of at least 1"),
        ({"scaler": "standart"}, "did you mean standard"),
    ],
)
def test_parameters_out_of_range(parameters: dict[str, Any], fragment: str) -> None:
    with pytest.raises(MlpperfError, match=fragment):
        ClusterDistances(**parameters).fit(DIGITS.train_images)


def spoilt(value: float) -> Array:
    x = DIGITS.train_images.astype(np.float64)
    x[3, 5] = value
    return x


@pytest.mark.parametrize(
    ("images", "fragment"),
    [
        (np.full((90, 64), 7, np.uint8), r"All samples are the same \(n_samples=90\)"),
        (spoilt(np.nan), "contains NaN"),
        (spoilt(np.inf), "contains infinity"),
        (DIGITS.train_images[:, 0], "Expected 2D array"),
        (DIGITS.train_images[:0], "0 sample"),
    ],
)
def test_samples_without_clusters(images: Array, fragment: str) -> None:
    with pytest.raises(MlpperfError, match=fragment) as raised:
        ClusterDistances(2).fit(images)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("images", "fragment"),
    [
        (DIGITS.test_images[:, :63], "63 features, but ClusterDistances is expecting 64"),
        (spoilt(np.nan), "contains NaN"),
        (spoilt(1e30), "too large for float32"),
    ],
)
def test_samples_without_distances(images: Array, fragment: str, fitted: ClusterDistances) -> None:
    with pytest.raises(MlpperfError, match=fragment):
        fitted.transform(images)


def test_before_it_is_fitted_it_refuses() -> None:
    with pytest.raises(NotFittedError):
        ClusterDistances().transform(DIGITS.train_images)


def test_constant_features_do_no_harm() -> None:
    images = DIGITS.train_images.copy()
    images[:, :30] = 3
    for scaler in SCALERS:
        got = ClusterDistances(5, scaler=scaler, random_state=0).fit_transform(images)
        assert np.isfinite(got).all()


def test_an_image_of_zeros_has_a_distance() -> None:
    transformer = ClusterDistances(5, scaler="per_sample", random_state=0).fit(DIGITS.train_images)
    lengths = np.linalg.norm(transformer.cluster_centers_, axis=1)
    np.testing.assert_allclose(transformer.transform(np.zeros((1, 64)))[0], lengths, rtol=1e-5)


# --- data sets ------------------------------------------------------------------------------------


def test_only_training_images_decide() -> None:
    other = replace(DIGITS, test_images=DIGITS.test_images[::-1] // 2)
    ours, others = in_clusters(DIGITS, 20), in_clusters(other, 20)
    np.testing.assert_array_equal(ours.train_images, others.train_images)
    assert (ours.test_images != others.test_images).any()


def test_a_set_of_distances_has_a_name() -> None:
    loaded = load("clusters:20:digits")
    assert loaded.name == "clusters:20:digits"
    assert loaded.train_images.shape == (1500, 20)
    assert loaded.test_images.dtype == np.float32
    np.testing.assert_array_equal(load(loaded.name).train_images, loaded.train_images)


@pytest.mark.parametrize(
    ("name", "fragment"),
    [
        ("clusters", "lacks a number of clusters"),
        ("clusters:x", "lacks a number of clusters"),
        ("clusters:0:digits", "at least 2, not 0"),
        ("clusters:1:digits", "at least 2, not 1"),
        ("clusters:1501:digits", "1501 clusters cannot be found"),
        ("clusters:20:digit", "did you mean digits"),
        ("cluster:20", "did you mean clusters:K"),
        ("cifar", "there are mnist, digits, synthetic:N, clusters:K"),
    ],
)
def test_a_set_that_there_is_not(name: str, fragment: str) -> None:
    with pytest.raises(MlpperfError, match=fragment):
        load(name)


def test_fewer_clusters_than_classes_are_reported() -> None:
    with pytest.warns(FewClustersWarning, match="9 clusters are few for 10 classes"):
        in_clusters(DIGITS, 9)
    in_clusters(DIGITS, 10)  # warnings are errors here


def test_a_command_reports_it_in_one_sentence(tmp_path: Path) -> None:
    words = ["train", "--data", "clusters:5:digits", "--epochs", "1", "--records", "rec"]
    done = subprocess.run(
        [sys.executable, "-m", "mlpperf", *words, "--rung", "float32"],
        cwd=tmp_path, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0
    sentence = "mlpperf: 5 clusters are few for 10 classes: some cannot be distinguished.\n"
    assert done.stderr == sentence
    assert "float32 on clusters:5:digits, hidden layers 70-30" in done.stdout


# --- the rungs ------------------------------------------------------------------------------------

SETTINGS = Settings(hidden=(20, 12), batch_size=50, l2=0.2, epochs=2).with_clusters(30, 64)
STEPS = 10


@pytest.fixture(scope="module")
def distances() -> data.Features:
    return in_clusters(DIGITS, 30)


def test_the_rule_for_the_regularisation() -> None:
    assert Settings(l2=0.2).with_clusters(70, 784).l2 == pytest.approx(0.2 * 70 / 784)


def trained(
    rung: type[Step0], distances: data.Features, count: int
) -> tuple[BatchCosts, list[Array]]:
    """What `count` samples cost, and the gradients of the last batch."""
    layers = (30, *SETTINGS.hidden, 10)
    weights = initial_weights(layers, np.random.default_rng(0), np.float64, SETTINGS)
    run = rung.begin(samples_of(distances, SETTINGS), weights, SETTINGS)
    try:
        costs = run.train(np.random.default_rng(1).permutation(1500)[:count])
        return costs, [m / SETTINGS.learning_rate for m in run.state()[1]]
    finally:
        run.close()


Truth = tuple[list[Array], BatchCosts]


@pytest.fixture(scope="module")
def truth(distances: data.Features) -> Truth:
    """First gradients, and costs of ten steps, of step 0 in float64."""
    _, gradients = trained(Step0, distances, SETTINGS.batch_size)
    costs, _ = trained(Step0, distances, STEPS * SETTINGS.batch_size)
    return gradients, costs


def check(rung: type[Step0], distances: data.Features, truth: Truth) -> None:
    """First gradients, and costs of ten steps, agree with step 0 in float64."""
    depth = step_cost(NetworkCase(SETTINGS.batch_size, (30, *SETTINGS.hidden, 10), "digits")).depth
    _, got = trained(rung, distances, SETTINGS.batch_size)
    gradients, theirs = truth
    for g, true in zip(got, gradients, strict=True):
        allowed = tolerance(true, Agreement.FLOAT32, depth) * np.abs(true).max()
        assert np.abs(g - true).max() <= allowed, "gradient"
    ours, _ = trained(rung, distances, STEPS * SETTINGS.batch_size)
    for step, (loss, true) in enumerate(zip(ours.loss, theirs.loss, strict=True), 1):
        allowed = step * tolerance(np.asarray(true), Agreement.FLOAT32, depth) * true
        assert abs(loss - true) <= allowed, f"step {step}"


@pytest.mark.parametrize("rung", RUNGS[1:], ids=lambda rung: rung.name)
def test_every_rung_trains_on_distances_as_step_0_does(
    rung: type[Step0], distances: data.Features, truth: Truth
) -> None:
    check(rung, distances, truth)


class LastDistanceLost(InPlace):
    def collect(self, index: Array) -> tuple[Array, Array]:
        x, y = super().collect(index)
        x[:, -1] = 0
        return x, y


def test_a_rung_that_loses_a_distance_is_detected(distances: data.Features, truth: Truth) -> None:
    with pytest.raises(AssertionError, match="gradient"):
        check(LastDistanceLost, distances, truth)


def test_a_run_on_distances_learns(distances: data.Features) -> None:
    run = Run(distances, replace(SETTINGS, learning_rate=0.01, epochs=20), InPlace)
    for _ in range(20):
        run.epoch()
    assert run.history[-1].test_accuracy is not None
    assert run.history[-1].test_accuracy > 0.9
