"""Races are run against a clock that only the contestants advance: no test can be slow or busy."""

import ctypes
import gc
import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import astuple, replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import stats

from mlpperf import hotpath
from mlpperf.agreement import Agreement, Arrays, Proof, WrongResultError
from mlpperf.backends import Backend
from mlpperf.engine.machine.timer import Floor
from mlpperf.engine.race import race as measure
from mlpperf.engine.race import show
from mlpperf.engine.race import warnings as warnings_module
from mlpperf.engine.race.looks import LOOKS
from mlpperf.engine.race.race import SECONDS, Contest, Contestant, race, run, time_error
from mlpperf.engine.race.result import SCATTER, Result
from mlpperf.engine.race.warnings import ROUNDS_LEAST, two_modes, warnings
from mlpperf.engine.statistics.intervals import FEWEST, Interval, ratio_interval
from mlpperf.engine.statistics.verdicts import Verdict
from mlpperf.engine.worker import contest as contest_module
from mlpperf.engine.worker.protocol import Samples, Task
from mlpperf.engine.worker.rounds import FUNCTIONS
from mlpperf.errors import MlpperfError
from mlpperf.hotpath import Args, Case, Cost, HotPath, Variant

CASE = Case(4)
LONG = 0.025  # seconds; a call of this length is a whole block, and nothing is called untimed
PLENTY = 6.0  # seconds of budget: a hundred rounds of two contestants
SLOWER_FROM = 60  # calls, after which a machine becomes slower
Floats = NDArray[np.float64]
Function = Callable[..., Arrays]


