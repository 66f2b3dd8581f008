"""Races: variants beside their reference, timed in turns by several fresh processes.

In every round each contestant runs once, so that a slow moment of the machine hits all of them
alike; what counts is the ratio of times within a round. One process gives one value, and the
interval is over the processes: where code and arrays happen to lie is alike within a process and
different in the next one, so that a narrow interval over its rounds may be wrong. Nothing is timed
that has not been proven equal.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...devices import Setting
from ...errors import MlpperfError
from ...hotpath import Case, HotPath, Variant, drawn, problem
from ..machine.ceilings import floor_seconds
from ..machine.machine import Bystanders
from ..machine.timer import UNKNOWN as NO_FLOOR
from ..machine.timer import Floor
from ..pool.process import TaskWorker
from ..statistics.blocks import quickest
from ..statistics.estimates import RatioEstimate
from ..statistics.intervals import FEWEST, Interval, ratio_interval
from ..statistics.pooling import pool
from ..statistics.quantiles import student_quantile
from ..suites.pyproject import entries
from ..worker import arrays, protocol
from ..worker.contest import Contestant, Timing, prove
from ..worker.memory import keep_freed_memory
from ..worker.protocol import HOTPATH, Samples, Side, Task
from ..worker.runner import Clock
from .looks import FIRST, LOOKS, PRECISION, certain, interval, needs_more
from .result import Result
from .warnings import warnings

BUDGET = 60.0  # seconds for timing, in all processes of a race together
SECONDS = 0.07  # of rounds in each process, for a path at a case
ALONE = 0.5  # seconds of rounds where one process does it all
EXAMINED = 1000  # ratios that warnings depend on, evenly spread


@dataclass
class Timed:
    """What was measured of one variant.

    Attributes
    ----------
    estimate : of reference ÷ variant.
    seconds, reference : per call of the variant and of the reference, round by round.
    """

    estimate: RatioEstimate = field(default_factory=RatioEstimate)
    seconds: list[float] = field(default_factory=list)
    reference: list[float] = field(default_factory=list)


@dataclass
class Contest:
    """A path at a case: its contestants, and what is known about each so far.

    Attributes
    ----------
    path, case : what is raced.
    others : the variants, with their proofs; the reference is not among them.
    timed : what was measured of each variant that is right, by its name.
    active : the variants that the next process times.
    cost : seconds that the last process has spent on it.
    floors : the least time of the work, by variant, measured when it is first asked for.
    """

    path: HotPath
    case: Case
    others: list[Contestant]
    timed: dict[str, Timed] = field(default_factory=dict)
    active: list[Variant] = field(default_factory=list)
    cost: float = 0.0
    floors: dict[str, Floor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Everything that is right is timed at first."""
        self.active = [other.variant for other in self.others if not other.wrong]

    @property
    def name(self) -> str:
        """Such as `layout/batch-500`."""
        return f"{self.path.name}/{self.case.name}"

    @property
    def variants(self) -> list[Variant]:
        """What the next process times: the reference, then the active variants."""
        return [self.path.contestants[0], *self.active]

    @property
    def uncertain(self) -> bool:
        """Whether the verdict on one of the active variants may be wrong."""
        active = (self.timed[variant.name].estimate for variant in self.active)
        return not all(certain(interval(e), len(e.log_ratios)) for e in active)

    def add(self, samples: Samples) -> None:
        """Add the rounds of one process."""
        reference, *others = samples.seconds.values()
        round_seconds, other = samples.timed_seconds / len(reference), samples.overhead_seconds
        for variant, seconds in zip(self.active, others, strict=True):
            timed = self.timed.setdefault(variant.name, Timed())
            timed.seconds.extend(seconds)
            timed.reference.extend(reference)
            timed.estimate.add(seconds, reference, round_seconds, other)
        self.cost = samples.timed_seconds + other

    def look(self, precision: float) -> None:
        """Make those variants active that need more processes."""
        timed = [(o.variant, self.timed[o.variant.name]) for o in self.others if not o.wrong]
        self.active = [variant for variant, t in timed if needs_more(t.estimate, precision)]

    def results(self, busy: float = 0.0) -> list[Result]:
        """One for each variant that was timed so far or is wrong.

        `busy`: the share of the machine that others took meanwhile.
        """
        results = []
        for other in self.others:
            if other.wrong:
                results.append(self._untimed(other))
            elif timed := self.timed.get(other.variant.name):
                processes = len(timed.estimate.log_ratios)
                results.append(self.result(other, timed, interval(timed.estimate), processes, busy))
        return results

    def floor(self, contestant: Contestant) -> Floor:
        """The least time of the work, in the dtype of the contestant."""
        if Setting.current().device != "cpu":  # of which NumPy cannot measure the ceilings
            return NO_FLOOR
        name = contestant.variant.name
        if name not in self.floors:
            self.floors[name] = floor_seconds(self.path.cost(self.case), contestant.dtype)
        return self.floors[name]

    def _untimed(self, contestant: Contestant) -> Result:
        """What is known of a variant without timing it."""
        return Result(
            path=self.path.name,
            version=self.path.version,
            case=self.case.name,
            variant=contestant.variant.name,
            backend=contestant.variant.backend.name,
            proof=contestant.proof,
            preparation=contestant.proof.preparation,
            limit=self.path.cost(self.case).limit,
            wrong=contestant.wrong,
            processes=0,
        )

    def result(
        self, contestant: Contestant, timed: Timed, speedup: Interval, processes: int, busy: float
    ) -> Result:
        """The result for a variant that was timed, with warnings."""
        floor = self.floor(contestant)
        error = time_error(timed.seconds, timed.estimate.rounds)
        ratios = np.divide(quickest(timed.reference), quickest(timed.seconds))
        ratios = ratios[:: math.ceil(len(ratios) / EXAMINED)]
        result = replace(
            self._untimed(contestant),
            seconds=float(np.median(timed.seconds)),
            reference_seconds=float(np.median(timed.reference)),
            speedup=speedup,
            rounds=len(timed.seconds),
            floor=floor.seconds,
            share_error=error + floor.error,
            doubts=tuple(warnings(ratios, speedup, processes, busy)),
            processes=processes,
        )
        if result.beyond_ceiling:  # perhaps because the floor was measured in a slow moment
            again = floor_seconds(self.path.cost(self.case), contestant.dtype)
            result = replace(result, floor=again.seconds, share_error=error + again.error)
        return result


