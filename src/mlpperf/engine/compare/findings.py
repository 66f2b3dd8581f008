"""What is known about each series of a comparison, and what all of it comes to."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import NamedTuple

from ..timing.environment import Environment
from ..timing.intervals import Interval
from ..timing.verdicts import Judgement, Reason, Verdict

THRESHOLD = 0.005  # slowdowns below this share are not told
UNCLEAR = 0.05  # an interval that reaches further on either side has not excluded enough
COARSE = 0.25  # the same of calls so long that only a few can be timed
# Peak memory and allocations are counted, not timed; threads may add a little by chance. A rise
# counts beyond this share, and of bytes beyond a page.
MEMORY_RISE = 0.02
MEMORY_RISE_BYTES = 4096
QUANTITIES = ("peak", "allocations")  # of memory: the most bytes at a time, and how many were made
UNKNOWN = Interval(math.nan, math.nan, math.nan)


class Series(NamedTuple):
    """What is timed and followed.

    A contestant of a hot path at a case; or, of the suite that it belongs to, a function
    (`variant`) of a file or class (`path`) with some parameters (`case`).
    """

    path: str
    case: str
    variant: str
    suite: str = ""

    @property
    def function(self) -> str:
        """What the series is about: its hot path, or its function whatever the parameters."""
        return self._replace(case="").name if self.suite else self.path

    @classmethod
    def of(cls, names: Sequence[str], suite: str = "") -> Series:
        """The series that a process calls by its first three names."""
        path, case, variant = names
        return cls(path, case, variant, suite)

    @property
    def name(self) -> str:
        """As its suite has it, such as `sigmoid/batch-500/tanh_in_place` of a hot path."""
        if self.suite == "pytest":
            return f"{self.path}::{self.variant}{self.case}"
        if self.suite == "asv":
            return f"{self.path}.{self.variant}{self.case}"
        return "/".join(self[:3])


@dataclass(frozen=True)
class Selection:
    """What is compared: paths and cases by name (all for none), and libraries.

    `series` are patterns such as `*parse*`, of names or parts of them; all for none. `thresholds`
    are the smallest changes that are told, as shares, of series that a pattern fits.
    """

    paths: Sequence[str] = ()
    cases: Sequence[str] = ()
    backends: Sequence[str] = ("numpy",)
    series: Sequence[str] = ()
    thresholds: Mapping[str, float] = field(default_factory=dict)

    def takes(self, series: Series) -> bool:
        """Whether one of the patterns fits the name of a series."""
        return not self.series or any(fits(pattern, series) for pattern in self.series)

    def threshold(self, series: Series, usual: float) -> float:
        """The smallest change that is told of a series: by the last pattern that fits."""
        fitting = [share for pattern, share in self.thresholds.items() if fits(pattern, series)]
        return fitting[-1] if fitting else usual


def fits(pattern: str, series: Series) -> bool:
    """Whether a pattern such as `*parse*` fits the name of a series, or is a part of it."""
    return fnmatchcase(series.name, pattern) or pattern in series.name


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

    @property
    def slower(self) -> bool:
        """Surely slower, and by the threshold."""
        return self.sure and self.ratio.median >= 1 + self.threshold

    @property
    def faster(self) -> bool:
        """Surely faster, and by the threshold."""
        return self.sure and self.ratio.median <= 1 / (1 + self.threshold)

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
    def regression(self) -> bool:
        """Whether the head must not go in like this."""
        return bool(self.slower or "head" in self.wrong or self.grown or self.risen)

    @property
    def judgement(self) -> Judgement:
        """What is said of the series."""
        if "head" in self.wrong:
            return Judgement(Verdict.WRONG)
        if self.wrong:
            return Judgement(Verdict.MENDED)
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
    suites : where series come from besides hot paths, by kind.
    isolated : why each version had processes of its own, whose sight is coarser.
    everywhere : why it could not be said which series run what changed; all were timed then.
    trouble : what went wrong on the way, a sentence each.
    busy : the share of the machine that others took.
    total : seconds from start to end.
    interrupted : it did not come to its end.
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
    suites: dict[str, str] = field(default_factory=dict)
    isolated: str = ""
    everywhere: str = ""
    trouble: list[str] = field(default_factory=list)
    busy: float = 0.0
    total: float = 0.0
    interrupted: bool = False
    environment: Environment | None = None

    @property
    def regressions(self) -> list[Finding]:
        """What makes the exit code 1, the worst first."""
        found = [finding for finding in self.findings.values() if finding.regression]
        return sorted(found, key=lambda f: ("head" not in f.wrong, -f.ratio.median))

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
        """0 no regression, 1 regression, 2 could not be measured."""
        if self.same:
            return 0
        if "base" in self.broken:
            return 2
        if "head" in self.broken or self.regressions:
            return 1
        known = self.timed or self.untouched or any(f.values for f in self.findings.values())
        return 0 if known and not self.missing and not self.interrupted else 2

    @property
    def missing(self) -> list[Finding]:
        """The series that should have been timed, and were not."""
        findings = self.findings.values()
        return [f for f in findings if not (f.processes or f.untimed or f.wrong)]
