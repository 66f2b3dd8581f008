"""An epoch of every rung under pytest-benchmark, after the rung was proven on its first batches."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from mlpperf.agreement import Agreement, tolerance
from mlpperf.articles.data import datasets as data
from mlpperf.articles.data.samples import Samples
from mlpperf.articles.mlp.network import NetworkCase, step_cost
from mlpperf.articles.mlp.rungs import Step0
from mlpperf.articles.mlp.settings import ARTICLE
from mlpperf.articles.mlp.training import RUNGS, Run, samples_of

STEPS = 5  # whose losses are compared before anything is timed


@pytest.fixture(scope="module")
def samples() -> Samples:
    return samples_of(data.load(), ARTICLE)


@pytest.fixture(scope="module")
def reference(samples: Samples) -> Run:
    return Run(data.load(), ARTICLE, Step0, samples=samples)


@pytest.fixture(scope="module")
def losses(reference: Run) -> np.ndarray:
    return reference.rung.train(reference.order()[: STEPS * ARTICLE.batch_size]).loss


@pytest.fixture
def run(request: pytest.FixtureRequest, samples: Samples) -> Iterator[Run]:
    started = Run(data.load(), ARTICLE, request.param, samples=samples)
    yield started
    started.rung.close()


@pytest.mark.parametrize("run", RUNGS, indirect=True, ids=lambda rung: rung.name)
def test_epoch(benchmark: BenchmarkFixture, run: Run, losses: np.ndarray) -> None:
    benchmark.group = "ladder/batch-500"
    order = run.order()
    got = run.rung.train(order[: STEPS * ARTICLE.batch_size]).loss
    depth = step_cost(NetworkCase(ARTICLE.batch_size, run.layers)).depth
    error = float(np.abs(got / losses - 1).max())
    allowed = STEPS * tolerance(losses, Agreement.FLOAT32, depth)
    assert error <= allowed  # before anything wrong is timed
    benchmark.extra_info = {"rung": run.rung.name, "error": error, "tolerance": allowed}
    if benchmark.enabled:
        benchmark.pedantic(run.rung.train, (order,), rounds=3, warmup_rounds=1)
    else:
        benchmark(run.rung.train, order[: ARTICLE.batch_size])
