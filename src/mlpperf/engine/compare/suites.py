"""What is compared of a suite that a project has already: its series, and whether they run through.

The asserts of a test are its proof. What fails in the head and not in the base is wrong; what fails
in both says nothing about the change, and is not timed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..timing.verdicts import Judgement, Reason, Verdict
from .budget import longest_loading, longest_proof
from .crew import Crew
from .findings import Comparison, Finding, Selection, Series

VALUES = 3  # processes that say what a series gives, for each version
ENDED_MOST = 10  # series that may end the process which proves them, before the others are left out


def plan_suite(crew: Crew, result: Comparison, selection: Selection, suite: str) -> list[Series]:
    """The series of a suite to prove, in the head's order; what is missing on one side is noted."""
    about = _looked(crew, result, suite)
    if result.broken:
        return []
    series = {
        side: [Series.of(names, suite) for names in said["series"]] for side, said in about.items()
    }
    trouble = {side: said["trouble"] for side, said in about.items()}
    crew.loading |= {(suite, side): said["loading"] for side, said in about.items()}
    told = {"base": result.base, "head": result.head}
    for side, places in trouble.items():
        result.trouble += [f"{told[side]}: {why}" for why in places.values()]
        if not series[side]:
            why = " ".join(places.values()) or f"no series of its {suite} suite was found"
            result.broken[side] = why
    if result.broken:
        return []
    found = []
    for one in dict.fromkeys([*series["head"], *series["base"]]):
        if not selection.takes(one):
            continue
        finding = Finding(one, threshold=selection.threshold(one, result.threshold))
        result.findings[one] = finding
        if one not in series["head"]:
            if why := _of_place(one.path, trouble["head"]):
                finding.wrong["head"] = why
            else:
                finding.untimed = Judgement(Verdict.GONE)
        else:
            if one not in series["base"]:
                finding.untimed = Judgement(Verdict.NEW)
            found.append(one)
    return found


def leave_out_loading(crew: Crew, result: Comparison, series: Sequence[Series]) -> list[Series]:
    """Those of the series that load in time; notes of the others which budget would do."""
    places: dict[tuple[str, str], list[Series]] = {}
    for one in series:
        place = _place(one.path, crew.loading.get((one.suite, "head"), {}))
        places.setdefault((one.suite, place), []).append(one)
    left = []
    for (suite, place), there in places.items():
        seconds = sum(crew.loading.get((suite, s), {}).get(place, 0.0) for s in ("base", "head"))
        longest = longest_loading(result.budget, len(there) / len(series))
        if seconds <= longest:
            left += there
            continue
        for one in there:
            finding = result.findings[one]
            judgement = Judgement(Verdict.UNDECIDED, reason=Reason.LONG_LOADING)
            finding.untimed = finding.untimed or judgement
        result.trouble.append(
            f"{place} takes {seconds:.0f} s to load in both versions, in every process: "
            f"--budget {math.ceil(result.budget * seconds / longest)} does not leave it out"
        )
    return left


def _place(path: str, places: Iterable[str]) -> str:
    """The one of some places that a series at `path` is in."""
    return next((p for p in places if path == p or path.startswith((f"{p}.", f"{p}/"))), "")


def _looked(crew: Crew, result: Comparison, suite: str) -> dict[str, dict[str, Any]]:
    """What each version has of the suite."""
    about: dict[str, dict[str, Any]] = {}
    for answer in crew.look(suite):
        if "broken" in answer:
            result.broken[answer["version"]] = answer["broken"]
        else:
            about[answer["version"]] = answer
    for side in ("base", "head"):
        if side not in about:  # whatever is loaded may end the process
            result.broken.setdefault(side, "loading its suite ends the process")
    return about


def _of_place(path: str, trouble: Mapping[str, str]) -> str:
    """Why what lies at `path` cannot be loaded; nothing if it can."""
    return trouble.get(_place(path, trouble), "")


