"""What is known about each series of a comparison, and what all of it comes to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from ..machine.environment import Environment
from ..statistics.intervals import Interval
from ..statistics.verdicts import Judgement, Reason, Verdict
from ..suites.series import Series
from ..words import count

THRESHOLD = 0.005  # slowdowns below this share are not told
# Of the series that a change can affect, this share may stay unjudged in a comparison that ends
# with 0. A suite of some size nearly always has a few that are too noisy or too long for a budget:
# a limit of 0 would make the gate red for that alone, and be switched off. More than a fifth means
# that the suite as a whole was not judged.
UNJUDGED_MOST = 0.2
UNCLEAR = 0.05  # an interval that reaches further on either side has not excluded enough
COARSE = 0.25  # the same of calls so long that only a few can be timed
# Peak memory and allocations are counted, not timed; threads may add a little by chance. A rise
# counts beyond this share, and of bytes beyond a page.
MEMORY_RISE = 0.02
MEMORY_RISE_BYTES = 4096
NAMES_MOST = 5  # in a sentence
# Verdicts on series that no change can have made slower, or that the suite means not to be timed.
UNAFFECTED = (
    Verdict.NEW,
    Verdict.GONE,
    Verdict.NOT_COMPARABLE,
    Verdict.UNTOUCHED,
    Verdict.SKIPPED,
)
QUANTITIES = ("peak", "allocations")  # of memory: the most bytes at a time, and how many were made
UNKNOWN = Interval(math.nan, math.nan, math.nan)


@dataclass
class Finding:
    """What is known about one series.

    Attributes
    ----------
    series : which one.
    untimed : why it was not timed, such as that the base does not have it; None if it was meant to.
    wrong : what is wrong, by version (base, head).
    error, tolerance : of its proof in the head, relative to the largest element; NaN if unproven.
    seconds : of a call, by version.
    ratio : head ÷ base, with its 95 % interval.
    ratio_error, ratio_freedom : the standard error of its logarithm; its degrees of freedom.
    processes : that `ratio` is based on.
    judged : whether these are enough to decide.
    sure : that it changed: by chance not one series of the comparison would have changed as much,
        but with the probability of a false alarm.
    sight : the smallest slowdown that would be told in 95 of 100 comparisons like this one.
    values : of a series that measures something else than time, from several processes of each
        version; and their `unit`.
    memory : peak bytes and allocations of a call, by version.
    grown_in : which of these more than one process saw rise, beyond what may be chance.
    threshold : the smallest change that is told, as a share.
    coarse : a call takes so long that only a few could be timed.
    bound : of a series with too long a call to be timed, a bound of head ÷ base: a lower one if
        the head takes longer, an upper one if the base does; NaN if neither is known.
    """

    series: Series
    untimed: Judgement | None = None
    wrong: dict[str, str] = field(default_factory=dict)
    error: float = math.nan
    tolerance: float = math.nan
    seconds: dict[str, float] = field(default_factory=dict)
    ratio: Interval = UNKNOWN
    ratio_error: float = math.nan
    ratio_freedom: float = math.nan
    processes: int = 0
    judged: bool = False
    sure: bool = False
    sight: float = math.nan
    values: dict[str, list[float]] = field(default_factory=dict)
    unit: str = ""
    memory: dict[str, dict[str, int]] = field(default_factory=dict)
    grown_in: list[str] = field(default_factory=list)
    threshold: float = THRESHOLD
    coarse: bool = False
    bound: float = math.nan

    @property
    def slower(self) -> bool:
        """Surely slower, and by the threshold."""
        return self.bound > 1 or (self.sure and self.ratio.median >= 1 + self.threshold)

    @property
    def faster(self) -> bool:
        """Surely faster, and by the threshold."""
        return self.bound < 1 or (self.sure and self.ratio.median <= 1 / (1 + self.threshold))

    @property
    def clear(self) -> bool:
        """Whether the interval excludes any larger change."""
        most = 1 + max(COARSE if self.coarse else UNCLEAR, self.threshold)
        return self.ratio.high <= most and self.ratio.low >= 1 / most

    @property
    def suspicious(self) -> bool:
        """Whether it looks changed by the threshold."""
        return abs(math.log(self.ratio.median)) >= math.log1p(self.threshold)

    @property
    def seems_grown(self) -> bool:
        """Whether it takes more memory by what one process saw."""
        return bool(self._rises())

    @property
    def grown(self) -> list[str]:
        """How the memory rose, as was judged: clauses such as `peak memory 1.2 → 3.4 MB`."""
        return [clause for quantity, clause in self._rises().items() if quantity in self.grown_in]

    def _rises(self) -> dict[str, str]:
        """What rose by more than is worth a word, and how."""
        if len(self.memory) < 2:
            return {}
        base, head = self.memory["base"], self.memory["head"]
        found = {}
        if head["peak"] > base["peak"] * (1 + MEMORY_RISE) + MEMORY_RISE_BYTES:
            clause = f"peak memory {base['peak'] / 1e6:.3g} → {head['peak'] / 1e6:.3g} MB"
            found["peak"] = clause
        if head["allocations"] > base["allocations"] * (1 + MEMORY_RISE):
            found["allocations"] = f"allocations {base['allocations']} → {head['allocations']}"
        return found

    @property
    def risen(self) -> str:
        """How its value rose, such as `3 → 5 unit`; as with asv, less is better.

        All of the head's have to lie beyond all of the base's. Peaks of memory, which differ a
        little from process to process, have to by more than `MEMORY_RISE`.
        """
        if len(self.values) < 2:
            return ""
        base, head = self.values["base"], self.values["head"]
        exact = len(set(base)) == len(set(head)) == 1
        least = self.threshold if exact else max(self.threshold, MEMORY_RISE)
        rose = min(head) > max(base) + least * abs(max(base))
        return f"{max(base):.6g} → {min(head):.6g} {self.unit}" if rose else ""

    @property
    def size(self) -> float:
        """How many times as long as at the base a call takes, at least."""
        return self.ratio.median if math.isnan(self.bound) else self.bound

    @property
    def regression(self) -> bool:
        """Whether the head must not go in like this."""
        return bool(self.slower or "head" in self.wrong or self.grown or self.risen)

    @property
    def affected(self) -> bool:
        """Whether the change can affect it: both versions have it, and it runs what changed."""
        return self.judgement.verdict not in UNAFFECTED

    @property
    def failed(self) -> bool:
        """Whether there is nothing to time, because a version has failed."""
        return bool(self.wrong or self.untimed)

    @property
    def decided(self) -> bool:
        """Whether it is known how it changed, or that it did not."""
        return self.judgement.verdict not in (Verdict.UNDECIDED, Verdict.NOT_TIMED)

    @property
    def judgement(self) -> Judgement:
        """What is said of the series."""
        if "head" in self.wrong:
            return Judgement(Verdict.WRONG)
        if self.wrong:
            return Judgement(Verdict.MENDED)
        if not math.isnan(self.bound):
            verdict = Verdict.SLOWER if self.slower else Verdict.FASTER
            return Judgement(verdict, bound=self.bound)
        if self.untimed:
            return self.untimed
        if not self.processes:
            return Judgement(Verdict.UNDECIDED, reason=Reason.NOT_TIMED)
        if self.slower or self.faster:
            verdict = Verdict.SLOWER if self.slower else Verdict.FASTER
            return Judgement(verdict, processes=self.processes)
        ratio = self.ratio
        beyond = max(ratio.high - 1, 1 / ratio.low - 1) if ratio.low > 0 else math.inf
        looks = self.suspicious and not self.judged and not ratio.low <= 1 <= ratio.high
        if self.clear and not looks:
            return Judgement(Verdict.UNCHANGED, beyond, self.processes)
        reason = Reason.NOT_JUDGED if looks else Reason.WIDE_INTERVAL
        if not math.isfinite(beyond):
            reason = Reason.FEW_PROCESSES
        return Judgement(Verdict.UNDECIDED, beyond, self.processes, reason)


@dataclass
class Comparison:
    """What came of comparing two versions.

    Attributes
    ----------
    base, head : what the versions are called.
    commits : the hash of each; None for a working tree.
    threshold : the smallest change that is told, as a share.
    budget : seconds that were given for timing.
    same : the code is the same, and nothing was done.
    findings : by series, in the order of the head.
    broken : why a version has no hot paths, by version.
    selected : names and patterns that it was narrowed to; none if it is about all series.
    merge_base : the hash of the base, if that is the merge base of what was named and the head.
    suites : where series come from besides hot paths, by kind.
    isolated : why each version had processes of its own, whose sight is coarser.
    everywhere : why it could not be said which series run what changed; all were timed then.
    trouble : what went wrong on the way, a sentence each.
    busy : the share of the machine that others took.
    total : seconds from start to end.
    interrupted : it did not come to its end.
    unloaded : what of the suites cannot be loaded, so that nothing is known of it, and why.
    accepted : patterns of names that need not be judged.
    unjudged_most : the share of the series that may stay unjudged without an exit code of 2.
    environment : that ran the benchmarks; None for our own.
    """

    base: str
    head: str
    commits: dict[str, str | None]
    threshold: float
    budget: float
    same: bool = False
    findings: dict[Series, Finding] = field(default_factory=dict)
    selected: list[str] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)
    merge_base: str = ""
    suites: dict[str, str] = field(default_factory=dict)
    isolated: str = ""
    everywhere: str = ""
    trouble: list[str] = field(default_factory=list)
    busy: float = 0.0
    total: float = 0.0
    interrupted: bool = False
    unloaded: dict[str, str] = field(default_factory=dict)
    accepted: Sequence[str] = ()
    unjudged_most: float = UNJUDGED_MOST
    environment: Environment | None = None

    @property
    def regressions(self) -> list[Finding]:
        """What makes the exit code 1, the worst first."""
        found = [finding for finding in self.findings.values() if finding.regression]
        return sorted(found, key=lambda f: ("head" not in f.wrong, -f.size))

    @property
    def timed(self) -> list[Finding]:
        """The series that both versions have and that were timed."""
        return [finding for finding in self.findings.values() if finding.processes]

    @property
    def untouched(self) -> list[Finding]:
        """The series that run nothing that changed."""
        return [f for f in self.findings.values() if f.judgement.verdict is Verdict.UNTOUCHED]

    @property
    def undecided(self) -> list[Finding]:
        """The series of which nothing can be said."""
        return [finding for finding in self.findings.values() if finding.judgement.undecided]

    @property
    def exit_code(self) -> int:
        """0 no regression, 1 regression, 2 not enough was judged to say either."""
        if self.same:
            return 0
        if "base" in self.broken:
            return 2
        if "head" in self.broken or self.regressions:
            return 1
        return 2 if self.gaps else 0

    @property
    def gaps(self) -> list[str]:
        """What keeps the comparison from concluding "no regression", a clause each.

        That is a claim about every benchmark that the change can affect, so it takes a look at
        each of them: nothing follows from what was not measured.
        """
        found = ["it was interrupted"] if self.interrupted else []
        found += [
            f"{place} cannot be loaded ({why})"
            for place, why in self.unloaded.items()
            if not self._accepts(place)
        ]
        if gone := [f.series.name for f in self._with(Verdict.GONE)]:
            found.append(f"{_some(gone)} of {self.base} {'is' if len(gone) == 1 else 'are'} gone")
        if missing := [f.series.name for f in self.missing]:
            why = f" ({self.trouble[-1].rstrip('.')})" if self.trouble else ""
            found.append(f"{_some(missing)} could not be timed at all{why}")
        affected = [f for f in self.findings.values() if f.affected]
        unjudged = [f for f in affected if not f.decided and not self._accepts(f.series.name)]
        if unjudged and len(unjudged) > self.unjudged_most * len(affected):
            names = _some([f.series.name for f in unjudged])
            found.append(
                f"{len(unjudged)} of {count(len(affected), 'benchmark')} that the change can "
                f"affect could not be judged ({names}), more than {100 * self.unjudged_most:g} %"
            )
        if not (found or affected or self.untouched):
            found.append("no benchmark was judged")
        return found

    @property
    def missing(self) -> list[Finding]:
        """The series that should have been timed, and were not: a process hung or died."""
        left = [f for f in self.findings.values() if not f.processes and f.judgement.undecided]
        return [f for f in left if not f.untimed and not self._accepts(f.series.name)]

    def _with(self, verdict: Verdict) -> list[Finding]:
        """The series with a verdict, but for those that need not be judged."""
        findings = [f for f in self.findings.values() if f.judgement.verdict is verdict]
        return [f for f in findings if not self._accepts(f.series.name)]

    def _accepts(self, name: str) -> bool:
        return any(fnmatchcase(name, pattern) or pattern in name for pattern in self.accepted)


def _some(names: Sequence[str]) -> str:
    """Names for a sentence, of many only the first."""
    more = f" and {len(names) - NAMES_MOST} more" if len(names) > NAMES_MOST else ""
    return ", ".join(names[:NAMES_MOST]) + more
