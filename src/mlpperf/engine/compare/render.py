"""A comparison as it is shown: on a terminal, in a pull request, and to other programs."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from itertools import accumulate
from typing import Any

import msgspec
from rich.console import Group, RenderableType
from rich.text import Text

from ..lines import Line, Lines, sentence, unbroken
from ..table import Table
from ..words import SHORT, by_percent, count, seconds
from .context import SIDES
from .finding import Finding
from .gate import Kept
from .result import Comparison
from .sections import (
    ACCEPTED,
    FASTER,
    FIXED,
    NEW,
    SLOWER,
    UNCHANGED,
    WARNED,
    WRONG,
    Part,
    Section,
    sections,
)
from .sentences import WHICH, advice, interval, notes, policy, remark, unchanged, verdict, worse

# Fields that records hold under names of old.
NAMES_ON_DISK = {
    "all_timed_because": "everywhere",
    "warnings": "trouble",
    "significant": "sure",
    "detectable": "sight",
}
COLUMNS = ("base", "head", "change", "95 % interval")
COLOURS = ("green", "red", "yellow")  # of the verdict, by exit code
TIMED = (SLOWER, ACCEPTED, WARNED, FASTER, UNCHANGED)
MARKDOWN_MOST = 60_000  # bytes; a comment on GitHub has at most 65,536 characters
FRAME = 1000  # bytes of what stands between the parts, and of the lines about what is left out
TEXT_MOST = 1000  # characters of a name or a sentence in Markdown
# Where GitHub makes a mention, a reference or a link of plain text.
LINKS = re.compile(r"(?<=[@#])(?=\w)|(?<=:)(?=//)|(?<=[wW]{3})(?=\.)|(?<=\b[gG][hH])(?=-\d)")
LINES_MOST = 25  # of a section, unless everything is to be shown


def times_shown(finding: Finding) -> dict[str, float]:
    """Seconds of a call by version, such that head ÷ base is the change in the same row.

    Times and ratios are medians of different numbers: the measured times, which the record keeps,
    may seem to contradict the ratio, which is known much more precisely.
    """
    times = dict(finding.seconds)
    if times.keys() >= {"base", "head"} and finding.processes and finding.ratio.median > 0:
        times["head"] = times["base"] * finding.change.median
    return times


def shown_times(finding: Finding) -> list[str]:
    """These of the base and the head as text; empty where one is not known."""
    times = times_shown(finding)
    return [seconds(times[side]) if side in times else "" for side in SIDES]


def table(result: Comparison, findings: Iterable[Finding]) -> Table:
    """A row for each series, with its verdict."""
    rows = []
    for finding in findings:
        about = (interval(finding), _verdict(result, finding))
        rows.append((finding.series.name, *shown_times(finding), *about))
    columns = ("benchmark", "base", "head", "change", "verdict")
    return Table("", columns, rows, text=(0, 4), code=(0,))


def _verdict(result: Comparison, finding: Finding) -> str:
    """The verdict on a series, with its values, its memory, and why it is no obstacle."""
    values = finding.shown(*map(min, finding.values.values())) if finding.values else []
    sides = (f"{side} {value}" for side, value in zip(finding.values, values, strict=True))
    measured = finding.risen or ", ".join(sides)
    return "; ".join(filter(None, [str(finding.judgement), measured, *_remarks(result, finding)]))


def _remarks(result: Comparison, finding: Finding) -> list[str]:
    """What is known of a series beside its times, and why a regression does not count."""
    allowed = result.allowance(finding)
    counted = filter(None, [remark(finding)])
    return [*finding.grown, *counted, *([f"{allowed.word}: {allowed.because}"] if allowed else [])]


def text(
    result: Comparison, verbose: bool = False, causes: Sequence[RenderableType] = ()
) -> RenderableType:
    """What changed and by which `causes`, what is not known and what to do, and the verdict last.

    Series that are unchanged or skipped are counted; they are listed if `verbose`, or if there is
    one series only.
    """
    verbose = verbose or len(result.findings) == 1
    parts: list[RenderableType] = [sentence(line, "yellow") for line in policy(result)]
    if result.same:
        return Group(*parts, sentence(verdict(result), "bold"))
    parts += [""] if parts else []
    for part in Part:
        if part is Part.UNCHANGED and not verbose:
            if line := unchanged(result):
                parts += [sentence(f"{line} --verbose lists them."), ""]
            continue
        shown = dict(sections(result, part))
        timed = [line for one in TIMED for line in _lines(result, one, shown.get(one, []))]
        for section, findings in shown.items():
            lines = _lines(result, section, findings if verbose else findings[:LINES_MOST])
            about = (COLUMNS, lines, timed) if section in TIMED else ((), lines)
            parts.append(Lines(f"{section.title} ({len(findings):,})", section.kind, *about))
            if more := len(findings) - len(lines):
                parts.append(Text(f"    and {more:,} more: --verbose lists all", "dim"))
            parts.append("")
    parts += [*causes, ""] if causes else []
    if hints := advice(result):
        parts += [unbroken(one) if one.startswith(WHICH) else sentence(one) for one in hints]
        parts.append("")
    parts += [sentence(note, "dim") for note in notes(result)]
    return Group(*parts, "", sentence(verdict(result), f"bold {COLOURS[result.exit_code]}"))


def _lines(result: Comparison, section: Section, findings: Sequence[Finding]) -> list[Line]:
    return [
        _timed(result, one)
        if section in TIMED and (one.processes or not math.isnan(one.bound))
        else _untimed(result, section, one)
        for one in findings
    ]


def _timed(result: Comparison, finding: Finding) -> Line:
    group, name, ratio = finding.series.path, finding.series.in_path, finding.change
    base, head = shown_times(finding)
    if not math.isnan(finding.bound):  # not timed, but for how long it takes at least
        least = "at least" if finding.bound > 1 else "at most"
        return Line(group, name, (base, head, by_percent(finding.bound), least))
    cells = (base, head, by_percent(ratio.median), ratio.between)
    return Line(group, name, cells, ratio, "; ".join(_remarks(result, finding)))


def _untimed(result: Comparison, section: Section, finding: Finding) -> Line:
    """A series with what is known of it beside its times, or why there are none."""
    title = section.title.lower()
    remark = _verdict(result, finding).removeprefix(title).removeprefix(", because").lstrip(" :;")
    own = f"{finding.series.name} "  # which its line has already
    if section is WRONG:
        remark = finding.wrong["head"].removeprefix(own)
    if section is FIXED:
        why = finding.wrong["base"].removeprefix(own).removeprefix("fails: ")
        remark = f"at the base: {why}"
    if section is NEW and finding.judgement.because:
        remark = f"at the base: {remark}"
    return Line(finding.series.path, finding.series.in_path, remark=remark)


def _wrong(result: Comparison) -> list[str]:
    return [why for finding in result.findings.values() for why in finding.wrong.values()]


def markdown(result: Comparison, size: int = MARKDOWN_MOST, *, causes: Sequence[str] = ()) -> str:
    """For a pull request: the verdict, what changed or is not known, and the rest folded.

    At most `size` bytes: what is left out is counted. `causes`: why series changed, in sentences.
    """
    parts = {part: [f for _, fs in sections(result, part) for f in fs] for part in Part}
    heading = f"### {'❌' if result.exit_code else '✅'} {escaped(verdict(result))}"
    below = [*policy(result), *causes, *_wrong(result), *advice(result), *notes(result)]
    listed = _fitting([f"- {escaped(sentence)}" for sentence in below], size // 3)
    if more := len(below) - len(listed):
        listed.append(f"- and {count(more, 'more sentence')}")
    summary = f"<details><summary>{escaped(unchanged(result))}</summary>"
    room = size - sum(map(_size, (heading, *listed, summary))) - FRAME
    lines = [heading, ""]
    if shown := [*parts[Part.CHANGED], *parts[Part.UNKNOWN]]:
        rows = _rows(result, shown, room)
        room -= sum(map(_size, rows))
        lines += [*rows, ""]
    lines += listed
    if rest := parts[Part.UNCHANGED]:
        lines += ["", summary, "", *_rows(result, rest, room), "", "</details>"]
    return "\n".join(lines) + "\n"


def comment(result: Comparison, marker: str, link: str = "", causes: Sequence[str] = ()) -> str:
    """The comparison as one comment on a pull request, which later ones replace by its `marker`.

    `link` is the address of the run that has all of it.
    """
    head = result.commits.get("head") or ""
    about = f"Commit {escaped(head[:SHORT])}." if head else ""
    last = " ".join(filter(None, (about, f"[The whole comparison]({link})" if link else "")))
    return f"{marker}\n{markdown(result, causes=causes)}" + (f"\n{last}\n" if last else "")


def _size(line: str) -> int:
    return len(line.encode()) + 1


def _rows(result: Comparison, findings: Sequence[Finding], room: int) -> list[str]:
    names, rule, *rows = table(result, findings).to_markdown(escaped, coded).split("\n")
    kept = _fitting(rows, room)
    more = len(rows) - len(kept)
    return [names, rule, *kept, *(["", f"and {count(more, 'more benchmark')}"] if more else [])]


def _fitting(lines: Sequence[str], room: int) -> list[str]:
    """The first lines, as many as `room` bytes hold."""
    ends = accumulate(map(_size, lines))
    return [line for line, end in zip(lines, ends, strict=True) if end <= room]


def escaped(text: str) -> str:
    """As plain text in Markdown: nothing in it makes a column, a tag, a link or a mention.

    A text that is longer than any name or sentence of ours is cut.
    """
    cut = f"{text[:TEXT_MOST]}…" if len(text) > TEXT_MOST else text
    words = " ".join("".join(c for c in cut if c.isprintable() or c.isspace()).split())
    entities = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "&#64;", "#": "&#35;"}
    apart = LINKS.sub("\N{ZERO WIDTH SPACE}", words)
    return "".join(f"\\{c}" if c in "\\`*_[]|~$" else entities.get(c, c) for c in apart)


def coded(text: str) -> str:
    """In code font, in which Markdown reads nothing; escaped if its characters could end that."""
    plain_text = text.isprintable() and text == text.strip() and len(text) <= TEXT_MOST
    return f"`{text}`" if text and plain_text and not set("`\\|") & {*text} else escaped(text)


def github_lines(result: Comparison) -> list[str]:
    """A line for each regression, which GitHub shows beside the file and in the log."""
    lines = []
    for finding in result.regressions:
        why = finding.wrong.get("head") or f"{finding.series.name} {worse(finding)}"
        place = (
            f" file={_property(finding.series.path)}" if finding.series.suite == "pytest" else ""
        )
        level = "warning" if result.allowance(finding) else "error"
        lines.append(f"::{level}{place}::{_message(why)}")
    return lines + [f"::error::{_message(why)}" for why in result.budgets(Kept.EXCEEDED)]


def _message(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")


def record(result: Comparison) -> dict[str, Any]:
    """The comparison as JSON can hold it."""
    left_out = ("findings", "environment", "project", "policy", "shard", "asked")
    content = {key: value for key, value in vars(result).items() if key not in left_out}
    fields = {NAMES_ON_DISK.get(key, key): value for key, value in content.items()}
    fields["in_force"] = None  # other processes measured
    if result.environment:  # instead of our own
        fields.update(result.environment.fields())
    fields["policy"] = msgspec.to_builtins(result.policy)
    fields["asked"] = msgspec.to_builtins(result.asked)
    if result.shard:
        fields["shard"] = msgspec.to_builtins(result.shard)
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
    for name in ("work", "changed_functions"):
        about[name] = msgspec.to_builtins(about[name])
    return {
        **about,
        **finding.series._asdict(),
        "verdict": str(finding.judgement),
        "grown": finding.grown,
        "risen": finding.risen,
        "work_rose": finding.work_rose,
    }
