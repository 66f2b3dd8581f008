"""Merges the shards of a comparison that several machines have made into one.

What shards claim is not believed: their records are checked as those of strangers, they have to be
about the same versions, settings and series, and every series has to be in the shard it belongs to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from ... import __version__
from ...errors import MlpperfError
from ..suites.series import Series
from ..table import grouped
from ..words import count, some
from .context import SIDES
from .finding import Finding
from .gate import Kept, needed
from .pooled import difference, differing, pooled
from .result import Comparison
from .shards import Shard, dealt
from .whole import WholeComparison, content_of, decoded

NUMBERS_MOST = 5  # of shards in a sentence
# Fields that say where and how a shard was measured; the whole gets those of the last shard.
MEASURED = ("time", "commit", "device", "threads", "setting", "in_force", "freed_memory")


class Part(NamedTuple):
    """The result of a shard, its record, and where that is."""

    where: str
    result: Comparison
    record: WholeComparison
    shard: Shard

    @property
    def place(self) -> str:
        """The machine, in words."""
        return self.record.machine.kind


class _Kind(msgspec.Struct):
    kind: str = ""
    shard: dict[str, Any] | None = None


def read_parts(folder: Path) -> list[Part]:
    """The shards in all JSON and JSON Lines files below a folder, checked to be of one comparison.

    Raises `MlpperfError` if one is damaged, of another version or comparison, or missing.
    """
    if not folder.is_dir():
        raise MlpperfError(f"There is no folder {folder}.")
    files = sorted(file for file in folder.rglob("*.json*") if file.suffix in (".json", ".jsonl"))
    parts = [part for file in files for part in _parts(file)]
    if not parts:
        raise MlpperfError(f"{folder} has no result of `mlpperf compare --shard`.")
    _check_alike(parts)
    _check_complete(parts)
    return parts


def merged(parts: Sequence[Part]) -> tuple[Comparison, dict[str, Any]]:
    """The whole comparison, and the fields of its record that its machines have in common."""
    runs = grouped(parts, lambda part: part.shard.number)
    every = [[part.result for part in of_shard] for _, of_shard in sorted(runs.items())]
    # The order of files does not matter: a merge that is repeated has the same record.
    first, results = max(parts, key=lambda part: part.record.time), [part.result for part in parts]
    findings: dict[Series, Finding] = {}
    warnings = [warning for one in results for warning in one.warnings]
    for number, of_shard in sorted(runs.items()):
        if len(of_shard) > 1:
            warnings.append(
                f"Shard {number} ran {len(of_shard)} times; the ratios of its benchmarks are pooled"
            )
        of_series, sentences = _findings(of_shard)
        findings |= of_series
        warnings += sentences
    if len(kinds := dict.fromkeys(part.place for part in parts)) > 1:
        warnings.append(f"The shards ran on {len(kinds)} kinds of machine: {'; '.join(kinds)}")
    whole = replace(
        first.result,
        findings=dict(sorted(findings.items())),
        broken=_in_all_runs([[one.broken for one in runs] for runs in every]),
        unloaded=_in_all_runs([[one.unloaded for one in runs] for runs in every]),
        isolated=next(filter(None, (one.isolated for one in results)), ""),
        all_timed_because=next(filter(None, (one.all_timed_because for one in results)), ""),
        warnings=list(dict.fromkeys(warnings)),
        busy=max(one.busy for one in results),
        budget=max(one.budget for one in results),
        total=max(one.total for one in results),
        interrupted=any(all(one.interrupted for one in runs) for runs in every),
        shard=None,
    )
    return whole, {name: msgspec.to_builtins(getattr(first.record, name)) for name in MEASURED}


def _parts(file: Path) -> Iterator[Part]:
    content = content_of(file)
    alone = file.suffix == ".json"
    for number, line in enumerate([content] if alone else content.splitlines(), 1):
        if not line.strip():
            continue
        where = str(file) if alone else f"{file}, line {number}"
        try:
            kind = msgspec.json.decode(line, type=_Kind)
        except (ValueError, RecursionError) as reason:
            raise MlpperfError(f"{where} is not a whole JSON record.") from reason
        if kind.shard is None:  # another record, which a file of records may have
            if alone:
                raise MlpperfError(f"{where} is no result of `mlpperf compare --shard`.")
            continue
        if kind.shard.get("mlpperf") != __version__:
            other = str(kind.shard.get("mlpperf"))[:40]
            raise MlpperfError(f"{where} is of mlpperf {other}, and this is {__version__}.")
        result, record = decoded(line, where)
        if result.shard:  # for the type checker
            yield Part(where, result, record, result.shard)


def _check_alike(parts: Iterable[Part]) -> None:
    """Refuse parts of different comparisons."""
    first, *others = parts
    expected = _about(first)
    for other in others:
        for what, value in _about(other).items():
            if value != expected[what]:
                raise MlpperfError(
                    f"{first.where} and {other.where} are of different comparisons: they differ "
                    f"in {what}."
                )


def _about(part: Part) -> dict[str, Any]:
    """What all shards of a comparison have in common, by what it is called."""
    result, record, shard = part.result, part.record, part.shard
    commits = {side: result.commits.get(side) or getattr(result, side) for side in SIDES}
    return {
        **commits,
        "the number of shards": shard.of,
        "what is compared": (result.same, result.releases, result.environments, result.suites),
        "the selected benchmarks": result.selected,
        **result.asked.named,
        "the threshold": result.threshold,
        "what need not be judged": (sorted(result.accepted), result.unjudged_most),
        "the device or the threads": record.setting,  # of asked ones: machines differ
        "the policy": result.policy,
        "the rules of mlpperf": result.rules,
        "the list of benchmarks": (shard.listed, shard.names),
    }


def _check_complete(parts: Sequence[Part]) -> None:
    """Refuse a comparison of which a shard is missing, or a series of a shard."""
    of = parts[0].shard.of
    numbers = {part.shard.number for part in parts}
    if missing := [str(one) for one in range(1, of + 1) if one not in numbers]:
        which, are = ("Shard", "is") if len(missing) == 1 else ("Shards", "are")
        raise MlpperfError(f"{which} {some(missing, NUMBERS_MOST)} of {of} {are} missing.")
    every = {series for part in parts for series in part.result.findings}
    for part in parts:
        mine, shard = dealt(every, part.shard, part.result.policy)
        if not part.result.same and (shard != part.shard or mine != set(part.result.findings)):
            lacks = part.shard.listed - len(every)
            why = f": {count(lacks, 'benchmark')} less in all than listed" if lacks > 0 else ""
            raise MlpperfError(f"{part.where} does not have the benchmarks of its shard{why}.")


def _findings(runs: Sequence[Part]) -> tuple[dict[Series, Finding], list[str]]:
    """The findings of a shard that ran once or more, and a sentence for each contradiction."""
    timed = max(len(part.result.timed) for part in runs)
    tests = max(timed, 1) * runs[0].shard.of
    findings, sentences = {}, []
    for series in runs[0].result.findings:
        of_series = [part.result.findings[series] for part in runs]
        findings[series] = pooled(of_series, tests)
        known = [
            (finding, part.place)
            for finding, part in zip(of_series, runs, strict=True)
            if finding.processes and not finding.failed
        ]
        if len(known) > 1 and differing([finding for finding, _ in known], tests):
            sentences.append(difference(*zip(*known, strict=True)))
    return {**findings, **_timed_together(findings, runs)}, sentences


def _timed_together(
    findings: Mapping[Series, Finding], runs: Sequence[Part]
) -> dict[Series, Finding]:
    """The series whose times a budget divides, with those of one run: another machine has others.

    That is a run that exceeds a budget, or else the one that timed most of them.
    """
    policy = runs[0].result.policy
    tied = [series for series in findings if needed(policy, series)]

    def merit(part: Part) -> tuple[bool, int]:
        timed = [series for series in tied if part.result.findings[series].processes]
        return bool(part.result.budgets(Kept.EXCEEDED)), len(timed)

    of_run = max(runs, key=merit).result.findings
    return {
        series: replace(
            findings[series],
            seconds=dict(of_run[series].seconds) if of_run[series].processes else {},
        )
        for series in (tied if len(runs) > 1 else ())
    }


def _in_all_runs(shards: Iterable[Sequence[Mapping[str, str]]]) -> dict[str, str]:
    """What any shard reports in all of its runs: one that ran again without it takes it back."""
    return {
        name: why
        for runs in shards
        for name, why in runs[0].items()
        if all(name in run for run in runs)
    }
