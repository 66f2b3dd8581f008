"""Every rung trains the same network: oracles above step 0, and step 0 above all others."""

import multiprocessing
import os
import signal
import time
import warnings
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import Any
from unittest import mock

import numpy as np
import psutil
import pytest

from mlpperf.agreement import Agreement, tolerance
from mlpperf.articles.data import datasets as data
from mlpperf.articles.data.samples import Samples, Scaling
from mlpperf.articles.mlp import team
from mlpperf.articles.mlp.equations import ACTIVATIONS, LOSSES, Array
from mlpperf.articles.mlp.in_place import CHUNK, BytesFolded, InPlace, UsedPixels
from mlpperf.articles.mlp.network import NetworkCase, initial_weights, step_cost
from mlpperf.articles.mlp.phases import PhaseClock
from mlpperf.articles.mlp.rungs import BatchCosts, Float32, Step0
from mlpperf.articles.mlp.settings import Settings
from mlpperf.articles.mlp.show_ladder import on_the_ladder
from mlpperf.articles.mlp.team import Team
from mlpperf.articles.mlp.threads import Threads, ZerosSkipped
from mlpperf.articles.mlp.threads_pass import PARTS, Numbers
from mlpperf.articles.mlp.training import RUNGS
from mlpperf.errors import MlpperfError

DIGITS = data.load("digits")  # 64 pixels, some of them 0 throughout
STEPS = 10


class TwoMembers(Team):
    """A team of two, however many processors there are."""

    @classmethod
    def begin(cls, samples: Samples, weights: Any, settings: Settings) -> Team:
        used = samples.scaling.used_pixels(samples.images)
        x = samples.scaling(samples.images, np.float32, used)
        y = samples.one_hot(np.float32)
        return cls(x, y, weights, settings, used=used, members=2)


class TwoThreads(Threads):
    """Two threads, however many processors there are, and chunks smaller than their shares."""

    chunk = 7
    threads = 2

    @classmethod
    def begin(cls, samples: Samples, weights: Any, settings: Settings) -> Threads:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("mlpperf.articles.mlp.threads.threads", lambda: cls.threads)
            return super().begin(samples, weights, settings)


class FourThreads(TwoThreads):
    """More threads than this machine may have processors, and than a batch may have samples."""

    chunk = 250
    threads = 4


class TwoThreadsSkip(ZerosSkipped, TwoThreads):
    """Two threads that skip zeros, however few there are."""

    values_share_max = 1.0


@cache
def scaled_by(scaler: str) -> Samples:
    scaling = Scaling(scaler, DIGITS.train_images)
    return Samples(DIGITS.train_images, DIGITS.train_labels, 10, scaling)


def samples_for(settings: Settings) -> Samples:
    return scaled_by(settings.scaler)


def layers_of(settings: Settings) -> tuple[int, ...]:
    return (64, *settings.hidden, 10)


def weights_for(settings: Settings) -> tuple[Array, ...]:
    rng = np.random.default_rng(settings.seed)
    return initial_weights(layers_of(settings), rng, np.float64, settings)


def trained(rung: type[Step0], settings: Settings, order: Array) -> tuple[BatchCosts, list[Array]]:
    """What `order` costs, and the gradients of the last batch."""
    run = rung.begin(samples_for(settings), weights_for(settings), settings)
    try:
        costs = run.train(order)
        return costs, [m / settings.learning_rate for m in run.state()[1]]
    finally:
        run.close()


ORDER = np.random.default_rng(1).permutation(len(DIGITS.train_images))


@cache
def truth_of(settings: Settings, samples: int) -> tuple[BatchCosts, list[Array]]:
    """What step 0 makes of so many samples."""
    return trained(Step0, settings, ORDER[:samples])


def check(rung: type[Step0], settings: Settings, *, samples: int | None = None) -> None:
    """First gradients and the losses of ten steps agree with step 0."""
    batch = settings.batch_size
    count = samples or STEPS * batch
    depth = step_cost(NetworkCase(batch, layers_of(settings), "digits")).depth
    _, true = truth_of(settings, batch)
    _, got = trained(rung, settings, ORDER[:batch])
    for layer, (g, truth) in enumerate(zip(got, true, strict=True)):
        allowed = tolerance(truth, Agreement.FLOAT32, depth) * np.abs(truth).max()
        assert g.shape == truth.shape
        assert np.abs(g - truth).max() <= allowed, f"gradient of layer {layer}"
    costs, _ = trained(rung, settings, ORDER[:count])
    truth_costs, _ = truth_of(settings, count)
    for name, ours, truth in zip(BatchCosts._fields, costs, truth_costs, strict=True):
        assert len(ours) == len(truth)
        for step, (value, expected) in enumerate(zip(ours, truth, strict=True), 1):
            # Rounding of one step goes into the weights of the next.
            allowed = step * tolerance(np.asarray(expected), Agreement.FLOAT32, depth)
            assert abs(value - expected) <= allowed * abs(expected), f"{name} of step {step}"


