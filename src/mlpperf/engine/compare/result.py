"""What is known about each series of a comparison, and the verdict on all of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal

from ..machine.environment import Environment
from ..statistics.intervals import Interval
from ..statistics.verdicts import Judgement, Reason, Verdict
from ..suites.policy import NONE as NO_POLICY
from ..suites.policy import Policy
from ..suites.series import THRESHOLD, Series
from ..versions.layout import project_named
from ..versions.prepare import Pair
from ..words import count
from .gate import Allowance, Kept, allowance, budget_outcomes
from .shards import Shard
from .work import Work

# Share of the series that a change can affect which may stay unjudged in a comparison that ends
# with 0. Nearly every larger suite has a few that are too noisy or too slow for a budget: a limit
# of 0 would make the gate red for that alone, and be switched off. More than a fifth means that
# the suite as a whole was not judged.
UNJUDGED_MOST = 0.2
UNCHANGED_WITHIN = 0.05  # "unchanged" requires the interval to lie within ±5 %
# The same for calls too long to repeat, and for those of which changed code takes next to nothing:
# what exact counts show, a rough time has to confirm.
UNCHANGED_WITHIN_IF_FEW_CALLS = 0.25
# Smallest rise in peak memory and allocations that is reported, as a share and, of bytes, a page.
# They are counted, not timed, but threads may add a little by chance.
MEMORY_RISE = 0.02
MEMORY_RISE_BYTES = 4096
NAMES_MOST = 2  # in a sentence
# Verdicts on series that no change can have made slower, or that the suite means not to be timed.
UNAFFECTED = (
    Verdict.NEW,
    Verdict.GONE,
    Verdict.NOT_COMPARABLE,
    Verdict.UNCHANGED_CODE,
    Verdict.SKIPPED,
)
UNKNOWN = Interval(math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class Finding:
    """What is known about one series.

    Attributes
    ----------
    untimed : why it was not timed, such as that the base does not have it; None if it was to be.
    wrong : what is wrong, by version (base, head).
    error, tolerance : of a hot path's result in the head, relative to the largest element.
    seconds : of a call, by version.
    ratio : head ÷ base, with its 95 % interval.
    ratio_error, ratio_freedom : the standard error of its logarithm; its degrees of freedom.
    processes : that `ratio` is based on.
    judged : whether these are enough to decide.
    significant : the interval, corrected for the number of series, excludes 1.
    detectable : the smallest slowdown that 95 of 100 comparisons like this one would report.
    values : what it measures if not time, from several processes of each version; in `unit`.
    memory : peak bytes and allocations of a call, by version.
    grown_in : which of these rose in each of several processes.
    threshold : the smallest change that is reported, as a share.
    coarse : its calls are so long that only a few are timed.
    bound : head ÷ base of calls too long to be timed: a lower bound if the head takes longer, an
        upper bound if the base does; NaN if neither is known.
    work : what a call executes, counted exactly; None if nobody tried.
    work_most : by which share a call may execute more, if the project has a limit.
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
    significant: bool = False
    detectable: float = math.nan
    values: dict[str, list[float]] = field(default_factory=dict)
    unit: str = ""
    memory: dict[str, dict[str, int]] = field(default_factory=dict)
    grown_in: list[str] = field(default_factory=list)
    threshold: float = THRESHOLD
    coarse: bool = False
    bound: float = math.nan
    work: Work | None = None
    work_most: float | None = None

    @property
    def slower(self) -> bool:
        """Whether it is significantly slower, by the threshold at least."""
        return self.bound > 1 or (self.significant and self.ratio.median >= 1 + self.threshold)

    @property
    def faster(self) -> bool:
        """Whether it is significantly faster, by the threshold at least."""
        return self.bound < 1 or (
            self.significant and self.ratio.median <= 1 / (1 + self.threshold)
        )

    @property
    def within_bounds(self) -> bool:
        """Whether the interval is narrow enough to call the series unchanged."""
        wide = self.coarse or self.immovable
        share = UNCHANGED_WITHIN_IF_FEW_CALLS if wide else UNCHANGED_WITHIN
        most = 1 + max(share, self.threshold)
        return self.ratio.high <= most and self.ratio.low >= 1 / most

    @property
    def immovable(self) -> bool:
        """Whether changed code takes too little of a call to make it measurably slower."""
        return self.work is not None and self.work.immovable

    @property
    def more_work(self) -> float:
        """How many more instructions the head executes, as a share; NaN if that is unknown."""
        return self.work.ratio - 1 if self.work else math.nan

    @property
    def work_rose(self) -> bool:
        """Whether a call executes more than the project allows."""
        most = self.work_most
        return most is not None and self.work is not None and self.work.ratio > 1 + most

    @property
    def looks_changed(self) -> bool:
        """Whether the ratio, whatever its interval, is beyond the threshold."""
        return abs(math.log(self.ratio.median)) >= math.log1p(self.threshold)

    @property
    def seems_grown(self) -> bool:
        """Whether a call took more memory in the one process that counted it."""
        return bool(self._rises())

    @property
    def grown(self) -> list[str]:
        """How the memory rose in all processes, such as `peak memory 1.2 → 3.4 MB`."""
        return [clause for quantity, clause in self._rises().items() if quantity in self.grown_in]

    def _rises(self) -> dict[str, str]:
        """How each quantity of memory rose that rose by more than the smallest rise reported."""
        if len(self.memory) < 2:
            return {}
        base, head = self.memory["base"], self.memory["head"]
        rises = {}
        if head["peak"] > base["peak"] * (1 + MEMORY_RISE) + MEMORY_RISE_BYTES:
            clause = f"peak memory {base['peak'] / 1e6:.3g} → {head['peak'] / 1e6:.3g} MB"
            rises["peak"] = clause
        one, other = (memory.get("allocations", 0) for memory in (base, head))  # 0: not counted
        if other > one * (1 + MEMORY_RISE):
            rises["allocations"] = f"allocations {one} → {other}"
        return rises

    @property
    def risen(self) -> str:
        """How its value rose, such as `3 → 5 unit`; as with asv, less is better.

        Every value of the head has to exceed every value of the base; if values differ between
        processes, as peaks of memory do, by more than `MEMORY_RISE`.
        """
        if len(self.values) < 2:
            return ""
        base, head = self.values["base"], self.values["head"]
        exact = len(set(base)) == len(set(head)) == 1
        least = self.threshold if exact else max(self.threshold, MEMORY_RISE)
        rose = min(head) > max(base) + least * abs(max(base))
        return " → ".join(self.shown(max(base), min(head))) if rose else ""

    def shown(self, *values: float) -> list[str]:
        """Values in its unit, the last one with it; many bytes in megabytes."""
        many = self.unit == "bytes" and max(values) >= 1e6
        size, unit = (1e6, "MB") if many else (1.0, self.unit)
        *first, last = (f"{value / size:.6g}" for value in values)
        return [*first, f"{last} {unit}".rstrip()]

    @property
    def size(self) -> float:
        """Head ÷ base, or its bound."""
        return self.ratio.median if math.isnan(self.bound) else self.bound

    @property
    def regression(self) -> bool:
        """Whether it makes the exit code 1."""
        more = self.grown or self.risen or self.work_rose
        return bool(self.slower or "head" in self.wrong or more)

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
        """Whether the series was judged, by its time and, if these have a limit, by its counts."""
        if self.work_most is not None and not (self.work and math.isfinite(self.work.ratio)):
            return False
        return self.judgement.verdict not in (Verdict.UNDECIDED, Verdict.NOT_TIMED)

    @property
    def judgement(self) -> Judgement:
        """The verdict on the series."""
        if "head" in self.wrong:
            return Judgement(Verdict.WRONG)
        if self.wrong:
            return Judgement(Verdict.FIXED)
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
        looks = self.looks_changed and not self.judged and not ratio.low <= 1 <= ratio.high
        if self.within_bounds and not looks:
            return Judgement(Verdict.UNCHANGED, beyond, self.processes)
        reason = Reason.NOT_JUDGED if looks else Reason.WIDE_INTERVAL
        if not math.isfinite(beyond):
            reason = Reason.FEW_PROCESSES
        return Judgement(Verdict.UNDECIDED, beyond, self.processes, reason)


