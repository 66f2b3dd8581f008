"""The sentences about a comparison: the verdict, what to do next, and what limits it."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Iterable, Sequence

from .. import git
from ..machine.environment import environment
from ..machine.machine import BUSY
from ..statistics.verdicts import Reason, Verdict
from ..suites.commands import COMMANDS
from ..table import grouped
from ..words import SHORT, WORKING_TREE, by_percent, count, rounded, seconds, some
from ..worker.suite import NOT_LOADED
from .alarms import ANY_ALARM
from .budget import SCREENING
from .context import SIDES
from .decision import POWER
from .finding import Finding
from .gate import Kept, accepting, refusals
from .memory import FIRST_CALLS
from .records import changed_packages
from .result import Comparison
from .sections import (
    GONE,
    NOT_TIMED,
    SKIPPED,
    SLOWER,
    UNCHANGED,
    UNDECIDED,
    Part,
    section_of,
    sections,
)

WHICH = "Which commit?"  # begins a line that ends with a command to copy
NAMES_MOST = 2  # in a sentence
NO_MODULE = re.compile(r"No module named '(\w+)'")
CHANGES_MOST = 10  # settings in a sentence
BUDGET_LEAST = 60  # seconds of timing that are worth an advice
PARENT = re.compile(r"(\^|~)1?")  # what follows a commit's name in that of its parent
# Why a series is undecided that more time would decide.
UNCONFIRMED = (Reason.NOT_CONFIRMED, Reason.DIFFERS)
TIME_DECIDES = (Reason.WIDE_INTERVAL, Reason.NOT_JUDGED, Reason.FEW_PROCESSES)


def verdict(result: Comparison) -> str:
    """The answer, in one sentence."""
    if result.same:
        same = f"{result.head} has the same code as {result.base}"
        commits = {result.commits.get(side) for side in SIDES}
        if len(commits) == 1 and None not in commits:
            same = f"{result.head} and {result.base} are one commit; name an older one as BASE"
        return f"Nothing to compare: {'; '.join([same, *result.warnings])}."
    for side, why in result.broken.items():
        which = {"base": result.base, "head": result.head}[side]
        begun = f"Regression: {which}" if result.exit_code == 1 else _begun(which)
        return f"{begun} cannot be used: {why.rstrip('.')}."
    worse = result.blocking
    slower = [f for f in worse if f.slower]
    by = _slower_by(slower[0]) if len(slower) == 1 else ""
    by = by or f"up to {by_percent(max((f.size for f in slower), default=1.0))}".replace("+", "")
    kinds = (
        ([f for f in worse if "head" in f.wrong], "is wrong", "are wrong"),
        (slower, f"is slower by {by}", f"are slower by {by}"),
        ([f for f in worse if f.grown], "takes more memory", "take more memory"),
        ([f for f in worse if f.work_rose], "executes more bytecodes", "execute more bytecodes"),
        ([f for f in worse if f.risen], "reports a higher value", "report higher values"),
    )
    clauses = [f"{_clause(some, one, many)}{_worst(some)}" for some, one, many in kinds if some]
    exceeded = result.budgets(Kept.EXCEEDED)
    if clauses or exceeded:
        what = "Regression" if clauses else "Budget exceeded"
        return f"{what} at {result.head}: {'; '.join([*clauses, *exceeded])}."
    if gaps := result.gaps:
        judged = any(f.affected and f.decided for f in result.findings.values())
        if not judged:
            because = "; ".join(gaps)
            return f"{_begun(result.head)} could not be compared with {result.base}: {because}."
        gaps = [*gaps, *_unconfirmed(result)]
        return f"No regression was found at {result.head}, but {'; and '.join(gaps)}."
    undecided = result.undecided
    every = {f.series for f in [*result.timed, *undecided]}
    are = "is" if len(undecided) == 1 else "are"
    but = f"; {len(undecided)} of {len(every)} {are} undecided" if undecided else ""
    but += "".join(f"; {clause}" for clause in _unconfirmed(result))
    if not every and result.skipped:
        by_suite = [f for f in result.findings.values() if f.judgement.verdict is Verdict.SKIPPED]
        left = f"; {len(by_suite):,} skipped by the suite" if by_suite else ""
        return f"No regression at {result.head}: no benchmark runs changed code{left}."
    faster = [f for f in result.findings.values() if f.faster]
    most = max((1 - f.size for f in faster), default=0.0)
    by = f"{'up to ' * (len(faster) > 1)}{100 * most:.1f} %"
    gain = f"; {_clause(faster, 'is faster', 'are faster')} by {by}" if faster else ""
    return f"No regression at {result.head} against {result.base}{gain}{_allowed(result)}{but}."


def _begun(version: str) -> str:
    """A version at the beginning of a sentence: no name but ours has a space."""
    return f"T{version[1:]}" if version.startswith(WORKING_TREE) else version


def _unconfirmed(result: Comparison) -> list[str]:
    """The clause about changes that further processes or machines did not confirm."""
    names = [f.series.name for f in result.undecided if f.judgement.reason in UNCONFIRMED]
    return [f"the change of {some(names)} was not confirmed"] if names else []


def _allowed(result: Comparison) -> str:
    """How many regressions do not fail the comparison, after "No regression"."""
    allowed = [one for f in result.findings.values() if (one := result.allowance(f))]
    accepted = sum(one.accepted for one in allowed)
    warned = len(allowed) - accepted
    clause = f"; {count(accepted, 'accepted regression')}" if accepted else ""
    return clause + (
        f"; {count(warned, 'regression')} of benchmarks that only warn" if warned else ""
    )


def policy(result: Comparison) -> list[str]:
    """How the settings differ from the base's, and which acceptances do not count."""
    changes = list(result.policy.changes)
    if more := changes[CHANGES_MOST:]:
        changes = [*changes[:CHANGES_MOST], count(len(more), "more change")]
    listed = "; ".join(changes)
    changed = [f"The settings differ from those of {result.base}: {listed}."] if listed else []
    return [*changed, *refusals(result.policy, result.findings.values())]