BASE = Settings(hidden=(20, 12), batch_size=50, l1=0.02, l2=0.05)
OTHERS = [
    *(r for r in RUNGS[1:] if r not in (Team, Threads, ZerosSkipped)),
    TwoMembers,
    TwoThreads,
    FourThreads,
    TwoThreadsSkip,
]


@pytest.mark.parametrize("rung", OTHERS, ids=lambda r: r.__name__)
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_rung_agrees_with_step_0(rung: type[Step0], activation: str, loss: str) -> None:
    check(rung, replace(BASE, activation=activation, loss=loss))


@pytest.mark.parametrize("rung", OTHERS, ids=lambda r: r.__name__)
@pytest.mark.parametrize(
    "changed",
    [
        {"hidden": ()},
        {"hidden": (1,)},
        {"hidden": (9, 8, 7, 6)},
        {"l1": 0.0, "l2": 0.0},
        {"momentum": 0.5},
        {"batch_size": 1},
        {"batch_size": 33},
        {"init": "constant", "init_factor": 0.3},
    ],
    ids=str,
)
def test_every_rung_agrees_in_every_setting(rung: type[Step0], changed: dict[str, Any]) -> None:
    check(rung, replace(BASE, **changed))


@pytest.mark.parametrize("rung", [*OTHERS[:-1]], ids=lambda r: r.__name__)
@pytest.mark.parametrize("scaler", ["minmax", "per_sample"])
def test_every_rung_agrees_with_every_scaler(rung: type[Step0], scaler: str) -> None:
    check(rung, replace(BASE, scaler=scaler))


@pytest.mark.parametrize("rung", OTHERS, ids=lambda r: r.__name__)
def test_a_short_last_batch(rung: type[Step0]) -> None:
    check(rung, BASE, samples=3 * BASE.batch_size + 1)


@pytest.mark.parametrize("rung", [InPlace, BytesFolded, UsedPixels, TwoMembers])
def test_batches_larger_than_a_chunk(rung: type[Step0], monkeypatch: pytest.MonkeyPatch) -> None:
    assert BASE.batch_size < CHUNK
    monkeypatch.setattr("mlpperf.articles.mlp.in_place.CHUNK", 7)
    check(rung, BASE)


# --- saboteurs --------------------------------------------------------------------------------


class LastSampleLost(InPlace):
    def differentiate(self, index: Array) -> tuple[float, float]:
        return super().differentiate(index[:-1])


class StaleMomentum(InPlace):
    def advance(self) -> None:
        self.now, self.next = self.next, self.now


class BiasRegularised(Float32):
    def t6_regularise(self, n: int, gradient: Array) -> None:
        gradient += self.weights[n] * self.settings.l2


class HalfPrecision(Float32):
    def gather(self, index: Array) -> tuple[Array, Array]:
        rows, labels = super().gather(index)
        return rows.astype(np.float16).astype(np.float32), labels


class ScaledTwice(BytesFolded):
    def descend(self, low: int, high: int) -> float:
        penalty = super().descend(low, high)
        self.momentum_next.w[0][...] *= self.scale[0] if self.scale else 1
        return penalty


class OneMemberOnly(TwoMembers):
    def descend(self, low: int, high: int) -> float:
        self.gradients = [self.gradient]
        return super().descend(low, high)


class BiasesRegularisedToo(TwoThreads):
    def numbers(self, count: int) -> Numbers:
        return super().numbers(count)._replace(regularised=self.now.vector.size)


class MomentumForgotten(TwoThreads):
    def numbers(self, count: int) -> Numbers:
        return super().numbers(count)._replace(momentum=np.float32(0))


class LastSampleLostByThreads(TwoThreads):
    def numbers(self, count: int) -> Numbers:
        return super().numbers(count - 1)


class OneThreadOnly(TwoThreads):
    def train(self, order: Array) -> BatchCosts:
        self.members, self.own = 1, self.own[:1]
        self.shared = self.shared._replace(meetings=self.shared.meetings[:1])
        return super().train(order[::2])


class OffsetForgotten(TwoThreads):
    def load(self, *state: Any) -> None:
        self.shared.offset[...] = 0
        super().load(*state)


class OffsetForgottenWhereZeros(TwoThreadsSkip):
    def load(self, *state: Any) -> None:
        self.shared.offset[...] = 0
        super().load(*state)


class FirstValueForgotten(TwoThreadsSkip):
    def train(self, order: Array) -> BatchCosts:
        starts = self.shared.nonzero.starts
        starts[0] = 1
        starts[1:-1] += 1
        return super().train(order)


