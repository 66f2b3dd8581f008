"""A page for a comparison: what changed, by how much, and the command that repeats it."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from ..compare import (
    Comparison,
    ComparisonDetails,
    ComparisonRecord,
    SeriesDetails,
    changed_packages,
    detectable,
    remark,
)
from ..history.fields import known
from ..machine.machine import BUSY
from ..suites.series import THRESHOLD, Series
from ..table import Anchor, Cell, Table
from ..words import SHORT, WORKING_TREE, count, plain, seconds
from . import addresses
from .blocks import Command, Names, Page, Prose, Section
from .causes_section import causes_section
from .draft import Draft
from .forest import Forest, Row, kinds, ordered
from .gather import where_from

ABOUT_MOST = 200  # characters that a search shows
ROWS_MOST = 1000  # of a page; the files have all
WHOLE_HASH = re.compile(r"\b([0-9a-f]{10})[0-9a-f]{30}\b")
HOW_TO_READ = (
    "The change is head ÷ base, from blocks of both versions that took turns in several processes, "
    "with its 95 % interval. Base is the measured time of a call, head that time multiplied by the "
    "change. A benchmark is slower or faster if the change is significant, corrected for the "
    "number of benchmarks; unchanged if the interval excludes any larger change; otherwise "
    "undecided."
)


@lru_cache(maxsize=4096)
def short(text: str) -> str:
    """`text` with every whole hash cut to its first digits."""
    return WHOLE_HASH.sub(r"\1", plain(text))


def sides(record: ComparisonRecord) -> tuple[str, str]:
    """What the base and the head were called, with a short hash where that is not the name."""
    named = []
    for side, name in (("base", record.base), ("head", record.head)):
        commit = record.commits.get(side) or ""
        known_by_hash = not commit or commit.startswith(name) or name.startswith(commit[:SHORT])
        named.append(short(name) if known_by_hash else f"{short(name)} ({commit[:SHORT]})")
    return named[0], named[1]


def verdict_of(record: ComparisonRecord) -> str:
    """The verdict of a comparison in a sentence, with short hashes."""
    return short(record.verdict) or "There is no verdict."


def comparison_page(site: Draft, record: ComparisonDetails, left_out: Sequence[Series]) -> None:
    """The page of a comparison; `left_out` are the series that it skipped."""
    base, head = sides(record)
    rows = ordered([row_of(one, record.result) for one in record.series])
    file = addresses.comparison(record)
    name = file.removesuffix(".html")
    blocks: list[Any] = []
    if rows:
        title = count(len(rows), "benchmark")
        if len(rows) > ROWS_MOST:
            title += f"; the first {ROWS_MOST:,} are shown, the files below have all"
        blocks.append(Forest(rows[:ROWS_MOST], title, name="changes"))
        blocks.append(site.keep(name, record.series))
        blocks.append(Prose(HOW_TO_READ, quiet=True))
    else:
        blocks.append(Prose(_nothing(record, len(left_out))))
    sections = [Section("What changed", blocks)]
    if causes := site.material.causes.get(file):
        sections.append(causes_section(causes))
    if left_out:
        sections.append(Section("Skipped", [_skipped(left_out)]))
    how: list[Any] = [_versions(site, record), *map(Prose, notes(record)), _again(record)]
    sections.append(Section("How it was measured", how))
    title = f"{base} → {head}"
    verdict = verdict_of(record)
    if rows and record.exit_code == 1:  # the names are in the table
        counts = ", ".join(f"{number:,} {kind}" for kind, number in kinds(rows).items())
        verdict = f"Regression at {head} against {base}: {counts}."
    about = f"comparison, {record.time[:10]}: {verdict}"[:ABOUT_MOST]
    site.pages.append(Page(file, title, verdict, sections, "Compare", about))


def row_of(one: SeriesDetails, result: Comparison | None) -> Row:
    """A series of a comparison as a row."""
    kind, words = one.verdict_kind, [shown(one.verdict), *one.wrong.values()]
    if kind in ("more memory", "larger value"):
        words = [f"{kind}: {', '.join([*one.grown, one.risen]).strip(', ')}", *words]
    change, remarks = one.ratio.interval, ""
    if result:
        finding = result.findings[one.named]
        remarks = remark(finding)
        if finding.judgement.by_functions:
            change = finding.change
        if allowed := result.allowance(finding):
            kind, words = allowed.word, [f"{allowed.word}: {allowed.because}", *words]
    return Row(
        plain(one.named.name),
        addresses.benchmark(one.named),
        kind,
        plain("; ".join(filter(None, words))),
        change,
        _values(one, change.median),
        remark=plain(remarks),
    )


def shown(verdict: str) -> str:
    """A verdict without what its interval shows anyway."""
    word, _, reason = verdict.partition(":")
    return word if word == "undecided" and "±" in reason else verdict


def _values(one: SeriesDetails, change: float) -> tuple[str, str]:
    """Time of a call before and after, such that their ratio is the change; or other values."""
    if one.values:
        both = (one.values.get(side, []) for side in ("base", "head"))
        before, after = (f"{min(of):.6g} {one.unit}".rstrip() if of else "" for of in both)
        return plain(before), plain(after)
    before_s, after_s = known(one.seconds.base), known(one.seconds.head)
    if before_s > 0 and change > 0:
        after_s = before_s * change
    return seconds_shown(before_s), seconds_shown(after_s)


def seconds_shown(value: float) -> str:
    """A time, or nothing if it is not known."""
    return seconds(value) if math.isfinite(value) else ""


def _nothing(record: ComparisonDetails, skipped: int) -> str:
    """Why there is no row."""
    if record.broken and not record.same:
        return "A version has no benchmarks that can be run; the verdict gives the reason."
    if skipped and not record.same:
        return "No benchmark runs changed code, so nothing was timed."
    return "Nothing was timed."


def _skipped(left_out: Sequence[Series]) -> Names:
    """The names of the series that run no changed code, folded."""
    names = [Anchor(plain(one.name), addresses.benchmark(one)) for one in left_out[:ROWS_MOST]]
    summary = f"{count(len(left_out), 'benchmark')} skipped: no changed code runs"
    return Names(summary, names, len(left_out) - len(names))


def notes(record: ComparisonDetails) -> list[str]:
    """How the verdict was reached, and what limits it, a sentence each."""
    sentences = [where_from(record)]
    if record.environments:
        differing = plain(changed_packages(record.environments))
        sentences.append(f"The environments differ: {differing}.")
    if _trees(record):
        changed = "with" if record.commit.dirty else "without"
        sentences.append(f"The working tree was measured as it was, {changed} changed files.")
    timed = [one for one in record.series if one.processes]
    if timed:
        took = f" in {record.seconds:.0f} s" if math.isfinite(record.seconds) else ""
        fewest, most = (choose(one.processes for one in timed) for choose in (min, max))
        number = f"{fewest} to {most}" if fewest < most else f"{most}"
        processes = f"{number} process{'es' * (most > 1)}"
        sentences += [
            f"{count(len(timed), 'benchmark')} timed{took}, each by {processes}.",
            *detectable(known(one.detectable) for one in timed),
            f"Changes below {100 * record.threshold:g} % are not reported.",
        ]
    if record.selected:
        sentences.append(f"Only benchmarks that fit {', '.join(map(plain, record.selected))}.")
    if record.all_timed_because:
        why = plain(record.all_timed_because)
        sentences.append(f"All benchmarks were timed: {why}.")
    if record.isolated:
        sentences.append(
            f"Each version ran in its own processes ({plain(record.isolated)}), so only larger "
            "changes are detected."
        )
    if record.busy > BUSY:
        sentences.append(f"Other processes used {100 * record.busy:.0f} % of the machine.")
    if record.interrupted:
        sentences.append("Interrupted: benchmarks that were not judged by then are undecided.")
    sentences += [f"{short(one).rstrip('.')}." for one in dict.fromkeys(record.warnings)]
    return sentences


def _versions(site: Draft, record: ComparisonRecord) -> Table:
    """The two versions: what they were called, and their commits."""
    rows: list[Sequence[Cell]] = []
    for side, name in (("base", record.base), ("head", record.head)):
        commit = record.commits.get(side)
        about = "a release" if side in record.releases else WORKING_TREE
        about = site.about(commit) if commit else about
        rows.append([side, short(name), site.commit(commit) if commit else "–", about])
    return Table("Versions", ("version", "named", "commit", "message"), rows, text=range(4))


def command(record: ComparisonDetails) -> str:
    """What repeats the comparison, as far as a command can."""
    words = ["mlpperf", "compare"]
    words += [
        record.releases.get(side, (record.commits.get(side) or "")[:SHORT])
        for side in ("base", "head")
    ]
    for side, packages in record.environments.items():
        if "Python" in packages:
            words += [f"--{side}-python", ".".join(packages["Python"].split(".")[:2])]
            continue
        release = re.split(r"[^\w.-]", record.releases.get(side, ""))[0]
        for name, version in packages.items():
            if name != release:
                words += [f"--{side}-with", f"{name}=={version}"]
    options: Mapping[str, Sequence[object]] = {
        "--series": record.selected,
        "--threshold": [f"{100 * record.threshold:g}%"] * (record.threshold != THRESHOLD),
        "--budget": [f"{record.budget:g}"] * (record.budget > 0),
        "--device": [record.device] * (record.device != "cpu"),
        "--threads": [(record.setting or {}).get("threads")],
    }
    for option, values in options.items():
        words += [word for value in values if value for word in (option, str(value))]
    return shlex.join([word for word in words if word])


def _trees(record: ComparisonRecord) -> list[str]:
    """The versions that are a working tree."""
    named = {side for side, commit in record.commits.items() if commit} | record.releases.keys()
    return [side for side in ("base", "head") if side not in named]


def _again(record: ComparisonDetails) -> Command:
    tree = "The working tree of that day is not recorded; the command takes today's."
    remark = tree if _trees(record) else ""
    return Command("The command that repeats it", plain(command(record)), remark)
