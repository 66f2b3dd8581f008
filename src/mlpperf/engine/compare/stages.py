"""Is this commit slower? Two versions of the code, timed side by side, and what may be concluded.

Both versions are loaded into one process and take turns on the same arrays, because two processes
differ by ten times more than two versions inside one. What one process says is one value; the
processes are the sample.

1. *Proof.* Every contestant of both versions is proven equal to its reference; what is wrong is not
   timed. The memory that a call takes is counted.
2. *Screening.* A few processes time every series (a contestant of a path at a case): the first a
   little, to see how it scatters, and the others all of them equally long, or until it is fine
   enough.
3. *Judgement.* What looks slower, or faster, by the threshold, or is not clear, is timed again by
   fresh processes, and those alone decide: the screening chose, so it may not judge. The interval
   is the signed-rank interval over the processes, so confident that all judgements of a comparison
   together raise a false alarm with probability `FALSE_ALARM` at most.
"""

from __future__ import annotations

import contextlib
import json
import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from ...errors import MlpperfError, check
from ..timing.machine import Bystanders
from ..timing.race import CONFIDENCE, Interval, ratio_interval, walsh_averages
from ..timing.workers import Worker, WorkerError
from .checkouts import scratch
from .versions import Version

FALSE_ALARM = 0.01  # probability that a comparison of equal versions finds any series slower
THRESHOLD = 0.005  # slowdowns below are not told
UNCLEAR = 0.05  # an interval that reaches further on either side has not excluded enough
BUDGET = 115.0  # seconds for screening and judgement, proofs apart
PROVING = 4  # processes, if one after the other is ended by what it proves
SCREENING = 3  # processes
SCREENING_SHARE = 0.5  # of the budget
# A disturbance makes a block only slower, so of four in a row the quickest counts. Of disturbed
# series of this catalogue the error of a process is a third less; of longer rows it grows again.
ROW = 4
FEW = 2 * ROW  # pairs of blocks that are worth a moment of their own
NORMAL = math.sqrt(math.pi / 2)  # standard deviation ÷ mean deviation of normal noise
PART = 100  # values whose averages, all five thousand, are taken
LEAST = 0.015  # seconds of timing for each series in a process of the screening
SURE = 0.03  # and in one that judges, or
SURER = 0.001  # that share of all seconds for judging, if it is more
SAFE = 60  # but no longer than so many times what is fine enough
MOMENTS = 3  # at which a process that judges times a series: a disturbance hits one of them
MOMENT = 0.01  # seconds that are worth one
FINE = 0.005  # standard error with which a process's ratio is fine enough
PLAIN = 0.5  # or in one that judges, as a share of the change that was seen, if that is more
SPARED = 6  # times as long as that takes is the most that is spent, if time is left
DECISIVE = 0.4  # seconds of timing for a suspect in such a process, if it needs them
CALLS = 12  # of each series, at least, in the screening
LONG = 0.01  # share of the budget, or else a second, beyond which they take too long
MOST = 60  # series that can be judged: with more, no interval would be confident enough
# Processes of a judgement beyond those that an interval so confident needs: one for so many seconds
# of it, and these at least and at most. The more, the less one that was disturbed can hide.
SPARE, SPARE_SECONDS, MOST_SPARE = 2, 8.0, 6
PLAINLY = 5  # standard errors by which a function is plainly slower at one case
KIN = 3  # and what that is worth to suspect it at its other cases, also in standard errors
SCATTER = 0.03  # of a pair of blocks, as long as nothing is known
SILENCE = 180.0  # seconds without a word after which a process counts as hanging
# Peak memory and allocations are counted, not timed; threads may add a little by chance.
MEMORY_RISE = 0.02
MEMORY_LEAST = 4096  # bytes
# In another environment this package is not installed.
HERE = str(Path(__file__).parents[3])
START = (
    f"import sys; sys.path.append({HERE!r}); from mlpperf.engine.compare.worker import main; main()"
)
UNKNOWN = Interval(math.nan, math.nan, math.nan)


class Series(NamedTuple):
    """A contestant of a path at a case."""

    path: str
    case: str
    variant: str

    @property
    def name(self) -> str:
        """Such as `sigmoid/batch-500/tanh_in_place`."""
        return "/".join(self)


