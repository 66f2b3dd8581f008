"""What a comparison comes to, for a terminal, for a pull request, and for other programs."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from ..machine.environment import environment
from ..machine.machine import BUSY
from ..terminal import new_table
from ..words import by_percent, rounded, seconds
from .budget import FALSE_ALARM, MEMORY_ALARM, SCREENING
from .decision import POWER
from .result import Comparison, Finding

NO_MODULE = re.compile(r"No module named '(\w+)")
# Fields that records hold under names of old.
NAMES_ON_DISK = {
    "all_timed_because": "everywhere",
    "warnings": "trouble",
    "significant": "sure",
    "detectable": "sight",
}
MOST_TOLD = 10  # names in a sentence


def verdict(result: Comparison) -> str:
    """The answer, in one sentence."""
    if result.same:
        return f"{result.head} has the same code as {result.base}: there is nothing to compare."
    for side, why in result.broken.items():
        which = {"base": result.base, "head": result.head}[side]
        regression = "Regression: " if result.exit_code == 1 else ""
        return f"{regression}{which} cannot be used: {why}"
    found = result.regressions
    wrong = [f for f in found if "head" in f.wrong]
    slower = [f for f in found if f.slower]
    grown = [f for f in found if f.grown]
    clauses = []
    if wrong:
        clauses.append(f"{_names(wrong)} {_are(wrong)} wrong")
    if slower:
        worst = max(slower, key=lambda f: f.size)
        up_to = f" by up to {by_percent(worst.size)}" if len(slower) > 1 else ""
        by = f" by {interval(worst)}" if len(slower) == 1 else up_to
        clauses.append(f"{_names(slower)} {_are(slower)} slower{by}")
    if grown:
        clauses.append(f"{_names(grown)} {'takes' if _are(grown) == 'is' else 'take'} more memory")
    if risen := [f for f in found if f.risen]:
        clauses.append(f"{_names(risen)} {'gives' if _are(risen) == 'is' else 'give'} more")
    if clauses:
        return f"Regression at {result.head}: {'; '.join(clauses)}."
    if gaps := result.gaps:
        judged = any(f.affected and f.decided for f in result.findings.values())
        if not judged:
            return f"{result.head} could not be compared with {result.base}: {'; '.join(gaps)}."
        return f"No regression was found at {result.head}, but {'; and '.join(gaps)}."
    undecided = result.undecided
    every = {f.series for f in [*result.timed, *undecided]}
    but = f"; {len(undecided)} of {len(every)} are undecided" if undecided else ""
    if not every and result.skipped:
        return f"No regression at {result.head}: no benchmark runs anything that changed."
    faster = [f for f in result.findings.values() if f.faster]
    gain = f"; {_names(faster)} {_are(faster)} faster" if faster else ""
    return f"No regression at {result.head} against {result.base}{gain}{but}."


def _names(found: Sequence[Finding]) -> str:
    if len(found) == 1:
        return found[0].series.name
    paths = list(dict.fromkeys(f.series.function for f in found))
    return ", ".join(paths[:MOST_TOLD]) + (" and others" if len(paths) > MOST_TOLD else "")


def _are(found: Sequence[Finding]) -> str:
    functions = {f.series.function for f in found}
    return "is" if len(functions) == 1 else "are"


def interval(finding: Finding) -> str:
    """Such as `+2.1 % (+1.8 to +2.4)`; nothing if it was not timed."""
    ratio = finding.ratio
    if not math.isnan(finding.bound):
        return f"at {'least' if finding.bound > 1 else 'most'} {by_percent(finding.bound)}"
    if not finding.processes:
        return ""
    if not ratio.low > 0:
        return by_percent(ratio.median)
    low, high = (f"{100 * (bound - 1):+.1f}" for bound in (ratio.low, ratio.high))
    return f"{by_percent(ratio.median)} ({low} to {high})"


def notes(result: Comparison) -> list[str]:
    """What a reader has to know to judge the judgement, a sentence each."""
    found = []
    timed = result.timed
    if result.merge_base:
        found.append(f"Compared with {result.base} (--exact compares with the commit as named).")
    if timed:
        again = [f for f in timed if f.processes > SCREENING.processes]
        found.append(
            f"{len(timed)} series in {result.total:.0f} s; {len(again)} looked changed or were "
            f"not clear, and were timed by more processes. {_sight(timed)}A comparison of equal "
            f"versions raises an alarm with a probability of "
            f"{100 * (FALSE_ALARM + MEMORY_ALARM):g} % at most; changes below "
            f"{100 * result.threshold:g} % are not told."
        )
    if untouched := result.skipped:
        found.append(
            f"{len(untouched)} of {len(result.findings)} series run nothing that changed, and were "
            "not timed (--all times them)."
        )
    if result.all_timed_because:
        found.append(f"All series were timed, because {result.all_timed_because}.")
    hot_paths = [finding for finding in timed if not finding.series.suite]
    if hot_paths and not any(finding.memory for finding in hot_paths):
        found.append(
            "The memory that a call takes was not counted, which needs memray: "
            "pip install 'mlpperf[memory]'."
        )
    reasons = [finding.judgement.because for finding in result.findings.values()]
    missing = dict.fromkeys(name for why in reasons for name in NO_MODULE.findall(why))
    if missing:
        found.append(
            f"For some benchmarks {', '.join(missing)} is missing: add --with PACKAGE for each."
        )
    if result.isolated:
        found.append(
            f"Each version had processes of its own ({result.isolated}): two processes differ by "
            "several percent where two versions in one do not, so only larger changes are seen."
        )
    if result.busy > BUSY:
        found.append(f"Other processes took {100 * result.busy:.0f} % of the machine.")
    if result.interrupted:
        found.append("Interrupted: what was not judged by then stays undecided.")
    found += [f"{why.rstrip('.')}." for why in dict.fromkeys(result.warnings)]
    here = environment()
    there = result.environment or here
    machine = there.machine
    found.append(f"{machine.processor}, {machine.cores} threads, {there.software}.")
    if hot_paths and there.software != here.software and result.suites:
        found.append(f"Hot paths ran on {here.software}.")
    return found


def _sight(timed: Sequence[Finding]) -> str:
    """How small a slowdown this comparison would have told, as a sentence."""
    known = sorted(f.detectable for f in timed if math.isfinite(f.detectable))
    if not known:
        return ""
    half, most = (100 * known[int(share * (len(known) - 1))] for share in (0.5, 0.9))
    return (
        f"A slowdown of {rounded(half, 2)} % would be told in half of the series, and one of "
        f"{rounded(most, 2)} % in nine of ten, {100 * POWER:.0f} times of 100. "
    )


def times_shown(finding: Finding) -> dict[str, float]:
    """Seconds of a call as tables show them, by version: head ÷ base is the change beside them.

    Times and ratios are medians of other numbers, so those that were measured, which the record
    keeps, may seem to contradict the ratio, which is known much better.
    """
    found = dict(finding.seconds)
    if found.keys() >= {"base", "head"} and finding.processes and finding.ratio.median > 0:
        found["head"] = found["base"] * finding.ratio.median
    return found


def _times(finding: Finding) -> list[str]:
    found = times_shown(finding)
    return [seconds(found[side]) if side in found else "" for side in ("base", "head")]


def table(findings: Iterable[Finding], title: str) -> RenderableType:
    """A row for each series of a hot path, or of a suite."""
    findings = list(findings)
    is_suite = any(finding.series.suite for finding in findings)
    named = ["benchmark"] if is_suite else ["path", "case", "variant"]
    shown = new_table(title, *named, "base", "head", "change", "verdict", left=len(named))
    for column in (shown.columns[len(named) - 1], shown.columns[-1]):
        column.no_wrap, column.overflow = False, "fold"  # rather than that anything is cut
    for finding in findings:
        style = "bold red" if finding.regression else "green" if finding.faster else ""
        shown.add_row(
            *([finding.series.name] if is_suite else finding.series[:3]),
            *_times(finding),
            interval(finding),
            Text(_said(finding), style),
        )
    return shown


def _said(finding: Finding) -> str:
    """The verdict on a series, with what else is known."""
    values = [f"{side} {min(found):.6g}" for side, found in finding.values.items()]
    measured = finding.risen or (f"{', '.join(values)} {finding.unit}" if values else "")
    return "; ".join(filter(None, [str(finding.judgement), measured, *finding.grown]))


def text(result: Comparison) -> RenderableType:
    """Everything, the verdict last, where a terminal's reader looks first."""
    parts: list[RenderableType] = []
    by_title: dict[str, list[Finding]] = {}
    for series, finding in result.findings.items():
        title = result.suites.get(series.suite, series.path)
        by_title.setdefault(title, []).append(finding)
    parts += [table(rows, title) for title, rows in by_title.items()]
    parts += [Text(sentence) for sentence in _wrong(result)]
    parts += [Text(sentence) for sentence in notes(result)]
    style = "bold red" if result.exit_code else "bold"
    return Group(*parts, Text(verdict(result), style))


