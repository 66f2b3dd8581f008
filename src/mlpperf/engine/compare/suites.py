"""What is compared of a suite that a project has already: its series, and whether they run through.

The asserts of a test are its proof. What fails at the head and not at the base is wrong; what fails
in both says nothing about the change, and is not timed. Where the versions differ, each is tried in
a process of its own before that is believed: in one process, two may be in each other's way.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..pool.pool import Crew
from ..statistics.verdicts import Judgement, Reason, Verdict
from ..suites.series import Selection, Series
from ..words import count
from .budget import longest_loading, longest_proof
from .proof import SIDES, Proof
from .result import Comparison, Finding

VALUES = 3  # processes that say what a series gives, for each version
ENDED_MOST = 10  # series that may end the process which proves them, before the others are left out
# A version that takes this many times as long as the other in each of several processes is slower,
# even if its calls are too long to be timed in turns.
PLAINLY_LONGER = 2.0
PROOFS_ALONE = 2  # processes of each version that have to agree on that
CALLED_AGAIN = 2000  # calls in which a failure that came while a series was timed has to come again


def plan_suite(crew: Crew, result: Comparison, selection: Selection, suite: str) -> list[Series]:
    """The series of a suite to prove, in the head's order; what is missing on one side is noted."""
    about = _looked(crew, result, suite)
    if not about["head"]["series"]:
        _nothing_at_head(crew, result, suite, about)
        return []
    series = {side: [Series.of(n, suite) for n in said["series"]] for side, said in about.items()}
    trouble = {side: said["trouble"] for side, said in about.items()}
    crew.loading |= {(suite, side): about[side]["loading"] for side in SIDES}
    told = {"base": result.base, "head": result.head}
    for side in SIDES:
        result.trouble += [f"{told[side]}: {why}" for why in trouble[side].values()]
    # Of a file that neither version can load, nobody knows what is in it. What a hook of the
    # project leaves out, such as `file::test`, is not meant to be timed.
    both = trouble["head"].keys() & trouble["base"].keys()
    lost = {place: trouble["head"][place] for place in both if "::" not in place}
    own = series.get("own", [])
    lost = {p: why for p, why in lost.items() if not any(_place(one.path, [p]) for one in own)}
    if not series["base"] and trouble["base"] and not own:
        lost[crew.suites[suite].place] = f"at {result.base}: {next(iter(trouble['base'].values()))}"
    if not selection.series:
        result.unloaded |= lost
    found = []
    for one in dict.fromkeys([*series["head"], *series["base"], *own]):
        if not selection.takes(one):
            continue
        finding = Finding(one, threshold=selection.threshold(one, result.threshold))
        result.findings[one] = finding
        if one not in series["head"]:
            if why := _of_place(one, trouble["head"]):
                finding.wrong["head"] = why
            else:
                finding.untimed = Judgement(Verdict.GONE)
        else:
            if one not in series["base"]:
                finding.untimed = Judgement(Verdict.NEW)
            found.append(one)
    return found


def _nothing_at_head(
    crew: Crew, result: Comparison, suite: str, about: Mapping[str, Mapping[str, Any]]
) -> None:
    """Note that the head has no series of a suite."""
    trouble = about["head"]["trouble"]
    place = crew.suites[suite].place
    why = " ".join(trouble.values()) or f"no series of its {suite} suite was found"
    if any(about[side]["series"] for side in about):
        result.broken["head"] = why
    elif trouble:
        result.unloaded[place] = why
    else:
        result.trouble.append(f"{place}: {why}")