@dataclass
class Finding:
    """What is known about one series.

    `note`: why it was not timed, such as that the base does not have it. `wrong`: what is wrong in
    which version. `seconds`: of a call, in each version. `visits`: processes that `ratio` is based
    on, and `judged` whether they were others than those that chose it. `memory`: peak bytes and
    allocations of a call.
    """

    series: Series
    note: str = ""
    wrong: dict[str, str] = field(default_factory=dict)
    error: float = math.nan
    tolerance: float = math.nan
    seconds: dict[str, float] = field(default_factory=dict)
    ratio: Interval = UNKNOWN  # head ÷ base
    visits: int = 0
    judged: bool = False
    memory: dict[str, dict[str, int]] = field(default_factory=dict)
    threshold: float = THRESHOLD

    @property
    def slower(self) -> bool:
        """Judged, and slower by the threshold."""
        return self.judged and self.ratio.low > 1 and self.ratio.median >= 1 + self.threshold

    @property
    def faster(self) -> bool:
        """Judged, and faster by the threshold."""
        return self.judged and self.ratio.high < 1 and self.ratio.median <= 1 / (1 + self.threshold)

    @property
    def clear(self) -> bool:
        """Whether the interval excludes any larger change."""
        ratio, most = self.ratio, 1 + max(UNCLEAR, self.threshold)
        return ratio.high <= most and ratio.low >= 1 / most

    @property
    def suspicious(self) -> bool:
        """Whether it looks changed by the threshold."""
        return abs(math.log(self.ratio.median)) >= math.log1p(self.threshold)

    @property
    def grown(self) -> list[str]:
        """How the memory rose: clauses such as `peak memory 1.2 → 3.4 MB`."""
        if len(self.memory) < 2:
            return []
        base, head = self.memory["base"], self.memory["head"]
        found = []
        if head["peak"] > base["peak"] * (1 + MEMORY_RISE) + MEMORY_LEAST:
            found.append(f"peak memory {base['peak'] / 1e6:.3g} → {head['peak'] / 1e6:.3g} MB")
        if head["allocations"] > base["allocations"] * (1 + MEMORY_RISE) + 1:
            found.append(f"allocations {base['allocations']} → {head['allocations']}")
        return found

    @property
    def regression(self) -> bool:
        """Whether the head must not go in like this."""
        return bool(self.slower or "head" in self.wrong or self.grown)

    @property
    def verdict(self) -> str:
        """In words."""
        if "head" in self.wrong:
            return "wrong"
        if self.wrong:
            return "mended"
        if self.note:
            return self.note
        if not self.visits:
            return "undecided: not timed"
        if self.slower or self.faster:
            return "slower" if self.slower else "faster"
        beyond = (
            max(self.ratio.high - 1, 1 / self.ratio.low - 1) if self.ratio.low > 0 else math.inf
        )
        looks = self.suspicious and not self.judged and not self.ratio.low <= 1 <= self.ratio.high
        if self.clear and not looks:
            return f"unchanged within ±{_percent(beyond)} %"
        if not math.isfinite(beyond):
            return f"undecided: only {self.visits} processes timed it"
        if looks:
            return "undecided: looks changed, but was not judged"
        return f"undecided: ±{_percent(beyond)} % is as far as this machine lets see"


def _percent(share: float) -> str:
    """With two digits, but never as a power of ten."""
    return f"{100 * share:.2g}" if share < 0.995 else f"{100 * share:.0f}"