def time_error(seconds: Sequence[float], rounds: Sequence[int]) -> float:
    """Half the width, in logarithms, of the 95 % interval of the `seconds` of a call.

    `rounds`: how many of them belong together, such as those of one process: each such group
    gives one value. NaN if there is only one group.
    """
    groups = np.split(np.asarray(seconds), np.cumsum(rounds)[:-1])
    if len(groups) < 2:
        return math.nan
    scatter = np.std([math.log(np.median(group)) for group in groups], ddof=1)
    return float(student_quantile(len(groups) - 1, 0.975) * scatter / math.sqrt(len(groups)))


def check_budget(budget: float) -> None:
    """Raise `MlpperfError` unless `budget` is a positive number of seconds."""
    if not 0 < budget < math.inf:
        raise MlpperfError(f"The budget must be a positive number of seconds, not {budget:g}.")


def race(
    path: HotPath,
    case: Case,
    variants: Sequence[Variant] | None = None,
    *,
    budget: float = ALONE,
    seed: int | None = None,
    clock: Clock = time.perf_counter_ns,
    pause: Callable[[float], object] = time.sleep,
) -> list[Result]:
    """Prove `variants` (by default all of `path`) at `case` and time them in this process alone.

    The interval is over the rounds, and shows nothing about other processes.

    Raises `MlpperfError` if the budget is not positive, the reference fails, or an input is changed
    while it is timed.
    """
    check_budget(budget)
    keep_freed_memory()
    bystanders = Bystanders()
    chosen = path.variants if variants is None else variants
    contest = Contest(path, case, prove(path, case, chosen))
    results = {r.variant: r for r in contest.results()}
    if contest.active:
        inputs = problem(path, case).inputs
        rng = np.random.default_rng(seed)
        timing = Timing(path, contest.variants, inputs, rng, clock=clock, pause=pause)
        timing.go_on(budget, FEWEST)
        reference, *others = timing.result().times
        for other, seconds in zip((o for o in contest.others if not o.wrong), others, strict=True):
            ratios = np.divide(reference, seconds)
            timed = Timed(RatioEstimate.of_rounds(ratios), seconds, reference)
            speedup, busy = ratio_interval(ratios), bystanders.share()
            result = contest.result(other, timed, speedup, 1, busy)
            results[result.variant] = result
    return [results[variant.name] for variant in chosen]


def run(
    contests: Sequence[Contest],
    folder: Path,
    *,
    budget: float = BUDGET,
    precision: float = PRECISION,
    seed: int | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[tuple[int, Contest]]:
    """Time `contests`, whose inputs are in `folder`, in fresh processes until they are decided.

    The first processes time everything. Then variants whose verdict is certain and whose speedup
    is precise drop out at every look, and what is left goes on while there is budget: contests
    with an uncertain verdict first, of these the cheapest.

    Gives how many timings are planned after this one, and the contest that was just timed.

    Raises `MlpperfError` if a process fails or hangs, or a contestant changes its inputs.

    Parameters
    ----------
    budget : seconds for all processes together. The first ones are not limited by it.
    precision : half-width of the interval of a speedup, as a share, that is precise enough.
    """
    rng = np.random.default_rng(seed)
    start, apart = clock(), 0.0  # seconds of a process that belong to no contest
    chosen = [contest for contest in contests if contest.active]
    seconds = min(SECONDS, budget / (FIRST * max(len(chosen), 1)))
    for look in LOOKS:
        if look > FIRST:
            chosen = affordable(contests, (budget - (clock() - start)) / FIRST - apart)
        if not chosen:
            return
        left = FIRST * len(chosen)
        for _ in range(FIRST):
            began = clock()
            for contest in _one_process(chosen, folder, seconds, rng):
                left -= 1
                yield left, contest
            apart = clock() - began - sum(contest.cost for contest in chosen)
        pool([timed.estimate for contest in contests for timed in contest.timed.values()])
        for contest in contests:
            contest.look(precision)


def affordable(contests: Sequence[Contest], seconds: float) -> list[Contest]:
    """Those that need more processes, as far as a process can time them in these `seconds`."""
    wanted = [contest for contest in contests if contest.active]
    wanted.sort(key=lambda contest: (not contest.uncertain, contest.cost))
    ends = accumulate(contest.cost for contest in wanted)
    return [contest for contest, end in zip(wanted, ends, strict=True) if end <= seconds]


def _one_process(
    contests: Sequence[Contest], folder: Path, seconds: float, rng: np.random.Generator
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


def written(path: HotPath, case: Case, proven: list[Contestant], folder: Path) -> Contest:
    """The contest of variants that are `proven`, with its inputs in `folder` for the processes.

    Raises `MlpperfError` if the inputs cannot be written.
    """
    keep_freed_memory()
    contest = Contest(path, case, proven)
    for other in contest.others:
        if not other.wrong:
            contest.floor(other)
    if contest.active:
        arrays.write(drawn(path, case), folder, f"{path.name}-{case.name}")
    return contest
