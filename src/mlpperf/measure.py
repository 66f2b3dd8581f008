"""Races: a reference and its variants timed in turn, in one process, and what may be concluded.

In every round each contestant runs once, in random order, so that a slow moment of the machine hits
all of them alike. What is recorded is the ratio of times within a round; its median over rounds
comes with an interval that assumes of the noise only that it is symmetric, and rounds go on until
that is narrow enough or the budget is spent. Nothing is timed that has not been proven equal.

Where an array lies in memory can change the speed of a kernel by a third, always alike within a
process and by chance in the next one. So every round works on new copies at new addresses, as long
as they are small enough for that.
"""

from __future__ import annotations

import copy
import gc
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from .agreement import Proof, WrongResultError, arrays_in, fingerprint
from .devices import keep_freed_memory
from .errors import MlpperfError
from .hotpath import Args, Case, HotPath, Variant, fresh, problem, proven
from .machine import BUSY, Bystanders, clock_resolution, floor_seconds

CONFIDENCE = 0.95
PRECISION = 0.01  # half-width of the interval at which a contestant has run enough
BUDGET = 0.3  # seconds for the rounds of one path at one case
BLOCK = 1e-3  # least seconds between two looks at the clock
# Blocks shorter than this begin with a call that is not timed, so that it does not matter which
# contestant ran before and what it left in the cache; that alone scatters single calls by ±10 %.
WARM = 0.02
MOVABLE = 1 << 25  # bytes of inputs up to which every round gets new copies at new addresses
FEWEST_ROUNDS = 6  # below, no interval has 95 % confidence
OVERTIME = 9.0  # while an interval is too wide, the budget may be overrun by this factor
ENOUGH_ROUNDS = 60  # before these, too few addresses were tried: a narrow interval may be luck
TELLING_ROUNDS = 20  # from these on, drift and two speeds can be told from chance
# Medians of identical code loaded twice into one process scatter by up to this much.
SCATTER = 0.01

Clock = Callable[[], int]  # nanoseconds


@dataclass(frozen=True)
class Interval:
    """A Hodges-Lehmann median, and what holds the true one with probability `CONFIDENCE`."""

    median: float
    low: float
    high: float

    @property
    def half_width(self) -> float:
        """Half the width in logarithms, the relative uncertainty; infinite without bounds."""
        if not self.low > 0:
            return math.inf
        return 0.5 * math.log(self.high / self.low)


