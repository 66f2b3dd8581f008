"""What can this tracker see here? Known slowdowns, put into the code, and how many are found.

A mutant is a copy of the project in which some functions do more than they need to: before its own
work, each runs through an empty loop, so long that a call of it at a short case takes, say, 2 %
more. That is how a careless commit acts, and nothing is added to any result. Each hot path gets
one such function, chosen by chance, in every trial; then the mutant is compared with the original
like any two commits. A mutant of 0 % is the same code: whatever is found there is a false alarm.
"""

from __future__ import annotations

import inspect
import math
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import repeat
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import MlpperfError
from ..compare.budget import BUDGET
from ..compare.findings import Comparison, Selection, Series
from ..compare.stages import compare
from ..compare.versions import Version, entry_files
from ..timing.blocks import ROW
from ..timing.intervals import CONFIDENCE
from ..timing.quantiles import beta_quantile
from .trackers import Tracker

# Shares of the time by which functions are slowed down; 0 is the same code, to count false alarms.
SIZES = (0.0, 0.01, 0.02, 0.03, 0.05, 0.10)
TRIALS = 3  # comparisons for each size
WANTED = 0.95  # the detection rate that the smallest slowdown told has
LOOPS, CALLS, BLOCKS = 500, 5, 1000  # rounds of the loop that is timed, its calls, and blocks

MUTATION = """

# A slowdown of known size, to see whether it is noticed.
from dataclasses import replace as _replace
from itertools import repeat as _repeat


def _instead(paths, name, function, slower):
    path = next(path for path in paths if path.name == name)
    every = {f.__name__: f for f in (path.reference, *(v.fn for v in path.variants))}
    slower.__name__, slower.__doc__ = function, every[function].__doc__
    if path.reference.__name__ == function:
        new = _replace(path, reference=slower)
    else:
        new = _replace(
            path,
            variants=tuple(
                _replace(v, fn=slower) if v.fn.__name__ == function else v for v in path.variants
            ),
        )
    return tuple(new if path.name == name else path for path in paths), every[function]
"""
SLOWER = """

def _slower_{number}({given}):
    for _ in _repeat(None, {loops}):
        pass
    return _original_{number}({given})


{paths}, _original_{number} = _instead({paths}, {path!r}, {function!r}, _slower_{number})
"""


@dataclass(frozen=True)
class Target:
    """A function that is slowed down, and the case at which it takes so much longer."""

    series: Series
    size: float
    loops: int  # of the empty loop, per call


@dataclass(frozen=True)
class Trial:
    """One comparison with a mutant.

    `found`: the targets that were found slower. `unrelated`: other series that were, and whose
    function was not slowed down. `measured`: of each target, by how much a call took longer as the
    comparison saw it.
    """

    size: float
    targets: tuple[str, ...]
    found: tuple[str, ...]
    unrelated: tuple[str, ...]
    series: int
    seconds: float
    measured: dict[str, float] = field(default_factory=dict)
    undecided: int = 0
    busy: float = 0.0
    trouble: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rate:
    """How many of how many, and the Clopper-Pearson interval of the probability."""

    hits: int
    of: int

    @property
    def bounds(self) -> tuple[float, float]:
        """Of the probability, with `CONFIDENCE`."""
        tail, misses = (1 - CONFIDENCE) / 2, self.of - self.hits
        low = beta_quantile(self.hits, misses + 1, tail) if self.hits else 0.0
        high = beta_quantile(self.hits + 1, misses, 1 - tail) if misses else 1.0
        return low, high

    @property
    def share(self) -> float:
        """Hits of all; NaN of none."""
        return self.hits / self.of if self.of else math.nan