@dataclass
class Comparison:
    """What came of it.

    `same`: the code is, and nothing was done. `broken`: why a version has no hot paths. `isolated`:
    why each version had processes of its own, whose sight is coarser. `trouble`: what went wrong on
    the way. `busy`: the share of the machine that others took. `total`: seconds.
    """

    base: str
    head: str
    commits: dict[str, str | None]
    threshold: float
    budget: float
    same: bool = False
    findings: dict[Series, Finding] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    isolated: str = ""
    trouble: list[str] = field(default_factory=list)
    busy: float = 0.0
    total: float = 0.0
    interrupted: bool = False

    @property
    def regressions(self) -> list[Finding]:
        """What makes the exit code 1, the worst first."""
        found = [finding for finding in self.findings.values() if finding.regression]
        return sorted(found, key=lambda f: ("head" not in f.wrong, -f.ratio.median))

    @property
    def timed(self) -> list[Finding]:
        """The series that both versions have and that were timed."""
        return [finding for finding in self.findings.values() if finding.visits]

    @property
    def exit_code(self) -> int:
        """0 no regression, 1 regression, 2 could not be measured."""
        if self.same:
            return 0
        if "base" in self.broken:
            return 2
        if "head" in self.broken or self.regressions:
            return 1
        return 0 if self.timed and not self.missing and not self.interrupted else 2

    @property
    def missing(self) -> list[Finding]:
        """The series that should have been timed, and were not."""
        findings = self.findings.values()
        return [f for f in findings if not (f.visits or f.note or f.wrong)]


@dataclass(frozen=True)
class Selection:
    """What is compared: paths and cases by name (all for none), and libraries."""

    paths: Sequence[str] = ()
    cases: Sequence[str] = ()
    backends: Sequence[str] = ("numpy",)