def _clause(findings: Sequence[Finding], one: str, many: str) -> str:
    """What `one` function or `many` do: their names if these are few, else how many they are."""
    functions = list(dict.fromkeys(f.series.function for f in findings))
    who = " and ".join(functions)
    if len(functions) > NAMES_MOST:
        who = f"{len(findings):,} benchmarks"
    if len(findings) == 1:
        who = findings[0].series.name
    return f"{who} {one if len(functions) == 1 else many}"


def _worst(findings: Sequence[Finding]) -> str:
    """The name of the worst, where the sentence has only their number."""
    many = len({f.series.function for f in findings}) > NAMES_MOST
    return f" ({findings[0].series.name})" if many else ""


def interval(finding: Finding) -> str:
    """Such as `+2.1 % (+1.8 to +2.4)`; empty if it was not timed."""
    if not math.isnan(finding.bound):
        return f"at {'least' if finding.bound > 1 else 'most'} {by_percent(finding.bound)}"
    if not finding.processes:
        return ""
    average = " on average" if finding.average and finding.change.bounded else ""
    return f"{finding.change}{average}"


def _slower_by(finding: Finding) -> str:
    """By how much it is slower, such as `2.1 % (1.8 to 2.4)`: the word is the sign."""
    return interval(finding).replace("+", "")


def worse(finding: Finding) -> str:
    """How a series became worse, a clause for each measure; empty if a result is wrong."""
    clauses = {
        f"is slower by {_slower_by(finding)}": finding.slower,
        f"takes more memory: {'; '.join(finding.grown)}": finding.grown,
        f"executes more: {finding.work}": finding.work_rose,
        f"reports a higher value: {finding.risen}": finding.risen,
    }
    return "; ".join(clause for clause, holds in clauses.items() if holds)


def remark(finding: Finding) -> str:
    """What is known of a call beside its time: what it takes, and what it executes."""
    missing = "bytecodes were not counted" if finding.work_most is not None else ""
    one_sided = finding.processes and len(finding.memory) == 1
    memory = "memory not measured in both versions" if one_sided else ""
    uneven = "average of all calls: some take much longer" if finding.average else ""
    known = [uneven, changed_functions(finding), _consumed(finding), str(finding.work or missing)]
    known.append(memory)
    return "; ".join(filter(None, known))


def _consumed(finding: Finding) -> str:
    """What a command takes besides time, such as `CPU time 41 → 43 ms, peak memory 12 → 12 MB`."""
    cpu, memory = finding.cpu_seconds, finding.memory
    clauses = []
    if cpu:
        clauses.append(f"CPU time {seconds(cpu['base'])} → {seconds(cpu['head'])}")
    if finding.series.suite == COMMANDS and len(memory) == 2 and "peak" not in finding.grown_in:
        base, head = (f"{memory[side]['peak'] / 1e6:.3g}" for side in SIDES)
        clauses.append(f"peak memory {base} → {head} MB")
    return ", ".join(clauses)


def changed_functions(finding: Finding) -> str:
    """How the changed functions of a series change its call, or why that is unknown.

    Only where that is finer than the interval of the whole call, or missing.
    """
    known, judgement = finding.changed_functions, finding.judgement
    if known and known.not_timed and judgement.undecided and finding.processes:
        return f"changed functions not timed: {known.not_timed}"
    if not known or known.not_timed or finding.average:
        return ""
    own, whole = known.interval, finding.ratio
    if judgement.by_functions:
        return f"timed: {some(known.functions)}; the whole call: {whole.between} %"
    if not own.half_width < whole.half_width:
        return ""
    if known.contradicts(whole):
        return f"its changed functions: {own} of the call, which the whole call excludes"
    return "; ".join(filter(None, [f"its changed functions: {own} of the call", known.rest]))