def loop_seconds() -> tuple[float, float]:
    """Seconds of one round of an empty loop, and of calling a function with a loop of no rounds.

    Timed around a little work of NumPy's, because by themselves both take less: a call half, as
    nothing else is in the processor's caches. A round must cost the same in short loops. Of `range`
    it does not: Python keeps the integers up to 256, and makes every larger one.
    """
    numbers = np.linspace(-1.0, 1.0, 2000)

    def work(x: NDArray[np.float64]) -> NDArray[np.float64]:
        y = np.tanh(x)
        y += x
        return y * y

    def slower(x: NDArray[np.float64], rounds: int) -> NDArray[np.float64]:
        for _ in repeat(None, rounds):
            pass
        return work(x)

    def called(function: Callable[..., object], *args: object) -> int:
        start = time.perf_counter_ns()
        for _ in range(CALLS):
            function(numbers, *args)
        return time.perf_counter_ns() - start

    rows = [
        (called(work), called(slower, 0), called(slower, LOOPS), called(slower, 0), called(work))
        for _ in range(BLOCKS)
    ]
    # A disturbance only adds time: the quickest of some blocks in a row.
    plain, call, loop, call_again, plain_again = np.array(rows).reshape(-1, ROW, 5).min(axis=1).T
    once = np.median(loop - (call + call_again) / 2) / (CALLS * LOOPS) * 1e-9
    more = np.median(call + call_again - plain - plain_again) / (2 * CALLS) * 1e-9
    return float(once), max(float(more), 0.0)


def choose(
    times: dict[Series, float], size: float, rng: np.random.Generator, loop: tuple[float, float]
) -> list[Target]:
    """For each hot path one function, by chance, and the shortest case that has room for the loop.

    At longer ones it is a smaller share, so that nothing larger than `size` helps to find it but
    at cases that are too short, which do not count.

    `times` are seconds of a call; `loop` those of a round and of a call, as of `loop_seconds`.
    """
    found = []
    for path in dict.fromkeys(series.path for series in times):
        able = [s for s in times if s.path == path and size * times[s] > loop[1] + loop[0]]
        variants = list(dict.fromkeys(series.variant for series in able))
        if able:
            variant = variants[rng.integers(len(variants))]
            series = min((s for s in able if s.variant == variant), key=lambda s: times[s])
            found.append(Target(series, size, round((size * times[series] - loop[1]) / loop[0])))
    return found


def mutate(original: Version, targets: Sequence[Target], into: Path) -> Version:
    """A copy of `original` in the new folder `into` that does the extra work of `targets`.

    Raises
    ------
    MlpperfError
        If it cannot be written.
    """
    size = targets[0].size if targets else 0.0
    mutant = replace(original, name=f"a mutant of {100 * size:g} %", commit=None, root=into)
    try:
        shutil.copytree(original.root, into)
        for file, attribute, paths in entry_files(mutant):
            here = [target for target in targets if target.series.path in paths]
            lines = [MUTATION] if here else []
            for number, target in enumerate(here):
                path = paths[target.series.path]
                function = next(v.fn for v in path.contestants if v.name == target.series.variant)
                lines.append(
                    SLOWER.format(
                        number=number,
                        given=_given(function),
                        loops=target.loops,
                        paths=attribute,
                        path=path.name,
                        function=function.__name__,
                    )
                )
            with file.open("a", encoding="utf-8") as module:
                module.writelines(lines)
    except OSError as reason:
        raise MlpperfError(f"A mutant cannot be written to {into}: {reason}.") from reason
    return mutant


