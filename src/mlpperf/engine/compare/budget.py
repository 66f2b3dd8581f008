"""How the seconds of a comparison are spent: on which series, and for how long each.

A few processes screen all series equally long. What then looks changed is judged by fresh
processes, for as long as it takes to tell the change that was seen. What is only unclear is timed
by some of them, until it is clear.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from ..statistics.estimates import RatioEstimate
from ..statistics.robust import ROW
from ..suites.series import Series
from ..worker.rounds import FEWEST_ROUNDS
from .result import UNCLEAR, Finding

# Probabilities that a comparison of equal versions finds any series slower, or taking more memory.
FALSE_ALARM = 0.009
MEMORY_ALARM = 0.001
BUDGET = 130.0  # seconds for screening and judgement; proofs come before
# Of benchmarks that a project has already: at least so many seconds, and more the more they are,
# because each needs a set-up, and what it calls is not chosen to be short.
SUITE_BUDGET = (155.0, 300.0)
SUITE_SECONDS_PER_SERIES = 2.0
COPIES = 4  # in which a series is got ready, if nothing is known but how long that takes in one
SETTLED_ERROR = 0.005  # standard error with which the ratio of a process is fine enough


@dataclass(frozen=True)
class Screening:
    """The first look at every series.

    Attributes
    ----------
    processes : that look.
    budget_share : of all seconds for timing, if there are more series than can all be judged.
    series_few : with so many it is only its share of the processes, as all may have to be judged.
    seconds_least : of timing for each series in a process.
    calls_least : of a series in all its processes together; a call that takes too long for so many
        is timed coarsely, two rounds in each process, if all of these together take
    coarse_share_most : of the budget at most.
    series_share_most : of the budget, that a single series may take; or its equal part, if there
        are so few that this is more. A second is always allowed.
    loading_share_least : of a process, that anything may take to load, however few series it has.
    proof_excess : so many times what can be timed a call may take when it is proven, and
    proof_seconds_least : so many seconds in any case.
    """

    processes: int = 3
    budget_share: float = 0.5
    series_few: int = 60
    seconds_least: float = 0.015
    calls_least: int = 12
    coarse_share_most: float = 0.15
    series_share_most: float = 0.01
    loading_share_least: float = 0.1
    proof_excess: float = 5.0
    proof_seconds_least: float = 2.0


@dataclass(frozen=True)
class Judging:
    """What is spent on suspects.

    Attributes
    ----------
    seconds_least : of timing for each series in a process, or
    share_least : that share of all seconds for judging, if it is more, but no more than
    excess_most : so many times what settles the series.
    moments : at which a process times a series: a disturbance hits only one of them.
    moment_seconds_least : shortest timing session that is worth its set-up.
    moment_rounds_least : and its fewest rounds: two rows of blocks.
    target_error_per_change : standard error of a process that will do, as a share of the change
        that was seen.
    need_most : every series gets its minimum, and of the rest an equal part, but no more than so
        many times what it needs.
    seconds_to_decide : of timing for a suspect in a process, if it needs them.
    spare_processes_least, spare_processes_most, seconds_per_spare_process : processes beyond those
        that so confident an interval needs: one for so many seconds of judging. The more there are,
        the less one that was disturbed can hide.
    plain_errors : standard errors by which a function is plainly slower at one case, and
    kin_errors : what that is worth to suspect it at its other cases, also in standard errors.
    """

    seconds_least: float = 0.03
    share_least: float = 0.001
    excess_most: float = 60.0
    moments: int = 3
    moment_seconds_least: float = 0.01
    moment_rounds_least: int = 2 * ROW
    target_error_per_change: float = 0.5
    need_most: float = 6.0
    seconds_to_decide: float = 0.4
    spare_processes_least: int = 2
    spare_processes_most: int = 6
    seconds_per_spare_process: float = 8.0
    plain_errors: float = 5.0
    kin_errors: float = 3.0


SCREENING = Screening()
JUDGING = Judging()


@dataclass
class Task:
    """A series that processes are going to time.

    Attributes
    ----------
    estimate : what they have found so far, and how it scatters.
    target_error : the standard error of a process that will do.
    """

    estimate: RatioEstimate
    target_error: float = SETTLED_ERROR

    @classmethod
    def unknown(cls, call: float, setup: float) -> Task:
        """A series whose call and set-up take so many seconds, before any process has timed it."""
        return cls(RatioEstimate(round_seconds=2 * call, other_seconds=COPIES * setup))

    @property
    def seconds_needed(self) -> float:
        """Seconds of rounds after which a process has the target error."""
        return self.estimate.seconds_for(self.target_error)

    def shortest(self, least: float) -> float:
        """Seconds in a process at the very least: `least`, unless much less will do, or rounds."""
        will_do = max(SCREENING.seconds_least, JUDGING.excess_most * self.seconds_needed)
        return max(FEWEST_ROUNDS * self.estimate.round_seconds, min(least, will_do))

    def moments(self, seconds: float, most: int) -> int:
        """At how many moments, `most` at most, a process times it for so many `seconds` in all.

        Each has to be worth what it takes to get ready.
        """
        rounds = JUDGING.moment_rounds_least * self.estimate.round_seconds
        worth = max(rounds, JUDGING.moment_seconds_least, self.estimate.other_seconds)
        return max(1, min(most, int(seconds / worth)))

    def cost(self, seconds: float, most: int) -> float:
        """Seconds that a process takes in all if so many are timed, at `most` moments at most."""
        return self.estimate.other_seconds * self.moments(seconds, most) + seconds

    def to_judge(self, suspicious: bool) -> Task:
        """The same series for more processes, and what they have found already.

        As precise as it takes to tell the change that was seen, or that there is none.
        """
        seen = abs(self.estimate.log_ratio) if suspicious else UNCLEAR
        target = max(SETTLED_ERROR, JUDGING.target_error_per_change * seen)
        return replace(self, target_error=target)


Tasks = Mapping[Series, Task]


def shares(
    tasks: Tasks, seconds: float, least: float = SCREENING.seconds_least, moments: int = 1
) -> dict[Series, float]:
    """How long a process that has so many `seconds` is to time each series, at so many `moments`.

    Every series gets its minimum, `least` or what its task says. The rest is split evenly, so that
    each error is less by the same factor, but capped at a few times what the series needs; what is
    over is not spent. (The sum of squared errors would be least if all went to a few long calls
    that can hardly be told at all.)
    """
    given = {series: task.shortest(least) for series, task in tasks.items()}
    left = seconds - sum(task.cost(given[series], moments) for series, task in tasks.items())
    room = {
        series: max(JUDGING.need_most * task.seconds_needed - given[series], 0.0)
        for series, task in tasks.items()
    }
    for number, series in enumerate(sorted(tasks, key=lambda s: room[s])):
        share = min(room[series], max(left, 0.0) / (len(tasks) - number))
        given[series] += share
        left -= share
    return given


def judges_least(series: int) -> int:
    """How many processes judge at least if so many series were screened.

    Enough that, with those of the screening, a unanimous sign has a probability below
    FALSE_ALARM ÷ series, and some to spare.
    """
    unanimous = math.ceil(math.log2(series / FALSE_ALARM))
    return unanimous - SCREENING.processes + JUDGING.spare_processes_least


def judges(series: int, seconds: float) -> int:
    """How many processes judge in so many `seconds`, if they are quick to start."""
    spare = int(seconds / JUDGING.seconds_per_spare_process)
    more = min(spare, JUDGING.spare_processes_most) - JUDGING.spare_processes_least
    return judges_least(series) + max(more, 0)


def screening_seconds(series: int, seconds: float) -> float:
    """Seconds for screening so many series, of `seconds` for all timing."""
    if series > SCREENING.series_few:
        return seconds * SCREENING.budget_share
    share = SCREENING.processes / (SCREENING.processes + judges(series, seconds))
    return seconds * min(share, SCREENING.budget_share)


def usual_budget(series: Collection[Series]) -> float:
    """Seconds for timing these series, if nobody says."""
    others = sum(bool(one.suite) for one in series)
    if not others:
        return BUDGET
    least, most = SUITE_BUDGET
    seconds = min(max(least, SUITE_SECONDS_PER_SERIES * others), most)
    return seconds + (BUDGET if others < len(series) else 0.0)


def longest_series(seconds: float, series: int) -> float:
    """Seconds that the screening may spend on one of so many series, of a budget of `seconds`."""
    equal_part = SCREENING.budget_share * seconds / max(series, 1)
    return max(SCREENING.series_share_most * seconds, equal_part, 1.0)


def longest_proof(seconds: float, series: int) -> float:
    """Seconds after which a call that is proven is broken off: it cannot be timed by far."""
    longest = longest_series(seconds, series) / SCREENING.calls_least
    return max(SCREENING.proof_excess * longest, SCREENING.proof_seconds_least)


def longest_loading(seconds: float, share: float) -> float:
    """Seconds that a process may spend on loading what has this share of all series."""
    each = SCREENING.budget_share * seconds / SCREENING.processes
    return max(share, SCREENING.loading_share_least) * each


def judging_seconds_least(seconds: float) -> float:
    """Seconds of timing for each suspect in a process, if all have so many `seconds`."""
    return max(JUDGING.seconds_least, JUDGING.share_least * seconds)


def coarse(longest: Mapping[Series, Task], seconds: float) -> list[Series]:
    """Which of the series whose calls take long are timed nevertheless, of `seconds` for all."""
    left, found = SCREENING.coarse_share_most * seconds, []
    for series, cost in sorted(_least_costs(longest, 0.0).items(), key=lambda item: item[1]):
        left -= SCREENING.processes * cost
        if left >= 0:
            found.append(series)
    return found


def _least_costs(tasks: Tasks, least: float) -> dict[Series, float]:
    """Seconds that each takes in a process, if it is timed for as short as may be."""
    return {series: task.cost(task.shortest(least), 1) for series, task in tasks.items()}


def suspects(
    findings: Sequence[Finding],
    tasks: Tasks,
    seconds: float,
    starting: float,
    least: float = JUDGING.seconds_least,
) -> tuple[dict[Series, Task], int]:
    """What looks changed, and is to be judged in so many `seconds`; and by how many processes.

    By what is known about how each scatters. A process needs `starting` seconds to start, and times
    each at least `least` seconds.

    What looks slower comes first, then what looks faster; and of these what is the surest for its
    time. Of a function that is plainly slower at one case, less is enough to suspect it at others.
    """
    chosen: dict[Series, Task] = {}
    least_number = judges_least(len(findings))
    processes = usual_number = judges(len(findings), seconds)
    sure = {s: t.estimate.log_ratio / max(t.estimate.error, 1e-9) for s, t in tasks.items()}
    plainly = {(s.path, s.variant) for s in tasks if sure[s] >= JUDGING.plain_errors}

    def cost(task: Task) -> float:
        needed = min(task.seconds_needed, JUDGING.seconds_to_decide)
        return task.cost(max(task.shortest(least), needed), JUDGING.moments)

    def urgency(finding: Finding) -> tuple[int, float]:
        series, task = finding.series, tasks[finding.series]
        seen, known = task.estimate.log_ratio, abs(sure[finding.series])
        if seen > 0 and (series.path, series.variant) in plainly:
            known = math.hypot(known, JUDGING.kin_errors)
        if known < 1 or abs(seen) < math.log1p(finding.threshold) / 2:
            return 0, 0.0
        again = task.to_judge(suspicious=True)
        needed = task.estimate.other_seconds + max(again.shortest(least), again.seconds_needed)
        return 2 if seen > 0 else 1, known / needed

    urgent = {f.series: urgency(f) for f in findings}
    looks_changed = [f.series for f in findings if urgent[f.series][0]]
    for series in sorted(looks_changed, key=lambda s: urgent[s], reverse=True):
        task = tasks[series].to_judge(suspicious=True)
        each = starting + cost(task) + sum(map(cost, chosen.values()))
        # What is plainly changed can bear that a process is disturbed.
        plain = abs(sure[series]) >= JUDGING.plain_errors
        number = least_number if plain else usual_number
        if not chosen or number * each <= seconds:
            chosen[series] = task
            processes = min(usual_number, max(number, int(seconds / each)))
    return chosen, processes


def next_unclear(unclear: Tasks, judged: Tasks, seconds: float, least: float) -> dict[Series, Task]:
    """Which of the `unclear` series a process of so many `seconds` times besides those `judged`.

    As many as there is time for; those first that were timed by the fewest so far.
    """
    left = seconds - sum(_least_costs(judged, least).values())
    costs, chosen = _least_costs(unclear, least), {}

    def turn(series: Series) -> tuple[int, float]:
        return len(unclear[series].estimate.log_ratios), costs[series]

    for series in sorted(unclear, key=turn):
        if costs[series] <= left:
            left -= costs[series]
            chosen[series] = unclear[series]
    return chosen
