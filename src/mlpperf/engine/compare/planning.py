"""Which series a comparison calls: those of the head, beside what only the base has."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import islice

from ...errors import MlpperfError
from ..statistics.verdicts import Judgement, Reason, Verdict
from ..suites.commands import COMMANDS
from ..suites.discovery import Suite
from ..suites.policy import Policy
from ..suites.pyproject import text_of
from ..suites.series import Series
from ..table import grouped
from ..versions.diff import same_paths
from ..versions.own import file_of
from ..worker.protocol import Inventory
from .budget import longest_loading
from .context import SIDES, Context
from .finding import Finding
from .shards import Shard, dealt

HOT_PATHS = ""  # the suite that hot paths belong to, as `Series.suite` has it
WORDS = re.compile(r"[^\W\d]\w*")  # of a pattern


@dataclass(frozen=True)
class Plan:
    """Which series a comparison calls.

    Attributes
    ----------
    findings : of all series, with what is known before anything is called.
    series : those to be called.
    import_seconds : of each place of a suite, by suite and side.
    broken, unloaded : as `Comparison` has them.
    shared : what loading a version sets for a whole process, and not the other, as it is at the
        base; by suite.
    registered : where outside of the project a version registers something of it, by suite.
    own : the series that the base's own suites have, as keys.
    """

    findings: dict[Series, Finding] = field(default_factory=dict)
    series: Sequence[Series] = ()
    import_seconds: Mapping[tuple[str, str], Mapping[str, float]] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    unloaded: dict[str, str] = field(default_factory=dict)
    shared: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    registered: Mapping[str, str] = field(default_factory=dict)
    own: Mapping[Series, None] = field(default_factory=dict)

    def part(self, shard: Shard, policy: Policy) -> tuple[Plan, Shard]:
        """What a shard calls, and the shard with what it is a part of."""
        mine, known = dealt(self.findings, shard, policy)
        findings = {one: finding for one, finding in self.findings.items() if one in mine}
        return replace(
            self, findings=findings, series=[one for one in self.series if one in mine]
        ), known

    def joined(self, other: Plan) -> Plan:
        """Both plans; with a version that is broken, nothing is called."""
        names = [one.name for one in fields(Plan) if one.name != "series"]
        both = {name: {**getattr(self, name), **getattr(other, name)} for name in names}
        return Plan(series=() if both["broken"] else [*self.series, *other.series], **both)


def plan(context: Context, skip_unchanged: bool = False) -> Plan:
    """The series of all suites, in the head's order.

    Hot paths whose files and imports are the same need not be called, if they may be skipped.

    Raises `MlpperfError` if something is selected that neither version has, and `DependentError` if
    the versions are compiled and cannot share a process.
    """
    pair, selection = context.pair, context.selection
    planned = Plan()
    if pair.base.entries or pair.head.entries:
        inventories = context.pool.discover(HOT_PATHS, SIDES)
        broken = {side: one.broken[""] for side, one in inventories.items() if one.broken}
        planned = Plan(broken=broken)
        if not broken:
            skip = skip_unchanged and pair.runs_alike
            planned = _planned(context, HOT_PATHS, inventories, skip)
    of_suites, unseen = {}, [(suite, suite.unseen) for suite in pair.suites]
    for suite in pair.suites:
        if not planned.broken:
            of_suites[suite.kind] = inventories = _discover(context, suite)
            of_suite = _plan_suite(context, suite, inventories)
            unseen.append((suite, of_suite.unloaded))
            planned = planned.joined(of_suite)
    if pair.compiled and not pair.isolated and planned.series:
        for kind in of_suites.keys() - {COMMANDS}:
            inventories = of_suites[kind]
            context.pool.check_sharing(kind, inventories)
    if selection.series and not planned.findings and not planned.broken:
        patterns = " or ".join(map(repr, selection.series))
        reasons = (why for one in of_suites.values() for why in one["head"].broken.values())
        sentences = [f"There is no benchmark that fits {patterns}.", *islice(reasons, 1)]
        raise MlpperfError(" ".join(sentences))
    kinds = {suite.kind for suite in pair.suites}
    own = pair.own.suites if pair.own else {}
    gone = [suite.place for kind, suite in own.items() if kind not in kinds]
    why = f"{pair.head.name} has none of these any more"
    known = {one.name for one in planned.findings}
    places = {
        place: reason
        for suite, reasons in unseen
        for place, reason in reasons.items()
        if _may_be_selected(context, suite, place, known)
    }
    unloaded = {**dict.fromkeys(gone, why), **places, **pair.absent}
    return replace(planned, unloaded=unloaded)


def _may_be_selected(context: Context, suite: Suite, place: str, known: set[str]) -> bool:
    """Whether a place that nobody could look into may hold a benchmark that is selected.

    A pattern that is one of the `known` names selects no other one. Of any other pattern, the words
    are in the name of a benchmark, and so in that of its file or in the text.
    """
    patterns = context.selection.series
    file = context.pair.head.root / file_of(suite, place)
    text = text_of(file) if file.suffix == ".py" else ""
    return not patterns or any(
        not text or all(word in f"{place}\n{text}" for word in WORDS.findall(pattern.split("[")[0]))
        for pattern in patterns
        if pattern not in known
    )


def _plan_suite(context: Context, suite: Suite, inventories: Mapping[str, Inventory]) -> Plan:
    """The series of a suite other than hot paths."""
    names = {side: getattr(context.pair, side).name for side in SIDES}
    base, head = inventories["base"], inventories["head"]
    if not head.series:
        reasons = _reasons(head.broken)
        why = " ".join(reasons.values()) or "no benchmark was found there"
        if any(inventory.series for inventory in inventories.values()):
            return Plan(broken={"head": why})
        if head.broken:
            return Plan(unloaded={suite.place: "; ".join(reasons)})
        context.warn(f"{suite.place}: {why}")
        return Plan()
    for place in {**base.broken, **head.broken}:
        reasons = {side: inventories[side].broken.get(place, "") for side in SIDES}
        if reasons["base"] == reasons["head"]:
            context.warn(f"In both versions {reasons['head']}")
            continue
        for side, why in reasons.items():
            if why:
                context.warn(f"{names[side]}: {why}")
    planned = _planned(context, suite.kind, inventories)
    # What is in a file that neither version can load is unknown. What a hook of the project leaves
    # out, such as `file::test`, is not meant to be timed.
    own = inventories["own"].series if "own" in inventories else []
    unloaded = {
        place: _reason(place, head.broken[place])
        for place in head.broken.keys() & base.broken.keys()
        if "::" not in place and not any(_place(path, [place]) for path, _, _ in own)
    }
    if not base.series and base.broken and not own:
        for reason, sentence in _reasons(base.broken).items():
            place = next(place for place, why in base.broken.items() if why == sentence)
            unloaded[place or suite.place] = f"at {names['base']}: {reason}"
    return replace(planned, unloaded=unloaded)


def _reasons(broken: Mapping[str, str]) -> dict[str, str]:
    """The reasons for which files cannot be loaded, and the sentence about the first of each."""
    reasons: dict[str, str] = {}
    for place, sentence in broken.items():
        reasons.setdefault(_reason(place, sentence), sentence)
    return reasons


def _reason(place: str, sentence: str) -> str:
    """Why a file cannot be loaded, without its name, which the reader has already."""
    return sentence.removeprefix(f"{place} cannot be loaded: ").removeprefix(f"{place} is ")


def _discover(context: Context, suite: Suite) -> dict[str, Inventory]:
    """What each version has of the suite, and what the base has by its own files (`own`)."""
    pool, pair = context.pool, context.pair
    own = pair.own if pair.own and suite.kind in pair.own.suites else None
    inventories = pool.discover(suite.kind, [*SIDES, "own"] if own else SIDES)
    base, head = inventories["base"], inventories["head"]
    places = [place for place in base.broken if place not in head.broken]
    if places and own and (given_back := own.give_back(suite, places, pair.base.root)):
        inventories |= pool.discover(suite.kind, ["base"])
        why = _reason(given_back[0], base.broken[given_back[0]])
        context.warn(
            f"{', '.join(given_back) or suite.place} of {pair.head.name} does not load at "
            f"{pair.base.name} ({why}); what both have is compared by the own files of "
            f"{pair.base.name}"
        )
    return inventories


def _planned(
    context: Context, suite: str, inventories: Mapping[str, Inventory], skip_unchanged: bool = False
) -> Plan:
    """The series of a suite that are selected, with the verdict on those that need no call."""
    selection = context.selection
    series = {
        side: [Series.of(names, suite) for names in inventory.series]
        for side, inventory in inventories.items()
    }
    has = {side: set(of) for side, of in series.items()}
    base, head = inventories["base"], inventories["head"]
    unchanged = _unchanged(context, base, head) if skip_unchanged else set()
    every = dict.fromkeys(one for side in ("head", "base", "own") for one in series.get(side, ()))
    findings, called = {}, []
    for one in every:
        if not selection.takes(one, _libraries(one, inventories)):
            continue
        untimed, wrong = None, {}
        if one not in has["head"]:
            if left_out := base.broken.get(one.name) and head.broken.get(one.name):
                because = f"with the suite of the head it {left_out.removeprefix(one.name).strip()}"
                untimed = Judgement(Verdict.GONE, because=because)
            elif why := _why_broken(one, head.broken):
                wrong = {"head": why}
            else:
                untimed = Judgement(Verdict.GONE)
        elif one not in has["base"]:
            untimed = Judgement(Verdict.NEW)
        elif suite == HOT_PATHS:
            versions = {side.hot_paths[one.path].version for side in (base, head)}
            if len(versions) > 1:
                untimed = Judgement(Verdict.NOT_COMPARABLE)
            elif one.path in unchanged:
                untimed = Judgement(Verdict.UNCHANGED_CODE)
        findings[one] = Finding(one, untimed, wrong, threshold=selection.threshold_of(one))
        if one in has["head"] and findings[one].judgement.verdict is not Verdict.UNCHANGED_CODE:
            called.append(one)
    seconds = {(suite, side): inventories[side].import_seconds for side in SIDES}
    common = base.shared.keys() & head.shared.keys()
    shared = {name: base.shared[name] for name in common if base.shared[name] != head.shared[name]}
    registered = base.registered or head.registered
    return Plan(
        findings,
        called,
        seconds,
        shared={suite: shared} if shared else {},
        registered={suite: registered} if registered else {},
        own=dict.fromkeys(series.get("own", ())),
    )


def _unchanged(context: Context, base: Inventory, head: Inventory) -> set[str]:
    """The hot paths that are declared alike, and whose files and their imports are the same."""
    alike = {
        name: path.files
        for name, path in head.hot_paths.items()
        if path == base.hot_paths.get(name)
    }
    return same_paths(context.pair.base, context.pair.head, alike)


def _libraries(series: Series, inventories: Mapping[str, Inventory]) -> set[str]:
    """The libraries of a variant of a hot path, in the versions that have it; else none."""
    paths = [inventory.hot_paths.get(series.path) for inventory in inventories.values()]
    backends = [path.backends for path in paths if path and series.suite == HOT_PATHS]
    return {names[series.variant] for names in backends if series.variant in names}


def _why_broken(series: Series, broken: Mapping[str, str]) -> str:
    """Why a series cannot be loaded; nothing if it can."""
    for path in (f"{series.path}::{series.variant}", f"{series.path}.{series.variant}"):
        if path in broken:
            return broken[path]
    return broken.get(_place(series.path, broken), "")


def _place(path: str, places: Iterable[str]) -> str:
    """The file or module, of these `places`, that a series at `path` is in."""
    return next((p for p in places if path == p or path.startswith((f"{p}.", f"{p}/"))), "")


def without_slow_imports(planned: Plan, budget: float, warn: Callable[[str], None]) -> Plan:
    """The plan without files that take too long to import for a budget of `budget` seconds."""

    def place_of(one: Series) -> tuple[str, str]:
        known = planned.import_seconds.get((one.suite, "head"), {})
        return one.suite, _place(one.path, known)

    findings, left = dict(planned.findings), list[Series]()
    for (suite, place), there in grouped(planned.series, place_of).items():
        seconds = sum(planned.import_seconds.get((suite, s), {}).get(place, 0.0) for s in SIDES)
        longest = longest_loading(budget, len(there) / len(planned.series))
        if seconds <= longest:
            left += there
            continue
        too_long = Judgement(Verdict.UNDECIDED, reason=Reason.LONG_LOADING)
        for one in there:
            findings[one] = replace(findings[one], untimed=findings[one].untimed or too_long)
        warn(
            f"{place} was skipped: it takes {seconds:.1f} s to import in both versions, in every "
            f"process. Use --budget {math.ceil(budget * seconds / longest)} to include it"
        )
    return replace(planned, findings=findings, series=left)