@lru_cache(maxsize=4096)
def _critical_rank(n: int, level: float) -> int:
    """Largest value of the signed-rank statistic of n that is rejected two-sided; −1 for none.

    Exact up to n = 100 (the ways to get each sum of ranks), then by the normal approximation.
    """
    if n > 100:
        deviation = math.sqrt(n * (n + 1) * (2 * n + 1) / 24)
        return math.floor(n * (n + 1) / 4 - 0.5 + ndtri(level / 2) * deviation)
    ways = np.zeros(n * (n + 1) // 2 + 1)
    ways[0] = 1
    for rank in range(1, n + 1):
        ways[rank:] += ways[:-rank].copy()
    return int(np.searchsorted(2 * np.cumsum(ways / 2.0**n), level, side="right")) - 1


def ratio_interval(ratios: Iterable[float], confidence: float = CONFIDENCE) -> Interval:
    """Hodges-Lehmann median of positive ratios, in logarithms, with its signed-rank interval.

    The estimate is the median of all pairwise (Walsh) averages; the interval inverts Wilcoxon's
    signed-rank test (Hollander, Wolfe and Chicken: Nonparametric Statistical Methods, 3.2 and 3.3)
    and assumes of the distribution only that it is symmetric in logarithms, which the ratio of
    identical code is. Against the plain median it is a third narrower on normal noise, and where a
    kernel has two speeds, it lies between them instead of jumping from one to the other. With
    too few ratios for that confidence the interval is (0, ∞).

    Raises
    ------
    MlpperfError
        If there is no ratio, or one is not positive and finite.
    """
    values = np.fromiter(ratios, dtype=np.float64)
    if not values.size or not np.isfinite(values).all() or values.min() <= 0:
        raise MlpperfError("A ratio interval needs positive, finite ratios.")
    logs, n = np.log(values), values.size
    walsh = np.sort((logs[:, None] + logs)[np.triu_indices(n)] / 2)
    median = math.exp(float(np.median(walsh)))
    rank = _critical_rank(n, 1 - confidence)
    if rank < 0:
        return Interval(median, 0.0, math.inf)
    return Interval(median, math.exp(walsh[rank]), math.exp(walsh[-1 - rank]))


@dataclass(frozen=True)
class Result:
    """How one variant did against its reference at one case."""

    path: str
    version: int
    case: str
    variant: str
    backend: str
    seconds: float  # median of one call
    reference_seconds: float
    speedup: Interval  # reference ÷ variant
    rounds: int
    proof: Proof
    floor: float  # seconds that the bare products or the bare memory traffic take
    doubts: tuple[str, ...] = ()
    wrong: str = ""  # why it was not timed

    @property
    def ceiling_share(self) -> float:
        """Share of the machine's measured ceiling that the variant reaches."""
        return self.floor / self.seconds

    @property
    def verdict(self) -> str:
        """In words: wrong, faster, slower, or no difference beyond so and so much."""
        if self.wrong:
            return "wrong"
        if self.speedup.low > 1 + SCATTER:
            return "faster"
        if self.speedup.high < 1 / (1 + SCATTER):
            return "slower"
        if not self.speedup.low > 0:
            return "undecided"
        beyond = max(SCATTER, self.speedup.high - 1, 1 / self.speedup.low - 1)
        return f"no difference beyond ±{_plain(100 * beyond, 2)} %"


@dataclass
class _Runner:
    """A contestant with its prepared arguments, calls per block, and the times of its blocks."""

    variant: Variant
    args: tuple[Any, ...]
    clock: Clock
    calls: int = 1
    warm: bool = False

    def __post_init__(self) -> None:
        self.seconds: list[float] = []
        while (elapsed := self.block() * self.calls) < BLOCK:
            # Aim a little beyond, so that the next block is long enough in most cases.
            self.calls *= min(10, max(2, math.ceil(1.2 * BLOCK / max(elapsed, 1e-9))))
        self.warm = elapsed < WARM

    def block(self) -> float:
        """Seconds per call over one block of calls."""
        fn, args, clock = self.variant.fn, self.args, self.clock
        if self.warm:
            fn(*args)
        start = clock()
        for _ in repeat(None, self.calls):
            fn(*args)
        return (clock() - start) * 1e-9 / self.calls


def race(
    path: HotPath,
    case: Case,
    variants: Sequence[Variant] | None = None,
    *,
    budget: float = BUDGET,
    precision: float = PRECISION,
    seed: int | None = None,
    clock: Clock = time.perf_counter_ns,
) -> list[Result]:
    """Prove `variants` (default: all of `path`) at `case`, then time them against the reference.

    Parameters
    ----------
    budget
        Seconds for the rounds. It is overrun by up to `OVERTIME` while an interval is wider than
        twice `precision`, and by as much as `FEWEST_ROUNDS` need.
    precision
        Half-width of the interval at which a variant has run enough.
    seed
        Of the order within the rounds; random by default.

    Returns
    -------
    One result for each variant. One that is wrong is not timed; its result says why.

    Raises
    ------
    MlpperfError
        If the budget is not positive.
    """
    if not 0 < budget < math.inf:
        raise MlpperfError(f"The budget must be a positive number of seconds, not {budget:g}.")
    keep_freed_memory()
    rng = np.random.default_rng(seed)
    contestants = path.variants if variants is None else tuple(variants)
    ready: list[tuple[Variant, Proof, Args]] = []
    results: dict[str, Result] = {}
    for variant in contestants:
        try:
            ready.append((variant, *proven(path, variant, case)))
        except WrongResultError as reason:
            results[variant.name] = _refused(path, case, variant, str(reason))

    inputs, before, expected = problem(path, case)
    if results:  # a wrong variant may have spoilt what the others were prepared from
        ready = [(v, proof, v.prepare(*fresh(path, inputs))) for v, proof, _ in ready]
    bystanders = Bystanders()
    reference = _Runner(path.contestants[0], fresh(path, inputs), clock)
    others = [_Runner(variant, args, clock) for variant, _, args in ready]
    arrays = list(arrays_in(inputs))
    movable = sum(a.nbytes for a in arrays) <= MOVABLE and all(
        a.flags.forc
        for a in arrays  # a copy of another view would lose its strides
    )

    def relocate(runners: list[_Runner]) -> tuple[object, Args]:
        """Give all runners new copies of the inputs, at addresses that are free by chance."""
        shift = np.empty(rng.integers(1 << 24), dtype=np.uint8)
        moved = copy.deepcopy(inputs)
        for array in arrays_in(moved):
            array.flags.writeable = False
        for runner in runners:
            runner.args = runner.variant.prepare(*fresh(path, moved))
        return shift, moved

    def check(timed: Args) -> None:
        if fingerprint(timed) != before:
            problem.cache_clear()
            name = f"{path.name}/{case.name}"
            raise WrongResultError(f"{name}: an input was changed while it was timed.")

    def one_round(runners: list[_Runner]) -> None:
        held = relocate(runners) if movable else None
        for i in rng.permutation(len(runners)):
            runners[i].seconds.append(runners[i].block())
        if held:
            check(held[1])

    _run_rounds(reference, others, budget, precision, one_round)
    check(inputs)

    busy = bystanders.share()
    for runner, (_, proof, _) in zip(others, ready, strict=True):
        rounds = len(runner.seconds)
        ratios = np.array(reference.seconds[:rounds]) / np.array(runner.seconds)
        dtype = next(
            (str(runner.variant.agreement.dtype(a)) for a in expected if a.dtype.kind == "f"),
            "float32",
        )
        speedup = ratio_interval(ratios)
        results[runner.variant.name] = Result(
            path=path.name,
            version=path.version,
            case=case.name,
            variant=runner.variant.name,
            backend=runner.variant.backend,
            seconds=float(np.median(runner.seconds)),
            reference_seconds=float(np.median(reference.seconds[:rounds])),
            speedup=speedup,
            rounds=rounds,
            proof=proof,
            floor=floor_seconds(path.cost(case), dtype),
            doubts=tuple(doubts(ratios, speedup, precision, runner.calls, runner.seconds, busy)),
        )
    return [results[v.name] for v in contestants]


def _run_rounds(
    reference: _Runner,
    active: list[_Runner],
    budget: float,
    precision: float,
    one_round: Callable[[list[_Runner]], None],
) -> None:
    """Run rounds; a variant whose interval is narrow enough takes part no more."""
    start = reference.clock()
    collecting = gc.isenabled()
    gc.disable()  # a collection would hit one contestant of a round
    try:
        while active:
            one_round([reference, *active])
            rounds = len(reference.seconds)
            spent = (reference.clock() - start) * 1e-9
            look = rounds < TELLING_ROUNDS or rounds % 5 == 0  # intervals cost time, too
            enough = spent >= OVERTIME * budget or (
                spent >= budget and look and _all_narrow(reference, active, 2 * precision)
            )
            if rounds >= FEWEST_ROUNDS and enough:
                break
            if rounds >= ENOUGH_ROUNDS and rounds % 5 == 0:
                active = [r for r in active if not _all_narrow(reference, [r], precision)]
    finally:
        if collecting:
            gc.enable()


def _all_narrow(reference: _Runner, runners: list[_Runner], precision: float) -> bool:
    intervals = (ratio_interval(np.divide(reference.seconds, r.seconds)) for r in runners)
    return all(interval.half_width <= precision for interval in intervals)


def _refused(path: HotPath, case: Case, variant: Variant, why: str) -> Result:
    nan = math.nan
    nothing = Interval(nan, nan, nan)
    return Result(
        path=path.name,
        version=path.version,
        case=case.name,
        variant=variant.name,
        backend=variant.backend,
        seconds=nan,
        reference_seconds=nan,
        speedup=nothing,
        rounds=0,
        proof=Proof(nan, nan),
        floor=nan,
        wrong=why,
    )


def doubts(
    ratios: NDArray[np.float64],
    speedup: Interval,
    precision: float,
    calls: int,
    seconds: Sequence[float],
    busy: float,
) -> Iterable[str]:
    """Why a result should not be trusted too far, one clause each.

    `ratios` in the order of the rounds; `calls` per block and `seconds` per call of the variant;
    `busy` the share of the machine that other processes took.
    """
    if len(ratios) <= FEWEST_ROUNDS:
        yield f"only {len(ratios)} rounds: the interval is their whole range"
    if speedup.half_width > 2 * precision:
        yield f"interval wider than ±{200 * precision:.2g} %: raise the budget"
    if float(np.median(seconds)) * calls < 1000 * clock_resolution():
        yield "the clock is too coarse for so short a block"
    if busy > BUSY:
        yield f"other processes took {100 * busy:.0f} % of the machine"
    if modes := two_modes(np.log(ratios)):
        yield f"two speeds: {_plain(math.exp(modes[0]))}× and {_plain(math.exp(modes[1]))}×"
    half = len(ratios) // 2
    if half >= TELLING_ROUNDS:
        first, second = ratio_interval(ratios[:half]), ratio_interval(ratios[half:])
        apart = max(first.low / second.high, second.low / first.high)
        if apart > 1 + precision:
            yield f"drifted from {_plain(first.median)}× to {_plain(second.median)}×"


def _plain(value: float, digits: int = 3) -> str:
    """`value` with that many digits, never as a power of ten."""
    text = f"{value:.{digits}g}"
    if "e" not in text:
        return text
    return f"{value:.{max(0, digits - 1 - math.floor(math.log10(value)))}f}"


def two_modes(values: NDArray[np.float64]) -> tuple[float, float] | None:
    """Centres of the two clusters of `values`, if they are two and not one.

    The best split in two (least squares) counts where both sides hold at least a fifth of the
    values, and lie apart by Ashman's D > 5 + 60/n: the halves of a normal distribution have
    D = 2.7, of a uniform one 3.5, and of few values more by chance. Clusters closer than `SCATTER`
    do not matter.
    """
    ordered = np.sort(values)
    n = len(ordered)
    fewest = max(n // 5, 3)
    if n < TELLING_ROUNDS:
        return None
    sizes = np.arange(1, n)
    sums = np.cumsum(ordered)[:-1]
    between = (sums - sizes * ordered.mean()) ** 2 / (sizes * (n - sizes))
    split = fewest + int(np.argmax(between[fewest - 1 : n - fewest]))
    low, high = ordered[:split], ordered[split:]
    apart = high.mean() - low.mean()
    spread = math.sqrt((low.var() + high.var()) / 2)
    if apart > SCATTER and apart > (5 + 60 / n) * spread:
        return float(low.mean()), float(high.mean())
    return None
