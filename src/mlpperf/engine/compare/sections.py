"""The order in which a comparison is shown: what changed, what is unchanged, what is not known."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

from ..statistics.verdicts import Verdict
from ..table import grouped
from .finding import Finding
from .result import Comparison


class Part(Enum):
    """The parts of a page."""

    CHANGED = "changed"
    UNCHANGED = "unchanged"
    UNKNOWN = "unknown"


class Section(NamedTuple):
    """Series of which the same is known.

    Attributes
    ----------
    title, part : such as Slower, and the part of the page.
    kind : its colour: good, bad, note or plain.
    clause : what is known of each, after a number of series.
    """

    title: str
    part: Part
    kind: str
    clause: str = ""


WRONG = Section("Wrong", Part.CHANGED, "bad")
SLOWER = Section("Slower", Part.CHANGED, "bad")
MEMORY = Section("More memory", Part.CHANGED, "bad")
WORK = Section("More work", Part.CHANGED, "bad")
VALUE = Section("Higher value", Part.CHANGED, "bad")
ACCEPTED = Section("Accepted", Part.CHANGED, "note")
WARNED = Section("Warning only", Part.CHANGED, "note")
FIXED = Section("Fixed", Part.CHANGED, "good")
FASTER = Section("Faster", Part.CHANGED, "good")
UNCHANGED = Section("Unchanged", Part.UNCHANGED, "plain", "unchanged")
MEASURED = Section("Measured", Part.UNCHANGED, "plain", "measured (no higher value)")
SKIPPED = Section("Skipped", Part.UNCHANGED, "plain", "skipped")
BY_SUITE = Section("Skipped by the suite", Part.UNCHANGED, "plain", "skipped by the suite")
NEW = Section("New", Part.UNCHANGED, "plain", "new")
GONE = Section("Gone", Part.UNKNOWN, "note")
NOT_COMPARABLE = Section("Not comparable", Part.UNKNOWN, "note")
UNDECIDED = Section("Undecided", Part.UNKNOWN, "note")
NOT_TIMED = Section("Not timed", Part.UNKNOWN, "note")

BY_VERDICT = {
    Verdict.WRONG: WRONG,
    Verdict.SLOWER: SLOWER,
    Verdict.FIXED: FIXED,
    Verdict.FASTER: FASTER,
    Verdict.UNCHANGED: UNCHANGED,
    Verdict.MEASURED: MEASURED,
    Verdict.UNCHANGED_CODE: SKIPPED,
    Verdict.SKIPPED: BY_SUITE,
    Verdict.NEW: NEW,
    Verdict.GONE: GONE,
    Verdict.NOT_COMPARABLE: NOT_COMPARABLE,
    Verdict.UNDECIDED: UNDECIDED,
    Verdict.NOT_TIMED: NOT_TIMED,
}
# Regressions on top, the worst kind first.
WORSE = (WRONG, SLOWER, MEMORY, WORK, VALUE, ACCEPTED, WARNED)
ORDER = (*WORSE, *(s for s in BY_VERDICT.values() if s.kind != "bad"))


def section_of(result: Comparison, finding: Finding) -> Section:
    """The one section that shows a finding; a regression is always shown as one."""
    if allowed := result.allowance(finding):
        return ACCEPTED if allowed.accepted else WARNED
    section = BY_VERDICT[finding.judgement.verdict]
    if section.kind != "bad" and finding.grown:
        return MEMORY
    if section.kind != "bad" and finding.work_rose:
        return WORK
    return VALUE if section.kind != "bad" and finding.risen else section


def sections(result: Comparison, part: Part) -> Iterator[tuple[Section, list[Finding]]]:
    """The sections of a part that have any series, in order; the largest change first."""
    findings = grouped(result.findings.values(), lambda finding: section_of(result, finding))
    for section in ORDER:
        if section.part is part and section in findings:
            yield section, _sorted(section, findings[section])


def _sorted(section: Section, findings: list[Finding]) -> list[Finding]:
    """By file, the file with the largest change first."""
    if section not in (SLOWER, FASTER):
        return sorted(findings, key=lambda f: f.series.path)
    sign = 1 if section is SLOWER else -1
    largest: dict[str, float] = {}
    for finding in findings:
        path = finding.series.path
        largest[path] = max(largest.get(path, -float("inf")), sign * finding.size)
    return sorted(findings, key=lambda f: (-largest[f.series.path], f.series.path, -sign * f.size))