def _wrong(result: Comparison) -> list[str]:
    return [why for finding in result.findings.values() for why in finding.wrong.values()]


def markdown(result: Comparison) -> str:
    """For a pull request: the verdict, what changed, and the rest folded."""
    told = [
        f
        for f in result.findings.values()
        if f.regression or f.faster or f.wrong or f.judgement.undecided
    ]
    told.sort(key=lambda f: (not f.regression, not f.faster))
    lines = [f"### {'❌' if result.exit_code else '✅'} {_escaped(verdict(result))}", ""]
    if told:
        lines += [*_rows(told), ""]
    lines += [f"- {_escaped(why)}" for why in _wrong(result)]
    lines += [f"- {_escaped(note)}" for note in notes(result)]
    rest = [f for f in result.findings.values() if f not in told]
    if rest:
        summary = f"<details><summary>{len(rest)} series without a change</summary>"
        lines += ["", summary, "", *_rows(rest), "", "</details>"]
    return "\n".join(lines) + "\n"


def _rows(findings: Iterable[Finding]) -> list[str]:
    lines = ["| benchmark | base | head | change | verdict |", "|---|---:|---:|---:|---|"]
    for finding in findings:
        cells = [
            finding.series.name,
            *_times(finding),
            interval(finding),
            _said(finding),
        ]
        lines.append("| " + " | ".join(map(_escaped, cells)) + " |")
    return lines


