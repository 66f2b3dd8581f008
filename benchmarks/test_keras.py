"""A training step of every Keras network under pytest-benchmark, after its loss was checked."""

from __future__ import annotations

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from mlpperf.agreement import Agreement, tolerance
from mlpperf.articles.data import datasets as data
from mlpperf.articles.data.samples import Scaling
from mlpperf.articles.keras.models import NETWORKS, build, input_shape
from mlpperf.backends import installed

pytestmark = [
    pytest.mark.skipif(not installed("tensorflow"), reason="TensorFlow is not installed"),
    pytest.mark.filterwarnings("ignore"),  # Keras' own
]


@pytest.mark.parametrize("name", NETWORKS)
def test_training_step(benchmark: BenchmarkFixture, name: str) -> None:
    network = NETWORKS[name]
    benchmark.group = f"keras/batch-{network.batch_size}"
    loaded = data.load()
    images = loaded.train_images[: network.batch_size]
    scaled = Scaling("standard", loaded.train_images)(images)
    x = scaled.reshape(-1, *input_shape(network, images.shape[1]))
    labels = loaded.train_labels[: network.batch_size]
    y = np.eye(10, dtype=np.float32)[labels]
    model = build(network)

    # Categorical cross-entropy and the regularisers, from what Keras predicts. Sigmoid outputs are
    # not normalised for that: Keras takes the softmax of what went into them.
    shares = model(x, training=False).numpy().astype(np.float64)
    if network.output == "sigmoid":
        shares /= 1 - shares  # exp(Z)
    shares /= shares.sum(axis=1, keepdims=True)
    kernels = [layer.kernel.numpy() for layer in model.layers if hasattr(layer, "units")][:-1]
    penalty = sum(np.square(k, dtype=np.float64).sum() for k in kernels) * network.l2
    expected = -np.log(shares[np.arange(len(y)), labels]).mean() + penalty
    got, _ = model.train_on_batch(x, y)
    depth = sum(int(np.prod(w.shape[:-1])) for w in model.get_weights()) + len(y)
    allowed = tolerance(np.array(expected), Agreement.FLOAT32, depth)
    error = abs(float(got) / expected - 1)
    assert error <= allowed  # before anything wrong is timed

    weights = model.count_params()
    benchmark.extra_info = {"weights": weights, "error": error, "tolerance": allowed}
    loss, _ = benchmark(model.train_on_batch, x, y)
    assert np.isfinite(loss)
