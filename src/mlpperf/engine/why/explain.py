"""The experiment: which parts of a difference made series slower or faster, and by how much."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from ...errors import MlpperfError
from ..compare.causes import Explanation
from ..compare.context import SIDES, Context
from ..compare.dry_run import by_suite, dry_run, ran_in_both
from ..pool.lock import alone
from ..pool.pool import Pool
from ..statistics.blocks import ROW
from ..suites.commands import COMMANDS
from ..suites.series import Selection, Series
from ..versions.pair import Pair
from ..versions.parts import Diff, Parts, runs, split
from ..versions.scratch import scratch
from ..words import count
from ..worker.protocol import DryRun, Places
from . import search
from .causes import Causes, explanation, versions_of
from .experiment import NOTHING, Blocks, Experiment, seconds_enough
from .samples import sampled

BUDGET = 60.0  # seconds of timing
SERIES_MOST = 4  # that are explained at a time
SEARCH_SHARE = 0.5  # of the budget
FINALISTS = 3  # groups of parts that are measured in the end, beside all the others together
# That measure them: as many as an interval of 95 % needs, and some to spare.
PROCESSES, PROCESSES_LEAST = 8, 6
ROUNDS_LEAST = ROW  # of a process
OVER_BUDGET = 1.5  # by how much the fewest processes of the fewest versions may exceed the budget
FEWEST_VERSIONS = 4  # the base, the head, and both with one group exchanged
SECONDS_LEAST, SECONDS_MOST = 0.4, 2.5  # of a series in a process
CALL_SECONDS_MOST = 60.0
SAMPLING_MOST, SAMPLING_SHARE = 2.0, 0.1  # seconds of a series; of the budget, for all


def explain(
    pair: Pair,
    series: Sequence[Series],
    *,
    budget: float = BUDGET,
    seed: int | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> Causes:
    """Measure what each part of the difference between two versions does to some series.

    Raises `MlpperfError` if the versions cannot be timed, or another comparison is running on this
    machine.

    Parameters
    ----------
    series : those that changed, the most important ones first.
    budget : seconds for all processes that time.
    """
    start, warnings = time.perf_counter(), list[str]()
    commits = {side: getattr(pair, side).hash for side in SIDES}
    causes = Causes(pair.base.name, pair.head.name, commits, budget=budget)
    chosen = series[:SERIES_MOST]
    in_workers = [one for one in chosen if one.suite != COMMANDS]  # which can look into them
    sampling = min(SAMPLING_SHARE * budget / max(len(in_workers), 1), SAMPLING_MOST)
    with alone(), scratch("inputs") as inputs:
        pool = Pool(pair, inputs, warnings.append, budget, seed)
        context = Context(pool, pair, Selection(), warnings.append, progress)
        try:
            causes = _by_parts(context, causes, chosen, budget - len(in_workers) * sampling)
        except _UnknownError as reason:
            causes = replace(causes, unknown=str(reason))
        progress("where do the calls spend their time?")
        ratios = {one.named: one.whole.interval for one in causes.explanations}
        flames = sampled(context, in_workers, sampling, ratios, apart=bool(causes.unknown))
    return replace(
        causes,
        left_out=len(series) - len(causes.explanations) if not causes.unknown else 0,
        total=time.perf_counter() - start,
        warnings=tuple(dict.fromkeys(warnings)),
        flames=tuple(flames),
    )


class _UnknownError(MlpperfError):
    """Why the parts of a difference cannot be measured."""


def _by_parts(context: Context, causes: Causes, series: Sequence[Series], budget: float) -> Causes:
    """What each part does to the series, by versions that have some of the parts.

    Raises `_UnknownError` if these cannot be measured.
    """
    pair = context.pair
    if pair.isolated:
        raise _UnknownError(f"each version needs processes of its own ({pair.isolated})")
    context.progress("which parts of the change do the benchmarks run?")
    known = dry_run(context, series, CALL_SECONDS_MOST)
    timeable = {one: run for one, run in known.items() if ran_in_both(run)}
    every = ((one, took.apart) for one, run in timeable.items() for took in run.took.values())
    whys = (f"{one.name} {why}" for one, why in every if why)
    if why_apart := next(whys, ""):
        raise _UnknownError(why_apart)
    if not timeable:
        raise _UnknownError("the benchmarks do not run to an end")
    diff = split(pair.base, pair.head)
    if not diff.parts:
        raise _UnknownError("no part of the change is code or data")
    timeable = _affordable(timeable, budget)
    least = _least(timeable, FEWEST_VERSIONS)
    if least > OVER_BUDGET * budget:
        why = f"a call takes too long for {causes.budget:.0f} s of timing; use --budget"
        raise _UnknownError(f"{why} {math.ceil(least)}")
    into = pair.base.whole.parent
    experiment = Experiment(context.pool, diff, into, timeable, CALL_SECONDS_MOST)
    run = _run(context.pool, diff, list(timeable))
    study = _Study(experiment, timeable, budget, context.progress)
    try:
        explanations = tuple(study.explanations(run))
    except MlpperfError as reason:
        raise _UnknownError(str(reason).rstrip(".")) from reason
    parts = len(diff.every - diff.origin)
    return replace(causes, explanations=explanations, parts=parts, run=sum(map(len, run)))


def _least(runs: Mapping[Series, DryRun], versions: int) -> float:
    """Seconds of timing that the fewest processes take at least."""
    calls = sum(run.total_seconds for run in runs.values())
    return PROCESSES_LEAST * ROUNDS_LEAST * versions * calls


def _affordable(runs: Mapping[Series, DryRun], budget: float) -> dict[Series, DryRun]:
    """The first of these series that can be timed within the budget together; one at least."""
    chosen: dict[Series, DryRun] = {}
    for series, run in runs.items():
        with_it = {**chosen, series: run}
        if not chosen or _least(with_it, FEWEST_VERSIONS) <= budget / 2:
            chosen = with_it
    return chosen


def _run(pool: Pool, diff: Diff, series: Sequence[Series]) -> search.Units:
    """The units of the difference that any series may run; all if that is unknown."""
    ran: dict[str, set[str]] = {side: set() for side in SIDES}
    units = search.units_of(diff)
    if any(one.suite == COMMANDS for one in series):  # whose processes cannot be looked into
        return units
    for suite, some in by_suite(series).items():
        for side in SIDES:
            answers, lost = pool.run("places", [side], suite, series=[one.names for one in some])
            known = [answer for answer in answers if isinstance(answer, Places)]
            if lost or len(known) < len(some):
                return units
            ran[side].update(place for answer in known for place in answer.places)
    return tuple(unit for unit in units if any(runs(part, diff, ran) for part in unit)) or units


class _Study:
    """Searches for the parts that matter, and measures these in fresh processes."""

    def __init__(
        self,
        experiment: Experiment,
        runs: Mapping[Series, DryRun],
        budget: float,
        progress: Callable[[str], None],
    ) -> None:
        self._experiment, self._runs, self._progress = experiment, runs, progress
        self._diff = experiment.diff
        self._start = time.perf_counter()
        self._end, self._budget = self._start + budget, budget
        self._enough = dict.fromkeys(runs, SECONDS_MOST)  # of a process, for each series

    def explanations(self, units: search.Units) -> list[Explanation]:
        """What the parts do to each series."""
        groups = [search.Group((unit,)) for unit in units]
        if len(units) > FINALISTS:
            number = search.steps(len(units)) * search.PROCESSES
            each = SEARCH_SHARE * self._budget / number

            def measure(versions: Sequence[Parts]) -> Mapping[Series, list[Blocks]] | None:
                whole = search.PROCESSES * self._cost(len(versions))
                if time.perf_counter() + whole > self._start + SEARCH_SHARE * self._budget:
                    return None
                return _by_series(
                    self._timed(versions, each, "searching") for _ in range(search.PROCESSES)
                )

            groups = search.search(self._diff, units, measure, self._experiment.failing)
        finalists = [group.parts for group in groups[: self._finalists()]]
        processes: list[Mapping[Series, Blocks]] = []
        groups_timed = self._groups(finalists)
        while len(processes) < PROCESSES:
            if len(processes) >= PROCESSES_LEAST and time.perf_counter() > self._end:
                break
            each = (self._end - time.perf_counter()) / (PROCESSES - len(processes))
            versions = [NOTHING, self._diff.origin, self._diff.every]
            for group in groups_timed:
                versions += versions_of(group, self._diff)
            text = f"measuring {count(len(groups_timed), 'part')}"
            processes.append(self._timed(list(dict.fromkeys(versions)), each, text))
            finalists = self._that_can_be_timed(finalists)
            groups_timed = self._groups(finalists)
        every = _by_series(iter(processes))
        return [
            explanation(series, self._diff, groups_timed, every[series], len(every))
            for series in self._runs
            if series in every
        ]

    def _groups(self, finalists: Sequence[Parts]) -> list[Parts]:
        """The finalists, all other parts together, and the new definitions."""
        return [*finalists, *filter(None, (self._rest(finalists), self._diff.origin))]

    def _rest(self, finalists: Sequence[Parts]) -> Parts:
        return self._diff.every.difference(self._diff.origin, *finalists)

    def _that_can_be_timed(self, finalists: Sequence[Parts]) -> list[Parts]:
        """The finalists that can be added to the base or taken out of the head.

        Any other is counted among the rest. If that cannot be timed either, all parts are one.
        """
        failing = self._experiment.failing

        def fails(group: Parts) -> bool:
            return all(version in failing for version in versions_of(group, self._diff))

        left = [group for group in finalists if not fails(group)]
        rest = self._rest(left)
        if left and not (rest and fails(rest)):
            return left
        everything = self._diff.every - self._diff.origin
        return [everything] if everything else []

    def _timed(
        self, versions: Sequence[Parts], seconds: float, what: str
    ) -> Mapping[Series, Blocks]:
        """One process, which may take this many seconds."""
        left = max(self._end - time.perf_counter(), 0.0)
        self._progress(f"{what}, {len(versions)} versions, {left:.0f} s left at most")
        each = (seconds - self._experiment.starting) / len(self._runs)
        least = self._least(len(versions))
        given = {one: max(least[one], min(each, self._enough[one])) for one in least}
        timed = self._experiment.time(versions, given)
        for one, blocks in timed.items():
            enough = seconds_enough(blocks, self._diff.every, given[one])
            self._enough[one] = min(enough, SECONDS_MOST)
        return timed

    def _least(self, versions: int) -> dict[Series, float]:
        """Seconds for each series in a process at least."""
        return {
            series: max(ROUNDS_LEAST * versions * run.total_seconds, SECONDS_LEAST)
            for series, run in self._runs.items()
        }

    def _cost(self, versions: int) -> float:
        """Seconds that a process takes at least."""
        return self._experiment.starting + sum(self._least(versions).values())

    def _finalists(self) -> int:
        """How many groups can be measured in the time that is left; one at least."""
        left = self._end - time.perf_counter()
        for number in range(FINALISTS, 1, -1):
            versions = FEWEST_VERSIONS + 2 * number
            if PROCESSES_LEAST * self._cost(versions) <= left:
                return number
        return 1


def _by_series(processes: Iterator[Mapping[Series, Blocks]]) -> dict[Series, list[Blocks]]:
    """The blocks of each process, by series."""
    every: dict[Series, list[Blocks]] = {}
    for process in processes:
        for series, blocks in process.items():
            every.setdefault(series, []).append(blocks)
    return every
