"""Fewer inputs under pytest-benchmark: finding the clusters, their distances, and an epoch on them.

`mlpperf accuracy` is what compares them with pixels: seconds to an accuracy, not per epoch.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from mlpperf.agreement import Agreement, tolerance
from mlpperf.articles.accuracy.contenders import DISTANCES
from mlpperf.articles.clusters.features import ClusterDistances, in_clusters
from mlpperf.articles.data import datasets as data
from mlpperf.articles.mlp.network import NetworkCase, step_cost
from mlpperf.articles.mlp.rungs import Step0
from mlpperf.articles.mlp.team import Team
from mlpperf.articles.mlp.training import Run

CLUSTERS = 70
STEPS = 5  # whose losses are compared before anything is timed
FEWER = 2_000  # images, where the fit is not what is timed


@pytest.fixture(scope="module")
def transformer() -> ClusterDistances:
    fresh = ClusterDistances(CLUSTERS, scaler="per_sample", random_state=0)
    return fresh.fit(data.load().train_images[:FEWER])


@pytest.fixture
def last_rung(transformer: ClusterDistances) -> Iterator[Run]:
    settings = DISTANCES.with_clusters(CLUSTERS, 784)
    run = Run(in_clusters(data.load(), transformer), settings, Team)
    yield run
    run.rung.close()


def test_fit(benchmark: BenchmarkFixture) -> None:
    benchmark.group = f"clusters/{CLUSTERS}"
    images = data.load().train_images[: None if benchmark.enabled else FEWER]
    fresh = ClusterDistances(CLUSTERS, scaler="per_sample", random_state=0)
    fitted = benchmark.pedantic(fresh.fit, (images,), rounds=3)
    # Every centre is the mean of images of length 1, so none is longer.
    assert (np.linalg.norm(fitted.cluster_centers_, axis=1) <= 1 + 1e-5).all()


def test_transform(benchmark: BenchmarkFixture, transformer: ClusterDistances) -> None:
    benchmark.group = f"clusters/{CLUSTERS}"
    images = data.load().train_images[: None if benchmark.enabled else FEWER]
    got = benchmark(transformer.transform, images)
    x = images[:50].astype(np.float64)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    truth = np.linalg.norm(x[:, None] - transformer.cluster_centers_, axis=2)
    np.testing.assert_allclose(got[:50], truth, rtol=1e-4)


def test_epoch(benchmark: BenchmarkFixture, last_rung: Run) -> None:
    benchmark.group = f"clusters/{CLUSTERS}"
    settings, order = last_rung.settings, last_rung.order()
    reference = Run(last_rung.data, settings, Step0, samples=last_rung.samples)
    some = order[: STEPS * settings.batch_size]
    depth = step_cost(NetworkCase(settings.batch_size, last_rung.layers)).depth
    losses = reference.rung.train(some).loss
    error = float(np.abs(last_rung.rung.train(some).loss / losses - 1).max())
    allowed = STEPS * tolerance(losses, Agreement.FLOAT32, depth)
    assert error <= allowed  # before anything wrong is timed
    benchmark.extra_info = {"rung": Team.name, "error": error, "tolerance": allowed}
    benchmark.pedantic(last_rung.rung.train, (order,), rounds=3)