def unchanged(result: Comparison) -> str:
    """How many series are unchanged, skipped or new, in one sentence; empty if none is."""
    clauses = []
    for section, findings in sections(result, Part.UNCHANGED):
        clause = section.clause
        if section is UNCHANGED:
            widths = [100 * finding.judgement.within for finding in findings]
            ends = dict.fromkeys(f"±{rounded(width, 2)}" for width in (min(widths), max(widths)))
            clause += f" within {' to '.join(ends)} %"
        if section is SKIPPED:
            run = "it runs" if len(findings) == 1 else "they run"
            clause += f" ({run} no changed code)"
        clauses.append(f"{len(findings):,} {clause}")
    return f"{'; '.join(clauses)}." if clauses else ""


def advice(result: Comparison) -> list[str]:
    """What to do about what is not known or has become slower, a sentence each."""
    by_section = grouped(result.findings.values(), lambda finding: section_of(result, finding))
    warnings = [] if result.same else dict.fromkeys(result.warnings)  # then in the verdict
    sentences = [f"{warning.rstrip('.')}." for warning in warnings]
    if any(f.judgement.reason in TIME_DECIDES for f in by_section.get(UNDECIDED, [])):
        more = f"--budget {max(math.ceil(2 * result.budget), BUDGET_LEAST)}"
        fewer = ", or fewer benchmarks with --series" * (len(result.findings) > 1)
        sentences.append(f"To decide more, use {more}{fewer}.")
    every = result.findings.values()
    reasons = [*(f.judgement.because for f in every), *result.unloaded.values()]
    missing = dict.fromkeys(name for why in reasons for name in NO_MODULE.findall(why))
    for name in [one for one in missing if f"`--with {one}`" in " ".join(sentences)]:
        del missing[name]  # its warning has the advice
    if own := next((name for name in missing if name.lower() == result.project), ""):
        del missing[own]
        sentences.append(
            f"Some benchmarks import {own}, the project's own package, which is in none of the "
            "folders that were tried: those of the build configuration, src, and that of the "
            "project; name its folder in pythonpath of [tool.pytest.ini_options]."
        )
    if missing:
        are = "which is" if len(missing) == 1 else "which are"
        options = " ".join(f"--with {name}" for name in missing)
        sentences.append(
            f"Some benchmarks import {', '.join(missing)}, {are} not installed; add {options}."
        )
    random = {f.series.function for f in every if NOT_LOADED in f.judgement.because}
    failing = [] if own or missing or result.exit_code < 2 else by_section.get(NOT_TIMED, [])
    failing = [f for f in failing if f.series.function not in random]
    gone = [f for f in by_section.get(GONE, []) if f.series.function not in random]
    judged = result.skipped or any(f.affected and f.decided for f in every)  # else useless
    if judged and (gone or failing):
        why = "they need not be judged" if failing else "this was intended"
        sentences.append(f"If {why}, add {accepting([*gone, *failing], every)}.")
    if result.busy > BUSY and result.timed:
        sentences.append(
            f"Other processes used {100 * result.busy:.0f} % of the machine; compare again when "
            "less else is running."
        )
    if (slower := by_section.get(SLOWER)) and (ends := _between(result)):
        name = shlex.quote(max(slower, key=lambda f: f.size).series.name)
        sentences.append(f"{WHICH} mlpperf bisect {name} {ends}")
    return sentences


def _between(result: Comparison) -> str:
    """The options of `bisect` for the commits that were compared; empty if there are none."""
    base = result.merge_base[:SHORT] or result.base
    head = None if result.head == WORKING_TREE else result.commits.get("head")
    if result.environments or result.releases or not result.commits.get("base"):
        return ""
    is_parent = PARENT.fullmatch(base.removeprefix(result.head if head else "HEAD"))
    # Of the working tree, only what is committed can be bisected: up to HEAD, the default.
    nothing_committed = not head and git.query("rev-parse", "HEAD") == result.commits["base"]
    if is_parent or nothing_committed or base in ("HEAD", "@"):
        return ""
    bad = f" --bad {shlex.quote(result.head)}" if head else ""
    return f"--good {shlex.quote(base)}{bad}"


