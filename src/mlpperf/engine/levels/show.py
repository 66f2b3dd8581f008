"""The steps of a branch in words, and how a backfill and a bisection of it go on and end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import Any, NamedTuple

from rich.console import Group, RenderableType

from ..compare import Outcome
from ..lines import Line, Lines, sentence
from ..statistics.verdicts import Verdict, verdict_in
from ..suites.series import Series, fits
from ..words import by_percent, count, plain, some
from .backfill import Compared
from .bisection import Hunt
from .edges import EVERY
from .fitting import ALARMS
from .gathering import Levels, Link, worse_between, wrong_at
from .knowledge import WELL, Known
from .lineage import Lineage
from .measuring import SECONDS_OF_ONE
from .planning import Plan
from .steps import Step

ERROR_FACTOR_SHOWN = 1.05  # smallest factor by which errors had to grow that is worth a note
NAMED_MOST, COMMITS_MOST = 3, 5  # series and commits in a sentence
BUDGET_MOST = 115.0  # seconds of timing in a comparison of many series
DRY_RUN_SECONDS = 10.0  # that a comparison of few series takes besides


class SeriesStep(NamedTuple):
    """A step of a series."""

    series: Series
    step: Step


def steps(levels: Levels, patterns: Sequence[str] = ()) -> list[SeriesStep]:
    """The steps of series that match a pattern, or of all; newest first, then largest."""
    matching = [
        SeriesStep(series, step)
        for series, fit in levels.fits.items()
        if not patterns or any(fits(pattern, series) for pattern in patterns)
        for step in fit.steps
    ]
    return sorted(matching, key=lambda one: (-one.step.where.last, -abs(one.step.log_ratio)))


def known(levels: Levels, pattern: str) -> bool:
    """Whether any series that was compared matches a pattern."""
    return any(fits(pattern, series) for series in levels.fits)


def doubtful(link: Link) -> bool:
    """Whether benchmarks count as unchanged that only older rules of mlpperf skipped."""
    return link.record.by_older_rules and bool(link.same or link.skipped.any())


def place(step: Step, lineage: Lineage) -> str:
    """The commit of a step, such as `a1b2c3d4e5`; or the first and last of a drift or a range."""
    if step.is_drift:
        return f"{lineage[step.where.first].short} to {lineage[step.where.last].short}"
    if step.earliest < step.latest:
        return f"{lineage[step.earliest].short} to {lineage[step.latest].short}, one of them"
    return lineage[step.where.first].short


def machine_of(step: Step, levels: Levels) -> str:
    """The machine on which a step is seen."""
    machine = step.where.machine
    return "all machines" if machine == EVERY else plain(levels.machines[machine])


def text(levels: Levels, patterns: Sequence[str] = ()) -> RenderableType:
    """The steps of series that match a pattern, or of all, by commit; then the notes."""
    parts: list[RenderableType] = []
    if lines := [_line(one, levels) for one in steps(levels, patterns)]:
        title = f"{count(len(lines), 'step')}, newest first"
        parts += [Lines(title, "plain", ("", "change", "95 % interval"), lines), ""]
    summary, *others = notes(levels)
    parts += [sentence(note, "dim") for note in others]
    return Group(*parts, sentence(summary, "bold"))


def _heading(step: Step, lineage: Lineage) -> str:
    commit = lineage[step.where.last]
    drift = ", as a drift" if step.is_drift else ""
    return f"{place(step, lineage)}{drift}  {commit.date:%Y-%m-%d}  {commit.subject}"


def _line(one: SeriesStep, levels: Levels) -> Line:
    series, step = one
    ratio, direction = step.ratio, step.direction
    cells = (direction.text.partition(",")[0], by_percent(ratio.median), ratio.between)
    several = len(levels.machines) > 1 and step.where.machine != EVERY
    on = f"only on {machine_of(step, levels)}" if several else ""
    above = (_heading(step, levels.lineage),)
    return Line(series.path, series.in_path, cells, ratio, on, direction.kind, above)


def notes(levels: Levels) -> list[str]:
    """How much was compared, and what limits the conclusions, a sentence each."""
    lineage, all_fits = levels.lineage, levels.fits
    reported = steps(levels)
    changed = len({one.series for one in reported})
    slower = sum(one.step.log_ratio > 0 for one in reported)
    those = f"{slower:,} slower, {len(reported) - slower:,} faster"
    steps_of = f"{count(len(reported), 'step')} ({those}) in {changed:,}"
    each = " each" if len(levels.links) > 1 else ""
    sentences = [
        f"{steps_of if reported else 'No step in any'} of "
        f"{count(len(all_fits), 'benchmark')} along "
        f"{count(len(lineage), 'commit')} ({lineage[0].short} to {lineage[-1].short}), from "
        f"{count(len(levels.links), 'comparison')} of two commits{each}.",
        f"False-alarm rate: at most {100 * ALARMS:g} % for the whole history.",
    ]
    known = {series: Known.of(fit) for series, fit in all_fits.items()}
    if wide := sum(one.within > WELL for one in known.values()):
        are = "benchmark is" if wide == 1 else "benchmarks are"
        sentences.append(
            f"{wide:,} {are} not known within ±{100 * WELL:g} %: compare with a larger --budget."
        )
    for at, wrong in sorted(wrong_at(levels.links).items()):
        sentences.append(f"{lineage[at]}: {some([s.name for s in wrong], NAMED_MOST)} wrong.")
    for link, outcome, kind, why in worse_between(levels.links):
        since = f"{outcome.series.name} {has(kind)} since {lineage[link.base].short}"
        sentences.append(f"{lineage[link.head]}: {since}, {why}.")
    factor = max((fit.factor for fit in all_fits.values()), default=1.0)
    if factor >= ERROR_FACTOR_SHOWN:
        sentences.append(
            "Comparisons contradict each other more than their errors allow; the errors were "
            f"multiplied by {factor:.2f}."
        )
    for host, (contradicting, every) in sorted(levels.contradictions().items()):
        if contradicting:
            sentences.append(
                f"Machine {host} contradicts the other comparisons in {contradicting} of "
                f"{count(every, 'link')}, which were left out."
            )
    if old := [one for one in levels.links if doubtful(one)]:
        are = f"{count(len(old), 'comparison')} {'is' if len(old) == 1 else 'are'}"
        sentences.append(
            f"{are} of an older mlpperf, which may have skipped benchmarks that run changed code. "
            "Run `mlpperf backfill --again`."
        )
    if later := not_compared(levels):
        sentences.append(f"{later}. Run `mlpperf backfill`.")
    if unlinked := {series: one.gaps for series, one in known.items() if one.gaps}:
        number = len(set().union(*unlinked.values()))
        are = f"{number:,} commits are not linked to their parents"
        are = "1 commit is not linked to its parent" if number == 1 else are
        names = some([series.name for series in unlinked], NAMED_MOST)
        of = "any benchmark" if len(unlinked) == len(all_fits) else names
        sentences.append(
            f"{are} (for {of}). Run `mlpperf backfill`, or raise --budget for slow benchmarks."
        )
    if ended := {series: k.last for series, k in known.items() if k.last < levels.newest}:
        newest, since = lineage[levels.newest].short, lineage[min(ended.values())].short
        have = "benchmark has" if len(ended) == 1 else "benchmarks have"
        names = some([series.name for series in ended], NAMED_MOST)
        sentences.append(
            f"{len(ended):,} {have} no result at {newest}: {names}. Unless they were removed, run "
            f"`mlpperf compare {since} {newest} --exact`."
        )
    if levels.unreadable:
        sentences.append(
            f"{count(len(levels.unreadable), 'line')} of the records cannot be read and "
            f"{'is' if len(levels.unreadable) == 1 else 'are'} left out, such as "
            f"{levels.unreadable[0]}."
        )
    if levels.others:
        options = ", with other options" if levels.asked else ""
        sentences.append(
            f"{count(levels.others, 'comparison')} of other branches{options} or of changed files "
            f"{'is' if levels.others == 1 else 'are'} left out."
        )
    return sentences


def not_compared(levels: Levels) -> str:
    """How many commits have not been compared yet, without a full stop; empty if none."""
    later = len(levels.lineage) - 1 - levels.newest
    have = "commit has" if later == 1 else f"{later:,} commits have"
    return f"The newest {have} not been compared yet" if later else ""


def no_levels(comparisons: int) -> str:
    """Why comparisons make no history."""
    are = "is" if comparisons == 1 else "are"
    return (
        f"There {are} {count(comparisons, 'comparison')}, but none of two commits of the "
        "checked-out branch; `mlpperf backfill` compares these."
    )


def as_json(levels: Levels, patterns: Sequence[str] = ()) -> dict[str, Any]:
    """The steps and notes as JSON can hold them."""
    lineage = levels.lineage
    return {
        "commits": [commit.hash for commit in lineage.commits],
        "machines": levels.machines,
        "steps": [
            {
                "series": series.name,
                "suite": series.suite,
                "kind": "drift" if step.is_drift else "step",
                "first": lineage[step.where.first].hash,
                "last": lineage[step.where.last].hash,
                "earliest": lineage[step.earliest].hash,
                "latest": lineage[step.latest].hash,
                "date": lineage[step.where.last].date.isoformat(),
                "machine": step.where.machine,
                "ratio": step.ratio.median,
                "low": step.ratio.low,
                "high": step.ratio.high,
            }
            for series, step in steps(levels, patterns)
        ],
        "notes": notes(levels),
    }


def beginning(plan: Plan) -> str:
    """What a backfill is about to do, with its estimated time."""
    lineage, left = plan.levels.lineage, len(plan.parents_left())
    measured = [link.record.seconds for link in plan.levels.links if not link.untouched]
    each = f"{median(measured):.0f} s each" if measured else "at most some minutes each"
    whole = f", {duration(left * median(measured))} in all" if measured and left else ""
    return plain(
        f"{count(len(lineage), 'commit')}, {lineage[0]} to {lineage[-1]}: {left} to be compared "
        f"with their parents ({each}{whole}), and some with tags and every tenth commit. Commits "
        "that change no code that runs take seconds. Ctrl-C stops; the same command continues."
    )


def line(compared: Compared, lineage: Lineage, left: int | None = None) -> str:
    """The outcome of a comparison, in one line."""
    base, head = (lineage[at].short for at in compared.pair)
    outcome = compared.failed
    if link := compared.link:
        outcome = link.record.verdict
        for at in compared.pair:  # versions are named by their hashes
            outcome = outcome.replace(lineage[at].hash, lineage[at].short)
        outcome = outcome.removeprefix(f"Regression at {head}: ")
        outcome = outcome.replace(f"No regression at {head} against {base}", "no regression")
        outcome = f"{link.record.seconds:.0f} s  {outcome}"
    todo = "" if left is None else f"  [{left} left]"
    return plain(f"{base}..{head}{todo}  {outcome}")


def duration(seconds: float) -> str:
    """Minutes; above an hour and a half, hours."""
    minutes = seconds / 60
    return f"{minutes / 60:.1f} hours" if minutes > 90 else count(math.ceil(minutes), "minute")


def seconds_for(series: int) -> float:
    """The default budget of a comparison of that many series."""
    return min(SECONDS_OF_ONE * series, BUDGET_MOST)


def cost(target: Hunt, seconds: float) -> str:
    """The number of comparisons to expect, and their time."""
    number = len(target.series)
    of = target.series[0].name if number == 1 else count(number, "benchmark")
    return plain(
        f"{of}: {count(target.last, 'commit')}, about {count(target.comparisons, 'comparison')} "
        f"of at most {seconds:.0f} s plus a dry run; if there is one step, at most "
        f"{duration(target.comparisons * (seconds + DRY_RUN_SECONDS))}."
    )


def has(kind: str) -> str:
    """The verb of a kind of `Outcome.differs`, such as "takes more memory"."""
    verbs = {"more memory": "takes", "more bytecodes": "executes", "larger value": "has a"}
    return f"{verbs.get(kind, 'is')} {kind}"


def outcome(target: Hunt, whole: Link, pattern: str | None = None) -> list[str]:
    """The result of a bisection, a sentence for each series that became worse.

    `pattern`: the benchmarks it was to look at.
    """
    lineage = target.plan.levels.lineage
    first, last = lineage[0].short, lineage[-1].short
    sentences = [_outcome(target, whole, series) for series in target.series]
    for one in _asked(whole, pattern):
        for kind, why in one.worse().items():
            sentences.append(f"{one.series.name} {has(kind)} at {last} than at {first}, {why}.")
        if "head" in one.wrong:
            sentences.append(f"{one.series.name} is wrong at {last}: {one.wrong['head']}.")
    if len(sentences) > len(target.series):
        command = f"mlpperf backfill {first}..{last}"
        sentences.append(f"Which commit that is, history shows after `{command}`.")
    if not sentences and whole.untouched:
        sentences = [f"No benchmark runs code that changed from {first} to {last}."]
    if not sentences:
        what = "Nothing that was judged" if unjudged(target, whole, pattern) else "Nothing"
        sentences = [f"{what} is slower at {last} than at {first}."]
    return [plain(sentence) for sentence in sentences]


def unjudged(target: Hunt, whole: Link, pattern: str | None = None) -> str:
    """What a bisection left open of what it was to look at, in a sentence; empty if nothing.

    What else of the suite is unknown does not matter to a `pattern`.
    """
    lineage, asked = target.plan.levels.lineage, _asked(whole, pattern)
    located = [series for series in target.series if target.steps(series)]
    if names := [o.series.name for o in asked if not (o.judged or o.series in located)]:
        again = f"mlpperf bisect NAME --good {lineage[0].short} --budget SECONDS"
        return plain(f"Not judged: {some(names, NAMED_MOST)}. Run `{again}` with more seconds.")
    if whole.record.exit_code == 2 and not (pattern and asked):
        return plain(whole.record.verdict)
    return ""


def _asked(whole: Link, pattern: str | None) -> list[Outcome]:
    return [one for one in whole.record.outcomes if not pattern or fits(pattern, one.series)]


def _outcome(target: Hunt, whole: Link, series: Series) -> str:
    lineage = target.plan.levels.lineage
    clauses = []
    for step in target.steps(series):
        if step.is_drift:
            where = f"as a drift from {lineage[step.where.first]} to {lineage[step.where.last]}"
        elif step.earliest == step.latest:
            confidence = f"with {100 * target.confidence:g} % confidence"
            where = f"since {lineage[step.where.first]}, {confidence}"
        else:
            between = [lineage[at] for at in range(step.earliest, step.latest + 1)]
            where = f"since one of {some([str(commit) for commit in between], COMMITS_MOST)}"
        clauses.append(f"{step.ratio} {where}")
    first, last = lineage[0].short, lineage[-1].short
    at_the_ends = whole.record.outcomes.find(series)
    if not clauses and at_the_ends and verdict_in(at_the_ends.verdict) is Verdict.SLOWER:
        return (
            f"{series.name}: slower in a comparison of {first} with {last}, but no commit can be "
            f"named with {100 * target.confidence:g} % confidence."
        )
    if not clauses:
        return f"{series.name}: no detectable change at any commit from {first} to {last}."
    return f"{series.name}: {'; '.join(clauses)}."
