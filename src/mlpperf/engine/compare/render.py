"""A comparison in words: for a terminal, for a pull request, and for other programs."""

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
from ..table import Badge, Cell, Table
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
NAMES_MOST = 10  # in a sentence


def verdict(result: Comparison) -> str:
    """The answer, in one sentence."""
    if result.same:
        return f"{result.head} has the same code as {result.base}: there is nothing to compare."
    for side, why in result.broken.items():
        which = {"base": result.base, "head": result.head}[side]
        regression = "Regression: " if result.exit_code == 1 else ""
        return f"{regression}{which} cannot be used: {why}"
    worse = result.regressions
    wrong = [f for f in worse if "head" in f.wrong]
    slower = [f for f in worse if f.slower]
    grown = [f for f in worse if f.grown]
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
    if risen := [f for f in worse if f.risen]:
        report = "reports a higher value" if _are(risen) == "is" else "report higher values"
        clauses.append(f"{_names(risen)} {report}")
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
        return f"No regression at {result.head}: no benchmark runs changed code."
    faster = [f for f in result.findings.values() if f.faster]
    gain = f"; {_names(faster)} {_are(faster)} faster" if faster else ""
    return f"No regression at {result.head} against {result.base}{gain}{but}."


def _names(findings: Sequence[Finding]) -> str:
    if len(findings) == 1:
        return findings[0].series.name
    names = list(dict.fromkeys(f.series.function for f in findings))
    return ", ".join(names[:NAMES_MOST]) + (" and others" if len(names) > NAMES_MOST else "")


def _are(findings: Sequence[Finding]) -> str:
    functions = {f.series.function for f in findings}
    return "is" if len(functions) == 1 else "are"


def interval(finding: Finding) -> str:
    """Such as `+2.1 % (+1.8 to +2.4)`; empty if it was not timed."""
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
    """How the verdict was reached, and what limits it, a sentence each."""
    sentences = []
    timed = result.timed
    if result.merge_base:
        sentences.append(f"Compared with {result.base} (use --exact for the commit as named).")
    if timed:
        again = sum(f.processes > SCREENING.processes for f in timed)
        followed = f"; re-timed {again} that looked changed or were unclear" if again else ""
        sentences.append(
            f"Timed {len(timed)} series in {result.total:.0f} s{followed}. {_detectable(timed)}"
            f"False-alarm rate: at most {100 * (FALSE_ALARM + MEMORY_ALARM):g} % per comparison. "
            f"Changes below {100 * result.threshold:g} % are not reported."
        )
    if skipped := result.skipped:
        sentences.append(
            f"Skipped {len(skipped)} of {len(result.findings)} series, which run no changed code "
            "(--all times them)."
        )
    if result.all_timed_because:
        sentences.append(f"All series were timed, because {result.all_timed_because}.")
    hot_paths = [finding for finding in timed if not finding.series.suite]
    if hot_paths and not any(finding.memory for finding in hot_paths):
        sentences.append(
            "The memory of a call was not counted, which needs memray: "
            "pip install 'mlpperf[memory]'."
        )
    reasons = [finding.judgement.because for finding in result.findings.values()]
    if missing := dict.fromkeys(name for why in reasons for name in NO_MODULE.findall(why)):
        are = "which is" if len(missing) == 1 else "which are"
        options = " ".join(f"--with {name}" for name in missing)
        sentences.append(
            f"Some benchmarks import {', '.join(missing)}, {are} not installed; add {options}."
        )
    if result.isolated:
        sentences.append(
            f"Each version ran in its own processes ({result.isolated}). Two processes differ by "
            "several percent where two versions in one process do not, so only larger changes are "
            "detected."
        )
    if result.busy > BUSY:
        sentences.append(f"Other processes used {100 * result.busy:.0f} % of the machine.")
    if result.interrupted:
        sentences.append("Interrupted: series that were not judged by then are undecided.")
    sentences += [f"{sentence.rstrip('.')}." for sentence in dict.fromkeys(result.warnings)]
    here = environment()
    there = result.environment or here
    machine = there.machine
    sentences.append(f"{machine.processor}, {machine.cores} threads, {there.software}.")
    if hot_paths and there.software != here.software and result.suites:
        sentences.append(f"Hot paths ran on {here.software}.")
    return sentences


def _detectable(timed: Sequence[Finding]) -> str:
    """The slowdowns that this comparison would have reported, as a sentence."""
    known = sorted(f.detectable for f in timed if math.isfinite(f.detectable))
    if not known:
        return ""
    half, most = (100 * known[int(share * (len(known) - 1))] for share in (0.5, 0.9))
    return (
        f"Detectable slowdown ({100 * POWER:.0f} % power): {rounded(half, 2)} % for half of the "
        f"series, {rounded(most, 2)} % for nine in ten. "
    )