@dataclass(frozen=True)
class Comparison:
    """What a comparison of two versions came to, as far as it got.

    Attributes
    ----------
    base, head : names of the versions.
    commits : the hash of each; None for a working tree or a release.
    threshold : the smallest change that is reported, as a share.
    budget : seconds for timing.
    same : the code is the same, and nothing was done.
    findings : by series, in the order of the head.
    broken : why a version has no benchmarks, by version.
    selected : names and patterns that narrowed it; none if it is about all series.
    merge_base : the hash of the base, if it is the merge base of the revision asked for and the
        head.
    project : the name of the head's project, as its package would be called.
    suites : where the benchmarks other than hot paths are, by kind.
    isolated : why each version had processes of its own, which detect only larger changes.
    all_timed_because : why it is unknown which series run changed code, so that all were timed.
    warnings : what went wrong on the way, a sentence each.
    busy : the share of the machine that other processes took.
    total : seconds from start to end.
    interrupted : it did not come to its end.
    unloaded : which places of the suites cannot be loaded, so that nothing is known of them; why.
    accepted : patterns of names that need not be judged.
    unjudged_most : the share of the series that may stay unjudged without an exit code of 2.
    environment : that ran the benchmarks; None for our own.
    releases : the releases that were compared, as the user has written them, by version.
    environments : the packages that differ, and Python, by version; only what the user has asked.
    policy : the project's, beside that of the base.
    shard : the part of the series that this is about; None for all.
    """

    base: str
    head: str
    commits: dict[str, str | None]
    threshold: float
    budget: float = 0.0
    same: bool = False
    findings: dict[Series, Finding] = field(default_factory=dict)
    selected: Sequence[str] = ()
    broken: dict[str, str] = field(default_factory=dict)
    merge_base: str = ""
    project: str = ""
    suites: dict[str, str] = field(default_factory=dict)
    isolated: str = ""
    all_timed_because: str = ""
    warnings: Sequence[str] = ()
    busy: float = 0.0
    total: float = 0.0
    interrupted: bool = False
    unloaded: dict[str, str] = field(default_factory=dict)
    accepted: Sequence[str] = ()
    unjudged_most: float = UNJUDGED_MOST
    environment: Environment | None = None
    releases: dict[str, str] = field(default_factory=dict)
    environments: dict[str, dict[str, str]] = field(default_factory=dict)
    policy: Policy = NO_POLICY
    shard: Shard | None = None

    @classmethod
    def of(cls, pair: Pair, threshold: float, **about: Any) -> Comparison:
        """What is known of a comparison of two versions before anything is called."""
        unjudged = pair.settings.unjudged_most
        versions = {"base": pair.base, "head": pair.head}
        return cls(
            pair.base.name,
            pair.head.name,
            {side: version.commit for side, version in versions.items()},
            threshold,
            merge_base=pair.merge_base,
            project=project_named(pair.head.root).replace("-", "_").lower(),
            suites={suite.kind: suite.place for suite in pair.suites},
            isolated=pair.isolated,
            accepted=pair.settings.accept,
            unjudged_most=UNJUDGED_MOST if unjudged is None else unjudged,
            releases={s: v.release.asked for s, v in versions.items() if v.release},
            environments={side: dict(held) for side, held in pair.environments.items()},
            policy=pair.settings.policy,
            **about,
        )

    @property
    def regressions(self) -> list[Finding]:
        """What became worse, the worst first."""
        regressions = [finding for finding in self.findings.values() if finding.regression]
        return sorted(regressions, key=lambda f: ("head" not in f.wrong, -f.size))

    def allowance(self, finding: Finding) -> Allowance | None:
        """Why a regression does not fail the comparison; None if it does, or is none."""
        return allowance(self.policy, finding)

    @property
    def blocking(self) -> list[Finding]:
        """The regressions that make the exit code 1, the worst first."""
        return [finding for finding in self.regressions if not self.allowance(finding)]

    def budgets(self, kept: Kept) -> list[str]:
        """A clause for each of the project's budgets of this outcome."""
        outcomes = budget_outcomes(self.policy, self.findings, whole=not self.selected)
        return [outcome.clause for outcome in outcomes if outcome.kept is kept]

    @property
    def timed(self) -> list[Finding]:
        """The series that both versions have and that were timed."""
        return [finding for finding in self.findings.values() if finding.processes]

    @property
    def skipped(self) -> list[Finding]:
        """The series that run no changed code."""
        return [f for f in self.findings.values() if f.judgement.verdict is Verdict.UNCHANGED_CODE]

    @property
    def undecided(self) -> list[Finding]:
        """The series whose verdict is undecided."""
        return [finding for finding in self.findings.values() if finding.judgement.undecided]

    @property
    def exit_code(self) -> Literal[0, 1, 2]:
        """0 no regression, 1 regression, 2 not enough was judged to say either."""
        if self.same:
            return 0
        if "base" in self.broken:
            return 2
        if "head" in self.broken or self.blocking or self.budgets(Kept.EXCEEDED):
            return 1
        return 2 if self.gaps else 0

    @property
    def gaps(self) -> list[str]:
        """What keeps the comparison from concluding "no regression", a clause each.

        That is a claim about every benchmark that the change can affect, so each has to be judged:
        nothing follows from what was not measured.
        """
        gaps = ["it was interrupted"] if self.interrupted else []
        gaps += [
            f"{place} cannot be loaded ({why})"
            for place, why in self.unloaded.items()
            if not self._accepts(place)
        ]
        if gone := [f.series.name for f in self._with(Verdict.GONE)]:
            gaps.append(f"{_some(gone)} of {self.base} {'is' if len(gone) == 1 else 'are'} gone")
        if missing := [f.series.name for f in self.missing]:
            ends = [one.rstrip(".") for one in self.warnings if one.startswith("A process ")]
            why = f" ({ends[-1]})" if ends else ""
            gaps.append(f"{_some(missing)} could not be timed at all{why}")
        affected = [f for f in self.findings.values() if f.affected]
        unjudged = [f for f in affected if not f.decided and not self._accepts(f.series.name)]
        if unjudged and len(unjudged) > self.unjudged_most * len(affected):
            names = _some([f.series.name for f in unjudged])
            gaps.append(
                f"{len(unjudged)} of {count(len(affected), 'benchmark')} that the change can "
                f"affect could not be judged ({names}), more than {100 * self.unjudged_most:g} %"
            )
        gaps += self.budgets(Kept.UNKNOWN)
        if not (gaps or affected or self.skipped):
            gaps.append("no benchmark was judged")
        return gaps

    @property
    def missing(self) -> list[Finding]:
        """The series that were not timed because a process hung or died."""
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
