"""The verdict of a comparison in plain sentences: what it rests on, and what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import msgspec

from ..words import SHORT, count, plain
from .finding import Finding
from .gate import Kept
from .render import shown_times
from .result import Comparison
from .sentences import advice, notes, policy, verdict, worse

SHOWN_MOST = 25  # benchmarks of a kind
MEANING = {
    0: "Exit code 0: nothing became worse, and enough was judged to conclude that.",
    1: "Exit code 1: a regression, or a budget that is exceeded.",
    2: "Exit code 2: neither a regression nor its absence was shown.",
}
SIGNIFICANT = (
    "What is slower is so by its 95 % interval over the processes, corrected for the number of "
    "benchmarks."
)
# What to do if nothing particular helps.
OTHERWISE = {
    0: "Nothing has to be done.",
    1: "Make it quicker or smaller, or change the limit that it exceeds.",
    2: "Make it possible to judge what was not judged, and compare again.",
}


class Explanation(msgspec.Struct, kw_only=True):
    """The verdict of a comparison in plain sentences.

    Attributes
    ----------
    schema : number of the format.
    kind : what sort of output it is.
    base, head : names of the versions.
    commits : the hash of each version; null for a changed working tree or a release.
    exit_code : 0 no regression, 1 regression, 2 not enough was judged.
    compared : what was compared.
    concluded : the verdict, and what the exit code means.
    evidence : what it rests on: the policy, what became worse, what was not judged.
    causes : which parts of the change made it slower; empty if that was not measured.
    how : how it was measured, and what limits it.
    next : what to do.
    """

    schema: Literal[1] = 1
    kind: Literal["explanation"] = "explanation"
    base: str
    head: str
    commits: dict[str, str | None]
    exit_code: Literal[0, 1, 2]
    compared: list[str]
    concluded: list[str]
    evidence: list[str]
    causes: list[str]
    how: list[str]
    next: list[str]


def explanation(result: Comparison, causes: Sequence[str]) -> Explanation:
    """What was compared and how, what was concluded and why, and what to do next."""
    concluded = verdict(result)
    gaps = [gap for gap in result.gaps if gap not in concluded]
    evidence = [
        *policy(result),
        *(_evidence(result, finding) for finding in result.regressions[:SHOWN_MOST]),
        *(f"Budget exceeded: {clause}." for clause in result.budgets(Kept.EXCEEDED)),
        *([SIGNIFICANT] if any(finding.slower for finding in result.regressions) else []),
        *(f"Not judged: {gap}." for gap in ([] if result.same else gaps)),
        *(f"{one.series.name} is {one.judgement}." for one in result.undecided[:SHOWN_MOST]),
    ]
    return Explanation(
        base=result.base,
        head=result.head,
        commits=result.commits,
        exit_code=result.exit_code,
        compared=_compared(result),
        concluded=[concluded, MEANING[result.exit_code]],
        evidence=[plain(line) for line in evidence],
        causes=[plain(line) for line in causes],
        how=[*(f"{warning.rstrip('.')}." for warning in result.warnings), *notes(result)],
        next=_next(result, causes),
    )


def _compared(result: Comparison) -> list[str]:
    names = {"base": result.base, "head": result.head}
    hashes = [_with_hash(names[side], result.commits.get(side) or "") for side in names]
    numbers = [f"{count(len(result.findings), 'benchmark')}: {len(result.timed):,} timed"]
    if skipped := len(result.skipped):
        numbers.append(f"{skipped:,} skipped because they run no changed code")
    selected = f", selected by {', '.join(result.selected)}" if result.selected else ""
    return [f"{hashes[1]} was compared with {hashes[0]}.", f"{', '.join(numbers)}{selected}."]


def _with_hash(name: str, commit: str) -> str:
    """A version as it was named, with the first digits of its hash if these are not its name."""
    if not commit or commit.startswith(name):
        return name[:SHORT] if commit else name
    return f"{name} ({commit[:SHORT]})"


def _evidence(result: Comparison, finding: Finding) -> str:
    """Why a series is a regression, by which numbers."""
    name = finding.series.name
    if why := finding.wrong.get("head"):
        return f"{name} is wrong: {why}."
    clauses = [worse(finding)]
    if finding.slower and finding.processes:
        calls = " → ".join(filter(None, shown_times(finding)))
        clauses.append(f"a call takes {calls}, in {finding.processes} processes")
    allowed = result.allowance(finding)
    if allowed:
        word = "accepted" if allowed.accepted else "only a warning"
        clauses.append(f"{word}: {allowed.because}")
    return f"{name} {'; '.join(clauses)}."


def _next(result: Comparison, causes: Sequence[str]) -> list[str]:
    steps = advice(replace(result, warnings=()))  # which say what happened, not what to do
    blocking = [finding for finding in result.blocking if "head" not in finding.wrong]
    if any(finding.slower for finding in blocking) and not causes:
        steps.append("`mlpperf why` measures which functions made it slower.")
    if blocking:
        steps.append(
            "If a regression is worth its price: `mlpperf accept BENCHMARK --because REASON`."
        )
    if len(blocking) < len(result.blocking) or "head" in result.broken:
        steps.append(f"Repair what fails at {result.head}.")
    if result.interrupted:
        steps.append("Compare again, to the end.")
    return steps or [OTHERWISE[result.exit_code]]