class FakeClock:
    """Nanoseconds that pass only while a contestant runs, and a log of who ran and until when."""

    def __init__(self) -> None:
        self.now = 0.0
        self.log: list[tuple[str, float]] = []
        self.reads: list[tuple[int, int]] = []  # the time shown, and how many calls came before

    def __call__(self) -> int:
        self.reads.append((round(self.now), len(self.log)))
        return round(self.now)

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.log]

    def contestant(
        self,
        name: str,
        seconds: float,
        noise: Callable[[], float] = lambda: 0.0,
        work: Callable[[Floats], Arrays] = lambda x: (2 * x,),
    ) -> Function:
        """A function that takes `seconds`·exp(noise())."""

        def run(x: Floats) -> Arrays:
            self.now += 1e9 * seconds * math.exp(noise())
            self.log.append((name, self.now))
            return work(x)

        run.__name__, run.__doc__ = name, "Doubled."
        return run


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(autouse=True)
def _nothing_measured(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever a race asks the machine gets the same answer everywhere and at any time."""

    class NobodyElse:
        def share(self) -> float:
            return 0.0

    monkeypatch.setattr(measure, "floor_seconds", lambda cost, dtype: Floor(1e-3, 0.0))
    monkeypatch.setattr(measure, "Bystanders", NobodyElse)
    monkeypatch.setattr(warnings_module, "clock_resolution", lambda: 1e-9)
    monkeypatch.setattr(measure, "keep_freed_memory", lambda: True)
    yield
    hotpath.forget()  # it holds the functions of the test


def four_numbers(case: Case, rng: Generator) -> Args:
    return (rng.random(case.batch),)


def hot_path(
    reference: Function,
    *variants: Function | Variant,
    inputs: Callable[[Case, Generator], Args] = four_numbers,
    updates: tuple[int, ...] = (),
) -> HotPath:
    return HotPath(
        name="doubling",
        story="Doubling.",
        reference=reference,
        variants=tuple(v if isinstance(v, Variant) else Variant(v) for v in variants),
        inputs=inputs,
        cases=(CASE,),
        cost=lambda case: Cost(bytes=64),
        updates=updates,
    )


def normal(sigma: float, seed: int) -> Callable[[], float]:
    rng = np.random.default_rng(seed)
    return lambda: sigma * float(rng.standard_normal())


def rounds_of(clock: FakeClock, contestants: int) -> list[str]:
    """Who ran when, from the first round on, where every contestant's block is a single call."""
    proving = 1 + 2 * (contestants - 1)  # the reference once, every variant twice
    calibrating = contestants
    return clock.names[proving + calibrating :]


# --- the interval --------------------------------------------------------------------------------


def walsh_averages(logs: Floats, scale: Floats | None = None) -> Floats:
    scales = np.ones(len(logs)) if scale is None else scale
    pairs = itertools.combinations_with_replacement(zip(logs, scales, strict=True), 2)
    return np.sort([(a / s + b / t) / (1 / s + 1 / t) for (a, s), (b, t) in pairs])


def critical_value(n: int, confidence: float) -> int:
    """Largest k with 2·P(W ≤ k) ≤ 1 − confidence, W the signed-rank statistic; −1 if there is none.

    Counted out: W is the sum of the ranks 1 to n whose sign is positive, each with probability ½.
    """
    share = np.ones(1)
    for rank in range(1, n + 1):
        more = np.zeros(len(share) + rank)
        more[: len(share)] += share / 2
        more[rank:] += share / 2
        share = more
    return int(np.count_nonzero(2 * np.cumsum(share) <= 1 - confidence)) - 1


@pytest.mark.parametrize("n", [6, 7, 8, 9, 10, 12, 15, 20, 25, 35, 50, 75, 100, 150])
def test_interval_has_the_ranks_of_the_exact_signed_rank_test_or_one_more_to_be_safe(
    n: int,
) -> None:
    logs = np.random.default_rng(n).standard_normal(n)
    averages = walsh_averages(logs)
    interval = ratio_interval(np.exp(logs))
    exact = critical_value(n, 0.95)
    below = int(np.argmin(np.abs(averages - math.log(interval.low))))
    above = int(np.argmin(np.abs(averages[::-1] - math.log(interval.high))))
    assert below == above
    assert below in (exact, exact - 1)
    assert math.log(interval.median) == pytest.approx(np.median(averages))


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("n", [6, 9, 14, 20, 40])
def test_interval_holds_what_scipys_test_does_not_reject(n: int, known: bool) -> None:
    rng = np.random.default_rng(100 + n)
    errors = rng.uniform(0.1, 10, n) if known else None
    scale = np.ones(n) if errors is None else errors
    logs = scale * rng.standard_normal(n)
    interval = ratio_interval(np.exp(logs), errors=errors)
    low, high = math.log(interval.low), math.log(interval.high)
    averages = walsh_averages(logs, errors)
    inside = averages[(averages > low + 1e-9) & (averages < high - 1e-9)]
    # The outermost average may be the one that the interval includes to be safe.
    for truth in np.linspace(inside[0] + 1e-9, inside[-1] - 1e-9, 7):
        assert stats.wilcoxon((logs - truth) / scale, method="exact").pvalue > 0.05
    for truth in (low - 1e-9, high + 1e-9):
        assert stats.wilcoxon((logs - truth) / scale, method="exact").pvalue <= 0.05


def test_equal_errors_change_nothing_and_the_surest_ratios_decide() -> None:
    ratios = np.exp(np.random.default_rng(4).standard_normal(12))
    plain, equal = ratio_interval(ratios), ratio_interval(ratios, errors=np.full(12, 0.3))
    assert astuple(equal) == pytest.approx(astuple(plain))
    logs = np.r_[np.full(10, 0.01), -1.0, -2.0]
    assert ratio_interval(np.exp(logs)).low < 1
    assert ratio_interval(np.exp(logs), errors=np.r_[np.full(10, 0.001), 1.0, 2.0]).low > 1


@pytest.mark.parametrize("n", [1, 2, 5])
def test_too_few_ratios_have_a_median_and_no_bounds(n: int) -> None:
    interval = ratio_interval([2.0] * n)
    assert interval.median == pytest.approx(2.0)
    assert (interval.low, interval.high) == (0.0, math.inf)
    assert interval.half_width == math.inf


def test_six_ratios_are_the_fewest_with_bounds_and_these_are_their_range() -> None:
    interval = ratio_interval([3.0, 1.0, 2.0, 5.0, 4.0, 6.0])
    assert (interval.low, interval.high) == pytest.approx((1.0, 6.0))
    assert interval.half_width == pytest.approx(math.log(6) / 2)


def test_more_confidence_needs_more_ratios_and_a_wider_interval() -> None:
    ratios = np.exp(np.random.default_rng(0).standard_normal(30))
    usual, strict = ratio_interval(ratios), ratio_interval(ratios, 0.999)
    assert strict.low < usual.low < usual.median == strict.median < usual.high < strict.high
    assert ratio_interval(ratios[:6], 0.999).half_width == math.inf


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", [0, 4, 9])
def test_bad_ratios_are_refused_wherever_they_stand(bad: float, place: int) -> None:
    ratios = [1.0] * 10
    ratios[place] = bad
    with pytest.raises(MlpperfError, match="positive, finite ratios"):
        ratio_interval(ratios)


def test_no_ratios_are_refused() -> None:
    with pytest.raises(MlpperfError, match="positive, finite ratios"):
        ratio_interval([])


def test_ratios_may_come_from_a_generator() -> None:
    ratios = [1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0]
    assert ratio_interval(r for r in ratios) == ratio_interval(ratios)


@settings(deadline=None, max_examples=60)
@given(
    hnp.arrays(np.float64, st.integers(1, 40), elements=st.floats(1e-3, 1e3)),
    st.floats(1e-3, 1e3),
    st.randoms(use_true_random=False),
)
def test_interval_ignores_order_and_follows_scale_and_inversion(
    ratios: Floats, factor: float, random: Random
) -> None:
    interval = ratio_interval(ratios)
    almost = 1 + 1e-9
    assert interval.low <= interval.median * almost <= interval.high * almost * almost
    shuffled = ratios.tolist()
    random.shuffle(shuffled)
    assert ratio_interval(shuffled) == interval
    scaled, inverted = ratio_interval(ratios * factor), ratio_interval(1 / ratios)
    assert scaled.median == pytest.approx(factor * interval.median)
    assert inverted.median == pytest.approx(1 / interval.median)
    assert scaled.half_width == pytest.approx(interval.half_width)
    assert inverted.half_width == pytest.approx(interval.half_width)
    if interval.low > 0:
        assert inverted.low == pytest.approx(1 / interval.high)
        assert scaled.high == pytest.approx(factor * interval.high)


def pareto_times(rng: Generator, shape: tuple[int, int]) -> Floats:
    return 1 + rng.pareto(1.5, shape)


def lognormal_times(rng: Generator, shape: tuple[int, int]) -> Floats:
    return rng.lognormal(0, 1.5, shape)


def exponential_times(rng: Generator, shape: tuple[int, int]) -> Floats:
    return 1 + rng.exponential(0.3, shape)


def cauchy_times(rng: Generator, shape: tuple[int, int]) -> Floats:
    return np.exp(np.clip(rng.standard_cauchy(shape), -300, 300))


def two_speed_times(rng: Generator, shape: tuple[int, int]) -> Floats:
    return np.where(rng.random(shape) < 0.3, 1.3, 1.0) * (1 + rng.exponential(0.01, shape))


@pytest.mark.parametrize("n", [6, 20, 60])
@pytest.mark.parametrize(
    "times",
    [pareto_times, lognormal_times, exponential_times, cauchy_times, two_speed_times],
)
def test_interval_holds_the_truth_as_often_as_it_says(
    times: Callable[[Generator, tuple[int, int]], Floats], n: int
) -> None:
    """Times of any skew and tails; what varies alike in both has a ratio of symmetric logarithm."""
    repetitions, truth = 1000, 1.7
    rng = np.random.default_rng([n, *times.__name__.encode()])
    ratios = truth * times(rng, (repetitions, n)) / times(rng, (repetitions, n))
    intervals = [ratio_interval(row) for row in ratios]
    held = np.mean([interval.low <= truth <= interval.high for interval in intervals])
    simulation_error = 3 * math.sqrt(0.95 * 0.05 / repetitions)
    assert held >= 0.95 - simulation_error


# --- what a race concludes -----------------------------------------------------------------------


def test_faster_and_slower_get_their_verdicts_and_intervals_that_hold_the_truth(
    clock: FakeClock,
) -> None:
    path = hot_path(
        clock.contestant("usual", LONG, normal(0.01, 1)),
        clock.contestant("twice_as_fast", LONG / 2, normal(0.01, 2)),
        clock.contestant("five_percent_slower", LONG * 1.05, normal(0.01, 3)),
    )
    fast, slow = race(path, CASE, seed=0, budget=PLENTY, clock=clock)
    assert (fast.variant, fast.verdict) == ("twice_as_fast", Verdict.FASTER)
    assert (slow.variant, slow.verdict) == ("five_percent_slower", Verdict.SLOWER)
    assert fast.speedup.low <= 2 <= fast.speedup.high
    assert slow.speedup.low <= 1 / 1.05 <= slow.speedup.high
    assert fast.seconds == pytest.approx(LONG / 2, rel=0.02)
    assert slow.seconds == pytest.approx(LONG * 1.05, rel=0.02)
    assert fast.reference_seconds == pytest.approx(LONG, rel=0.02)
    assert fast.doubts == slow.doubts == ()
    assert fast.proof.error <= fast.proof.tolerance


@pytest.mark.parametrize(("seconds", "sigma"), [(LONG, 0.005), (LONG, 0.02), (0.06, 0.01)], ids=str)
def test_identical_code_is_never_called_faster_or_slower(seconds: float, sigma: float) -> None:
    """The last pair spends its budget after three rounds and stops as soon as it is narrow."""
    verdicts: Counter[Verdict] = Counter()
    for repetition in range(200):
        clock = FakeClock()
        rng = np.random.default_rng([repetition, round(1e4 * sigma)])

        def noise(rng: Generator = rng) -> float:
            return sigma * abs(float(rng.standard_normal()))  # slower than usual, never faster

        path = hot_path(
            clock.contestant("usual", seconds, noise), clock.contestant("same", seconds, noise)
        )
        (result,) = race(path, CASE, seed=repetition, clock=clock)
        verdicts[result.verdict] += 1
    assert not verdicts.keys() & {Verdict.FASTER, Verdict.SLOWER}


def test_a_drift_that_hits_all_alike_does_not_change_the_ratio(clock: FakeClock) -> None:
    """The machine becomes three times slower half-way: the reason for racing in rounds."""

    def slowing() -> float:
        return math.log(3) if len(clock.log) > SLOWER_FROM else 0.0

    path = hot_path(
        clock.contestant("usual", LONG, lambda: slowing() + noise()),
        clock.contestant("faster", LONG / 1.2, lambda: slowing() + noise()),
    )
    noise = normal(0.03, 0)
    (result,) = race(path, CASE, seed=0, budget=PLENTY, clock=clock)
    assert len(clock.log) > 2 * SLOWER_FROM
    assert result.speedup.median == pytest.approx(1.2, rel=0.02)
    assert result.verdict is Verdict.FASTER


def test_results_come_in_the_order_asked_for_and_only_those(clock: FakeClock) -> None:
    a, b, c = (Variant(clock.contestant(name, LONG)) for name in "abc")
    path = hot_path(clock.contestant("usual", LONG), a, b, c)
    assert [r.variant for r in race(path, CASE, clock=clock)] == ["a", "b", "c"]
    assert [r.variant for r in race(path, CASE, [c, a], clock=clock)] == ["c", "a"]
    assert race(path, CASE, [], clock=clock) == []


def test_result_says_what_was_raced(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    variant = Variant(clock.contestant("same", LONG), Agreement.IDENTICAL, backend=Backend("other"))
    path = replace(hot_path(clock.contestant("usual", LONG), variant), version=7)
    (result,) = race(path, CASE, clock=clock, pause=lambda seconds: None)
    assert (result.path, result.version, result.case) == ("doubling", 7, "batch-4")
    assert (result.variant, result.backend, result.wrong) == ("same", "other", "")
    assert result.proof == Proof(0.0, 0.0)
    assert result.floor == 1e-3


@pytest.mark.parametrize(
    ("agreement", "inputs", "expected"),
    [
        (Agreement.REASSOCIATED, np.float64, "float64"),
        (Agreement.REASSOCIATED, np.float32, "float32"),
        (Agreement.FLOAT32, np.float64, "float32"),
        (Agreement.IDENTICAL, np.int64, "float32"),  # no floats: what `Cost.bytes` counts in
    ],
)
def test_ceiling_is_that_of_the_variants_own_dtype(
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
    agreement: Agreement,
    inputs: type,
    expected: str,
) -> None:
    asked = []
    monkeypatch.setattr(
        measure, "floor_seconds", lambda cost, dtype: asked.append(dtype) or Floor(1e-3, 0.0)
    )

    def cast(x: Floats) -> Arrays:
        return ((2 * x).astype(agreement.dtype(x)),)

    path = hot_path(
        clock.contestant("usual", LONG),
        Variant(clock.contestant("cast", LONG, work=cast), agreement),
        inputs=lambda case, rng: (np.arange(4).astype(inputs),),
    )
    race(path, CASE, clock=clock)
    assert asked == [expected]


# --- how a race runs -----------------------------------------------------------------------------


@pytest.mark.parametrize("sigma", [0.0, 0.3])
def test_six_rounds_are_the_least_even_of_calls_longer_than_the_overtime(
    clock: FakeClock, sigma: float
) -> None:
    path = hot_path(
        clock.contestant("usual", 10.0, normal(sigma, 1)),
        clock.contestant("same", 10.0, normal(sigma, 2)),
    )
    (result,) = race(path, CASE, seed=0, clock=clock)
    assert result.rounds == FEWEST
    assert 0 < result.speedup.low <= result.speedup.high < math.inf


@pytest.mark.parametrize("seconds", [7e-7, 5e-6, 3e-4, 0.9e-3, 5e-3])
def test_blocks_of_short_calls_last_long_enough(clock: FakeClock, seconds: float) -> None:
    path = hot_path(clock.contestant("usual", seconds), clock.contestant("same", seconds))
    (result,) = race(path, CASE, seed=0, budget=0.01, clock=clock)
    blocks = [
        (after - before) * 1e-9
        for (before, called), (after, called_then) in itertools.pairwise(clock.reads)
        # One call between two looks at the clock may be the one that is not timed.
        if called_then - called > 1 or seconds >= FUNCTIONS.block_seconds
        if after > before
    ]
    long_enough = [block for block in blocks if block >= 0.999 * FUNCTIONS.block_seconds]
    assert len(long_enough) >= 2 * result.rounds
    # Only the calibration has shorter ones, and it aims so well that there are few.
    assert len(blocks) - len(long_enough) <= 8
    assert max(blocks) < max(5 * FUNCTIONS.block_seconds, 1.001 * seconds)
    assert result.seconds == pytest.approx(seconds, rel=1e-3)


def test_a_call_that_warms_the_cache_goes_before_short_blocks_and_is_not_timed(
    clock: FakeClock,
) -> None:
    """A contestant is slower after another one ran, as if that had taken its place in the cache."""

    def cold() -> float:
        return math.log(3) if clock.log and clock.log[-1][0] != "chilly" else 0.0

    path = hot_path(clock.contestant("usual", 0.002), clock.contestant("chilly", 0.002, cold))
    (result,) = race(path, CASE, seed=0, clock=clock)
    assert result.speedup.median == pytest.approx(1)


@pytest.mark.parametrize("budget", [0, 0.0, -1, -0.3, math.nan, math.inf])
def test_a_budget_that_is_no_positive_number_is_refused_before_anything_runs(
    clock: FakeClock, budget: float
) -> None:
    path = hot_path(clock.contestant("usual", LONG), clock.contestant("same", LONG))
    with pytest.raises(MlpperfError, match=rf"positive number of seconds, not {budget:g}\.$"):
        race(path, CASE, budget=budget, clock=clock)
    assert clock.log == []


# --- how contestants take turns -------------------------------------------------------------------


def test_every_round_has_every_contestant_once_in_the_reverse_order_of_the_one_before(
    clock: FakeClock,
) -> None:
    path = hot_path(
        clock.contestant("usual", LONG, normal(0.1, 1)),
        clock.contestant("a", LONG, normal(0.1, 2)),
        clock.contestant("b", LONG, normal(0.1, 3)),
    )
    a, b = race(path, CASE, seed=0, budget=1.0, clock=clock)
    # The first calls are long, so that they count and are repeated, in case they start threads.
    ran = clock.names[1 + 2 * 2 :]
    rounds = [tuple(ran[i : i + 3]) for i in range(0, len(ran), 3)]
    assert a.rounds == b.rounds == len(rounds) > 12
    assert set(rounds[0]) == {"usual", "a", "b"}
    assert all(after == before[::-1] for before, after in itertools.pairwise(rounds))


def test_the_first_order_follows_the_seed_and_is_random_without_one() -> None:
    def order(seed: int | None) -> list[str]:
        clock = FakeClock()
        path = hot_path(clock.contestant("usual", LONG), clock.contestant("same", LONG))
        race(path, CASE, seed=seed, budget=0.1, clock=clock)
        return clock.names

    assert order(3) == order(3)
    # Twenty times the same order of two is one chance in a million.
    assert len({tuple(order(None)) for _ in range(20)}) == 2


def test_rounds_end_with_the_budget(clock: FakeClock) -> None:
    path = hot_path(clock.contestant("usual", 0.001), clock.contestant("same", 0.001))
    (result,) = race(path, CASE, seed=0, budget=0.5, clock=clock)
    # A block that is timed and a call before it that is not, of both, are 4 ms.
    assert result.rounds == pytest.approx(0.5 / 0.004, abs=1)


# --- several processes ----------------------------------------------------------------------------


def contest(clock: FakeClock, variants: int = 1) -> Contest:
    functions = [clock.contestant(f"variant{i}", LONG) for i in range(variants)]
    path = hot_path(clock.contestant("usual", LONG), *functions)
    others = [Contestant(variant, Proof(0.0, 1e-9)) for variant in path.variants]
    return Contest(path, CASE, others)


def samples(times: list[list[float]], round_seconds: float, overhead: float) -> Samples:
    names = dict(zip(map(str, range(len(times))), times, strict=True))
    return Samples(("doubling", "batch-4", ""), names, round_seconds * len(times[0]), overhead)


def timed_by(
    measured: Contest, rng: Generator, speedup: float, *, between: float, within: float, number: int
) -> None:
    """What processes measure that differ by `between`, in rounds that differ by `within`."""
    for _ in range(number):
        level = between * rng.standard_normal()
        usual = np.exp(within * rng.standard_normal(40))
        other = usual / speedup * np.exp(level + within * rng.standard_normal(40))
        measured.add(samples([usual.tolist(), other.tolist()], 2e-3, 0.01))


def test_the_interval_is_over_the_processes_and_not_over_their_rounds(clock: FakeClock) -> None:
    """What lies alike within a process makes the rounds of one agree, wrongly."""
    held, rng = 0, np.random.default_rng(5)
    for _ in range(300):
        measured = contest(clock)
        timed_by(measured, rng, 1.5, between=0.03, within=0.005, number=6)
        (result,) = measured.results()
        held += result.speedup.low <= 1.5 <= result.speedup.high
        assert (result.processes, result.rounds) == (6, 240)
    assert held >= 300 * (0.95 - 3 * math.sqrt(0.95 * 0.05 / 300))


def test_two_races_agree(clock: FakeClock) -> None:
    """The second median lies within the first interval widened by its own, 19 times of 20."""
    rng, agreed = np.random.default_rng(6), 0
    for _ in range(300):
        first, second = contest(clock), contest(clock)
        for measured in (first, second):
            timed_by(measured, rng, 3.0, between=0.02, within=0.01, number=3)
        one, other = first.results()[0].speedup, second.results()[0].speedup
        apart = abs(math.log(one.median / other.median))
        agreed += apart <= one.half_width + other.half_width
    assert agreed >= 285


def test_a_process_that_was_disturbed_counts_less(clock: FakeClock) -> None:
    measured, rng = contest(clock), np.random.default_rng(7)
    timed_by(measured, rng, 2.0, between=0.001, within=0.002, number=7)
    quiet = measured.results()[0].speedup
    timed_by(measured, rng, 2.6, between=0.0, within=0.5, number=1)
    (result,) = measured.results()
    assert result.speedup.median == pytest.approx(quiet.median, rel=0.002)
    assert result.processes == 8


def test_fewer_processes_than_an_interval_needs_leave_it_undecided(clock: FakeClock) -> None:
    """As after an interruption: what was timed is there, and nothing follows from it."""
    measured, rng = contest(clock), np.random.default_rng(8)
    assert measured.results() == []
    timed_by(measured, rng, 2.0, between=0.001, within=0.002, number=2)
    (result,) = measured.results()
    assert str(result.judgement) == "undecided"
    assert result.doubts == ()


def test_what_is_wrong_has_a_result_without_times(clock: FakeClock) -> None:
    path = hot_path(clock.contestant("usual", LONG), *(clock.contestant(n, LONG) for n in "abc"))
    others = [Contestant(v, Proof(0.0, 1e-9), wrong="no" * (v.name == "b")) for v in path.variants]
    measured = Contest(path, CASE, others)
    assert [result.variant for result in measured.results()] == ["b"]
    times = [[4.0] * 8, [2.0] * 8, [1.0] * 8]
    for _ in range(7):
        measured.add(samples(times, 7.0, 0.0))
    a, b, c = measured.results()
    assert (a.speedup.median, c.speedup.median) == (pytest.approx(2), pytest.approx(4))
    assert (a.reference_seconds, a.seconds, c.seconds) == (4.0, 2.0, 1.0)
    assert (b.verdict, b.rounds) == (Verdict.WRONG, 0)


@pytest.fixture
def timings(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, list[str]]]:
    """The variants that each process is asked to time, by path; noisy ones scatter by 20 %.

    Every process takes a second to start, and a tenth for a contest.
    """
    asked: list[dict[str, list[str]]] = []

    def answers(task: Task) -> Iterator[Any]:
        rng = np.random.default_rng(len(asked))
        asked.append({one.path: one.variants[1:] for one in task.contests})
        for one in task.contests:
            times = [[1.0] * 16]
            for name in one.variants[1:]:
                level = (0.2 if "noisy" in name else 0.001) * rng.standard_normal()
                times.append(np.exp(level + 0.001 * rng.standard_normal(16)).tolist())
            yield samples(times, 0.05 / 16, 0.05)

    monkeypatch.setattr(measure, "TaskWorker", lambda task: nullcontext(answers(task)))
    return asked


def named_contest(clock: FakeClock, name: str, *variants: str) -> Contest:
    path = hot_path(
        clock.contestant("usual", LONG), *(clock.contestant(each, LONG) for each in variants)
    )
    others = [Contestant(variant, Proof(0.0, 1e-9)) for variant in path.variants]
    return Contest(replace(path, name=name), CASE, others)


def test_what_is_decided_is_timed_by_no_further_process(
    clock: FakeClock, timings: list[dict[str, list[str]]], tmp_path: Path
) -> None:
    """Equal code is certain after six processes; what scatters by 20 % never is."""
    contests = [named_contest(clock, "one", "calm"), named_contest(clock, "two", "noisy", "calm")]
    steps = list(run(contests, tmp_path, budget=1e3, seed=0))
    assert timings[:6] == [{"one": ["calm"], "two": ["noisy", "calm"]}] * 6
    assert timings[6:] == [{"two": ["noisy"]}] * (max(LOOKS) - 6)
    assert [left for left, _ in steps] == [*range(5, -1, -1)] * 2 + [2, 1, 0] * 2
    calm, noisy, other = (result for each in contests for result in each.results())
    assert (calm.processes, noisy.processes, other.processes) == (6, 12, 6)
    assert (calm.verdict, noisy.verdict) == (Verdict.NO_DIFFERENCE, Verdict.UNDECIDED)


def test_the_budget_goes_to_the_uncertain_and_the_cheap_first(clock: FakeClock) -> None:
    rng = np.random.default_rng(4)
    wide, slight, costly = (named_contest(clock, name, "any") for name in ("a", "b", "c"))
    timed_by(wide, rng, 9.0, between=0.03, within=0.001, number=3)
    timed_by(slight, rng, 1.02, between=0.03, within=0.001, number=3)
    timed_by(costly, rng, 1.02, between=0.03, within=0.001, number=3)
    costly.cost = 5.0
    assert not wide.uncertain
    assert slight.uncertain
    order = [slight, costly, wide]
    every = sum(each.cost for each in order)
    assert measure.affordable([wide, costly, slight], every * 1.001) == order
    assert measure.affordable([wide, costly, slight], every * 0.99) == order[:2]
    assert measure.affordable([wide, costly, slight], 4.0) == [slight]
    assert measure.affordable([wide, costly, slight], 0.0) == []


def test_the_first_processes_come_whatever_the_budget_and_no_other_beyond_it(
    clock: FakeClock, timings: list[dict[str, list[str]]], tmp_path: Path
) -> None:
    now = itertools.count()
    noisy = named_contest(clock, "one", "noisy")
    list(run([noisy], tmp_path, budget=1e-3, seed=0, clock=lambda: next(now)))
    assert len(timings) == min(LOOKS)
    # A process takes 1 s by this clock, and the first look is 7 s after the start.
    timings.clear()
    noisy, now = named_contest(clock, "one", "noisy"), itertools.count()
    list(run([noisy], tmp_path, budget=7 + 3 * 1.01, seed=0, clock=lambda: next(now)))
    assert len(timings) == 6


def test_each_process_has_its_share_of_a_small_budget(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seconds: list[float] = []

    def worker(task: Task) -> Any:
        seconds.extend(contest.seconds for contest in task.contests)
        return nullcontext(iter([samples([[1.0] * 8] * 2, 0.01, 0.02)]))

    monkeypatch.setattr(measure, "TaskWorker", worker)
    now = itertools.count()  # a second passes between two looks at it
    list(run([contest(clock)], tmp_path, budget=0.03, seed=0, clock=lambda: next(now)))
    assert seconds == [pytest.approx(0.01)] * 3
    seconds.clear()
    list(run([contest(clock)], tmp_path, seed=0))
    assert set(seconds) == {SECONDS}


def test_a_process_that_ends_too_early_is_reported(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(measure, "TaskWorker", lambda task: nullcontext(iter([])))
    with pytest.raises(MlpperfError, match="ended before it had timed doubling/batch-4"):
        list(run([contest(clock)], tmp_path, seed=0))


def test_a_ceiling_is_measured_again_before_a_variant_is_faster_than_it(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first time, the machine was slow; or else the path's cost is wrong."""
    floors = [Floor(9.0, 0.0), Floor(1e-3, 0.0)]
    monkeypatch.setattr(measure, "floor_seconds", lambda cost, dtype: floors.pop(0))
    measured, rng = contest(clock), np.random.default_rng(1)
    timed_by(measured, rng, 2.0, between=0.001, within=0.002, number=3)
    (result,) = measured.results()
    assert (result.floor, result.beyond_ceiling, floors) == (1e-3, False, [])


# --- nothing is timed that is not right ----------------------------------------------------------


def off_by_one(x: Floats) -> Arrays:
    return (2 * x + 1,)


def changes_its_result() -> Callable[[Floats], Arrays]:
    calls = itertools.count(1)
    return lambda x: (next(calls) * 2 * x,)


def fails(x: Floats) -> Arrays:
    raise ZeroDivisionError("of all things")


@pytest.mark.parametrize(
    ("work", "calls", "why"),
    [
        (off_by_one, 1, "off by"),
        (changes_its_result(), 2, "in the second call"),
        (fails, 1, "of all things"),
        (lambda x: 2 * x, 1, "instead of a tuple"),
        (lambda x: (np.full_like(x, np.nan),), 1, "NaN"),
    ],
    ids=["off by one", "second call", "raises", "no tuple", "NaN"],
)
@pytest.mark.parametrize("place", [0, 1])
def test_a_wrong_variant_is_not_timed_and_says_why_while_the_others_are(
    clock: FakeClock, work: Callable[[Floats], Arrays], calls: int, why: str, place: int
) -> None:
    if why == "in the second call":
        work = changes_its_result()  # of its own in every test
    functions = [clock.contestant("right", LONG / 2)]
    functions.insert(place, clock.contestant("spoilt", LONG, work=work))
    path = hot_path(clock.contestant("usual", LONG), *functions)
    results = {r.variant: r for r in race(path, CASE, seed=0, clock=clock)}
    assert list(results) == [f.__name__ for f in functions]
    spoilt, right = results["spoilt"], results["right"]
    assert clock.names.count("spoilt") == calls
    assert spoilt.verdict is Verdict.WRONG
    assert why in spoilt.wrong
    assert spoilt.wrong.startswith("doubling/spoilt/batch-4 is wrong: ")
    assert (spoilt.rounds, spoilt.doubts) == (0, ())
    numbers = (spoilt.seconds, spoilt.reference_seconds, spoilt.speedup.median, spoilt.floor)
    assert all(math.isnan(number) for number in (*numbers, spoilt.ceiling_share))
    assert right.verdict is Verdict.FASTER
    assert right.rounds >= FEWEST


def test_where_all_are_wrong_there_are_no_rounds(clock: FakeClock) -> None:
    path = hot_path(
        clock.contestant("usual", LONG),
        clock.contestant("a", LONG, work=off_by_one),
        clock.contestant("b", LONG, work=fails),
    )
    assert [r.verdict for r in race(path, CASE, clock=clock)] == [Verdict.WRONG, Verdict.WRONG]
    assert clock.names.count("usual") <= 4  # for every problem that was drawn, and calibrated


def test_a_reference_that_fails_is_told_as_such(clock: FakeClock) -> None:
    path = hot_path(clock.contestant("usual", LONG, work=fails), clock.contestant("variant", LONG))
    with pytest.raises(WrongResultError, match=r"^doubling: the reference raised .*of all things"):
        race(path, CASE, clock=clock)


def write_to(x: Floats) -> None:
    """Overwrite an array that NumPy protects, as compiled code can."""
    ctypes.memset(x.ctypes.data, 0x40, x.nbytes)


def doubles_then_spoils(honest_calls: int) -> Callable[[Floats], Arrays]:
    """Right in so many calls; afterwards it also writes to its input."""
    calls = itertools.count(1)

    def work(x: Floats) -> Arrays:
        doubled = 2 * x
        if next(calls) > honest_calls:
            write_to(x)
        return (doubled,)

    return work


@pytest.mark.parametrize("honest_calls", [2, 3, 10])
@pytest.mark.parametrize("movable", [True, False], ids=["small", "large"])
def test_an_input_changed_only_while_being_timed_is_noticed(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch, honest_calls: int, movable: bool
) -> None:
    if not movable:
        monkeypatch.setattr(contest_module, "MOVABLE", 0)
    path = hot_path(
        clock.contestant("usual", LONG),
        clock.contestant("sly", LONG, work=doubles_then_spoils(honest_calls)),
    )
    with pytest.raises(WrongResultError, match="changed while it was timed"):
        race(path, CASE, seed=0, budget=PLENTY, clock=clock)


@pytest.mark.parametrize("movable", [True, False], ids=["small", "large"])
def test_it_is_noticed_beside_a_wrong_variant_too(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch, movable: bool
) -> None:
    """The inputs are drawn anew after a wrong variant: those that were timed count."""
    if not movable:
        monkeypatch.setattr(contest_module, "MOVABLE", 0)
    path = hot_path(
        clock.contestant("usual", LONG),
        clock.contestant("sly", LONG, work=doubles_then_spoils(2)),
        clock.contestant("spoilt", LONG, work=off_by_one),
    )
    with pytest.raises(WrongResultError, match="changed while it was timed"):
        race(path, CASE, seed=0, budget=PLENTY, clock=clock)


@pytest.mark.parametrize("movable", [True, False], ids=["small", "large"])
def test_a_variant_is_never_timed_on_inputs_that_another_one_spoilt(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch, movable: bool
) -> None:
    """Zeros, denormals or NaN have speeds of their own."""
    if not movable:
        monkeypatch.setattr(contest_module, "MOVABLE", 0)
    seen: dict[bytes, None] = {}

    def watching(x: Floats) -> Arrays:
        seen[x.tobytes()] = None
        return (2 * x,)

    path = hot_path(
        clock.contestant("usual", LONG),
        clock.contestant("honest", LONG, work=watching),
        clock.contestant("vandal", LONG, work=doubles_then_spoils(0)),
    )
    honest, vandal = race(path, CASE, seed=0, clock=clock)
    assert vandal.verdict is Verdict.WRONG
    assert honest.rounds > 0
    assert len(seen) == 1


@pytest.mark.parametrize(
    "view",
    [
        lambda x: x,
        lambda x: x.T,
        lambda x: x[:, 1:],
        lambda x: x[:, ::2],
        lambda x: x.T[:, ::2],
        lambda x: x[::-1],
        lambda x: np.broadcast_to(x[0], x.shape),
    ],
    ids=["C", "F", "columns", "strided", "strided F", "backwards", "broadcast"],
)
def test_inputs_keep_their_memory_layout_while_being_timed(
    clock: FakeClock, view: Callable[[Floats], Floats]
) -> None:
    """It is what several hot paths are about, and what decides on their speed."""
    seen = set()

    def looking(x: Floats) -> Arrays:
        seen.add(x.strides)
        return (2 * x,)

    path = hot_path(
        clock.contestant("usual", LONG),
        clock.contestant("same", LONG, work=looking),
        inputs=lambda case, rng: (view(rng.random((6, 8))),),
    )
    (result,) = race(path, CASE, seed=0, clock=clock)
    assert result.rounds >= FEWEST
    assert seen == {view(np.empty((6, 8))).strides}


def test_inputs_stay_protected_while_being_timed(clock: FakeClock) -> None:
    """So that a write through NumPy fails instead of changing what the others are given."""
    writeable = []

    def looking(x: Floats) -> Arrays:
        writeable.append(x.flags.writeable)
        return (2 * x,)

    path = hot_path(clock.contestant("usual", LONG), clock.contestant("same", LONG, work=looking))
    race(path, CASE, seed=0, clock=clock)
    assert not any(writeable)


def test_arguments_that_may_be_updated_are_each_contestants_own(clock: FakeClock) -> None:
    owners: dict[int, set[str]] = {}
    kept = []  # so that no address is used twice

    def in_place(name: str) -> Callable[[Floats], Arrays]:
        def work(x: Floats) -> Arrays:
            owners.setdefault(id(x), set()).add(name)
            kept.append(x)
            x *= 0.5
            return (x,)

        return work

    path = hot_path(
        *(clock.contestant(name, LONG, work=in_place(name)) for name in ("usual", "a", "b")),
        updates=(0,),
    )
    results = race(path, CASE, seed=0, clock=clock)
    assert [r.wrong for r in results] == ["", ""]
    assert all(len(names) == 1 for names in owners.values())


# --- the collector -------------------------------------------------------------------------------


@pytest.fixture
def _collector() -> Iterator[None]:
    enabled = gc.isenabled()
    yield
    (gc.enable if enabled else gc.disable)()


@pytest.mark.usefixtures("_collector")
@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_rests_during_the_rounds_and_is_then_as_before(
    clock: FakeClock, enabled: bool
) -> None:
    states = []

    def watching(x: Floats) -> Arrays:
        states.append(gc.isenabled())
        return (2 * x,)

    path = hot_path(clock.contestant("usual", LONG), clock.contestant("same", LONG, work=watching))
    (gc.enable if enabled else gc.disable)()
    (result,) = race(path, CASE, seed=0, clock=clock)
    assert gc.isenabled() is enabled
    assert not any(states[-result.rounds :])


@pytest.mark.usefixtures("_collector")
@pytest.mark.parametrize("call", [1, 3, 4, 9])
@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_the_collector_is_back_after_an_interruption(
    clock: FakeClock, call: int, kind: type[BaseException]
) -> None:
    calls = itertools.count(1)

    def interrupted(x: Floats) -> Arrays:
        if next(calls) == call:
            raise kind
        return (2 * x,)

    path = hot_path(
        clock.contestant("usual", LONG), clock.contestant("same", LONG, work=interrupted)
    )
    gc.enable()
    with pytest.raises(kind):
        race(path, CASE, seed=0, clock=clock)
    assert gc.isenabled()


# --- warnings: reasons why a verdict may be wrong ------------------------------------------------


def steady(n: int, sigma: float = 0.004, seed: int = 0) -> Floats:
    return np.exp(sigma * np.random.default_rng(seed).standard_normal(n))


def warned(ratios: Floats, *, processes: int = 1, busy: float = 0.0) -> list[str]:
    return list(warnings(ratios, ratio_interval(ratios), processes, busy))


@pytest.mark.parametrize("n", [9, 20, 40, 75, 300])
@pytest.mark.parametrize("speedup", [0.5, 1.0, 2.0])
def test_a_steady_race_has_no_warnings(n: int, speedup: float) -> None:
    assert warned(speedup * steady(n)) == []


def test_a_wide_interval_is_no_warning() -> None:
    """It shows itself how far the speedup is known; or else the verdict is undecided."""
    assert warned(2 * steady(30, 0.3)) == []
    assert warned(steady(30, 0.3)) == []


def test_a_small_difference_after_few_processes_has_a_warning() -> None:
    few = "few processes: 3 may all have the same one of two speeds"
    assert warned(1.2 * steady(90), processes=3) == [few]
    assert warned(steady(90), processes=3) == [few]
    assert warned(1.4 * steady(90), processes=3) == []
    assert warned(steady(90) / 1.4, processes=3) == []
    assert warned(1.2 * steady(90), processes=6) == []


def test_a_coarse_clock_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the block that is timed, however short the call."""
    step = SCATTER * FUNCTIONS.block_seconds
    monkeypatch.setattr(warnings_module, "clock_resolution", lambda: 1.1 * step)
    assert warned(steady(30)) == ["coarse clock: its steps are longer than 1 % of a block"]
    monkeypatch.setattr(warnings_module, "clock_resolution", lambda: 0.9 * step)
    assert warned(steady(30)) == []


def test_a_busy_machine_is_a_warning_where_it_may_have_caused_the_difference() -> None:
    busy = "busy machine: others took 37 %, which may cause differences of ±5 %"
    assert warned(steady(30), busy=0.37) == [busy]
    assert warned(1.05 * steady(30), busy=0.37) == [busy]
    assert warned(steady(30) / 1.05, busy=0.37) == [busy]
    assert warned(steady(30), busy=0.1) == []
    assert warned(1.2 * steady(30), busy=0.37) == []


def two_speeds(first: float, second: float) -> Floats:
    """In turn, so that there is no drift."""
    return steady(40) * np.where(np.arange(40) % 2, first, second)


def test_two_speeds_are_a_warning_if_one_contradicts_the_verdict() -> None:
    assert warned(two_speeds(1.0, 1.5)) == ["two speeds: 1× and 1.5×"]
    assert warned(1 / two_speeds(1.0, 1.5)) == ["two speeds: 0.667× and 0.999×"]
    assert warned(two_speeds(1.2, 1.5)) == []
    assert warned(two_speeds(1.2, 1.204)) == []


def test_a_drift_is_a_warning_if_it_contradicts_the_verdict() -> None:
    rising = np.linspace(0.98, 1.08, 400) * steady(400)
    assert warned(rising) == ["drift: from 1× to 1.05×"]
    assert warned(rising[::-1]) == ["drift: from 1.05× to 1×"]
    assert warned(1.5 * rising) == []
    assert warned(np.linspace(1.0, 1.01, 400) * steady(400)) == []


def test_a_drift_needs_enough_rounds_in_both_halves() -> None:
    enough = 2 * ROUNDS_LEAST
    rising = np.linspace(0.98, 1.08, enough) * steady(enough, 1e-4)
    assert not any("drift" in each for each in warned(rising[:-1]))
    assert any("drift" in each for each in warned(rising))


def test_all_warnings_can_come_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warnings_module, "clock_resolution", lambda: 1e-3)
    ratios = np.where(np.arange(60) < 30, 1.0, 1.06) * steady(60, 1e-3)
    kinds = [each.partition(":")[0] for each in warned(ratios, processes=3, busy=0.5)]
    assert kinds == ["few processes", "coarse clock", "busy machine", "two speeds", "drift"]


@pytest.mark.parametrize("n", [20, 24, 30, 50, 75, 200, 500])
@pytest.mark.parametrize("shape", ["standard_normal", "random", "standard_exponential", "laplace"])
def test_one_cluster_is_not_taken_for_two(shape: str, n: int) -> None:
    """Races of expensive calls have few rounds: an alarm must stay rare there too."""
    rng = np.random.default_rng([n, *shape.encode()])
    samples = (getattr(rng, shape)(size=n) for _ in range(500))
    alarms = sum(two_modes(sample) is not None for sample in samples)
    assert alarms <= 5


@pytest.mark.parametrize("n", [20, 40, 75, 300])
@pytest.mark.parametrize("share", [0.3, 0.5, 0.65])
def test_two_clusters_are_found(share: float, n: int) -> None:
    rng = np.random.default_rng([n, round(100 * share)])
    for _ in range(50):
        second = np.arange(n) < round(share * n)
        values = rng.permutation(np.where(second, 0.3, 0.1) + 0.01 * rng.standard_normal(n))
        modes = two_modes(values)
        assert modes is not None
        assert modes == pytest.approx((0.1, 0.3), abs=0.02)


def test_few_values_equal_values_outliers_and_near_clusters_are_no_two_clusters() -> None:
    halves = (np.arange(ROUNDS_LEAST) % 2).astype(float)
    assert two_modes(halves) == (0.0, 1.0)
    assert two_modes(halves[1:]) is None
    assert two_modes(np.zeros(50)) is None
    assert two_modes(halves * 0.9 * SCATTER) is None
    outliers = 0.001 * np.random.default_rng(0).standard_normal(50)
    outliers[:4] += 3.0
    assert two_modes(outliers) is None


# --- verdicts ------------------------------------------------------------------------------------


def result(low: float, high: float, **changes: object) -> Result:
    made = Result(
        path="doubling",
        version=1,
        case="batch-4",
        variant="same",
        backend="numpy",
        seconds=2e-3,
        reference_seconds=2e-3,
        speedup=Interval(math.sqrt(low * high) if high < math.inf else 1.0, low, high),
        rounds=20,
        proof=Proof(),
        floor=5e-4,
    )
    return replace(made, **changes)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (1.9, 2.1, "faster"),
        (1.0101, 1.02, "faster"),
        (0.5, 0.6, "slower"),
        (0.97, 0.99, "slower"),
        # Identical code differs by up to SCATTER, so an interval beside 1 is no difference yet.
        (1.002, 1.008, "no difference beyond ±1 %"),
        (0.992, 0.998, "no difference beyond ±1 %"),
        (1.01, 1.02, "no difference beyond ±2 %"),
        (1 / 1.03, 1 / 1.01, "no difference beyond ±3 %"),
        (0.9999, 1.0001, "no difference beyond ±1 %"),
        (0.98, 1.035, "no difference beyond ±3.5 %"),
        (1 / 1.05, 1.05, "no difference beyond ±5 %"),
        (1.0, 1.051, "undecided"),
        (1 / 1.25, 1.1, "undecided"),
        (0.0, math.inf, "undecided"),
    ],
)
def test_verdicts_in_words(low: float, high: float, verdict: str) -> None:
    assert str(result(low, high).judgement) == verdict


def test_wrong_comes_before_every_other_verdict() -> None:
    assert result(1.9, 2.1, wrong="because").verdict is Verdict.WRONG
    assert result(0.0, math.inf, wrong="because").verdict is Verdict.WRONG


def test_half_width_is_the_relative_uncertainty() -> None:
    assert Interval(1.0, 1 / 1.02, 1.02).half_width == pytest.approx(0.02, rel=0.02)
    assert Interval(1.0, 1.0, 1.0).half_width == 0.0
    assert Interval(1.0, 0.0, math.inf).half_width == math.inf
    assert Interval(math.nan, math.nan, math.nan).half_width == math.inf


@pytest.mark.parametrize(
    ("floor", "error", "limit", "shown", "beyond"),
    [
        (0.5, 0.1, "", "50 %", False),
        (1.05, 0.1, "", "105 ± 10 %", False),  # which the error of 10 % explains
        (1.2, 0.1, "", "120 ± 12 %", True),
        (1.2, math.nan, "", "120 %", False),  # nobody knows how far it is to be trusted
        (math.nan, 0.1, "exp", "exp", False),
        (math.nan, math.nan, "", "–", False),
    ],
)
def test_a_share_beyond_the_ceiling_tells_its_error(
    floor: float, error: float, limit: str, shown: str, beyond: bool
) -> None:
    found = replace(result(1.0, 1.0), seconds=1.0, floor=floor, share_error=error, limit=limit)
    assert show.share_of_ceiling(found) == shown
    assert found.beyond_ceiling == beyond


def test_time_is_as_uncertain_as_the_processes_differ() -> None:
    assert math.isnan(time_error([1.0, 9.0, 1.0], [3]))  # of one process
    medians = np.exp(0.1 * np.arange(7))
    expected = stats.t.ppf(0.975, 6) * np.log(medians).std(ddof=1) / math.sqrt(7)
    assert time_error(np.repeat(medians, 3).tolist(), [3] * 7) == pytest.approx(expected)
    assert time_error([2.0] * 21, [3] * 7) == 0.0


def test_share_of_the_ceiling() -> None:
    assert result(1.0, 1.0).ceiling_share == pytest.approx(0.25)