def _given(function: Callable[..., object]) -> str:
    """Its arguments by name; where names do not say it all, whatever is given."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:  # of a function written in C
        return "*given"
    plain = all(p.kind is p.POSITIONAL_OR_KEYWORD and p.default is p.empty for p in parameters)
    return ", ".join(p.name for p in parameters) if plain else "*given"


def calibrate(
    original: Version,
    selection: Selection,
    folder: Path,
    *,
    sizes: Sequence[float] = SIZES,
    trials: int = TRIALS,
    budget: float = BUDGET,
    tracker: Tracker | None = None,
    seed: int | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> Iterator[Trial]:
    """Compare `original` with `trials` mutants of each of `sizes`, made in `folder`; gives each.

    By a tracker of somebody else's if one is given.

    Raises
    ------
    MlpperfError
        For a size or number that is out of range, or if nothing could be timed.
    """
    if not sizes or not all(0 <= size < 10 for size in sizes) or trials < 1:
        raise MlpperfError(
            "Calibration needs sizes of 0 to 1000 % and at least one trial, "
            f"not {', '.join(f'{100 * size:g}' for size in sizes)} and {trials}."
        )
    rng = np.random.default_rng(seed)
    loop = (math.inf, math.inf)
    order = [size for _ in range(trials) for size in sizes]

    times: dict[Series, float] = {}

    def compared(mutant: Version, told: str) -> Comparison:
        stages = compare(
            original,
            mutant,
            selection,
            budget=budget,
            seed=int(rng.integers(2**31)),
            progress=lambda text: progress(f"{told}: {text}"),
        )
        *_, result = stages
        for finding in result.timed:
            known = times.get(finding.series, math.inf)
            times[finding.series] = min(known, finding.seconds["base"])
        if not result.timed:
            why = [*result.trouble, *result.broken.values(), "nothing is right"]
            raise MlpperfError(f"Nothing could be timed: {why[0]}")
        return result

    for number, size in enumerate(order):
        told = f"{100 * size:g} %, {number + 1} of {len(order)}"
        if not times and (size or tracker):  # how long does a call take?
            compared(mutate(original, [], folder / "same"), "getting ready")
        targets = []
        if size:
            once, call = loop_seconds()  # like `times`, in the quietest moment so far
            loop = (min(loop[0], once), min(loop[1], call))
            targets = choose(times, size, rng, loop)
        mutant = mutate(original, targets, folder / f"mutant-{number}")
        if tracker is None:
            result = compared(mutant, told)
            yield judged(size, targets, result)
        else:
            progress(told)
            said = tracker(original, mutant, list(times), folder)
            yield _trial(size, targets, said.slower, len(times), said.seconds)
        shutil.rmtree(mutant.root)


def judged(size: float, targets: Sequence[Target], result: Comparison) -> Trial:
    """What the comparison with a mutant says about this tracker."""
    aimed = {target.series for target in targets}
    timed = result.timed
    return replace(
        _trial(size, targets, [f.series for f in timed if f.slower], len(timed), result.total),
        measured={f.series.name: f.ratio.median - 1 for f in timed if f.series in aimed},
        undecided=sum(f.judgement.undecided for f in timed),
        busy=result.busy,
        trouble=tuple(result.trouble),
    )


def _trial(
    size: float, targets: Sequence[Target], slower: Iterable[Series], series: int, seconds: float
) -> Trial:
    aimed = [target.series for target in targets]
    changed = {(target.path, target.variant) for target in aimed}
    slower = list(slower)
    return Trial(
        size=size,
        targets=tuple(target.name for target in aimed),
        found=tuple(target.name for target in aimed if target in slower),
        unrelated=tuple(s.name for s in slower if (s.path, s.variant) not in changed),
        series=series,
        seconds=seconds,
    )


@dataclass(frozen=True)
class Sight:
    """What trials of one size come to; `alarms` counts comparisons with anything unrelated."""

    size: float
    found: Rate
    alarms: Rate
    measured: float  # median over the targets
    seconds: float  # median of a comparison


def sights(trials: Sequence[Trial]) -> list[Sight]:
    """The rates at every size, ascending."""
    table = []
    for size in sorted({trial.size for trial in trials}):
        here = [trial for trial in trials if trial.size == size]
        measured = [value for trial in here for value in trial.measured.values()]
        table.append(
            Sight(
                size=size,
                found=Rate(sum(len(t.found) for t in here), sum(len(t.targets) for t in here)),
                alarms=Rate(sum(bool(t.unrelated) for t in here), len(here)),
                measured=float(np.median(measured)) if measured else math.nan,
                seconds=float(np.median([trial.seconds for trial in here])),
            )
        )
    return table


def smallest(table: Sequence[Sight]) -> float | None:
    """The slowdown from which on `WANTED` of all are found: between the sizes tried, in a line.

    None if not even the largest is found so often.
    """
    sizes, shares = [0.0], [0.0]
    for sight in table:
        if sight.size and sight.found.of:
            sizes.append(sight.size)
            shares.append(max(shares[-1], sight.found.share))
    if shares[-1] < WANTED:
        return None
    above = next(i for i, share in enumerate(shares) if share >= WANTED)
    if above == 1:  # nothing smaller was tried
        return sizes[1]
    return float(np.interp(WANTED, shares[above - 1 : above + 1], sizes[above - 1 : above + 1]))
