"""Keras networks: what is built is what the articles built, and what is asked for is in force."""

import importlib.util
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mlpperf import devices
from mlpperf.articles.data import datasets as data
from mlpperf.articles.keras import models as keras_models
from mlpperf.articles.keras.models import (
    CNN_2,
    CNN_3,
    DEEP_MLP,
    MLP,
    Convolution,
    Network,
    build,
)
from mlpperf.articles.keras.training import KerasEpoch, pipeline, stalls, train
from mlpperf.errors import MlpperfError

needs_tensorflow = pytest.mark.skipif(
    importlib.util.find_spec("tensorflow") is None,
    reason="TensorFlow is not installed: pip install 'mlpperf[tensorflow]'",
)
pytestmark = pytest.mark.filterwarnings("ignore")  # of TensorFlow's own imports

SMALL_CNN = Network(
    convolutions=(Convolution(8, pool=2), Convolution(8)),
    dense=(20,),
    activation="relu",
    output="softmax",
    batch_size=64,
    epochs=3,
    l2=1e-4,
)


@needs_tensorflow
@pytest.mark.parametrize(
    ("network", "parameters"),
    [
        (MLP, 57_390),
        (DEEP_MLP, 183_990),
        (CNN_2, 96_844),
        (CNN_3, 232_242),
        (replace(CNN_3, convolutions=(Convolution(64, pool=2), *CNN_3.convolutions[1:])), 250_994),
    ],
    ids=["mlp", "deep_mlp", "cnn_2", "cnn_3", "cnn_3 with 64 maps"],
)
def test_the_networks_have_the_parameters_of_the_articles(
    network: Network, parameters: int
) -> None:
    assert build(network).count_params() == parameters


def rate_at(network: Network, step: int) -> float:
    """The learning rate of a batch, from 0."""
    return network.learning_rate / (1 + network.decay * step)


@needs_tensorflow
@pytest.mark.parametrize("decay", [0.0, 1e-3, 0.5])
def test_the_rate_in_force_is_that_of_the_formula(decay: float) -> None:
    network = replace(SMALL_CNN, convolutions=(), learning_rate=2e-3, decay=decay)
    model = build(network, pixels=4)
    for step in range(4):
        rate = float(model.optimizer.learning_rate)
        assert rate == pytest.approx(rate_at(network, step), rel=1e-6)
        model.optimizer.iterations.assign_add(1)


