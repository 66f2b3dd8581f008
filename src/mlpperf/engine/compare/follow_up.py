"""More processes for what looks changed after the screening, or is not clear."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..pool.pool import Crew
from ..words import count
from .budget import JUDGING, Tasks, judging_seconds_least, next_unclear, shares, suspects
from .decision import conclude, settled
from .result import Comparison
from .screening import time_once


def judge(
    crew: Crew,
    result: Comparison,
    tasks: Tasks,
    end: float,
    starting: float,
    progress: Callable[[str], None],
) -> None:
    """Judge what looks changed, until the clock says `end`.

    Every process times all suspects that are left, and as many of the unclear series as there is
    time for. A suspect is done with when it cannot become sure any more, an unclear one when it is
    clear. A process takes `starting` seconds to start.
    """
    now = time.perf_counter
    findings = [result.findings[series] for series in tasks]
    seconds = end - now()
    least = judging_seconds_least(seconds)
    suspected, processes = suspects(findings, tasks, seconds, starting, least)
    unclear = {
        f.series: tasks[f.series].to_judge(suspicious=False)
        for f in findings
        if f.judgement.undecided and f.series not in suspected
    }
    for number in range(processes):
        left = (end - now()) / (processes - number) - starting
        chosen = suspected | next_unclear(unclear, suspected, left, least)
        if not (suspected or unclear):
            return
        if not chosen:
            continue
        progress(
            f"judging {count(len(suspected), 'suspect')} and {len(unclear)} unclear series, "
            f"process {number + 1} of {processes}, {left_at_most(end - now())}"
        )
        seconds_of = shares(chosen, left, least, JUDGING.moments)
        starting = time_once(crew, result, chosen, seconds_of, JUDGING.moments)
        for series in chosen:
            estimate, finding = tasks[series].estimate, result.findings[series]
            conclude(finding, estimate, len(tasks))
            if series in suspected and settled(estimate, len(tasks), processes - number - 1):
                finding.judged = True
                unclear[series] = suspected.pop(series)
            if series in unclear and not finding.judgement.undecided:
                del unclear[series]


def left_at_most(seconds: float) -> str:
    """How long it may still take, for who waits."""
    return f"{max(seconds, 0.0):.0f} s left at most"
