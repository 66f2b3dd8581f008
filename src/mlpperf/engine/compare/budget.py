"""How the seconds of a comparison are spent: on which series, and for how long each.

A few processes screen all series for equal times. Series that then look changed are followed up by
fresh processes, for as long as it takes to confirm a change of that size. Unclear series are timed
by some of these processes, until they are clear.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from ..statistics.blocks import ROW, Times
from ..statistics.estimates import RatioEstimate
from ..suites.series import Series
from ..worker.protocol import DryRun
from ..worker.rounds import FEWEST_ROUNDS
from .alarms import FALSE_ALARM
from .finding import UNCHANGED_WITHIN, Finding

# A series is followed up if some calls take much longer in one version than in the other, which
# happens with this probability at most if the code is the same.
SEEMS_UNEVEN = 0.05
BUDGET = 130.0  # seconds for screening and follow-up of hot paths; dry runs come before
# Smallest and largest budget for pytest and asv suites, in seconds. They get more than hot paths
# because each benchmark has its own set-up and may be slow.
SUITE_BUDGET = (155.0, 300.0)
SUITE_SECONDS_PER_SERIES = 12.0
DRY_RUN_LEAST = 240.0  # seconds: a set-up alone may take a minute in each version
COPIES = 4  # set-ups per process, assumed until a process has been timed
SETTLED_ERROR = 0.005  # standard error of a process's log ratio that needs no more rounds


@dataclass(frozen=True)
class Screening:
    """The first processes, which time every series."""

    processes: int = 3
    budget_share: float = 0.5  # if there are too many series to follow all of them up
    # Up to this number, all series may have to be followed up, and screening gets only its share of
    # the processes.
    series_few: int = 60
    seconds_least: float = 0.015  # for each series in a process
    # Rounds in a process that show what only some calls do, unless they take more seconds.
    rounds_enough: int = 24
    rounds_seconds_most: float = 0.05
    # Calls of a series in all its processes together. One too long for that is timed coarsely, in
    # two rounds per process, if all such series together take `coarse_share_most` of the budget.
    calls_least: int = 12
    coarse_share_most: float = 0.15
    # Of the budget, for a single series; or its equal part, or a second, if that is more.
    series_share_most: float = 0.01
    loading_share_least: float = 0.1  # of a process, for importing a file, however few its series
    # A dry run aborts a call after this many times what can be timed, and these seconds at least.
    proof_excess: float = 5.0
    proof_seconds_least: float = 2.0


@dataclass(frozen=True)
class Judging:
    """The follow-up of suspects."""

    # For each series in a process: seconds, or a share of the follow-up's seconds if that is more,
    # but no more than this many times what the series needs.
    seconds_least: float = 0.03
    share_least: float = 0.001
    excess_most: float = 60.0
    # Sessions of a series in a process, so that a disturbance hits only one of them; and the
    # shortest that is worth its set-up.
    moments: int = 3
    moment_seconds_least: float = 0.01
    moment_rounds_least: int = 2 * ROW
    # Sufficient standard error of a process, as a share of the apparent change.
    target_error_per_change: float = 0.5
    # Every series gets its minimum; the rest is split evenly, capped at this many times its need.
    need_most: float = 6.0
    # Longest need of a suspect in a process that counts when suspects are chosen.
    seconds_to_decide: float = 0.4
    # Processes beyond those that the interval needs, one for this number of seconds. The more there
    # are, the less a disturbed one can hide.
    spare_processes_least: int = 2
    spare_processes_most: int = 6
    seconds_per_spare_process: float = 8.0
    # A function that is slower by this many standard errors in one case counts as clearly slower,
    # which is worth this many standard errors in its other cases.
    plain_errors: float = 5.0
    kin_errors: float = 3.0
    # The first suspect is followed up even if the budget does not suffice, most of it often for
    # starting processes. Others that add little to that come along: up to this many times as much.
    company: float = 1.25


SCREENING = Screening()
JUDGING = Judging()


@dataclass(frozen=True)
class Sampling:
    """What is known about timing a series.

    Attributes
    ----------
    estimate : by the processes up to now.
    target_error : sufficient standard error of a process.
    """

    estimate: RatioEstimate
    target_error: float = SETTLED_ERROR

    @classmethod
    def unknown(cls, run: DryRun) -> Sampling:
        """A series before any process has timed it, by its dry run."""
        setup = 0.0 if math.isnan(run.setup_seconds) else run.setup_seconds
        return cls(RatioEstimate(round_seconds=2 * run.total_seconds, other_seconds=COPIES * setup))

    def with_process(
        self, base: Times, head: Times, round_seconds: float, other_seconds: float
    ) -> Sampling:
        """The same with the samples of one more process, as `RatioEstimate.add` takes them."""
        estimate = replace(self.estimate)
        estimate.add(base, head, round_seconds, other_seconds)
        return replace(self, estimate=estimate)

    @property
    def seconds_needed(self) -> float:
        """Seconds of rounds after which a process has the target error."""
        return self.estimate.seconds_for(self.target_error)

    @property
    def seconds_most(self) -> float:
        """Seconds of rounds in a process beyond which little more can be known."""
        rounds = SCREENING.rounds_enough * self.estimate.round_seconds
        return max(
            JUDGING.need_most * self.seconds_needed, min(rounds, SCREENING.rounds_seconds_most)
        )

    def shortest(self, least: float) -> float:
        """Fewest seconds in a process: `least`, unless much less suffices, or the fewest rounds."""
        suffices = max(SCREENING.seconds_least, JUDGING.excess_most * self.seconds_needed)
        return max(FEWEST_ROUNDS * self.estimate.round_seconds, min(least, suffices))

    def moments(self, seconds: float, most: int) -> int:
        """Sessions that a process divides `seconds` into, each worth its set-up; at most `most`."""
        rounds = JUDGING.moment_rounds_least * self.estimate.round_seconds
        worth = max(rounds, JUDGING.moment_seconds_least, self.estimate.other_seconds)
        return max(1, min(most, int(seconds / worth)))

    def cost(self, seconds: float, most: int) -> float:
        """Seconds that a process takes to time `seconds`, set-ups included, in `most` sessions."""
        return self.estimate.other_seconds * self.moments(seconds, most) + seconds

    def to_judge(self, suspicious: bool) -> Sampling:
        """The same, precise enough to confirm the apparent change, or that there is none."""
        seen = abs(self.estimate.log_ratio) if suspicious else UNCHANGED_WITHIN
        target = max(SETTLED_ERROR, JUDGING.target_error_per_change * seen)
        return replace(self, target_error=target)


Samplings = Mapping[Series, Sampling]


def shares(
    samplings: Samplings, seconds: float, least: float = SCREENING.seconds_least, moments: int = 1
) -> dict[Series, float]:
    """Seconds for each series in a process that has `seconds` in all, in up to `moments` sessions.

    Every series gets its minimum, `least` or the fewest rounds. The rest is split evenly, capped at
    a few times what the series needs, or enough rounds; what remains is not spent. (The sum of
    squared errors would be least if all went to a few long calls, of which hardly anything can be
    known.)
    """
    given = {series: sampling.shortest(least) for series, sampling in samplings.items()}
    left = seconds - sum(
        sampling.cost(given[series], moments) for series, sampling in samplings.items()
    )
    room = {
        series: max(sampling.seconds_most - given[series], 0.0)
        for series, sampling in samplings.items()
    }
    for number, series in enumerate(sorted(samplings, key=lambda s: room[s])):
        share = min(room[series], max(left, 0.0) / (len(samplings) - number))
        given[series] += share
        left -= share
    return given


def judges(series: int, seconds: float = 0.0) -> int:
    """Processes of a follow-up of `seconds`, if they start quickly; by default the fewest.

    Enough that, with those of the screening, a unanimous sign has a probability below
    FALSE_ALARM ÷ series, and some to spare.
    """
    unanimous = math.ceil(math.log2(series / FALSE_ALARM)) - SCREENING.processes
    spare = min(int(seconds / JUDGING.seconds_per_spare_process), JUDGING.spare_processes_most)
    return unanimous + max(spare, JUDGING.spare_processes_least)


def screening_seconds(series: int, seconds: float) -> float:
    """Seconds for screening this many series, of `seconds` for all timing."""
    if series > SCREENING.series_few:
        return seconds * SCREENING.budget_share
    processes = SCREENING.processes + judges(series, seconds)
    return seconds * SCREENING.processes / processes


def usual_budget(series: Collection[Series]) -> float:
    """Default budget for timing these series, in seconds."""
    others = sum(bool(one.suite) for one in series)
    if not others:
        return BUDGET
    least, most = SUITE_BUDGET
    seconds = min(max(least, SUITE_SECONDS_PER_SERIES * others), most)
    return seconds + (BUDGET if others < len(series) else 0.0)


def longest_series(seconds: float, series: int) -> float:
    """Seconds of the screening for one of this many series, of a budget of `seconds`."""
    equal_part = SCREENING.budget_share * seconds / max(series, 1)
    return max(SCREENING.series_share_most * seconds, equal_part, 1.0)


def longest_proof(seconds: float, series: int) -> float:
    """Seconds after which a dry run aborts a call, which is by far too long to be timed."""
    longest = longest_series(seconds, series) / SCREENING.calls_least
    return max(SCREENING.proof_excess * longest, SCREENING.proof_seconds_least)


def longest_dry_run(seconds: float) -> float:
    """Seconds after which no further benchmark is called once, before any is timed."""
    return max(2 * seconds, DRY_RUN_LEAST)


def longest_loading(seconds: float, share: float) -> float:
    """Seconds for which a process may import a file that has this share of all series."""
    each = SCREENING.budget_share * seconds / SCREENING.processes
    return max(share, SCREENING.loading_share_least) * each


def judging_seconds_least(seconds: float) -> float:
    """Seconds for each suspect in a process, of `seconds` for the follow-up."""
    return max(JUDGING.seconds_least, JUDGING.share_least * seconds)


def coarse(longest: Samplings, seconds: float) -> list[Series]:
    """The series with long calls that are timed nevertheless, of a budget of `seconds`."""
    left, chosen = SCREENING.coarse_share_most * seconds, []
    for series, cost in sorted(_least_costs(longest, 0.0).items(), key=lambda item: item[1]):
        left -= SCREENING.processes * cost
        if left >= 0:
            chosen.append(series)
    return chosen


def _least_costs(samplings: Samplings, least: float) -> dict[Series, float]:
    """Seconds that each series takes in a process at least."""
    return {
        series: sampling.cost(sampling.shortest(least), 1) for series, sampling in samplings.items()
    }


def suspects(
    findings: Sequence[Finding],
    samplings: Samplings,
    seconds: float,
    starting: float,
    least: float = JUDGING.seconds_least,
    tests: int = 0,
) -> tuple[dict[Series, Sampling], int]:
    """The series to follow up in `seconds`, and the number of processes that do.

    A process takes `starting` seconds to start, and times each series for `least` seconds at least.
    Series that look slower come first, then those that look faster, each in the order of standard
    errors per second. A function that is clearly slower in one case is suspected sooner in others.
    `tests`: series that share the false-alarm rate, by default those that have `findings`.
    """
    tests = tests or len(findings)
    chosen: dict[Series, Sampling] = {}
    most = seconds
    least_number = judges(tests)
    processes = usual_number = judges(tests, seconds)
    estimates = {s: t.estimate.of_averages(SEEMS_UNEVEN) for s, t in samplings.items()}
    errors = {s: e.log_ratio / max(e.error, 1e-9) for s, e in estimates.items()}
    plainly = {(s.path, s.variant) for s in samplings if errors[s] >= JUDGING.plain_errors}

    def cost(sampling: Sampling) -> float:
        needed = min(sampling.seconds_needed, JUDGING.seconds_to_decide)
        return sampling.cost(max(sampling.shortest(least), needed), JUDGING.moments)

    def urgency(finding: Finding) -> tuple[int, float]:
        series, sampling = finding.series, samplings[finding.series]
        seen, known = estimates[series].log_ratio, abs(errors[series])
        if seen > 0 and (series.path, series.variant) in plainly:
            known = math.hypot(known, JUDGING.kin_errors)
        if known < 1 or abs(seen) < math.log1p(finding.threshold) / 2:
            return 0, 0.0
        again = sampling.to_judge(suspicious=True)
        needed = sampling.estimate.other_seconds + max(again.shortest(least), again.seconds_needed)
        return 2 if seen > 0 else 1, known / needed

    urgent = {f.series: urgency(f) for f in findings}
    looks_changed = [f.series for f in findings if urgent[f.series][0]]
    for series in sorted(looks_changed, key=lambda s: urgent[s], reverse=True):
        sampling = samplings[series].to_judge(suspicious=True)
        each = starting + cost(sampling) + sum(map(cost, chosen.values()))
        # A clear change stays significant if a process is disturbed.
        plain = abs(errors[series]) >= JUDGING.plain_errors
        number = least_number if plain else usual_number
        if not chosen:
            most = max(seconds, JUDGING.company * number * each)
        if number * each <= most:
            chosen[series] = sampling
            processes = min(usual_number, max(number, int(seconds / each)))
    return chosen, processes


def next_unclear(
    unclear: Samplings, judged: Samplings, seconds: float, least: float
) -> dict[Series, Sampling]:
    """The `unclear` series that a process of `seconds` times besides those `judged`.

    As many as there is time for; first those that the fewest processes have timed.
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