def leave_out_loading(crew: Crew, result: Comparison, series: Sequence[Series]) -> list[Series]:
    """Those of the series that load in time; notes of the others which budget would do."""
    places: dict[tuple[str, str], list[Series]] = {}
    for one in series:
        place = _place(one.path, crew.loading.get((one.suite, "head"), {}))
        places.setdefault((one.suite, place), []).append(one)
    left = []
    for (suite, place), there in places.items():
        seconds = sum(crew.loading.get((suite, s), {}).get(place, 0.0) for s in SIDES)
        longest = longest_loading(result.budget, len(there) / len(series))
        if seconds <= longest:
            left += there
            continue
        for one in there:
            finding = result.findings[one]
            judgement = Judgement(Verdict.UNDECIDED, reason=Reason.LONG_LOADING)
            finding.untimed = finding.untimed or judgement
        result.trouble.append(
            f"{place} takes {seconds:.1f} s to load in both versions, in every process: "
            f"--budget {math.ceil(result.budget * seconds / longest)} does not leave it out"
        )
    return left


def _place(path: str, places: Iterable[str]) -> str:
    """The one of some places that a series at `path` is in."""
    return next((p for p in places if path == p or path.startswith((f"{p}.", f"{p}/"))), "")


def _looked(crew: Crew, result: Comparison, suite: str) -> dict[str, dict[str, Any]]:
    """What each version has of the suite, and what the base has by its own files."""
    about: dict[str, dict[str, Any]] = {}
    for answer in crew.look(suite):
        about[answer["version"]] = _readable(answer)
    for side in SIDES:  # whatever is loaded may end the process
        about.setdefault(side, _readable({"broken": "loading its suite ends the process"}))
    trouble = about["base"]["trouble"]
    lacking = [place for place in trouble if place not in about["head"]["trouble"]]
    if lacking and crew.gives_own_files(suite, lacking):
        for answer in crew.look(suite, ["base"]):
            about["base"] = _readable(answer)
        result.trouble.append(
            f"{', '.join(lacking) or crew.suites[suite].place} of {result.head} does not load at "
            f"{result.base} ({next(iter(trouble.values()))}); what both have is compared by the "
            f"own files of {result.base}"
        )
    return about


def _readable(answer: Mapping[str, Any]) -> dict[str, Any]:
    """What a version has; of one that could not be loaded, that there is nothing."""
    trouble = {"": answer["broken"]} if "broken" in answer else answer["trouble"]
    return {"series": answer.get("series", []), "trouble": trouble} | {
        "loading": answer.get("loading", {})
    }


def _of_place(series: Series, trouble: Mapping[str, str]) -> str:
    """Why a series cannot be loaded; nothing if it can."""
    for path in (f"{series.path}::{series.variant}", f"{series.path}.{series.variant}"):
        if path in trouble:
            return trouble[path]
    return trouble.get(_place(series.path, trouble), "")


def prove_suite(crew: Crew, result: Comparison, series: Sequence[Series], suite: str) -> None:
    """Have every series run in both versions; notes what fails and how long calls are.

    A call that takes much longer than the budget allows to time is broken off.
    """
    groups = [["head"], ["base"]] if result.isolated else [["base", "head"]]
    proofs = _proofs(crew, result, series, suite, groups)
    _measure(crew, result, suite, proofs)
    for one, proof in proofs.items():
        _conclude(crew, result.findings[one], proof)
    mixed = [s for s, proof in proofs.items() if any(t.get("foreign") for t in proof.took.values())]
    crew.apart.update(mixed)
    if mixed:
        result.trouble.append(
            f"{count(len(mixed), 'benchmark')} such as {mixed[0].name} would run code of the other "
            "version, which has registered it with a package that both use: each version has a "
            "process of its own for these"
        )