def notes(result: Comparison) -> list[str]:
    """How the verdict was reached, and what limits it, a sentence each."""
    sentences = []
    timed = result.timed
    for word, kept in (("kept", Kept.KEPT), ("not measured", Kept.NOT_MEASURED)):
        if budgets := result.budgets(kept):
            sentences.append(f"Budgets {word}: {'; '.join(budgets)}.")
    if result.merge_base:
        sentences.append(f"Compared with {result.base} (use --exact for the commit as named).")
    if result.environments:
        sentences.append(f"The environments differ: {changed_packages(result.environments)}.")
    if timed:
        again = sum(f.processes > SCREENING.processes for f in timed)
        followed = f"; re-timed {again:,} that looked changed or unclear" if again else ""
        sentences += [
            f"Timed {count(len(timed), 'benchmark')} in {result.total:.0f} s{followed}.",
            *_by_functions(timed),
            *detectable(f.detectable for f in timed),
            f"False-alarm rate: at most {100 * ANY_ALARM:g} % per comparison. "
            f"Changes below {_thresholds(timed)} % are not reported (--threshold).",
        ]
    sentences += [*_counted(timed), *_memory_unknown(timed)]
    if result.all_timed_because and timed:
        sentences.append(f"All benchmarks were timed: {result.all_timed_because}.")
    hot_paths = [finding for finding in timed if not finding.series.suite]
    counted = (memory for finding in hot_paths for memory in finding.memory.values())
    if hot_paths and not any("allocations" in memory for memory in counted):
        sentences.append(
            "Only the peak memory of Python's own allocators was counted; memray counts all, and "
            "the allocations: pip install 'mlpperf[memory]'."
        )
    if result.isolated:
        sentences.append(
            f"Each version ran in its own processes ({result.isolated}). Two processes differ by "
            "several percent where two versions in one process do not, so only larger changes are "
            "detected."
        )
    if result.interrupted:
        sentences.append("Interrupted: benchmarks that were not judged by then are undecided.")
    here = environment()
    there = result.environment or here
    machine = there.machine
    sentences.append(f"{machine.processor}, {machine.cores} threads, {there.software}.")
    if hot_paths and there.software != here.software and result.suites:
        sentences.append(f"Hot paths ran on {here.software}.")
    return sentences


def _thresholds(timed: Sequence[Finding]) -> str:
    """The smallest changes that are reported, in percent, such as `0.5` or `0.5 to 10`."""
    shares = {finding.threshold for finding in timed}
    return " to ".join(dict.fromkeys(f"{100 * end(shares):g}" for end in (min, max)))


def _by_functions(timed: Sequence[Finding]) -> list[str]:
    """In how many benchmarks the changed functions were timed by themselves."""
    known = [f for f in timed if f.changed_functions and f.changed_functions.share]
    decided = sum(f.judgement.by_functions for f in known)
    also = f"; they decided {decided:,} that whole calls left undecided" if decided else ""
    which = count(len(known), "benchmark")
    return [f"Timed the changed functions by themselves in {which}{also}."] if known else []


def _counted(timed: Sequence[Finding]) -> list[str]:
    """What the counts show, where no slowdown was measured too."""
    works = [f.work for f in timed if f.work and not f.work.not_counted]
    if not works:
        return []
    same = sum(one.same for one in works)
    more, fewer = (sum(sign * (one.ratio - 1) > 0 for one in works) for sign in (1, -1))
    sentence = (
        f"Counted the bytecodes of a call in {len(works):,} of {count(len(timed), 'benchmark')}: "
        f"more in {more:,}, fewer in {fewer:,}, the same in {same:,}."
    )
    rising = [f for f in timed if f.work and f.work.ratio > 1 and f.decided and not f.slower]
    if not rising:
        return [sentence]
    most = max(rising, key=lambda f: f.work.ratio if f.work else 0.0)
    return [sentence, f"Largest rise without a slowdown: {most.series.name}, {most.work}."]


def _memory_unknown(timed: Sequence[Finding]) -> list[str]:
    """In how many benchmarks it is not known whether a call takes more memory."""
    by_itself = [f for f in timed if f.series.suite not in ("", COMMANDS)]
    unknown = [f.series.name for f in by_itself if not f.memory]
    of_all = f"{len(unknown):,} of {count(len(timed), 'benchmark')}"
    return [
        f"Whether a call takes more memory is unknown in {of_all}, such as {name}: "
        f"measuring it takes as long as {FIRST_CALLS:.0f} calls, for which a larger --budget may "
        "have time."
        for name in unknown[:1]
    ]


def detectable(sizes: Iterable[float]) -> list[str]:
    """The slowdowns that a comparison would have reported, as a sentence if any is known."""
    known = sorted(size for size in sizes if math.isfinite(size))
    if not known:
        return []
    half, most = (rounded(100 * known[int(share * (len(known) - 1))], 2) for share in (0.5, 0.9))
    of_both = f"{half} % for half of the benchmarks, {most} % for nine in ten"
    size = of_both if half != most else f"{most} %"
    return [f"Detectable slowdown ({100 * POWER:.0f} % power): {size}."]
