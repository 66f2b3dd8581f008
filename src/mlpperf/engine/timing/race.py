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
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from ...agreement import Proof, WrongResultError, arrays_in, fingerprint
from ...devices import Setting, keep_freed_memory
from ...errors import MlpperfError
from ...hotpath import Args, Case, HotPath, Variant, fresh, problem, proven
from ..words import rounded
from .machine import BUSY, Bystanders, clock_resolution, floor_seconds

CONFIDENCE = 0.95
PRECISION = 0.01  # half-width of the interval at which a contestant has run enough
BUDGET = 0.3  # seconds for the rounds of one path at one case
SWEEPS = 3  # over the whole catalogue: a pair is timed at so many moments
BLOCK = 1e-3  # least seconds between two looks at the clock
# Blocks shorter than this begin with a call that is not timed, so that it does not matter which
# contestant ran before and what it left in the cache; that alone scatters single calls by ±10 %.
WARM = 0.02
MOVABLE = 1 << 25  # bytes of inputs up to which every round gets new copies at new addresses
BLOCKS = 60  # of memory held during a round, so that its temporaries are somewhere else, too
BLOCK_SIZES = (10, 21)  # powers of two of their bytes
# The threads of one library wait for more work, spinning, while another library begins; an
# operation of TensorFlow right after a product of NumPy takes up to a third longer for it.
SETTLE = 0.1  # seconds between blocks of two backends
FEWEST_ROUNDS = 6  # below, no interval has 95 % confidence
OVERTIME = 6.0  # while an interval is too wide, the budget may be overrun by this factor
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


