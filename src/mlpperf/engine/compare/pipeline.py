"""Is this commit slower? Two versions of the code, timed side by side, and what may be concluded.

Both versions are loaded into one process and take turns on the same arrays, because two processes
differ by ten times more than two versions inside one. What one process says is one value; the
processes are the sample.

1. *Proof.* Every contestant of both versions is proven equal to its reference; what is wrong is not
   timed. The memory that a call takes is counted, and what seems to take more is judged by other
   processes.
2. *Screening.* A few processes time every series (a contestant of a path at a case), all of them
   equally long, or until it is fine enough; the first only a little, if it is not known yet what it
   takes to get them ready.
3. *Judgement.* What looks slower, or faster, by the threshold is timed by more processes. Whether
   it changed is decided by the signed-rank interval over all processes, so confident that a
   comparison of equal versions finds any of its series changed with probability `FALSE_ALARM` at
   most on either side. Who was chosen does not matter for that, because it counts as if all series
   had been judged; and each is until nothing more could come of it. What is only unclear is timed
   by these processes in turns, as there is time, until it is clear.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence

from ...errors import MlpperfError
from ..machine.machine import Bystanders
from ..pool.lock import alone
from ..pool.pool import Crew
from ..race.race import check_budget
from ..statistics.pooling import pool
from ..statistics.verdicts import Judgement, Reason, Verdict
from ..suites.discovery import Suite
from ..versions.diff import Changes
from ..versions.environment import Runtime
from ..versions.own import Own
from ..versions.scratch import scratch
from ..versions.version import Version
from ..words import count
from .budget import (
    SCREENING,
    Task,
    coarse,
    longest_series,
    screening_seconds,
    shares,
    usual_budget,
)
from .decision import conclude, sight
from .follow_up import judge, left_at_most
from .memory import judge_memory
from .planning import plan, prove
from .result import THRESHOLD, Comparison, Selection, Series
from .screening import time_once
from .suites import compare_long_calls, confirm, leave_out_loading
from .unchanged import leave_out_untouched, watching


def compare(
    base: Version,
    head: Version,
    selection: Selection,
    *,
    threshold: float = THRESHOLD,
    budget: float | None = None,
    isolated: str = "",
    pythons: dict[str, str] | None = None,
    suites: Sequence[Suite] = (),
    guests: Runtime | None = None,
    own: Own | None = None,
    changes: Callable[[], Changes | None] | None = None,
    seed: int | None = None,
    progress: Callable[[str], None] = lambda text: None,
    patience: float = 0.0,
) -> Iterator[Comparison]:
    """Compare two versions; gives the same comparison after every stage, more complete each time.

    Parameters
    ----------
    threshold
        Slowdowns below it are not told; 0.005 is half a percent.
    budget
        Seconds for all processes that time, one after the other; proofs come before. None: as
        `usual_budget` has it.
    isolated
        A reason to give each version processes of its own.
    pythons
        The interpreter of each version's hot paths, if it is not this one.
    suites, guests
        Benchmarks that the project has besides hot paths, and what runs them.
    own
        The base as it was committed, if its benchmarks differ from the head's, and its suites.
    changes
        Says what differs: what runs none of it is proven, and not timed. None: all is timed.
    seed
        Of all random orders.
    patience
        Seconds to wait while another comparison is running on this machine.

    Raises
    ------
    MlpperfError
        For an unknown path or case, a threshold or budget out of range, or when another comparison
        is running on this machine.
    """
    if budget is not None:
        check_budget(budget)
    if not 0 < threshold < 1:
        raise MlpperfError(f"The threshold must lie between 0 and 100 %, not at {threshold:.4g}.")
    result = Comparison(
        base.name,
        head.name,
        {"base": base.commit, "head": head.commit},
        threshold,
        budget or 0.0,
        suites={suite.kind: suite.place for suite in suites},
        trouble=[note for suite in suites for note in suite.notes],
        isolated=isolated,
    )
    start, bystanders = time.perf_counter(), Bystanders()
    with alone(patience), scratch("inputs") as folder:
        crew = Crew(
            {"base": base, "head": head},
            pythons or {},
            str(folder),
            result.trouble,
            seed,
            suites,
            guests,
            own,
            budget,
        )
        for suite in own.suites.values() if own else ():
            if suite.kind not in crew.suites:
                result.unloaded[suite.place] = f"{result.head} has none of these any more"
        stages = _stages(crew, result, selection, changes, progress)
        while True:
            done = next(stages, None) is None
            result.busy, result.total = bystanders.share(), time.perf_counter() - start
            yield result
            if done:
                return


def _stages(
    crew: Crew,
    result: Comparison,
    selection: Selection,
    differing: Callable[[], Changes | None] | None,
    progress: Callable[[str], None],
) -> Iterator[bool]:
    """Proof, screening, judgement; one step each."""
    progress("loading both versions")
    series = plan(crew, result, selection, differing)
    if not series:
        return
    changes = differing() if differing else None
    result.everywhere = changes.unknown if changes else ""
    budget = result.budget
    result.budget = budget or usual_budget(series)
    series = leave_out_loading(crew, result, series)
    progress("proving")
    with watching(crew, result, series, changes) as watched:
        prove(crew, result, series)
        if watched.pending:
            progress("which series run what changed?")
            watched.wait()
    confirm(crew, result, series)
    judge_memory(crew, result, progress)
    leave_out_untouched(crew, result, watched.untouched)
    result.budget = budget or usual_budget(crew.calls)
    yield True
    _leave_out(crew, result)
    known = [finding for finding in result.findings.values() if finding.series in crew.calls]
    right = [finding for finding in known if not finding.failed]
    if not right:
        return
    tasks: dict[Series, Task] = {
        f.series: Task.unknown(crew.whole.get(f.series, 0.0), crew.setup.get(f.series, 0.0))
        for f in right
    }
    now, number_of_all = time.perf_counter, len(tasks)
    screening = screening_seconds(number_of_all, result.budget)
    end = now() + screening
    starting = 0.0
    for number in range(SCREENING.processes):
        progress(
            f"screening {len(right)} series, process {number + 1} of {SCREENING.processes}, "
            f"{left_at_most(end - now() + result.budget - screening)}"
        )
        left = (end - now()) / (SCREENING.processes - number) - starting
        costs_known = number > 0 or crew.setup.keys() >= tasks.keys()
        first = dict.fromkeys(tasks, SCREENING.seconds_least)
        starting = time_once(crew, result, tasks, shares(tasks, left) if costs_known else first)
        tasks = {s: task for s, task in tasks.items() if not result.findings[s].failed}
    right = [finding for finding in right if finding.series in tasks]
    pool([task.estimate for task in tasks.values()])
    for finding in right:
        conclude(finding, tasks[finding.series].estimate, number_of_all)
    yield True
    if not right:
        return
    end += result.budget - screening
    judge(crew, result, tasks, end, starting, progress)
    for finding in right:
        estimate = tasks[finding.series].estimate
        finding.sight = sight(estimate, number_of_all, result.budget, finding.threshold)
    yield True


def _leave_out(crew: Crew, result: Comparison) -> None:
    """Note what takes too long for the budget, or can be timed only coarsely."""
    longest = longest_series(result.budget, len(crew.calls) + len(crew.broken_off))
    whole = {s: max(call, crew.whole.get(s, 0.0)) for s, call in crew.calls.items()}
    seconds = {s: SCREENING.calls_least * each for s, each in whole.items()}
    ended = [s for s, each in seconds.items() if each > longest]
    timed = coarse(
        {s: Task.unknown(whole[s], crew.setup.get(s, 0.0)) for s in ended}, result.budget
    )
    compare_long_calls(crew, result, [s for s in ended if s not in timed and s.suite])
    for series in ended:
        result.findings[series].coarse = series in timed
        if series not in timed:
            judgement = Judgement(Verdict.UNDECIDED, reason=Reason.LONG_CALLS)
            result.findings[series].untimed = result.findings[series].untimed or judgement
    if not (ended or crew.broken_off):
        return
    told = []
    if timed:
        told.append(f"{count(len(timed), 'call')} could be timed only coarsely")
    if len(ended) > len(timed):
        told.append(f"{count(len(ended) - len(timed), 'call')} took too long to be timed")
    if crew.broken_off:
        told.append(f"{count(len(crew.broken_off), 'call')} did not end while being proven")
    enough = ""
    if ended:
        would_do = math.ceil(result.budget * max(seconds[s] for s in ended) / longest)
        which = "the others" if crew.broken_off else "all"
        enough = f": --budget {would_do} times {which} finely"
    result.trouble.append(f"In {result.budget:.0f} s, {', and '.join(told)}{enough}")