@needs_tensorflow
def test_a_small_network_learns_and_records() -> None:
    digits, seen = data.load("digits"), []
    network = replace(SMALL_CNN, epochs=6, learning_rate=3e-3, decay=1e-3)
    model, history = train(network, digits, on_epoch=lambda h: seen.append(len(h)))
    assert seen == list(range(1, 7))
    batches = -(-len(digits.train_images) // 64)
    assert [e.iterations for e in history] == [batches * n for n in range(1, 7)]
    for e in history:
        assert e.learning_rate == pytest.approx(rate_at(network, e.iterations), rel=1e-5)
        assert e.seconds > 0
    assert history[-1].loss < history[0].loss
    assert history[-1].validation_accuracy > 0.8
    assert model.count_params() > 0


@needs_tensorflow
def test_batches_of_one_execution_train_as_those_of_many() -> None:
    network = replace(MLP, dense=(20,), epochs=2)
    _, one_by_one = train(network, data.load("digits"))
    _, together = train(replace(network, steps_per_execution=3), data.load("digits"))
    for a, b in zip(one_by_one, together, strict=True):
        assert a.iterations == b.iterations
        assert a.loss == pytest.approx(b.loss, rel=1e-4)
        assert a.validation_accuracy == pytest.approx(b.validation_accuracy, abs=0.01)
        assert b.seconds > 0


@needs_tensorflow
def test_equal_seeds_start_and_end_equal() -> None:
    first, second = build(MLP), build(MLP)
    other = build(replace(MLP, seed=1))
    for a, b, c in zip(first.get_weights(), second.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
        assert not a.any() or not np.array_equal(a, c)
    digits, network = data.load("digits"), replace(SMALL_CNN, epochs=1)
    ends = [train(network, digits)[0].get_weights() for _ in range(2)]
    for a, b in zip(*ends, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@needs_tensorflow
def test_regularisers_are_those_of_the_hidden_layers() -> None:
    regular = [layer.kernel_regularizer for layer in build(replace(MLP, l2=0.25)).layers]
    assert regular[-1] is None
    assert [float(r.l2) for r in regular[:-1]] == [0.25, 0.25]
    assert all(layer.kernel_regularizer is None for layer in build(replace(MLP, l2=0)).layers)


@needs_tensorflow
@pytest.mark.parametrize("name", keras_models.OPTIMIZERS)
def test_every_optimizer_can_be_built(name: str) -> None:
    momentum = 0.3 if keras_models.OPTIMIZERS[name] else 0.0
    optimizer = build(replace(MLP, optimizer=name, momentum=momentum)).optimizer
    assert type(optimizer).__name__.lower() == name
    assert getattr(optimizer, "momentum", 0.0) == momentum or name == "nadam"


@needs_tensorflow
def test_the_pipeline_gives_every_sample_once_in_new_orders_without_autotuning() -> None:
    x = np.arange(10, dtype=np.float32)[:, None]
    batches = pipeline(x, x, 4, seed=0)
    assert batches.options().autotune.enabled is False
    flowing = iter(batches)  # without end: an epoch is three batches
    epochs = [[next(flowing)[0].numpy().ravel() for _ in range(3)] for _ in range(2)]
    assert [[len(b) for b in epoch] for epoch in epochs] == [[4, 4, 2]] * 2
    orders = [np.concatenate(epoch).tolist() for epoch in epochs]
    assert [sorted(order) for order in orders] == [list(range(10))] * 2
    assert orders[0] != orders[1]
    again = iter(pipeline(x, x, 4, seed=0))
    assert np.concatenate([next(again)[0].numpy().ravel() for _ in range(3)]).tolist() == orders[0]
    other = iter(pipeline(x, x, 4, seed=1))
    assert np.concatenate([next(other)[0].numpy().ravel() for _ in range(3)]).tolist() != orders[0]
    plain = [b[0].numpy().ravel().tolist() for b in pipeline(x, x, 4, seed=None)]
    assert plain == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def epoch(seconds: float) -> KerasEpoch:
    return KerasEpoch(1, 1.0, 0.5, 1.0, 0.5, 1e-3, 1, seconds, seconds)


def test_a_stall_is_noticed_and_the_compilation_is_none() -> None:
    assert stalls([epoch(s) for s in (9, 1, 1.1, 0.9, 1.3)]) == []
    assert stalls([epoch(s) for s in (9, 1, 1.1, 5, 1.3)]) == [epoch(5)]
    assert stalls([epoch(1)]) == []


@pytest.mark.parametrize(
    ("make", "fragment"),
    [
        (lambda: Network(learning_rate=0), "positive number, not 0"),
        (lambda: Network(decay=-0.1), "not be negative"),
        (lambda: Network(optimizer="adam"), "no optimizer 'adam'; did you mean nadam or adamax"),
        (lambda: Network(optimizer="nadam", momentum=0.5), "takes no momentum; sgd and rmsprop do"),
        (lambda: Network(activation="sigmoit"), "did you mean sigmoid"),
        (lambda: Network(output="tanh"), "there are sigmoid, softmax"),
        (lambda: Network(dense=(0,)), "at least 1"),
        (lambda: Network(batch_size=0), "at least 1"),
        (lambda: Network(l2=-1), "not be negative"),
    ],
)
def test_bad_settings_are_one_sentence(make: Any, fragment: str) -> None:
    with pytest.raises(MlpperfError, match=fragment):
        make()


@needs_tensorflow
def test_data_that_do_not_fit() -> None:
    digits = data.load("digits")
    with pytest.raises(MlpperfError, match="square images, not 63"):
        build(CNN_2, pixels=63)
    with pytest.raises(MlpperfError, match="too small"):
        build(CNN_2, pixels=16)
    with pytest.raises(MlpperfError, match="does not fit"):
        train(replace(SMALL_CNN, batch_size=5000), digits)


def test_without_tensorflow_the_error_names_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow", None)

    class Missing:
        def find_spec(self, name: str, *rest: Any) -> None:
            if name == "tensorflow":
                raise ModuleNotFoundError("No module named 'tensorflow'", name="tensorflow")

    monkeypatch.delitem(sys.modules, "tensorflow")
    monkeypatch.setattr(sys, "meta_path", [Missing(), *sys.meta_path])
    devices.tensorflow.cache_clear()
    with pytest.raises(MlpperfError, match=r"pip install 'mlpperf\[tensorflow\]'"):
        build(MLP)