@pytest.mark.parametrize(
    "wrong",
    [
        LastSampleLost,
        StaleMomentum,
        BiasRegularised,
        HalfPrecision,
        ScaledTwice,
        OneMemberOnly,
        BiasesRegularisedToo,
        MomentumForgotten,
        LastSampleLostByThreads,
        OneThreadOnly,
        OffsetForgotten,
        OffsetForgottenWhereZeros,
        FirstValueForgotten,
    ],
    ids=lambda r: r.__name__,
)
def test_a_wrong_rung_is_detected(wrong: type[Step0]) -> None:
    with pytest.raises(AssertionError, match=r"gradient of layer|of step"):
        check(wrong, replace(BASE, momentum=0.5))


# --- oracles above step 0 ---------------------------------------------------------------------


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
def test_step_0_against_central_differences(activation: str, loss: str) -> None:
    settings = replace(BASE, hidden=(6, 5), activation=activation, loss=loss, batch_size=20)
    samples, weights = samples_for(settings), weights_for(settings)
    index = np.arange(20)
    gradients = [
        m / settings.learning_rate
        for m in _stepped(Step0.begin(samples, weights, settings), index).new_momentum
    ]

    def cost(layer: int, place: tuple[int, ...], h: float) -> float:
        moved = [w.copy() for w in weights]
        moved[layer][place] += h
        return Step0.begin(samples, moved, settings).step(index)[0]

    rng = np.random.default_rng(0)
    for layer, w in enumerate(weights):
        for _ in range(12):
            place = tuple(int(rng.integers(n)) for n in w.shape)
            if abs(w[place]) < 1e-5:
                continue  # |W| has no derivative there
            truth = (cost(layer, place, 1e-6) - cost(layer, place, -1e-6)) / 2e-6
            assert gradients[layer][place] == pytest.approx(truth, rel=1e-5, abs=1e-6)


def _stepped(rung: Step0, index: Array) -> Step0:
    rung.step(index)
    return rung


def test_relu_against_central_differences_where_it_has_one() -> None:
    settings = replace(BASE, hidden=(6,), activation="relu", batch_size=20)
    samples, weights = samples_for(settings), weights_for(settings)
    index = np.arange(20)
    rung = _stepped(Step0.begin(samples, weights, settings), index)
    checked = 0
    for place in np.ndindex(6, 3):
        differences = []
        for h in (1e-6, 1e-7):
            costs = []
            for sign in (1, -1):
                moved = [w.copy() for w in weights]
                moved[0][place] += sign * h
                costs.append(Step0.begin(samples, moved, settings).step(index)[0])
            differences.append((costs[0] - costs[1]) / (2 * h))
        if differences[0] == pytest.approx(differences[1], rel=1e-4, abs=1e-5):  # no kink between
            gradient = rung.new_momentum[0][place] / settings.learning_rate
            assert gradient == pytest.approx(differences[0], rel=1e-4, abs=1e-4)
            checked += 1
    assert checked > 10


# --- the team ---------------------------------------------------------------------------------


@pytest.fixture
def pair() -> Iterator[TwoMembers]:
    rung = TwoMembers.begin(samples_for(BASE), weights_for(BASE), BASE)
    assert isinstance(rung, TwoMembers)
    yield rung
    rung.close()


SHARED = [TwoMembers, TwoThreads, FourThreads, TwoThreadsSkip]


