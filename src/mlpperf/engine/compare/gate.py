"""What the policy of a project makes of the findings of a comparison."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterable, Mapping
from enum import Enum
from itertools import zip_longest
from typing import NamedTuple

from ..statistics.verdicts import Verdict
from ..suites.policy import GROWTH, Acceptance, Budget, Policy
from ..suites.series import Series, covers, fits
from ..words import plain, rounded
from .finding import Finding

# The times of two benchmarks are not measured in turns: they may differ by as much as this from
# what pairs would give.
UNPAIRED = 0.1
MEMORY_SLACK = 1.02  # a peak that was accepted may be larger by chance
# A number in a name, such as 1000, 1_000, 0.5, 1e6, or 10k of bytes.
NUMBER = re.compile(
    r"((?:[0-9]{1,3}(?:[_,][0-9]{3})+(?![0-9])|[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)"
    r"(?:[kKMG](?=i?B?(?![A-Za-z])))?)"
)
MULTIPLES = {"k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9}
SIZE_MOST = 1e100  # its third power is a number, too


class Allowance(NamedTuple):
    """Why a regression does not fail the comparison.

    Attributes
    ----------
    accepted : somebody has accepted it; otherwise it only warns.
    because : the reason.
    """

    accepted: bool
    because: str

    @property
    def word(self) -> str:
        """The verdict on the regression that it allows."""
        return "accepted" if self.accepted else "warning only"


def allowance(policy: Policy, finding: Finding) -> Allowance | None:
    """Why a regression does not fail the comparison; None if it does, or is none.

    A wrong result always does.
    """
    if not finding.regression or "head" in finding.wrong:
        return None
    for entry in _entries(policy, finding):
        if not (entry.lapsed or exceeded(entry, finding)):
            return Allowance(True, plain(entry.because))
    actions = (
        what
        for pattern, what in policy.series.items()
        if (covers if what == "warn" else fits)(pattern, finding.series)
    )
    if next(actions, "block") == "warn":
        return Allowance(False, "by [tool.mlpperf.gate.series]")
    return None


def _entries(policy: Policy, finding: Finding) -> list[Acceptance]:
    return [entry for entry in policy.accepted if entry.fits(finding.series.name)]


def exceeded(entry: Acceptance, finding: Finding) -> str:
    """What of a regression is larger than was accepted; empty if nothing is."""
    if finding.slower and not finding.size - 1 <= entry.slower:
        return f"at most +{100 * entry.slower:.3g} % was accepted"
    if finding.work_rose and not finding.more_work <= entry.bytecodes:
        return f"at most +{100 * entry.bytecodes:.3g} % bytecodes were accepted"
    head = finding.memory.get("head", {})
    for quantity, most in (("peak", entry.peak_memory), ("allocations", entry.allocations)):
        is_more = head.get(quantity, 0) > (most or 0) * MEMORY_SLACK
        if quantity in finding.grown_in and is_more:
            return f"{quantity} of at most {most or 0:,} was accepted"
    if finding.more_garbage and finding.garbage["head"] > (entry.garbage or 0) * MEMORY_SLACK:
        most = entry.garbage or 0
        return f"at most {most:,} objects for the garbage collector were accepted"
    if finding.risen and (entry.value is None or max(finding.values["head"]) > entry.value):
        return f"a value of at most {entry.value} was accepted"
    return ""


def refusals(policy: Policy, findings: Iterable[Finding]) -> list[str]:
    """Why regressions count although there is an acceptance for them, a sentence each."""
    return [
        f"{finding.series.name} was accepted, which does not count: "
        f"{entry.lapsed or exceeded(entry, finding)}."
        for finding in findings
        if finding.regression and not allowance(policy, finding)
        for entry in _entries(policy, finding)
    ]


def accepting(left: Collection[Finding], every: Iterable[Finding]) -> str:
    """The options that accept what is `left` and nothing else, by the shortest names."""
    others = [finding.series.name for finding in every if finding not in left]

    def shortest(one: Series) -> str:
        names = [n for n in (one.path, one.function) if n in one.name]
        return next((n for n in names if not any(n in name for name in others)), one.name)

    names = dict.fromkeys(shortest(finding.series) for finding in left)
    return " ".join(f"--accept {shlex.quote(name)}" for name in names)


class Kept(Enum):
    """Whether a budget is kept."""

    KEPT = "kept"
    EXCEEDED = "exceeded"
    UNKNOWN = "unknown"
    NOT_MEASURED = "not measured"  # for a reason that is no gap: it runs no changed code, or is new


class BudgetOutcome(NamedTuple):
    """Whether a series keeps a budget, with the clause that says by which numbers."""

    kept: Kept
    clause: str


def budget_outcomes(
    policy: Policy, findings: Mapping[Series, Finding], whole: bool
) -> list[BudgetOutcome]:
    """Whether each budget is kept. `whole`: all series of the suites were to be compared."""
    outcomes = []
    for budget in policy.budgets:
        fitting = [one for series, one in findings.items() if fits(budget.series, series)]
        if not fitting and whole:
            why = f"the budget of {budget.series!r} fits no benchmark"
            outcomes.append(BudgetOutcome(Kept.UNKNOWN, why))
        judged = _memory if budget.peak_memory else _time
        if budget.growth:  # the reference may be one of the family that the pattern fits
            others = [one for one in fitting if not fits(budget.reference, one.series)]
            fitting = others or fitting
        outcomes += [judged(budget, finding, findings.values()) for finding in fitting]
    return outcomes


def needed(policy: Policy, series: Series) -> bool:
    """Whether a budget needs the time of a series, whatever code it runs."""
    pairs = ((budget.series, budget.reference) for budget in policy.budgets if budget.reference)
    return any(fits(pattern, series) for pair in pairs for pattern in pair)


def _unmeasured(finding: Finding) -> bool:
    """Whether there is no number for a reason that no budget has to care about."""
    verdict = finding.judgement.verdict
    return verdict in (Verdict.UNCHANGED_CODE, Verdict.NEW, Verdict.GONE, Verdict.SKIPPED)


def _memory(budget: Budget, finding: Finding, every: Iterable[Finding]) -> BudgetOutcome:
    name, peaks = finding.series.name, finding.memory.get("head", {})
    peak: float | None = peaks.get("peak")
    if finding.unit == "bytes" and finding.values.get("head"):
        peak = max(finding.values["head"])
    if peak is None:
        kept = Kept.NOT_MEASURED if _unmeasured(finding) else Kept.UNKNOWN
        return BudgetOutcome(kept, f"the peak memory of {name} was not counted")
    kept = Kept.KEPT if peak <= budget.bytes_most else Kept.EXCEEDED
    size = f"{peak / 1e6:.3g} MB of memory, at most {budget.peak_memory}"
    return BudgetOutcome(kept, f"{name} takes {size}")


def _time(budget: Budget, finding: Finding, every: Iterable[Finding]) -> BudgetOutcome:
    name = finding.series.name
    references = [one for one in every if fits(budget.reference, one.series)]
    if len(references) != 1:
        many = "no benchmark" if not references else f"{len(references)} benchmarks"
        why = f"the reference {budget.reference!r} of the budget of {name} fits {many}, not one"
        return BudgetOutcome(Kept.UNKNOWN, why)
    (reference,) = references
    most = budget.at_most or 1.0
    if budget.growth:
        sizes = _sizes(finding.series, reference.series)
        if isinstance(sizes, str):
            why = f"the names of {name} and {reference.series.name} {sizes}"
            return BudgetOutcome(Kept.UNKNOWN, why)
        allowed = GROWTH[budget.growth]
        most *= allowed(sizes[0]) / allowed(sizes[1])
    timed = [one.seconds.get("head") if one.processes else None for one in (finding, reference)]
    if not all(timed):
        untimed = [o for o, t in zip((finding, reference), timed, strict=True) if not t]
        kept = Kept.NOT_MEASURED if _unmeasured(finding) else Kept.UNKNOWN
        return BudgetOutcome(kept, f"{untimed[0].series.name} was not timed, which a budget needs")
    ratio = (timed[0] or 0.0) / (timed[1] or 1.0)
    clause = (
        f"{name} takes {rounded(ratio)} times as long as {reference.series.name}, "
        f"at most {rounded(most)}"
    )
    if ratio <= most / (1 + UNPAIRED):
        return BudgetOutcome(Kept.KEPT, clause)
    if ratio > most * (1 + UNPAIRED):
        return BudgetOutcome(Kept.EXCEEDED, clause)
    near = f"closer than the {100 * UNPAIRED:.0f} % by which such times are uncertain"
    return BudgetOutcome(Kept.UNKNOWN, f"{clause}, {near}")


def _sizes(one: Series, other: Series) -> tuple[float, float] | str:
    """The sizes of two series: the only number in which their names differ, or why there is none.

    A number that both have, such as that of a data type, is no size. A text that differs may
    change the time as well.
    """
    parts = [NUMBER.split(series.name) for series in (one, other)]
    differing = [pair for pair in zip_longest(*parts) if pair[0] != pair[1]]
    texts = [part[::2] for part in parts]  # around the numbers
    if not differing:
        return "are the same, so growth has no sizes"
    if len(differing) > 1 or texts[0] != texts[1]:
        return "differ in more than one number, so growth has no sizes: let only the size differ"
    first, second = (_number(text) for text in differing[0])
    if not all(2 <= size <= SIZE_MOST for size in (first, second)):
        return "have no sizes above 1, which growth needs"
    return first, second


def _number(text: str) -> float:
    digits, unit = (text[:-1], text[-1]) if text[-1] in MULTIPLES else (text, "")
    return float(digits.replace(",", "").replace("_", "")) * MULTIPLES.get(unit, 1)