def times_shown(finding: Finding) -> dict[str, float]:
    """Seconds of a call by version, such that head ÷ base is the change in the same row.

    Times and ratios are medians of different numbers: the measured times, which the record keeps,
    may seem to contradict the ratio, which is known much more precisely.
    """
    times = dict(finding.seconds)
    if times.keys() >= {"base", "head"} and finding.processes and finding.ratio.median > 0:
        times["head"] = times["base"] * finding.ratio.median
    return times


def table(findings: Iterable[Finding], title: str = "") -> Table:
    """A row for each series."""
    rows: list[Sequence[Cell]] = []
    for finding in findings:
        times = times_shown(finding)
        base, head = (seconds(times[side]) if side in times else "" for side in ("base", "head"))
        kind = "bad" if finding.regression else "good" if finding.faster else "plain"
        verdict = Badge(_verdict(finding), kind)
        rows.append([finding.series.name, base, head, interval(finding), verdict])
    columns = ("benchmark", "base", "head", "change", "verdict")
    return Table(title, columns, rows, text=(0, 4), wrap=(0, 4))


def _verdict(finding: Finding) -> str:
    """The verdict on a series, with its values and its memory."""
    values = [f"{side} {min(known):.6g}" for side, known in finding.values.items()]
    measured = finding.risen or (f"{', '.join(values)} {finding.unit}" if values else "")
    return "; ".join(filter(None, [str(finding.judgement), measured, *finding.grown]))


def text(result: Comparison) -> RenderableType:
    """Everything, the verdict last, where a terminal's reader looks first."""
    by_title: dict[str, list[Finding]] = {}
    for series, finding in result.findings.items():
        title = result.suites.get(series.suite, series.path)
        by_title.setdefault(title, []).append(finding)
    parts: list[RenderableType] = [table(rows, title) for title, rows in by_title.items()]
    parts += [Text(sentence) for sentence in [*_wrong(result), *notes(result)]]
    style = "bold red" if result.exit_code else "bold"
    return Group(*parts, Text(verdict(result), style))


def _wrong(result: Comparison) -> list[str]:
    return [why for finding in result.findings.values() for why in finding.wrong.values()]


def markdown(result: Comparison) -> str:
    """For a pull request: the verdict, what changed, and the rest folded."""
    shown = [
        f
        for f in result.findings.values()
        if f.regression or f.faster or f.wrong or f.judgement.undecided
    ]
    shown.sort(key=lambda f: (not f.regression, not f.faster))
    lines = [f"### {'❌' if result.exit_code else '✅'} {_escaped(verdict(result))}", ""]
    if shown:
        lines += [table(shown).to_markdown(_escaped), ""]
    lines += [f"- {_escaped(sentence)}" for sentence in [*_wrong(result), *notes(result)]]
    if rest := [f for f in result.findings.values() if f not in shown]:
        summary = f"<details><summary>{len(rest)} series without a change</summary>"
        lines += ["", summary, "", table(rest).to_markdown(_escaped), "", "</details>"]
    return "\n".join(lines) + "\n"


def _escaped(cell: str) -> str:
    """As plain text in Markdown: nothing in it makes a column, a tag, a link or a mention."""
    entities = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "&#64;", "#": "&#35;"}
    printable = (c for c in cell if c.isprintable() or c.isspace())
    characters = (f"\\{c}" if c in "\\`*_[]|" else entities.get(c, c) for c in printable)
    return " ".join("".join(characters).split())


def github_lines(result: Comparison) -> list[str]:
    """A line for each regression, which GitHub shows beside the file and in the log."""
    lines = []
    for finding in result.regressions:
        why = finding.wrong.get("head") or f"{finding.series.name} is slower by {interval(finding)}"
        if finding.risen:
            why = f"{finding.series.name} reports a higher value: {finding.risen}"
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
    content = {key: value for key, value in vars(result).items() if key not in left_out}
    fields = {NAMES_ON_DISK.get(key, key): value for key, value in content.items()}
    if result.environment:  # instead of our own
        fields.update(result.environment.fields())
    fields["exit_code"], fields["verdict"] = result.exit_code, verdict(result)
    untouched = {finding.series for finding in result.skipped}
    fields["series"] = [
        _series_record(finding)
        for finding in result.findings.values()
        if finding.series not in untouched
    ]
    # Most series of most commits: their names are enough.
    fields["untouched"] = sorted(untouched)
    return fields


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