def walsh_averages(
    values: NDArray[np.float64], errors: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """The averages of any two of n values, each with itself too; shape (n·(n + 1)/2,).

    With `errors`, which must be positive, weighted by 1 ÷ error.
    """
    weights = np.ones(len(values)) if errors is None else 1 / errors
    weighted = weights * values
    both = np.triu_indices(len(values))
    averages: NDArray[np.float64] = np.add.outer(weighted, weighted)[both]
    averages /= np.add.outer(weights, weights)[both]
    return averages


def ratio_interval(
    ratios: Iterable[float],
    confidence: float = CONFIDENCE,
    errors: NDArray[np.float64] | None = None,
) -> Interval:
    """Hodges-Lehmann median of positive ratios, in logarithms, with its signed-rank interval.

    The estimate is the median of all pairwise (Walsh) averages; the interval inverts Wilcoxon's
    signed-rank test (Hollander, Wolfe and Chicken: Nonparametric Statistical Methods, 3.2 and 3.3)
    and assumes of the distribution only that it is symmetric in logarithms, which the ratio of
    identical code is. Against the plain median it is a third narrower on normal noise, and where a
    kernel has two speeds, it lies between them instead of jumping from one to the other. With
    too few ratios for that confidence the interval is (0, ∞).

    Where some ratios are known to be less sure than others, `errors` are their standard errors in
    logarithms, up to a factor, and the test ranks what is left of a ratio after dividing by its
    own: the averages whose order statistics bound the interval are then weighted by 1 ÷ error. As
    errors have no sign, it remains exact, however badly they are known.

    Raises
    ------
    MlpperfError
        If there is no ratio, or one is not positive and finite.
    """
    values = np.fromiter(ratios, dtype=np.float64)
    if not values.size or not np.isfinite(values).all() or values.min() <= 0:
        raise MlpperfError("A ratio interval needs positive, finite ratios.")
    logs, n = np.log(values), values.size
    walsh = np.sort(walsh_averages(logs, errors))
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
    floor: float  # seconds of the bare products or the bare memory traffic; NaN on a GPU
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
        return f"no difference beyond ±{rounded(100 * beyond, 2)} %"


@dataclass
class Contestant:
    """A variant, what was found about it, and its times so far."""

    variant: Variant
    proof: Proof = field(default_factory=lambda: Proof(math.nan, math.nan))
    wrong: str = ""
    dtype: str = "float32"  # in which it computes
    calls: int = 1  # per block
    warm: bool = False  # blocks begin with a call that is not timed
    seconds: list[float] = field(default_factory=list)
    reference_seconds: list[float] = field(default_factory=list)  # in the same rounds

    def calibrate(self, args: Args, clock: Clock, least: float = BLOCK) -> None:
        """Find out how many calls make a block of `least` seconds."""
        while (elapsed := self.block(args, clock) * self.calls) < least:
            # Aim a little beyond, so that the next block is long enough in most cases.
            self.calls *= min(10, max(2, math.ceil(1.2 * least / max(elapsed, 1e-9))))
        self.warm = elapsed < WARM

    def block(self, args: Args, clock: Clock) -> float:
        """Seconds per call over one block of calls."""
        call, wait = self.variant.call, self.variant.backend.wait
        if self.warm:
            call(*args)
            wait()
        start = clock()
        for _ in repeat(None, self.calls):
            call(*args)
        wait()
        return (clock() - start) * 1e-9 / self.calls

    def ratios(self) -> NDArray[np.float64]:
        """Reference ÷ variant, round by round."""
        return np.divide(self.reference_seconds, self.seconds)

    def narrow(self, precision: float) -> bool:
        """Whether the interval of what was timed so far is no wider than that."""
        return ratio_interval(self.ratios()).half_width <= precision


_Ready = tuple[Contestant, Args]


class Race:
    """One path at one case: its variants, proven once and timed in as many sweeps as one likes.

    The speed of some code against other code changes with what else the host computes, within
    minutes, and so does luck with addresses. A sweep sees one moment of that; several, with other
    races in between, see what is typical.

    Parameters
    ----------
    variants
        Those to time; by default all of `path`.
    sweeps
        How many times `sweep` is going to be called.
    budget
        Seconds for the rounds of all sweeps together. It is overrun by up to `OVERTIME` while an
        interval is wider than twice `precision`, and by as much as `FEWEST_ROUNDS` need.
    precision
        Half-width of the interval at which a variant has run enough.
    seed
        Of the order within the rounds; random by default.

    Raises
    ------
    MlpperfError
        If the budget is not positive.
    """

    def __init__(
        self,
        path: HotPath,
        case: Case,
        variants: Sequence[Variant] | None = None,
        *,
        sweeps: int = 1,
        budget: float = BUDGET,
        precision: float = PRECISION,
        seed: int | None = None,
        clock: Clock = time.perf_counter_ns,
    ) -> None:
        if not 0 < budget < math.inf:
            raise MlpperfError(f"The budget must be a positive number of seconds, not {budget:g}.")
        keep_freed_memory()
        self.path, self.case = path, case
        self._sweeps, self._budget, self._precision = sweeps, budget / sweeps, precision
        self._clock = clock
        self._swept = 0  # sweeps done
        self._rng = np.random.default_rng(seed)
        self._reference = Contestant(path.contestants[0])
        self._others = [Contestant(v) for v in (path.variants if variants is None else variants)]
        self._busy = 0.0
        self._backend = "numpy"  # of the block before
        self._settled = 0.0  # seconds, which do not count against the budget
        self._fingerprint: tuple[int, ...] = ()

    def sweep(self) -> None:
        """Prove the variants, if that was not done yet, and time those that are right.

        Raises
        ------
        MlpperfError
            If an input is changed while it is timed.
        """
        ready = self._prepared()
        inputs, before, _ = problem(self.path, self.case)
        bystanders = Bystanders()
        ready.insert(0, (self._reference, fresh(self.path, inputs)))
        if len({c.variant.backend.name for c, _ in ready}) > 1:
            self._backend = ""  # whoever ran before this sweep
        for runner, args in ready:
            runner.calibrate(args, self._clock)
        arrays = list(arrays_in(inputs))
        movable = sum(a.nbytes for a in arrays) <= MOVABLE and all(
            a.flags.forc
            for a in arrays  # a copy of another view would lose its strides
        )

        def relocated() -> tuple[object, Args]:
            """New copies of the inputs, and a heap in which everything lands by chance.

            Without the blocks, temporaries would fill the same holes in every round.
            """
            sizes = np.exp2(self._rng.uniform(*BLOCK_SIZES, size=BLOCKS)).astype(int)
            blocks = [np.empty(size, dtype=np.uint8) for size in sizes]
            moved = copy.deepcopy(inputs)
            for array in arrays_in(moved):
                array.flags.writeable = False
            return blocks, moved

        def one_round(active: list[_Ready]) -> None:
            held = relocated() if movable else None
            if held:
                active = [(c, c.variant.ready(*fresh(self.path, held[1]))) for c, _ in active]
            times = [0.0] * len(active)
            for i in self._order([c for c, _ in active]):
                contestant, args = active[i]
                if self._backend != (backend := contestant.variant.backend.name):
                    time.sleep(SETTLE)
                    self._backend, self._settled = backend, self._settled + SETTLE
                times[i] = contestant.block(args, self._clock)
            for (contestant, _), seconds in zip(active, times, strict=True):
                contestant.seconds.append(seconds)
                contestant.reference_seconds.append(times[0])
            if held:
                self._check(held[1], before)

        self._run_rounds(ready, one_round)
        self._check(inputs, before)
        self._busy = max(self._busy, bystanders.share())
        self._swept += 1

    def _order(self, contestants: Sequence[Contestant]) -> list[int]:
        """A random order in which contestants of one backend, the last one first, stay together."""
        order = self._rng.permutation(len(contestants)).tolist()
        names = [contestant.variant.backend.name for contestant in contestants]
        first_seen = [self._backend, *(names[i] for i in order)]
        return sorted(order, key=lambda i: first_seen.index(names[i]))

    def _prepared(self) -> list[_Ready]:
        """The variants that are right, with their arguments; proven when they come first."""
        if self._fingerprint:
            inputs, found, _ = problem(self.path, self.case)
            if found != self._fingerprint:
                raise MlpperfError(f"{self.name}: the inputs are not the same when drawn again.")
            right = [c for c in self._others if not c.wrong]
            return [(c, c.variant.ready(*fresh(self.path, inputs))) for c in right]
        ready = []
        for contestant in self._others:
            try:
                contestant.proof, args = proven(self.path, contestant.variant, self.case)
                ready.append((contestant, args))
            except WrongResultError as reason:
                contestant.wrong = str(reason)
        inputs, self._fingerprint, expected = problem(self.path, self.case)
        for contestant, _ in ready:
            kinds = (contestant.variant.agreement.dtype(a) for a in expected if a.dtype.kind == "f")
            contestant.dtype = str(next(kinds, "float32"))
        if len(ready) < len(self._others):  # a wrong variant may have spoilt the others' inputs
            ready = [(c, c.variant.ready(*fresh(self.path, inputs))) for c, _ in ready]
        return ready

    @property
    def name(self) -> str:
        """Such as `layout/batch-500`."""
        return f"{self.path.name}/{self.case.name}"

    def _check(self, timed: Args, before: tuple[int, ...]) -> None:
        if fingerprint(timed) != before:
            problem.cache_clear()
            raise WrongResultError(f"{self.name}: an input was changed while it was timed.")

    def _run_rounds(self, ready: list[_Ready], one_round: Callable[[list[_Ready]], None]) -> None:
        """Run rounds; a variant whose interval is narrow enough takes part no more."""
        # Intervals narrow with the root of the rounds: what to expect of the sweeps so far.
        precision = self._precision * math.sqrt(self._sweeps / (self._swept + 1))
        reference, *active = ready
        rounds, settled = 0, self._settled
        start = self._clock()
        collecting = gc.isenabled()
        gc.disable()  # a collection would hit one contestant of a round
        try:
            while active:
                one_round([reference, *active])
                rounds += 1
                spent = (self._clock() - start) * 1e-9 - (self._settled - settled)
                look = rounds < TELLING_ROUNDS or rounds % 5 == 0  # intervals cost time, too
                enough = spent >= OVERTIME * self._budget or (
                    spent >= self._budget
                    and look
                    and all(c.narrow(2 * precision) for c, _ in active)
                )
                if rounds * self._sweeps >= FEWEST_ROUNDS and enough:
                    break
                if rounds * self._sweeps >= ENOUGH_ROUNDS and rounds % 5 == 0:
                    active = [(c, args) for c, args in active if not c.narrow(precision)]
        finally:
            if collecting:
                gc.enable()

    def results(self) -> list[Result]:
        """One for each variant that was timed so far or found wrong."""
        return [self._result(c) for c in self._others if c.seconds or c.wrong]

    def _result(self, contestant: Contestant) -> Result:
        path, variant, seconds = self.path, contestant.variant, contestant.seconds
        nan = math.nan
        wrong = bool(contestant.wrong)
        gpu = Setting.current().device != "cpu"  # its ceilings are not those that NumPy can measure
        speedup = Interval(nan, nan, nan) if wrong else ratio_interval(contestant.ratios())
        return Result(
            path=path.name,
            version=path.version,
            case=self.case.name,
            variant=variant.name,
            backend=variant.backend.name,
            seconds=nan if wrong else float(np.median(seconds)),
            reference_seconds=nan if wrong else float(np.median(contestant.reference_seconds)),
            speedup=speedup,
            rounds=len(seconds),
            proof=contestant.proof,
            floor=nan if wrong or gpu else floor_seconds(path.cost(self.case), contestant.dtype),
            doubts=() if wrong else tuple(self._doubts(contestant, speedup)),
            wrong=contestant.wrong,
        )

    def _doubts(self, contestant: Contestant, speedup: Interval) -> Iterable[str]:
        seconds, calls = contestant.seconds, contestant.calls
        ratios = contestant.ratios()
        return doubts(ratios, speedup, self._precision, calls, seconds, self._busy)


def race(
    path: HotPath, case: Case, variants: Sequence[Variant] | None = None, **settings: Any
) -> list[Result]:
    """Prove and time `variants` at `case` in one sweep; parameters and errors as of `Race`."""
    whole = Race(path, case, variants, **settings)
    whole.sweep()
    return whole.results()


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
        yield f"two speeds: {rounded(math.exp(modes[0]))}× and {rounded(math.exp(modes[1]))}×"
    half = len(ratios) // 2
    if half >= TELLING_ROUNDS:
        first, second = ratio_interval(ratios[:half]), ratio_interval(ratios[half:])
        apart = max(first.low / second.high, second.low / first.high)
        if apart > 1 + precision:
            yield f"drifted from {rounded(first.median)}× to {rounded(second.median)}×"


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