def _proofs(
    crew: Crew,
    result: Comparison,
    series: Sequence[Series],
    suite: str,
    groups: Sequence[Sequence[str]],
    repeat: int = 1,
) -> dict[Series, Proof]:
    """The proof of each series, by processes that have a group of versions each."""
    longest = longest_proof(result.budget, len(result.findings))
    proofs = {one: Proof() for one in series}

    def answers(group: Sequence[str], some: Sequence[Series]) -> list[dict[str, Any]]:
        if not some:
            return []
        names = [one[:3] for one in some]
        task = {"series": names, "longest": longest, "repeat": repeat}
        return list(crew.ask("prove", group, suite, **task))

    for group in groups:
        left = list(series)
        for _ in range(ENDED_MOST):
            for answer in answers(group, left):
                one = Series.of(answer["series"], suite)
                left.remove(one)
                proofs[one].add(answer)
            if not left or not crew.failed:
                break
            # One of those left has ended the process: of which version?
            lost = crew.lost.series if crew.lost else ()
            one = next((series for series in left if series[:3] == lost), left[0])
            left.remove(one)
            for side in group:
                alone = answers([side], [one])
                for answer in alone:
                    proofs[one].add(answer)
                if not alone:
                    why = crew.trouble[-1] if crew.trouble else "it gave no answer"
                    proofs[one].failed[side] = why
    return proofs


def confirm(crew: Crew, result: Comparison, series: Sequence[Series]) -> None:
    """Have what differs between the versions proven again, by each of them alone.

    What fails by chance, or because the other version was in its way, is not wrong. If both run
    alone, they are timed in two processes.
    """
    for suite in crew.suites:
        differ = [s for s in series if s.suite == suite and _differs(result.findings[s])]
        if not differ:
            continue
        for one in differ:
            finding = result.findings[one]
            finding.wrong, finding.bound = {}, math.nan
            if not _is_new(finding):
                finding.untimed = None
        proofs = _proofs(crew, result, differ, suite, [[side] for side in crew.shuffled(SIDES)])
        for one, proof in proofs.items():
            _conclude(crew, result.findings[one], proof)
            if set(proof.took) == set(SIDES) and not _is_new(result.findings[one]):
                crew.apart.add(one)


def _differs(finding: Finding) -> bool:
    return bool(finding.wrong) or not math.isnan(finding.bound)


def _is_new(finding: Finding) -> bool:
    return finding.untimed is not None and finding.untimed.verdict is Verdict.NEW


def compare_long_calls(crew: Crew, result: Comparison, series: Sequence[Series]) -> None:
    """Note which of the series, whose calls are too long to be timed, take plainly longer.

    A call of each version in each of several processes has to say so.
    """
    for suite in crew.suites:
        longer = [one for one in series if one.suite == suite and _longer(crew.took[one])]
        took = {one: [crew.took[one]] for one in longer}
        for _ in range(PROOFS_ALONE if longer else 0):
            groups = [[side] for side in crew.shuffled(SIDES)]
            for one, proof in _proofs(crew, result, longer, suite, groups).items():
                took[one].append({side: about["whole"] for side, about in proof.took.items()})
        for one in longer:
            if all(len(seconds) == len(SIDES) for seconds in took[one]):
                base, head = ([seconds[side] for seconds in took[one]] for side in SIDES)
                if min(head) >= PLAINLY_LONGER * max(base):
                    result.findings[one].bound = min(head) / max(base)
                elif min(base) >= PLAINLY_LONGER * max(head):
                    result.findings[one].bound = max(head) / min(base)


def _longer(seconds: Mapping[str, float]) -> bool:
    """Whether a call of one version seems to take plainly longer than one of the other."""
    if set(seconds) != set(SIDES):
        return False
    return max(seconds.values()) >= PLAINLY_LONGER * min(seconds.values())


def examine(crew: Crew, result: Comparison, failures: Mapping[Series, str]) -> list[Series]:
    """Find out which version's fault it was that series failed while they were timed.

    Each version is called alone, often. Gives those that fail in neither: they are timed in two
    processes from now on.
    """
    apart = []
    for suite in crew.suites:
        failed = [one for one in failures if one.suite == suite]
        if not failed:
            continue
        groups = [[side] for side in crew.shuffled(SIDES)]
        proofs = _proofs(crew, result, failed, suite, groups, CALLED_AGAIN)
        for one, proof in proofs.items():
            finding = result.findings[one]
            if set(proof.took) == set(SIDES):
                if one in crew.apart or result.isolated:
                    finding.untimed = Judgement(Verdict.NOT_TIMED, because=failures[one])
                    continue
                crew.apart.add(one)
                apart.append(one)
                continue
            _conclude(crew, finding, proof)
            if not finding.decided:
                why = f"it failed when it was timed: {failures[one]}"
                finding.untimed = Judgement(Verdict.NOT_TIMED, because=why)
    return apart