def prove_suite(crew: Crew, result: Comparison, series: Sequence[Series], suite: str) -> None:
    """Have every series run once in both versions; notes what fails and how long calls are.

    A call that takes much longer than the budget allows to time is broken off.
    """
    longest = longest_proof(result.budget, len(result.findings))
    failed: dict[Series, dict[str, str]] = {one: {} for one in series}
    untimed: dict[Series, dict[str, str]] = {one: {} for one in series}
    quantities: dict[Series, str] = {}
    for group in [["head"], ["base"]] if result.isolated else [["base", "head"]]:
        left = list(series)
        for _ in range(ENDED_MOST):
            for answer in _answers(crew, group, suite, left, longest):
                one = Series.of(answer["series"], suite)
                left.remove(one)
                failed[one] |= answer["failed"]
                untimed[one] |= answer["untimed"]
                if answer["quantity"] != "time":
                    quantities[one] = answer["quantity"]
                crew.calls[one] = max(crew.calls.get(one, 0.0), answer["seconds"])
                crew.whole[one] = max(crew.whole.get(one, 0.0), answer["whole"])
                crew.setup[one] = answer["setup"]
                if answer["broken_off"]:
                    crew.broken_off.add(one)
            if not left or not crew.failed:
                break
            # The first of those left has ended the process: of which version?
            one = left.pop(0)
            for side in group:
                if not any(_answers(crew, [side], suite, [one], longest)):
                    failed[one][side] = crew.trouble[-1] if crew.trouble else "it gave no answer"
    _measure(crew, result, suite, quantities, failed, untimed)
    for one in series:
        _conclude(result.findings[one], failed[one], untimed[one])
        if result.findings[one].untimed or result.findings[one].wrong:
            crew.calls.pop(one, None)


def confirm(crew: Crew, result: Comparison, series: Sequence[Series]) -> None:
    """Have what has failed in one version proven again, while nothing else runs.

    What fails by chance, or because another process was in its way, is not wrong.
    """
    for suite in crew.suites:
        failed = [one for one in series if one.suite == suite and result.findings[one].wrong]
        for one in failed:
            result.findings[one].wrong = {}
        if failed:
            prove_suite(crew, result, failed, suite)


def _measure(
    crew: Crew,
    result: Comparison,
    suite: str,
    quantities: Mapping[Series, str],
    failed: dict[Series, dict[str, str]],
    untimed: dict[Series, dict[str, str]],
) -> None:
    """Have several processes say what series give that measure no time.

    The peak of memory is that of a process, so each such series has processes of its own.
    """
    alone = [[one] for one, quantity in quantities.items() if quantity == "peakmemory"]
    groups = [[one for one in quantities if [one] not in alone], *alone]
    for group in (group for group in groups if group):
        for side in crew.shuffled(["base", "head"] * VALUES):
            for answer in crew.ask("value", [side], suite, series=[one[:3] for one in group]):
                one = Series.of(answer["series"], suite)
                finding = result.findings[one]
                if "value" in answer:
                    finding.values.setdefault(side, []).append(answer["value"])
                    finding.unit = answer["unit"]
                elif "failed" in answer:
                    failed[one][side] = answer["failed"]
                else:
                    untimed[one][side] = answer["untimed"]
    for one in quantities:
        if result.findings[one].values:
            finding = result.findings[one]
            finding.untimed = finding.untimed or Judgement(Verdict.MEASURED)


def _answers(
    crew: Crew, sides: Sequence[str], suite: str, series: Sequence[Series], longest: float
) -> list[dict[str, Any]]:
    if not series:
        return []
    names = [one[:3] for one in series]
    return list(crew.ask("prove", sides, suite, series=names, longest=longest))


def _conclude(finding: Finding, failed: dict[str, str], untimed: dict[str, str]) -> None:
    """What the series is to be called."""
    name = finding.series.name
    if finding.untimed:  # the base does not have it
        failed, untimed = ({s: w for s, w in m.items() if s == "head"} for m in (failed, untimed))
    if finding.untimed and finding.untimed.verdict is Verdict.MEASURED and not failed:
        return
    if untimed:
        why = untimed.get("head") or untimed["base"]
        finding.untimed = Judgement(Verdict.NOT_TIMED, because=why)
    elif len(failed) > 1:
        why = f"it fails in both versions: {failed['head']}"
        finding.untimed = Judgement(Verdict.NOT_TIMED, because=why)
    else:
        for side, why in failed.items():
            finding.wrong[side] = f"{name} fails: {why}"