def _escaped(cell: str) -> str:
    """As plain text in Markdown: nothing in it makes a column, a tag, a link or a mention."""
    entities = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "&#64;", "#": "&#35;"}
    printable = (c for c in cell if c.isprintable() or c.isspace())
    characters = (f"\\{c}" if c in "\\`*_[]|" else entities.get(c, c) for c in printable)
    return " ".join("".join(characters).split())


def github_lines(result: Comparison) -> list[str]:
    """A line for each regression that GitHub shows beside the file, in the changes and the log."""
    lines = []
    for finding in result.regressions:
        why = finding.wrong.get("head") or f"{finding.series.name} is slower by {interval(finding)}"
        if finding.risen:
            why = f"{finding.series.name} gives more: {finding.risen}"
        elif finding.grown and not finding.slower:
            why = f"{finding.series.name} takes more memory: {'; '.join(finding.grown)}"
        place = (
            f" file={_property(finding.series.path)}" if finding.series.suite == "pytest" else ""
        )
        lines.append(f"::error{place}::{_message(why)}")
    return lines


def _message(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")


def record(result: Comparison) -> dict[str, Any]:
    """The comparison as JSON can hold it."""
    left_out = ("findings", "environment")
    fields = {key: value for key, value in vars(result).items() if key not in left_out}
    found = {NAMES_ON_DISK.get(key, key): value for key, value in fields.items()}
    if result.environment:  # instead of our own
        found.update(result.environment.fields())
    found["exit_code"], found["verdict"] = result.exit_code, verdict(result)
    untouched = {finding.series for finding in result.skipped}
    found["series"] = [
        _series_record(finding)
        for finding in result.findings.values()
        if finding.series not in untouched
    ]
    # Most series of most commits: all that there is to say of them is their names.
    found["untouched"] = sorted(untouched)
    return found


def _series_record(finding: Finding) -> dict[str, Any]:
    about = {NAMES_ON_DISK.get(key, key): value for key, value in asdict(finding).items()}
    del about["series"], about["untimed"]
    return {
        **about,
        **finding.series._asdict(),
        "verdict": str(finding.judgement),
        "grown": finding.grown,
        "risen": finding.risen,
    }
