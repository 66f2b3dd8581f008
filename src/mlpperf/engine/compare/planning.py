"""What is compared: the series of two versions, and their proofs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from ...backends import LIBRARIES
from ...errors import MlpperfError, check
from ..pool.pool import Crew
from ..statistics.verdicts import Judgement, Verdict
from ..versions.diff import OTHER_PACKAGES, Changes
from ..versions.imports import same
from .result import Comparison, Finding, Selection, Series
from .suites import plan_suite, prove_suite

PROVING_PROCESSES = 4  # at most, if one after the other is ended by what it proves


def plan(
    crew: Crew,
    result: Comparison,
    selection: Selection,
    changes: Callable[[], Changes | None] | None = None,
) -> list[Series]:
    """The series to prove, in the head's order; what cannot be compared is noted.

    So are hot paths that have nothing to do with the `changes`, if anybody wants to know.
    """
    series = []
    if crew.has_hot_paths:
        series = _hot_paths(crew, result, selection, changes() if changes else None)
    for suite in crew.suites:
        if not result.broken:
            series += plan_suite(crew, result, selection, suite)
    if selection.series and not result.findings and not result.broken:
        patterns = " or ".join(map(repr, selection.series))
        raise MlpperfError(f"There is no series that fits {patterns}.")
    return [] if result.broken else series


def _hot_paths(
    crew: Crew, result: Comparison, selection: Selection, changes: Changes | None
) -> list[Series]:
    """The series of hot paths."""
    about: dict[str, dict[str, Any]] = {}
    for side in ("base", "head"):
        for answer in crew.ask("look", [side]):
            if "broken" in answer:
                result.broken[side] = answer["broken"]
            else:
                about[side] = answer["paths"]
        if side not in about:
            result.broken.setdefault(side, crew.trouble[-1] if crew.trouble else "it said nothing")
    if result.broken:
        return []
    known = about["base"] | about["head"]
    check("hot path", selection.paths, known)
    cases = [case for path in known.values() for case in path["cases"]]
    check("case", selection.cases, cases)
    backends = [name for path in known.values() for name in path["variants"].values()]
    check("backend", selection.backends, [*LIBRARIES, *backends])
    found = []
    for path, new in known.items():
        if selection.paths and path not in selection.paths:
            continue
        old = about["base"].get(path, {"version": new["version"], "cases": [], "variants": {}})
        now = about["head"].get(path, {"version": new["version"], "cases": [], "variants": {}})
        untouched = changes is not None and changes.unknown != OTHER_PACKAGES
        untouched = untouched and _same(crew, old, now)
        for case in dict.fromkeys([*now["cases"], *old["cases"]]):
            for variant, backend in (old["variants"] | now["variants"]).items():
                if backend not in selection.backends:
                    continue
                if selection.cases and case not in selection.cases:
                    continue
                series = Series(path, case, variant)
                if not selection.takes(series):
                    continue
                finding = Finding(series, threshold=selection.threshold(series, result.threshold))
                in_base = case in old["cases"] and variant in old["variants"]
                in_head = case in now["cases"] and variant in now["variants"]
                if not in_head:
                    finding.untimed = Judgement(Verdict.GONE)
                elif not in_base:
                    finding.untimed = Judgement(Verdict.NEW)
                elif old["version"] != now["version"]:
                    finding.untimed = Judgement(Verdict.NOT_COMPARABLE)
                elif untouched:
                    finding.untimed = Judgement(Verdict.UNTOUCHED)
                result.findings[series] = finding
                if in_head and finding.judgement.verdict is not Verdict.UNTOUCHED:
                    found.append(series)
    return found


def _same(crew: Crew, old: dict[str, Any], now: dict[str, Any]) -> bool:
    """Whether a hot path's functions are in the same files, which have all that they need."""
    files = now.get("files")
    if files is None or files != old.get("files"):
        return False
    return same(crew.root("base"), crew.root("head"), files)


def prove(crew: Crew, result: Comparison, series: Sequence[Series]) -> None:
    """Have the series of both versions proven; notes errors, memory and how long calls are."""
    for suite in crew.suites:
        prove_suite(crew, result, [s for s in series if s.suite == suite], suite)
    if hot_paths := [s for s in series if not s.suite]:
        _prove_hot_paths(crew, result, hot_paths)


def _prove_hot_paths(crew: Crew, result: Comparison, series: Sequence[Series]) -> None:
    groups = [["head"], ["base"]] if result.isolated else [["base", "head"]]
    for group in groups:
        # What is not comparable has other inputs at the base.
        left = [s for s in series if "head" in group or not result.findings[s].untimed]
        for _ in range(PROVING_PROCESSES):
            for answer in crew.ask("prove", group, series=[one[:3] for one in left]):
                finding = result.findings[Series.of(answer["series"])]
                left.remove(finding.series)
                finding.wrong |= answer["wrong"]
                finding.memory |= answer["memory"]
                if "head" in group:
                    finding.error = answer.get("error", math.nan)
                    finding.tolerance = answer.get("tolerance", math.nan)
                if "seconds" in answer:
                    crew.calls[finding.series] = answer["seconds"]
                if answer["together"]:
                    crew.together.add(finding.series)
            left = left[1:]  # the first has ended the process; the others are still to be proven
            if not left or not crew.failed:
                break