@pytest.mark.parametrize("rung", SHARED, ids=lambda r: r.__name__)
def test_a_team_repeats_itself_to_the_last_bit(rung: type[Step0]) -> None:
    team = rung.begin(samples_for(BASE), weights_for(BASE), BASE)
    order = np.arange(500)
    start = team.state()
    first = team.train(order)
    ended = team.state()
    team.load(*start)
    second = team.train(order)
    team.close()
    for a, b in zip((*first, *ended[0]), (*second, *team.state()[0]), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("busy", [False, True])
def test_a_dead_member_is_noticed(
    pair: TwoMembers, busy: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(team, "LOOKS_BETWEEN_CHECKS", 100)
    process, pipe = pair.others[0]
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    if busy:  # it dies after it was told to train
        monkeypatch.setattr(pipe, "send", lambda message: None, raising=False)
    with pytest.raises(MlpperfError, match="has died"):
        pair.train(np.arange(100))


def test_a_killed_parent_leaves_no_process() -> None:
    ours, theirs = multiprocessing.Pipe()

    def begun() -> None:
        pair = TwoMembers.begin(samples_for(BASE), weights_for(BASE), BASE)
        theirs.send(pair.others[0][0].pid)
        time.sleep(600)

    parent = multiprocessing.get_context("fork").Process(target=begun)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # threads, which it does not use
        parent.start()
    theirs.close()
    member = ours.recv()
    parent.kill()
    parent.join()
    for _ in range(6000):
        if not psutil.pid_exists(member) or psutil.Process(member).status() == "zombie":
            return
        time.sleep(0.05)
    os.kill(member, signal.SIGKILL)
    pytest.fail("the other process lives on")


def test_a_closed_team_leaves_no_process(pair: TwoMembers) -> None:
    process, _ = pair.others[0]
    assert process.is_alive()
    pair.close()
    assert process.exitcode is not None
    pair.close()  # once more does no harm


# --- threads ----------------------------------------------------------------------------------


def test_an_outcome_leaves_threads_as_they_were() -> None:
    rung = TwoThreads.begin(samples_for(BASE), weights_for(BASE), BASE)
    before = [vector.copy() for layers in rung.state() for vector in layers]
    *new, loss, error = rung.outcome(np.arange(50))
    for old, now in zip(before, [v for layers in rung.state() for v in layers], strict=True):
        np.testing.assert_array_equal(old, now)
    costs = rung.train(np.arange(50))
    for promised, got in zip(new, [v for layers in rung.state() for v in layers], strict=True):
        np.testing.assert_array_equal(promised, got)
    assert (costs.loss[0], costs.error[0]) == pytest.approx((float(loss), float(error)))
    rung.close()


def test_threads_report_where_all_of_their_time_goes() -> None:
    settings = replace(BASE, hidden=(400, 300))  # long enough for what lies between two parts
    rung = TwoThreads.begin(samples_for(settings), weights_for(settings), settings)
    order = np.arange(1500)
    rung.train(order)  # compiles
    start = time.perf_counter()
    rung.train(order)
    elapsed = time.perf_counter() - start
    parts = rung.part_seconds()
    rung.close()
    assert {part for part, _ in parts} == set(PARTS)
    assert all(parts[part, n] > 0 for part in ("forward", "gradient") for n in range(3))
    assert parts["gather", 0] > 0 == parts["delta", 0]
    assert 0 < sum(parts.values()) <= elapsed


def test_zeros_are_skipped_where_they_are_many() -> None:
    rare = np.where(DIGITS.train_images > 12, DIGITS.train_images, 0)
    for images, skipped in ((DIGITS.train_images, False), (rare, True)):
        scaling = Scaling("standard", images)
        samples = Samples(images, DIGITS.train_labels, 10, scaling)
        rung = ZerosSkipped.begin(samples, weights_for(BASE), BASE)
        assert bool(len(rung.shared.nonzero.starts)) is skipped
        assert bool(len(rung.shared.x)) is not skipped
        rung.close()
    shallow = replace(BASE, hidden=())  # whose rows of weights are no whole registers
    rung = TwoThreadsSkip.begin(samples_for(shallow), weights_for(shallow), shallow)
    assert len(rung.shared.x)
    rung.close()


# --- phases -----------------------------------------------------------------------------------


@pytest.mark.parametrize("rung", [*RUNGS[:-3], *SHARED], ids=lambda r: r.__name__)
def test_the_phases_of_every_rung_are_timed_and_change_nothing(rung: type[Step0]) -> None:
    watched = rung.begin(samples_for(BASE), weights_for(BASE), BASE)
    plain = rung.begin(samples_for(BASE), weights_for(BASE), BASE)
    try:
        clock = PhaseClock(watched)
        order = np.arange(300)
        np.testing.assert_array_equal(watched.train(order).loss, plain.train(order).loss)
        assert clock.batches == 6
        labels = {label for label, _ in clock.seconds}
        assert {"input", "forward", "cost", "backward", "update", "t3", "t4", "t5"} <= labels
        layers = {n for label, n in clock.seconds if label == "t5"}
        assert layers == set(range(len(layers_of(BASE)) - 1))
        parts = sum(s for (label, n), s in clock.seconds.items() if n is not None)
        assert 0 < parts <= clock.seconds["backward", None] * (1 + 1e-9)
        assert not any(
            callable(value)
            for value in vars(plain).values()
            if value is not None and getattr(value, "__name__", "") == "timed"
        )
    finally:
        watched.close()
        plain.close()


def test_records_of_a_former_experiment_are_not_on_the_ladder() -> None:
    records = [mock.Mock(rung=name) for name in ("step_0", "bfloat16_products")]
    assert on_the_ladder(records) == records[:1]


def test_rungs_are_distinct_and_documented() -> None:
    assert len({rung.name for rung in RUNGS}) == len(RUNGS)
    for above, below in pairwise(RUNGS):
        assert below.__doc__
        assert below.__doc__ != above.__doc__