def compare(
    base: Version,
    head: Version,
    selection: Selection,
    *,
    threshold: float = THRESHOLD,
    budget: float = BUDGET,
    isolated: str = "",
    pythons: dict[str, str] | None = None,
    seed: int | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> Iterator[Comparison]:
    """Compare two versions; gives the same comparison after every stage, more complete each time.

    Parameters
    ----------
    threshold
        Slowdowns below it are not told; 0.005 is half a percent.
    budget
        Seconds for all processes that time, one after the other; proofs come before.
    isolated
        A reason to give each version processes of its own.
    pythons
        The interpreter of each version, if it is not this one.
    seed
        Of all random orders.

    Raises
    ------
    MlpperfError
        For an unknown path or case, a threshold or budget out of range, or when another comparison
        is running on this machine.
    """
    if not 0 < budget < math.inf:
        raise MlpperfError(f"The budget must be a positive number of seconds, not {budget:g}.")
    if not 0 < threshold < 1:
        raise MlpperfError(f"The threshold must lie between 0 and 100 %, not at {threshold:.4g}.")
    result = Comparison(
        base.name,
        head.name,
        {"base": base.commit, "head": head.commit},
        threshold,
        budget,
        isolated=isolated,
    )
    start, bystanders = time.perf_counter(), Bystanders()
    with alone(), scratch("inputs") as folder:
        crew = Crew({"base": base, "head": head}, pythons or {}, str(folder), result.trouble, seed)
        stages = _stages(crew, result, selection, progress)
        while True:
            done = next(stages, None) is None
            result.busy, result.total = bystanders.share(), time.perf_counter() - start
            yield result
            if done:
                return


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Hold the machine: two comparisons at once would disturb each other.

    Raises
    ------
    MlpperfError
        If another one is running.
    """
    lock = FileLock(Path(tempfile.gettempdir()) / "mlpperf-compare.lock", mode=0o666)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise MlpperfError(
            "Another comparison is running on this machine; two would disturb each other."
        ) from None
    except OSError as reason:  # for example another user's, in a folder of both
        raise MlpperfError(
            f"Whether another comparison is running cannot be seen from {lock.lock_file} "
            f"({reason.strerror}); set TMPDIR to a folder of your own."
        ) from reason
    try:
        yield
    finally:
        lock.release()


def _stages(
    crew: Crew, result: Comparison, selection: Selection, progress: Callable[[str], None]
) -> Iterator[bool]:
    """Proof, screening, judgement; one step each."""
    progress("loading both versions")
    series = _plan(crew, result, selection)
    if not series:
        return
    progress("proving")
    _prove(crew, result, series)
    yield True
    for finding in result.findings.values():
        if CALLS * crew.calls.get(finding.series, 0.0) > max(LONG * result.budget, 1.0):
            finding.note = finding.note or "undecided: a call takes too long for this budget"
    right = [f for f in result.findings.values() if not (f.wrong or f.note) and f.tolerance >= 0]
    if not right:
        return
    timings = {finding.series: Timing() for finding in right}
    now = time.perf_counter
    end = now() + result.budget * SCREENING_SHARE
    starting = 0.0
    for visit in range(SCREENING):
        progress(f"screening {len(right)} series, process {visit + 1} of {SCREENING}")
        left = (end - now()) / (SCREENING - visit) - starting
        seconds = shares(timings, left) if visit else dict.fromkeys(timings, LEAST)
        starting = _visit(crew, result, seconds, timings)
    for finding in right:
        _conclude(finding, timings[finding.series])
    yield True
    end += result.budget * (1 - SCREENING_SHARE)
    least = max(SURE, SURER * (end - now()))
    timings = _suspects(right, timings, end - now(), starting, least)
    if not timings:
        return
    tests, processes = len(timings), judges(len(timings), end - now())
    for visit in range(processes):
        progress(f"judging {tests} series, process {visit + 1} of {processes}")
        left = (end - now()) / (processes - visit) - starting
        seconds = shares(timings, left, least, MOMENTS)
        starting = _visit(crew, result, seconds, timings, MOMENTS)
    for judged, timing in timings.items():
        _conclude(result.findings[judged], timing, tests)
    yield True


_Times = Sequence[float] | NDArray[np.float64]


def _quickest(times: _Times) -> NDArray[np.float64]:
    """The least of every `ROW`; what is left over at the end counts with the last ones."""
    starts = np.arange(0, max(len(times) - ROW, 0) + 1, ROW)
    return np.minimum.reduceat(np.asarray(times), starts)


@dataclass
class Timing:
    """What processes found about one series.

    `values`: the logarithm of head ÷ base, one of each process; `pairs` of blocks that each is
    based on, and its `own` standard error, 0 if it is unknown; `deviations` of rows from the
    values, as if of single pairs. `each`: seconds that a pair takes; `rest`: what a process needs
    besides, at every moment. `scatter`: standard deviation of a pair, had its noise no tails.
    `fine`: the error that will do.
    """

    values: list[float] = field(default_factory=list)
    pairs: list[int] = field(default_factory=list)
    own: list[float] = field(default_factory=list)
    deviations: list[NDArray[np.float64]] = field(default_factory=list)
    each: float = 0.0
    rest: float = 0.0
    scatter: float = SCATTER
    fine: float = FINE

    def add(self, base: _Times, head: _Times, each: float, rest: float) -> None:
        """Take in what one process found: the seconds of blocks, in pairs.

        Of every `ROW` pairs the quickest block of each side, and of the ratios of these the
        pseudo-median: as robust as it need be, and sharper than the median.
        """
        # What comes first in a process may have to wait for a library to load.
        self.each, self.rest = each, min(rest, self.rest) if self.values else rest
        logs = np.log(_quickest(head) / _quickest(base))
        parts = [logs[i :: math.ceil(len(logs) / PART)] for i in range(math.ceil(len(logs) / PART))]
        self.values.append(float(np.mean([np.median(walsh_averages(part)) for part in parts])))
        self.pairs.append(len(head))
        if len(logs) < 2:
            self.own.append(0.0)
            return
        self.own.append(NORMAL * float(np.mean(np.abs(logs - self.values[-1]))) / len(logs) ** 0.5)
        self.deviations.append((logs - self.values[-1]) * math.sqrt(ROW))
        deviations = np.concatenate(self.deviations)
        # Of fewer values than there are deviations, as each has its own middle.
        share = 1 - len(self.deviations) / len(deviations)
        self.scatter = 1.4826 * float(np.median(np.abs(deviations))) / math.sqrt(share)

    @property
    def errors(self) -> NDArray[np.float64]:
        """Standard error of each of `values`: a process that was disturbed counts less.

        None counts more than the scatter of all allows: the own error of a few rows may be small by
        chance.
        """
        usual = max(self.scatter, 1e-9) / np.sqrt(np.array(self.pairs))
        errors: NDArray[np.float64] = np.maximum(usual, np.array(self.own))
        return errors

    @property
    def middle(self) -> float:
        """Of `values`, by their errors."""
        return float(np.average(self.values, weights=self.errors**-2.0)) if self.values else 0.0

    @property
    def within(self) -> float:
        """Standard error of the middle of `values` by the errors of each; 0 if unknown."""
        return float(np.sum(self.errors**-2.0)) ** -0.5 if self.deviations else 0.0

    @property
    def between(self) -> float:
        """That by the values of the processes."""
        if len(self.values) < 2:
            return math.inf
        squares = (np.array(self.values) - self.middle) ** 2
        return math.sqrt(np.average(squares, weights=self.errors**-2.0) / (len(self.values) - 1))

    @property
    def error(self) -> float:
        """The larger of the two; of a single value, what is known."""
        return max(self.within, self.between) if len(self.values) > 1 else self.within or math.inf

    @property
    def enough(self) -> float:
        """Seconds of pairs after which the error is `fine`."""
        return self.each * (self.scatter / self.fine) ** 2

    def shortest(self, least: float) -> float:
        """Seconds of a process at the very least: `least`, unless much less will do, or a pair."""
        return max(self.each, min(least, max(LEAST, SAFE * self.enough)))

    def moments(self, seconds: float, most: int) -> int:
        """At how many moments, `most` at most, a process times it for so many `seconds` in all.

        Each has to be worth what it takes to get ready.
        """
        return max(1, min(most, int(seconds / max(FEW * self.each, MOMENT, self.rest))))

    def cost(self, seconds: float, most: int) -> float:
        """Seconds that a process takes in all if so many are timed, at `most` moments at most."""
        return self.rest * self.moments(seconds, most) + seconds

    def again(self, suspicious: bool) -> Timing:
        """With nothing found yet, but with what is known about how it scatters.

        As fine as it takes to tell the change that was seen if there is one, or that there is none.
        """
        seen = abs(self.middle) if suspicious else UNCLEAR
        fine = max(FINE, PLAIN * seen)
        return Timing(each=self.each, rest=self.rest, scatter=self.scatter, fine=fine)


def shares(
    timings: dict[Series, Timing], seconds: float, least: float = LEAST, moments: int = 1
) -> dict[Series, float]:
    """How long a process that has so many `seconds` is to time each series, at so many `moments`.

    `least`, or what its `Timing` says; and of what is left all the same, so that each error is less
    by the same factor, but no longer than a few times what is fine enough. What is over is not
    spent. (The sum of squared errors would be least if all went to a few long calls that can hardly
    be told at all.)
    """
    short = {s: t.shortest(least) for s, t in timings.items()}
    left = seconds - sum(t.cost(short[s], moments) for s, t in timings.items())
    most = {s: max(SPARED * t.enough - short[s], 0.0) for s, t in timings.items()}
    given = dict(short)
    for number, series in enumerate(sorted(timings, key=lambda s: most[s])):
        share = min(most[series], max(left, 0.0) / (len(timings) - number))
        given[series] += share
        left -= share
    return given


def judges(tests: int, seconds: float) -> int:
    """How many processes judge `tests` series in so many `seconds`.

    That they all agree by chance is rare enough.
    """
    spare = min(max(int(seconds / SPARE_SECONDS), SPARE), MOST_SPARE)
    return math.ceil(math.log2(tests / FALSE_ALARM)) + spare


def _suspects(
    findings: Sequence[Finding],
    timings: dict[Series, Timing],
    seconds: float,
    starting: float,
    least: float = SURE,
) -> dict[Series, Timing]:
    """What is to be judged in so many `seconds`, with what is known about how it scatters.

    A process needs `starting` seconds to start, and times each at least `least` seconds.

    What looks slower comes first, then what looks faster, then what is only unclear; and of these
    what is the surest for its time. Of a function that is plainly slower at one case, less is
    enough to suspect it at others.
    """
    found: dict[Series, Timing] = {}
    sure = {s: t.middle / max(t.error, 1e-9) for s, t in timings.items()}
    slowed = {(s.path, s.variant) for s in timings if sure[s] >= PLAINLY}

    def cost(timing: Timing) -> float:
        return timing.cost(max(timing.shortest(least), min(timing.enough, DECISIVE)), MOMENTS)

    def urgency(finding: Finding) -> tuple[int, float]:
        series, timing = finding.series, timings[finding.series]
        known = abs(sure[series])
        if timing.middle > 0 and (series.path, series.variant) in slowed:
            known = math.hypot(known, KIN)
        if known < 1 or abs(timing.middle) < math.log1p(finding.threshold) / 2:
            return 0, -cost(timing.again(False))
        again = timing.again(True)
        needed = timing.rest + max(again.shortest(least), again.enough)
        return 2 if timing.middle > 0 else 1, known / needed

    urgent = {f.series: urgency(f) for f in findings}
    open_ = [f for f in findings if urgent[f.series][0] or not f.clear]
    for finding in sorted(open_, key=lambda f: urgent[f.series], reverse=True):
        timing = timings[finding.series].again(urgent[finding.series][0] > 0)
        each = starting + cost(timing) + sum(map(cost, found.values()))
        if len(found) < MOST and (not found or judges(len(found) + 1, seconds) * each <= seconds):
            found[finding.series] = timing
    return found


def _plan(crew: Crew, result: Comparison, selection: Selection) -> list[Series]:
    """The series to prove, in the head's order; what cannot be compared is noted."""
    about: dict[str, dict[str, Any]] = {}
    for side in ("base", "head"):
        for answer in crew.ask("look", [side]):
            if "broken" in answer:
                result.broken[side] = answer["broken"]
            else:
                about[side] = answer["paths"]
        if side not in about:
            result.broken.setdefault(side, crew.trouble[-1] if crew.trouble else "it said nothing")
    if result.broken:
        return []
    known = about["base"] | about["head"]
    check("hot path", selection.paths, known)
    cases = [case for path in known.values() for case in path["cases"]]
    check("case", selection.cases, cases)
    backends = [name for path in known.values() for name in path["variants"].values()]
    check("backend", selection.backends, ["numpy", "tensorflow", *backends])
    found = []
    for path, new in known.items():
        if selection.paths and path not in selection.paths:
            continue
        old = about["base"].get(path, {"version": new["version"], "cases": [], "variants": {}})
        now = about["head"].get(path, {"version": new["version"], "cases": [], "variants": {}})
        for case in dict.fromkeys([*now["cases"], *old["cases"]]):
            for variant, backend in (old["variants"] | now["variants"]).items():
                if backend not in selection.backends:
                    continue
                if selection.cases and case not in selection.cases:
                    continue
                series = Series(path, case, variant)
                finding = Finding(series, threshold=result.threshold)
                in_base = case in old["cases"] and variant in old["variants"]
                in_head = case in now["cases"] and variant in now["variants"]
                if not in_head:
                    finding.note = "gone"
                elif not in_base:
                    finding.note = "new"
                elif old["version"] != now["version"]:
                    finding.note = "not comparable: its inputs or cases changed"
                result.findings[series] = finding
                if in_head:
                    found.append(series)
    return found


def _prove(crew: Crew, result: Comparison, series: Sequence[Series]) -> None:
    groups = [["head"], ["base"]] if result.isolated else [["base", "head"]]
    for group in groups:
        # What is not comparable has other inputs at the base.
        left = [s for s in series if "head" in group or not result.findings[s].note]
        for _ in range(PROVING):
            for answer in crew.ask("prove", group, series=tuple(left)):
                finding = result.findings[Series(*answer["series"])]
                left.remove(finding.series)
                finding.wrong |= answer["wrong"]
                finding.memory |= answer["memory"]
                if "head" in group:
                    finding.error = answer.get("error", math.nan)
                    finding.tolerance = answer.get("tolerance", math.nan)
                if "seconds" in answer:
                    crew.calls[finding.series] = answer["seconds"]
                if answer["together"]:
                    crew.together.append(finding.series)
            left = left[1:]  # the first has ended the process; the others are still to be proven
            if not left or not crew.failed:
                break


def _visit(
    crew: Crew,
    result: Comparison,
    seconds: dict[Series, float],
    timings: dict[Series, Timing],
    most: int = 1,
) -> float:
    """Let one process (or one of each version, if isolated) time series, so many seconds each.

    At `most` moments, as long as they are worth it and enough pairs fit into each. Adds what it
    says to `timings`, and gives the seconds that it took to start.
    """
    start, starting = time.perf_counter(), 0.0
    seen: dict[Series, dict[str, list[float]]] = {}
    rest: dict[Series, float] = {}
    timed: dict[Series, float] = {}
    sides = ["base", "head"]
    moments = {s: timings[s].moments(given, most) for s, given in seconds.items()}
    asked = {
        "series": [s for s, n in moments.items() for _ in range(n)],
        "seconds": [seconds[s] / n for s, n in moments.items() for _ in range(n)],
        "together": [] if result.isolated else [s for s in crew.together if s in seconds],
    }
    for group in [[side] for side in crew.shuffled(sides)] if result.isolated else [sides]:
        began = time.perf_counter()
        for number, answer in enumerate(crew.ask("time", group, **asked)):
            if not number:
                starting += time.perf_counter() - began - answer["rest"] - answer["spent"]
            name = Series(*answer["series"])
            for side, blocks in answer["seconds"].items():
                # No row is of two moments.
                whole = len(blocks) // ROW * ROW if moments[name] > 1 else 0
                seen.setdefault(name, {}).setdefault(side, []).extend(blocks[: whole or None])
            rest[name] = rest.get(name, 0.0) + answer["rest"]
            timed[name] = timed.get(name, 0.0) + answer["spent"]
    known = starting + sum(rest.values()) + sum(timed.values())
    more = (time.perf_counter() - start - known) / max(len(rest), 1)  # such as telling the answer
    for name, times in seen.items():
        if len(times) < len(sides):
            continue
        finding = result.findings[name]
        middles = {side: float(np.median(times[side])) for side in sides}
        finding.seconds = {
            side: min(finding.seconds.get(side, math.inf), middles[side]) for side in sides
        }
        base: _Times = times["base"]
        if result.isolated:  # nothing is in pairs
            base = np.full(len(times["head"]), np.median(_quickest(base)))
        each, once = timed[name] / len(times["base"]), rest[name] / moments[name]
        timings[name].add(base, times["head"], each, once + more)
    return starting


def _conclude(finding: Finding, timing: Timing, tests: int = 0) -> None:
    """Take over what was found, as one of `tests` judgements, or for 0 tests of the screening.

    Of all judgements together one side each may fail with `FALSE_ALARM`. After the screening there
    are too few values for that, and Student's t has to do.
    """
    logs = timing.values
    if not logs:
        return
    if tests:
        confidence = 1 - 2 * FALSE_ALARM / tests
        finding.ratio = ratio_interval(np.exp(logs), confidence, timing.errors)
    else:
        middle, normal = timing.middle, float(ndtri((1 + CONFIDENCE) / 2))
        student = float(stdtrit(max(len(logs) - 1, 1), (1 + CONFIDENCE) / 2))
        half = min(max(student * timing.between, normal * timing.within), 700.0)
        finding.ratio = Interval(math.exp(middle), math.exp(middle - half), math.exp(middle + half))
    finding.visits, finding.judged = len(logs), bool(tests)


class Crew:
    """The processes that do the work, one at a time.

    Found when proving: `together`, the series whose versions can take the same arguments, and
    `calls`, seconds of a call at the base.
    `failed`: whether the last process did.
    """

    def __init__(
        self,
        versions: dict[str, Version],
        pythons: dict[str, str],
        inputs: str,
        trouble: list[str],
        seed: int | None,
    ) -> None:
        self._versions, self._pythons, self._inputs = versions, pythons, inputs
        self.trouble = trouble
        self.together: list[Series] = []
        self.calls: dict[Series, float] = {}
        self.failed = False
        self._rng = np.random.default_rng(seed)

    def shuffled(self, names: Sequence[str]) -> list[str]:
        """`names` in random order."""
        return [str(name) for name in self._rng.permutation(names)]

    def ask(self, kind: str, sides: Sequence[str], **task: Any) -> Iterator[dict[str, Any]]:
        """Start a process, and give its answers as they come.

        One that hangs, dies or fails adds its last words to `trouble`; what it answered counts.
        """
        line = {
            "kind": kind,
            "versions": {
                side: (str(self._versions[side].root), self._versions[side].entries)
                for side in sides
            },
            "inputs": self._inputs,
            "seed": int(self._rng.integers(2**31)),
            **task,
        }
        self.failed = False
        python = self._pythons.get(sides[0], sys.executable)
        with Worker(["-c", START], python, SILENCE) as worker:
            worker.tell(json.dumps(line))
            try:
                yield from worker
            except WorkerError as reason:
                self.failed = True
                self.trouble.append(str(reason))
