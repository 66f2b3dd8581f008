"""Which slowdowns does a tracker detect here? Known ones are put into the code, and counted.

In a mutant some functions run through an empty loop before their own work: that is how a careless
commit acts, and nothing is added to any result. It is compared with the original like any two
commits. A mutant of 0 % is the same code: whatever is reported there is a false alarm.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ...errors import MlpperfError
from ..compare import BUDGET, Comparison, compare
from ..statistics.intervals import CONFIDENCE
from ..statistics.quantiles import beta_quantile
from ..suites.series import Selection, Series
from ..versions.diff import changes
from ..versions.pair import Pair
from ..versions.version import Version
from .mutants import Mutant, Mutator
from .planted import NOTHING, traced

# Shares of the time by which functions are slowed down; 0 is the same code, to count false alarms.
SIZES = (0.0, 0.01, 0.02, 0.03, 0.05, 0.10)
QUICK_SECONDS = 25.0  # for a look at how long calls take, and at how large a slowdown is
TRIALS = 3  # comparisons for each size
# What calibrates another tracker: the series that it reports as slower, and the seconds it took,
# for a base, a head and a folder for its files.
Tracker = Callable[[Version, Version, Path], tuple[Sequence[Series], float]]


@dataclass(frozen=True)
class Trial:
    """One comparison with a mutant.

    `detected`: the targets whose slowdown was detected. `unrelated`: others that were reported as
    slower. `measured`: of each target, by how much a call took longer as the comparison saw it.
    """

    size: float
    targets: tuple[str, ...]
    detected: tuple[str, ...]
    unrelated: tuple[str, ...]
    series: int
    seconds: float
    measured: dict[str, float] = field(default_factory=dict)
    undecided: int = 0
    busy: float = 0.0
    warnings: tuple[str, ...] = ()


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


def calibrate(
    made: Pair,
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
    """Compare a version with `trials` mutants of each of `sizes`, made in `folder`; gives each.

    The version is the head of `made`, with its hot paths and suites; it is compared by a tracker of
    somebody else's if one is given. Raises `MlpperfError` for a size or number that is out of
    range, or if nothing could be timed or slowed down.
    """
    if not sizes or not all(0 <= size < 10 for size in sizes) or trials < 1:
        raise MlpperfError(
            "Calibration needs sizes of 0 to 1000 % and at least one trial, "
            f"not {', '.join(f'{100 * size:g}' for size in sizes)} and {trials}."
        )
    rng = np.random.default_rng(seed)
    order = [size for _ in range(trials) for size in sizes]
    original = made.head
    mutator = Mutator(original, NOTHING, rng)
    times: dict[Series, float] = {}
    # Without the project's settings, which decide what fails.
    plain = Pair(original, original, made.suites, isolated=made.isolated, runtime=made.runtime)

    def compared(
        mutant: Version,
        step: str,
        size: float = 0.0,
        seconds: float = budget,
        chosen: Selection = selection,
    ) -> Comparison:
        # As a user would, but for equal versions, of which nothing would be timed.
        pair = replace(plain, head=mutant)
        narrowed = size and pair.suites and not (pair.isolated or pair.compiled)
        stages = compare(
            pair,
            chosen,
            budget=seconds,
            changes=(lambda: changes(replace(original, copy=None), mutant)) if narrowed else None,
            seed=int(rng.integers(2**31)),
            progress=lambda text: progress(f"{step}: {text}"),
        )
        *_, result = stages
        for finding in result.timed:
            known = times.get(finding.series, math.inf)
            times[finding.series] = min(known, finding.seconds["base"])
        if not result.timed:
            verdicts = (f"{f.series.name} is {f.judgement}" for f in result.findings.values())
            why = [*result.warnings, *result.broken.values(), *verdicts, "there is no benchmark"]
            raise MlpperfError(f"Nothing could be timed: {why[0]}")
        return result

    def measured(loud: Mutant) -> dict[Series, float]:
        """By which share the targets are slower, in a quick look."""
        names = [target.series.name for target in loud.targets]
        quick = compared(
            loud.version, "how large is it?", 1.0, QUICK_SECONDS, Selection(series=names)
        )
        return {finding.series: finding.ratio.median - 1 for finding in quick.timed}

    for number, size in enumerate(order):
        step = f"{100 * size:g} %, {number + 1} of {len(order)}"
        if not times and (size or tracker):  # how long does a call take?
            same = mutator({}, 0.0, folder / "same", measured)
            compared(same.version, "getting ready", seconds=min(budget, QUICK_SECONDS))
        if size and mutator.trace is NOTHING:
            progress("what do the benchmarks run?")
            mutator.trace = traced(plain, selection, int(rng.integers(2**31)))
        mutant = mutator(times, size, folder / f"mutant-{number}", measured)
        if tracker is None:
            yield judged(size, mutant, compared(mutant.version, step, size))
        else:
            progress(step)
            slower, seconds = tracker(original, mutant.version, folder)
            yield _trial(size, mutant, slower, len(times), seconds)
        shutil.rmtree(mutant.version.root)


def judged(size: float, mutant: Mutant, result: Comparison) -> Trial:
    """What the comparison with a mutant shows about this tracker."""
    aimed = {target.series for target in mutant.targets}
    timed = result.timed
    return replace(
        _trial(size, mutant, [f.series for f in timed if f.slower], len(timed), result.total),
        measured={f.series.name: f.ratio.median - 1 for f in timed if f.series in aimed},
        undecided=sum(f.judgement.undecided for f in timed),
        busy=result.busy,
        warnings=tuple(result.warnings),
    )


def _trial(
    size: float, mutant: Mutant, slower: Iterable[Series], series: int, seconds: float
) -> Trial:
    aimed = [target.series for target in mutant.targets]
    slower = list(slower)
    return Trial(
        size=size,
        targets=tuple(target.name for target in aimed),
        detected=tuple(target.name for target in aimed if target in slower),
        unrelated=tuple(s.name for s in slower if not mutant.touched(s)),
        series=series,
        seconds=seconds,
    )


@dataclass(frozen=True)
class DetectionRate:
    """What trials of one size come to; `alarms` counts comparisons with anything unrelated."""

    size: float
    detected: Rate
    alarms: Rate
    measured: float  # median over the targets
    seconds: float  # median of a comparison


def detection_rates(trials: Sequence[Trial]) -> list[DetectionRate]:
    """The rates at every size, ascending."""
    table = []
    for size in sorted({trial.size for trial in trials}):
        here = [trial for trial in trials if trial.size == size]
        measured = [value for trial in here for value in trial.measured.values()]
        table.append(
            DetectionRate(
                size=size,
                detected=Rate(
                    sum(len(t.detected) for t in here), sum(len(t.targets) for t in here)
                ),
                alarms=Rate(sum(bool(t.unrelated) for t in here), len(here)),
                measured=float(np.median(measured)) if measured else math.nan,
                seconds=float(np.median([trial.seconds for trial in here])),
            )
        )
    return table
