"""Races: variants beside their reference, timed in turns by several fresh processes.

In every round each contestant runs once, so that a slow moment of the machine hits all of them
alike; what counts is the ratio of times within a round. What one process finds is one value, and
the interval is over the processes: where code and arrays happen to lie is alike within a process
and different in the next one, so that a narrow interval over its rounds may be wrong. Nothing is
timed that has not been proven equal.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...devices import Setting
from ...errors import MlpperfError
from ...hotpath import Case, HotPath, Variant, problem
from ..machine.ceilings import UNKNOWN as NO_FLOOR
from ..machine.ceilings import floor_seconds
from ..machine.machine import Bystanders
from ..machine.timer import Floor
from ..pool.process import TaskWorker
from ..statistics.estimates import RatioEstimate
from ..statistics.intervals import CONFIDENCE, FEWEST, Interval, ratio_interval
from ..statistics.robust import quickest
from ..suites.pyproject import entries
from ..worker import arrays, protocol
from ..worker.contest import Contestant, Timing, prove
from ..worker.memory import keep_freed_memory
from ..worker.protocol import HOTPATH, Samples, Side, Task
from ..worker.runner import Clock
from .result import WIDE, Result
from .warnings import Measured, doubts

BUDGET = 0.5  # seconds for the rounds of one path at one case, in all processes together
DOUBTED = 1000  # ratios that are looked at for reasons to doubt, evenly spread
UNKNOWN = Interval(math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class Processes:
    """How many fresh processes time a race.

    Attributes
    ----------
    usual : that time everything; of seven values the interval leaves out the outermost averages.
    most : that time what is still too wide after these.
    wide : half-width, as a share, of an interval that is too wide.
    overtime : what the later ones may spend together, as a multiple of the budget.
    """

    usual: int = 7
    most: int = 11
    wide: float = WIDE
    overtime: float = 0.5


PROCESSES = Processes()


@dataclass
class Contest:
    """A path at a case: its contestants, and what was found about each so far.

    Attributes
    ----------
    path, case : what is raced.
    others : the variants, with their proofs; the reference is not among them.
    estimates : of reference ÷ variant, one for each variant that is right.
    seconds : per call of the reference and of each variant that is right, round by round.
    processes : that have timed it.
    cost : seconds that a process needs for it at least, once one has timed it.
    """

    path: HotPath
    case: Case
    others: list[Contestant]
    estimates: list[RatioEstimate] = field(default_factory=list)
    seconds: list[list[float]] = field(default_factory=list)
    processes: int = 0
    cost: float = 0.0

    @property
    def name(self) -> str:
        """Such as `layout/batch-500`."""
        return f"{self.path.name}/{self.case.name}"

    @property
    def right(self) -> list[Contestant]:
        """The variants that were proven."""
        return [contestant for contestant in self.others if not contestant.wrong]

    @property
    def variants(self) -> list[Variant]:
        """The reference, then the variants that were proven."""
        return [self.path.contestants[0], *(contestant.variant for contestant in self.right)]

    def add(self, samples: Samples) -> None:
        """Add the rounds of one process."""
        times = list(samples.seconds.values())
        round_seconds, other = samples.timed_seconds / len(times[0]), samples.overhead_seconds
        self.estimates = self.estimates or [RatioEstimate() for _ in self.right]
        self.seconds = self.seconds or [[] for _ in times]
        for known, more in zip(self.seconds, times, strict=True):
            known.extend(more)
        for estimate, more in zip(self.estimates, times[1:], strict=True):
            estimate.add(more, times[0], round_seconds, other)
        self.processes += 1
        self.cost = round_seconds + other

    def half_width(self) -> float:
        """Of the widest interval; 0 where there is none."""
        widths = (e.interval(CONFIDENCE).half_width for e in self.estimates if e.log_ratios)
        return max(widths, default=0.0)

    def results(self, busy: float = 0.0) -> list[Result]:
        """One for each variant that was timed so far or found wrong.

        `busy`: the share of the machine that others took meanwhile.
        """
        timed = iter(zip(self.estimates, self.seconds[1:], strict=True))
        results = []
        for contestant in self.others:
            if contestant.wrong:
                results.append(self._result(contestant, UNKNOWN, (), math.nan))
            elif known := next(timed, None):
                estimate, seconds = known
                interval = estimate.interval(CONFIDENCE)
                ratios = np.divide(quickest(self.seconds[0]), quickest(seconds))
                ratios = ratios[:: math.ceil(len(ratios) / DOUBTED)]
                error = time_error(seconds, estimate.rounds)
                result = self._result(contestant, interval, seconds, error)
                about = Measured(
                    ratios, interval, result.rounds, self.processes, busy, result.beyond_ceiling
                )
                results.append(replace(result, doubts=tuple(doubts(about))))
        return results

    def look_at_ceilings(self) -> None:
        """Measure its floors once before it is timed; `results` does so again, and less counts."""
        for contestant in self.right:
            self._floor(contestant)

    def _floor(self, contestant: Contestant) -> Floor:
        if Setting.current().device != "cpu":  # of which NumPy cannot measure the ceilings
            return NO_FLOOR
        return floor_seconds(self.path.cost(self.case), contestant.dtype)

    def _result(
        self,
        contestant: Contestant,
        speedup: Interval,
        seconds: Sequence[float],
        time_error: float,
    ) -> Result:
        path, variant = self.path, contestant.variant
        rounds = len(seconds)
        floor = self._floor(contestant) if rounds else NO_FLOOR
        return Result(
            path=path.name,
            version=path.version,
            case=self.case.name,
            variant=variant.name,
            backend=variant.backend.name,
            seconds=float(np.median(seconds)) if rounds else math.nan,
            reference_seconds=float(np.median(self.seconds[0])) if rounds else math.nan,
            speedup=speedup,
            rounds=rounds,
            proof=contestant.proof,
            preparation=contestant.proof.preparation,
            floor=floor.seconds,
            share_error=time_error + floor.error,
            limit=path.cost(self.case).limit,
            wrong=contestant.wrong,
            processes=self.processes,
        )


def time_error(seconds: Sequence[float], rounds: Sequence[int]) -> float:
    """Half the width, in logarithms, of the interval of the median of the `seconds` of a call.

    `rounds`: how many of them belong together, such as those of one process: each such group
    gives one value. NaN where these are too few.
    """
    groups = np.split(np.asarray(seconds), np.cumsum(rounds)[:-1])
    half_width = ratio_interval(float(np.median(group)) for group in groups).half_width
    return half_width if math.isfinite(half_width) else math.nan


def check_budget(budget: float) -> None:
    """Raise `MlpperfError` unless `budget` is a positive number of seconds."""
    if not 0 < budget < math.inf:
        raise MlpperfError(f"The budget must be a positive number of seconds, not {budget:g}.")


def race(
    path: HotPath,
    case: Case,
    variants: Sequence[Variant] | None = None,
    *,
    budget: float = BUDGET,
    seed: int | None = None,
    clock: Clock = time.perf_counter_ns,
    pause: Callable[[float], object] = time.sleep,
) -> list[Result]:
    """Prove `variants` (by default all of `path`) at `case` and time them in this process alone.

    The interval is over the rounds, and shows nothing about other processes.

    Raises
    ------
    MlpperfError
        If the budget is not positive, the reference fails, or an input is changed while it is
        timed.
    """
    check_budget(budget)
    keep_freed_memory()
    bystanders = Bystanders()
    chosen = path.variants if variants is None else variants
    contest = Contest(path, case, prove(path, case, chosen))
    if contest.right:
        inputs = problem(path, case).inputs
        rng = np.random.default_rng(seed)
        timing = Timing(path, contest.variants, inputs, rng, clock=clock, pause=pause)
        timing.go_on(budget, FEWEST)
        turns = timing.result()
        contest.seconds = turns.times
        contest.processes = 1
        ratios = (np.divide(turns.times[0], times) for times in turns.times[1:])
        contest.estimates = [RatioEstimate.of_rounds(ratio) for ratio in ratios]
    return contest.results(bystanders.share())


def run(
    contests: Sequence[Contest],
    folder: Path,
    *,
    budget: float = BUDGET,
    processes: Processes = PROCESSES,
    seed: int | None = None,
) -> Iterator[tuple[int, Contest]]:
    """Time `contests`, whose inputs are in `folder`, in several fresh processes.

    Gives the number of the process, from 1, and the contest that it has just timed.

    Parameters
    ----------
    budget
        Seconds of rounds for each contest, in all usual processes together.

    Raises
    ------
    MlpperfError
        If a process fails, hangs, or finds that a contestant changes its inputs.
    """
    rng = np.random.default_rng(seed)
    chosen = [contest for contest in contests if contest.right]
    left = processes.overtime * budget * len(chosen)
    for number in range(1, processes.most + 1):
        if number > processes.usual:
            wide = [c for c in chosen if c.half_width() > processes.wide]
            wide.sort(key=lambda c: c.cost)
            spending = np.cumsum([c.cost + budget / processes.usual for c in wide])
            chosen = [c for c, spent in zip(wide, spending, strict=True) if spent <= left]
            if not chosen:
                return
            left -= float(spending[len(chosen) - 1])
        done = _one_process(chosen, folder, budget / processes.usual, rng)
        yield from ((number, contest) for contest in done)


def _one_process(
    contests: Sequence[Contest],
    folder: Path,
    seconds: float,
    rng: np.random.Generator,
) -> Iterator[Contest]:
    order: NDArray[np.intp] = rng.permutation(len(contests))
    here = Path.cwd()
    named = list(entries(here / "pyproject.toml"))
    task = Task(
        "race",
        HOTPATH,
        sides={"head": Side(str(here), [], [str(here), str(here / "src")], entries=named)},
        inputs=str(folder),
        seed=int(rng.integers(2**31)),
        contests=[
            protocol.Contest(
                contests[i].path.name,
                contests[i].case.name,
                [variant.name for variant in contests[i].variants],
                seconds,
            )
            for i in order
        ],
    )
    with TaskWorker(task) as answers:
        for i in order:
            answer = next(answers, None)
            if not isinstance(answer, Samples):
                raise MlpperfError(f"A process ended before it had timed {contests[i].name}")
            contests[i].add(answer)
            yield contests[i]


def written(path: HotPath, case: Case, variants: Sequence[Variant], folder: Path) -> Contest:
    """The contest of `variants`, proven, with its inputs in `folder` for the processes.

    Raises
    ------
    MlpperfError
        If the reference fails, or the inputs cannot be written.
    """
    contest = Contest(path, case, prove(path, case, variants))
    contest.look_at_ceilings()
    if contest.right:
        arrays.write(problem(path, case).inputs, folder, f"{path.name}-{case.name}")
    return contest
