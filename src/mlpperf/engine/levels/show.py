"""What is known of a branch in words: its steps, what contradicts, and what is not tied."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import Any, NamedTuple

from rich.console import Group, RenderableType
from rich.text import Text

from ..history.table import time
from ..statistics.intervals import CONFIDENCE
from ..statistics.quantiles import normal_quantile
from ..suites.series import Series, fits
from ..terminal import new_table
from ..words import by_percent, count, plain
from .backfill import Compared
from .edges import EVERY
from .fitting import ALARMS, Step
from .gathering import Levels, grown_between, wrong_at
from .lineage import Commit, Lineage
from .planning import Plan

WORTH_A_WORD = 1.05  # times that errors have to grow


class Told(NamedTuple):
    """A step of a series."""

    series: Series
    step: Step

    @property
    def ratio(self) -> float:
        """After ÷ before."""
        return math.exp(self.step.log_ratio)

    @property
    def interval(self) -> tuple[float, float]:
        """Its 95 % interval."""
        half = normal_quantile((1 + CONFIDENCE) / 2) * self.step.error
        low, high = (math.exp(self.step.log_ratio + side * half) for side in (-1, 1))
        return low, high

    @property
    def how(self) -> str:
        """In a word or two."""
        word = "slower" if self.step.log_ratio > 0 else "faster"
        return f"{word}, bit by bit" if self.step.climbs else word

    def by(self) -> str:
        """Such as `+2.1 % (+1.8 to +2.4)`."""
        low, high = (f"{100 * (bound - 1):+.1f}" for bound in self.interval)
        return f"{by_percent(self.ratio)} ({low} to {high})"


def steps(levels: Levels, patterns: Sequence[str] = ()) -> list[Told]:
    """Every step of every series (that fits a pattern), newest first, and at a commit largest."""
    found = [
        Told(series, step)
        for series, fit in levels.fits.items()
        if not patterns or any(fits(pattern, series) for pattern in patterns)
        for step in fit.steps
    ]
    return sorted(found, key=lambda told: (-told.step.where.last, -abs(told.step.log_ratio)))


def known(levels: Levels, pattern: str) -> bool:
    """Whether any series that was compared fits a pattern."""
    return any(fits(pattern, series) for series in levels.fits)


def place(step: Step, lineage: Lineage) -> str:
    """The commits of a step: `a1b2c3d4e5`, or where it begins and ends, or between which it is."""
    if step.climbs:
        return f"{lineage[step.where.first].short} to {lineage[step.where.last].short}"
    if step.earliest < step.latest:
        return f"{lineage[step.earliest].short} to {lineage[step.latest].short}, one of them"
    return lineage[step.where.first].short


def text(levels: Levels, patterns: Sequence[str] = ()) -> RenderableType:
    """The steps of series that fit a pattern, or of all, and what else has to be known."""
    parts: list[RenderableType] = []
    lineage = levels.lineage
    by_place: dict[tuple[str, Commit], list[Told]] = {}
    for told in steps(levels, patterns):
        at = place(told.step, lineage), lineage[told.step.where.last]
        by_place.setdefault(at, []).append(told)
    several = len(levels.machines) > 1
    for (where, commit), found in by_place.items():
        parts.append(Text(plain(f"{where}  {commit.subject}"), style="bold"))
        table = new_table("", "", "benchmark", *["on"] * several, "by", left=2 + several)
        for told in found:
            style = "red" if told.step.log_ratio > 0 else "green"
            machine = told.step.where.machine
            on = ["all" if machine == EVERY else levels.machines[machine]] if several else []
            table.add_row(Text(told.how, style), plain(told.series.name), *on, told.by())
        parts += [table, ""]
    parts += [Text(plain(sentence)) for sentence in notes(levels)]
    return Group(*parts)


def notes(levels: Levels) -> list[str]:
    """What has to be known besides the steps, a sentence each."""
    lineage, fits = levels.lineage, levels.fits
    told = steps(levels)
    found = [
        f"{count(len(told), 'step')} of {len(fits)} series along {count(len(lineage), 'commit')} "
        f"({lineage[0].short} to {lineage[-1].short}), by {count(len(levels.links), 'comparison')} "
        f"of two of them. In a history where nothing changed, any step would be told with a "
        f"probability of {100 * ALARMS:g} % at most."
    ]
    for at, wrong in sorted(wrong_at(levels.links).items()):
        found.append(f"{lineage[at]}: {_some([s.name for s in wrong])} wrong.")
    for link, outcome in grown_between(levels.links):
        found.append(
            f"{lineage[link.head]}: {outcome.series.name} takes more memory since "
            f"{lineage[link.base].short}, {'; '.join(outcome.grown)}."
        )
    factor = max((fit.factor for fit in fits.values()), default=1.0)
    if factor >= WORTH_A_WORD:
        found.append(
            f"Comparisons contradict each other more than their errors allow; these were taken "
            f"{factor:.2f} times as large."
        )
    for host, (contradicting, every) in sorted(levels.contradictions().items()):
        if contradicting:
            found.append(
                f"{host} contradicts the other comparisons in {contradicting} of "
                f"{count(every, 'edge')}, which were left out."
            )
    newest = max((link.head for link in levels.links if link.useful), default=0)
    if later := len(lineage) - 1 - newest:
        are = "commit has" if later == 1 else f"{later:,} commits have"
        found.append(f"The newest {are} not been compared yet; `mlpperf backfill` does it.")
    gaps = {series: [gap for gap in fit.gaps if gap <= newest] for series, fit in fits.items()}
    if untied := {series: places for series, places in gaps.items() if places}:
        number = len(set().union(*untied.values()))
        of = "any series" if len(untied) == len(fits) else _some([s.name for s in untied])
        found.append(
            f"Nothing ties {count(number, 'commit')} to the one before, of {of}: what was not "
            "compared yet, `mlpperf backfill` compares; what took too long needs a larger --budget."
        )
    if levels.unreadable:
        found.append(
            f"{count(len(levels.unreadable), 'line')} of the records cannot be read and "
            f"{'counts' if len(levels.unreadable) == 1 else 'count'} for nothing, such as "
            f"{levels.unreadable[0]}."
        )
    if levels.others:
        found.append(
            f"{count(levels.others, 'comparison')} of commits that are not on this branch, or of "
            "changed files, say nothing about it."
        )
    return found


def _some(names: Sequence[str]) -> str:
    first = ", ".join(names[:3])
    return first if len(names) <= 3 else f"{first} and {len(names) - 3} more"


def as_json(levels: Levels, patterns: Sequence[str] = ()) -> dict[str, Any]:
    """The same for other programs."""
    lineage = levels.lineage
    return {
        "commits": [commit.hash for commit in lineage.commits],
        "machines": levels.machines,
        "steps": [
            {
                "series": told.series.name,
                "suite": told.series.suite,
                "kind": "climb" if told.step.climbs else "step",
                "first": lineage[told.step.where.first].hash,
                "last": lineage[told.step.where.last].hash,
                "earliest": lineage[told.step.earliest].hash,
                "latest": lineage[told.step.latest].hash,
                "date": time(lineage[told.step.where.last].time).isoformat(),
                "machine": told.step.where.machine,
                "ratio": told.ratio,
                "low": told.interval[0],
                "high": told.interval[1],
            }
            for told in steps(levels, patterns)
        ],
        "notes": notes(levels),
    }


def beginning(plan: Plan) -> str:
    """What a backfill is about to do, and how long that may take."""
    lineage, left = plan.levels.lineage, len(plan.parents_left())
    known = [link.decision.seconds for link in plan.levels.links if not link.untouched]
    each = f"{median(known):.0f} s each" if known else "some minutes each at most"
    whole = f", {duration(left * median(known))} in all" if known and left else ""
    return plain(
        f"{count(len(lineage), 'commit')}, {lineage[0]} to {lineage[-1]}: {left} to be compared "
        f"with the one before ({each}{whole}), and some with tags and every tenth commit. What "
        "changes nothing that runs takes seconds. Ctrl-C ends it; the same command goes on."
    )


def line(compared: Compared, lineage: Lineage, left: int | None = None) -> str:
    """What a comparison came to, in a line."""
    base, head = (lineage[at].short for at in compared.pair)
    link = compared.link
    said = compared.failed
    if link:
        said = f"{link.decision.seconds:.0f} s  {link.decision.verdict}"
        for at in compared.pair:  # versions are called by their hashes
            said = said.replace(lineage[at].hash, lineage[at].short)
    todo = "" if left is None else f"  [{left} left]"
    return plain(f"{base}..{head}{todo}  {said}")


def duration(seconds: float) -> str:
    """Minutes, or hours from an hour and a half on."""
    minutes = seconds / 60
    return f"{minutes / 60:.1f} hours" if minutes > 90 else f"{minutes:.0f} minutes"
