"""The findings of a comparison, and the verdict on all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ..machine.environment import Environment
from ..statistics.verdicts import Verdict
from ..suites.policy import NONE as NO_POLICY
from ..suites.policy import Policy
from ..suites.series import Series, fits, is_longer, matches
from ..versions.layout import project_named
from ..versions.pair import Pair
from ..words import count, some
from .finding import NOT_AT_THE_BASE, Finding
from .gate import Allowance, Kept, allowance, budget_outcomes
from .records import RULES, Asked
from .shards import Shard

# Share of the series that a change can affect which may stay unjudged in a comparison that ends
# with 0. Nearly every larger suite has a few that are too noisy or too slow for a budget: a limit
# of 0 would make the gate red for that alone, and be switched off. More than a fifth means that
# the suite as a whole was not judged.
UNJUDGED_MOST = 0.2


@dataclass(frozen=True)
class Comparison:
    """What a comparison of two versions came to, as far as it got.

    `whole.WholeComparison` explains the fields that it has, too.

    Attributes
    ----------
    findings : by series, in the order of the head.
    project : the name of the head's project, as its package would be called.
    all_timed_because : why it is unknown which series run changed code, so that all were timed.
    warnings : what went wrong on the way, a sentence each.
    environment : that ran the benchmarks; None for our own.
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
    rules: int = RULES
    asked: Asked = field(default_factory=Asked)

    @classmethod
    def of(cls, pair: Pair, threshold: float, **about: Any) -> Comparison:
        """What is known of a comparison of two versions before anything is called."""
        unjudged = pair.settings.unjudged_most
        versions = {"base": pair.base, "head": pair.head}
        return cls(
            pair.base.name,
            pair.head.name,
            {side: version.hash for side, version in versions.items()},
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
        every = [f for f in self.findings.values() if not self._accepts(f.series.name)]
        gone = [f for f in every if f.judgement.verdict is Verdict.GONE]
        changed = [f.series.name for f in gone if NOT_AT_THE_BASE in f.judgement.because]
        if removed := [f.series.name for f in gone if f.series.name not in changed]:
            are = "is" if len(removed) == 1 else "are"
            gaps.append(f"{some(removed)} of {self.base} {are} gone")
        if changed:
            are, them = ("is", "it") if len(changed) == 1 else ("are", "them")
            gaps.append(
                f"{some(changed)} {are} changed so that {self.base} does not run {them}, as its "
                f"own suite does; let {them} run in both versions"
            )
        if missing := [f.series.name for f in self.missing]:
            ends = [one.rstrip(".") for one in self.warnings if one.startswith("A process ")]
            why = f" ({ends[-1]})" if ends else ""
            gaps.append(f"{some(missing)} could not be timed at all{why}")
        affected = [f for f in self.findings.values() if f.affected]
        if uncounted := [f for f in every if f.affected and f.uncounted]:
            gaps.append(
                f"the bytecodes of {some([f.series.name for f in uncounted])} were not counted, "
                f"for which [tool.mlpperf] bytecodes sets a limit ({uncounted[0].uncounted}; "
                "setting accept names what need not be judged)"
            )
        unjudged = [f for f in every if f.affected and not (f.decided or f.uncounted)]
        if unjudged and len(unjudged) > self.unjudged_most * len(affected):
            names, many = some([f.series.name for f in unjudged]), count(len(affected), "benchmark")
            if len(affected) == 1:
                why = f"{names}, the only benchmark that the change can affect, could not be judged"
            elif len(affected) == len(unjudged):
                why = f"none of {many} that the change can affect could be judged ({names})"
            else:
                most = f"more than the allowed {100 * self.unjudged_most:g} % (setting unjudged)"
                why = f"{len(unjudged)} of {many} that the change can affect could not be judged "
                why += f"({names}), {most}"
            gaps.append(why)
        gaps += self.budgets(Kept.UNKNOWN) + self._blocking_nothing
        if not (gaps or self.skipped or any(f.decided for f in affected)):
            why = " or ".join({f.judgement.verdict.short: None for f in self.findings.values()})
            gaps.append(f"no benchmark was judged{f'; all are {why}' if why else ''}")
        return gaps

    @property
    def _blocking_nothing(self) -> list[str]:
        """A clause for each pattern of the gate that blocks, and fits no benchmark of all."""
        if self.selected or self.shard or not self.findings:
            return []
        return [
            f"[tool.mlpperf.gate.series] blocks {pattern!r}, which fits no benchmark"
            for pattern, what in self.policy.series.items()
            if what == "block" and not any(fits(pattern, series) for series in self.findings)
        ]

    @property
    def missing(self) -> list[Finding]:
        """The series that were not timed because a process hung or died."""
        left = [f for f in self.findings.values() if not f.processes and f.judgement.undecided]
        return [f for f in left if not f.untimed and not self._accepts(f.series.name)]

    def _accepts(self, name: str) -> bool:
        return any(
            matches(one, name) or (one in name and not is_longer(name, one))
            for one in self.accepted
        )