def _measure(crew: Crew, result: Comparison, suite: str, proofs: Mapping[Series, Proof]) -> None:
    """Have several processes say what series give that measure no time.

    The peak of memory is that of a process, so each such series has processes of its own.
    """
    values = {one: proof for one, proof in proofs.items() if proof.quantity != "time"}
    alone = [[one] for one, proof in values.items() if proof.quantity == "peakmemory"]
    groups = [[one for one in values if [one] not in alone], *alone]
    for group in (group for group in groups if group):
        for side in crew.shuffled(SIDES * VALUES):
            for answer in crew.ask("value", [side], suite, series=[one[:3] for one in group]):
                one = Series.of(answer["series"], suite)
                if "value" not in answer:
                    values[one].add(
                        {key: {side: why} for key, why in answer.items() if key != "series"}
                    )
                elif not math.isfinite(answer["value"]):
                    values[one].untimed[side] = f"it gives {answer['value']}, which is no number"
                else:
                    result.findings[one].values.setdefault(side, []).append(answer["value"])
                    result.findings[one].unit = answer["unit"]
    for one, proof in values.items():
        finding = result.findings[one]
        if proof.not_run:
            finding.values = {}
        elif finding.values:
            finding.untimed = finding.untimed or Judgement(Verdict.MEASURED)


def _conclude(crew: Crew, finding: Finding, proof: Proof) -> None:
    """What a series is to be called after its proof, and how long its calls are if it runs."""
    for known in (crew.calls, crew.whole, crew.setup, crew.took):
        known.pop(finding.series, None)
    name, sides = finding.series.name, ("head",) if _is_new(finding) else SIDES
    not_run = {side: why for side, why in proof.not_run.items() if side in sides}
    broken_off = {side: s for side, s in proof.broken_off.items() if side in sides}
    if not_run and len(not_run) == len(sides):
        why = not_run["head"]
        if proof.skipped.keys() >= set(sides):
            finding.untimed = Judgement(Verdict.SKIPPED, because=why)
        elif sides == ("head",) and "head" in proof.failed:
            finding.wrong["head"] = f"{name} fails: {why}"
        else:
            both = "" if len(sides) == 1 or why in proof.untimed.values() else "in both versions "
            how = "it fails" if "head" in proof.failed else "it cannot be timed"
            finding.untimed = Judgement(Verdict.NOT_TIMED, because=f"{how} {both}({why})")
    elif not_run:
        ((side, why),) = not_run.items()
        if side == "base" and side not in proof.failed:  # the base does not have it
            finding.untimed = Judgement(Verdict.NEW, because=why)
        else:
            how = "fails" if side in proof.failed else "cannot be run any more"
            finding.wrong[side] = f"{name} {how}: {why}"
    elif broken_off:
        others = [took["whole"] for side, took in proof.took.items() if side in sides]
        if others and "head" in broken_off:
            finding.bound = broken_off["head"] / others[0]
        elif others:
            finding.bound = others[0] / broken_off["base"]
        if not (finding.bound >= PLAINLY_LONGER or finding.bound <= 1 / PLAINLY_LONGER):
            finding.bound = math.nan
            finding.untimed = finding.untimed or Judgement(
                Verdict.UNDECIDED, reason=Reason.LONG_CALLS
            )
            crew.broken_off.add(finding.series)
    elif proof.quantity == "time" and proof.took.keys() == set(SIDES) and not _is_new(finding):
        crew.calls[finding.series] = proof.longest("seconds")
        crew.whole[finding.series] = proof.longest("whole")
        crew.setup[finding.series] = proof.longest("setup")
        crew.took[finding.series] = {side: took["whole"] for side, took in proof.took.items()}
